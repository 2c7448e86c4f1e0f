import type { Terminal } from "@xterm/headless";
import { unwrap } from "./buffer-line.ts";

/**
 * Ends soft wraps where their place is gone, which xterm.js 6.0.0 does not: a row whose end was erased does not go on in the
 * next, nor does one that other lines were put behind, or whose next one was taken out.
 */
export function endSoftWraps(term: Terminal): void {
  const row = (offset: number) => {
    const { baseY, cursorY } = term.buffer.active;
    return cursorY + offset < term.rows
      ? term.buffer.active.getLine(baseY + cursorY + offset)
      : undefined;
  };
  const count = (params: (number | number[])[]) => Math.max(1, Number(params[0] ?? 1));
  const end = (offset: number, gone = true) => {
    if (gone) unwrap(row(offset));
    return false; // the emulator acts on it too, afterwards
  };
  term.parser.registerCsiHandler({ final: "K" }, ([part = 0]) => end(1, part === 0 || part === 2));
  term.parser.registerCsiHandler({ final: "X" }, (params) =>
    end(1, term.buffer.active.cursorX + count(params) >= term.cols),
  );
  term.parser.registerCsiHandler({ final: "L" }, () => end(0));
  term.parser.registerCsiHandler({ final: "M" }, (params) => end(count(params)));
}
