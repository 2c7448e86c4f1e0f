import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { type Dashboard, openDashboard, screen } from "../support/dashboard.ts";
import { until } from "../support/until.ts";

/** Fonts that the rows are measured in; each is installed where these tests run. */
const FONTS = ["DejaVu Sans Mono", "Noto Mono", "Noto Sans Mono"];
/** What Claude Code draws beyond ASCII: all of its own screens, its spinners, its bullets. */
const CLAUDE = "·—’…←↑→↓⌕⎿⏵⏸─│└├╌╭╮╯╰▀█▎▐▔▛▜▝●◐☐☒✔✢✻❯⏺✳✶✽∗⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏◯◉☑✘⚠※↓⧉";
/** A character may be off by so much, in cells. */
const OFF = 0.12;

let dashboard: Dashboard;
let page: Page;
beforeAll(async () => {
  dashboard = await openDashboard();
  ({ page } = await dashboard.openPaired());
}, 60_000);
afterAll(() => dashboard.close());

/** A row to draw, and the columns where its graphemes have to stand. */
interface Wanted {
  payload: string;
  columns: number[];
}

/** A row of clusters, each with the cells that the emulator gives it. */
function row(clusters: [text: string, cells: number][]): Wanted {
  let column = 0;
  const columns: number[] = [];
  const runs: string[] = [];
  for (const [text, cells] of clusters) {
    columns.push(column);
    column += cells;
    runs.push(`${text.length}${cells === 2 ? "w" : ""}${[...text].length > 1 ? "j" : ""}`);
  }
  return { payload: `${clusters.map(([text]) => text).join("")}\n${runs.join(" ")}`, columns };
}

/** Rows of a session, drawn in a font; where each of their characters stands, in cells from the row's start. */
async function measure(session: string, font: string, rows: Wanted[], cols: number) {
  const socket = await dashboard.playRunner(session);
  const lines = [...rows.map(({ payload }) => payload), "0".repeat(cols)];
  socket.send(screen(session, 1, lines, { cols, cursor: { x: cols - 1, y: 0, visible: true } }));
  await page.evaluate(`document.documentElement.style.setProperty("--mono", '"${font}"')`);
  await page.goto(`${dashboard.server.origin}/#/s/${session}`);
  await until("the rows are drawn", async () =>
    (await page.locator(".screen .row").last().textContent())?.startsWith("000"),
  );
  const columns = rows.map(({ columns }) => columns);
  const found: { at: number[][]; heights: number[]; cursor: number; family: string } =
    await page.evaluate(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
      const rows = [...document.querySelectorAll(".screen .row")];
      const characters = (row) => {
        const found = [];
        const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
          if (node.data === "") continue;
          const parts = Array.from(new Intl.Segmenter().segment(node.data), ({ segment }) => segment);
          let at = 0;
          for (const part of parts) {
            const range = document.createRange();
            range.setStart(node, at);
            range.setEnd(node, at += part.length);
            found.push(range.getBoundingClientRect().left);
          }
        }
        return found;
      };
      const ruler = rows.at(-1).getBoundingClientRect().left;
      const digits = characters(rows.at(-1));
      const cell = (digits.at(-1) - digits[0]) / (digits.length - 1);
      done({
        at: rows.slice(0, -1).map((row) => characters(row).map((left) => (left - ruler) / cell)),
        heights: rows.map((row) => row.getBoundingClientRect().height / parseFloat(getComputedStyle(row).fontSize)),
        cursor: (document.querySelector(".cursor").getBoundingClientRect().left - ruler) / cell,
        family: getComputedStyle(rows[0]).fontFamily,
      });
    })))`);
  expect(found.family).toBe(`"${font}"`);
  socket.close();
  return { ...found, columns };
}

/** Which characters are off, with how far. */
const offIn = ({ at, columns }: { at: number[][]; columns: number[][] }) =>
  columns.flatMap((wanted, y) =>
    wanted.flatMap((column, i) => {
      const off = (at[y]?.[i] ?? Number.NaN) - column;
      return Math.abs(off) < OFF ? [] : [`row ${y} character ${i}: ${off.toFixed(2)}`];
    }),
  );

describe.each(FONTS)("in %s", (font) => {
  const session = (name: string) => `${name}-${font.replaceAll(" ", "").toLowerCase()}`;

  test("each of Claude's own signs stands in its cell, ten times in a row and in each face", async () => {
    const rows = [...new Set(CLAUDE)].flatMap((sign) => [
      row([...sign.repeat(10)].map((text) => [text, 1])),
    ]);
    const mixed = row([...`${CLAUDE}${CLAUDE}`].map((text) => [text, 1]));
    const faces = ["b", "i", "bi", "bdu"].map((face) => ({
      ...mixed,
      payload: `${CLAUDE}${CLAUDE}\n${2 * CLAUDE.length}${face}`,
    }));
    const found = await measure(session("claude"), font, [...rows, mixed, ...faces], 150);
    expect(offIn(found)).toEqual([]);
    expect(Math.abs(found.cursor - 149)).toBeLessThan(OFF);
    expect(found.heights.filter((height) => Math.abs(height - 1.2) > 0.01)).toEqual([]);
  }, 40_000);

  test("Indic, Thai, Arabic and Hebrew clusters, emoji and wide characters take the cells that they were given", async () => {
    const rows: Wanted[] = [
      row(["न", "म", "स्", "ते", " ", "क्", "ष", "|"].map((text) => [text, 1])),
      row(["กำ", "ลั", "ง", "|", "ที่", "|"].map((text) => [text, 1])),
      row(["م", "ر", "ح", "ب", "ا", "|", "شَّ", "|"].map((text) => [text, 1])),
      row(["ש", "ל", "ו", "ם", "|", "1", "2", "|"].map((text) => [text, 1])),
      row([
        ["漢", 2],
        ["字", 2],
        ["|", 1],
        ["ｱ", 1],
        ["가", 2],
        ["각", 2],
        ["|", 1],
      ]),
      row([
        ["👨‍👩‍👧", 2],
        ["|", 1],
        ["🇩🇪", 2],
        ["|", 1],
        ["❤️", 2],
        ["☂", 1],
        ["|", 1],
        ["👍🏽", 2],
        ["|", 1],
      ]),
      row([
        ["e\u0301", 1],
        ["a\u0300\u0301\u0302\u0303\u0304\u0305\u0306", 1],
        ["|", 1],
      ]),
    ];
    const found = await measure(session("scripts"), font, rows, 40);
    expect(offIn(found)).toEqual([]);
    expect(found.heights.filter((height) => Math.abs(height - 1.2) > 0.01)).toEqual([]);
  }, 40_000);
});
