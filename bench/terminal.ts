import { openWaiting } from "./waiting.ts";

/** So much of the newest output is kept to look for something in it, in bytes. */
const TAIL_BYTES = 256;

/** A terminal as a bare reader of a PTY: Bun's own, so that what is measured is not what measures. */
export interface Terminal {
  readonly pid: number;
  /** When the process was started. */
  readonly startedAt: number;
  type(text: string): void;
  /** Resolves with the time at which the newest output ended so. To be called before what brings it. */
  shows(end: string): Promise<number>;
  readonly exited: Promise<number>;
  close(): Promise<void>;
}

export function openTerminal(
  argv: readonly string[],
  { env, cwd }: { env: Record<string, string | undefined>; cwd: string },
): Terminal {
  const { settle, wait } = openWaiting<string>();
  let tail = "";
  const startedAt = performance.now();
  const child = Bun.spawn([...argv], {
    env,
    cwd,
    terminal: {
      cols: 80,
      rows: 24,
      data(_, bytes) {
        tail = (tail + Buffer.from(bytes.subarray(-TAIL_BYTES)).toString("latin1")).slice(
          -TAIL_BYTES,
        );
        settle(tail);
      },
    },
  });
  return {
    pid: child.pid,
    startedAt,
    type: (text) => void child.terminal?.write(text),
    shows: (end) =>
      tail.endsWith(end)
        ? Promise.resolve(performance.now())
        : wait(`the terminal shows ${end}`, (now) => now.endsWith(end)),
    exited: child.exited,
    async close() {
      child.terminal?.close(); // hangs up, as a window that is closed
      const timer = setTimeout(() => child.kill("SIGKILL"), 3000); // ms
      await child.exited;
      clearTimeout(timer);
    },
  };
}
