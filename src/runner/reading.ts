import type { IPty } from "bun-pty";
import { MARKER } from "./holder.ts";
import { hasStopped, hidesInput, openSlave, setOutputFlow } from "./libc.ts";
import { takeMaster } from "./master.ts";
import { StartError, terminalPath } from "./program.ts";
import type { Pty, PtyOptions } from "./pty.ts";

/** How often it is looked whether the library's thread is gone, and how many times before it is woken once more. In ms. */
const LOOK_MS = 1;
const LOOKS = 5;
/** The exit code is there shortly after SIGCHLD, when the library's thread has waited for the child: looked for at these ages, in ms. */
const EXIT_LOOKS_MS = [0, 1, 2, 5, 10, 20, 50, 100, 200];
/**
 * Somebody else may keep the terminal open after the program has ended: it is looked at so often (in ms) whether more has come, until that was not so
 * twice in a row, and so many times in all. Counted, as on a machine that stands still a clock alone tells nothing of what is yet unread.
 */
const LEFT_OPEN_MS = 125;
const QUIET_LOOKS = 2;
const LEFT_OPEN_LOOKS = 16;

/** How output comes out of a PTY, and what is typed goes in. */
export interface Reading {
  write(bytes: Uint8Array): void;
  /** Bytes that wait to be taken. */
  readonly unread: number;
  resize: Pty["resize"];
  /** Whether lines are read without being shown. */
  hidesInput(): boolean;
  pause(): void;
  resume(): void;
  onChildSignal(): void;
}

/** Linux: we read the master side ourselves, see `master.ts`. */
export function ownReading(
  child: IPty,
  options: PtyOptions,
  finish: (code: number) => void,
): Reading {
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
  let held = false;
  let heard = false; // since it was last looked
  let quiet = 0;
  let looks = 0;

  // looked for on a timer: the holder may have stopped before anybody could hear its signal
  const takeOver = (stoppedFor: number) => {
    if (code !== undefined) return;
    lookForExit();
    if (stoppedFor > 0 && master.isOurs()) {
      ours = true;
      if (options.pixels !== undefined) master.resize(options.cols, options.rows, options.pixels);
      master.read(onData, () => finish(code ?? 1));
      child.kill("SIGUSR1");
      return child.kill("SIGCONT");
    }
    if (stoppedFor > LOOKS) child.kill("SIGCONT"); // the thread still waits: another byte
    const stopped =
      stoppedFor > 0 && stoppedFor <= LOOKS ? stoppedFor + 1 : Number(hasStopped(child.pid));
    setTimeout(() => takeOver(stopped), LOOK_MS);
  };
  const onData = (bytes: Uint8Array) => {
    heard = true;
    if (begun) return options.onData(bytes);
    const at = bytes.indexOf(MARKER);
    if (at < 0) return;
    begun = true;
    for (const typed of early) master.writer.write(typed);
    if (at + 1 < bytes.length) options.onData(bytes.subarray(at + 1));
  };
  const giveUp = () => {
    if (!held) looks++;
    quiet = held || heard ? 0 : quiet + 1;
    heard = false;
    if (quiet < QUIET_LOOKS && looks < LEFT_OPEN_LOOKS)
      return void setTimeout(giveUp, LEFT_OPEN_MS).unref();
    master.stop();
    finish(code ?? 1);
  };
  const lookForExit = () => {
    if (code !== undefined) return;
    code = child.exitCode();
    if (code === undefined) return;
    child.close(); // the last slave of ours: what was written still comes, then the end
    setTimeout(giveUp, LEFT_OPEN_MS);
  };

  takeOver(0);
  return {
    write: (bytes) => (begun ? master.writer.write(bytes) : void early.push(bytes)),
    get unread() {
      return master.writer.waiting;
    },
    resize(cols, rows, pixels) {
      if (code !== undefined) return;
      child.resize(cols, rows); // checks the size
      master.resize(cols, rows, pixels);
    },
    hidesInput: () => begun && master.hidesInput(),
    pause() {
      held = true;
      master.pause();
    },
    resume() {
      held = false;
      quiet = 0;
      master.resume();
    },
    onChildSignal() {
      if (!ours) return;
      if (hasStopped(child.pid)) options.onStop();
      for (const ms of EXIT_LOOKS_MS) setTimeout(lookForExit, ms);
    },
  };
}

/** Elsewhere: bun-pty's own loop, mended; a slow reader stops the terminal's output as Ctrl-S does. */
export function libraryReading(
  child: IPty,
  options: PtyOptions,
  finish: (code: number) => void,
): Reading {
  let slave: ReturnType<typeof openSlave>;
  child.onBytes(options.onData);
  child.onExit(({ exitCode }) => {
    slave?.close();
    slave = undefined;
    finish(exitCode);
  });
  let path: string | undefined;
  const terminal = () => {
    path ??= terminalPath(child.pid);
    return path;
  };
  const setFlow = (flowing: boolean) => {
    const at = slave === undefined ? terminal() : undefined;
    slave ??= at === undefined ? undefined : openSlave(at);
    if (slave !== undefined) setOutputFlow(slave.fd, flowing);
  };
  return {
    write: (bytes) => child.write(bytes),
    unread: 0,
    resize: (cols, rows) => child.resize(cols, rows),
    hidesInput() {
      const at = terminal();
      const open = at === undefined ? undefined : openSlave(at); // not kept: the end of output is seen once no slave is open
      if (open === undefined) return false;
      const hidden = hidesInput(open.fd);
      open.close();
      return hidden;
    },
    pause: () => setFlow(false),
    resume: () => setFlow(true),
    onChildSignal() {
      if (hasStopped(child.pid)) options.onStop();
    },
  };
}
