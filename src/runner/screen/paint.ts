import type { IBuffer, Terminal } from "@xterm/headless";
import { EXACT, sgr } from "../../attach/paint.ts";
import { drawnRow } from "../../attach/rows.ts";
import type { TerminalModes } from "../pty/terminal-modes.ts";
import { penStyle, rowPayload } from "../rows.ts";
import type { Size } from "../wrap.ts";
import { type CoreBuffer, coreBuffer, isPen, penOf } from "./core.ts";

/** Ends whatever sequence the terminal was in the middle of: CAN, and the end of a string (ECMA-48). */
const CANCEL = "\x18\x1b\\";
/** No margins, origin, insertion or graphic characters: all of the screen can be drawn on. */
const PLAIN = "\x1b[?6l\x1b[?69l\x1b[r\x1b[4l\x1b(B\x0f\x1b[?7h\x1b[0m\x1b[?25l";
/** What is half painted is not to be seen. */
const SYNC = ["\x1b[?2026h", "\x1b[?2026l"] as const;

/**
 * What stands on the emulator's screen, for a real terminal that has missed some of it: the normal screen, the alternate one where
 * it is up, and all modes as the program has them. What the terminal has beyond the emulator's size is cleared.
 */
export function paintTerminal(term: Terminal, modes: TerminalModes, terminal: Size): string {
  const { normal, alternate, active } = term.buffer;
  const isAlternate = active.type === "alternate";
  const core = coreBuffer(term, isAlternate ? "alt" : "normal");
  const saved = savedCursor(coreBuffer(term, "normal"));
  // where the alternate screen is not up, leaving it moves the cursor to where it was saved: that is here
  const parts = [
    CANCEL,
    SYNC[0],
    "\x1b7\x1b[?1049l",
    PLAIN,
    painted(normal, term, terminal),
    saved,
  ];
  if (isAlternate) {
    parts.push(`\x1b[?${modes.alternateScreen ?? 1049}h`, painted(alternate, term, terminal));
    parts.push(savedCursor(core));
  }
  const [top, bottom] =
    core === undefined ? [0, term.rows - 1] : [core.scrollTop, core.scrollBottom];
  const isWhole = top === 0 && bottom === term.rows - 1 && term.rows >= terminal.rows;
  if (!isWhole) parts.push(`\x1b[${top + 1};${Math.min(bottom + 1, terminal.rows)}r`);
  const x = Math.min(active.cursorX, term.cols - 1);
  const y = active.cursorY - (term.modes.originMode ? top : 0);
  const pen = penOf(term);
  parts.push(modes.redo(), place(x, y), pen === undefined ? "" : sgr(penStyle(pen), EXACT));
  if (term.modes.insertMode) parts.push("\x1b[4h");
  if (!modes.isUpdating) parts.push(SYNC[1]);
  return parts.join("");
}

/** A screen's rows, as far as the terminal has room, and nothing beside or below them. */
function painted(buffer: IBuffer, term: Terminal, terminal: Size): string {
  const cell = buffer.getNullCell();
  let drawn = "";
  for (let y = 0; y < terminal.rows; y++) {
    drawn += `${place(0, y)}\x1b[2K`;
    const line = y < term.rows ? buffer.getLine(buffer.baseY + y) : undefined;
    if (line !== undefined)
      drawn += drawnRow(rowPayload(line, term.cols, cell), 0, Math.min(term.cols, terminal.cols));
  }
  return drawn;
}

/** Saves the cursor where the program has saved it on this screen, with the look that it had. */
function savedCursor(core: CoreBuffer | undefined): string {
  if (core === undefined) return "\x1b7";
  const { savedX, savedY, savedCurAttrData: pen } = core;
  const style = isPen(pen) ? sgr(penStyle(pen), EXACT) : "";
  return `${place(savedX, Math.max(0, savedY - core.ybase))}${style}\x1b7\x1b[0m`;
}

const place = (x: number, y: number) => `\x1b[${y + 1};${x + 1}H`;
