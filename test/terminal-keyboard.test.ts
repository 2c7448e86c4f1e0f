import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Dashboard, makePrompt, openDashboard } from "./support/dashboard.ts";
import { openSessionPage, type SessionPage } from "./support/session-page.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

const open = (id: string, info: object = { hooks: "none" }, desktop = true) =>
  openSessionPage(dashboard, id, { info, desktop });
/** All that is typed until `enough`: text as it is, keys by their names in brackets. */
async function all({ typed }: SessionPage, enough: (so_far: string) => boolean): Promise<string> {
  let said = "";
  while (!enough(said)) {
    const { text = "", enter, keys = [] } = await typed();
    said += text + (enter === true ? "[Enter]" : "") + keys.map((key) => `[${key}]`).join("");
  }
  return said;
}
const focused = ({ page }: SessionPage) =>
  page.evaluate<string>("document.activeElement.getAttribute('aria-label') ?? ''");

describe("the focused terminal", () => {
  test("takes text, Enter, arrows, Control, Alt and function keys as a terminal does", async () => {
    const session = await open("keys");
    const { page, terminal, close } = session;
    await terminal.focus();
    await page.keyboard.type("ls -la 'ä!'");
    for (const key of [
      ..."Enter ArrowUp Control+c Control+r Alt+b Alt+ArrowLeft Control+ArrowRight F5 Home".split(
        " ",
      ),
      ..."PageDown Delete Backspace Tab Shift+Tab Escape Control+Space Control+] Shift+Enter".split(
        " ",
      ),
    ])
      await page.keyboard.press(key);
    expect(await all(session, (said) => said.endsWith("[C-]][Enter]"))).toBe(
      "ls -la 'ä!'[Enter][Up][C-c][C-r][M-b][M-Left][C-Right][F5][Home]" +
        "[PageDown][Delete][BSpace][Tab][BTab][Escape][C-Space][C-]][Enter]",
    );
    expect(await session.text.inputValue()).toBe("");
    await close();
  }, 90_000);

  test("is entered by a click, keeps what is selected to be copied, and sends Ctrl-C where nothing is", async () => {
    const session = await open("mouse");
    const { page, typed, close } = session;
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const row = page.locator(".screen .row").first();
    await row.click();
    await page.keyboard.press("Control+c");
    expect((await typed()).keys).toEqual(["C-c"]);
    await row.dblclick({ position: { x: 8, y: 5 } }); // selects the word
    await page.keyboard.press("Control+c");
    await until(
      "it is copied",
      async () => (await page.evaluate("navigator.clipboard.readText()")) === "here",
    );
    await page.keyboard.type("x");
    expect((await typed()).text).toBe("x"); // and no Ctrl-C before it
    await page.keyboard.press("Control+c");
    expect((await typed()).keys).toEqual(["C-c"]);
    await close();
  }, 90_000);

  test("pastes a line at once, and shows several, or one that hides something, first", async () => {
    const session = await open("paste");
    const { page, terminal, typed, close } = session;
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const paste = async (text: string) => {
      await page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
      await terminal.focus();
      await page.keyboard.press("Control+v");
    };
    await paste("git status");
    expect(await typed()).toMatchObject({ text: "git status", paste: true });
    for (const text of ["one\ntwo\n", "rm -rf \u202ex"]) {
      await paste(text);
      const dialog = page.getByRole("dialog", { name: "Paste" });
      await dialog.waitFor();
      expect(await dialog.getByLabel("What will be pasted").inputValue()).toBe(text);
      await page.keyboard.press("Enter"); // the button has the focus
      expect(await typed()).toMatchObject({ text, paste: true });
      await dialog.waitFor({ state: "detached" });
    }
    await close();
  }, 90_000);

  test("takes dead keys and input methods, once they have ended", async () => {
    const session = await open("composed");
    const { page, terminal, typed, close } = session;
    await terminal.focus();
    await page.keyboard.press("Home"); // the keyboard's own field has the focus from here on
    expect((await typed()).keys).toEqual(["Home"]);
    const cdp = await page.context().newCDPSession(page);
    for (const text of ["k", "か", "かn", "かな"])
      await cdp.send("Input.imeSetComposition", { text, selectionStart: 1, selectionEnd: 1 });
    await cdp.send("Input.insertText", { text: "仮名" });
    expect((await typed()).text).toBe("仮名");
    await cdp.send("Input.imeSetComposition", { text: "´", selectionStart: 1, selectionEnd: 1 });
    await cdp.send("Input.insertText", { text: "é" });
    expect((await typed()).text).toBe("é");
    await close();
  }, 90_000);

  test("leaves the browser its own keys, and scrolls the page's history with Shift", async () => {
    const session = await open("scrolls");
    const { socket, page, terminal, show, typed, close } = session;
    const lines = Array.from({ length: 200 }, (_, i) => `history ${i}`);
    socket.send({
      type: "output",
      session: "scrolls",
      seq: 1,
      op: { op: "append", generation: 0, from: 0, lines },
    });
    show(["$ "]);
    await page.getByText("history 199", { exact: true }).waitFor();
    await terminal.focus();
    const top = () => terminal.evaluate((scroller) => Number(scroller.scrollTop));
    const bottom = await top();
    await page.keyboard.press("Shift+PageUp");
    await until("it scrolls", async () => (await top()) < bottom);
    await page.keyboard.press("Shift+PageDown");
    await until("and back", async () => (await top()) === bottom);
    await page.keyboard.press("Meta+k");
    await page.keyboard.press("Control+Shift+x");
    await page.keyboard.type("q");
    expect(await typed()).toMatchObject({ seq: 1, text: "q" }); // and nothing before it
    await close();
  }, 90_000);

  test("is left by Shift and Escape, which it says, and passed by Tab by who does not type there", async () => {
    const session = await open("leave");
    const { page, terminal, typed, close } = session;
    await page
      .getByRole("tab", { name: "Terminal" })
      .or(page.getByRole("link").first())
      .first()
      .focus();
    const passed: string[] = [];
    for (let i = 0; i < 12 && !passed.includes("Type to the session"); i++) {
      await page.keyboard.press("Tab");
      passed.push(await focused(session));
    }
    expect(passed.some((label) => label.startsWith("Terminal:"))).toBe(true);
    expect(
      passed.slice(passed.findIndex((label) => label.startsWith("Terminal:")) + 1),
    ).not.toEqual([]);
    await terminal.focus();
    await page.keyboard.press("Tab"); // comes with no Tab: it is the program's
    expect((await typed()).keys).toEqual(["Tab"]);
    const field = page.getByRole("textbox", { name: /^Terminal:/ });
    const about = await field.getAttribute("aria-describedby");
    const hint = page.locator(`#${about}`).getByText("Shift+Esc");
    expect(await hint.isVisible()).toBe(true);
    await page.keyboard.press("Shift+Escape");
    expect(await focused(session)).toBe("Type to the session");
    expect(await hint.isVisible()).toBe(false);
    await page.keyboard.press("Shift+Escape");
    await terminal.focus();
    await page.keyboard.type("z");
    expect(await typed()).toMatchObject({ text: "z" }); // no Escape came before
    await close();
  }, 90_000);

  test("with a question open passes only keys that can't answer it on", async () => {
    const session = await open("asked", { hooks: "on" });
    const { socket, page, terminal, typed, close } = session;
    socket.send({
      type: "prompt",
      prompt: makePrompt("asked", "p_1", { input: { command: "make" } }),
    });
    await page.getByRole("alertdialog").waitFor();
    await terminal.focus();
    await page.keyboard.type("y1");
    for (const key of ["Enter", "Space", "Backspace", "ArrowDown"]) await page.keyboard.press(key);
    expect(await typed()).toMatchObject({ seq: 1, keys: ["Down"] });
    await page.keyboard.press("Tab");
    await page.keyboard.press("PageUp");
    await terminal.focus();
    await page.keyboard.press("Escape");
    expect((await typed()).keys).toEqual(["Escape"]);
    await close();
  }, 90_000);

  test("brings up no keyboard on a phone, yet takes the keys of one that is plugged in", async () => {
    const session = await open("phone", { hooks: "on" }, false);
    const { page, terminal, typed, close } = session;
    await terminal.tap();
    expect(await page.evaluate("document.activeElement.tagName")).toBe("SECTION"); // no text box
    await page.keyboard.press("a");
    expect((await typed()).text).toBe("a");
    expect(await page.evaluate("document.activeElement.inputMode")).toBe("none");
    await page.keyboard.press("Shift+Enter");
    expect((await typed()).keys).toEqual(["M-Enter"]); // a new line in Claude's input
    await close();
  }, 90_000);
});

describe("Enter in the box", () => {
  test("sends on a computer, and makes a new line with Shift", async () => {
    const { page, text, typed, close } = await open("enter");
    await text.focus();
    await page.keyboard.type("one");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    await page.keyboard.press("Enter");
    expect(await typed()).toMatchObject({ text: "one\ntwo", paste: true, enter: true });
    expect(await text.inputValue()).toBe("");
    await close();
  }, 90_000);

  test("ends a composition and sends nothing", async () => {
    const { page, text, typed, close } = await open("enter-ime");
    const cdp = await page.context().newCDPSession(page);
    await text.focus();
    await cdp.send("Input.imeSetComposition", { text: "かな", selectionStart: 2, selectionEnd: 2 });
    const enter = { key: "Enter", code: "Enter", windowsVirtualKeyCode: 229 };
    await cdp.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...enter });
    await cdp.send("Input.insertText", { text: "仮名" });
    await cdp.send("Input.dispatchKeyEvent", { type: "keyUp", ...enter });
    expect(await text.inputValue()).toBe("仮名");
    await page.keyboard.press("Enter");
    expect(await typed()).toMatchObject({ seq: 1, text: "仮名", enter: true });
    await close();
  }, 90_000);

  test("makes a new line with a keyboard on the screen, and sends with one that is plugged in", async () => {
    const { page, text, typed, close } = await open("enter-phone", { hooks: "on" }, false);
    const cdp = await page.context().newCDPSession(page);
    await text.fill("one");
    // as Android tells it: a key without a place
    const enter = { key: "Enter", code: "", windowsVirtualKeyCode: 13, text: "\r" };
    await cdp.send("Input.dispatchKeyEvent", { type: "keyDown", ...enter });
    await cdp.send("Input.dispatchKeyEvent", { type: "keyUp", ...enter });
    expect(await text.inputValue()).toBe("one\n");
    await page.keyboard.type("two");
    await page.keyboard.press("Enter");
    expect(await typed()).toMatchObject({ seq: 1, text: "one\ntwo", enter: true });
    await close();
  }, 90_000);
});
