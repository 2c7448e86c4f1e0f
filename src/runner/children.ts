import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { type Exit, parseJson } from "../types.ts";
import type { DaemonLog } from "./daemon-log.ts";
import type { Pairing } from "./link.ts";
import { birthOf, parentOf, processesOf, signalProcess } from "./processes.ts";
import { ownCommand } from "./program.ts";
import { reportLoss } from "./rest.ts";
import { recordPath, SessionRecord, type SessionSpec } from "./spec.ts";

/** How long a session that was killed may take to report that itself, and what is left of one to end, in ms. */
const KILLED_MS = 2000;
const HANG_UP_MS = 3000;
/** How long sessions may take to end in order, in ms. */
const END_MS = 10_000;
/** How long a start is waited for, and how often we look, in ms. */
const START_MS = 5000;
const LOOK_MS = 25;
/** A session that another daemon started is looked after this often, and what is left of one, in ms. */
const WATCH_MS = 250;
const LEFT_MS = 50;
/** What was killed has gone within this time, in ms, unless it hangs in the kernel; so many looks in a row must find nothing. */
const GONE_MS = 1000;
const QUIET_LOOKS = 3;
/** Of what a session's process complains about so much is passed on, in bytes. */
const WORDS_BYTES = 2000;

/** Codes from here on: a signal has ended the program. */
const SIGNALLED = 128;
const KILLED: Exit = { code: 137, signal: "SIGKILL" };

/** A session's own process. */
interface Child {
  session: string;
  cwd: string;
  dir: string;
  pid: number;
  /** See `birthOf`. */
  born: string | undefined;
  /** What somebody has asked of it through us. */
  asked?: "end" | "kill";
  /** Resolves when it has ended and nothing of it is left. */
  over: Promise<void>;
}

export type Children = ReturnType<typeof openChildren>;

/** The sessions of a daemon, each a process of its own that outlives the daemon. `place` has a folder for each. */
export function openChildren({
  place,
  pairing,
  log,
  onEnd,
}: {
  place: string;
  pairing: Pairing;
  log: DaemonLog;
  onEnd(): void;
}) {
  const children = new Map<string, Child>();
  mkdirSync(place, { recursive: true, mode: 0o700 });

  const isAlive = ({ pid, born }: Child) => born !== undefined && birthOf(pid) === born;

  /** What the system says no to (no more processes, a folder that can't be removed) is said: nothing else waits for it for ever. */
  const survive = async (session: string, act: () => void | Promise<void>) => {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      log(`${session}: ${error.message}`, "session_error", { session, reason: error.message });
    }
  };

  /** Sees to it that nothing runs on of a session whose process is gone. */
  const sweep = async ({ session }: Child, graceMs: number) => {
    for (const pid of processesOf(session)) signalProcess(pid, "SIGTERM");
    for (
      const until = performance.now() + graceMs;
      processesOf(session).next().done === false && performance.now() < until;
    )
      await Bun.sleep(LEFT_MS);
    // again and again: what is about to be killed may start another, or has just done so
    let quiet = 0;
    for (let looks = GONE_MS / LEFT_MS; quiet < QUIET_LOOKS && looks > 0; looks--) {
      quiet++;
      for (const pid of processesOf(session)) {
        signalProcess(pid, "SIGKILL");
        quiet = 0;
      }
      if (quiet < QUIET_LOOKS) await Bun.sleep(LEFT_MS);
    }
    if (quiet < QUIET_LOOKS)
      log(`${session}: something that it started can't be ended, and runs on`, "processes_left", {
        session,
      });
  };

  /** What is to be done once a session's process is gone: one that took leave has removed its folder. `code`: as it ended, where we know. */
  const clear = async (child: Child, code: number | undefined, how: string) => {
    const { session, cwd, dir, asked } = child;
    const tookLeave = !existsSync(dir);
    await survive(session, () => {
      if (!tookLeave && !reportLoss(dir, pairing, asked === "kill" ? KILLED : undefined))
        rmSync(dir, { recursive: true, force: true });
    });
    const outcome = tookLeave
      ? `has ended${code === undefined ? "" : ` (code ${code})`}`
      : asked === "kill"
        ? "was killed"
        : `is lost: its process ${how}`;
    log(
      `${session} in ${cwd} ${outcome}`,
      tookLeave || asked === "kill" ? "session_end" : "session_lost",
      { session, cwd, code },
    );
    // what claude leaves running when it ends by itself somebody wanted to stay
    if (asked !== undefined || !tookLeave || (code ?? 0) >= SIGNALLED)
      await survive(session, () => sweep(child, asked === "kill" ? 0 : HANG_UP_MS));
    children.delete(session);
    onEnd();
  };

  const adopt = (child: Child) => {
    children.set(child.session, child);
    child.over = (async () => {
      while (isAlive(child)) await Bun.sleep(WATCH_MS);
      await clear(child, undefined, "was killed");
    })();
  };

  const kill = async (child: Child): Promise<void> => {
    const { session, cwd } = child;
    if (child.asked !== "kill")
      log(`${session} in ${cwd} is killed`, "session_killed", { session, cwd });
    child.asked = "kill";
    // all but the terminal's holder, by which the session sees how claude ended, and can say so itself
    for (const pid of processesOf(child.session))
      if (parentOf(pid) !== child.pid) signalProcess(pid, "SIGKILL");
    await Promise.race([child.over, Bun.sleep(KILLED_MS)]);
    if (isAlive(child)) signalProcess(child.pid, "SIGKILL");
    await Promise.race([child.over, Bun.sleep(GONE_MS + KILLED_MS)]); // the kernel may not let go of one
  };

  const signal = (child: Child, name: NodeJS.Signals) => {
    if (!isAlive(child)) return;
    if (name !== "SIGINT") child.asked ??= "end"; // that may be taken for an interruption
    signalProcess(child.pid, name);
    signalProcess(child.pid, "SIGCONT"); // it may have been stopped
  };

  return {
    get count() {
      return children.size;
    },
    has: (session: string) => children.has(session),

    /** Takes over what an earlier daemon has left: sessions that still run, and those that were lost meanwhile. */
    takeOver(): void {
      for (const name of readdirSync(place))
        void survive(name, () => {
          const dir = join(place, name);
          const file = recordPath(dir);
          const record = existsSync(file)
            ? parseJson(SessionRecord, readFileSync(file, "utf8"))
            : undefined;
          if (record === undefined) return rmSync(dir, { recursive: true, force: true });
          const child: Child = { ...record, dir, over: Promise.resolve() };
          if (isAlive(child))
            log(
              `${record.session} in ${record.cwd} still runs, and is taken over`,
              "session_taken_over",
              { session: record.session, cwd: record.cwd },
            );
          adopt(child);
        });
    },

    /** Starts a session; resolves once it is on its way to the server, with why not where it did not come so far. Throws the system's error where there is no room. */
    async start(spec: SessionSpec): Promise<string | undefined> {
      const { session, cwd, dir } = spec;
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const words = openSync(join(dir, "words"), "w+", 0o600); // a pipe would break with the daemon
      const run = spawnSession(dir, words);
      const child: Child = {
        session,
        cwd,
        dir,
        pid: run.pid,
        born: birthOf(run.pid),
        over: Promise.resolve(),
      };
      let outcome: "shown" | "failed" | undefined;
      let said = "";
      const look = () => {
        if (!existsSync(dir) || existsSync(join(dir, "session.json"))) outcome ??= "shown"; // prepared, or over already
      };
      children.set(session, child);
      child.over = run.exited.then(() => {
        look();
        outcome ??= "failed";
        said = readWords(words).replace(/^claude-remote: /, "");
        if (said !== "") log(`${session}: ${said}`, "session_said", { session, words: said });
        return clear(
          child,
          run.exitCode ?? undefined,
          run.signalCode === null
            ? `ended with code ${run.exitCode}`
            : `was ended by ${run.signalCode}`,
        );
      });
      run.stdin.write(JSON.stringify(spec));
      run.stdin.end();
      run.unref();
      for (
        const until = performance.now() + START_MS;
        outcome === undefined && performance.now() < until;
        look()
      )
        await Bun.sleep(LOOK_MS);
      if (outcome !== "failed") return undefined;
      return (
        said ||
        `The session's process ended before it began (${run.signalCode ?? `code ${run.exitCode}`}).`
      );
    },

    /** Passes a signal on; SIGKILL ends everything of the session, whether or not its own process hears. */
    stop(session: string, name: NodeJS.Signals): void {
      const child = children.get(session);
      if (child === undefined) return;
      if (name === "SIGKILL") void kill(child);
      else signal(child, name);
    },

    /** Ends every session: in order while there is time, then, or with `now` at once, by force. */
    async endAll(now: boolean): Promise<void> {
      const all = [...children.values()];
      const over = Promise.all(all.map((child) => child.over));
      if (!now) {
        for (const child of all) signal(child, "SIGTERM");
        await Promise.race([over, Bun.sleep(END_MS)]);
      }
      await Promise.all([...children.values()].map(kill));
    },
  };
}

/** A process of its own, and with it a process group and session: no signal to the daemon's terminal reaches it. */
function spawnSession(dir: string, stderr: number) {
  try {
    return Bun.spawn([...ownCommand(), "__session"], {
      detached: true,
      cwd: dir,
      stdin: "pipe",
      stdout: "ignore",
      stderr,
    });
  } catch (error) {
    closeSync(stderr);
    rmSync(dir, { recursive: true, force: true });
    throw error; // no more processes, or we were removed
  }
}

/** What a session's process has complained about, from its beginning. */
function readWords(fd: number): string {
  const buffer = Buffer.alloc(WORDS_BYTES);
  const text = buffer.toString("utf8", 0, readSync(fd, buffer, 0, WORDS_BYTES, 0)).trim();
  closeSync(fd);
  return text;
}
