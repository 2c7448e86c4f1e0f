import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { type IUnicodeVersionProvider, Terminal } from "@xterm/headless";
import { mendCopying } from "./buffer-line.ts";
import { SCROLLBACK_LINES } from "./history.ts";
import { endSoftWraps } from "./soft-wraps.ts";

/** So many characters (accents, joiners) are added to the one that stands in a cell; the next begins a cell of its own. */
const JOINED = 16;
/** Where the number of those added stands in a character's properties (see UnicodeService of xterm.js): above all that is there of a joined one. */
const COUNT_SHIFT = 12;
const JOINS = 1;

/** Bounds what a cell can hold: the emulator would append to it for ever. */
function boundJoins(provider: IUnicodeVersionProvider): IUnicodeVersionProvider {
  return {
    version: provider.version,
    wcwidth: (codepoint) => provider.wcwidth(codepoint),
    charProperties(codepoint, preceding) {
      if ((preceding & JOINS) === 0) return provider.charProperties(codepoint, preceding);
      const count = preceding >>> COUNT_SHIFT;
      const next = provider.charProperties(
        codepoint,
        count >= JOINED ? 0 : preceding & ((1 << COUNT_SHIFT) - 1),
      );
      return (next & JOINS) === 0 ? next : next | ((count + 1) << COUNT_SHIFT);
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
  // what is repeated as often as a program says, up to 2^31 times: lines in and out, tabs, the last character. More than fit on the screen are none
  const most = {
    L: () => term.rows,
    M: () => term.rows,
    S: () => term.rows,
    T: () => term.rows,
    I: () => term.cols,
    Z: () => term.cols,
    b: () => term.cols,
  };
  for (const [final, fits] of Object.entries(most))
    term.parser.registerCsiHandler({ final }, ([count = 0]) => Number(count) > fits());
  mendCopying(term.buffer.normal.getLine(0));
  endSoftWraps(term);
  return term;
}
