import { constants } from "node:os";
import { spawn } from "bun-pty";
import { holderCommand } from "./holder.ts";
import { ignoredSignals, type Pixels, withoutIgnored } from "./libc.ts";
import { findProgram, programPid, StartError, signalGroup } from "./program.ts";
import { libraryReading, ownReading } from "./reading.ts";

/** How a program ended: its exit code (128+n where a signal ended it) and that signal's name. */
export interface Exit {
  code: number;
  signal?: string;
}

/** A program in a pseudo-terminal. */
export interface Pty {
  /** The process that holds the terminal; the program is its only child. */
  readonly holder: number;
  write(data: string | Uint8Array): void;
  /** Bytes that the program has yet to read, as far as they can be told. */
  readonly unread: number;
  /** Columns and rows, 1 to 65535 each, and the size in pixels where it is known. */
  resize(cols: number, rows: number, pixels?: Pixels): void;
  /** Whether the program reads lines that its terminal does not show, such as a password. */
  hidesInput(): boolean;
  /** Signals the program's process group; nothing happens once it has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Holds the program's output back in the kernel, so that a slow reader costs no memory. */
  pause(): void;
  resume(): void;
  /** Continues a program that had stopped itself, in the foreground. */
  foreground(): void;
}

export interface PtyOptions {
  command: string;
  args: readonly string[];
  /** The program's whole environment; undefined values are left out. */
  env: Record<string, string | undefined>;
  cwd: string;
  cols: number;
  rows: number;
  pixels?: Pixels | undefined;
  /** Line settings as `stty -g` prints them, so that the program finds the terminal as it is at the desk. */
  lineSettings?: string;
  onData(bytes: Uint8Array): void;
  /** The program stopped itself (Ctrl-Z). */
  onStop(): void;
  onExit(exit: Exit): void;
  /** False leaves reading to bun-pty's own loop, as it is off Linux. */
  takeOver?: boolean;
}

/** There is no PTY to be had here, whatever the program: the library can't be loaded (a full or forbidden temporary folder). */
export class NoPty extends Error {}

function toExit(code: number): Exit {
  const signal = Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  return signal === undefined ? { code } : { code, signal };
}

/**
 * Starts a program in a pseudo-terminal of its own. Throws a `StartError` where the program, the directory or the size
 * can't be used, a `NoPty` where there is no library; nothing has been started then.
 */
export function startPty(options: PtyOptions): Pty {
  const program = findProgram(options.command, options.cwd, options.env.PATH ?? "");
  const passive = options.takeOver !== false && process.platform === "linux";
  const [shell, ...args] = holderCommand(passive, options.lineSettings ?? "iutf8", ignoredSignals, [
    program,
    ...options.args,
  ]);
  let child: ReturnType<typeof spawn>;
  try {
    child = withoutIgnored(() =>
      spawn(shell, args, {
        cols: options.cols,
        rows: options.rows,
        cwd: options.cwd,
        env: options.env,
        name: "xterm-256color",
        passive,
      }),
    );
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ELIBACC")
      throw new NoPty(error.message);
    throw new StartError(error instanceof Error ? error.message : String(error), 126);
  }

  let ended = false;
  const finish = (code: number) => {
    if (ended) return;
    ended = true;
    process.off("SIGCHLD", onChildSignal);
    options.onExit(toExit(code));
  };
  const io = passive ? ownReading(child, options, finish) : libraryReading(child, options, finish);
  const onChildSignal = () => {
    if (!ended) io.onChildSignal();
  };
  process.on("SIGCHLD", onChildSignal);

  return {
    holder: child.pid,
    write: (data) => {
      if (!ended) io.write(typeof data === "string" ? new TextEncoder().encode(data) : data);
    },
    get unread() {
      return io.unread;
    },
    resize: io.resize,
    hidesInput: () => !ended && io.hidesInput(),
    kill(signal) {
      if (ended) return;
      const pid = programPid(child.pid);
      if (pid === undefined) return child.kill(signal); // the program is gone: only the holder is left
      signalGroup(pid, signal);
    },
    pause: io.pause,
    resume: io.resume,
    foreground: () => child.kill("SIGCONT"),
  };
}
