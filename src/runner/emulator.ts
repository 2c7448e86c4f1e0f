import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { type IUnicodeVersionProvider, Terminal } from "@xterm/headless";
import { mendCopying } from "./buffer-line.ts";
import { SCROLLBACK_LINES } from "./history.ts";
import { boundCount } from "./screen/core.ts";
import { endSoftWraps } from "./soft-wraps.ts";

/** So many characters (accents, joiners) are added to the one that stands in a cell; the next begins a cell of its own. */
const JOINED = 16;
/** The last character is repeated so often at most: a screen of a usual size full. */
const REPEATED_CELLS = 16 * 1024;
/** Where the number of those added stands in a character's properties (see UnicodeService of xterm.js): above all that is there of a joined one. */
const COUNT_SHIFT = 12;
const JOINS = 1;

/**
 * Format characters: a terminal gives them no cell (wcwidth is 0), and programs count on that. The
 * addon (0.4.0) gives them one of their own. Not here: the soft hyphen, which has a cell, the joiners,
 * which the addon knows, and the signs that stand before a number (U+0600 and the like).
 */
const NO_CELL: readonly [first: number, last: number][] = [
  [0x61c, 0x61c],
  [0x180e, 0x180e],
  [0x200b, 0x200b],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0xfff9, 0xfffb],
  [0x13430, 0x1343f],
  [0x1bca0, 0x1bca3],
  [0x1d173, 0x1d17a],
  [0xe0001, 0xe0001],
];
const takesNoCell = (codepoint: number): boolean =>
  codepoint >= 0x61c && NO_CELL.some(([first, last]) => codepoint >= first && codepoint <= last);

/** Bounds what a cell can hold: the emulator would append to it for ever. */
function boundJoins(provider: IUnicodeVersionProvider): IUnicodeVersionProvider {
  return {
    version: provider.version,
    wcwidth: (codepoint) => provider.wcwidth(codepoint),
    charProperties(codepoint, preceding) {
      const joins = (preceding & JOINS) !== 0;
      const count = joins ? preceding >>> COUNT_SHIFT : 0;
      const state = joins ? preceding & ((1 << COUNT_SHIFT) - 1) : preceding;
      const counted = (next: number) => next | ((count + 1) << COUNT_SHIFT);
      if (preceding !== 0 && count < JOINED && takesNoCell(codepoint))
        return counted(state | JOINS);
      const next = provider.charProperties(codepoint, count >= JOINED ? 0 : state);
      return joins && (next & JOINS) !== 0 ? counted(next) : next;
    },
  };
}

/**
 * The emulator, with bounds where it has none (xterm.js 6.0.0): some ten bytes of output must neither keep this process busy for
 * minutes nor take its memory.
 */
export function openEmulator(cols: number, rows: number): Terminal {
  // the emulator's own warnings would land on the user's screen; one of them, of a busy machine, does not ask for the level
  console.warn = () => undefined;
  const term = new Terminal({
    cols,
    rows,
    scrollback: SCROLLBACK_LINES,
    reflowCursorLine: true, // its end would be cut off
    allowProposedApi: true,
    logLevel: "off",
  });
  const unicode = term.unicode;
  const bounded = {
    register: (provider: IUnicodeVersionProvider) => unicode.register(boundJoins(provider)),
    versions: unicode.versions,
    activeVersion: unicode.activeVersion,
  };
  new UnicodeGraphemesAddon().activate(
    new Proxy(term, {
      get: (target, name) => (name === "unicode" ? bounded : Reflect.get(target, name, target)),
    }),
  );
  unicode.activeVersion = bounded.activeVersion;
  // what is repeated as often as a program says, up to 2^31 times: lines in and out, tabs, the last character. More than fit on the screen change nothing
  for (const final of ["L", "M", "S", "T"]) boundCount(term, final, () => term.rows);
  for (const final of ["I", "Z"]) boundCount(term, final, () => term.cols);
  boundCount(term, "b", () => Math.min(term.cols * term.rows, REPEATED_CELLS));
  mendCopying(term.buffer.normal.getLine(0));
  endSoftWraps(term);
  return term;
}
