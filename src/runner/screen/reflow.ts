import type { IBuffer, IMarker, Terminal } from "@xterm/headless";
import { type CoreBuffer, coreBuffer } from "./core.ts";

/** A cell of the buffer, told by the printed line that it belongs to: that stays the same in every width. */
interface Position {
  /** On the first row of the printed line. */
  line: IMarker;
  /** Cells from there. */
  offset: number;
}

/**
 * Resizes the emulator. Every printed line is wrapped anew, also the one with the cursor, and the cursor stays at its character:
 * xterm.js 6.0.0 cuts that line off, or leaves the cursor in its column, and forgets that the last column was just written.
 */
export function resizeEmulator(term: Terminal, cols: number, rows: number): void {
  const normal = term.buffer.normal;
  const core = coreBuffer(term, "normal");
  const other = coreBuffer(term, "alt");
  if (core === undefined) return term.resize(cols, rows);
  const cursor = positionOf(normal, core, term.cols, core.ybase + core.y, core.x);
  const saved =
    core.savedY < core.ybase // from before, or none
      ? undefined
      : positionOf(normal, core, term.cols, core.savedY, core.savedX);
  const endOfLine = other !== undefined && other.x >= term.cols;
  term.resize(cols, rows);
  if (other !== undefined && endOfLine) other.x = Math.min(other.x + 1, term.cols);
  const { x, y } = placeOf(normal, term.cols, cursor);
  if (y < core.ybase) {
    // what stands below the cursor has not enough room: a terminal gives up the lowest rows, not the one that is written to
    core.lines.length = y + term.rows;
    core.ybase = core.ydisp = y;
  }
  core.x = x;
  core.y = Math.min(y - core.ybase, term.rows - 1);
  if (saved === undefined) return;
  const place = placeOf(normal, term.cols, saved);
  core.savedX = place.x;
  core.savedY = place.y;
}

/** Sets how many rows the emulator keeps above the screen. By itself it forgets meanwhile that the last column was just written. */
export function setScrollback(term: Terminal, rows: number): void {
  const kept = [coreBuffer(term, "normal"), coreBuffer(term, "alt")].map((buffer) => ({
    buffer,
    x: buffer?.x ?? 0,
    savedX: buffer?.savedX ?? 0,
  }));
  term.options.scrollback = rows;
  for (const { buffer, x, savedX } of kept)
    if (buffer !== undefined) Object.assign(buffer, { x, savedX });
}

/** Marks a row of the normal screen, counted from the oldest, also while the alternate one is up. */
export const markRow = (term: Terminal, row: number): IMarker | undefined =>
  coreBuffer(term, "normal")?.addMarker(row);

function positionOf(
  buffer: IBuffer,
  core: CoreBuffer,
  cols: number,
  row: number,
  x: number,
): Position {
  let start = row;
  let offset = x;
  while (start > 0 && buffer.getLine(start)?.isWrapped === true)
    offset += rowLength(buffer, --start, cols);
  return { line: core.addMarker(start), offset };
}

function placeOf(
  buffer: IBuffer,
  cols: number,
  { line, offset }: Position,
): { x: number; y: number } {
  let y = Math.max(0, line.line);
  let x = offset;
  line.dispose();
  for (
    let length = rowLength(buffer, y, cols);
    x >= length && buffer.getLine(y + 1)?.isWrapped === true;
    length = rowLength(buffer, y, cols)
  ) {
    x -= length;
    y++;
  }
  if (x < cols) return { x, y };
  // the last column was just written: the next character begins the next row. Otherwise nothing stands so far to the right
  const full =
    buffer
      .getLine(y)
      ?.getCell(cols - 1)
      ?.getCode() !== 0;
  return { x: x === cols && full ? cols : cols - 1, y };
}

/** Cells of a row that goes on: a wide character that found one cell left, and began the next row, leaves that cell empty. */
function rowLength(buffer: IBuffer, y: number, cols: number): number {
  const last = buffer.getLine(y)?.getCell(cols - 1);
  const next = buffer.getLine(y + 1);
  const empty = last?.getCode() === 0 && last.getWidth() === 1;
  return empty && next?.isWrapped === true && next.getCell(0)?.getWidth() === 2 ? cols - 1 : cols;
}
