import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { violations } from "./support/axe.ts";
import { openPhonePage } from "./support/browser.ts";
import { type Dashboard, makePrompt, openDashboard, screen } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

async function openAt(hash: string) {
  const phone = await dashboard.openPaired();
  await phone.page.goto(`${dashboard.server.origin}/${hash}`);
  return phone;
}
const QUESTION = {
  questions: [
    {
      question: "Which database?",
      options: [
        { label: "SQLite", description: "one file", preview: "CREATE TABLE" },
        { label: "Postgres" },
      ],
    },
    {
      question: "Which features?",
      multiSelect: true,
      options: [{ label: "Dark mode" }, { label: "Search" }],
    },
  ],
};
const EDIT = {
  tool: "Edit",
  input: { file_path: "/a/b.ts", old_string: "one\ntwo", new_string: "one\nthree" },
};
const SCREEN = {
  above: "Do you trust this?",
  options: [{ label: "No" }, { label: "Yes", number: 2 }],
  selected: 0,
  below: "Esc to cancel",
};
const FIELDS = ["text", "integer", "boolean", "one", "several"].map((type) => ({
  name: type,
  title: type,
  about: "a hint",
  required: type === "text",
  type,
  options: ["a", "b"],
}));

describe("axe has nothing against", () => {
  test("the page that pairs, and the empty list", async () => {
    const phone = await openPhonePage(dashboard.browser, dashboard.server.origin);
    await phone.page.goto(dashboard.server.origin);
    await phone.page.getByRole("button", { name: "Pair this browser" }).waitFor();
    expect(await violations(phone.page)).toEqual([]);
    await phone.context.close();
    const paired = await openAt("#/");
    await paired.page.getByText("No sessions yet").waitFor();
    expect(await violations(paired.page)).toEqual([]);
    await paired.context.close();
  }, 60_000);

  test("the list with its cards, and a session with every kind of question", async () => {
    const always = [
      { says: "Don't ask again in this session", writes: "allow Bash(make *) → this session" },
    ];
    const prompts = [
      makePrompt("axe", "p_bash", {
        input: { command: "make", description: "Builds it" },
        always,
        note: "a note",
      }),
      makePrompt("axe", "p_edit", EDIT),
      {
        ...makePrompt("axe", "p_ask", { tool: "AskUserQuestion", input: QUESTION }),
        kind: "question" as const,
      },
      {
        ...makePrompt("axe", "p_screen", { tool: "Screen", input: SCREEN, masked: true }),
        kind: "screen" as const,
      },
      {
        ...makePrompt("axe", "p_form", {
          tool: "Elicitation",
          input: { server: "x", message: "Where?", fields: FIELDS },
        }),
        kind: "elicitation" as const,
      },
      {
        ...makePrompt("axe", "p_page", {
          tool: "Elicitation",
          input: { server: "x", message: "Log in", url: "https://a.example/b" },
        }),
        kind: "elicitation" as const,
      },
      {
        ...makePrompt("axe", "p_plan", {
          tool: "ExitPlanMode",
          input: { plan: "# Plan\n1. Do it" },
        }),
        kind: "plan" as const,
      },
    ];
    const socket = await dashboard.playRunner("axe", prompts);
    socket.send(screen("axe", 1, ["red green\n3f1 1 5g#00ff00b", "plain"]));
    const over = await dashboard.playRunner("axe-over");
    over.send({ type: "exit", session: "axe-over", exit: { code: 3 }, ended_at: Date.now() });
    const phone = await openAt("#/");
    await until(
      "the cards are armed",
      async () => (await phone.page.locator(".approve:enabled").count()) >= 3,
    );
    for (const summary of await phone.page.locator(".card summary").all()) await summary.click();
    expect(await violations(phone.page)).toEqual([]);
    await phone.page.goto(`${dashboard.server.origin}/#/s/axe`);
    await until(
      "the cards are armed",
      async () => (await phone.page.locator(".approve:enabled").count()) >= 3,
    );
    expect(await violations(phone.page)).toEqual([]);
    await phone.context.close();
    socket.close();
    over.close();
  }, 60_000);

  test("a conversation, opened up, and a search", async () => {
    const socket = await dashboard.playRunner("axe-talk");
    const text =
      "# Title\n\n- `code` and **bold**\n\n> quoted [link](https://example.com/)\n\n| a | b |\n|---|---|\n| c | d |\n\n```diff\n+new\n-old\n```";
    const { old_string, new_string } = EDIT.input;
    const entries = [
      { kind: "user", at: 1, text: "What is this?" },
      { kind: "thinking", at: 1, text: "Hm." },
      {
        kind: "tool",
        at: 1,
        id: "t",
        tool: "Edit",
        input: JSON.stringify({ file_path: "/a", old_string, new_string }),
      },
      { kind: "result", at: 1, id: "t", text: "no such file", error: true },
      { kind: "note", at: 1, text: "Interrupted." },
      { kind: "assistant", at: 1, text },
    ];
    socket.send({
      type: "transcript",
      session: "axe-talk",
      next: entries.length,
      file: 0,
      at: 1,
      entries,
    });
    const phone = await openAt("#/s/axe-talk/talk");
    await phone.page.locator("article.assistant").waitFor();
    for (const summary of await phone.page.locator("article summary").all()) await summary.click();
    expect(await violations(phone.page)).toEqual([]);
    await phone.page.goto(`${dashboard.server.origin}/#/search?q=interrupted`);
    await phone.page.locator(".results a").first().waitFor();
    expect(await violations(phone.page)).toEqual([]);
    await phone.context.close();
    socket.close();
  }, 60_000);

  test("a session alone: its terminal, a login, the keys, and a paste", async () => {
    const socket = await dashboard.playRunner("axe-alone");
    socket.send(screen("axe-alone", 1, ["plain", "漢字\n2w"]));
    socket.send({ type: "auth_url", session: "axe-alone", url: "https://example.com/login" });
    const phone = await openAt("#/s/axe-alone");
    await phone.page.getByRole("region", { name: "Login" }).waitFor();
    expect(await violations(phone.page)).toEqual([]);
    await phone.page.getByRole("button", { name: /^Paste/ }).click();
    await phone.page.getByRole("dialog", { name: "Paste" }).waitFor();
    expect(await violations(phone.page)).toEqual([]);
    await phone.context.close();
    socket.close();
  }, 60_000);

  test("the devices page, with a code to scan and a revocation half way", async () => {
    const phone = await openAt("#/devices");
    await phone.page.getByRole("button", { name: "Make a pairing link" }).click();
    await phone.page.locator(".qr").waitFor();
    await phone.page.getByRole("button", { name: "Revoke" }).first().click();
    await phone.page.getByText("out at once").waitFor();
    expect(await violations(phone.page)).toEqual([]);
    await phone.context.close();
  }, 60_000);
});

describe("the page", () => {
  test("is used with a keyboard alone: through a question to its answer", async () => {
    const socket = await dashboard.playRunner("keyboard", [
      {
        ...makePrompt("keyboard", "p_key", { tool: "AskUserQuestion", input: QUESTION }),
        kind: "question" as const,
      },
    ]);
    const phone = await openAt("#/s/keyboard");
    const { keyboard } = phone.page;
    const focused = () =>
      phone.page.evaluate(
        `document.activeElement === document.body ? "" : (document.activeElement.closest("label")?.textContent ?? document.activeElement.textContent)`,
      );
    const tabTo = async (words: string) => {
      for (let i = 0; i < 40; i++) {
        if (String(await focused()).includes(words)) return;
        await keyboard.press("Tab");
      }
      throw new Error(`the keyboard does not reach ${words}`);
    };
    await until(
      "it is armed",
      async () =>
        (await phone.page.locator('.card[data-state="open"][data-arming="false"]').count()) === 1,
    );
    await tabTo("SQLite");
    await keyboard.press("ArrowDown"); // a radio group moves by arrows
    await tabTo("Search");
    await keyboard.press("Space");
    await tabTo("Answer");
    expect(await phone.page.evaluate(`getComputedStyle(document.activeElement).outlineStyle`)).toBe(
      "solid",
    ); // one sees where one is
    await keyboard.press("Enter");
    const { answers } = await socket.next("decide");
    expect(answers?.map(({ options }) => options)).toEqual([[1], [1]]);
    await phone.context.close();
    socket.close();
  }, 40_000);

  test("says what it is to a screen reader: the question an alert, the connection a status, the terminal a log beside hidden rows", async () => {
    const socket = await dashboard.playRunner("reader", [
      makePrompt("reader", "p_reader", { input: { command: "make" } }),
    ]);
    socket.send(screen("reader", 1, ["first row", "", "third row"]));
    const phone = await openAt("#/s/reader");
    await phone.page.getByRole("alertdialog", { name: "Run a command" }).waitFor();
    await until(
      "it is live",
      async () => (await phone.page.getByRole("status").first().textContent()) === "live",
    );
    const log = phone.page.getByRole("log", { name: "Terminal" });
    await until(
      "the log follows",
      async () => (await log.textContent()) === "first row\nthird row",
    );
    expect(await phone.page.locator(".terminal").getAttribute("aria-hidden")).toBe("true");
    expect(await phone.page.getByRole("main").count()).toBe(1);
    expect(await phone.page.getByRole("heading", { level: 1 }).count()).toBe(1);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("holds text that runs from right to left, and wide text, without breaking out or turning its signs around", async () => {
    const command = "echo 'مرحبا بالعالم' 漢字かな交じり文 && rm -rf './שלום עולם'";
    const socket = await dashboard.playRunner(
      "rtl",
      [
        makePrompt("rtl", "p_rtl", {
          input: { command, description: "يحذف المجلد" },
          cwd: "/home/me/שלום",
        }),
      ],
      {
        cwd: "/home/me/漢字の非常に長い名前".repeat(3),
      },
    );
    const phone = await openAt("#/s/rtl");
    const pre = phone.page.locator(".card .command");
    await pre.waitFor();
    expect(await pre.textContent()).toBe(command);
    const direction = (selector: string) =>
      phone.page.evaluate(`getComputedStyle(document.querySelector("${selector}")).direction`);
    // a command keeps its own order, whatever it begins with; a sentence takes its language's
    expect(await direction(".card .command")).toBe("ltr");
    expect(await direction(".card .described")).toBe("rtl");
    expect(
      await phone.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      ),
    ).toBe(0);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("at twice the size of text nothing is cut off, and the answers are still to be reached", async () => {
    const socket = await dashboard.playRunner("zoom", [
      makePrompt("zoom", "p_zoom", { input: { command: "make" } }),
    ]);
    const phone = await openAt("#/s/zoom");
    await phone.page.evaluate(`document.documentElement.style.fontSize = "200%"`);
    const approve = phone.page.getByRole("button", { name: "Approve", exact: true });
    await until("it is armed", () => approve.isEnabled());
    await approve.scrollIntoViewIfNeeded();
    expect(
      await phone.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      ),
    ).toBe(0);
    const clipped = await phone.page.evaluate(
      `[...document.querySelectorAll(".card button, .card h2, .bar .place h1")].filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflow === "hidden" && getComputedStyle(e).textOverflow !== "ellipsis").map((e) => e.textContent)`,
    );
    expect(clipped).toEqual([]);
    await approve.click();
    await socket.next("decide");
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("the keyboard on the screen covers neither the composer nor the answers", async () => {
    const socket = await dashboard.playRunner("covered");
    socket.send(
      screen(
        "covered",
        1,
        Array.from({ length: 40 }, (_, i) => `row ${i}`),
      ),
    );
    const phone = await openAt("#/s/covered");
    const text = phone.page.getByLabel("Type to the session");
    await text.click();
    const inView = async (what: typeof text, height: number) => {
      await until("it stands above the keyboard", async () => {
        const box = await what.boundingBox();
        return box !== null && box.y >= 0 && box.y + box.height <= height;
      });
    };
    await phone.page.setViewportSize({ width: 375, height: 320 }); // as Chromium does, by `interactive-widget`
    await inView(text, 320);
    await phone.page.setViewportSize({ width: 375, height: 667 });
    // iOS leaves the page as it is and tells the visual viewport alone
    await phone.page.evaluate(
      `Object.defineProperty(visualViewport, "height", { value: 330, configurable: true }); visualViewport.dispatchEvent(new Event("resize"))`,
    );
    await inView(text, 330);
    await phone.page.evaluate(`document.activeElement.blur()`);
    socket.send({
      type: "prompt",
      prompt: makePrompt("covered", "p_covered", { input: { command: "make" } }),
    });
    await inView(phone.page.getByRole("button", { name: "Approve", exact: true }), 330);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("stays where it is in a long conversation, and has room to type above a keyboard held upright", async () => {
    const socket = await dashboard.playRunner("long");
    const entries = Array.from({ length: 80 }, (_, i) => ({
      kind: i % 2 === 0 ? "user" : "assistant",
      at: 1,
      text: `said ${i} `.repeat(30),
    }));
    socket.send({ type: "transcript", session: "long", next: 80, file: 0, at: 1, entries });
    const phone = await openAt("#/s/long/talk");
    await phone.page.getByText("said 79").first().waitFor();
    expect(
      await phone.page.evaluate(
        `{ document.body.scrollTop = 500; document.body.scrollTop + document.documentElement.scrollTop }`,
      ),
    ).toBe(0);
    await phone.page.setViewportSize({ width: 375, height: 340 });
    const text = phone.page.getByLabel("Type to the session");
    await until(
      "the composer has the width",
      async () => ((await text.boundingBox())?.width ?? 0) > 200,
    );
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("nothing that is tapped lies under a notch or the home bar", async () => {
    const socket = await dashboard.playRunner("notch");
    socket.send(screen("notch", 1, ["here"]));
    const phone = await openAt("#/s/notch");
    const cdp = await phone.context.newCDPSession(phone.page);
    await cdp.send("Emulation.setSafeAreaInsetsOverride", {
      insets: { top: 44, bottom: 34, left: 0, right: 0 },
    });
    const send = phone.page.getByRole("button", { name: "Send" });
    await until("the composer keeps off the home bar", async () => {
      const box = await send.boundingBox();
      return box !== null && box.y + box.height <= 667 - 34;
    });
    expect(
      (await phone.page.getByRole("link", { name: /all sessions/ }).boundingBox())?.y,
    ).toBeGreaterThanOrEqual(44);
    await phone.page.setViewportSize({ width: 667, height: 375 });
    await cdp.send("Emulation.setSafeAreaInsetsOverride", {
      insets: { top: 0, bottom: 21, left: 44, right: 44 },
    });
    await until("it keeps off the notch at the side", async () => {
      const box = await send.boundingBox();
      return box !== null && box.x + box.width <= 667 - 44 && box.y + box.height <= 375 - 21;
    });
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("in forced colours every button and sign still shows", async () => {
    const socket = await dashboard.playRunner("forced", [
      makePrompt("forced", "p_forced", { input: { command: "make" } }),
    ]);
    const phone = await openAt("#/s/forced");
    await phone.page.emulateMedia({ forcedColors: "active" });
    const approve = phone.page.getByRole("button", { name: "Approve", exact: true });
    await until("it is armed", () => approve.isEnabled());
    const unseen = await phone.page.evaluate(`(() => {
      const page = getComputedStyle(document.body).backgroundColor;
      return [...document.querySelectorAll("button, .mark")].filter((e) => e.checkVisibility()).filter((e) => {
        const { backgroundColor, borderTopColor, borderTopWidth, borderBottomWidth, color } = getComputedStyle(e);
        const edged = (parseFloat(borderTopWidth) > 0 || parseFloat(borderBottomWidth) > 0) && borderTopColor !== page;
        return color === backgroundColor || (!edged && backgroundColor === page && e.textContent === "" && e.dataset.mark !== "free");
      }).map((e) => e.outerHTML.slice(0, 90));
    })()`);
    expect(unseen).toEqual([]);
    await phone.context.close();
    socket.close();
  }, 30_000);
});
