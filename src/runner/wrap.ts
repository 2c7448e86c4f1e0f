import { constants } from "node:os";
import { type Desk, openDesk } from "./desk.ts";
import { findProgram } from "./program.ts";
import { type Exit, type Pty, startPty } from "./pty.ts";

/** What is wrapped: a program, its arguments and what it finds around it. */
export interface Program {
  command: string;
  args: readonly string[];
  env: Record<string, string | undefined>;
  cwd: string;
}

/** With so much waiting for the terminal at the desk, the program is held back until all of it is out, in bytes. */
const PAUSE_BYTES = 256 * 1024;
/** How long a stop of our own may take to come into force before the session goes on without it, in ms. */
const STOP_MS = 300;

const FORWARDED = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

/** Runs a program with our own standard streams, where they are no terminal: nothing is added or changed. Resolves with its exit code. */
export async function passThrough(program: Program): Promise<number> {
  const path = findProgram(program.command, program.cwd, program.env.PATH ?? "");
  const child = Bun.spawn([path, ...program.args], { cwd: program.cwd, env: program.env, stdin: "inherit", stdout: "inherit", stderr: "inherit" });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of FORWARDED) process.on(signal, forward);
  const code = await child.exited;
  return child.signalCode === null ? code : 128 + (constants.signals[child.signalCode as keyof typeof constants.signals] ?? 0);
}

/** Someone who sees what the program writes, after the desk did. */
export interface Watcher {
  onOutput(bytes: Uint8Array): void;
  onResize(cols: number, rows: number): void;
}

/** Makes a watcher for a program that has just started; `hold` keeps the program's output back while the watcher is behind. */
export type Watch = (pty: Pty, size: { cols: number; rows: number }, hold: (held: boolean) => void) => Watcher;

/** Runs a program in a PTY on the terminal at the desk. Resolves with its exit once the terminal is as it was. */
export async function wrap(program: Program, watch?: Watch): Promise<Exit> {
  const desk = openDesk();
  if (desk === undefined) return { code: await passThrough(program) };
  const exit = await runAtDesk(desk, program, watch);
  await desk.close();
  return exit;
}

function runAtDesk(desk: Desk, program: Program, watch?: Watch): Promise<Exit> {
  return new Promise((resolve, reject) => {
    let watcher: Watcher | undefined;
    const holders = new Set<"desk" | "watcher">();
    const hold = (who: "desk" | "watcher", held: boolean) => {
      const before = holders.size;
      if (held) holders.add(who);
      else holders.delete(who);
      if (before === 0 && holders.size > 0) pty.pause();
      if (before > 0 && holders.size === 0) pty.resume();
    };
    const onData = (bytes: Uint8Array) => {
      desk.write(bytes);
      if (desk.waiting > PAUSE_BYTES && !holders.has("desk")) {
        hold("desk", true);
        desk.whenDrained(() => hold("desk", false));
      }
      watcher?.onOutput(bytes);
    };

    let pty: Pty;
    try {
      pty = startPty({
        ...program,
        cols: desk.cols,
        rows: desk.rows,
        lineSettings: desk.lineSettings,
        onData,
        onStop: () => suspend(desk, pty, resize),
        onExit(exit) {
          for (const [signal, listener] of listeners) process.off(signal, listener);
          process.stdin.destroy();
          resolve(exit);
        },
      });
    } catch (error) {
      void desk.close().then(() => reject(error));
      return;
    }
    desk.raw();
    process.on("exit", () => desk.restore());

    const listeners: [NodeJS.Signals, () => void][] = FORWARDED.map((signal) => [signal, () => pty.kill(signal)]);
    listeners.push(["SIGWINCH", () => resize()]);
    for (const [signal, listener] of listeners) process.on(signal, listener);
    const resize = () => {
      pty.resize(desk.cols, desk.rows);
      watcher?.onResize(desk.cols, desk.rows);
    };
    process.stdin.on("data", (bytes: Uint8Array) => pty.write(bytes));
    process.stdin.on("end", () => pty.kill("SIGHUP")); // the terminal was closed
    process.stdin.on("error", () => pty.kill("SIGHUP"));
    watcher = watch?.(pty, { cols: desk.cols, rows: desk.rows }, (held) => hold("watcher", held));
  });
}

/** Stops this job as the program stopped itself, the terminal given back meanwhile; `fg` brings both back. */
function suspend(desk: Desk, pty: Pty, resize: () => void): void {
  desk.restore();
  const goOn = () => {
    clearTimeout(timer);
    process.off("SIGCONT", goOn);
    desk.raw();
    resize();
    pty.foreground();
  };
  process.on("SIGCONT", goOn);
  const timer = setTimeout(goOn, STOP_MS); // nobody there to continue us, so the kernel ignored the stop
  process.kill(0, "SIGTSTP");
}
