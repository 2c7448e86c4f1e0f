import { closeSync } from "node:fs";
import { openWriter } from "./descriptor.ts";
import {
  openTerminal,
  rawAttributes,
  setTerminalAttributes,
  terminalAttributes,
  windowPixels,
} from "./libc.ts";
import type { Size } from "./wrap.ts";

/** The terminal at the desk: raw while a session runs, and as it was on every way out. */
export interface Desk {
  readonly cols: number;
  readonly rows: number;
  size(): Size;
  /** Line settings as `stty -g` prints them. */
  readonly lineSettings: string;
  /** Writes in order and never blocks; what the terminal does not take at once waits. */
  write(bytes: Uint8Array): void;
  /** Bytes that wait for the terminal. */
  readonly waiting: number;
  /** Bytes that the terminal has taken. */
  readonly taken: number;
  /** Forgets what waits. */
  skip(): void;
  /** Calls back once nothing waits any more. */
  whenDrained(callback: () => void): void;
  raw(): void;
  /** Gives the terminal back as it was found. Never throws, as it runs on the way out. */
  restore(): void;
  /** Writes out what still waits, for as long as the terminal takes any of it, and lets go of the terminal for good. */
  close(): Promise<void>;
}

/** How long `close` waits for a terminal that takes nothing, and how often that is looked for, in ms. */
const STALLED_MS = 2000;
const LOOK_MS = 100;

/** Ends what a full-screen program may have left on, as far as this is not known: alternate screen (on the normal one the cursor stays where it is), mouse, paste, focus, keys, lines that don't wrap, hidden cursor, colours. */
const RESET_MODES =
  "\\0337\\033[?1049l\\033[?1000l\\033[?1002l\\033[?1003l\\033[?1006l\\033[?1004l\\033[?2004l\\033[?2031l\\033[<u\\033[>4;0m\\033[?7h\\033[?25h\\033[0m";

/**
 * A shell that waits on a pipe: told `done` it just ends, but when this process dies without a word (kill -9, a crash) it
 * puts the terminal back, and becomes the command that tells so, if there is one. It ignores what the terminal sends to jobs,
 * and may write although it is in the background.
 */
const GUARD = `trap '' INT QUIT TERM HUP TSTP TTOU TTIN
read -r word; [ "$word" = done ] && exit 0
stty "$1" </dev/tty; printf '${RESET_MODES}\\r\\n' >/dev/tty
shift; [ $# -gt 0 ] || exit 0
trap - INT QUIT TERM; exec "$@" </dev/null`;

/** Takes hold of the terminal on stdin and stdout; undefined where they are none (then there is nothing to mirror). `ifKilled` is run when this process dies without a word. */
export function openDesk(ifKilled: readonly string[] = []): Desk | undefined {
  const found = terminalAttributes(0);
  if (found === undefined || terminalAttributes(1) === undefined) return undefined;
  const fd = openTerminal(1);
  const blocking = openTerminal(1, true);
  const settings = Bun.spawnSync(["stty", "-g"], { stdin: "inherit", stderr: "ignore" })
    .stdout.toString()
    .trim();
  const guard = Bun.spawn(["/bin/sh", "-c", GUARD, "claude-remote", settings, ...ifKilled], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  guard.unref();

  const out = openWriter(fd, blocking); // closed at the other end: the hang-up signal ends the session

  return {
    get cols() {
      return process.stdout.columns || 80;
    },
    get rows() {
      return process.stdout.rows || 24;
    },
    size() {
      return { cols: this.cols, rows: this.rows, pixels: windowPixels(1) };
    },
    lineSettings: settings,
    get waiting() {
      return out.waiting;
    },
    get taken() {
      return out.taken;
    },
    write: out.write,
    skip: out.skip,
    whenDrained: out.whenDrained,
    raw() {
      setTerminalAttributes(0, rawAttributes(found));
    },
    restore() {
      setTerminalAttributes(0, found);
    },
    async close() {
      const drained = new Promise<void>((resolve) => out.whenDrained(resolve));
      let { taken } = out;
      let since = performance.now();
      while (out.waiting > 0 && performance.now() - since < STALLED_MS) {
        await Promise.race([drained, Bun.sleep(LOOK_MS)]);
        if (out.taken !== taken) since = performance.now();
        taken = out.taken;
      }
      this.restore();
      guard.stdin.write("done\n");
      guard.stdin.end();
      out.stop();
      for (const open of [fd, blocking]) closeSync(open);
    },
  };
}
