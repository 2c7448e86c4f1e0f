import { CString, dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { constants as os } from "node:os";

/**
 * The few calls that neither Bun nor bun-pty has: terminal attributes, flow control and a child's stopped state.
 * Structures stay opaque bytes, so that nothing depends on their layout beyond what is said here.
 */

const mac = process.platform === "darwin";
/** Larger than struct termios (60 bytes on Linux, 72 on macOS) and siginfo_t (128 on Linux, 104 on macOS). */
const STRUCT_BYTES = 256;
/** termios(3) actions of tcflow. */
const TCOOFF = mac ? 1 : 0;
const TCOON = mac ? 2 : 1;
/** tcsetattr(3): apply at once; waiting for output to drain could hang on a stalled terminal. */
const TCSANOW = 0;
/** waitid(2). */
const P_PID = 1;
const WNOHANG = 1;
const WSTOPPED = mac ? 8 : 2;

/** Of struct termios the third group of flags after iflag, oflag and cflag, each a 32-bit number on Linux and a 64-bit one on macOS (termios(3)). */
const LFLAG_OFFSET = mac ? 24 : 12;
const ICANON = mac ? 0x100 : 0x2;
const ECHO = 0x8;

/** signal(2). */
const SIG_DFL = 0;
const SIG_IGN = 1;
/** Bun ignores these, and what it starts would too. */
const BUN_IGNORES = [os.signals.SIGPIPE, os.signals.SIGXFSZ];

/** flock(2). */
const LOCK_EX = 2;
const LOCK_NB = 4;

/** fcntl(2) and ioctl_tty(2) on Linux; never called elsewhere, as variadic functions have another calling convention on macOS. */
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;

const symbols = {
  tcgetattr: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  tcsetattr: { args: [FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  cfmakeraw: { args: [FFIType.ptr], returns: FFIType.void },
  tcflow: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  waitid: { args: [FFIType.i32, FFIType.u32, FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  ttyname: { args: [FFIType.i32], returns: FFIType.ptr },
  ptsname: { args: [FFIType.i32], returns: FFIType.ptr },
  fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  pipe: { args: [FFIType.ptr], returns: FFIType.i32 },
  dup: { args: [FFIType.i32], returns: FFIType.i32 },
  dup2: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  execve: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  signal: { args: [FFIType.i32, FFIType.u64], returns: FFIType.ptr },
  flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
} as const;

function load() {
  const musl = `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`;
  const names = mac ? ["libSystem.B.dylib"] : ["libc.so.6", musl];
  const reasons: string[] = [];
  for (const name of names) {
    try {
      return dlopen(name, symbols).symbols;
    } catch (error) {
      reasons.push(String(error));
    }
  }
  throw new Error(`the C library could not be loaded: ${reasons.join("; ")}`);
}

const libc = load();

/** A terminal's attributes, or undefined where `fd` is no terminal. */
export function terminalAttributes(fd: number): Uint8Array | undefined {
  const attributes = new Uint8Array(STRUCT_BYTES);
  return libc.tcgetattr(fd, ptr(attributes)) === 0 ? attributes : undefined;
}

/**
 * Whether a terminal's lines are read without being shown, as passwords are. A full-screen program or a shell's prompt, which shows
 * itself what is typed, reads no lines. Works on either side of a pseudo-terminal; false where it is gone.
 */
export function hidesInput(fd: number): boolean {
  const attributes = terminalAttributes(fd);
  if (attributes === undefined) return false;
  const flags = new DataView(attributes.buffer).getUint32(LFLAG_OFFSET, true);
  return (flags & ICANON) !== 0 && (flags & ECHO) === 0;
}

/** Puts attributes from `terminalAttributes` back; false where the terminal is gone. */
export function setTerminalAttributes(fd: number, attributes: Uint8Array): boolean {
  return libc.tcsetattr(fd, TCSANOW, ptr(attributes)) === 0;
}

/** The same attributes made raw: no echo, no signals, no translation in either direction (cfmakeraw(3)). */
export function rawAttributes(attributes: Uint8Array): Uint8Array {
  const raw = attributes.slice();
  libc.cfmakeraw(ptr(raw));
  return raw;
}

/** Stops or restarts output on a terminal, as Ctrl-S and Ctrl-Q do. */
export function setOutputFlow(fd: number, flowing: boolean): void {
  libc.tcflow(fd, flowing ? TCOON : TCOOFF);
}

/** Whether the child has stopped since the last call. Takes no exit status away from whoever waits for the child. */
export function hasStopped(pid: number): boolean {
  const info = new Uint8Array(STRUCT_BYTES);
  // si_signo, the first int, stays 0 where there is nothing to report
  return libc.waitid(P_PID, pid, ptr(info), WNOHANG | WSTOPPED) === 0 && (info[0] ?? 0) !== 0;
}

/**
 * A descriptor of our own on the terminal behind `fd`, non-blocking unless told otherwise. Setting O_NONBLOCK on `fd` itself would
 * change it for the shell, which shares it.
 */
export function openTerminal(fd: number, blocking = false): number {
  const name = libc.ttyname(fd);
  const path = name === null ? "/dev/tty" : new CString(name).toString();
  return openSync(
    path,
    constants.O_RDWR | constants.O_NOCTTY | (blocking ? 0 : constants.O_NONBLOCK),
  );
}

/** Opens a pseudo-terminal's slave by path, without becoming its session's terminal; undefined where it is gone. */
export function openSlave(path: string): { fd: number; close: () => void } | undefined {
  try {
    const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    return { fd, close: () => closeSync(fd) };
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/** Our descriptors of the master side whose slave is at this path (Linux). */
export function masterDescriptors(slavePath: string): number[] {
  const ours = readdirSync("/proc/self/fd").map(Number);
  return ours.filter((fd) => {
    const name = libc.ptsname(fd); // null for whatever is no master
    return name !== null && new CString(name).toString() === slavePath;
  });
}

/** A descriptor of our own for the same open file, which is non-blocking from now on for all of them (Linux). */
export function duplicateNonBlocking(fd: number): number {
  const copy = libc.fcntl(fd, F_DUPFD_CLOEXEC, 3);
  libc.fcntl(copy, F_SETFL, libc.fcntl(copy, F_GETFL, 0) | constants.O_NONBLOCK);
  return copy;
}

/**
 * Makes descriptors lead to an end, while whoever holds them goes on as before. The answer tells, for each, whether it still
 * leads there: a closed one's number may soon be somebody else's, so the end is one of its own (a pipe that nobody writes to).
 */
export function redirectToEnd(fds: readonly number[]): (fd: number) => boolean {
  const pipe = new Int32Array(2);
  if (libc.pipe(ptr(pipe)) !== 0) throw new Error("no pipe to be had: too many open files");
  const [end = -1, start = -1] = pipe;
  const name = whereTo(end);
  for (const fd of fds) libc.dup2(end, fd);
  for (const fd of [end, start]) closeSync(fd);
  return (fd) => whereTo(fd) === name;
}

/** What a descriptor leads to, such as `pipe:[4711]` (Linux); undefined where it is closed. */
function whereTo(fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/** Bun closes what it inherits on exec, also the descriptors of a shell's `<(command)`: a copy put in their place is not closed (dup2(2)). */
function keepOpen(fd: number): void {
  if (fd < 3) return;
  const copy = libc.dup(fd);
  if (copy < 0) return;
  libc.dup2(copy, fd);
  closeSync(copy);
}

/**
 * Becomes another program: same process, same descriptors, same signals (execve(2)). Returns only where that failed. Bun
 * ignores SIGPIPE and SIGXFSZ, which the program would inherit: they are put back.
 */
export function becomeProgram(
  path: string,
  args: readonly string[],
  env: Record<string, string | undefined>,
): void {
  const kept: Buffer[] = []; // alive until the call
  const text = (value: string) => {
    const bytes = Buffer.from(`${value}\0`);
    kept.push(bytes);
    return ptr(bytes);
  };
  const list = (values: readonly string[]) =>
    new BigUint64Array([...values.map((value) => BigInt(text(value))), 0n]);
  const argv = list(args);
  const environment = list(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${value}`],
    ),
  );
  for (const signal of BUN_IGNORES) libc.signal(signal, SIG_DFL);
  for (const arg of args) keepOpen(Number(/^\/(?:dev|proc\/self)\/fd\/(\d+)$/.exec(arg)?.[1] ?? 0));
  libc.execve(text(path), ptr(argv), ptr(environment));
  for (const signal of BUN_IGNORES) libc.signal(signal, SIG_IGN);
}

/** A window's size in pixels. */
export interface Pixels {
  width: number;
  height: number;
}

/** The signals that this process ignores now, by number (Linux). */
function ignoredNow(): number[] {
  if (mac) return [...BUN_IGNORES];
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const ignored = BigInt(`0x${mask ?? "0"}`);
  return Object.values(os.signals).filter((n) => (ignored & (1n << BigInt(n - 1))) !== 0n);
}

/** What this process was started to ignore, as under nohup(1), without what Bun ignores itself. Looked for at once, as Bun takes some over; on a terminal it has taken SIGINT and SIGTERM by then. */
export const ignoredSignals: readonly number[] = ignoredNow().filter(
  (signal) => !BUN_IGNORES.includes(signal),
);

/** Starts a child that ignores no signal: it would inherit those that are ignored here. */
export function withoutIgnored<T>(start: () => T): T {
  const ignored = ignoredNow();
  for (const signal of ignored) libc.signal(signal, SIG_DFL);
  try {
    return start();
  } finally {
    for (const signal of ignored) libc.signal(signal, SIG_IGN);
  }
}

/** Tells a terminal its size (Linux); its foreground job gets SIGWINCH where that is another. */
export function setWindowSize(
  fd: number,
  cols: number,
  rows: number,
  { width, height }: Pixels = { width: 0, height: 0 },
): void {
  libc.ioctl(fd, TIOCSWINSZ, ptr(new Uint16Array([rows, cols, width, height])));
}

/** A terminal's size in pixels, where it tells that (Linux): pictures are drawn by it. */
export function windowPixels(fd: number): Pixels | undefined {
  if (mac) return undefined;
  const size = new Uint16Array(4);
  if (libc.ioctl(fd, TIOCGWINSZ, ptr(size)) !== 0) return undefined;
  const [, , width = 0, height = 0] = size;
  return width === 0 || height === 0 ? undefined : { width, height };
}

/** Locks an open file for this process alone; false where another has it. The kernel frees it with the descriptor, however its holder ends. */
export function lockFile(fd: number): boolean {
  return libc.flock(fd, LOCK_EX | LOCK_NB) === 0;
}
