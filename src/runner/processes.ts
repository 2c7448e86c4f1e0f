import { readdirSync, readFileSync } from "node:fs";

/** In the environment of everything that a session of a daemon's runs, so that nothing of it is overlooked, whoever its parent is by now. */
export const MARK = "CLAUDE_REMOTE_SESSION";

/**
 * Claude Code's own daemon, and in the environment of the sessions that it runs in the background and of all that these start: they inherit our
 * environment, but outlive every session, and what they run is other people's work, too (measured with 2.1.328 and 2.1.332).
 */
const DAEMON = / daemon run | --bg-pty-host | --bg-spare /;
const JOB = "CLAUDE_JOB_DIR=";
/** Where we run in such a session ourselves, all that we start has that, too. */
const WITHIN_JOB = process.env.CLAUDE_JOB_DIR !== undefined;

/** Reads a small file of /proc; undefined where the process is gone, or not for us. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/** When a process began, such that no later one of the same number says the same; undefined where it is gone, or dead and merely not yet waited for. */
export function birthOf(pid: number): string | undefined {
  if (process.platform === "linux") {
    const stat = readProc(`/proc/${pid}/stat`);
    const [state = "", ...rest] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? []; // the name before may hold anything; proc_pid_stat(5)
    return stat === undefined || /[ZX]/.test(state)
      ? undefined
      : `${readProc("/proc/sys/kernel/random/boot_id")?.trim()} ${rest[18]}`;
  }
  const [state, ...began] = Bun.spawnSync(["ps", "-o", "stat=,lstart=", "-p", String(pid)], {
    env: { ...process.env, LC_ALL: "C" },
  })
    .stdout.toString()
    .trim()
    .split(/\s+/);
  return state === undefined || state === "" || state.startsWith("Z") ? undefined : began.join(" ");
}

/**
 * Every process that was started within a session of a daemon's, newest first and each as soon as it is found: one that does nothing but
 * start the next and go would be gone by the end of a list. Of the dead the kernel shows no environment. Not what Claude runs in the background.
 */
export function* processesOf(session: string): Generator<number> {
  const mark = `${MARK}=${session}`;
  if (process.platform === "linux") {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    for (const pid of pids.map(Number).sort((a, b) => b - a)) if (isOf(mark, pid)) yield pid;
    return;
  }
  const lines = Bun.spawnSync(["ps", "-axEww", "-o", "pid=,command="])
    .stdout.toString()
    .split("\n");
  for (const line of lines.reverse())
    if (
      line.split(" ").includes(mark) &&
      !DAEMON.test(line) &&
      (WITHIN_JOB || !line.includes(` ${JOB}`))
    )
      yield Number.parseInt(line, 10);
}

/** Whether a process belongs to the session with this mark, and not to what Claude runs in the background. */
function isOf(mark: string, pid: number): boolean {
  const env = readProc(`/proc/${pid}/environ`)?.split("\0") ?? [];
  if (!env.includes(mark)) return false;
  if (!WITHIN_JOB && env.some((variable) => variable.startsWith(JOB))) return false;
  return !DAEMON.test(readProc(`/proc/${pid}/cmdline`)?.replaceAll("\0", " ") ?? "");
}

/** Signals a process; one that is gone, or whose number is another user's by now, is none of our concern. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

/** The process that a process was started by, or that has taken it over. */
export function parentOf(pid: number): number | undefined {
  if (process.platform !== "linux")
    return (
      Number.parseInt(
        Bun.spawnSync(["ps", "-o", "ppid=", "-p", String(pid)]).stdout.toString(),
        10,
      ) || undefined
    );
  const stat = readProc(`/proc/${pid}/stat`);
  return stat === undefined
    ? undefined
    : Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}
