import type { Terminal } from "@xterm/headless";
import type { Frame } from "../types.ts";
import { isLight, parseColour, type Rgb, toHex } from "../viewer/contrast.ts";

/** What a frame says of a terminal's colours. */
export type TerminalColours = Pick<Frame, "ground" | "ink">;

/** OSC 10 is the text's colour, OSC 11 its ground's, 110 and 111 take back what a program has set (xterm's ctlseqs). */
type Part = "ink" | "ground";
const PARTS: readonly Part[] = ["ink", "ground"];
const OSC_INK = 10;
const OSC_RESET_INK = 110;

/** A terminal's answer to OSC 10 or 11, or its report of a dark or light theme (mode 2031). */
const REPORT = /\p{Cc}\](1[01]);([\w:/#]{1,64})\p{Cc}|\p{Cc}\[\?997;([12])n/gu;
/** The beginning of one at the end of a read. */
const BEGUN =
  /\p{Cc}(?:\](?:1[01]?(?:;[\w:/#]{0,64})?)?|\[(?:\?(?:9(?:9(?:7(?:;[12]?)?)?)?)?)?)?$/u;
const ESCAPE = 0x1b;

const DARK: Required<TerminalColours> = { ground: "#000000", ink: "#ffffff" };
const LIGHT: Required<TerminalColours> = { ground: "#ffffff", ink: "#000000" };

/**
 * The colours that a program's text and its ground have where it names none: what the program itself has set, or else what the
 * desk's terminal answered when it was asked, or else what the environment says. Nothing is asked in the program's place: an
 * answer that comes late would be typed into it.
 */
export class SessionColours {
  private readonly set: Partial<Record<Part, Rgb | "unknown">> = {};
  private answered: Partial<Record<Part, Rgb>> = {};
  /** What the terminal says of its theme, where it does not name its colours. */
  private theme: TerminalColours;
  private rest = "";

  constructor(colorFgBg: string | undefined) {
    this.theme = coloursOfEnvironment(colorFgBg);
  }

  /** Hears what the desk's terminal sends, wherever reads cut it; whether that told something new. */
  typed(bytes: Uint8Array): boolean {
    if (this.rest === "" && !bytes.includes(ESCAPE)) return false;
    const before = JSON.stringify(this.now());
    const text = this.rest + Buffer.from(bytes).toString("latin1");
    for (const [, osc, colour = "", theme] of text.matchAll(REPORT)) {
      if (theme === undefined) this.answer(Number(osc), colour);
      else this.themed(theme === "1" ? DARK : LIGHT);
    }
    this.rest = BEGUN.exec(text)?.[0] ?? "";
    return JSON.stringify(this.now()) !== before;
  }

  /** Whether the terminal has answered which ground it has. */
  get isAnswered(): boolean {
    return this.answered.ground !== undefined;
  }

  /** Hears what the program sets. */
  follow(term: Terminal): void {
    for (const [i, part] of PARTS.entries()) {
      term.parser.registerOscHandler(OSC_INK + i, (data) => {
        // more colours in one are those that come next
        for (const [at, value] of data.split(";").entries()) {
          const named = PARTS[PARTS.indexOf(part) + at];
          if (named === undefined) break;
          if (value !== "?") this.set[named] = parseTerminalColour(value) ?? "unknown";
        }
        return false; // the emulator acts on it too
      });
      term.parser.registerOscHandler(OSC_RESET_INK + i, () => {
        delete this.set[part];
        return false;
      });
    }
    term.parser.registerEscHandler({ final: "c" }, () => {
      for (const part of PARTS) delete this.set[part];
      return false;
    });
  }

  now(): TerminalColours {
    const colours: TerminalColours = {};
    for (const part of PARTS) {
      const known = this.set[part] ?? this.answered[part];
      const value =
        known === undefined ? this.theme[part] : known === "unknown" ? undefined : toHex(known);
      if (value !== undefined) colours[part] = value;
    }
    return colours;
  }

  /** While a program has set a colour, the terminal's answer is that one. */
  private answer(osc: number, colour: string): void {
    const part = PARTS[osc - OSC_INK];
    const value = parseTerminalColour(colour);
    if (part !== undefined && value !== undefined && this.set[part] === undefined)
      this.answered[part] = value;
  }

  /** Colours of the other theme are old; those of the same are better than this word. */
  private themed(theme: Required<TerminalColours>): void {
    const { ground } = this.answered;
    if (ground !== undefined && isLight(ground) === (theme === LIGHT)) return;
    this.answered = {};
    this.theme = theme;
  }
}

/** COLORFGBG holds indexes of the palette, the text's first and its ground's last (rxvt, Konsole, iTerm2). */
export function coloursOfEnvironment(colorFgBg: string | undefined): TerminalColours {
  const fields = colorFgBg?.split(";") ?? [];
  const [ink, ground] = [parseColour(fields[0]), parseColour(fields.at(-1))];
  return fields.length < 2 || ink === undefined || ground === undefined
    ? {}
    : { ground: toHex(ground), ink: toHex(ink) };
}

/** A colour as terminals write it: rgb:R/G/B or rgba:R/G/B/A with 1 to 4 hexadecimal digits a part, or # and 1 to 4 digits a part. */
export function parseTerminalColour(text: string): Rgb | undefined {
  const hex = "([0-9a-f]{1,4})";
  const named = new RegExp(`^rgba?:${hex}/${hex}/${hex}(?:/[0-9a-f]{1,4})?$`, "i").exec(text);
  const digits = /^#((?:[0-9a-f]{3}){1,4})$/i.exec(text)?.[1] ?? "";
  const size = digits.length / 3;
  const parts =
    named?.slice(1, 4) ??
    (digits === "" ? [] : [0, 1, 2].map((i) => digits.slice(i * size, (i + 1) * size)));
  const [red, green, blue] = parts.map((part) =>
    Math.round((Number.parseInt(part, 16) * 255) / (16 ** part.length - 1)),
  );
  return red === undefined || green === undefined || blue === undefined
    ? undefined
    : [red, green, blue];
}
