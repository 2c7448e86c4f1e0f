import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from "node:fs";
import { delimiter, join, resolve } from "node:path";

/** The program can't be started; `exitCode` is what a shell would say (127 not found, 126 not executable). */
export class StartError extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/** Compiled into one executable, or run from source by Bun. */
const compiled = Bun.main.startsWith("/$bunfs/");

/** The command that starts claude-remote once more; from source without what the present folder's .env, bunfig.toml and tsconfig.json would add. */
export function ownCommand(): [program: string, ...args: string[]] {
  return compiled
    ? [process.execPath]
    : [
        process.execPath,
        "--no-env-file",
        "--config=/dev/null",
        "--tsconfig-override=/dev/null",
        Bun.main,
      ];
}

/** Whether this is claude-remote under another name, such as a link `claude`, which would wrap itself for ever. */
function isOurselves(place: string): boolean {
  return existsSync(place) && realpathSync(place) === (compiled ? process.execPath : Bun.main);
}

/** A folder of the same name is passed over, as shells do, and so is what lies in a folder closed to this user. */
function isFile(place: string): boolean {
  try {
    return statSync(place, { throwIfNoEntry: false })?.isFile() === true;
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}

/** Finds a program the way a shell does. Throws a `StartError` that says what is wrong with it. */
export function findProgram(command: string, cwd: string, path: string): string {
  const places = command.includes("/")
    ? [command.startsWith("/") ? command : join(cwd, command)]
    : path
        .split(delimiter)
        .map((dir) => resolve(cwd, dir, command))
        .filter((place) => !isOurselves(place));
  const found = places.find(isFile);
  if (found === undefined) throw new StartError(`${command}: command not found`, 127);
  for (const place of places.filter(isFile)) {
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

/** The terminal that the holder holds. */
export function terminalPath(holder: number): string | undefined {
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

/** Signals a job's process group, or the process alone where it has none of its own. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
}
