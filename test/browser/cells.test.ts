import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Dashboard, openDashboard } from "../support/dashboard.ts";
import { ENGINE_NAMES, Engine, type EnginePage, pairEngine } from "../support/engines.ts";
import { openTerminalPage } from "../support/terminal-page.ts";

/** Fonts that the rows are measured in; each is installed where these tests run. */
const FONTS = ["DejaVu Sans Mono", "Noto Mono", "Noto Sans Mono"];
/** What Claude Code draws beyond ASCII: all of its own screens, its spinners, its bullets. */
const CLAUDE = "·—’…←↑→↓⌕⎿⏵⏸─│└├╌╭╮╯╰▀█▎▐▔▛▜▝●◐☐☒✔✢✻❯⏺✳✶✽∗⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏◯◉☑✘⚠※↓⧉";
/** A character may be off by so much, in cells: WebKit tells places within a text in whole pixels. */
const OFF = 0.2;

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

/** A row to draw, and the columns where its graphemes have to stand. */
interface Wanted {
  payload: string;
  columns: number[];
}

/** A row of clusters, each with the cells that the emulator gives it, in runs as the runner makes them. */
function row(clusters: [text: string, cells: number][]): Wanted {
  let column = 0;
  const columns: number[] = [];
  const runs: { length: number; style: string }[] = [];
  for (const [text, cells] of clusters) {
    columns.push(column);
    column += cells;
    const style = `${cells === 2 ? "w" : ""}${[...text].length > 1 ? "j" : ""}`;
    const last = runs.at(-1);
    if (last?.style === style && !style.includes("j")) last.length += text.length;
    else runs.push({ length: text.length, style });
  }
  const tokens = runs.map(({ length, style }) => `${length}${style}`).join(" ");
  return { payload: `${clusters.map(([text]) => text).join("")}\n${tokens}`, columns };
}

/** Rows of a session, drawn in a font; where each of their characters stands, in cells from the row's start. */
async function measure(
  page: EnginePage,
  session: string,
  font: string,
  rows: Wanted[],
  cols: number,
) {
  const terminal = await openTerminalPage(dashboard, page, session);
  await page.evaluate(
    `(font) => document.documentElement.style.setProperty("--mono", '"' + font + '"')`,
    font,
  );
  await terminal.show([...rows.map(({ payload }) => payload), "0".repeat(cols)], {
    cols,
    cursor: { x: cols - 1, y: 0, visible: true },
  });
  const columns = rows.map(({ columns }) => columns);
  const found = await page.evaluate<{
    at: number[][];
    heights: number[];
    cursor: number;
    family: string;
  }>(`(() => {
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
      return {
        at: rows.slice(0, -1).map((row) => characters(row).map((left) => (left - ruler) / cell)),
        heights: rows.map((row) => row.getBoundingClientRect().height / parseFloat(getComputedStyle(row).fontSize)),
        cursor: (document.querySelector(".cursor").getBoundingClientRect().left - ruler) / cell,
        family: getComputedStyle(rows[0]).fontFamily,
      };
    })()`);
  expect(found.family.replaceAll('"', "")).toBe(font);
  terminal.close();
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

describe.each([...ENGINE_NAMES])("in %s", (name) => {
  let engine: Engine;
  let page: EnginePage;
  beforeAll(async () => {
    engine = await Engine.start(name);
    page = await engine.open({ size: { width: 1024, height: 700 } });
    await pairEngine(page, await dashboard.machine.mint("viewer"));
  }, 120_000);
  afterAll(() => engine.close());
  const session = (about: string, font: string) => `${about}-${name}-${font.replaceAll(" ", "")}`;

  describe.each(FONTS)("and %s", (font) => {
    test("each of Claude's own signs stands in its cell, ten times in a row and in each face", async () => {
      const rows = [...new Set(CLAUDE)].flatMap((sign) => [
        row([...sign.repeat(10)].map((text) => [text, 1])),
      ]);
      const mixed = row([...`${CLAUDE}${CLAUDE}`].map((text) => [text, 1]));
      const faces = ["b", "i", "bi", "bdu", "iu", "v"].map((face) => ({
        ...mixed,
        payload: `${CLAUDE}${CLAUDE}\n${2 * CLAUDE.length}${face}`,
      }));
      const found = await measure(
        page,
        session("claude", font),
        font,
        [...rows, mixed, ...faces],
        150,
      );
      expect(offIn(found)).toEqual([]);
      expect(Math.abs(found.cursor - 149)).toBeLessThan(OFF);
      expect(found.heights.filter((height) => Math.abs(height - 1.2) > 0.01)).toEqual([]);
    }, 120_000);

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
      const found = await measure(page, session("scripts", font), font, rows, 40);
      expect(offIn(found)).toEqual([]);
      expect(found.heights.filter((height) => Math.abs(height - 1.2) > 0.01)).toEqual([]);
    }, 120_000);
  });
});
