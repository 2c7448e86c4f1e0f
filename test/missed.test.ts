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
  let seq = 0;
  let lines = 0;
  const print = (...rows: string[]) => {
    socket.send({
      type: "output",
      session: id,
      seq: ++seq,
      op: { op: "append", generation: 0, from: lines, lines: rows },
    });
    lines += rows.length;
  };
  print("line 0");
  socket.send(screen(id, 1, ["here"]));
  const phone = await dashboard.openPaired();
  const { page } = phone;
  const history = () => page.locator(".history .row").allTextContents();
  const show = async () => {
    await page.goto(`${dashboard.server.origin}/#/s/${id}`);
    await page.getByText("here", { exact: true }).first().waitFor();
  };
  const close = async () => {
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  };
  return { socket, page, print, history, show, close };
}

/** More than can travel along with the stream, however long it was quiet: the page fetches it. */
const MANY = Array.from({ length: 300 }, (_, i) => `${i} ${"much ".repeat(25)}`);

test("lines that come while history is being fetched are not undone by what was fetched before them", async () => {
  const { page, print, history, show, close } = await openSession("overtaken");
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: fetched, resolve: hasFetched } = Promise.withResolvers<void>();
  await page.route(
    /\/output\?/,
    async (route) => {
      const response = await route.fetch(); // as of now, without what follows
      hasFetched();
      await released;
      await route.fulfill({ response });
    },
    { times: 1 },
  );
  await show();
  print(...MANY);
  await fetched;
  print("overtakes", "both");
  await Bun.sleep(300); // the stream has told them
  release();
  await until(
    "all lines are there",
    async () => (await history()).slice(-3).join() === `${MANY.at(-1)},overtakes,both`,
  );
  print("follows");
  await until(
    "and what follows",
    async () => (await history()).slice(-3).join() === "overtakes,both,follows",
  );
  await close();
}, 30_000);

test("what was asked for in vain is asked for again, where the stream goes on all the same", async () => {
  const { socket, page, print, history, show, close } = await openSession("in-vain");
  await page.route(/\/api\/sessions\/in-vain\?/, (route) => route.abort("connectionreset"), {
    times: 1,
  });
  await page.route(/\/output\?/, (route) => route.abort("connectionreset"), { times: 1 });
  socket.send({
    type: "prompt",
    prompt: makePrompt("in-vain", "p_in_vain", { input: { command: "make" } }),
  });
  await show();
  print(...MANY);
  await page.getByRole("alertdialog", { name: "Run a command" }).waitFor();
  await until("history is there", async () => (await history()).at(-1) === MANY.at(-1));
  await close();
}, 30_000);

test("a request that the browser itself sent twice counts as lost, not as one of a device that is locked out", async () => {
  const { page, show, close } = await openSession("twice");
  const replayed = {
    status: 401,
    contentType: "application/json",
    body: '{"error":{"code":"replayed","message":"This request was sent before."}}',
  };
  await page.route(/\/events/, (route) => route.fulfill(replayed), { times: 1 });
  await show();
  await until(
    "it is live",
    async () => (await page.getByRole("status").first().textContent()) === "live",
  );
  await close();
}, 30_000);

test("an answer that breaks off in the middle is none: what was typed is sent again under its number, and what comes after it as well", async () => {
  const { socket, page, show, close } = await openSession("broken-off");
  await page.addInitScript(`{
    const real = window.fetch;
    let breaks = true;
    window.fetch = async (input, init) => {
      const response = await real(input, init);
      if (!breaks || !String(input).endsWith("/input")) return response;
      breaks = false;
      return new Response(new ReadableStream({ start: (controller) => controller.error(new TypeError("network error")) }), response);
    };
  }`);
  await page.reload();
  await show();
  const text = page.getByLabel("Type to the session");
  await until("it can be typed to", () => page.getByRole("button", { name: "Send" }).isEnabled());
  const taken: string[] = [];
  for (const words of ["the first", "the second"]) {
    await text.fill(words);
    await text.press("Control+Enter");
  }
  while (taken.length < 3) {
    const input = await socket.next("input");
    taken.push(`${input.seq} ${input.text}`);
    socket.send({ type: "typed", input: input.input, result: "applied", seq: input.seq });
  }
  expect(taken).toEqual(["1 the first", "1 the first", "2 the second"]);
  await close();
}, 30_000);
