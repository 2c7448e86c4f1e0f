import { parseArgs } from "node:util";
import { version } from "../../package.json";
import type { Pairing } from "../runner/link.ts";
import { loadPairing } from "../runner/pairing.ts";
import { findProgram, StartError } from "../runner/program.ts";
import { NoPty } from "../runner/pty.ts";
import type { Started } from "../runner/session.ts";
import { type Program, passThrough, type Size, type Watch, wrap, wrapUnseen } from "../runner/wrap.ts";
import { type Config, loadConfig } from "./config.ts";
import { configPath, pairingPath } from "./places.ts";
import { say } from "./say.ts";
import { UsageError } from "./usage.ts";

const NO_CLAUDE = `Claude Code is not installed here, or not on the PATH. Get it with

  npm install -g @anthropic-ai/claude-code

or see https://claude.com/claude-code. Without it, \`claude-remote demo\` shows what this does, and
\`claude-remote run --command PROG -- ARGS\` wraps any other program.`;

/** Claude's own commands that are over at once and ask nothing, or print a token: they run untouched, and no phone is bothered with them. */
const MAINTENANCE = new Set("auto-mode doctor gateway import install kill logs mcp plugin plugins purge respawn rm setup-token stop update upgrade".split(" "));
/** How many times over one claude-remote may have started another: more is a script named claude that leads back to us. */
const DEEPEST = 5;
/** A server that has gone is looked for only after the program has started, in ms. */
const LOOK_AFTER_MS = 300;

/** `claude-remote run [--command PROG] [--no-log] [-- args]`. */
export function run(argv: readonly string[]): Promise<number> {
  const separator = argv.indexOf("--");
  const own = separator < 0 ? argv : argv.slice(0, separator);
  const args = separator < 0 ? [] : argv.slice(separator + 1);
  const { values, positionals } = parseArgs({ args: [...own], options: { command: { type: "string" }, "no-log": { type: "boolean" } }, allowPositionals: true });
  if (positionals.length > 0) throw new UsageError(`run: arguments for the wrapped program come after \`--\`, as in: claude-remote run -- ${positionals.join(" ")}`);
  const how = { unlogged: values["no-log"] === true };
  return values.command === undefined ? runClaude(args, how) : runProgram(programOf(values.command, args), how);
}

/** Runs claude with what it was given; resolves with its exit code. */
export async function runClaude(args: readonly string[], how: How = {}): Promise<number> {
  const { claude } = lenientConfig();
  const depth = Number(process.env.CLAUDE_REMOTE_DEPTH) || 0;
  if (depth >= DEEPEST)
    throw new StartError(`${claude} is a script that starts claude-remote again: name the real one, as claude = "/path/to/claude" in ${configPath()}`, 126);
  const program = { ...programOf(claude, args, true), env: { ...process.env, CLAUDE_REMOTE_DEPTH: String(depth + 1) } };
  const end = args.indexOf("--");
  const prints = args.slice(0, end < 0 ? args.length : end).some((arg) => arg === "--print" || /^-c?pc?$/.test(arg));
  return prints || MAINTENANCE.has(args[0] ?? "") ? unlessMissing(program, () => passThrough(program)) : runProgram(program, how);
}

/** What is wrapped, here and now. */
export function programOf(command: string, args: readonly string[], hooks = /(^|\/)claude$/.test(command)): Program {
  return { name: hooks ? "claude" : command, command, args, hooks, env: process.env, cwd: process.cwd() };
}

/** Wraps a program on the terminal at the desk; resolves with its exit code. */
export function runProgram(program: Program, how: How = {}): Promise<number> {
  return unlessMissing(program, async () => {
    if (!process.stdin.isTTY || !process.stdout.isTTY) return passThrough(program);
    return runWith(await knownPairing(), program, how);
  });
}

export interface How {
  /** It runs without a terminal of its own, beginning with this size. */
  unseen?: Size | undefined;
  /** Nothing of it is to be written down. */
  unlogged?: boolean;
  /** A daemon starts it on demand: then it does not run unless it is shown. */
  started?: Started;
}

/** Wraps a program and shows it where `pairing` leads. */
export async function runWith(pairing: Pairing | undefined, program: Program, { unseen, unlogged = false, started }: How = {}): Promise<number> {
  const start = async (wrapped: Program, watch?: Watch, ifKilled?: readonly string[]) => {
    try {
      return await (unseen === undefined ? wrap(wrapped, watch, ifKilled) : wrapUnseen(wrapped, unseen, watch));
    } catch (error) {
      if (!(error instanceof NoPty) || started !== undefined) throw error;
      say(`not shown on the phone: ${error.message}`);
      return passThrough(program);
    }
  };
  if (pairing === undefined) return (await start(program)).code;
  const { openSession } = await import("../runner/session.ts");
  // a full disk must not keep claude from starting, nor take its exit code away
  const complain = (error: unknown): undefined => say(`not shown on the phone: ${error instanceof Error ? error.message : error}`) as undefined;
  const server = pairing.embedded === true ? keepServer() : undefined;
  const session = await Promise.resolve()
    .then(() => openSession(program, pairing, version, { desk: unseen === undefined, unlogged, onLost: server?.lost, started }))
    .catch((error: unknown) => {
      if (started !== undefined) throw error;
      return complain(error);
    });
  const exit = await start(session?.program ?? program, session?.watch, session?.ifKilled);
  const trouble = (await session?.end(exit).catch(complain)) ?? server?.end();
  if (trouble !== undefined) say(`not shown on the phone: ${trouble}`);
  return exit.code;
}

async function unlessMissing(program: Program, act: () => Promise<number>): Promise<number> {
  try {
    findProgram(program.command, program.cwd, program.env.PATH ?? "");
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    say(program.command === "claude" && error.exitCode === 127 ? NO_CLAUDE : error.message);
    return error.exitCode;
  }
  return act();
}

/** This machine's pairing; the first time, the embedded server is started and paired with. Nothing of that keeps a program from starting. */
async function knownPairing(): Promise<Pairing | undefined> {
  const known = loadPairing(pairingPath());
  if (known !== undefined) return known;
  if (!lenientConfig().embedded) return undefined;
  try {
    const { findHome } = await import("./embedded.ts");
    const home = await findHome(loadConfig());
    if (home?.seat !== undefined) say(`your dashboard is at ${home.seat.origin} (\`claude-remote pair\` lets a phone or browser in)`);
    return home?.pairing;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    say(`not shown on the phone: ${error.message}`);
    return undefined;
  }
}

/** Sees to it that the embedded server runs: at the start, and when it has died. The answer at the end tells what has gone wrong, in words. */
export function keepServer() {
  let trouble: string | undefined;
  let busy = false;
  const look = (find: (embedded: typeof import("./embedded.ts")) => Promise<unknown>) => {
    if (busy) return;
    busy = true;
    import("./embedded.ts")
      .then(find)
      .then(() => {
        trouble = undefined;
      })
      .catch((error: unknown) => {
        trouble = error instanceof Error ? error.message : String(error);
      })
      .finally(() => {
        busy = false;
      });
  };
  const timer = setTimeout(() => look(({ findHome }) => findHome(loadConfig())), LOOK_AFTER_MS);
  return {
    lost: () => look(({ reviveServer }) => reviveServer(loadConfig())),
    end() {
      clearTimeout(timer);
      return trouble;
    },
  };
}

/** The options; where they can't be read that is said, and claude starts all the same. */
function lenientConfig(): Pick<Config, "claude" | "embedded"> {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(error.message);
    return { claude: "claude", embedded: false };
  }
}
