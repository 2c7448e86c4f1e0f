import type { IBuffer } from "@xterm/headless";
import { goesOn, rowText, withGoesOn } from "../row.ts";
import { type Frame, type HistoryOp, LIMITS } from "../types.ts";
import type { SessionColours } from "./colours.ts";
import { openEmulator } from "./emulator.ts";
import { followHistory, slices } from "./history.ts";
import { followLogins } from "./logins.ts";
import { maskBuffer } from "./masking/rows.ts";
import type { TerminalModes } from "./pty/terminal-modes.ts";
import { BoundedStrings } from "./screen/bounded-strings.ts";
import { paintTerminal } from "./screen/paint.ts";
import { maskSecrets } from "./secrets.ts";
import { SynchronizedUpdates, UPDATE_MS } from "./synchronized.ts";
import type { Size } from "./wrap.ts";

/** Output that the emulator has not worked through holds the program back above the first, lets it go on below the second, in bytes. */
const HOLD_BYTES = 256 * 1024;
const GO_ON_BYTES = 64 * 1024;
/** So little, an echo or a line, is worked through at once; the emulator itself would do it a millisecond later. In bytes. */
const AT_ONCE_BYTES = 1024;
/** After so much output what it left behind is collected, which takes some 12 ms, in bytes: left to itself the engine has 133 MB at the peak of a flood of 200 MB, so 108 (measured). */
const COLLECT_BYTES = 8 * 1024 * 1024;

/** The emulator has so many columns and rows at most, and so many cells in all; of a terminal that is larger than `LIMITS.screenSide` the part around the cursor is sent. */
const EMULATED_SIDE = 2 * LIMITS.screenSide;
const EMULATED_CELLS = LIMITS.screenSide ** 2;
function emulated(cols: number, rows: number): [cols: number, rows: number] {
  const columns = Math.min(cols, EMULATED_SIDE);
  return [columns, Math.min(rows, EMULATED_SIDE, Math.floor(EMULATED_CELLS / columns))];
}

/** While an update is half drawn it is looked at this often whether it has ended, in ms. */
const LOOK_MS = 20;
/** Views that are taken before updates begin may cost this part of the time, and so much at once, in ms. */
const VIEW_SHARE = 0.1;
const VIEW_BURST_MS = 20;

/** What stands on the screen at one moment. */
interface View {
  /** Payloads, masked. */
  rows: string[];
  /** The rows as text, with their secrets. */
  plain: string[];
  about: Omit<Frame, "rev" | "lines">;
}

/**
 * The screen as the program wants it seen: while it draws between the beginning and the end of a synchronised update,
 * everything but what is typed and the history stays as it was before, for a second at most.
 */
export interface Screen {
  feed(bytes: Uint8Array): void;
  resize(cols: number, rows: number): void;
  /** What changed since the last frame, or undefined. The first frame holds every row. */
  frame(): Frame | undefined;
  /** The whole screen, at the newest rev; later frames build on it. */
  whole(): Frame;
  /** The visible rows as text. */
  text(): string[];
  /** The visible rows with their secrets: to be compared here, never to be sent. */
  plain(): string[];
  cursor(): Frame["cursor"];
  /** The colour of a cell's character, by any name; empty for the terminal's own. */
  tone(x: number, y: number): string;
  /** Whether a cell is faint, as suggestions are. */
  isDim(x: number, y: number): boolean;
  /** How the program has set its terminal for what is typed. */
  modes(): Modes;
  /** A login page that the screen names, and whether a code from there is to be pasted. */
  login(): { url: string; pastes: boolean } | undefined;
  /** Resolves once everything that was fed is on the screen. */
  settled(): Promise<void>;
  /** Whether the program is drawing an update that it has not ended. */
  readonly isUpdating: boolean;
  /** Resolves once everything that was fed is on the screen and no update is half drawn. */
  drawn(): Promise<void>;
  /** All that was fed so far as a real terminal of this size draws it, with the modes as they are now. Called back before anything else is fed. */
  paint(terminal: Size, modes: TerminalModes, done: (painted: string) => void): void;
  /** The program is over: what it has drawn is shown as it is. */
  ended(): void;
  dispose(): void;
}

/** How a program has set its terminal for what is typed. */
export interface Modes {
  applicationCursor: boolean;
  bracketedPaste: boolean;
  /** What a wheel's turn is to it: a report in either form (xterm's ctlseqs), cursor keys on the alternate screen, or nothing. */
  wheel: "sgr" | "x10" | "keys" | "none";
  /** Where a mouse would stand that is in the middle, from 1. */
  middle: { x: number; y: number };
}

export interface ScreenOptions {
  cols: number;
  rows: number;
  /** Something may have changed. */
  onChange(): void;
  /** So much waits that the program should be held back, or no longer. */
  onHold(held: boolean): void;
  onHistory(op: HistoryOp): void;
  /** Answers to the program's queries; only for a terminal that has no other to answer them. */
  onReply?(data: string): void;
  /** The terminal's own colours, as far as they are known. */
  colours?: SessionColours;
  /** Whether the terminal does not show what is typed. */
  hidesInput?(): boolean;
}

/** The emulator beside the PTY: bytes in, rows with styles out. */
export function openScreen(options: ScreenOptions): Screen {
  const term = openEmulator(...emulated(options.cols, options.rows));
  const cell = term.buffer.active.getNullCell();
  const history = followHistory(term, options.onHistory);
  const login = followLogins(term);
  if (options.onReply !== undefined) term.onData((data) => data !== "" && options.onReply?.(data));

  let titled = ""; // as the program has it: a program may change it thousands of times before it is shown
  let title = { of: "", masked: "" };
  let cursorVisible = true;
  term.onTitleChange((text) => {
    titled = text;
  });
  let sgrMouse = false;
  let reverse = false;
  const followModes = (on: boolean) => (params: (number | number[])[]) => {
    if (params.includes(5)) reverse = on;
    if (params.includes(25)) cursorVisible = on;
    if (params.includes(1006)) sgrMouse = on;
    return false; // the emulator acts on it too
  };
  term.parser.registerCsiHandler({ prefix: "?", final: "h" }, followModes(true));
  term.parser.registerCsiHandler({ prefix: "?", final: "l" }, followModes(false));
  const resetModes = () => {
    cursorVisible = true;
    reverse = false;
    return false;
  };
  term.parser.registerCsiHandler({ intermediates: "!", final: "p" }, resetModes);
  term.parser.registerEscHandler({ final: "c" }, () => {
    sgrMouse = false;
    return resetModes();
  });
  options.colours?.follow(term);

  // the emulator's own decoder (xterm.js 6.0.0) loses characters such as … and “ where a read ends within them
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const strings = new BoundedStrings();
  let rev = 0;
  let sent: View | undefined;
  let sentAbout = "";
  let waiting = 0;
  let sinceCollected = 0;
  let held = false;
  let disposed = false;

  const done = (length: number) => {
    if (disposed) return;
    waiting -= length;
    history.sync(waiting > 0);
    if (waiting === 0 || !held) options.onChange();
    if (held && waiting < GO_ON_BYTES) {
      held = false;
      options.onHold(false);
    }
  };

  const shown = () => ({
    cols: Math.min(term.cols, LIMITS.screenSide),
    rows: Math.min(term.rows, LIMITS.screenSide),
  });
  /** The first row that is shown, in the emulator's buffer. */
  const top = () => {
    const { baseY, cursorY } = term.buffer.active;
    return baseY + Math.max(0, cursorY - shown().rows + 1);
  };

  const rows = (): string[] => {
    const buffer = term.buffer.active;
    const first = top();
    const { payloads } = maskBuffer(
      buffer,
      first,
      first + shown().rows,
      shown().cols,
      cell,
      buffer.type === "normal" ? history.leftTo(first) : undefined,
      { row: buffer.baseY + buffer.cursorY, x: textBefore(buffer) },
    );
    if (payloads.reduce((sum, payload) => sum + payload.length, 0) <= LIMITS.screenChars)
      return payloads;
    // accents in every cell of a huge terminal
    const room = Math.floor(LIMITS.screenChars / payloads.length) - withGoesOn("").length;
    return payloads.map((payload) => {
      if (payload.length <= room) return payload;
      const text = rowText(payload).slice(0, room);
      return goesOn(payload) ? withGoesOn(text) : text;
    });
  };
  /** Where the cursor stands in its row's text, in UTF-16 units. */
  const textBefore = (buffer: IBuffer) =>
    buffer.getLine(buffer.baseY + buffer.cursorY)?.translateToString(false, 0, buffer.cursorX)
      .length ?? 0;
  const plain = (): string[] => {
    const buffer = term.buffer.active;
    const line = (y: number) => buffer.getLine(top() + y)?.translateToString(true) ?? "";
    return Array.from({ length: shown().rows }, (_, y) => line(y));
  };
  const cursor = () => ({
    x: Math.min(term.buffer.active.cursorX, shown().cols - 1),
    y: term.buffer.active.baseY + term.buffer.active.cursorY - top(),
    visible: cursorVisible,
  });
  const shownTitle = () => {
    if (title.of !== titled)
      title = { of: titled, masked: maskSecrets(titled.slice(0, LIMITS.titleChars)) };
    return title.masked;
  };
  const about = (): View["about"] => ({
    ...shown(),
    cursor: cursor(),
    title: shownTitle(),
    ...(term.buffer.active.type === "alternate" ? { full: true } : {}),
    ...(reverse ? { reverse } : {}),
    ...options.colours?.now(),
  });

  /** The newest view that was not half drawn; only kept once a program has begun an update. */
  let whole: View | undefined;
  let credit = VIEW_BURST_MS;
  let creditedAt = 0;
  const take = (): View => ({ rows: rows(), plain: plain(), about: about() });
  const updates = new SynchronizedUpdates(term, {
    onBegin() {
      const began = performance.now();
      credit = Math.min(VIEW_BURST_MS, credit + (began - creditedAt) * VIEW_SHARE);
      creditedAt = began;
      if (whole !== undefined && credit <= 0) return; // a program that does nothing else: an older one serves
      whole = take();
      credit -= performance.now() - began;
    },
    onLate: options.onChange,
  });
  /** What stood there before the update that is half drawn now. */
  const earlier = () => (updates.isOpen ? whole : undefined);
  const view = (): View => {
    const before = earlier();
    if (before !== undefined) return before;
    if (whole === undefined) return { rows: rows(), plain: [], about: about() };
    whole = take();
    return whole;
  };
  const settled = () => new Promise<void>((resolve) => term.write("", resolve));
  /** Whether what is typed is shown concerns what is typed next: it never waits. */
  const told = (now: View) =>
    options.hidesInput?.() === true ? { ...now.about, secret: true } : now.about;

  return {
    feed(bytes) {
      if (waiting === 0 && bytes.length <= AT_ONCE_BYTES) term.input(""); // what follows a key the emulator does not put off
      for (const part of strings.bound(bytes))
        for (const slice of slices(part, term.cols)) {
          waiting += slice.length;
          term.write(decoder.decode(slice, { stream: true }), () => done(slice.length));
        }
      sinceCollected += bytes.length;
      if (sinceCollected >= COLLECT_BYTES) {
        sinceCollected = 0;
        Bun.gc(true);
      }
      if (held || waiting <= HOLD_BYTES) return;
      held = true;
      options.onHold(true);
    },
    resize(cols, newRows) {
      history.resize(...emulated(cols, newRows));
      options.onChange();
    },
    frame() {
      const now = view();
      const lines: Record<string, string> = {};
      let changed = now.rows.length !== sent?.rows.length;
      now.rows.forEach((payload, y) => {
        if (payload === sent?.rows[y]) return;
        lines[y] = payload;
        changed = true;
      });
      const about = told(now);
      const text = JSON.stringify(about);
      if (!changed && text === sentAbout) return undefined;
      sent = now;
      sentAbout = text;
      return { rev: ++rev, ...about, lines };
    },
    whole() {
      this.frame(); // brings `sent` up to now
      const now = sent ?? view();
      return {
        rev,
        ...told(now),
        lines: Object.fromEntries(now.rows.map((payload, y) => [y, payload])),
      };
    },
    text: () => (earlier()?.rows ?? rows()).map(rowText),
    plain: () => earlier()?.plain ?? plain(),
    cursor: () => earlier()?.about.cursor ?? cursor(),
    tone: (x, y) => {
      const { active } = term.buffer;
      const at = active.getLine(top() + y)?.getCell(x, cell);
      return at === undefined || (at.isFgDefault() && at.isDim() === 0)
        ? ""
        : `${at.getFgColorMode()} ${at.getFgColor()} ${at.isDim()}`;
    },
    isDim: (x, y) => {
      const { active } = term.buffer;
      const faint = active
        .getLine(top() + y)
        ?.getCell(x, cell)
        ?.isDim();
      return (faint ?? 0) !== 0; // a bit of a mask
    },
    modes() {
      const { applicationCursorKeysMode, bracketedPasteMode, mouseTrackingMode } = term.modes;
      const tracked = mouseTrackingMode !== "none" && mouseTrackingMode !== "x10"; // X10's own mode knows no wheel
      return {
        applicationCursor: applicationCursorKeysMode,
        bracketedPaste: bracketedPasteMode,
        wheel: tracked
          ? sgrMouse
            ? "sgr"
            : "x10"
          : term.buffer.active.type === "alternate"
            ? "keys"
            : "none",
        middle: { x: Math.ceil(term.cols / 2), y: Math.ceil(term.rows / 2) },
      };
    },
    login,
    settled,
    get isUpdating() {
      return updates.isOpen;
    },
    async drawn() {
      await settled();
      // one that begins its next update at once is never seen without
      for (let waited = 0; waited < UPDATE_MS && updates.isOpen; waited += LOOK_MS) {
        await Bun.sleep(LOOK_MS);
        await settled();
      }
    },
    paint: (terminal, modes, done) =>
      term.write("", () => done(paintTerminal(term, modes, terminal))),
    ended: () => updates.close(),
    dispose() {
      disposed = true;
      updates.close();
      term.dispose();
    },
  };
}
