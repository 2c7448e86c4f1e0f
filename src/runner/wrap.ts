import { constants } from "node:os";
import { type Desk, openDesk } from "./desk.ts";
import { findProgram, type Pty, startPty } from "./pty.ts";

/** What is wrapped: a program, its arguments and what it finds around it. */
export interface Program {
  command: string;
  args: readonly string[];
  env: Record<string, string | undefined>;
  cwd: string;
}

/** Output that no reader has taken yet is held back in the kernel above the first, let through again below the second, in bytes. */
const PAUSE_BYTES = 256 * 1024;
const RESUME_BYTES = 64 * 1024;
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
  return child.signalCode === null ? code : 128 + constants.signals[child.signalCode];
}

/** Someone who sees what the program writes, after the desk did. */
export interface Watcher {
  /** Takes output; `false` asks to hold the program back until `resume` is called. */
  onOutput(bytes: Uint8Array, resume: () => void): boolean;
  onResize(cols: number, rows: number): void;
}

/** Runs a program in a PTY on the terminal at the desk. Resolves with its exit once the terminal is as it was. */
export async function wrap(program: Program, watch?: (pty: Pty) => Watcher): Promise<{ code: number; signal?: string }> {
  const desk = openDesk();
  if (desk === undefined) return { code: await passThrough(program) };
  const exit = await runAtDesk(desk, program, watch);
  await desk.close();
  return exit;
}

function runAtDesk(desk: Desk, program: Program, watch?: (pty: Pty) => Watcher): Promise<{ code: number; signal?: string }> {
  return new Promise((resolve, reject) => {
    let watcher: Watcher | undefined;
    let holds = 0; // who asked to hold the program back: the desk, the watcher
    const hold = () => {
      if (++holds === 1) pty.pause();
    };
    const release = () => {
      if (--holds === 0) pty.resume();
    };
    let deskHolds = false;

    const onData = (bytes: Uint8Array) => {
      desk.write(bytes);
      if (!deskHolds && desk.waiting > PAUSE_BYTES) {
        deskHolds = true;
        hold();
        desk.whenDrained(() => {
          deskHolds = false;
          release();
        });
      }
      if (watcher?.onOutput(bytes, release) === false) hold();
    };

    let pty: Pty;
    try {
      pty = startPty({
        ...program,
        cols: desk.cols,
        rows: desk.rows,
        lineSettings: desk.lineSettings,
        onData,
        onStop: () => suspend(desk, pty),
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
    watcher = watch?.(pty);
  });
}

/** Stops this job as the program stopped itself, the terminal given back meanwhile; `fg` brings both back. */
function suspend(desk: Desk, pty: Pty): void {
  desk.restore();
  const goOn = () => {
    clearTimeout(timer);
    process.off("SIGCONT", goOn);
    desk.raw();
    pty.resize(desk.cols, desk.rows);
    pty.foreground();
  };
  process.on("SIGCONT", goOn);
  const timer = setTimeout(goOn, STOP_MS); // nobody there to continue us, so the kernel ignored the stop
  process.kill(0, "SIGTSTP");
}

export { RESUME_BYTES };
