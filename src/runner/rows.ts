import type { IBufferCell, IBufferLine } from "@xterm/headless";
import { LIMITS } from "../types.ts";

/**
 * Turns a row of the emulator into the payload that travels (see row.ts). Blank cells at the end
 * are left out.
 */
export function rowPayload(line: IBufferLine, cols: number, cell: IBufferCell): string {
  let end = Math.min(cols, line.length);
  for (; end > 0; end--) {
    line.getCell(end - 1, cell);
    const code = cell.getCode();
    if ((code !== 0 && code !== SPACE) || !cell.isAttributeDefault()) break;
  }
  let simple = end <= latin.length;
  for (let x = 0; x < end; x++) {
    line.getCell(x, cell);
    if (!cell.isAttributeDefault() || cell.getWidth() !== 1) return styledPayload(line, end, cell);
    const chars = simple ? cell.getChars() : "";
    const code = chars === "" ? SPACE : chars.charCodeAt(0);
    if (chars.length > 1 || code > LATIN_END) simple = false;
    else latin[x] = code;
  }
  // most rows; put together from its cells a string is slow, and slow to search
  if (simple) return latin.toString("latin1", 0, end);
  return line.translateToString(false, 0, end).slice(0, LIMITS.rowChars);
}

/** A row's characters while there are none beyond Latin-1, one byte each. */
const latin = Buffer.alloc(LIMITS.screenSide);
const LATIN_END = 0xff;
const SPACE = 32;

function styledPayload(line: IBufferLine, cols: number, cell: IBufferCell): string {
  let text = "";
  let kept = 0; // length of the text up to the last cell that shows anything
  const starts: number[] = [];
  const styles: string[] = [];
  let style: string | undefined;
  for (let x = 0; x < cols; x++) {
    if (line.getCell(x, cell) === undefined) break;
    const width = cell.getWidth();
    if (width === 0) continue; // second half of a wide character
    const next = cellStyle(cell, width);
    if (next !== style) {
      starts.push(text.length);
      styles.push(next);
      style = next;
    }
    const chars = cell.getChars() || " ";
    text += chars;
    if (chars !== " " || SHOWS_WHEN_BLANK.test(next)) kept = text.length;
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
  return payload.length > LIMITS.rowChars ? text.slice(0, LIMITS.rowChars) : payload; // cells of endless accents
}

/** Inverse, underlined, struck or coloured ground: seen even where there is no character. */
const SHOWS_WHEN_BLANK = /[vusg]/;

function cellStyle(cell: IBufferCell, width: number): string {
  if (width === 1 && cell.isAttributeDefault()) return "";
  let style = "";
  if (cell.isBold()) style += "b";
  if (cell.isDim()) style += "d";
  if (cell.isItalic()) style += "i";
  if (cell.isUnderline()) style += "u";
  if (cell.isInverse()) style += "v";
  if (cell.isStrikethrough()) style += "s";
  if (cell.isInvisible()) style += "h";
  if (width === 2) style += "w";
  if (!cell.isFgDefault()) style += `f${colour(cell.isFgRGB(), cell.getFgColor())}`;
  if (!cell.isBgDefault()) style += `g${colour(cell.isBgRGB(), cell.getBgColor())}`;
  return style;
}

function colour(rgb: boolean, value: number): string {
  return rgb ? `#${value.toString(16).padStart(6, "0")}` : String(value);
}
