import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { openPhonePage, pairPage } from "./support/browser.ts";
import { type Dashboard, makePrompt, openDashboard, screen } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

const PORTRAIT = { width: 390, height: 664 };
const LANDSCAPE = { width: 844, height: 340 };
interface Size {
  cols: number;
  rows: number;
}

/** A fitted session, played by a program that takes each size that is asked for. */
async function openFitted(id: string, size = PORTRAIT) {
  const socket = await dashboard.playRunner(id);
  let rev = 0;
  const draw = ({ cols, rows }: Size) =>
    socket.send(
      screen(
        id,
        ++rev,
        Array.from({ length: rows }, (_, y) => `row ${y} of ${rows}`),
        { cols },
      ),
    );
  draw({ cols: 80, rows: 24 });
  const phone = await openPhonePage(dashboard.browser, dashboard.server.origin, size);
  await pairPage(phone, await dashboard.machine.mint("viewer"));
  const { page } = phone;
  await page.goto(`${dashboard.server.origin}/#/s/${id}`);
  await page.getByText("row 3 of 24").first().waitFor();
  const button = page.getByRole("button", { name: "Fit the terminal to this screen" });
  const on = async () => (await button.getAttribute("aria-pressed")) === "true";
  /** What is asked for next, and drawn. */
  const asked = async (): Promise<Size> => {
    const { cols, rows } = await socket.next("resize");
    const wanted = { cols: Number(cols), rows: Number(rows) };
    draw(wanted);
    return wanted;
  };
  await button.click();
  const first = await asked();
  const close = async () => {
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  };
  return { socket, page, button, on, draw, asked, first, close };
}

/** What a fresh fit takes, once the page is still. */
async function fresh({ page, button, asked, socket }: Awaited<ReturnType<typeof openFitted>>) {
  await still(page);
  await button.click();
  expect((await socket.next("resize")).cols).toBeNull();
  await button.click();
  return asked();
}

/** The terminal's box has the same size for a while. */
async function still(page: Page): Promise<void> {
  const box = () => page.locator(".scroller").evaluate((s) => `${s.clientWidth} ${s.clientHeight}`);
  let [last, times] = ["", 0];
  await until("the page is still", async () => {
    const now = await box();
    times = now === last ? times + 1 : 0;
    last = now;
    await Bun.sleep(100);
    return times > 3;
  });
}

test("turned there and back, the terminal has the rows of where it is, not of where it was", async () => {
  const fitted = await openFitted("turned");
  const { page, asked, first, on, close } = fitted;
  await page.setViewportSize(LANDSCAPE);
  const across = await asked();
  expect(across.cols).toBeGreaterThan(2 * first.cols);
  expect(across.rows).toBeLessThan(first.rows / 2);
  expect(across).toEqual(await fresh(fitted));
  await page.setViewportSize(PORTRAIT);
  expect(await asked()).toEqual(first);
  expect(await fresh(fitted)).toEqual(first);
  expect(await on()).toBe(true);
  await close();
}, 60_000);

test("a box that changes its size in steps is asked for once, as it is at the end", async () => {
  const { page, asked, close } = await openFitted("steps");
  for (const [width, height] of [
    [500, 600],
    [664, 390],
    [700, 360],
    [LANDSCAPE.width, LANDSCAPE.height],
  ] as const)
    await page.setViewportSize({ width, height });
  let size = await asked();
  await still(page);
  const end = Number(
    await page.evaluate(
      `((s) => s.clientWidth - 2 * parseFloat(getComputedStyle(s).paddingLeft))(document.querySelector(".scroller"))`,
    ),
  );
  if (Math.floor(end / 13 / 0.602) !== size.cols) size = await asked(); // a slow machine saw a step
  expect(size.cols).toBe(Math.floor(end / 13 / 0.602));
  await close();
}, 60_000);

test("more or fewer rows that last are taken as well, with the same columns", async () => {
  const { page, asked, first, on, close } = await openFitted("rows");
  await page.setViewportSize({ ...PORTRAIT, height: PORTRAIT.height + 80 }); // the address bar is gone
  const more = await asked();
  expect(more.cols).toBe(first.cols);
  expect(more.rows).toBeGreaterThan(first.rows + 3);
  await page.setViewportSize(PORTRAIT);
  expect(await asked()).toEqual(first);
  expect(await on()).toBe(true);
  await close();
}, 60_000);

test("a keyboard that comes up and goes resizes nothing; a turn under it counts once it is gone", async () => {
  const fitted = await openFitted("keyboard");
  const { page, asked, first, close } = fitted;
  await page.getByRole("textbox", { name: "Type to the session" }).focus();
  await page.setViewportSize({ ...PORTRAIT, height: 340 });
  await still(page);
  await Bun.sleep(1800); // longer than rows have to last
  await page.setViewportSize(PORTRAIT);
  await still(page);
  await page.setViewportSize(LANDSCAPE);
  const across = await asked(); // the first that was asked for since
  expect(across.cols).toBeGreaterThan(2 * first.cols);
  await page.evaluate("document.activeElement.blur()");
  expect(await fresh(fitted)).toEqual(across);
  await close();
}, 60_000);

test("a card that comes up resizes nothing, though it takes half of the room", async () => {
  const { page, socket, asked, first, on, close } = await openFitted("card");
  const prompt = makePrompt("card", "p_card", { input: { command: "make\n".repeat(12) } });
  socket.send({ type: "prompt", prompt });
  const card = page.getByRole("alertdialog");
  await card.waitFor();
  await still(page);
  await Bun.sleep(1800); // longer than rows have to last
  socket.send({ type: "prompt", prompt: { ...prompt, state: "withdrawn" } });
  await card.waitFor({ state: "detached" });
  await page.setViewportSize({ ...PORTRAIT, width: 320 });
  const narrow = await asked(); // the first that was asked for since
  expect(narrow.cols).toBeLessThan(first.cols);
  expect(await on()).toBe(true);
  await close();
}, 60_000);

test("rows that somebody else has taken let go of it, too", async () => {
  const { draw, first, on, close } = await openFitted("other");
  await Bun.sleep(2100); // what was asked for has arrived by then
  draw(first);
  expect(await on()).toBe(true);
  draw({ ...first, rows: first.rows - 7 });
  await until("it has let go", async () => !(await on()));
  await close();
}, 60_000);
