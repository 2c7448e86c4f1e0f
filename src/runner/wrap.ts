import { type Desk, openDesk } from "./desk.ts";
import { becomeProgram, type Pixels } from "./libc.ts";
import { findProgram, StartError } from "./program.ts";
import { type Paint, TerminalOutput } from "./pty/terminal-output.ts";
import { type Exit, type Pty, startPty } from "./pty.ts";

/** What is wrapped: a program, its arguments and what it finds around it. */
export interface Program {
  /** What people call it, such as `claude`. */
  name: string;
  command: string;
  /** Whether it takes Claude Code's `--settings` and calls its hooks. */
  hooks: boolean;
  /** Arguments that come before all others, such as an interpreter's script. */
  before?: readonly string[];
  args: readonly string[];
  env: Record<string, string | undefined>;
  cwd: string;
}

/** Answers to the queries of a program that does not read them are dropped above this, in bytes. */
const UNREAD_BYTES = 64 * 1024;
/** How long a terminal that takes nothing is waited for, and how long reports may still come of the mouse that was just switched off, in ms. */
const UNDO_MS = 1000;
const REPORTS_MS = 100;
/** How long a stop of our own may take to come into force before the session goes on without it, in ms. */
const STOP_MS = 300;

const FORWARDED = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

const allArgs = ({ before = [], args }: Program) => [...before, ...args];

/** Becomes the program, where there is no terminal to mirror: nothing of ours is left that could change anything. Throws a `StartError`. */
export function passThrough(program: Program): never {
  const { command, env, cwd } = program;
  const args = allArgs(program);
  const path = findProgram(command, cwd, env.PATH ?? "");
  becomeProgram(path, [command, ...args], env);
  becomeProgram("/bin/sh", ["sh", path, ...args], env); // a script without a first line that names its shell, as shells do
  throw new StartError(`${command}: ${path} can't be run`, 126);
}

/** Runs the program as a child that has all of our terminal, input and output; our own signals go on to it. Resolves with its exit code. */
export async function runBeside(program: Program): Promise<number> {
  const { command, env, cwd } = program;
  const child = Bun.spawn([findProgram(command, cwd, env.PATH ?? ""), ...allArgs(program)], {
    cwd,
    env,
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  const listeners = FORWARDED.map((signal): [NodeJS.Signals, () => void] => [
    signal,
    () => child.kill(signal),
  ]);
  for (const [signal, listener] of listeners) process.on(signal, listener);
  const code = await child.exited;
  for (const [signal, listener] of listeners) process.off(signal, listener);
  return code;
}

/** Someone who sees what the program writes, after the desk did. */
export interface Watcher {
  onOutput(bytes: Uint8Array): void;
  /** The desk has another size now; the watcher sees to it that the program has it, unless a phone took the size over. */
  onResize(desk: Size): void;
  /** This came from the desk's terminal. */
  onTyped(bytes: Uint8Array): void;
  /** Draws all that `onOutput` was given so far on a terminal of this size, before it takes more. */
  paint?(terminal: Size, ...how: Parameters<Paint>): void;
}

/**
 * Makes a watcher for a program that has just started. `hold` keeps the program's output back while the watcher is behind;
 * `reply` takes the emulator's answers to the program's queries, and drops them while a terminal is there to answer them; `repaint`
 * draws the terminal at the desk anew.
 */
export type Watch = (
  pty: Pty,
  size: Size,
  hold: (held: boolean) => void,
  reply?: (data: string) => void,
  repaint?: () => void,
) => Watcher;
export interface Size {
  cols: number;
  rows: number;
  /** Of the whole window, where its terminal tells. */
  pixels?: Pixels | undefined;
}

/** Runs a program in a PTY on the terminal at the desk. Resolves with its exit once the terminal is as it was; `ifKilled` is run should this process be killed. */
export async function wrap(
  program: Program,
  watch?: Watch,
  ifKilled?: readonly string[],
): Promise<Exit> {
  const desk = openDesk(ifKilled);
  if (desk === undefined) return passThrough(program);
  const exit = await runAtDesk(desk, program, watch);
  await desk.close();
  return exit;
}

/** Runs a program in a PTY with no terminal at the desk, where only phones see it. Our own signals go on to the program. */
export function wrapUnseen(program: Program, size: Size, watch?: Watch): Promise<Exit> {
  return new Promise((resolve) => {
    let watcher: Watcher | undefined;
    const pty = startPty({
      ...program,
      // where we are already: by its name it could have become another folder since it was looked at
      cwd: program.cwd === process.cwd() ? "." : program.cwd,
      args: allArgs(program),
      ...size,
      onData: (bytes) => watcher?.onOutput(bytes),
      onStop: () => pty.foreground(), // nobody could continue it
      onExit(exit) {
        for (const [signal, listener] of listeners) process.off(signal, listener);
        resolve(exit);
      },
    });
    const listeners = FORWARDED.map((signal): [NodeJS.Signals, () => void] => [
      signal,
      () => pty.kill(signal),
    ]);
    for (const [signal, listener] of listeners) process.on(signal, listener);
    watcher = watch?.(
      pty,
      size,
      (held) => (held ? pty.pause() : pty.resume()),
      (data) => {
        if (pty.unread < UNREAD_BYTES) pty.write(data);
      },
    );
  });
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
    const output = new TerminalOutput(desk, (held) => hold("desk", held));
    const onData = (bytes: Uint8Array) => {
      output.write(bytes);
      watcher?.onOutput(bytes);
    };

    let pty: Pty;
    try {
      pty = startPty({
        ...program,
        args: allArgs(program),
        ...desk.size(),
        lineSettings: desk.lineSettings,
        onData,
        onStop: () => suspend(desk, pty, resize),
        onExit(exit) {
          // a program that was killed could not set its terminal back itself
          const undo = exit.signal === undefined ? "" : output.undo();
          const ended = undo === "" ? Promise.resolve() : undoModes(desk, undo);
          void ended.then(() => {
            for (const [signal, listener] of listeners) process.off(signal, listener);
            process.stdin.destroy();
            resolve(exit);
          });
        },
      });
    } catch (error) {
      void desk.close().then(() => reject(error));
      return;
    }
    desk.raw();
    process.on("exit", () => desk.restore());

    const listeners: [NodeJS.Signals, () => void][] = FORWARDED.map((signal) => [
      signal,
      () => pty.kill(signal),
    ]);
    listeners.push(["SIGWINCH", () => resize()]);
    for (const [signal, listener] of listeners) process.on(signal, listener);
    const resize = () => {
      const size = desk.size();
      if (watcher === undefined) pty.resize(size.cols, size.rows, size.pixels);
      else watcher.onResize(size);
    };
    process.stdin.on("data", (bytes: Uint8Array) => {
      watcher?.onTyped(bytes);
      pty.write(bytes);
    });
    process.stdin.resume(); // whoever read it before us may have paused it
    process.stdin.on("end", () => pty.kill("SIGHUP")); // the terminal was closed
    process.stdin.on("error", () => pty.kill("SIGHUP"));
    watcher = watch?.(
      pty,
      desk.size(),
      (held) => hold("watcher", held),
      (data) => {
        if (output.isBehind && pty.unread < UNREAD_BYTES) pty.write(data);
      },
      () => output.repaint(),
    );
    const { paint } = watcher ?? {};
    if (paint !== undefined) output.paint = (...how) => paint(desk.size(), ...how);
  });
}

/** Undoes what a program left on. What its mouse sends meanwhile is read here, or the shell would have it. */
async function undoModes(desk: Desk, undo: string): Promise<void> {
  desk.write(new TextEncoder().encode(undo));
  await Promise.race([
    new Promise<void>((resolve) => desk.whenDrained(resolve)),
    Bun.sleep(UNDO_MS),
  ]);
  await Bun.sleep(REPORTS_MS);
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
