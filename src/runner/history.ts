import type { IBuffer, IMarker, Terminal } from "@xterm/headless";
import { type HistoryOp, LIMITS } from "../types.ts";
import { unwrap } from "./buffer-line.ts";
import { maskBuffer, START, type StreamState } from "./masking/rows.ts";
import { markRow, resizeEmulator, setScrollback } from "./screen/reflow.ts";

/** Lines that the emulator keeps above the screen; more than one slice of output can scroll. */
export const SCROLLBACK_LINES = 2000;
/** A slice of output ends after this many bytes, or line feeds and whatever else may scroll, so that no line leaves the emulator unseen. A wide character that is repeated as often as there are columns scrolls three lines at worst. */
const SLICE_BYTES = 16 * 1024;
const SLICE_LINES = 500;
/** Rows above that may tell whether a row holds a secret (see `maskBuffer`). */
const ABOVE = 60;
/** An operation carries about this much text at most, in UTF-16 units. */
const OP_CHARS = 64 * 1024;

/**
 * Cuts output so that each part scrolls fewer lines than the emulator keeps. At 20 columns or more a slice wraps into
 * at most 820 lines (or 500 repetitions and what is left of it); narrower terminals get smaller slices.
 */
export function* slices(bytes: Uint8Array, cols: number): Generator<Uint8Array> {
  const limit = Math.min(SLICE_BYTES, cols * 800);
  for (let start = 0; start < bytes.length; ) {
    const end = sliceEnd(bytes, start, Math.min(start + limit, bytes.length));
    yield bytes.subarray(start, end);
    start = end;
  }
}

/** A function of its own: in a generator each byte would take several times as long. */
function sliceEnd(bytes: Uint8Array, start: number, end: number): number {
  let lines = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    // index, next line and repetition are escape sequences, or controls of Latin-1, which begin with C2 in UTF-8
    const scrolls = (byte >= 0x0a && byte <= 0x0c) || byte === 0x1b || byte === 0xc2;
    if (scrolls && ++lines >= SLICE_LINES) return i + 1;
  }
  return end;
}

/**
 * A row that begins a printed line, and its number in the log: from here on both have the same rows. What the emulator still has above
 * tells whether secrets stand below; in the log that keeps the form that it was stored in.
 */
interface Anchor {
  row: IMarker;
  number: number;
  /** On the oldest row that the emulator had then. */
  top: IMarker;
  /** Numbers in the log of the printed lines between the two. */
  above: number[];
}

/** The rows from `start` to `end` that begin a printed line, or what the emulator still has of one. */
const linesIn = (buffer: IBuffer, start: number, end: number): number[] => {
  const lines: number[] = [];
  for (let y = start; y < end; y++)
    if (y === 0 || buffer.getLine(y)?.isWrapped !== true) lines.push(y);
  return lines;
};

/** Whether what stands above tells whether this row holds a secret: it goes on a line, or is of a private key. */
const goesOnAbove = (buffer: IBuffer, y: number) => {
  const line = buffer.getLine(y);
  return line?.isWrapped === true || KEY_ROW.test(line?.translateToString(true) ?? "");
};
const KEY_ROW = /^\s*[\w+/=.~-]{16,}\s*$/;

export interface History {
  /** Reports what has scrolled off since the last call; to be called after every slice. `more` is waiting: then it is reported once it is much. */
  sync(more?: boolean): void;
  /** Resizes the emulator and reports the lines that a taller screen pulled back or a new width rewrapped. */
  resize(cols: number, rows: number): void;
  /** What the rows above `y` have left to it, for masking; undefined where that is not known. */
  leftTo(y: number): StreamState | undefined;
}

/**
 * Follows the lines that scroll off the top of the normal screen, numbered from 0 within a generation, and says what
 * changed in operations on that log. A marker on the newest known line tells how far the emulator has dropped old ones.
 */
export function followHistory(term: Terminal, emit: (op: HistoryOp) => void): History {
  const cell = term.buffer.normal.getNullCell();
  let generation = 0;
  let next = 0; // number of the line that scrolls off next
  let newest: IMarker | undefined; // on the line numbered next - 1
  let lines: string[] = []; // taken and not yet reported: the last before `next`
  let chars = 0;
  let anchor: Anchor | undefined;
  let newestGoesOn = false; // in the first row of the screen
  /** What has scrolled off leaves to the line numbered `next`, for masking. */
  let left: StreamState | undefined = START;

  const flush = () => {
    if (lines.length > 0) emit({ op: "append", generation, from: next - lines.length, lines });
    lines = [];
    chars = 0;
  };
  const take = (from: number, start: number, end: number) => {
    if (from !== next) {
      flush();
      left = undefined;
    }
    next = from;
    const masked = maskBuffer(term.buffer.normal, start, end, term.cols, cell, left);
    left = masked.state;
    for (const payload of masked.payloads) {
      lines.push(payload);
      next++;
      chars += payload.length;
      if (lines.length >= LIMITS.opLines || chars >= OP_CHARS) flush();
    }
  };

  /** The log from the row numbered `from` on is what stands in the rows from `start` to `end` now. */
  const replace = (from: number, start: number, end: number) => {
    if (from < next) {
      emit({ op: "truncate", generation, to: from });
      left = from === 0 ? START : undefined;
      next = from;
    }
    take(from, start, end);
  };

  /** Where a new width begins to rewrap the log: the same row as last time, as long as the emulator has what stood above it. */
  const anchorOf = (before: number): Anchor | undefined => {
    const buffer = term.buffer.normal;
    const last = anchor?.row.isDisposed === false ? anchor : undefined;
    if (last?.top.isDisposed === false) return last;
    const oldest = next - before; // number of the emulator's oldest row, were all rows in the log as here
    const same = last?.row.line ?? 0; // they are from here on
    forgetAnchor();
    let line = oldest === 0 ? 0 : Math.min(before, Math.max(same, ABOVE));
    if (oldest > 0) while (line < before && goesOnAbove(buffer, line)) line++;
    unwrap(buffer.getLine(line)); // one line of thousands of rows: in the log it still goes on
    const [row, top] = [markRow(term, line), markRow(term, 0)];
    if (row === undefined || top === undefined) return undefined;
    const above = linesIn(buffer, same, line).map((y) => oldest + y);
    anchor = { row, number: oldest + line, top, above };
    return anchor;
  };
  const forgetAnchor = () => {
    anchor?.row.dispose();
    anchor?.top.dispose();
    anchor = undefined;
  };

  const mark = () => {
    newest?.dispose();
    const buffer = term.buffer.active;
    // history is never touched while the alternate screen is up: the mark is set when the normal one is back
    newest =
      buffer.type === "normal" && buffer.baseY > 0
        ? term.registerMarker(-buffer.cursorY - 1)
        : undefined;
    newestGoesOn = newest !== undefined && buffer.getLine(buffer.baseY)?.isWrapped === true;
  };

  /** The newest line went on in the first row of the screen, and that was erased: it is told once more, as it ends now. */
  const mend = () => {
    if (!newestGoesOn || newest === undefined || newest.isDisposed || next === 0) return;
    const { line } = newest;
    if (term.buffer.normal.getLine(line + 1)?.isWrapped === true) return;
    newestGoesOn = false;
    flush();
    emit({ op: "truncate", generation, to: next - 1 });
    take(next - 1, line, line + 1);
  };

  const look = () => {
    if (term.buffer.active.type !== "normal") return;
    mend();
    const { baseY } = term.buffer.normal;
    let start = 0;
    let from = next;
    if (newest !== undefined) {
      if (newest.isDisposed)
        from += 1; // dropped unseen: a number is left out, which shows as a gap
      else start = newest.line + 1;
    }
    if (start === baseY && newest !== undefined) return;
    take(from, start, baseY);
    mark();
  };
  const sync = (more = false) => {
    look();
    if (!more) flush();
  };

  /** `ESC [ 3 J` and a full reset clear the scrollback: what is shown from now on is a new generation. */
  const clear = () => {
    sync();
    if (term.buffer.active.type !== "normal" || next === 0) return false;
    generation++;
    next = 0;
    left = START;
    newest?.dispose();
    newest = undefined;
    forgetAnchor();
    emit({ op: "generation", generation });
    return false; // the emulator does the clearing
  };
  term.parser.registerCsiHandler({ final: "J" }, (params) => (params[0] === 3 ? clear() : false));
  term.parser.registerEscHandler({ final: "c" }, clear);
  /** A character that is repeated over more than a row may scroll a screen. */
  term.parser.registerCsiHandler({ final: "b" }, ([count = 0]) => {
    if (Number(count) > term.cols) look();
    return false;
  });
  /** What has scrolled off before the alternate screen comes up in the same slice. */
  term.parser.registerCsiHandler({ prefix: "?", final: "h" }, (params) => {
    if (params.some((mode) => mode === 47 || mode === 1047 || mode === 1049)) sync();
    return false;
  });
  term.buffer.onBufferChange(() => {
    if (newest === undefined) mark();
  });

  return {
    sync,
    leftTo: (y) =>
      y === 0 ? START : newest !== undefined && newest.line === y - 1 ? left : undefined,
    resize(cols, rows) {
      if (cols === term.cols && rows === term.rows) return;
      sync();
      const { normal } = term.buffer;
      const before = normal.baseY;
      const limit = term.options.scrollback ?? SCROLLBACK_LINES;
      const rewrapped = cols !== term.cols;
      const first = rewrapped ? anchorOf(before) : anchor;
      // all has to be taken before the emulator forgets what is beyond its bound now
      setScrollback(term, normal.length * (rewrapped ? mostRows(term.cols, cols) : 1));
      resizeEmulator(term, cols, rows);
      const after = normal.baseY;
      const shared = Math.min(before, after);
      if (first === undefined || (!rewrapped && first.row.line <= shared))
        replace(next - before + shared, shared, after);
      else if (first.row.line <= after) replace(first.number, first.row.line, after);
      else {
        // lines above the anchor are on the screen again: they are counted from there
        let line = Math.min(after, first.row.line - 1);
        while (line > 0 && normal.getLine(line)?.isWrapped === true) line--;
        const lines = linesIn(normal, line, first.row.line).length;
        replace(first.above.at(-lines) ?? first.number, line, after);
        forgetAnchor();
      }
      flush();
      mark();
      setScrollback(term, rewrapped ? Math.max(rowsToKeep(normal), mostScrolled(cols)) : limit);
    },
  };
}

/** A row may become so many in another width; a wide character leaves the last column of a narrow one empty. */
const mostRows = (cols: number, next: number) =>
  Math.ceil(cols / Math.max(1, Math.min(cols, next) - 1)) + 1;

/** A slice that was cut for a wider terminal may scroll so many rows. */
const mostScrolled = (cols: number) => SLICE_LINES + Math.ceil(SLICE_BYTES / Math.max(1, cols - 1));

/** As many printed lines as ever are kept, in however many rows: back in the old width they are as they were. */
function rowsToKeep(buffer: IBuffer): number {
  let lines = 0;
  let y = buffer.baseY;
  while (y > 0 && lines < SCROLLBACK_LINES) if (buffer.getLine(--y)?.isWrapped !== true) lines++;
  return Math.max(SCROLLBACK_LINES, buffer.baseY - y);
}
