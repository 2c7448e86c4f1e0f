import { afterAll, beforeAll, expect, test } from "bun:test";
import { openPhonePage, pairPage } from "./support/browser.ts";
import { type Dashboard, makePrompt, openDashboard, screen } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

/** Where screenshots go, for eyes: nothing is drawn where it is not set. */
const SHOTS = process.env.SCREENSHOTS;
const HANGS = "Nothing has changed on its screen since then. It may be at work, or it may hang.";

async function openSession(id: string, size: { width: number; height: number }, prompts = 0) {
  const asked = Array.from({ length: prompts }, (_, i) =>
    makePrompt(id, `p_${id}_${i}`, { input: { command: "make all" } }),
  );
  const socket = await dashboard.playRunner(id, asked);
  socket.send(
    screen(
      id,
      1,
      Array.from({ length: 24 }, (_, y) => `row ${y}`),
    ),
  );
  const phone = await openPhonePage(dashboard.browser, dashboard.server.origin, size);
  await pairPage(phone, await dashboard.machine.mint("viewer"));
  const { page } = phone;
  await page.goto(`${dashboard.server.origin}/#/s/${id}`);
  await page.getByText("row 3", { exact: true }).first().waitFor();
  const box = async (selector: string) => {
    const found = await page.locator(selector).boundingBox();
    if (found === null) throw new Error(`${selector} is not there`);
    return found;
  };
  const shot = async (name: string) => {
    if (SHOTS === undefined) return;
    for (const colorScheme of ["dark", "light"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${SHOTS}/${id}-${name}-${colorScheme}.png` });
    }
  };
  const close = async () => {
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  };
  return { socket, page, box, shot, close };
}

for (const [width, height] of [
  [844, 390],
  [667, 375],
  [568, 320],
] as const)
  test(`at ${width}×${height} the keys and the text box stand beside each other, whatever stands above`, async () => {
    const { page, box, shot, close } = await openSession(`wide-${width}`, { width, height });
    const sideBySide = async () => {
      const [keys, form] = [await box(".composer .keys"), await box(".composer form")];
      expect(keys.x + keys.width).toBeLessThanOrEqual(form.x);
      expect(Math.abs(keys.y + keys.height - form.y - form.height)).toBeLessThanOrEqual(1);
      expect(form.x + form.width).toBeGreaterThan(width - 12);
      expect(keys.width).toBeGreaterThan(0.45 * width);
      return keys;
    };
    const composer = await box(".composer");
    expect(composer.height).toBeLessThan(64); // one row
    await sideBySide();
    await shot("plain");
    // what may stand above them takes a row of its own, across
    await page.locator(".stuck p").evaluate((p, words) => (p.textContent = words), HANGS);
    await page.locator(".composer > .state").evaluate((p) => (p.textContent = "Not sent yet."));
    await until("the message is there", () => page.getByText(HANGS).isVisible());
    const keys = await sideBySide();
    for (const above of [".stuck", ".composer > .state"]) {
      const said = await box(above);
      expect(said.width).toBeGreaterThan(0.95 * width);
      expect(said.y + said.height).toBeLessThanOrEqual(keys.y);
    }
    await shot("stuck");
    await close();
  }, 60_000);

test("with a card beside it, every part of a session stands in its own place", async () => {
  for (const [width, height] of [
    [844, 390],
    [667, 430],
    [1280, 800],
  ] as const) {
    const id = `card-${width}`;
    const { socket, page, box, shot, close } = await openSession(id, { width, height }, 1);
    await page.getByRole("alertdialog").waitFor();
    const url = "https://login.example.com/oauth/authorize?client_id=1";
    socket.send({ type: "auth_url", session: id, url });
    await page.getByRole("region", { name: "Login" }).waitFor();
    const [login, views, cards] = [await box(".login"), await box(".views"), await box(".cards")];
    expect(login.width).toBeGreaterThan(0.9 * width);
    expect(login.y + login.height).toBeLessThanOrEqual(views.y + 1);
    expect(views.x + views.width).toBeLessThanOrEqual(cards.x + 1);
    expect(cards.y).toBeGreaterThanOrEqual(login.y + login.height - 1);
    expect(cards.y + cards.height).toBeLessThanOrEqual(height + 1);
    await shot("login");
    socket.send({ type: "auth_url", session: id, url: null });
    await page.getByRole("region", { name: "Login" }).waitFor({ state: "hidden" });
    await shot("card");
    await close();
  }
}, 90_000);
