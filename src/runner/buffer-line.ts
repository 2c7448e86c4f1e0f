import type { IBufferLine } from "@xterm/headless";

/** What stands behind a line of the emulator's declared interface (BufferLine of xterm.js 6.0.0), as far as we touch it. */
interface BufferLine {
  isWrapped: boolean;
  /** Cells of more than one code point, by column. */
  _combined: Record<number, string>;
  copyCellsFrom: CopyCells;
}
type CopyCells = (
  this: BufferLine,
  from: BufferLine,
  fromColumn: number,
  toColumn: number,
  length: number,
  backwards: boolean,
) => void;

function behind(line: IBufferLine | undefined): BufferLine | undefined {
  const own: unknown = line === undefined ? undefined : Reflect.get(line, "_line");
  return isBufferLine(own) ? own : undefined;
}

function isBufferLine(own: unknown): own is BufferLine {
  return (
    typeof own === "object" &&
    own !== null &&
    "isWrapped" in own &&
    "_combined" in own &&
    "copyCellsFrom" in own &&
    typeof own.copyCellsFrom === "function"
  );
}

/** Ends a soft wrap: the line does not go on the one before any more. Nothing happens where an upgrade has renamed what this needs. */
export function unwrap(line: IBufferLine | undefined): void {
  const own = line?.isWrapped === true ? behind(line) : undefined;
  if (own !== undefined) own.isWrapped = false;
}

/**
 * Lines that are copied in part, as a new width does, take the characters of several code points of all the rest along, over
 * those that stand there: a flag in the place of a family. With this only the columns that were meant change.
 */
export function mendCopying(line: IBufferLine | undefined): void {
  const own = behind(line);
  const prototype: unknown = own && Object.getPrototypeOf(own);
  if (mended || own === undefined || typeof prototype !== "object" || prototype === null) return;
  mended = true;
  const copy = own.copyCellsFrom;
  const exact: CopyCells = function (from, fromColumn, toColumn, length, backwards) {
    const source = { ...from._combined };
    const before = { ...this._combined };
    copy.call(this, from, fromColumn, toColumn, length, backwards);
    for (const column of Object.keys(this._combined)) delete this._combined[Number(column)];
    const put = (
      columns: Record<number, string>,
      shift: number,
      taken: (at: number) => boolean,
    ) => {
      for (const [key, chars] of Object.entries(columns))
        if (taken(Number(key))) this._combined[Number(key) + shift] = chars;
    };
    put(before, 0, (at) => at < toColumn || at >= toColumn + length);
    put(source, toColumn - fromColumn, (at) => at >= fromColumn && at < fromColumn + length);
  };
  Reflect.set(prototype, "copyCellsFrom", exact);
}
let mended = false;
