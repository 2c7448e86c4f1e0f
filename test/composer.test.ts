import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { CDPSession, Locator } from "playwright-core";
import { databaseFile } from "../src/db.ts";
import { LIMITS } from "../src/types.ts";
import { type Dashboard, makePrompt, openDashboard } from "./support/dashboard.ts";
import { openSessionPage } from "./support/session-page.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

const open = (id: string, more: Parameters<typeof openSessionPage>[2] = {}) =>
  openSessionPage(dashboard, id, more);

/** How high a box is, how much of its text is out of sight, and how many lines of it show. */
const measure = (box: Locator) =>
  box.evaluate((area) => {
    const { lineHeight, paddingTop, paddingBottom } =
      area.ownerDocument.defaultView.getComputedStyle(area);
    const inside =
      area.clientHeight - Number.parseFloat(paddingTop) - Number.parseFloat(paddingBottom);
    return {
      height: Number(area.clientHeight),
      hidden: area.scrollHeight - area.clientHeight,
      lines: Math.round(inside / Number.parseFloat(lineHeight)),
    };
  });
/** Puts text into a box at once, as a paste does. */
const put = (box: Locator, text: string) =>
  box.evaluate((area, text) => {
    area.value = text;
    area.dispatchEvent(new area.ownerDocument.defaultView.InputEvent("input", { bubbles: true }));
  }, text);
const SENTENCE = "The quick brown fox jumps over the lazy dog and goes on to the next. ";

describe("a text box", () => {
  test("grows with text that wraps, shrinks again, and does so when its width changes and for a draft", async () => {
    const { page, text, close } = await open("grows");
    const one = await measure(text);
    expect(one.lines).toBe(1);
    await text.fill(SENTENCE.repeat(4).slice(0, 254)); // without a line break
    const long = await measure(text);
    expect(long.hidden).toBeLessThanOrEqual(1);
    expect(long.lines).toBeGreaterThan(4);
    await page.setViewportSize({ width: 600, height: 900 });
    await until("it is lower where there is more room", async () => {
      const turned = await measure(text);
      return turned.lines < long.lines && turned.hidden <= 1;
    });
    await page.setViewportSize({ width: 375, height: 667 });
    await until("and high again", async () => (await measure(text)).lines === long.lines);
    await page.reload();
    await until("as is the draft", async () => (await measure(text)).lines === long.lines);
    await text.fill("short");
    expect((await measure(text)).lines).toBe(1);
    await text.fill("x".repeat(254)); // one word
    expect((await measure(text)).hidden).toBeLessThanOrEqual(1);
    await close();
  }, 60_000);

  test("leaves room for the screen, however long its text is, and then scrolls", async () => {
    const { page, text, terminal, close } = await open("bounded");
    for (const viewport of [
      { width: 320, height: 568 },
      { width: 844, height: 390 },
    ]) {
      await page.setViewportSize(viewport);
      await text.fill("line\n".repeat(200));
      await until("it is bound", async () => {
        const { height, hidden } = await measure(text);
        return height < viewport.height / 2 && hidden > 0;
      });
      expect((await terminal.boundingBox())?.height).toBeGreaterThan(40);
      expect(await text.evaluate((area) => area.style.overflowY)).toBe("auto");
    }
    await close();
  }, 60_000);

  test("grows in cards and in the paste dialog, too", async () => {
    const { page, socket, bar, close } = await open("grow-cards");
    await bar.getByRole("button", { name: /^Paste/ }).click();
    const pasted = page.getByLabel("What will be pasted");
    await pasted.fill("line\n".repeat(9));
    expect((await measure(pasted)).hidden).toBeLessThanOrEqual(1);
    await page.keyboard.press("Escape");
    const questions = [{ question: "Which?", options: [{ label: "A" }, { label: "B" }] }];
    const fields = [{ name: "n", title: "Notes", required: true, type: "text" }];
    for (const prompt of [
      makePrompt("grow-cards", "p_1", { input: { command: "make" } }),
      {
        ...makePrompt("grow-cards", "p_2", { tool: "ExitPlanMode", input: { plan: "# One" } }),
        kind: "plan" as const,
      },
      {
        ...makePrompt("grow-cards", "p_3", { tool: "AskUserQuestion", input: { questions } }),
        kind: "question" as const,
      },
      {
        ...makePrompt("grow-cards", "p_4", {
          tool: "Elicitation",
          input: { server: "x", message: "?", fields },
        }),
        kind: "elicitation" as const,
      },
    ])
      socket.send({ type: "prompt", prompt });
    await until("all are there", async () => (await page.locator(".card").count()) === 4);
    for (const summary of await page.locator(".card summary").all()) await summary.click();
    for (const box of [
      page.getByLabel("Message to Claude with the rejection").first(),
      page.getByLabel("The plan"),
      page.getByLabel("Something else"),
      page.getByLabel("Notes"),
    ]) {
      const before = await measure(box);
      await put(box, SENTENCE.repeat(3));
      const after = await measure(box);
      expect(after.height).toBeGreaterThan(before.height);
      expect(after.hidden).toBeLessThanOrEqual(1);
    }
    await close();
  }, 60_000);
});

const help = (box: Locator) =>
  box.evaluate((area) =>
    ["autocapitalize", "autocorrect", "spellcheck"].map((name) => area.getAttribute(name)),
  );
const OFF = ["off", "off", "false"];
const ON = ["sentences", "on", "true"];

describe("the keyboard's help", () => {
  test("is off in sessions of programs other than claude", async () => {
    const { text, close } = await open("plain", { info: { hooks: "none", command: "bash" } });
    await until("it is known", async () => (await help(text))[0] === "off");
    await text.fill("echo hello");
    expect(await help(text)).toEqual(OFF);
    await close();
  }, 30_000);

  test.each(["/review --fast", "!git push --force", "  --continue", "`const a = 1`", "$HOME/bin"])(
    "is off for what begins as a command or code in a session of Claude: %s",
    async (command) => {
      const { text, close } = await open("claude-help", { info: { hooks: "on" } });
      await until("sentences get it", async () => (await help(text))[0] === "sentences");
      await text.fill("Say it in a sentence -- please");
      expect(await help(text)).toEqual(ON);
      await text.fill(command);
      expect(await help(text)).toEqual(OFF);
      await text.fill("");
      expect(await help(text)).toEqual(ON);
      await close();
    },
    30_000,
  );
});

describe("where the terminal's echo is off", () => {
  test("the box is for a password: not shown, not kept, and sent as it is, while the draft waits", async () => {
    const { text, page, bar, show, typed, kept, close } = await open("secret", {
      info: { hooks: "none" },
    });
    await text.fill("a draft");
    show(["Password:"], { secret: true });
    await until("it hides", async () => (await text.getAttribute("type")) === "password");
    expect(await text.getAttribute("aria-label")).toContain("password");
    expect(await text.inputValue()).toBe(""); // the draft is no part of it
    expect(await help(text)).toEqual(OFF);
    expect(await bar.getByRole("button", { name: "Slash" }).isVisible()).toBe(false);
    await text.fill("!correct horse\\n");
    expect(await kept()).not.toContain("correct");
    await text.press("Enter");
    const input = await typed();
    expect(input).toMatchObject({ text: "!correct horse\\n", enter: true, shell: true });
    expect(input.paste).toBeUndefined();
    expect(Object.keys(input)).not.toContain("secret");
    expect(await text.inputValue()).toBe("");
    expect(await kept()).not.toContain("correct");

    await text.fill("half of the nex");
    show(["$ "]);
    await until("the draft is back", async () => (await text.inputValue()) === "a draft");
    expect(await text.evaluate((box) => box.tagName)).toBe("TEXTAREA");
    await page.getByText("was dropped").waitFor();
    show(["Password:"], { secret: true });
    await until("it hides", async () => (await text.getAttribute("type")) === "password");
    expect(await text.inputValue()).toBe("");
    expect(await kept()).not.toContain("half of");
    await close();
  }, 30_000);

  test("a password that was not taken comes back nowhere, and is not tried again later", async () => {
    const { text, page, show, refuse, typed, kept, suspicious, close } = await open("secret-lost", {
      info: { hooks: "none" },
    });
    show(["Password:"], { secret: true });
    await until("it hides", async () => (await text.getAttribute("type")) === "password");
    let requests = 0;
    await page.route("**/input", (route) => {
      requests++;
      return route.abort();
    });
    await text.fill("hunter2 lost");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("may or may not have arrived").waitFor();
    await Bun.sleep(2000); // longer than the pause before another attempt
    expect(requests).toBe(1);
    await page.unroute("**/input");
    suspicious.length = 0;

    await text.fill("hunter2 refused");
    await page.getByRole("button", { name: "Send" }).click();
    await refuse("asked", 0);
    await page.getByText("The password was not sent").waitFor();
    expect(await text.inputValue()).toBe("");
    show(["$ "]);
    await until("it is a box again", async () => (await text.getAttribute("type")) === null);
    expect(await text.inputValue()).toBe("");
    expect(await kept()).not.toContain("hunter2");
    await text.fill("ls");
    await page.getByRole("button", { name: "Send" }).click();
    expect((await typed()).text).toBe("ls");
    await close();
  }, 30_000);

  test("the server writes no password down", async () => {
    const { text, page, show, typed, close } = await open("secret-log", {
      info: { hooks: "none" },
    });
    show(["Password:"], { secret: true });
    await until("it hides", async () => (await text.getAttribute("type")) === "password");
    await text.fill("sesame-4711");
    await page.getByRole("button", { name: "Send" }).click();
    await typed();
    const file = databaseFile(dashboard.data);
    const db = new Database(file, { readonly: true });
    for (const { name } of db
      .query<{ name: string }, []>("SELECT name FROM sqlite_master WHERE type = 'table'")
      .all())
      expect(JSON.stringify(db.query(`SELECT * FROM "${name}"`).all())).not.toContain("sesame");
    db.close();
    await close();
  }, 30_000);
});

describe("Ctrl of the key bar with a keyboard that composes", () => {
  /** Types as an input method does. */
  const openComposing = async (id: string) => {
    const opened = await open(id);
    const cdp: CDPSession = await opened.page.context().newCDPSession(opened.page);
    return {
      ...opened,
      ctrl: opened.bar.getByRole("button", { name: /^Ctrl/ }),
      compose: (text: string) =>
        cdp.send("Input.imeSetComposition", {
          text,
          selectionStart: text.length,
          selectionEnd: text.length,
        }),
      commit: (text: string) => cdp.send("Input.insertText", { text }),
    };
  };

  test("takes the next letter, and nothing stays in the box", async () => {
    const { text, ctrl, compose, commit, typed, close } = await openComposing("ime-letter");
    await text.focus();
    await ctrl.click();
    expect(await ctrl.getAttribute("aria-pressed")).toBe("true");
    await compose("r");
    expect((await typed()).keys).toEqual(["C-r"]);
    await commit("r"); // the keyboard ends its composition
    expect(await text.inputValue()).toBe("");
    expect(await ctrl.getAttribute("aria-pressed")).toBe("false");
    await compose("n");
    await compose("no");
    await commit("no");
    expect(await text.inputValue()).toBe("no"); // what comes next is text again
    await close();
  }, 30_000);

  test("leaves a word that is half written as it was", async () => {
    const { text, page, ctrl, compose, commit, typed, close } = await openComposing("ime-word");
    await text.focus();
    await commit("say ");
    await compose("hel");
    await ctrl.click();
    await compose("helc"); // as Gboard does, which has the whole word
    expect((await typed()).keys).toEqual(["C-c"]);
    expect(await text.inputValue()).toBe("say hel");
    expect(await text.evaluate((box) => box.selectionStart)).toBe(7);
    await commit("helc");
    expect(await text.inputValue()).toBe("say hel");
    await page.keyboard.type("lo");
    expect(await text.inputValue()).toBe("say hello");
    await close();
  }, 30_000);

  test("works in the middle of a text, with a capital, for a keyboard that commits at once, and for signs", async () => {
    const { text, page, ctrl, compose, commit, typed, close } = await openComposing("ime-more");
    await text.fill("one two");
    await text.evaluate((box) => box.setSelectionRange(3, 3));
    for (const [type, key] of [
      [() => compose("Z"), "C-z"],
      [() => commit("a"), "C-a"],
      [() => page.keyboard.press("k"), "C-k"],
      [() => commit("]"), "C-]"],
      [() => commit(" "), "C-Space"],
      [() => commit("["), "Escape"],
      [() => page.keyboard.press("ArrowLeft"), "C-Left"],
    ] as const) {
      await ctrl.click();
      await type();
      expect((await typed()).keys).toEqual([key]);
    }
    expect(await text.inputValue()).toBe("one two");
    await page.keyboard.type("!");
    expect(await text.inputValue()).toBe("one! two"); // the caret is where it was
    await ctrl.click();
    await page.keyboard.press("Escape");
    expect(await ctrl.getAttribute("aria-pressed")).toBe("false");
    await close();
  }, 30_000);
});

describe("long text", () => {
  test("of 60,000 characters is sent in parts that are one paste, in their order", async () => {
    const { text, page, typed, close } = await open("long");
    const long = Array.from({ length: 100 }, (_, i) => `${i} ${"word ".repeat(130)}\n`)
      .join("")
      .slice(0, 60_000);
    expect(long).toHaveLength(60_000);
    await put(text, long);
    await page.getByRole("button", { name: "Send" }).click();
    const parts = [await typed()];
    while (parts.at(-1)?.more === true) parts.push(await typed());
    expect(parts.map(({ text }) => text).join("")).toBe(long);
    expect(parts.map(({ seq }) => seq)).toEqual(parts.map((_, i) => i + 1));
    expect(new Set(parts.map(({ stream }) => stream)).size).toBe(1);
    expect(parts.every(({ paste }) => paste === true)).toBe(true);
    expect(parts.map(({ enter }) => enter === true)).toEqual(
      parts.map((_, i) => i === parts.length - 1),
    );
    expect(await text.inputValue()).toBe("");
    await close();
  }, 60_000);

  test.each([
    ["漢字", 40_000],
    ["👩‍👩‍👧 ", 20_000],
    ['"\\\n', 8000],
  ])(
    "of %p, longer in UTF-8 or JSON than it looks, arrives as well",
    async (piece, times) => {
      const { text, page, typed, close } = await open("wide");
      const long = piece.repeat(times);
      await put(text, long);
      await page.getByRole("button", { name: "Send" }).click();
      const parts = [await typed()];
      while (parts.at(-1)?.more === true) parts.push(await typed());
      for (const { text = "" } of parts) expect(text.isWellFormed()).toBe(true);
      expect(parts.map(({ text }) => text).join("") === long).toBe(true);
      await close();
    },
    60_000,
  );

  test("that was not taken whole is a draft again, whole", async () => {
    const { text, page, typed, refuse, close } = await open("long-refused");
    const long = "word ".repeat(8000);
    await text.fill(long);
    await page.getByRole("button", { name: "Send" }).click();
    const first = await typed();
    await refuse("asked", 1);
    await until("it is back", async () => (await text.inputValue()) === long);
    await text.fill("next");
    await page.getByRole("button", { name: "Send" }).click();
    const next = await typed();
    expect(next.text).toBe("next");
    expect(next.stream).not.toBe(first.stream); // or it would go on where the other broke off
    await close();
  }, 60_000);

  test("that does not fit is told before it is sent, in the box, a message, a plan and an answer", async () => {
    const { text, page, socket, close } = await open("too-long");
    const set = (box: Locator, chars: number) => put(box, "漢".repeat(chars));
    await set(text, 256 * 1024 + 3);
    await page.getByText("Too long by 3 characters").waitFor();
    expect(await page.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
    await set(text, 0);
    expect(await page.getByRole("button", { name: "Send" }).isEnabled()).toBe(true);

    const questions = [{ question: "Which?", options: [{ label: "A" }] }];
    for (const prompt of [
      {
        ...makePrompt("too-long", "p_plan", { tool: "ExitPlanMode", input: { plan: "# One" } }),
        kind: "plan" as const,
      },
      {
        ...makePrompt("too-long", "p_ask", { tool: "AskUserQuestion", input: { questions } }),
        kind: "question" as const,
      },
    ])
      socket.send({ type: "prompt", prompt });
    const plan = page.getByRole("alertdialog", { name: "Approve a plan" });
    await until("the cards are armed", () => plan.locator(".reject").isEnabled());
    for (const summary of await plan.locator("summary").all()) await summary.click();
    const message = plan.getByLabel("Message to Claude with the rejection");
    await set(message, LIMITS.messageChars + 1);
    await plan.getByText("Too long by 1 character:").waitFor();
    expect(await plan.locator(".reject").isDisabled()).toBe(true);
    await set(message, 0);
    await set(plan.getByLabel("The plan"), LIMITS.planChars + 10);
    await plan.getByText("Too long by 10 characters").waitFor();
    expect(await plan.locator(".approve").isDisabled()).toBe(true);
    await set(plan.getByLabel("The plan"), LIMITS.planChars);
    await until("it fits", () => plan.locator(".approve").isEnabled());
    await plan.locator(".approve").click();
    const { plan: sent } = await socket.next("decide");
    expect(sent?.length).toBe(LIMITS.planChars); // 147 kB as UTF-8, and no 413

    const ask = page.getByRole("alertdialog", { name: "A question" });
    await set(ask.getByLabel("Something else"), LIMITS.messageChars + 2);
    await ask.getByText("Too long by 2 characters").waitFor();
    expect(await ask.locator(".approve").isDisabled()).toBe(true);
    await set(ask.getByLabel("Something else"), LIMITS.messageChars);
    await until("it fits", () => ask.locator(".approve").isEnabled());
    await close();
  }, 60_000);
});
