import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Dashboard, makePrompt, openDashboard, screen } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

async function openSession(id: string, info: object = {}) {
  const socket = await dashboard.playRunner(id, [], info);
  socket.send(screen(id, 1, ["here"]));
  const phone = await dashboard.openPaired();
  await phone.page.goto(`${dashboard.server.origin}/#/s/${id}`);
  await phone.page.getByText("here", { exact: true }).first().waitFor();
  /** What the page sends next; the runner takes it. */
  const typed = async () => {
    const input = await socket.next("input");
    socket.send({ type: "typed", input: input.input, result: "applied", seq: input.seq });
    return input;
  };
  const close = async () => {
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  };
  return { socket, phone, page: phone.page, typed, close };
}

test("a login page is offered to open and to copy, takes its code, and can be sent away", async () => {
  const { socket, page, typed, close } = await openSession("login");
  const url = "https://login.example.com/oauth/authorize?client_id=1&state=2";
  socket.send({ type: "auth_url", session: "login", url });
  const banner = page.getByRole("region", { name: "Login" });
  await banner.waitFor();
  expect(await banner.locator("p").textContent()).toContain("Log in at login.example.com");
  const link = banner.getByRole("link", { name: "Open" });
  expect([
    await link.getAttribute("href"),
    await link.getAttribute("rel"),
    await link.getAttribute("target"),
  ]).toEqual([url, "noopener noreferrer", "_blank"]);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await banner.getByRole("button", { name: "Copy" }).click();
  await banner.getByText("Copied.").waitFor();
  expect(await page.evaluate("navigator.clipboard.readText()")).toBe(url);
  await banner.getByLabel("Code from the login page").fill(" ABC-123 ");
  await banner.getByRole("button", { name: "Send" }).click();
  expect(await typed()).toMatchObject({ text: "ABC-123", paste: true, enter: true });

  await page.getByRole("link", { name: /all sessions/ }).click();
  await page.getByText("wants you to log in").waitFor();
  await page.getByRole("link", { name: /^login/ }).click();
  await banner.waitFor();
  await banner.getByRole("button", { name: /Not a login/ }).click();
  await banner.waitFor({ state: "hidden" });
  socket.send({ type: "auth_url", session: "login", url: `${url}3` });
  await banner.waitFor();
  socket.send({ type: "auth_url", session: "login", url: null });
  await banner.waitFor({ state: "hidden" });
  await close();
}, 30_000);

test("an address that is none never becomes a link", async () => {
  const { socket } = await openSession("bad-login");
  socket.send({ type: "auth_url", session: "bad-login", url: "javascript:alert(1)" });
  expect(await socket.closed()).toBe(4400);
  await until(
    "nothing is shown",
    async () =>
      (await dashboard.machine.sessions()).find(({ id }) => id === "bad-login")?.auth_url === null,
  );
}, 30_000);

test("what was given back, but had arrived, is not taken for what is typed next", async () => {
  const { page, typed, phone, close } = await openSession("given-back");
  const text = page.getByLabel("Type to the session");
  await page.route(
    "**/input",
    async (route) => {
      await route.fetch();
      await route.fulfill({ status: 502, body: "the proxy lost the answer" });
    },
    { times: 1 },
  );
  await text.fill("the first");
  await text.press("Control+Enter");
  const first = await typed();
  await until("it is given back", async () => (await text.inputValue()) === "the first");
  await text.fill("the second");
  await text.press("Control+Enter");
  const second = await typed();
  expect(second.text).toBe("the second");
  expect(second.stream).not.toBe(first.stream);
  phone.suspicious.length = 0; // the lost answer
  await close();
}, 30_000);

test("what was refused does not leave its number to what is typed next: an earlier copy of it may be on its way still", async () => {
  const { socket, page, typed, close } = await openSession("refused");
  const text = page.getByLabel("Type to the session");
  await text.fill("the first");
  await text.press("Control+Enter");
  const first = await socket.next("input");
  socket.send({ type: "typed", input: first.input, result: "asked", seq: 0 });
  await until("it is given back", async () => (await text.inputValue()) === "the first");
  await text.fill("the second");
  await text.press("Control+Enter");
  expect((await typed()).stream).not.toBe(first.stream);
  await close();
}, 30_000);

test("the bar's keys go as keys, a slash into the box, and a paste after a look at it", async () => {
  const { page, typed, close } = await openSession("keys");
  const bar = page.getByRole("toolbar", { name: "Keys" });
  expect(await bar.getByRole("button", { name: /^Yes/ }).isVisible()).toBe(false); // nothing is asked
  await bar.getByRole("button", { name: "Slash" }).click();
  const box = page.getByLabel("Type to the session");
  expect(await box.inputValue()).toBe("/");
  await page.keyboard.type("help"); // the box has the focus
  expect(await box.inputValue()).toBe("/help");
  for (const [name, key] of [
    ["Control C", "C-c"],
    ["Backspace", "BSpace"],
    ["Home", "Home"],
    ["End", "End"],
    ["Page Up", "PageUp"],
    ["Page Down", "PageDown"],
  ] as const) {
    await bar.getByRole("button", { name, exact: true }).click();
    expect(await typed()).toMatchObject({ keys: [key] }); // the slash was not sent
  }
  await box.fill("what of ");
  await bar.getByRole("button", { name: "Slash" }).click();
  expect(await box.inputValue()).toBe("what of /");

  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.evaluate("navigator.clipboard.writeText('rm -rf x\\u200b\\nsecond')");
  await bar.getByRole("button", { name: /^Paste/ }).click();
  const dialog = page.getByRole("dialog", { name: "Paste" });
  const text = dialog.getByLabel("What will be pasted");
  await until(
    "the clipboard is shown",
    async () => (await text.inputValue()) === "rm -rf x\u200b\nsecond",
  );
  expect(await dialog.getByRole("status").textContent()).toBe("16 characters in 2 lines");
  expect(await dialog.locator("pre").textContent()).toContain("U+200B");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  await bar.getByRole("button", { name: /^Paste/ }).click();
  await until("it is shown again", async () => (await text.inputValue()) !== "");
  await text.fill("only this");
  await dialog.getByRole("button", { name: "Paste" }).click();
  const pasted = await typed();
  expect(pasted).toMatchObject({ text: "only this", paste: true });
  expect(pasted.enter).toBeUndefined();

  await page.context().clearPermissions();
  await page.evaluate(
    "navigator.clipboard.readText = () => Promise.reject(new DOMException('denied'))",
  );
  await bar.getByRole("button", { name: /^Paste/ }).click();
  await dialog.getByText("paste it here by hand").waitFor();
  expect(await dialog.getByRole("button", { name: "Paste" }).isDisabled()).toBe(true);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await close();
}, 30_000);

test("with a question open Yes and No answer that one, and no key that could is left", async () => {
  const { socket, page, close } = await openSession("asked");
  const bar = page.getByRole("toolbar", { name: "Keys" });
  const yes = bar.getByRole("button", { name: /^Yes/ });
  socket.send({
    type: "prompt",
    prompt: makePrompt("asked", "p_one", { input: { command: "make one" } }),
  });
  const card = page.getByRole("alertdialog", { name: "Run a command" });
  await until("the card is armed", () =>
    card.first().getByRole("button", { name: "Approve" }).isEnabled(),
  );
  expect(await page.getByLabel("Type to the session").isVisible()).toBe(false);
  const off = await bar.locator("button:disabled").allTextContents();
  expect(off).toEqual(["tab", "⇧tab", "ctrl", "⏎", "⌫", "/", "paste"]);
  await Bun.sleep(600); // the bar rests when what is above has moved
  await yes.click();
  expect(await socket.next("decide")).toMatchObject({ prompt: "p_one", action: "approve" });
  const settled = makePrompt("asked", "p_one", { input: { command: "make one" } });
  socket.send({
    type: "prompt",
    prompt: { ...settled, state: "answered", answer: { by: "desk", at: Date.now() } },
  });
  await until("typing is back", () => page.getByLabel("Type to the session").isVisible());

  for (const name of ["p_two", "p_three"])
    socket.send({
      type: "prompt",
      prompt: makePrompt("asked", name, { input: { command: name } }),
    });
  await until(
    "two are open",
    async () => (await page.locator('.card[data-state="open"]').count()) === 2,
  );
  expect(await yes.isDisabled()).toBe(true); // which of them?
  socket.send({
    type: "prompt",
    prompt: { ...makePrompt("asked", "p_two", {}), state: "withdrawn" },
  });
  await until("one is left", () => bar.getByRole("button", { name: /^No/ }).isEnabled());
  await until("it is armed", () => page.locator('.card[data-state="open"] .reject').isEnabled());
  await Bun.sleep(600);
  await bar.getByRole("button", { name: /^No/ }).click();
  expect(await socket.next("decide")).toMatchObject({ prompt: "p_three", action: "reject" });
  await close();
}, 30_000);

test("a swipe or a wheel scrolls inside a program that has the whole screen, and only there", async () => {
  const { socket, page, typed, close } = await openSession("wheel");
  const lines = Array.from({ length: 24 }, (_, i) => `row ${i}`);
  const box = await page.locator(".scroller").boundingBox();
  await page.mouse.move((box?.x ?? 0) + 50, (box?.y ?? 0) + 50);
  await page.mouse.wheel(0, -200); // a program without the whole screen: the page's own history scrolls
  socket.send(screen("wheel", 2, lines, { full: true }));
  await page.getByText("row 3", { exact: true }).first().waitFor();
  await page.locator(".scroller").evaluate((scroller) => scroller.scrollTo(0, 0));
  await page.mouse.wheel(0, -120);
  expect((await typed()).keys?.every((key) => key === "WheelUp")).toBe(true);
  await page
    .locator(".scroller")
    .evaluate((scroller) => scroller.scrollTo(0, scroller.scrollHeight));
  await page.mouse.wheel(0, 120);
  while (!(await typed()).keys?.includes("WheelDown")); // turns from before come first

  await page.locator(".scroller").evaluate((scroller) => scroller.scrollTo(0, 0));
  const touch = await page.context().newCDPSession(page);
  const [x, y] = [(box?.x ?? 0) + 50, (box?.y ?? 0) + 150];
  await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x, y }] });
  for (const dy of [20, 60, 100])
    await touch.send("Input.dispatchTouchEvent", {
      type: "touchMove",
      touchPoints: [{ x, y: y + dy }],
    });
  await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  while (!(await typed()).keys?.includes("WheelUp")); // the finger goes down, the text with it
  await close();
}, 30_000);

test("a session without a terminal of its own takes this screen's size by itself; one at a desk keeps its own", async () => {
  const alone = await openSession("alone", { desk: false });
  const wanted = await alone.socket.next("resize");
  expect(wanted.cols).toBeGreaterThan(30);
  expect(wanted.cols).toBeLessThan(60);
  expect(wanted.rows).toBeGreaterThan(10);
  expect(
    await alone.page
      .getByRole("button", { name: "Fit the terminal to this screen" })
      .getAttribute("aria-pressed"),
  ).toBe("true");
  await alone.page.setViewportSize({ width: 667, height: 375 });
  expect((await alone.socket.next("resize")).cols).toBeGreaterThan(wanted.cols ?? 0);
  await alone.close();

  const desk = await openSession("at-desk");
  await desk.page.getByRole("button", { name: "Up", exact: true }).click();
  expect(await desk.typed()).toMatchObject({ keys: ["Up"] });
  expect(
    await desk.page
      .getByRole("button", { name: "Fit the terminal to this screen" })
      .getAttribute("aria-pressed"),
  ).toBe("false");
  await desk.close();
}, 30_000);

test("a thumb that goes on tapping hits neither the next question nor a key that moved under it", async () => {
  const { socket, page, typed, close } = await openSession("thumb");
  const ask = (id: string) => ({
    ...makePrompt("thumb", id, { input: { command: id } }),
    created_at: id === "p_first" ? 1 : 2,
  });
  for (const id of ["p_first", "p_second"]) socket.send({ type: "prompt", prompt: ask(id) });
  const card = (id: string) => page.locator(".card", { hasText: id });
  const approve = card("p_first").getByRole("button", { name: "Approve", exact: true });
  await until("it is armed", () => approve.isEnabled());
  await approve.click();
  const decide = await socket.next("decide");
  expect(decide.prompt).toBe("p_first");
  socket.send({ type: "decided", decision: decide.decision, result: "sent" });
  socket.send({
    type: "prompt",
    prompt: {
      ...ask("p_first"),
      state: "answered",
      answer: {
        by: "viewer",
        device: decide.device,
        decision: "approve",
        at: 1,
        receipt: "applied",
      },
    },
  });
  await until(
    "it is settled",
    async () => (await card("p_first").getAttribute("data-state")) === "settled",
  );
  const next = card("p_second").getByRole("button", { name: "Approve", exact: true });
  for (let i = 0; i < 8; i++) {
    await next.scrollIntoViewIfNeeded();
    const box = await next.boundingBox();
    await page.mouse.click((box?.x ?? 0) + 20, (box?.y ?? 0) + 20);
    await Bun.sleep(150);
  }
  expect(await card("p_second").getAttribute("data-state")).toBe("open");
  await until("it is armed once nobody taps", () => next.isEnabled());

  await next.click();
  expect((await socket.next("decide")).prompt).toBe("p_second"); // and nothing came before it
  // its clock stands: what follows comes too soon, however slow the machine is
  await page.evaluate(
    "{ window.now = performance.now.bind(performance); const at = now(); performance.now = () => at; }",
  );
  socket.send({ type: "prompt", prompt: { ...ask("p_second"), state: "withdrawn" } });
  await until("typing is back", () => page.getByLabel("Type to the session").isVisible());
  await page.getByRole("button", { name: "Left" }).dispatchEvent("pointerdown");
  await page.evaluate("performance.now = window.now");
  await until(
    "what is settled has gone",
    async () => (await page.locator(".card").count()) === 0,
    20_000,
  );
  await Bun.sleep(900);
  await page.getByRole("button", { name: "Up", exact: true }).click();
  expect((await typed()).keys).toEqual(["Up"]); // the first came too soon
  await close();
}, 60_000);

test("Yes to a question that nothing was chosen of says so", async () => {
  const { socket, page, close } = await openSession("unchosen");
  const questions = [{ question: "Which?", options: [{ label: "A" }, { label: "B" }] }];
  socket.send({
    type: "prompt",
    prompt: {
      ...makePrompt("unchosen", "p_un", { tool: "AskUserQuestion", input: { questions } }),
      kind: "question",
    },
  });
  await until("it is armed", () => page.locator(".card .reject").isEnabled());
  await Bun.sleep(800);
  await page.getByRole("button", { name: /^Yes/ }).click();
  await page.getByText("Choose an answer first.").waitFor();
  await page.getByText("B", { exact: true }).click();
  await page.getByRole("button", { name: /^Yes/ }).click();
  expect((await socket.next("decide")).answers).toEqual([{ options: [1] }]);
  await close();
}, 30_000);

test("what could not be sent for long is a draft again: it was meant for what stood there then", async () => {
  const { page, typed, close } = await openSession("stale");
  let refuse = true;
  await page.route(/\/input$/, (route) =>
    refuse
      ? route.fulfill({
          status: 503,
          contentType: "application/json",
          body: '{"error":{"code":"runner_away","message":"away"}}',
        })
      : route.continue(),
  );
  const text = page.getByLabel("Type to the session");
  await text.fill("yes, delete it");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("Not sent yet").waitFor();
  expect(await text.inputValue()).toBe("");
  await page.evaluate(
    `{ const now = performance.now.bind(performance); performance.now = () => now() + 31_000; }`,
  );
  await until("it is a draft again", async () => (await text.inputValue()) === "yes, delete it");
  refuse = false;
  await page.getByRole("button", { name: "Up", exact: true }).click();
  expect((await typed()).keys).toEqual(["Up"]);
  expect(await text.inputValue()).toBe("yes, delete it");
  await close();
}, 30_000);
