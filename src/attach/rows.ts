import { parseRow, ROW_STYLE } from "../row.ts";
import { EXACT, type Paint, sgr } from "./paint.ts";

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

/**
 * A row's cells from column `left` on, `cols` of them at most, as text with SGR sequences of our own making (ECMA-48, xterm's
 * ctlseqs). Painted with other colours than this terminal's it is filled up to `width` columns of the session's.
 */
export function drawnRow(
  payload: string,
  left: number,
  cols: number,
  paint: Paint = EXACT,
  width = cols + left,
): string {
  let drawn = "";
  let x = -left; // the column on this terminal where the next cell goes
  const add = (cells: string, style: string) => {
    const begin = cells === "" ? "" : sgr(style, paint);
    drawn += begin === "" ? cells : `${begin}${cells}\x1b[0m`;
  };
  for (const { text, style } of parseRow(payload)) {
    if (x >= cols) break;
    const letters = ROW_STYLE.exec(style)?.[1] ?? "";
    const { cells, columns } = clip(harmless(text), letters, x, cols);
    add(cells, style);
    x += columns;
  }
  const blank = Math.min(cols, width - left) - Math.max(0, x);
  if (blank > 0 && (paint.way === "theirs" || paint.reversed)) add(" ".repeat(blank), "");
  return drawn;
}

/** Those of a run's characters that are in sight; `columns` are all of its own. */
function clip(
  text: string,
  letters: string,
  start: number,
  cols: number,
): { cells: string; columns: number } {
  const width = letters.includes("w") ? 2 : 1;
  if (width === 1 && !letters.includes("j") && ASCII.test(text))
    return {
      cells: text.slice(Math.max(0, -start), Math.max(0, cols - start)),
      columns: text.length,
    };
  let cells = "";
  let columns = 0;
  // rows of before there were clusters of their own have them among others
  const segments = letters.includes("j")
    ? [text]
    : Array.from(segmenter.segment(text), ({ segment }) => segment);
  for (const segment of segments) {
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
