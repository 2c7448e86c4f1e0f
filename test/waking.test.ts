import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Dashboard, makePrompt, openDashboard, screen } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

async function openSession(id: string) {
  const socket = await dashboard.playRunner(id);
  socket.send(screen(id, 1, ["before"]));
  const phone = await dashboard.openPaired();
  const { page } = phone;
  await page.goto(`${dashboard.server.origin}/#/s/${id}`);
  await page.getByText("before", { exact: true }).first().waitFor();
  const first = () => page.locator(".screen .row").first().textContent();
  const setHidden = (hidden: boolean) =>
    page.evaluate(
      `Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true }); document.dispatchEvent(new Event("visibilitychange"))`,
    );
  return { socket, phone, page, first, setHidden };
}

test("a phone that slept has the newest screen with the first answer to its waking, and what it missed right after", async () => {
  const { socket, phone, page, first, setHidden } = await openSession("sleep");
  await setHidden(true);
  await until(
    "it has let go",
    async () =>
      (await page.getByRole("status").first().textContent())?.startsWith("reconnecting") === true,
  );
  socket.send(screen("sleep", 2, ["after"]));
  socket.send({
    type: "output",
    session: "sleep",
    seq: 1,
    op: { op: "append", generation: 0, from: 0, lines: ["missed line"] },
  });
  socket.send({
    type: "prompt",
    prompt: makePrompt("sleep", "p_sleep", { input: { command: "make" } }),
  });
  await until(
    "the server has it all",
    async () => (await dashboard.machine.prompts()).length === 1,
  );
  let held: (() => void) | undefined;
  const released = new Promise<void>((resolve) => {
    held = resolve;
  });
  // whatever is fetched besides the stream comes late
  await page.route(/\/api\/sessions\/sleep\?screen=0$/, async (route) => {
    await released;
    await route.continue();
  });
  await setHidden(false);
  await until("the newest screen is drawn", async () => (await first()) === "after");
  expect(await page.getByRole("alertdialog").count()).toBe(0);
  held?.();
  await page.getByRole("alertdialog", { name: "Run a command" }).waitFor();
  await page.locator(".history").getByText("missed line").waitFor();
  expect(phone.suspicious).toEqual([]);
  await phone.context.close();
  socket.close();
}, 40_000);

test("without a network what is shown says that it is old, with its buttons off; with one it is right again", async () => {
  const { socket, phone, page, first } = await openSession("tunnel");
  socket.send({
    type: "prompt",
    prompt: makePrompt("tunnel", "p_tunnel", { input: { command: "make" } }),
  });
  const approve = page.getByRole("button", { name: "Approve", exact: true });
  await until("it can be answered", () => approve.isEnabled());
  const stopped = dashboard.server.port;
  await dashboard.server.stop(); // a stream that is open does not notice `setOffline`
  await phone.context.setOffline(true);
  const status = page.getByRole("status").first();
  await until(
    "it says so",
    async () => (await status.textContent())?.startsWith("reconnecting") === true,
  );
  expect(await approve.isDisabled()).toBe(true);
  expect(await page.locator(".scroller").getAttribute("data-stale")).toBe("true");
  await page.evaluate(`{ const now = Date.now; Date.now = () => now() + 5 * 60_000; }`);
  await until(
    "it says how old it is",
    async () => /as of 5 min ago/.test((await status.textContent()) ?? ""),
    25_000,
  );
  await page.evaluate(`{ const now = Date.now; Date.now = () => now() - 5 * 60_000; }`);
  dashboard.server = await dashboard.start(stopped);
  const back = await dashboard.playRunner("tunnel", [
    makePrompt("tunnel", "p_tunnel", { input: { command: "make" } }),
  ]);
  back.send(screen("tunnel", 5, ["after the tunnel"]));
  await phone.context.setOffline(false); // tells the page that it is online
  await until(
    "it is live",
    async () => (await status.textContent()) === "live" && (await first()) === "after the tunnel",
  );
  await until("it can be answered again", () => approve.isEnabled());
  await phone.context.close();
  for (const runner of [socket, back]) runner.close();
}, 60_000);

test("a question that comes while the list is still on its way is not taken for one that is over", async () => {
  const { socket, phone, page, setHidden } = await openSession("late");
  await setHidden(true);
  let held: (() => void) | undefined;
  const released = new Promise<void>((resolve) => {
    held = resolve;
  });
  await page.route(/\/api\/sessions\/late\?screen=0$/, async (route) => {
    const response = await route.fetch(); // as of now, with no question
    await released;
    await route.fulfill({ response });
  });
  const asked = page.waitForRequest(/\/api\/sessions\/late\?screen=0$/);
  await setHidden(false);
  await asked;
  await Bun.sleep(200);
  socket.send({
    type: "prompt",
    prompt: makePrompt("late", "p_late", { input: { command: "make" } }),
  });
  const card = page.getByRole("alertdialog", { name: "Run a command" });
  await card.waitFor();
  held?.();
  await Bun.sleep(300);
  expect(await card.getAttribute("data-state")).toBe("open");
  await until("it can be answered", () =>
    page.getByRole("button", { name: "Approve", exact: true }).isEnabled(),
  );
  await phone.context.close();
  socket.close();
}, 30_000);

test("a list that comes after it was left does not take the header of what is shown now", async () => {
  const { socket, phone, page } = await openSession("quick");
  let held: (() => void) | undefined;
  const released = new Promise<void>((resolve) => {
    held = resolve;
  });
  await page.route(/\/api\/sessions$/, async (route) => {
    await released;
    await route.continue();
  });
  const asked = page.waitForRequest(/\/api\/sessions$/);
  await page.goto(`${dashboard.server.origin}/#/`);
  await asked;
  await page.goto(`${dashboard.server.origin}/#/s/quick`);
  const title = page.getByRole("heading", { name: "quick", level: 1 });
  await title.waitFor();
  held?.();
  await Bun.sleep(300);
  expect(await title.isVisible()).toBe(true);
  await phone.context.close();
  socket.close();
}, 30_000);

test("a stream that broke while nothing changed goes on drawing after it is back", async () => {
  const { socket, phone, page, first } = await openSession("same");
  await page.addInitScript(`{
    const real = window.fetch;
    window.fetch = async (input, init) => {
      const response = await real(input, init);
      if (!String(input).startsWith("/events")) return response;
      const body = response.body.pipeThrough(new TransformStream({ start: (controller) => void (window.cut = () => controller.error(new TypeError("network error"))) }));
      return new Response(body, response);
    };
  }`);
  await page.reload();
  await page.getByText("before", { exact: true }).first().waitFor();
  await Bun.sleep(600); // what is shown has been acknowledged
  const again = page.waitForRequest(/\/events/);
  await page.evaluate("cut()");
  await again;
  await until(
    "it is live",
    async () => (await page.getByRole("status").first().textContent()) === "live",
  );
  await Bun.sleep(2500); // the server waits no longer than two seconds for a viewer
  socket.send(screen("same", 2, ["after"]));
  await until("the change is drawn", async () => (await first()) === "after");
  await phone.context.close();
  socket.close();
}, 40_000);
