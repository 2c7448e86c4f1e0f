import { type Frame, type HistoryOp, LIMITS } from "../types.ts";
import { openEmulator } from "./emulator.ts";
import { followHistory, slices } from "./history.ts";
import { followLogins } from "./logins.ts";
import { maskedRows, maskSecrets } from "./secrets.ts";

/** Output that the emulator has not worked through holds the program back above the first, lets it go on below the second, in bytes. */
const HOLD_BYTES = 256 * 1024;
const GO_ON_BYTES = 64 * 1024;
/** So little, an echo or a line, is worked through at once; the emulator itself would do it a millisecond later. In bytes. */
const AT_ONCE_BYTES = 1024;
/** After so much output what it left behind is collected, which takes some 12 ms, in bytes: left to itself the engine has 133 MB at the peak of a flood of 200 MB, so 108 (measured). */
const COLLECT_BYTES = 8 * 1024 * 1024;

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
  /** How the program has set its terminal for what is typed. */
  modes(): Modes;
  /** A login page that the screen names, and whether a code from there is to be pasted. */
  login(): { url: string; pastes: boolean } | undefined;
  /** Resolves once everything that was fed is on the screen. */
  settled(): Promise<void>;
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
}

/** The emulator beside the PTY: bytes in, rows with styles out. */
export function openScreen(options: ScreenOptions): Screen {
  const term = openEmulator(options.cols, options.rows);
  const cell = term.buffer.active.getNullCell();
  const history = followHistory(term, options.onHistory);
  const login = followLogins(term);
  if (options.onReply !== undefined) term.onData((data) => data !== "" && options.onReply?.(data));

  let title = "";
  let cursorVisible = true;
  term.onTitleChange((text) => {
    title = maskSecrets(text.slice(0, LIMITS.titleChars));
  });
  let sgrMouse = false;
  const followModes = (on: boolean) => (params: (number | number[])[]) => {
    if (params.includes(25)) cursorVisible = on;
    if (params.includes(1006)) sgrMouse = on;
    return false; // the emulator acts on it too
  };
  term.parser.registerCsiHandler({ prefix: "?", final: "h" }, followModes(true));
  term.parser.registerCsiHandler({ prefix: "?", final: "l" }, followModes(false));
  term.parser.registerEscHandler({ final: "c" }, () => {
    cursorVisible = true;
    sgrMouse = false;
    return false;
  });

  // the emulator's own decoder (xterm.js 6.0.0) loses characters such as … and “ where a read ends within them
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let rev = 0;
  let sent: string[] = [];
  let sentMeta = "";
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

  const rows = (): string[] => {
    const buffer = term.buffer.active;
    const payloads = maskedRows(
      buffer,
      buffer.baseY,
      buffer.baseY + term.rows,
      term.cols,
      cell,
      buffer.baseY + buffer.cursorY,
    );
    if (payloads.reduce((sum, payload) => sum + payload.length, 0) <= LIMITS.screenChars)
      return payloads;
    const room = Math.floor(LIMITS.screenChars / payloads.length); // accents in every cell of a huge terminal
    return payloads.map((payload) =>
      payload.length <= room ? payload : (payload.split("\n", 1)[0] ?? "").slice(0, room),
    );
  };
  const cursor = () => ({
    x: Math.min(term.buffer.active.cursorX, term.cols - 1),
    y: term.buffer.active.cursorY,
    visible: cursorVisible,
  });
  const meta = () => {
    const full = term.buffer.active.type === "alternate";
    return { cols: term.cols, rows: term.rows, cursor: cursor(), title, ...(full ? { full } : {}) };
  };

  return {
    feed(bytes) {
      if (waiting === 0 && bytes.length <= AT_ONCE_BYTES) term.input(""); // what follows a key the emulator does not put off
      for (const slice of slices(bytes, term.cols)) {
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
      history.resize(cols, newRows);
      options.onChange();
    },
    frame() {
      const now = rows();
      const lines: Record<string, string> = {};
      let changed = now.length !== sent.length;
      now.forEach((payload, y) => {
        if (payload === sent[y]) return;
        lines[y] = payload;
        changed = true;
      });
      const about = meta();
      const text = JSON.stringify(about);
      if (!changed && text === sentMeta) return undefined;
      sent = now;
      sentMeta = text;
      return { rev: ++rev, ...about, lines };
    },
    whole() {
      this.frame(); // brings `sent` up to now
      return { rev, ...meta(), lines: Object.fromEntries(sent.map((payload, y) => [y, payload])) };
    },
    text: () => rows().map((payload) => payload.split("\n", 1)[0] ?? ""),
    plain: () =>
      Array.from(
        { length: term.rows },
        (_, y) =>
          term.buffer.active.getLine(term.buffer.active.baseY + y)?.translateToString(true) ?? "",
      ),
    cursor,
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
    settled: () => new Promise((resolve) => term.write("", resolve)),
    dispose() {
      disposed = true;
      term.dispose();
    },
  };
}
