import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import type { Entry } from "../src/types.ts";
import { openPhonePage, pairPage } from "./support/browser.ts";
import { type Dashboard, openDashboard } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

/** Where screenshots go, for eyes: nothing is drawn where it is not set. */
const SHOTS = process.env.SCREENSHOTS;

let dashboard: Dashboard;
let page: Page;
let suspicious: string[];
let close: () => Promise<void>;
let number = 0;

beforeAll(async () => {
  dashboard = await openDashboard();
  const size = { width: 390, height: 844 };
  const phone = await openPhonePage(dashboard.browser, dashboard.server.origin, size);
  await pairPage(phone, await dashboard.machine.mint("viewer"));
  ({ page, suspicious } = phone);
  close = () => phone.context.close();
}, 60_000);
afterAll(async () => {
  await close();
  await dashboard.close();
});

/** What Claude said, as the page draws it. */
async function said(text: string) {
  const id = `md-${++number}`;
  const socket = await dashboard.playRunner(id);
  const entry: Entry = { kind: "assistant", at: 1, text };
  socket.send({ type: "transcript", session: id, entries: [entry], next: 1, file: 0, at: 1 });
  await page.goto(`${dashboard.server.origin}/#/s/${id}/talk`);
  const article = page.locator("article.assistant");
  await article.waitFor();
  const shot = async (name: string) => {
    if (SHOTS !== undefined) await page.screenshot({ path: `${SHOTS}/${name}.png` });
  };
  return { article, shot, end: () => socket.close() };
}

test("an image is named and led to, and never loaded", async () => {
  const { article, end } = await said(
    [
      "![A chart of *sales*](https://img.example/a.png) and ![](https://img.example/b.png)",
      "",
      '![local](./shots/c.png "Title") [![build](https://ci.example/badge.svg)](https://ci.example/run)',
      "",
      `![inline](data:image/png;base64,${"A".repeat(500)}) not ![an image](broken`,
    ].join("\n"),
  );
  const images = article.locator(".image");
  expect(await images.allTextContents()).toEqual([
    "Image: A chart of *sales* (https://img.example/a.png)",
    "Image: https://img.example/b.png",
    "Image: local (./shots/c.png)",
    "Image: build (https://ci.example/run)",
    `Image: inline (data:image/png;base64,${"A".repeat(78)}…)`,
  ]);
  expect(
    await images.locator("a").evaluateAll((all) => all.map((a) => a.getAttribute("href"))),
  ).toEqual(["https://img.example/a.png", "https://img.example/b.png", "https://ci.example/run"]);
  expect(await article.textContent()).toContain("not ![an image](broken");
  expect(await page.locator("article img").count()).toBe(0);
  expect(suspicious).toEqual([]);
  end();
}, 60_000);

test("tasks have boxes that say their state and can't be ticked", async () => {
  const { article, shot, end } = await said(
    [
      "- [x] done",
      "- [ ] to do, with `code`",
      "- [X] done as well",
      "  - [ ] within",
      "- [y] no task",
      "- [ ]() no task",
      "",
      "1. [ ] numbered",
    ].join("\n"),
  );
  const boxes = article.getByRole("checkbox");
  expect(
    await boxes.evaluateAll((all) =>
      all.map((box) => [
        box.getAttribute("aria-label"),
        box.matches(":checked"),
        box.matches(":disabled"),
      ]),
    ),
  ).toEqual([
    ["Done", true, true],
    ["Not done", false, true],
    ["Done", true, true],
    ["Not done", false, true],
    ["Not done", false, true],
  ]);
  expect(await article.locator("li.task").nth(1).locator("code").textContent()).toBe("code");
  expect(await article.textContent()).toContain("[y] no task");
  expect(await article.textContent()).toContain("[ ]() no task");
  await shot("tasks");
  end();
}, 60_000);

test("a wide table scrolls and breaks no word; its columns are aligned, and escaped pipes are part of a cell", async () => {
  const words = [
    "Configuration",
    "Environment",
    "Responsibility",
    "Authentication",
    "Infrastructure",
  ];
  const { article, shot, end } = await said(
    [
      `| ${words.join(" | ")} |`,
      "|:---|:---:|---:|---|---|",
      "| a \\| b | `x \\| y` | 12,345 | unbreakable_identifier_of_some_length | few |",
      "| short | | 1 |",
    ].join("\n"),
  );
  const table = article.getByRole("group", { name: "Table" });
  expect(await table.locator("td").allTextContents()).toEqual([
    "a | b",
    "x | y",
    "12,345",
    "unbreakable_identifier_of_some_length",
    "few",
    "short",
    "",
    "1",
    "",
    "",
  ]);
  const alignments = await page.evaluate(
    `[...document.querySelectorAll("tbody tr:first-child td")].map((cell) => getComputedStyle(cell).textAlign)`,
  );
  expect(alignments).toEqual(["left", "center", "right", "start", "start"]);
  // no word stands on two lines: each head cell is one line high
  const heights = await table
    .locator("th")
    .evaluateAll((all) => all.map((cell) => cell.getBoundingClientRect().height));
  expect(Math.max(...heights)).toBeLessThan(40);
  expect(await table.evaluate((t) => t.scrollWidth > t.clientWidth + 50)).toBe(true);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
  await table.evaluate((t) => t.scrollTo(9999, 0));
  expect(await table.evaluate((t) => t.scrollLeft)).toBeGreaterThan(50);
  await shot("table");
  end();
}, 60_000);

test("code within a list stays code, without the list's indent", async () => {
  const { article, end } = await said(
    [
      "1. Run this:",
      "   ```sh",
      "   if true; then",
      "     make",
      "   fi",
      "   ```",
      "2. Then",
      "   - within",
      "",
      "     ```",
      "     - no item",
      "     | no | table |",
      "     ```",
      "   - [x] and a task",
      "     ```",
      "     last",
      "     ```",
    ].join("\n"),
  );
  expect(await article.locator("pre code").allTextContents()).toEqual([
    "if true; then\n  make\nfi",
    "- no item\n| no | table |",
    "last",
  ]);
  expect(await article.locator("ol > li").count()).toBe(2);
  expect(await article.locator("ol ul > li").count()).toBe(2);
  end();
}, 60_000);

test("takes a time that grows with the length alone, whatever is repeated", async () => {
  for (const part of ["![", "![a](", "[![a](b", "| \\", "- [ ] ", "|-", '![a](b "', "```\n- "]) {
    const { article, end } = await said(part.repeat(30_000).slice(0, 60_000));
    expect((await article.textContent())?.length).toBeGreaterThan(0);
    end();
  }
  expect(suspicious).toEqual([]);
}, 120_000);

test("Devices and Search have a title and a way back, by touch, by keyboard and by the browser", async () => {
  const home = `${dashboard.server.origin}/#/`;
  await page.goto("about:blank");
  await page.goto(home);
  const back = page.getByRole("link", { name: "claude-remote: all sessions" });
  const looksBack = () =>
    page.evaluate(`getComputedStyle(document.querySelector(".brand"), "::before").content`);
  await page.getByRole("link", { name: "Devices and notifications" }).waitFor();
  expect(await looksBack()).toBe("none");
  await page.getByRole("link", { name: "Devices and notifications" }).click();
  await page.getByRole("banner").getByRole("heading", { level: 1, name: "Devices" }).waitFor();
  expect(await page.title()).toContain("Devices – claude-remote");
  expect(await looksBack()).toContain("‹");
  const size = await back.boundingBox();
  expect(Math.min(size?.width ?? 0, size?.height ?? 0)).toBeGreaterThanOrEqual(44);
  if (SHOTS !== undefined) await page.screenshot({ path: `${SHOTS}/devices.png` });
  await back.click();
  await page.getByRole("searchbox").waitFor();
  expect(page.url()).toBe(home);
  expect(await page.getByRole("heading", { level: 1, name: "Devices" }).count()).toBe(0);

  await page.getByRole("searchbox").fill("done");
  await page.keyboard.press("Enter");
  await page.getByRole("banner").getByRole("heading", { level: 1, name: "Search" }).waitFor();
  expect(await page.title()).toContain("Search – claude-remote");
  expect(await page.locator("h1").count()).toBe(1);
  await until("it has answered", async () => !(await page.getByText("Searching…").count()));
  if (SHOTS !== undefined) await page.screenshot({ path: `${SHOTS}/search.png` });
  await page.goBack();
  await page.getByRole("link", { name: "Devices and notifications" }).waitFor();
  await page.goForward();
  await page.getByRole("banner").getByRole("heading", { level: 1, name: "Search" }).waitFor();
  await back.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Devices and notifications" }).waitFor();
  expect(page.url()).toBe(home);
  expect(suspicious).toEqual([]);
}, 60_000);
