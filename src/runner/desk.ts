import { closeSync, writeSync } from "node:fs";
import { openTerminal, rawAttributes, setTerminalAttributes, terminalAttributes } from "./libc.ts";

/** The terminal at the desk: raw while a session runs, and as it was on every way out. */
export interface Desk {
  readonly cols: number;
  readonly rows: number;
  /** Line settings as `stty -g` prints them. */
  readonly lineSettings: string;
  /** Writes in order and never blocks; what the terminal does not take at once waits. */
  write(bytes: Uint8Array): void;
  /** Bytes that wait for the terminal. */
  readonly waiting: number;
  /** Calls back once nothing waits any more. */
  whenDrained(callback: () => void): void;
  raw(): void;
  /** Gives the terminal back as it was found. Never throws, as it runs on the way out. */
  restore(): void;
  /** Writes out what still waits, for at most a second, and lets go of the terminal for good. */
  close(): Promise<void>;
}

/** After this long without progress a stalled terminal is tried on a timer instead of every turn of the loop, in ms. */
const EAGER_MS = 8;
const RETRY_MS = 5;
/** How long `close` waits for a terminal that takes nothing, in ms. */
const CLOSE_MS = 1000;

/** Ends what a full-screen program may have left on: alternate screen, mouse, paste, focus, keys, hidden cursor, colours. */
const RESET_MODES = "\\033[?1049l\\033[?1000l\\033[?1002l\\033[?1003l\\033[?1006l\\033[?1004l\\033[?2004l\\033[?2031l\\033[<u\\033[>4;0m\\033[?25h\\033[0m";

/**
 * A shell that waits on a pipe: told `done` it just ends, but when this process dies without a word (kill -9, a crash) it
 * puts the terminal back. It ignores what the terminal sends to jobs, and may write although it is in the background.
 */
const GUARD = `trap '' INT QUIT TERM HUP TSTP TTOU TTIN
read -r word; [ "$word" = done ] && exit 0
stty "$1" </dev/tty; printf '${RESET_MODES}\\r\\n' >/dev/tty`;

/** Takes hold of the terminal on stdin and stdout; undefined where they are none (then there is nothing to mirror). */
export function openDesk(): Desk | undefined {
  const found = terminalAttributes(0);
  if (found === undefined || terminalAttributes(1) === undefined) return undefined;
  const fd = openTerminal(1);
  const settings = Bun.spawnSync(["stty", "-g"], { stdin: "inherit", stderr: "ignore" }).stdout.toString().trim();
  const guard = Bun.spawn(["/bin/sh", "-c", GUARD, "claude-remote", settings], { stdin: "pipe", stdout: "ignore", stderr: "ignore" });
  guard.unref();

  const queue: Uint8Array[] = [];
  let waiting = 0;
  let gone = false;
  let lastProgress = 0;
  let drained: (() => void)[] = [];

  const flush = () => {
    while (queue[0] !== undefined && !gone) {
      const chunk = queue[0];
      const taken = tryWrite(fd, chunk);
      if (taken === "gone") gone = true;
      else if (taken === 0) return again();
      else {
        lastProgress = performance.now();
        waiting -= taken;
        if (taken === chunk.length) queue.shift();
        else queue[0] = chunk.subarray(taken);
      }
    }
    if (gone) queue.length = waiting = 0; // closed: the hang-up signal ends the session
    const callbacks = drained;
    drained = [];
    for (const callback of callbacks) callback();
  };
  const again = () => {
    if (performance.now() - lastProgress < EAGER_MS) setImmediate(flush);
    else setTimeout(flush, RETRY_MS);
  };

  return {
    get cols() {
      return process.stdout.columns || 80;
    },
    get rows() {
      return process.stdout.rows || 24;
    },
    lineSettings: settings,
    get waiting() {
      return waiting;
    },
    write(bytes) {
      const idle = queue.length === 0;
      queue.push(bytes);
      waiting += bytes.length;
      if (idle) flush();
    },
    whenDrained(callback) {
      if (queue.length === 0) callback();
      else drained.push(callback);
    },
    raw() {
      setTerminalAttributes(0, rawAttributes(found));
    },
    restore() {
      setTerminalAttributes(0, found);
    },
    async close() {
      await Promise.race([new Promise<void>((resolve) => this.whenDrained(resolve)), Bun.sleep(CLOSE_MS)]);
      this.restore();
      guard.stdin.write("done\n");
      guard.stdin.end();
      gone = true;
      closeSync(fd);
    },
  };
}

/** Bytes taken, 0 where the terminal is full, or `gone` where it was closed. */
function tryWrite(fd: number, chunk: Uint8Array): number | "gone" {
  try {
    return writeSync(fd, chunk);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EAGAIN" || code === "EINTR") return 0;
    if (code === "EIO" || code === "EBADF" || code === "ENXIO") return "gone";
    throw error;
  }
}
