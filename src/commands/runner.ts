import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../../package.json";
import { takeLock } from "../hub/seat.ts";
import { startDaemon } from "../runner/daemon.ts";
import { PairingError } from "../runner/pairing.ts";
import { realFolder } from "../runner/roots.ts";
import { imageTrouble, sandboxTrouble } from "../sandbox/engine.ts";
import { INSIDE, sandboxHome } from "../sandbox/home.ts";
import { LIMITS } from "../types.ts";
import { loadConfig } from "./config.ts";
import { findHome } from "./embedded.ts";
import { configPath, runnerDir, sandboxDir } from "./places.ts";
import { say } from "./say.ts";
import { ServerWatch } from "./server-watch.ts";
import { UsageError } from "./usage.ts";

/** `claude-remote runner --root DIR …`: starts sessions in these folders when the dashboard asks, until SIGTERM or SIGINT. */
export async function runner(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { root: { type: "string", multiple: true } },
  });
  const config = loadConfig({ roots: values.root });
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

  const server = new ServerWatch(home.pairing);
  if (home.seat !== undefined)
    say(
      `your dashboard is at ${home.seat.origin} (\`claude-remote pair\` lets a phone or browser in)`,
    );
  say(`sessions may be started in ${roots.join(", ")}`);
  const sandboxReady = async () => (await sandboxTrouble()) ?? imageTrouble(say);
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
    sandboxed,
    log: say,
    onLost: () => server.lost(),
    onConnected: server.heard,
    address: server.address,
  });
  await new Promise<void>((resolve) => {
    let asked = 0;
    const end = (signal: NodeJS.Signals) => {
      if (++asked === 1) say(`${signal}: sessions are ended; once more, and they are killed`);
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
