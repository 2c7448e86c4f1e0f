import type { IBufferCell, IBufferLine } from "@xterm/headless";
import { withGoesOn } from "../row.ts";
import { LIMITS } from "../types.ts";
import type { Pen } from "./screen/core.ts";
import { hasUnderline, type UnderlinedCell } from "./underline.ts";

/** The mark of a row that goes on takes so much of its payload at most, in UTF-16 units. */
const MARK_CHARS = 2;
const ROW_CHARS = LIMITS.rowChars - MARK_CHARS;

/**
 * Turns a row of the emulator into the payload that travels (see row.ts). Blank cells at the end are left out, unless the row
 * goes on in `next`: then they stand in the middle of a line.
 */
export function rowPayload(
  line: IBufferLine,
  cols: number,
  cell: IBufferCell,
  next?: IBufferLine,
): string {
  return next?.isWrapped === true
    ? withGoesOn(payloadOf(line, endBefore(next, line, cols, cell), true, cell))
    : payloadOf(line, endOf(line, cols, cell), false, cell);
}

/** Where the last cell that shows anything ends. */
function endOf(line: IBufferLine, cols: number, cell: IBufferCell): number {
  let end = Math.min(cols, line.length);
  for (; end > 0; end--) {
    line.getCell(end - 1, cell);
    const code = cell.getCode();
    if ((code !== 0 && code !== SPACE) || !cell.isAttributeDefault()) break;
  }
  return end;
}

/** Where a row ends that goes on: a wide character that found one cell left, and began the next row, leaves that cell empty. */
function endBefore(next: IBufferLine, line: IBufferLine, cols: number, cell: IBufferCell): number {
  const end = Math.min(cols, line.length);
  if (end === 0 || next.getCell(0, cell)?.getWidth() !== 2) return end;
  line.getCell(end - 1, cell);
  return cell.getCode() === 0 && cell.getWidth() === 1 ? end - 1 : end;
}

/** The first `end` cells of a row; `whole`: also those at the end that show nothing. */
function payloadOf(line: IBufferLine, end: number, whole: boolean, cell: IBufferCell): string {
  let simple = end <= latin.length;
  for (let x = 0; x < end; x++) {
    line.getCell(x, cell);
    if (!cell.isAttributeDefault() || cell.getWidth() !== 1)
      return styledPayload(line, end, whole, cell);
    const chars = simple ? cell.getChars() : "";
    const code = chars === "" ? SPACE : chars.charCodeAt(0);
    if (chars.length > 1 || code > LATIN_END) simple = false;
    else latin[x] = code;
  }
  // most rows; put together from its cells a string is slow, and slow to search
  if (simple) return latin.toString("latin1", 0, end);
  const text = line.translateToString(false, 0, end);
  // longer than its cells: some hold more than one UTF-16 unit
  return text.length === end ? text : styledPayload(line, end, whole, cell);
}

/** A row's characters while there are none beyond Latin-1, one byte each. */
const latin = Buffer.alloc(LIMITS.screenSide);
const LATIN_END = 0xff;
const SPACE = 32;

function styledPayload(line: IBufferLine, cols: number, whole: boolean, cell: IBufferCell): string {
  let text = "";
  let kept = 0; // length of the text up to the last cell that shows anything
  const starts: number[] = [];
  const styles: string[] = [];
  let style: string | undefined;
  for (let x = 0; x < cols; x++) {
    if (line.getCell(x, cell) === undefined) break;
    const width = cell.getWidth();
    if (width === 0) continue; // second half of a wide character
    const chars = cell.getChars() || " ";
    const joined = isCluster(chars);
    const next = cellStyle(cell, width, joined);
    if (next !== style || joined) {
      starts.push(text.length);
      styles.push(next);
      style = next;
    }
    text += chars;
    if (whole || chars !== " " || SHOWS_WHEN_BLANK.test(next)) kept = text.length;
  }
  let runs = "";
  let styled = false;
  for (let i = 0; i < starts.length; i++) {
    const start = starts[i] ?? 0;
    if (start >= kept) break;
    runs += `${i === 0 ? "" : " "}${Math.min(starts[i + 1] ?? kept, kept) - start}${styles[i]}`;
    styled ||= styles[i] !== "";
  }
  const payload = styled ? `${text.slice(0, kept)}\n${runs}` : text.slice(0, kept);
  return payload.length > ROW_CHARS ? text.slice(0, ROW_CHARS) : payload; // cells of endless accents
}

/** Whether a cell's text is more than one code point. */
const isCluster = (chars: string) =>
  chars.length > 2 || (chars.length === 2 && (chars.codePointAt(0) ?? 0) <= 0xffff);

/** Inverse, underlined, struck, overlined or with a coloured ground: seen even where there is no character. */
const SHOWS_WHEN_BLANK = /^[a-zA-Z]*[vuUctkso]|g/;

/** Letters of the kinds of underlines by xterm's numbers: single, double, curly, dotted, dashed. */
const UNDERLINES = ["", "u", "U", "c", "t", "k"];

function cellStyle(cell: IBufferCell, width: number, joined: boolean): string {
  if (width === 1 && !joined && cell.isAttributeDefault()) return "";
  return penStyle(cell, width, joined);
}

/** The style of a cell's attributes (see row.ts). */
export function penStyle(cell: Pen, width = 1, joined = false): string {
  let style = "";
  let line = "";
  if (cell.isBold()) style += "b";
  if (cell.isDim()) style += "d";
  if (cell.isItalic()) style += "i";
  if (cell.isUnderline()) {
    const underline = hasUnderline(cell) ? cell : undefined;
    style += UNDERLINES[underline?.getUnderlineStyle() ?? 1] ?? "u";
    line = underline === undefined ? "" : underlineColour(underline);
  }
  if (cell.isInverse()) style += "v";
  if (cell.isStrikethrough()) style += "s";
  if (cell.isInvisible()) style += "h";
  if (cell.isOverline()) style += "o";
  if (width === 2) style += "w";
  if (joined) style += "j";
  if (!cell.isFgDefault()) style += `f${colour(cell.isFgRGB(), cell.getFgColor())}`;
  if (!cell.isBgDefault()) style += `g${colour(cell.isBgRGB(), cell.getBgColor())}`;
  return style + line;
}

/** `l` and the colour of the line, or nothing where it has the text's. SGR 59 sets it to what is also opaque white (xterm.js 6.0.0): the same. */
function underlineColour(cell: UnderlinedCell): string {
  if (cell.isUnderlineColorDefault()) return "";
  const [rgb, value] = [cell.isUnderlineColorRGB(), cell.getUnderlineColor()];
  return rgb && value === 0xffffff ? "" : `l${colour(rgb, value)}`;
}

function colour(rgb: boolean, value: number): string {
  return rgb ? `#${value.toString(16).padStart(6, "0")}` : String(value);
}
