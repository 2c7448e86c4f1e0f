import { accessSync, constants, existsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { databaseFile } from "../db.ts";
import { claudeVersion, judge, OLDEST, TRIED } from "../runner/claude/versions.ts";
import { findProgram, StartError } from "../runner/program.ts";
import { type Exit, NoPty, startPty } from "../runner/pty.ts";
import { denial } from "../system/system-error.ts";
import { type Finding, fails, ok, warning } from "./finding.ts";

/** How long claude may take to tell its version, and a shell to end, in ms. */
const VERSION_MS = 10_000;
const PTY_MS = 10_000;

/** Whether the Claude Code that would be wrapped is there; its path. */
export function checkClaude(command: string): { finding: Finding; path: string | undefined } {
  const name = "claude";
  try {
    const path = findProgram(command, process.cwd(), process.env.PATH ?? "");
    const ran = Bun.spawnSync([path, "--version"], {
      stdin: "ignore",
      stderr: "ignore",
      timeout: VERSION_MS,
    });
    const told = ran.stdout.toString().trim().split("\n")[0]?.slice(0, 100) ?? "";
    if (ran.exitCode === 0 && told !== "")
      return { path, finding: findVersion(name, told, `${told} at ${path}`) };
    return {
      path: undefined,
      finding: fails(
        name,
        `${path} does not tell its version`,
        "run it by itself to see why, or name another with CLAUDE_REMOTE_CLAUDE",
      ),
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const text = error instanceof StartError ? error.message : `can't be run: ${error.message}`;
    return {
      path: undefined,
      finding: fails(name, text, "install Claude Code, or name it with CLAUDE_REMOTE_CLAUDE"),
    };
  }
}

/** What is to be said of the version that claude tells. */
function findVersion(name: string, told: string, text: string): Finding {
  const tried = `tried: ${TRIED.join(", ")}`;
  switch (judge(claudeVersion(told))) {
    case "too old":
      return fails(name, `${text} is too old, needs ≥ ${OLDEST}`, "update claude: claude update");
    case "newer":
      return ok(name, `${text}, newer than what this was tried with (${tried})`);
    case "tried":
      return ok(name, `${text} (${tried})`);
    case "unknown":
      return ok(name, text);
  }
}

/** Whether a program runs in a pseudo-terminal, is heard, and ends with its own exit code. */
export async function checkPty(): Promise<Finding> {
  const name = "PTY";
  const todo =
    "the folder for temporary files may be full or forbid programs (noexec): set TMPDIR to another";
  let heard = "";
  try {
    const exit = await new Promise<Exit | undefined>((resolve) => {
      const onExit = (exit: Exit) => resolve(exit);
      const onData = (bytes: Uint8Array) => {
        heard += new TextDecoder().decode(bytes);
      };
      const shell = {
        command: "sh",
        args: ["-c", "stty size; exit 7"],
        cwd: tmpdir(),
        env: { PATH: process.env.PATH },
      };
      const pty = startPty({
        ...shell,
        cols: 77,
        rows: 33,
        onData,
        onExit,
        onStop: () => undefined,
      });
      setTimeout(() => {
        pty.kill("SIGKILL");
        resolve(undefined);
      }, PTY_MS).unref();
    });
    if (exit?.code === 7 && heard.trim() === "33 77")
      return ok(name, "a program has its terminal, its size and its exit code");
    return fails(
      name,
      exit === undefined
        ? "a program in it does not end"
        : `a program in it ended with ${exit.code} instead of 7`,
      todo,
    );
  } catch (error) {
    if (error instanceof NoPty || error instanceof StartError)
      return fails(name, error.message, todo);
    throw error;
  }
}

/** Whether what is kept in HOME can be written: the pairing, the state of sessions, the server's data. */
export function checkHome(folders: readonly string[]): Finding {
  const name = "HOME";
  for (const folder of folders) {
    const there = nearest(folder);
    try {
      accessSync(there, constants.W_OK | constants.X_OK);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const readOnly = "code" in error && error.code === "EROFS";
      return fails(
        name,
        `${folder} can't be written: ${readOnly ? "it is on a read-only file system" : denial(there)}`,
        "make it writable, or set HOME (or XDG_CONFIG_HOME, XDG_STATE_HOME and XDG_DATA_HOME) to folders that are",
      );
    }
  }
  return ok(name, "what is kept here can be written");
}

/** The folder itself, or the nearest above it that is there. */
function nearest(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : nearest(dirname(folder));
}

/** Whether what the server keeps here is for its user alone. */
export function* checkData(data: string): Generator<Finding> {
  const file = databaseFile(data);
  if (!existsSync(file)) return;
  const open = tooOpen([data, file]);
  yield open === undefined
    ? ok("data", `${data} is for this user alone`)
    : warning("data", open.text, open.todo);
}

/** The same of this machine's own key. */
export function* checkPairingFile(file: string): Generator<Finding> {
  if (!existsSync(file)) return;
  const open = tooOpen([file]);
  if (open !== undefined) yield fails("key", open.text, open.todo);
  else if (statSync(dirname(file)).mode & 0o022)
    yield warning("key", `others may write in ${dirname(file)}`, `chmod go-w ${dirname(file)}`);
}

/** What others than the user may read or write. */
function tooOpen(paths: readonly string[]): { text: string; todo: string } | undefined {
  const own = process.getuid?.();
  for (const path of paths) {
    const { mode, uid } = statSync(path);
    if (uid !== own)
      return {
        text: `${path} belongs to another user (${uid})`,
        todo: `chown ${own} ${path}, or check as that user`,
      };
    if (mode & 0o077)
      return {
        text: `others may use ${path} (${(mode & 0o777).toString(8)})`,
        todo: `chmod go= ${path}`,
      };
  }
  return undefined;
}
