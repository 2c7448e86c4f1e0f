import type { IMarker, Terminal } from "@xterm/headless";
import { type HistoryOp, LIMITS } from "../types.ts";
import { maskBuffer, START, type StreamState } from "./masking/rows.ts";

/** Lines that the emulator keeps above the screen; more than one slice of output can scroll. */
export const SCROLLBACK_LINES = 2000;
/** A slice of output ends after this many bytes, or line feeds and whatever else may scroll, so that no line leaves the emulator unseen. A wide character repeated scrolls three lines at worst. */
const SLICE_BYTES = 16 * 1024;
const SLICE_LINES = 500;
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
    emit({ op: "generation", generation });
    return false; // the emulator does the clearing
  };
  term.parser.registerCsiHandler({ final: "J" }, (params) => (params[0] === 3 ? clear() : false));
  term.parser.registerEscHandler({ final: "c" }, clear);
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
      const before = term.buffer.normal.baseY;
      const first = next - before; // number of the oldest line that the emulator still has
      const rewrapped = cols !== term.cols;
      const mark0 = newest;
      term.resize(cols, rows);
      const after = term.buffer.normal.baseY;
      if (before === 0 || (!rewrapped && mark0 !== undefined && !mark0.isDisposed)) {
        const dropped = mark0 === undefined ? 0 : before - 1 - mark0.line;
        const end = first + dropped + after;
        if (end < next) {
          emit({ op: "truncate", generation, to: end });
          left = undefined;
        } else take(next, next - first - dropped, after);
        next = end;
      } else {
        if (next > first) emit({ op: "truncate", generation, to: first });
        take(first, 0, after);
      }
      flush();
      mark();
    },
  };
}
