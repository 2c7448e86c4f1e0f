import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { type Entry, type Prompt, SearchAnswer } from "../src/types.ts";
import type { PhonePage } from "./support/browser.ts";
import { type Dashboard, makePrompt, openDashboard, screen } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
let phone: PhonePage;
let page: Page;

beforeAll(async () => {
  dashboard = await openDashboard();
  phone = await dashboard.openPaired();
  page = phone.page;
}, 60_000);
afterAll(async () => {
  expect(phone.suspicious).toEqual([]);
  await dashboard.close();
});

const said = (kind: "user" | "assistant" | "thinking" | "note", text: string): Entry => ({
  kind,
  at: 1,
  text,
});

/** A session whose runner the test plays, and what it says. */
async function playRunner(id: string, prompts: Prompt[] = [], info: object = {}) {
  const socket = await dashboard.playRunner(id, prompts, info);
  let next = 0;
  return Object.assign(socket, {
    say(...entries: Entry[]) {
      for (let at = 0; at < entries.length; at += 200) {
        const part = entries.slice(at, at + 200);
        next += part.length;
        socket.send({ type: "transcript", session: id, file: 0, at: next, next, entries: part });
      }
    },
  });
}
const article = (text: string) => page.locator("article.entry", { hasText: text });
async function openTalk(id: string, place = ""): Promise<void> {
  await page.goto("about:blank");
  await page.goto(`${dashboard.server.origin}/#/s/${id}/talk${place}`);
}
/** Scrolls, and waits until the page has heard of it. */
const scroll = (to: string) =>
  page.evaluate(
    `(() => { const s = document.querySelector(".talk"); s.scrollTop = ${to}; return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); })()`,
  );
const inSight = (what: string) =>
  page.evaluate(
    `(({ top, bottom }) => top > 0 && bottom < innerHeight)(document.querySelector(${JSON.stringify(what)}).getBoundingClientRect())`,
  );
const fromEnd = () =>
  page.evaluate(
    `(() => { const s = document.querySelector(".talk"); return s.scrollHeight - s.scrollTop - s.clientHeight; })()`,
  );

describe("the conversation on a phone", () => {
  test("opens at its end at once, loads backwards without moving what is read, and follows what is new", async () => {
    const socket = await playRunner("long");
    socket.say(
      ...Array.from({ length: 5000 }, (_, i) =>
        said(i % 2 === 0 ? "user" : "assistant", `message ${i}.`),
      ),
    );
    await openTalk("long");
    await article("message 4999.").waitFor();
    expect(await page.locator("article.entry").count()).toBeLessThan(200);
    const atEnd = () => until("it is at its end", async () => Number(await fromEnd()) < 5);
    await atEnd();

    socket.say(said("assistant", "a new one"));
    await article("a new one").waitFor();
    await atEnd();

    await scroll("s.scrollTop - 900");
    await until("it is scrolled", async () => Number(await fromEnd()) > 500);
    socket.say(said("assistant", "unseen as yet"));
    const more = page.getByRole("button", { name: "New below" });
    await more.waitFor();
    expect(Number(await fromEnd())).toBeGreaterThan(500); // one who reads is not carried away
    await more.click();
    await atEnd();

    const before = await page.locator("article.entry").count();
    const [top, text] = (await page.evaluate(`(() => {
      const s = document.querySelector(".talk");
      s.scrollTop = 300;
      const seen = [...document.querySelectorAll("article.entry")].find((a) => a.getBoundingClientRect().top >= s.getBoundingClientRect().top);
      return [seen.getBoundingClientRect().top, seen.textContent];
    })()`)) as [number, string];
    await until(
      "earlier ones are loaded",
      async () => (await page.locator("article.entry").count()) > before,
    );
    const box = await page
      .locator("article.entry")
      .filter({ hasText: text.replace("You:", "") })
      .first()
      .boundingBox();
    expect(Math.abs((box?.y ?? 0) - top)).toBeLessThan(3);
    socket.close();
  }, 60_000);

  test("a tool is folded with its result in it, opened by the keyboard, an edit as a coloured diff, a failure said in words", async () => {
    const socket = await playRunner("tools");
    const tool = (id: string, name: string, input: object): Entry => ({
      kind: "tool",
      at: 1,
      id,
      tool: name,
      input: JSON.stringify(input),
    });
    const result = (id: string, text: string, error = false): Entry => ({
      kind: "result",
      at: 1,
      id,
      text,
      error,
    });
    socket.say(
      tool("a", "Bash", { command: "make test\nmake lint", description: "Check" }),
      tool("b", "Edit", {
        file_path: "/home/me/a.txt",
        old_string: "one\ntwo",
        new_string: "one\nzwei",
      }),
      result("a", "no rule to make target\u202e", true),
      result("lost", "a result without its tool"),
      said("thinking", "What could be wrong?"),
    );
    await openTalk("tools");
    const bash = page.locator("article details", { hasText: "Bash" });
    await bash.waitFor();
    expect((await bash.locator("summary").textContent())?.replaceAll("\n", "")).toBe(
      "Bashmake test …failed",
    );
    expect(await page.locator("article.entry").count()).toBe(4);
    expect(await page.locator(".result").count()).toBe(0);
    await bash.locator("summary").focus();
    await page.keyboard.press("Enter");
    await bash.locator(".result.failed").waitFor();
    expect(await bash.locator(".command").textContent()).toBe("make test\nmake lint");
    expect(await bash.locator(".result").textContent()).toBe("no rule to make targetU+202E");
    const edit = page.locator("article details", { hasText: "Edit" });
    await edit.locator("summary").click();
    await edit.locator(".diff").first().waitFor(); // made when it is opened
    expect(await edit.locator(".diff.gone").allTextContents()).toEqual(["two"]);
    expect(await edit.locator(".diff.new").allTextContents()).toEqual(["zwei"]);
    socket.say(result("b", "updated"));
    await edit.locator(".result", { hasText: "updated" }).waitFor(); // while it is open
    const thinking = page.locator("article.thinking details");
    await thinking.locator("summary").click();
    await thinking.getByText("What could be wrong?").waitFor();
    socket.close();
  }, 30_000);

  test("turns that were taken back are folded away, and shown to whoever wants to see them", async () => {
    const socket = await playRunner("back");
    const back: Entry = { kind: "note", at: 1, text: "The conversation went back.", back: 2 };
    socket.say(
      ...["one", "answer one", "two", "answer two"].map((text, i) =>
        said(i % 2 === 0 ? "user" : "assistant", text),
      ),
    );
    await openTalk("back");
    await article("answer two").waitFor();
    socket.say(back, said("user", "instead"));
    await article("instead").waitFor();
    const shown = async () =>
      (await page.locator("article.entry:visible p").allTextContents()).map((text) => text.trim());
    expect(await shown()).toEqual(["one", "answer one", "The conversation went back.", "instead"]);
    const button = page.getByRole("button", { name: "Show what was taken back" });
    await button.focus();
    await page.keyboard.press("Enter");
    expect(await shown()).toContain("answer two");
    await page.getByRole("button", { name: "Fold it away" }).click();
    expect(await shown()).not.toContain("answer two");
    await openTalk("back"); // what is loaded with it is folded, too
    await article("instead").waitFor();
    expect(await shown()).toEqual(["one", "answer one", "The conversation went back.", "instead"]);
    socket.close();
  }, 30_000);

  test("text has its usual form, and nothing in it is hidden, run or left out", async () => {
    const socket = await playRunner("forms");
    const text = [
      "# Title with `code`",
      "Some **bold**, *slanted* and ~~struck~~; snake_case_name, 2*3*4 and 2 * 3 stay.",
      "- one\n  - nested\n    more of it\n- two\n\n3. three\n4. four",
      "> quoted **text**",
      "```diff\n+new\n-old\n```",
      "```sh\nrm -rf /tmp/x <b>\n```",
      "| a | b |\n|---|---|\n| 1 | `2` |",
      `<img src=x onerror="document.title='run'"><script>document.title='run'</script><!-- a comment -->`,
      "[safe](https://example.com/a) [evil](javascript:alert(1)) [https://bank.example](https://evil.example/) https://plain.example/x.",
      "zero\u200bwidth, \u202eturned\u202c",
      "unclosed **bold and `code",
    ].join("\n\n");
    const own = "rm src/*.ts test/*.ts && cat __init__.py\n  # as it is";
    socket.say(said("assistant", text), said("user", "שלום, 你好"), said("user", own));
    await openTalk("forms");
    const one = page.locator("article.assistant");
    await one.waitFor();
    expect(await page.locator("article.user p").last().textContent()).toBe(own); // one's own words are no Markdown
    expect(await one.locator("h3").textContent()).toBe("Title with code");
    expect(await one.locator("p strong").first().textContent()).toBe("bold");
    expect(await one.locator("p em").allTextContents()).toEqual(["slanted"]);
    expect(await one.textContent()).toContain("snake_case_name, 2*3*4 and 2 * 3 stay.");
    expect((await one.locator("ul ul li").allTextContents()).map((item) => item.trim())).toEqual([
      "nested\nmore of it",
    ]);
    expect(await one.locator("ol li").first().getAttribute("value")).toBe("3");
    expect(await one.locator("blockquote strong").textContent()).toBe("text");
    expect(await one.locator("pre .diff.gone").textContent()).toBe("-old");
    expect(await one.locator("pre code").nth(1).textContent()).toBe("rm -rf /tmp/x <b>");
    expect(await one.locator("td").allTextContents()).toEqual(["1", "2"]);
    const shown = (await one.textContent()) ?? "";
    for (const part of [
      "<img src=x onerror=",
      "<script>",
      "<!-- a comment -->",
      "[evil](javascript:alert(1))",
      "U+200B",
      "U+202E",
      "unclosed **bold and `code",
    ])
      expect(shown).toContain(part);
    const links = await one
      .locator("a")
      .evaluateAll((all) =>
        all.map((a) => [a.getAttribute("href"), a.textContent, a.getAttribute("rel")]),
      );
    expect(links).toEqual([
      ["https://example.com/a", "safe", "noreferrer noopener"],
      ["https://evil.example/", "https://bank.example", "noreferrer noopener"],
      ["https://plain.example/x", "https://plain.example/x", "noreferrer noopener"],
    ]);
    expect(shown).toContain("https://bank.example (https://evil.example/)"); // where it really leads
    expect(await page.locator("article img, article script").count()).toBe(0);
    expect(await page.title()).not.toContain("run");
    expect(
      await page.evaluate(`getComputedStyle(document.querySelector("article.user p")).direction`),
    ).toBe("rtl");
    socket.close();
  }, 30_000);

  test("text made to take for ever is drawn in a moment", async () => {
    const socket = await playRunner("slow");
    const hostile = [
      "*a ",
      "**a",
      "[a](",
      "`",
      "~~",
      "> ",
      "- ",
      "_a_b",
      "| ",
      "https://",
      "[[",
      "`` ` ",
      "\t",
      " ",
    ].map((part) => part.repeat(Math.floor(40_000 / part.length)));
    const nested = Array.from(
      { length: 200 },
      (_, i) => `${" ".repeat(i % 12)}- ${"> ".repeat(i)}`,
    ).join("\n");
    const runs = Array.from({ length: 250 }, (_, i) => "`".repeat(i + 1)).join(" ");
    socket.say(
      ...[...hostile, nested, runs, `${"~".repeat(60_000)}\``, "```\n".repeat(10_001)].map((text) =>
        said("assistant", text),
      ),
      said("note", "the last"),
    );
    await openTalk("slow");
    await page.locator("article.note", { hasText: "the last" }).waitFor(); // what takes quadratic time takes minutes
    socket.close();
  }, 60_000);

  test("the chosen view is remembered with the session; cards and composer stay in both; other programs have one alone", async () => {
    const prompt = makePrompt("both", "p_both", { input: { command: "make" } });
    const socket = await playRunner("both", [prompt]);
    socket.say(said("user", "hello"));
    await page.goto("about:blank");
    await page.goto(`${dashboard.server.origin}/#/s/both`);
    const tab = (name: string) => page.getByRole("tab", { name });
    expect(await tab("Terminal").getAttribute("aria-selected")).toBe("true");
    await tab("Terminal").focus();
    await page.keyboard.press("ArrowRight");
    await article("hello").waitFor();
    expect(await tab("Conversation").getAttribute("aria-selected")).toBe("true");
    await page.getByRole("alertdialog", { name: "Run a command" }).waitFor();
    socket.send({ type: "prompt", prompt: { ...prompt, state: "withdrawn" } });
    await page.getByLabel("Type to the session").waitFor();
    expect(await page.locator(".scroller").isVisible()).toBe(false);
    await page.reload();
    await article("hello").waitFor();
    await tab("Terminal").click();
    expect(await page.locator(".scroller").isVisible()).toBe(true);
    const other = await playRunner("other", [], { hooks: "none" });
    await page.goto(`${dashboard.server.origin}/#/s/other/talk`);
    await until(
      "the terminal is shown alone",
      async () =>
        (await page.getByRole("tab").count()) === 0 &&
        (await page.locator(".scroller").isVisible()),
    );
    socket.close();
    other.close();
  }, 30_000);

  test("a plan is drawn as what it says, whole, on its card", async () => {
    const plan =
      "# The plan\n\n1. Do **it**\n2. Run `make`\n\n<!-- quietly -->\n[see](http://x.example/)";
    const socket = await playRunner("plan", [
      { ...makePrompt("plan", "p_plan", { tool: "ExitPlanMode", input: { plan } }), kind: "plan" },
    ]);
    await page.goto("about:blank");
    await page.goto(`${dashboard.server.origin}/#/s/plan`);
    const drawn = page.locator(".card .plan");
    await drawn.waitFor();
    expect(await drawn.locator("h3").textContent()).toBe("The plan");
    expect(await drawn.locator("ol li").allTextContents()).toEqual(["Do it", "Run make"]);
    expect(await drawn.textContent()).toContain("<!-- quietly -->");
    expect(await drawn.textContent()).toContain("see (http://x.example/)");
    socket.close();
  }, 30_000);

  test("what is searched for is found in conversations, terminals and questions, and leads to its place", async () => {
    const socket = await playRunner("find", [
      makePrompt("find", "p_find", { input: { command: "pomegranate --all" } }),
    ]);
    socket.say(
      ...Array.from({ length: 600 }, (_, i) =>
        said("assistant", i === 20 ? "a Pomegranate in the <b>basket" : `filler ${i}`),
      ),
    );
    socket.send(screen("find", 1, [""], { title: "◐ Fruit" }));
    const lines = Array.from({ length: 900 }, (_, i) =>
      i === 77 ? "pomegranate.c:12: error\n3f1 20" : `line ${i}`,
    );
    socket.send({
      type: "output",
      session: "find",
      seq: 1,
      op: { op: "append", generation: 0, from: 0, lines },
    });
    // a page that asks before that is told so, and asks once
    await until(
      "it is indexed",
      async () =>
        (await dashboard.machine.get(SearchAnswer, "GET", "/api/search?q=pomegran")).results
          .length === 3,
    );
    await page.goto("about:blank");
    await page.goto(`${dashboard.server.origin}/#/`);
    await page.getByRole("searchbox").fill("pomegran");
    await page.keyboard.press("Enter");
    const results = page.locator(".results a");
    await until("all three are found", async () => (await results.count()) === 3);
    expect(
      new Set(
        (await results.locator(".about").allTextContents()).map((about) => about.split(" · ")[1]),
      ),
    ).toEqual(new Set(["Conversation", "Terminal", "Question"]));
    expect(await results.locator(".about").first().textContent()).toEndWith(" · Fruit");
    expect(
      (await results.locator("mark").allTextContents()).map((word) => word.toLowerCase()),
    ).toEqual(["pomegran", "pomegran", "pomegran"]);
    await results.filter({ hasText: "Conversation" }).click();
    await page.locator("article.found", { hasText: "a Pomegranate in the <b>basket" }).waitFor();
    expect(await inSight("article.found")).toBe(true);
    await page.goBack();
    await results.filter({ hasText: "Terminal" }).click();
    await page.locator(".row.found", { hasText: "pomegranate.c:12" }).waitFor();
    expect(await inSight(".row.found")).toBe(true);
    await page.goto(
      `${dashboard.server.origin}/#/search?q=${encodeURIComponent("'\") OR text MATCH * NEAR(")}`,
    );
    await page.getByText("Nothing was found").waitFor();
    socket.close();
  }, 40_000);
});
