/** What has to stand in output before there can be a mode in it; searched for by the C library, as a flood of colours has none of these. */
const BEGINNINGS = [
  "\x1b[?",
  "\x1b[>",
  "\x1b[<",
  "\x1b[=",
  "\x1b[!",
  "\x1b=",
  "\x1b>",
  "\x1bc",
].map((text) => Buffer.from(text));
/** DEC private modes, keyboard protocols, soft reset; keypad and full reset (xterm's ctlseqs, kitty's keyboard protocol). */
const ESC = "\x1b";
const MODE = new RegExp(
  `${ESC}(?:\\[(?:\\?([\\d;]{1,64})([hl])|([<=>])([\\d;]{0,16})([mu])|(!p))|([c=>]))`,
  "g",
);
/** One of these whose end is in the next read. */
const BEGUN = new RegExp(`${ESC}(?:\\[(?:[?<=>!][\\d;]{0,64})?)?$`);
const BEGUN_BYTES = 68;
const ESCAPE = 0x1b;

/** So many modes are remembered, and so many levels of a keyboard. */
const MODES = 64;
const LEVELS = 64;

const ALTERNATE = [47, 1047, 1049];
/** These are on in a terminal that nobody has changed. */
const ON = new Set([7, 25]);
/** Left as they are: preferences of the person rather than the program's, what saves the cursor, and what clears the screen. */
const KEPT = new Set([3, 8, 12, 40, 1007, 1034, 1035, 1036, 1039, 1042, 1043, 1046, 1048]);
const SYNCHRONIZED = 2026;

/** How a program has set its terminal: followed in its output, so that it can be undone when the program dies, or done once more. */
export class TerminalModes {
  /** Private modes by number, in the order in which they were last set. */
  private readonly modes = new Map<number, boolean>();
  /** The mode by which the alternate screen came up. */
  private alternate: number | undefined;
  /** Flags of kitty's keyboard protocol: each screen has a stack of them. */
  private readonly keyboards: { normal: string[]; alternate: string[] } = {
    normal: [],
    alternate: [],
  };
  private otherKeys = "";
  private keypad = false;
  private escaped = false;
  /** The beginning of a sequence at the end of a read. */
  private begun = "";

  feed(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (this.begun !== "") {
      const text = this.begun + buffer.toString("latin1", 0, BEGUN_BYTES);
      if (text.length <= BEGUN_BYTES && BEGUN.exec(text)?.index === 0) {
        this.begun = text;
        return;
      }
      for (const match of text.matchAll(MODE)) if (match.index === 0) this.take(match);
      this.begun = "";
    }
    if (!buffer.includes(ESCAPE)) return;
    this.escaped = true;
    if (BEGINNINGS.some((beginning) => buffer.includes(beginning)))
      for (const match of buffer.toString("latin1").matchAll(MODE)) this.take(match);
    this.begun =
      BEGUN.exec(buffer.toString("latin1", Math.max(0, buffer.length - BEGUN_BYTES)))?.[0] ?? "";
  }

  /** Undoes what a program left on that died; empty where that is nothing. */
  undo(): string {
    let undo = "";
    for (const [mode, on] of this.modes)
      if (on !== ON.has(mode) && !KEPT.has(mode)) undo += `\x1b[?${mode}${on ? "l" : "h"}`;
    if (this.otherKeys !== "") undo += "\x1b[>4m";
    if (this.keypad) undo += "\x1b>";
    const { normal, alternate } = this.keyboards;
    const pop = (levels: string[]) => (levels.length > 0 ? `\x1b[<${levels.length}u` : "");
    if (this.alternate !== undefined) undo += `${pop(alternate)}\x1b[?${this.alternate}l`;
    undo += pop(normal);
    // no program that draws on a screen is over with a part of it alone scrolling, or with lines for letters
    if (undo !== "") undo += "\x1b7\x1b[r\x1b8\x1b[4l\x1b(B\x0f";
    return undo === "" && !this.escaped ? "" : `${undo}\x1b[0m`;
  }

  /** Sets all modes as the program has them, whatever a terminal that missed some has, but for those in `except`. */
  redo(except: readonly number[] = []): string {
    let redo = "";
    const known = [...this.modes].filter(([mode]) => !KEPT.has(mode) && !except.includes(mode));
    for (const [mode, on] of known) if (!on) redo += `\x1b[?${mode}l`;
    for (const [mode, on] of known) if (on) redo += `\x1b[?${mode}h`;
    const { normal, alternate } = this.keyboards;
    const levels = this.alternate === undefined ? normal : alternate;
    if (normal.length + alternate.length > 0)
      redo += `\x1b[<${LEVELS}u${levels.map((flags) => `\x1b[>${flags}u`).join("")}`;
    redo += `\x1b[>4${this.otherKeys === "" ? "" : `;${this.otherKeys}`}m`;
    return redo + (this.keypad ? "\x1b=" : "\x1b>");
  }

  /** The mode by which the program shows the alternate screen. */
  get alternateScreen(): number | undefined {
    return this.alternate;
  }

  /** Whether the program draws an update that it has not ended. */
  get isUpdating(): boolean {
    return this.modes.get(SYNCHRONIZED) === true;
  }

  private take([, modes, end, kind, params = "", final, soft, single]: RegExpMatchArray): void {
    if (modes !== undefined)
      for (const mode of modes.split(";")) this.set(Number(mode), end === "h");
    else if (final === "m") {
      const [resource, value = ""] = params.split(";");
      if (kind === ">" && resource === "4") this.otherKeys = value === "0" ? "" : value;
    } else if (final === "u") this.keyboard(kind, params);
    else if (soft !== undefined) this.reset([1, 6, 7, 25, 66]);
    else if (single === "c") this.reset(undefined);
    else this.keypad = single === "=";
  }

  private set(mode: number, on: boolean): void {
    if (ALTERNATE.includes(mode)) {
      if (on) this.alternate = mode;
      else this.alternate = undefined;
      return;
    }
    this.modes.delete(mode);
    if (mode > 0 && this.modes.size < MODES) this.modes.set(mode, on);
  }

  private keyboard(kind: string | undefined, params: string): void {
    const levels = this.alternate === undefined ? this.keyboards.normal : this.keyboards.alternate;
    const [first = "", second = ""] = params.split(";");
    if (kind === ">" && levels.length < LEVELS) levels.push(first === "" ? "0" : first);
    if (kind === "<") levels.length = Math.max(0, levels.length - (Number(first) || 1));
    if (kind === "=" && (second === "" || second === "1") && levels.length > 0)
      levels[levels.length - 1] = first;
  }

  /** A reset of the terminal by the program: of these modes (DECSTR), or of all there is (RIS). */
  private reset(modes: readonly number[] | undefined): void {
    for (const mode of modes ?? this.modes.keys())
      if (this.modes.has(mode)) this.modes.set(mode, ON.has(mode));
    this.keypad = false;
    if (modes !== undefined) return;
    this.alternate = undefined;
    this.otherKeys = "";
    this.keyboards.normal = [];
    this.keyboards.alternate = [];
  }
}
