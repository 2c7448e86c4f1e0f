import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { type Dashboard, openDashboard, screen } from "../support/dashboard.ts";
import { until } from "../support/until.ts";

let dashboard: Dashboard;
let page: Page;
let suspicious: string[];
beforeAll(async () => {
  dashboard = await openDashboard();
  const phone = await dashboard.openPaired();
  ({ page, suspicious } = phone);
  await phone.context.grantPermissions(["clipboard-read", "clipboard-write"]);
}, 60_000);
afterAll(() => dashboard.close());

/** Plays a session with these rows and looks at it. */
async function show(session: string, lines: string[], history: string[] = []) {
  const socket = await dashboard.playRunner(session);
  let rev = 0;
  let seq = 0;
  const send = (lines: string[]) => socket.send(screen(session, ++rev, lines, { cols: 20 }));
  const append = (from: number, lines: string[]) =>
    socket.send({
      type: "output",
      session,
      seq: ++seq,
      op: { op: "append", generation: 0, from, lines },
    });
  if (history.length > 0) append(0, history);
  send(lines);
  await page.goto(`${dashboard.server.origin}/#/s/${session}`);
  const texts = () => page.locator(".terminal .row:not([hidden])").allTextContents();
  const wanted = [...history, ...lines].map((payload) => payload.split("\n")[0] ?? "");
  await until("the rows are drawn", async () => (await texts()).join("|") === wanted.join("|"));
  return { socket, send, append, texts };
}

/** Selects from a character of one row to one of another. */
const select = (from: [row: number, at: number], to: [row: number, at: number]) =>
  page.evaluate(`(() => {
    const rows = [...document.querySelectorAll(".terminal .row")];
    const place = ([row, at]) => {
      const walker = document.createTreeWalker(rows[row], NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (at <= node.data.length) return [node, at];
        at -= node.data.length;
      }
      return [rows[row], rows[row].childNodes.length];
    };
    getSelection().setBaseAndExtent(...place(${JSON.stringify(from)}), ...place(${JSON.stringify(to)}));
  })()`);
const selected = () => page.evaluate("getSelection().toString()");
const unselect = () => page.evaluate("getSelection().removeAllRanges()");

/** What a copy of the selection brings. */
async function copied(): Promise<string> {
  await page.keyboard.press("ControlOrMeta+c");
  return page.evaluate("navigator.clipboard.readText()");
}

describe("a selection in the terminal", () => {
  test("survives while its rows change, others go on, and it shows the newest once it ends", async () => {
    const { socket, send, texts } = await show("survives", ["first", "second row", "third", "4"]);
    await select([1, 0], [1, 6]);
    for (let i = 0; i < 5; i++) send([`first ${i}`, `second ${i}`, `third ${i}`, `${i}`]);
    await until("the other rows go on", async () => (await texts())[2] === "third 4");
    expect(await texts()).toEqual(["first 4", "second row", "third 4", "4"]);
    expect(await selected()).toBe("second");
    await unselect();
    await until("it shows the newest", async () => (await texts())[1] === "second 4");
    socket.close();
  }, 30_000);

  test("over several rows stays whole, also when they become empty or the screen smaller", async () => {
    const { socket, send, texts } = await show("several", ["one", "two\n3f1", "three", "four"]);
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
    socket.close();
  }, 30_000);

  test("in the history survives what is appended, and three clicks hold only their own row", async () => {
    const { socket, send, append, texts } = await show("older", ["live", "next"], ["old", "older"]);
    await select([0, 0], [1, 5]);
    append(2, ["newer"]);
    send(["live 2", "next"]);
    await until(
      "both are there",
      async () => (await texts()).join() === "old,older,newer,live 2,next",
    );
    expect(await selected()).toBe("old\nolder");
    await unselect();
    await page.locator(".screen .row").first().click({ clickCount: 3 });
    await until("it is selected", async () => String(await selected()).trim() === "live 2");
    send(["live 3", "next 3"]);
    await until("the row below goes on", async () => (await texts()).at(-1) === "next 3");
    expect((await texts()).at(-2)).toBe("live 2");
    await unselect();
    socket.close();
  }, 30_000);
});

describe("copying", () => {
  test("makes one line of rows that go on, and ends others without their blanks", async () => {
    const url = "https://example.com/a/very/long/path?with=query&more=1";
    const { socket } = await show(
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
    socket.close();
  }, 30_000);

  test("brings the characters themselves, whatever boxes and marks they are drawn with", async () => {
    const { socket } = await show("signs", ["⏺ 漢字 ⎿ x\n2 2w 4", "a\u202eb 👨‍👩‍👧\n2j 2 8wj"]);
    await select([0, 0], [1, 99]);
    expect(await copied()).toBe("⏺ 漢字 ⎿ x\na\u202eb 👨‍👩‍👧");
    await unselect();
    await page.getByLabel("Type to the session").fill("my words");
    await page.getByLabel("Type to the session").selectText();
    expect(await copied()).toBe("my words");
    socket.close();
  }, 30_000);
});

describe("an address", () => {
  test("is a link, whole also where it goes on in the next rows, and becomes another with them", async () => {
    const { socket, send } = await show(
      "links",
      ["om/some/long/path?q=\n20 +", "words.", "(https://a.example)"],
      ["see https://example.c\n+"],
    );
    const hrefs = () =>
      page
        .locator(".terminal a")
        .evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    const whole = "https://example.com/some/long/path?q=words";
    await until("all are there", async () => (await hrefs()).length === 4);
    expect(await hrefs()).toEqual([whole, whole, whole, "https://a.example/"]);
    const link = page.locator(".terminal a").nth(1);
    expect(await link.getAttribute("rel")).toContain("noopener");
    expect(await link.getAttribute("title")).toBe(whole);
    await page
      .context()
      .route("https://example.com/**", (route) => route.fulfill({ body: "there" }));
    const [opened] = await Promise.all([page.context().waitForEvent("page"), link.click()]);
    await opened.waitForURL(whole);
    await opened.close();
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
    socket.close();
  }, 30_000);

  test("is none where it is no address of the web, and ends where something is hidden", async () => {
    const { socket } = await show("no-links", [
      "javascript:alert(1)",
      "file:///etc/passwd",
      "https://[",
      "http://a.b/x\u202ey",
      "│https://c.d│",
    ]);
    const links = page.locator(".terminal a");
    await until("two are", async () => (await links.count()) === 2);
    expect(await links.evaluateAll((all) => all.map((link) => link.getAttribute("href")))).toEqual([
      "http://a.b/x",
      "https://c.d/",
    ]);
    expect(await page.locator(".terminal a").first().getAttribute("tabindex")).toBe("-1");
    socket.close();
  }, 30_000);
});

test("the spoken log reads one line of rows that go on, and nothing that is concealed", async () => {
  const { socket } = await show("spoken", ["a line that goes \n+", "on", "secret: 1234\n8 4h"]);
  const log = page.getByRole("log", { name: "Terminal" });
  await until(
    "the log follows",
    async () => (await log.textContent()) === "a line that goes on\nsecret: ",
  );
  expect(suspicious.filter((what) => !what.includes("example.com"))).toEqual([]);
  socket.close();
}, 30_000);
