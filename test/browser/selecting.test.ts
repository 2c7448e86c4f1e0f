import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Dashboard, openDashboard } from "../support/dashboard.ts";
import { ENGINE_NAMES, Engine, type EnginePage, pairEngine } from "../support/engines.ts";
import { openTerminalPage } from "../support/terminal-page.ts";
import { until } from "../support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

describe.each([...ENGINE_NAMES])("in %s", (name) => {
  let engine: Engine;
  let page: EnginePage;
  beforeAll(async () => {
    engine = await Engine.start(name);
    page = await engine.open();
    await pairEngine(page, await dashboard.machine.mint("viewer"));
  }, 120_000);
  afterAll(async () => {
    expect(await page.errors()).toEqual([]);
    await engine.close();
  });

  /** Plays a session with these rows and looks at it. */
  async function show(session: string, lines: string[], history: string[] = []) {
    const terminal = await openTerminalPage(dashboard, page, `${session}-${name}`);
    await terminal.show(lines, { cols: 20 }, history);
    return terminal;
  }

  /** Selects from a character of one row to one of another. */
  const select = (from: [row: number, at: number], to: [row: number, at: number]) =>
    page.evaluate(
      `(from, to) => {
        const rows = [...document.querySelectorAll(".terminal .row")];
        const place = ([row, at]) => {
          const walker = document.createTreeWalker(rows[row], NodeFilter.SHOW_TEXT);
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            if (at <= node.data.length) return [node, at];
            at -= node.data.length;
          }
          return [rows[row], rows[row].childNodes.length];
        };
        getSelection().setBaseAndExtent(...place(from), ...place(to));
      }`,
      from,
      to,
    );
  /** An attribute of all links. */
  const attributes = (attribute: string) =>
    page.evaluate<(string | null)[]>(
      `(attribute) => [...document.querySelectorAll(".terminal a")].map((link) => link.getAttribute(attribute))`,
      attribute,
    );
  const selected = () => page.evaluate<string>("getSelection().toString()");
  const unselect = () => page.evaluate("getSelection().removeAllRanges()");

  /** What a copy of the selection brings; undefined where the page leaves it to the browser. */
  async function copied(): Promise<string | undefined> {
    await page.evaluate(`(() => {
      window.copy = undefined;
      const take = (event) => {
        window.copy = event.defaultPrevented ? [event.clipboardData.getData("text/plain")] : [];
      };
      window.addEventListener("copy", take, { once: true });
    })()`);
    await page.press("Control+c");
    const [text] = await page.waitFor<string[]>("something is copied", "window.copy");
    return text;
  }

  describe("a selection in the terminal", () => {
    test("survives while its rows change, others go on, and it shows the newest once it ends", async () => {
      const { close, send, texts } = await show("survives", ["first", "second row", "third", "4"]);
      await select([1, 0], [1, 6]);
      for (let i = 0; i < 5; i++) send([`first ${i}`, `second ${i}`, `third ${i}`, `${i}`]);
      await until("the other rows go on", async () => (await texts())[2] === "third 4");
      expect(await texts()).toEqual(["first 4", "second row", "third 4", "4"]);
      expect(await selected()).toBe("second");
      await unselect();
      await until("it shows the newest", async () => (await texts())[1] === "second 4");
      close();
    }, 90_000);

    test("over several rows stays whole, also when they become empty or the screen smaller", async () => {
      const { close, send, texts } = await show("several", ["one", "two\n3f1", "three", "four"]);
      await select([1, 1], [3, 2]);
      const before = await selected();
      send(["1", "", "", ""]);
      await until("the first row goes on", async () => (await texts())[0] === "1");
      expect(await selected()).toBe(before);
      send(["2", ""]);
      await until("the smaller screen is there", async () => (await texts())[0] === "2");
      expect(await selected()).toBe(before);
      await unselect();
      await until("nothing else is left", async () => (await texts()).join() === "2");
      close();
    }, 90_000);

    test("in the history survives when all other lines are exchanged, which are shown once it ends", async () => {
      const { close, append, texts } = await show("exchanged", ["live"], ["old", "older"]);
      await select([0, 1], [1, 3]);
      const before = await selected();
      append(500, ["far", "farther"]);
      await page.waitFor(
        "it says that more came",
        `[...document.querySelectorAll(".history .nothing")].some((line) => line.textContent.includes("More lines"))`,
      );
      expect(await selected()).toBe(before);
      expect((await texts()).slice(0, 2)).toEqual(["old", "older"]);
      await unselect();
      await until("the newest are there", async () => (await texts()).includes("farther"));
      close();
    }, 90_000);

    test("in the history survives what is appended, and three clicks hold only their own row", async () => {
      const { close, send, append, texts } = await show(
        "older",
        ["live", "next"],
        ["old", "older"],
      );
      await select([0, 0], [1, 5]);
      append(2, ["newer"]);
      send(["live 2", "next"]);
      await until(
        "both are there",
        async () => (await texts()).join() === "old,older,newer,live 2,next",
      );
      expect(await selected()).toBe("old\nolder");
      await unselect();
      await page.evaluate(`(() => {
      const [row, below] = document.querySelectorAll(".screen .row");
      getSelection().setBaseAndExtent(row.firstChild, 0, below, 0);
    })()`);
      send(["live 3", "next 3"]);
      await until("the row below goes on", async () => (await texts()).at(-1) === "next 3");
      expect((await texts()).at(-2)).toBe("live 2");
      await unselect();
      close();
    }, 90_000);
  });

  describe("copying", () => {
    test("makes one line of rows that go on, and ends others without their blanks", async () => {
      const url = "https://example.com/a/very/long/path?with=query&more=1";
      const { close } = await show(
        "copying",
        [`${url.slice(20, 40)}\n+`, url.slice(40), "plain   ", "colour   \n3f1 6g2", "last"],
        ["before  ", `${url.slice(0, 20)}\n20u +`],
      );
      await select([1, 0], [3, url.length - 40]);
      expect(await copied()).toBe(url);
      await select([0, 0], [6, 4]);
      expect(await copied()).toBe(`before\n${url}\nplain\ncolour\nlast`);
      await select([1, 8], [2, 3]);
      expect(await copied()).toBe(url.slice(8, 23));
      await unselect();
      close();
    }, 90_000);

    test("brings the characters themselves, whatever boxes and marks they are drawn with", async () => {
      const { close } = await show("signs", ["⏺ 漢字 ⎿ x\n2 2w 4", "a\u202eb 👨‍👩‍👧\n2j 2 8wj"]);
      await select([0, 0], [1, 99]);
      expect(await copied()).toBe("⏺ 漢字 ⎿ x\na\u202eb 👨‍👩‍👧");
      await unselect();
      const words = { label: "Type to the session" };
      await page.fill(words, "my words");
      await page.click(words);
      await page.evaluate("document.activeElement.select()");
      expect(await copied()).toBeUndefined();
      close();
    }, 90_000);
  });

  describe("an address", () => {
    test("is a link, whole also where it goes on in the next rows, and becomes another with them", async () => {
      const { close, send } = await show(
        "links",
        ["om/some/long/path?q=\n20 +", "words.", "(https://a.example)"],
        ["see https://example.c\n+"],
      );
      const hrefs = () => attributes("href");
      const whole = "https://example.com/some/long/path?q=words";
      await until("all are there", async () => (await hrefs()).length === 4);
      expect(await hrefs()).toEqual([whole, whole, whole, "https://a.example/"]);
      expect((await attributes("rel")).every((rel) => rel?.includes("noopener"))).toBe(true);
      expect(await attributes("title")).toEqual(await hrefs());
      await page.evaluate(`(() => {
      document.addEventListener("click", (event) => {
        window.tapped = event.target.closest("a")?.href;
        event.preventDefault();
      }, { once: true });
    })()`);
      await page.tap(".screen .row:nth-child(1) a");
      expect(await page.evaluate<string>("window.tapped")).toBe(whole);
      send(["om/some/long/path?q=\n20 +", "others", "plain"]);
      await until("it leads elsewhere", async () =>
        (await hrefs()).every((href) => href === "https://example.com/some/long/path?q=others"),
      );
      send(["om/other", "others", "plain"]);
      await until("it ends with its row", async () =>
        (await hrefs()).every(
          (href) => href === "https://example.com/om/other" || href === "https://example.com/other",
        ),
      );
      close();
    }, 90_000);

    test("is none where it is no address of the web, and ends where something is hidden", async () => {
      const { close } = await show("no-links", [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://[",
        "http://a.b/x\u202ey",
        "│https://c.d│",
      ]);
      expect(await attributes("href")).toEqual(["http://a.b/x", "https://c.d/"]);
      expect(await attributes("tabindex")).toEqual(["-1", "-1"]);
      close();
    }, 90_000);
  });

  test("the spoken log reads one line of rows that go on, and nothing that is concealed", async () => {
    const { close } = await show("spoken", ["a line that goes \n+", "on", "secret: 1234\n8 4h"]);
    await page.waitFor(
      "the log follows",
      `document.querySelector("[role=log]").textContent === "a line that goes on\\nsecret: "`,
    );
    close();
  }, 90_000);
});
