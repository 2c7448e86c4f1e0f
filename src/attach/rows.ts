import { parseRow, ROW_STYLE } from "../row.ts";

const ATTRIBUTES: Record<string, number> = { b: 1, d: 2, i: 3, u: 4, v: 7, h: 8, s: 9 };
/** What moves the cursor, or turns the direction of text around: none of it is ever passed on, whoever sent it. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu;
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** Plain text: a cell each, in every terminal. */
const ASCII = /^[ -~]*$/;

const segmenter = new Intl.Segmenter();

/** Text from elsewhere for this terminal: without control characters, and each still in its cell. */
export function harmless(text: string): string {
  return ASCII.test(text) ? text : text.replace(CONTROL, " ").replace(DIRECTION, "");
}

/** A row's cells from column `left` on, `cols` of them at most, as text with SGR sequences of our own making (ECMA-48, xterm's ctlseqs). */
export function drawnRow(payload: string, left: number, cols: number): string {
  let drawn = "";
  let x = -left; // the column on this terminal where the next cell goes
  for (const { text, style } of parseRow(payload)) {
    if (x >= cols) break;
    const match = ROW_STYLE.exec(style);
    const { cells, columns } = clip(
      harmless(text),
      match?.[1]?.includes("w") === true ? 2 : 1,
      x,
      cols,
    );
    if (cells !== "")
      drawn += match === null || style === "" ? cells : `${sgr(match)}${cells}\x1b[0m`;
    x += columns;
  }
  return drawn;
}

/** Those of a run's characters that are in sight; `columns` are all of its own. */
function clip(
  text: string,
  width: number,
  start: number,
  cols: number,
): { cells: string; columns: number } {
  if (width === 1 && ASCII.test(text))
    return {
      cells: text.slice(Math.max(0, -start), Math.max(0, cols - start)),
      columns: text.length,
    };
  let cells = "";
  let columns = 0;
  for (const { segment } of segmenter.segment(text)) {
    const x = start + columns;
    columns += width;
    if (x < 0 || x + width > cols) {
      if (x < 0 && x + width > 0) cells += " "; // the second half of a wide one
      continue;
    }
    cells += segment;
    // terminals differ in how wide they hold what is not plain: the next one stands where it belongs all the same
    if (!ASCII.test(segment)) cells += `\x1b[${x + width + 1}G`;
  }
  return { cells, columns };
}

function sgr([, letters = "", text, ground]: RegExpExecArray): string {
  const codes = [...letters].flatMap((letter) => ATTRIBUTES[letter] ?? []);
  return `\x1b[${[...codes, ...colour(text, 30), ...colour(ground, 40)].join(";")}m`;
}

/** A palette index or #rrggbb; `base` is 30 for text, 40 for its ground. */
function colour(code: string | undefined, base: number): (number | string)[] {
  if (code === undefined) return [];
  if (code.startsWith("#"))
    return [base + 8, 2, ...[1, 3, 5].map((at) => Number.parseInt(code.slice(at, at + 2), 16))];
  const index = Number(code);
  if (index > 255) return [];
  return index < 8 ? [base + index] : index < 16 ? [base + 52 + index] : [base + 8, 5, index];
}
