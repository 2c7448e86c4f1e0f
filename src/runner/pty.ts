import { accessSync, constants, existsSync, readFileSync, readlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type IPty, spawn } from "bun-pty";
import { hasStopped, openSlave, setOutputFlow } from "./libc.ts";
import { takeMaster } from "./master.ts";

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
  /** Columns and rows, 1 to 65535 each. */
  resize(cols: number, rows: number): void;
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
  /** Line settings as `stty -g` prints them, so that the program finds the terminal as it is at the desk. */
  lineSettings?: string;
  onData(bytes: Uint8Array): void;
  /** The program stopped itself (Ctrl-Z). */
  onStop(): void;
  onExit(exit: Exit): void;
  /** False leaves reading to bun-pty's own loop, as it is off Linux. */
  takeOver?: boolean;
}

/** The program can't be started; `exitCode` is what a shell would say (127 not found, 126 not executable). */
export class StartError extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/**
 * The shell that holds the terminal runs the program as its foreground job. That gives it what it has at a prompt and
 * would not have as a session leader: a process group that may stop (an orphaned one ignores Ctrl-Z), and an exit status
 * that tells signals apart (bun-pty's library waits for the child itself and keeps one number, 1 for every signal). When
 * the job stops, the holder stops too, which its parent can see; continued, it brings the job back.
 */
const HOLDER = `exec 3>&2 2>/dev/null
trap : INT QUIT TERM
set -m
(exec "$@" 2>&3 3>&-)
s=$?
while case $(kill -l $s) in *STOP|*TSTP|*TTIN|*TTOU) jobs %% >/dev/null;; *) false;; esac
do kill -STOP $$; fg >/dev/null; s=$?; done
exit $s`;

/** bash as the holder loses the job after Ctrl-C and writes job notices on the screen: there the program can't stop. */
const PLAIN_HOLDER = `trap : INT QUIT TERM
"$@"
exit $?`;

/**
 * Before that it waits until the master side is ours: a byte wakes the library's thread, which then ends, and the holder
 * stops so that we can look. What it writes up to the marker is not the program's.
 */
const HANDSHAKE = `if [ "$1" = wait ]; then
trap go=1 USR1
while [ -z "$go" ]; do printf .; kill -STOP $$; done
trap - USR1
printf '\\036'
fi
stty "$2" 2>/dev/null; shift 2
`;
const MARKER = 0x1e;
/** How often it is looked whether the library's thread is gone, and how many times before it is woken once more. In ms. */
const LOOK_MS = 1;
const LOOKS = 5;
/** The exit code is there shortly after SIGCHLD, when the library's thread has waited for the child: looked for at these ages, in ms. */
const EXIT_LOOKS_MS = [0, 1, 2, 5, 10, 20, 50, 100, 200];
/** Somebody else may keep the terminal open after the program has ended; its output is waited for this long, in ms. */
const LEFT_OPEN_MS = 250;

function holderShell(): { argv: string[]; script: string } {
  for (const dash of ["/bin/dash", "/usr/bin/dash"]) {
    if (existsSync(dash)) return { argv: [dash], script: HOLDER };
  }
  for (const busybox of ["/bin/busybox", "/usr/bin/busybox"]) {
    if (existsSync(busybox)) return { argv: [busybox, "sh"], script: HOLDER };
  }
  return { argv: ["/bin/sh"], script: PLAIN_HOLDER };
}

/** Finds a program the way a shell does. Throws a `StartError` that says what is wrong with it. */
export function findProgram(command: string, cwd: string, path: string): string {
  const places = command.includes("/")
    ? [command.startsWith("/") ? command : join(cwd, command)]
    : path.split(delimiter).map((dir) => join(dir || cwd, command));
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new StartError(`${command}: command not found`, 127);
  for (const place of places) {
    try {
      accessSync(place, constants.X_OK);
      return place;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }
  throw new StartError(`${command}: ${found} is not executable`, 126);
}

/** The holder's child, the program itself, while it runs. */
export function programPid(holder: number): number | undefined {
  if (process.platform === "linux") {
    try {
      const children = readFileSync(`/proc/${holder}/task/${holder}/children`, "utf8").trim();
      const pid = Number(children.split(" ")[0]);
      if (pid > 0) return pid;
    } catch (error) {
      if (!(error instanceof Error)) throw error; // gone, or a kernel without that file: ask ps
    }
  }
  const ps = Bun.spawnSync(["ps", "-A", "-o", "pid=,ppid="]);
  for (const line of ps.stdout.toString().split("\n")) {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    if (parent === holder && pid !== undefined) return pid;
  }
  return undefined;
}

function terminalPath(holder: number): string | undefined {
  if (process.platform === "linux") {
    try {
      return readlinkSync(`/proc/${holder}/fd/0`);
    } catch (error) {
      if (error instanceof Error) return undefined; // already gone
      throw error;
    }
  }
  const name = Bun.spawnSync(["ps", "-o", "tty=", "-p", String(holder)])
    .stdout.toString()
    .trim();
  return name === "" || name.startsWith("?") ? undefined : `/dev/${name}`;
}

const SIGNALS: Record<number, string> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
};

function toExit(code: number): Exit {
  const signal = SIGNALS[code - 128];
  return signal === undefined ? { code } : { code, signal };
}

/**
 * Starts a program in a pseudo-terminal of its own. Throws a `StartError` where the program, the directory or the size
 * can't be used; nothing has been started then.
 */
export function startPty(options: PtyOptions): Pty {
  const program = findProgram(options.command, options.cwd, options.env.PATH ?? "");
  const { argv, script } = holderShell();
  const [shell = "/bin/sh", ...shellArgs] = argv;
  const passive = options.takeOver !== false && process.platform === "linux";
  const preparation = [passive ? "wait" : "go", options.lineSettings ?? "iutf8"];
  let child: ReturnType<typeof spawn>;
  try {
    child = spawn(shell, [...shellArgs, "-c", HANDSHAKE + script, "claude-remote", ...preparation, program, ...options.args], {
      cols: options.cols,
      rows: options.rows,
      cwd: options.cwd,
      env: options.env,
      name: "xterm-256color",
      passive,
    });
  } catch (error) {
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
    resize: io.resize,
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

interface Reading {
  write(bytes: Uint8Array): void;
  resize(cols: number, rows: number): void;
  pause(): void;
  resume(): void;
  onChildSignal(): void;
}

/** Linux: we read the master side ourselves, see `master.ts`. */
function ownReading(child: IPty, options: PtyOptions, finish: (code: number) => void): Reading {
  const slave = terminalPath(child.pid);
  const master = slave === undefined ? undefined : takeMaster(slave);
  if (master === undefined) {
    child.kill("SIGKILL");
    throw new StartError("the pseudo-terminal could not be taken over", 126);
  }
  let ours = false;
  let begun = false;
  const early: Uint8Array[] = [];
  let code: number | undefined;

  // looked for on a timer: the holder may have stopped before anybody could hear its signal
  const takeOver = (stoppedFor: number) => {
    if (code !== undefined) return;
    lookForExit();
    if (stoppedFor > 0 && master.isOurs()) {
      ours = true;
      master.read(onData, () => finish(code ?? 1));
      child.kill("SIGUSR1");
      return child.kill("SIGCONT");
    }
    if (stoppedFor > LOOKS) child.kill("SIGCONT"); // the thread still waits: another byte
    const stopped = stoppedFor > 0 && stoppedFor <= LOOKS ? stoppedFor + 1 : Number(hasStopped(child.pid));
    setTimeout(() => takeOver(stopped), LOOK_MS);
  };
  const onData = (bytes: Uint8Array) => {
    if (begun) return options.onData(bytes);
    const at = bytes.indexOf(MARKER);
    if (at < 0) return;
    begun = true;
    for (const typed of early) master.writer.write(typed);
    if (at + 1 < bytes.length) options.onData(bytes.subarray(at + 1));
  };
  const lookForExit = () => {
    if (code !== undefined) return;
    code = child.exitCode();
    if (code === undefined) return;
    child.close(); // the last slave of ours: what was written still comes, then the end
    setTimeout(() => {
      master.stop();
      finish(code ?? 1);
    }, LEFT_OPEN_MS).unref();
  };

  takeOver(0);
  return {
    write: (bytes) => (begun ? master.writer.write(bytes) : void early.push(bytes)),
    resize(cols, rows) {
      if (code !== undefined) return;
      child.resize(cols, rows); // checks the size
      master.resize(cols, rows);
    },
    pause: master.pause,
    resume: master.resume,
    onChildSignal() {
      if (!ours) return;
      if (hasStopped(child.pid)) options.onStop();
      for (const ms of EXIT_LOOKS_MS) setTimeout(lookForExit, ms);
    },
  };
}

/** Elsewhere: bun-pty's own loop, mended; a slow reader stops the terminal's output as Ctrl-S does. */
function libraryReading(child: IPty, options: PtyOptions, finish: (code: number) => void): Reading {
  let slave: ReturnType<typeof openSlave>;
  child.onBytes(options.onData);
  child.onExit(({ exitCode }) => {
    slave?.close();
    slave = undefined;
    finish(exitCode);
  });
  const setFlow = (flowing: boolean) => {
    const path = slave === undefined ? terminalPath(child.pid) : undefined;
    slave ??= path === undefined ? undefined : openSlave(path);
    if (slave !== undefined) setOutputFlow(slave.fd, flowing);
  };
  return {
    write: (bytes) => child.write(bytes),
    resize: (cols, rows) => child.resize(cols, rows),
    pause: () => setFlow(false),
    resume: () => setFlow(true),
    onChildSignal() {
      if (hasStopped(child.pid)) options.onStop();
    },
  };
}

/** Signals a job's process group, or the process alone where it has none of its own. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
}
