import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import * as v from "valibot";
import { openDatabase } from "../src/db.ts";
import { openSessions } from "../src/hub/sessions.ts";
import { openStores } from "../src/hub/stores.ts";
import { withGoesOn } from "../src/row.ts";
import { type RunningServer, startServer } from "../src/server.ts";
import { type Entry, SearchAnswer, SessionInfo } from "../src/types.ts";
import { openPhonePage, type PhonePage, pairPage, startBrowser } from "./support/browser.ts";
import { type Phone, pairDevice } from "./support/phone.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { until } from "./support/until.ts";

/** Lines of the long history, with some lost in its middle; entries of the long conversation. */
const LINES = 100_000;
const LOST = { from: 70_000, to: 70_500 };
const ENTRIES = 3000;

let data: string;
let server: RunningServer;
let browser: Browser;
let machine: Phone;
let phone: PhonePage;
let page: Page;
/** The requests for lines and entries since the last look. */
const asked: string[] = [];

const lineText = (n: number) => {
  if (n === 0) return "the very first line has a quince";
  if (n === 50_000) return "error: the Pomegranáte is ripe, pomegranate twice\n6f1";
  if (n === 60_000) return withGoesOn("a long line that ends with half a dragon");
  if (n === 60_001) return "fruit, and goes on after that";
  if (n === LINES - 30) return "near the end there is a medlar";
  return `line ${n} ${"of output ".repeat(n % 7)}`;
};
const entryOf = (n: number): Entry => {
  if (n === 40) return { kind: "assistant", at: 1, text: "Here is the **Lychee**, in `lychee.c`." };
  if (n === 500) return { kind: "tool", at: 1, id: "t1", tool: "Bash", input: '{"command":"ls"}' };
  if (n === 501) return { kind: "tool", at: 1, id: "t2", tool: "Bash", input: '{"command":"id"}' };
  if (n === 502) return { kind: "result", at: 1, id: "t1", text: "a rambutan\nb", error: false };
  return {
    kind: n % 3 === 0 ? "user" : "assistant",
    at: 1,
    text: `entry ${n} ${"x ".repeat(n % 40)}`,
  };
};

/** A database with a long session of each kind, as the server itself writes it. */
function fill(): void {
  const db = openDatabase(data);
  db.run(
    "INSERT INTO devices (id, name, kind, secret, created_at) VALUES ('dev', 'box', 'machine', x'00', 0)",
  );
  const sessions = openSessions(openStores(db));
  for (const id of ["long", "talk"]) {
    sessions.begin("dev", v.parse(SessionInfo, sessionInfo(id)), 1);
    sessions.end(id, { code: 0 }, Date.now());
  }
  const add = db.query(
    "INSERT INTO output_log (session_id, generation, number, line) VALUES (?, 0, ?, ?)",
  );
  const say = db.query("INSERT INTO transcript (session_id, n, entry) VALUES ('talk', ?, ?)");
  db.transaction(() => {
    for (let n = 0; n < LINES; n++)
      if (n < LOST.from || n >= LOST.to) add.run("long", n, lineText(n));
    db.run("UPDATE sessions SET next_line = ? WHERE id = 'long'", [LINES]);
    for (let n = 0; n < ENTRIES; n++) say.run(n, JSON.stringify(entryOf(n)));
    db.run(
      "INSERT OR REPLACE INTO transcript_places (session_id, next, file, at) VALUES ('talk', ?, 0, 1)",
      [ENTRIES],
    );
  })();
  db.close();
}

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "finding-test-"));
  fill();
  server = await startServer({
    host: "127.0.0.1",
    port: 0,
    data,
    insecureLan: false,
    log: () => undefined,
  });
  machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  browser = await startBrowser();
  phone = await openPhonePage(browser, server.origin, { width: 390, height: 844 });
  ({ page } = phone);
  await pairPage(phone, await machine.mint("viewer"));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (/\/(?:output|transcript)$/.test(url.pathname)) asked.push(url.pathname + url.search);
  });
}, 120_000);
afterAll(async () => {
  await browser.close();
  await server.stop();
  rmSync(data, { recursive: true, force: true });
});

/** Opens a place within a session, as a link from the search does. */
async function open(place: string, words = ""): Promise<void> {
  await page.goto("about:blank");
  asked.length = 0;
  await page.goto(
    `${server.origin}/#/s/${place}${words === "" ? "" : `?${new URLSearchParams({ q: words })}`}`,
  );
}

/** Where an element stands in what scrolls it: 0 at its top, 1 at its bottom. */
const height = (selector: string, scroller = ".scroller") =>
  page
    .locator(selector)
    .first()
    .evaluate((found, outside) => {
      const [own, view] = [found, found.closest(outside)].map((e) => e?.getBoundingClientRect());
      return own && view ? (own.y + own.height / 2 - view.y) / view.height : -1;
    }, scroller);
const isInMiddle = async (selector: string, scroller?: string) => {
  const at = await height(selector, scroller);
  return at > 0.25 && at < 0.75;
};
const numbers = () =>
  page
    .locator(".history .row")
    .evaluateAll((rows) =>
      rows.map((row) => Number((row as unknown as { dataset: { line: string } }).dataset.line)),
    );
/** Scrolls the terminal by so many pixels, as a finger does. */
const scrollBy = (y: number, scroller = ".scroller") =>
  page.locator(scroller).evaluate((s, by) => s.scrollBy(0, by), y);

test("a line in the middle of 100,000 that was searched for is shown in its place by one request, its words marked", async () => {
  const find = () => machine.get(SearchAnswer, "GET", "/api/search?q=pomegranate");
  await until("it is indexed", async () => (await find()).results.length > 0, 60_000);
  await page.goto(`${server.origin}/#/search?q=pomegranate`);
  const hit = page.locator(".results a");
  await hit.waitFor();
  asked.length = 0;
  await hit.click();
  const row = page.locator('.row.found[data-line="50000"]');
  await row.waitFor();
  expect(asked.filter((url) => url.includes("/output"))).toHaveLength(1);
  expect(await row.locator("mark").allTextContents()).toEqual(["Pomegranáte", "pomegranate"]);
  expect(await page.locator(".history mark").count()).toBe(2);
  await until("it stands in the middle", () => isInMiddle(".row.found"));
  expect(await page.locator(".history .row").count()).toBeLessThan(1000);
  // a screen reader hears where and what, and the keys scroll from here
  const said = page.getByRole("status").filter({ hasText: "Line 50,001 of 100,000" });
  expect(await said.textContent()).toContain("the Pomegranáte is ripe");
  expect(await page.evaluate("document.activeElement.className")).toContain("scroller");
  await page.goBack();
  await page.locator(".results a").waitFor();
  expect(phone.suspicious).toEqual([]);
}, 90_000);

test("from the middle one reads on in both directions without a jump, and never has more than 5,000 lines", async () => {
  await open("long/line/50000", "pomegranate");
  await page.locator(".row.found").waitFor();
  const place = () => height('[data-line="50000"]');
  for (const way of [-1, 1]) {
    const before = asked.length;
    let last = await place();
    // step by step, so that what was in view stays where it was put
    for (let step = 0; asked.length < before + 2 && step < 60; step++) {
      await scrollBy(way * 300);
      await Bun.sleep(50);
      const now = await place();
      expect(Math.sign(last - now)).toBe(way);
      expect(Math.abs(now - last)).toBeLessThan(0.8);
      last = now;
    }
    expect(asked.length).toBeGreaterThanOrEqual(before + 2);
  }
  const lines = await numbers();
  expect(lines).toEqual(lines.map((_, i) => (lines[0] ?? 0) + i)); // one after the other, each once
  expect(lines[0]).toBeLessThan(49_800);
  expect(lines.at(-1)).toBeGreaterThan(50_200);
  expect(await page.locator(".row.found mark").count()).toBe(2); // survives
  await page.getByRole("button", { name: "Newest" }).click();
  await until("the newest lines are there", async () => (await numbers()).at(-1) === LINES - 1);
  expect(await page.locator(".reading").isVisible()).toBe(false);
}, 90_000);

test("however far one reads on, the page keeps 5,000 lines at most, and their order", async () => {
  await open("long/line/50000");
  await page.locator(".row.found").waitFor();
  const older = page.getByRole("button", { name: "Earlier lines" });
  await until(
    "older lines are there",
    async () => {
      await older.dispatchEvent("click");
      return ((await numbers())[0] ?? LINES) < 44_500;
    },
    60_000,
  );
  const lines = await numbers();
  expect(lines.length).toBeLessThanOrEqual(5000);
  expect(lines).toEqual(lines.map((_, i) => (lines[0] ?? 0) + i));
  expect(lines.at(-1)).toBeLessThan(50_149); // those furthest away went
}, 120_000);

test("the first line, and one within the last page, are shown in their places", async () => {
  await open("long/line/0", "quince");
  await page.locator('.row.found[data-line="0"] mark').waitFor();
  expect(asked.filter((url) => url.includes("/output")).length).toBeLessThanOrEqual(1);
  expect(await page.getByRole("button", { name: "Earlier lines" }).isVisible()).toBe(false);
  await open(`long/line/${LINES - 30}`, "medlar");
  await page.locator(`.row.found[data-line="${LINES - 30}"] mark`).waitFor();
  expect(asked.filter((url) => url.includes("/output"))).toEqual([]); // it came with the stream
  await until("it stands in view", async () => {
    const at = await height(".row.found");
    return at > 0 && at < 1;
  });
}, 60_000);

test("words are found across the rows of a wrapped line, and lines that were lost are said to be", async () => {
  await open("long/line/60000", "dragonfruit");
  await page.locator('.row.found[data-line="60001"]').waitFor();
  expect(await page.locator(".row.found mark").allTextContents()).toEqual(["dragon", "fruit"]);
  await open(`long/line/${LOST.from + 250}`, "nothing");
  await page.getByText("The line that was found was lost.").waitFor();
  expect(await page.locator(".gap").allTextContents()).toEqual(["500 lines were lost"]);
  await until("the gap stands in view", async () => {
    const at = await height(".gap");
    return at > 0 && at < 1;
  });
  expect(await page.locator(".found").count()).toBe(0);
  await open("long/line/50000", "something that stood there before");
  await page.getByText("What was found no longer stands here").waitFor();
  expect(await page.locator("mark").count()).toBe(0);
  await open(`long/line/${LINES + 5}`, "beyond");
  await page.getByText("The line that was found is no longer there").waitFor();
  expect((await numbers()).at(-1)).toBe(LINES - 1); // with the newest below
}, 60_000);

test("entry 40 of 3,000 is shown in its place by two requests, its words marked, and one reads on from there", async () => {
  await open("talk/talk/40", "lychee");
  const found = page.locator("article.found");
  await found.waitFor();
  expect(asked.filter((url) => url.includes("/transcript")).length).toBeLessThanOrEqual(2);
  expect(await found.getAttribute("data-n")).toBe("40");
  expect(await found.locator("mark").allTextContents()).toEqual(["Lychee", "lychee"]);
  await until("it stands in the middle", () => isInMiddle("article.found mark", ".talk"));
  expect(await page.evaluate("document.activeElement.dataset.n")).toBe("40");
  const shown = () =>
    page
      .locator(".entries > article")
      .evaluateAll((all) =>
        all.map((a) => Number((a as unknown as { dataset: { n: string } }).dataset.n)),
      );
  for (let step = 0; ((await shown()).at(-1) ?? 0) < 300 && step < 100; step++) {
    await scrollBy(500, ".talk");
    await Bun.sleep(30);
  }
  const entries = await shown();
  expect(entries.at(-1)).toBeGreaterThan(250);
  expect(entries).toEqual(entries.map((_, i) => (entries[0] ?? 0) + i));
  await page.getByRole("button", { name: "Newest" }).click();
  await until("the newest are there", async () => (await shown()).at(-1) === ENTRIES - 1);
}, 60_000);

test("a result that was found is opened in the article of its own tool, and one that is gone is said to be", async () => {
  await open("talk/talk/502", "rambutan");
  const found = page.locator("article.found");
  await found.locator("mark", { hasText: "rambutan" }).waitFor();
  expect(await found.getAttribute("data-n")).toBe("500");
  await open("talk/talk/3500", "beyond");
  await page.getByText("What was found is no longer in this conversation.").waitFor();
}, 60_000);

test("a hit stays where it is while the session goes on, which is told; a new beginning is told, too", async () => {
  const socket = await openSocket(server.origin, machine);
  socket.send(hello);
  socket.send({ type: "session", session: sessionInfo("live"), first: 1, prompts: [] });
  await socket.next("resume");
  socket.beat();
  let seq = 0;
  const append = (from: number, count: number) =>
    socket.send({
      type: "output",
      session: "live",
      seq: ++seq,
      op: {
        op: "append",
        generation: 0,
        from,
        lines: Array.from({ length: count }, (_, i) =>
          from + i === 200 ? "a kumquat" : `line ${from + i}`,
        ),
      },
    });
  append(0, 900);
  const screen = (rev: number) =>
    socket.send({
      type: "screen",
      session: "live",
      frame: {
        rev,
        cols: 80,
        rows: 2,
        cursor: { x: 0, y: 0, visible: true },
        title: "",
        lines: { 0: `frame ${rev}`, 1: "two" },
      },
    });
  screen(1);
  await until("all is stored", async () => {
    const answer = await machine.json("GET", "/api/sessions/live/output?limit=1");
    return JSON.stringify(answer.body).includes('"next":900');
  });
  await open("live/line/200", "kumquat");
  await page.locator('.row.found[data-line="200"] mark').waitFor();
  await until("it stands in the middle", () => isInMiddle(".row.found"));
  const at = await height(".row.found");
  append(900, 40);
  screen(2);
  await page.getByText("frame 2").first().waitFor();
  await page.getByRole("status").filter({ hasText: "New lines come at the end" }).waitFor();
  expect(Math.abs((await height(".row.found")) - at)).toBeLessThan(0.02);
  expect((await numbers()).at(-1)).toBe(349); // nothing was appended in the wrong place
  expect(await page.locator(".row.found mark").count()).toBe(1);
  socket.send({
    type: "output",
    session: "live",
    seq: ++seq,
    op: { op: "generation", generation: 1 },
  });
  await page.getByText("The lines that you read are gone: the history has begun anew.").waitFor();
  expect(await page.locator(".found").count()).toBe(0);
  socket.close();
  expect(phone.suspicious).toEqual([]);
}, 60_000);
