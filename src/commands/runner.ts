import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../../package.json";
import { type LogForm, openLog } from "../hub/log.ts";
import { takeLock } from "../hub/seat.ts";
import { type DaemonOptions, startDaemon } from "../runner/daemon.ts";
import type { DaemonEvent, DaemonLog } from "../runner/daemon-log.ts";
import { PairingError } from "../runner/pairing.ts";
import { findProgram, StartError } from "../runner/program.ts";
import { realFolder } from "../runner/roots.ts";
import { imageTrouble, sandboxTrouble } from "../sandbox/engine.ts";
import { INSIDE, sandboxHome } from "../sandbox/home.ts";
import { LIMITS } from "../types.ts";
import { loadConfig } from "./config.ts";
import { findHome } from "./embedded.ts";
import { configPath, runnerDir, sandboxDir } from "./places.ts";
import { sandboxChoice } from "./run.ts";
import { print, say } from "./say.ts";
import { ServerWatch } from "./server-watch.ts";
import { UsageError } from "./usage.ts";

/** `claude-remote runner --root DIR …`: starts sessions in these folders when the dashboard asks, until SIGTERM or SIGINT. */
export async function runner(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { root: { type: "string", multiple: true }, log: { type: "string" } },
  });
  const config = loadConfig({ roots: values.root, log: values.log });
  const roots = await realRoots(config.roots ?? []);
  const home = await findHome(config);
  if (home === undefined)
    throw new PairingError(
      "This machine is not paired yet: run `claude-remote pair LINK` with a link from your server (`claude-remote pair --kind runner` there makes one).",
    );
  const state = runnerDir();
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const leave = takeLock(join(state, "lock"));
  if (leave === undefined)
    throw new PairingError(`Another claude-remote runner works here already (${state}).`);

  const log = openRunnerLog(config.log ?? "text");
  const server = new ServerWatch(home.pairing);
  if (home.seat !== undefined)
    log(
      `your dashboard is at ${home.seat.origin} (\`claude-remote pair\` lets a phone or browser in)`,
      "dashboard",
      { origin: home.seat.origin },
    );
  log(`sessions may be started in ${roots.join(", ")}`, "started", {
    version,
    roots: roots.join(" "),
  });
  const sandboxAlways = config.sandbox === "always";
  const lacking = sandboxAlways ? undefined : claudeTrouble(config.claude);
  if (sandboxAlways) log("each in a sandbox", "started");
  if (lacking !== undefined)
    log(
      `no session can be started yet: ${lacking}. Install Claude Code, or name it (claude = … in ${configPath()}); the PATH of this runner is ${process.env.PATH ?? "empty"}`,
      "no_claude",
      { reason: lacking, path: process.env.PATH },
    );
  const sandboxReady: DaemonOptions["sandboxReady"] = async (onImage) =>
    (await sandboxTrouble()) ??
    imageTrouble((words) => log(words, "image", { words }), sandboxChoice(config), onImage);
  const sandboxed = (cwd: string) => ({
    configDir: sandboxHome(sandboxDir(), cwd).config,
    cwd: INSIDE.project,
  });
  const daemon = await startDaemon({
    pairing: home.pairing,
    version,
    roots,
    state,
    claude: config.claude,
    sandboxTrouble,
    sandboxReady,
    sandboxAlways,
    sandboxed,
    log,
    onLost: () => server.lost(),
    onConnected: server.heard,
    address: server.address,
  });
  await new Promise<void>((resolve) => {
    let asked = 0;
    const end = (signal: NodeJS.Signals) => {
      if (++asked === 1)
        log(`${signal}: sessions are ended; once more, and they are killed`, "stopping", {
          signal,
        });
      void daemon.end(asked > 1).then(resolve);
    };
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
    // a terminal that is closed ends it; without one it stays, as with nohup
    process.on("SIGHUP", process.stderr.isTTY ? end : () => undefined);
  });
  server.end();
  leave();
  return 0;
}

/** In a terminal words alone; elsewhere, as in a journal, a line with its time, or a JSON object, as the server's log has them. */
function openRunnerLog(form: LogForm): DaemonLog {
  const write = (line: string) => process.stderr.write(`${line}\n`);
  const json = openLog("json", write);
  const warns = new Set<DaemonEvent>([
    ...(["no_claude", "disconnected", "refused"] as const),
    ...(["session_lost", "session_said", "session_error", "processes_left"] as const),
  ]);
  return (words, event, fields = {}) => {
    const level = warns.has(event) ? "warn" : "info";
    if (form === "json") json(level, event, fields);
    else if (process.stderr.isTTY) say(words);
    else
      print(
        `${new Date().toISOString()} ${level === "warn" ? "warn " : ""}${words.replaceAll("\n", " ")}`,
        process.stderr,
      );
  };
}

/** Why the Claude Code that sessions would be started with can't be. */
function claudeTrouble(command: string): string | undefined {
  try {
    findProgram(command, process.cwd(), process.env.PATH ?? "");
    return undefined;
  } catch (error) {
    if (error instanceof StartError) return error.message;
    throw error;
  }
}

/** The folders by their real paths. Throws a `UsageError`. */
async function realRoots(given: readonly string[]): Promise<string[]> {
  if (given.length === 0)
    throw new UsageError(
      `runner: say in which folders sessions may be started, as in: claude-remote runner --root ~/src\nor, in ${configPath()}: roots = ["~/src"]`,
    );
  if (given.length > LIMITS.roots)
    throw new UsageError(`runner: ${LIMITS.roots} roots are the most; name a folder above them`);
  const roots = await Promise.all(
    given.map(async (path) => [path, await realFolder(path)] as const),
  );
  const wrong = roots.find(([, real]) => real === undefined);
  if (wrong !== undefined)
    throw new UsageError(`runner: ${wrong[0]} is not there, or not a folder`);
  return [...new Set(roots.flatMap(([, real]) => real ?? []))];
}
