import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Dashboard, openDashboard, screen } from "../support/dashboard.ts";
import { ENGINE_NAMES, Engine, pairEngine } from "../support/engines.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 120_000);
afterAll(() => dashboard.close());

describe.each([...ENGINE_NAMES])("typing in %s", (name) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.start(name);
  }, 120_000);
  afterAll(() => engine.close());

  test("the box grows and shrinks, hides a password, and the terminal takes keys until it is left", async () => {
    const id = `typing-${name}`;
    const socket = await dashboard.playRunner(id, [], { hooks: "none", command: "bash" });
    socket.send(screen(id, 1, ["here"]));
    const page = await engine.open({ size: { width: 390, height: 844 } });
    await pairEngine(page, await dashboard.machine.mint("viewer"));
    await page.goto(`${dashboard.server.origin}/#/s/${id}`);
    await page.see({ text: "here" });
    const typed = async () => {
      const input = await socket.next("input");
      socket.send({ type: "typed", input: input.input, result: "applied", seq: input.seq });
      return input;
    };
    /** All that is typed until it ends so: keys by their names in brackets. */
    const until = async (end: string) => {
      let said = "";
      while (!said.endsWith(end)) {
        const { text = "", enter, keys = [] } = await typed();
        said += text + (enter === true ? "[Enter]" : "") + keys.map((key) => `[${key}]`).join("");
      }
      return said;
    };
    const box = ".composer textarea";
    const height = () =>
      page.evaluate<number>(`document.querySelector(${JSON.stringify(box)}).clientHeight`);
    const hidden = () =>
      page.evaluate<number>(
        `(box => box.scrollHeight - box.clientHeight)(document.querySelector(${JSON.stringify(box)}))`,
      );
    const one = await height();
    await page.fill(box, "The quick brown fox jumps over the lazy dog. ".repeat(6).slice(0, 254));
    expect(await height()).toBeGreaterThan(4 * 22);
    expect(await hidden()).toBeLessThanOrEqual(1);
    await page.fill(box, "");
    expect(await height()).toBe(one);

    await page.fill(box, "echo 1");
    await page.press("Shift+Enter");
    await page.type("echo 2");
    await page.press("Enter");
    expect(await typed()).toMatchObject({ text: "echo 1\necho 2", enter: true });

    socket.send(screen(id, 2, ["Password:"], { secret: true }));
    const field = ".composer input[type=password]";
    await page.see(field);
    await page.fill(field, "correct horse");
    expect(await page.evaluate<string>("JSON.stringify({ ...localStorage })")).not.toContain(
      "correct",
    );
    await page.press("Enter");
    const secret = await typed();
    expect([secret.text, secret.enter, secret.paste]).toEqual(["correct horse", true, undefined]);
    socket.send(screen(id, 3, ["$ "]));
    await page.gone(field);

    await page.evaluate("document.querySelector('.scroller').focus()");
    await page.press("Home");
    await page.type("ls -l");
    for (const key of "Enter ArrowUp Control+c Backspace Tab Alt+b F5 Control+]".split(" "))
      await page.press(key);
    expect(await until("[C-]]")).toBe("[Home]ls -l[Enter][Up][C-c][BSpace][Tab][M-b][F5][C-]]");
    await page.press("Shift+Escape");
    expect(await page.evaluate<string>("document.activeElement.tagName")).toBe("TEXTAREA");
    await page.type("in the box");
    expect(await page.value(box)).toBe("in the box");

    await page.fill(box, "");
    await page.click({ role: "button", name: "Ctrl, for the next letter" });
    await page.type("r");
    expect((await typed()).keys).toEqual(["C-r"]);
    await page.click({ role: "button", name: "Slash, for a command" });
    await page.type("help");
    expect(await page.value(box)).toBe("/help");
    expect(await page.errors()).toEqual([]);
    await page.close();
    socket.close();
  }, 180_000);
});
