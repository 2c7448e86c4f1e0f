import { parseArgs } from "node:util";
import { version } from "../../package.json";
import { hasFlag, isOverAtOnce, isOwnBusiness } from "../runner/claude/arguments.ts";
import type { Pairing } from "../runner/link.ts";
import { loadPairing } from "../runner/pairing.ts";
import { findProgram, StartError } from "../runner/program.ts";
import { NoPty } from "../runner/pty.ts";
import type { Started } from "../runner/session.ts";
import {
  type Program,
  passThrough,
  runBeside,
  type Size,
  type Watch,
  wrap,
  wrapUnseen,
} from "../runner/wrap.ts";
import type { Sandbox, SandboxChoice } from "../sandbox/sandbox.ts";
import { explainSystemError } from "../system/system-error.ts";
import { type Config, lenientConfig, loadConfig, wantsSandboxAlways } from "./config.ts";
import {
  configPath,
  expandHome,
  keptOut,
  keptSettingsDir,
  ownFolders,
  pairingPath,
  sandboxDir,
  undeliveredDir,
} from "./places.ts";
import { say, sayMeanwhile } from "./say.ts";
import { ServerWatch } from "./server-watch.ts";
import { UsageError } from "./usage.ts";

const NO_CLAUDE = `Claude Code is not installed here, or not on the PATH. Get it with

  npm install -g @anthropic-ai/claude-code

or see https://claude.com/claude-code. Without it, \`claude-remote demo\` shows what this does, and
\`claude-remote run --command PROG -- ARGS\` wraps any other program.`;

/** How many times over one claude-remote may have started another: more is a script named claude that leads back to us. */
const DEEPEST = 5;

const OPTIONS = {
  command: { type: "string" },
  "no-log": { type: "boolean" },
  sandbox: { type: "boolean" },
  "no-sandbox": { type: "boolean" },
  "sandbox-image": { type: "string" },
  "sandbox-dockerfile": { type: "string" },
  "sandbox-git": { type: "boolean" },
  "sandbox-pass": { type: "string", multiple: true },
  "sandbox-host": { type: "string", multiple: true },
} as const;

/** `claude-remote run [--command PROG] [--no-log] [--sandbox …] [-- args]`. */
export function run(argv: readonly string[]): Promise<number> {
  const separator = argv.indexOf("--");
  const own = separator < 0 ? argv : argv.slice(0, separator);
  const args = separator < 0 ? [] : argv.slice(separator + 1);
  const { values, positionals } = parseArgs({
    args: [...own],
    options: OPTIONS,
    allowPositionals: true,
  });
  if (positionals.length > 0)
    throw new UsageError(
      `run: arguments for the wrapped program come after \`--\`, as in: claude-remote run -- ${positionals.join(" ")}`,
    );
  const {
    "sandbox-git": git,
    "sandbox-pass": pass = [],
    "sandbox-host": hosts = [],
    "sandbox-image": image,
    "sandbox-dockerfile": dockerfile,
  } = values;
  const { sandbox = false, "no-sandbox": none = false } = values;
  if (sandbox && none) throw new UsageError("run: --sandbox and --no-sandbox can't both be");
  const works = values.command === undefined && !isOwnBusiness(args);
  const always = works && !none && wantsSandboxAlways();
  const flagged =
    git === true || pass.length + hosts.length > 0 || (image ?? dockerfile) !== undefined;
  if (!sandbox && !always && flagged)
    throw new UsageError(
      "run: --sandbox-git, --sandbox-pass, --sandbox-host, --sandbox-image and --sandbox-dockerfile go with --sandbox",
    );
  let chosen: How["sandbox"] = none ? "none" : undefined;
  if (sandbox || always) {
    const given = sandboxChoice(loadConfig({ sandbox_dockerfile: dockerfile }));
    chosen = {
      ...given,
      git: git ?? given.git,
      pass: [...given.pass, ...pass],
      hosts: [...given.hosts, ...hosts],
      ...(image === undefined ? {} : { image, dockerfile }),
      ...(dockerfile === undefined ? {} : { image }),
    };
  }
  const how: How = { unlogged: values["no-log"] === true, sandbox: chosen };
  return values.command === undefined
    ? runClaude(args, how)
    : runProgram(programOf(expandHome(values.command), args), how);
}

/** What the options say of sandboxes. */
export function sandboxChoice({
  sandbox_git = false,
  sandbox_pass = "",
  sandbox_hosts = "",
  sandbox_image: image,
  sandbox_dockerfile: dockerfile,
}: Config): SandboxChoice {
  const words = (text: string) => text.split(/[\s,]+/).filter((word) => word !== "");
  return {
    git: sandbox_git,
    pass: words(sandbox_pass),
    hosts: words(sandbox_hosts),
    image,
    dockerfile,
  };
}

/** In what a program is to run: as it was asked for, or, for claude, as the options always want it. Not where claude does no work, but prints something or changes its own installation. */
function sandboxOf({ name, hooks, args }: Program, { sandbox }: How): SandboxChoice | undefined {
  if (sandbox === "none") return undefined;
  const works = name === "claude" && hooks === true && !isOwnBusiness(args);
  return sandbox ?? (works && wantsSandboxAlways() ? sandboxChoice(loadConfig()) : undefined);
}

/** Runs claude with what it was given; resolves with its exit code. */
export async function runClaude(args: readonly string[], how: How = {}): Promise<number> {
  const alone = isOverAtOnce(args);
  const sandbox = sandboxOf(programOf("claude", args), how);
  if (sandbox !== undefined) {
    if (hasFlag(args, "--bg", "--background"))
      throw new UsageError(
        "run: a sandbox ends with its session, and with it what --bg leaves in the background; start it without --bg",
      );
    return runProgram(programOf("claude", args), { ...how, alone, sandbox }); // the image's own
  }
  const { claude } = saidConfig();
  const depth = Number(process.env.CLAUDE_REMOTE_DEPTH) || 0;
  if (depth >= DEEPEST)
    throw new StartError(
      `${claude} is a script that starts claude-remote again: name the real one, as claude = "/path/to/claude" in ${configPath()}`,
      126,
    );
  const program = {
    ...programOf(claude, args, true),
    env: { ...process.env, CLAUDE_REMOTE_DEPTH: String(depth + 1) },
  };
  return alone ? unlessMissing(program, () => passThrough(program)) : runProgram(program, how);
}

/** What is wrapped, here and now. */
export function programOf(
  command: string,
  args: readonly string[],
  hooks = /(^|\/)claude$/.test(command),
): Program {
  return {
    name: hooks ? "claude" : command,
    command,
    args,
    hooks,
    env: process.env,
    cwd: process.cwd(),
  };
}

/** Wraps a program on the terminal at the desk; resolves with its exit code. */
export function runProgram(program: Program, how: How = {}): Promise<number> {
  const unseen = how.alone === true || !process.stdin.isTTY || !process.stdout.isTTY;
  const sandbox = sandboxOf(program, how);
  if (sandbox !== undefined)
    return unseen
      ? runAlone(how.sandbox === undefined ? { ...program, command: "claude" } : program, sandbox)
      : knownPairing().then((pairing) => runWith(pairing, program, how));
  return unlessMissing(program, async () =>
    unseen ? passThrough(program) : runWith(await knownPairing(), program, how),
  );
}

/** Runs a program in a sandbox, and shows it nowhere. */
async function runAlone(program: Program, choice: SandboxChoice): Promise<number> {
  const sandbox = await enter(program, choice, process.stdin.isTTY && process.stdout.isTTY);
  try {
    return await runBeside(sandbox.enclose(program));
  } finally {
    await leave(sandbox);
  }
}

/** Ends a sandbox, and says what there is to say of it. */
async function leave(sandbox: Sandbox): Promise<void> {
  const lines = sandbox.report.endWords();
  await sandbox.end();
  for (const line of lines) say(line);
}

async function enter(program: Program, choice: SandboxChoice, tty: boolean): Promise<Sandbox> {
  const ready = sayMeanwhile("starting the sandbox …");
  try {
    const { openSandbox } = await import("../sandbox/sandbox.ts");
    return await openSandbox(program.cwd, {
      ...choice,
      data: sandboxDir(),
      keepOut: keptOut(),
      tty,
      say(text) {
        ready();
        say(text);
      },
    });
  } finally {
    ready();
  }
}

export interface How {
  /** It runs without a terminal of its own, beginning with this size. */
  unseen?: Size | undefined;
  /** Nothing of it is to be written down. */
  unlogged?: boolean;
  /** A daemon starts it on demand: then it does not run unless it is shown. */
  started?: Started;
  /** It runs in a container, with so much let in; or in none, whatever the options always want. */
  sandbox?: SandboxChoice | "none" | undefined;
  /** It is over at once, or asks nothing: nobody has to see it. */
  alone?: boolean;
}

/** Wraps a program and shows it where `pairing` leads. */
export async function runWith(
  pairing: Pairing | undefined,
  program: Program,
  how: How = {},
): Promise<number> {
  const choice = sandboxOf(program, how);
  if (choice === undefined) return show(pairing, program, how);
  const inner = how.sandbox === undefined ? { ...program, command: "claude" } : program; // the image's own
  const sandbox = await enter(inner, choice, true);
  let code: number;
  try {
    code = await show(pairing, inner, how, sandbox);
  } finally {
    await leave(sandbox);
  }
  if (!sandbox.begun)
    say(`the sandbox could not be started (docker's exit code ${code}, its words are above)`);
  return code;
}

async function show(
  pairing: Pairing | undefined,
  program: Program,
  { unseen, unlogged = false, started }: How,
  sandbox?: Sandbox,
): Promise<number> {
  const start = async (wrapped: Program, watch?: Watch, ifKilled?: readonly string[]) => {
    try {
      return await (unseen === undefined
        ? wrap(wrapped, watch, ifKilled)
        : wrapUnseen(wrapped, unseen, watch));
    } catch (error) {
      if (!(error instanceof NoPty) || started !== undefined) throw error;
      say(`not shown on the phone: ${error.message}`);
      return sandbox === undefined ? passThrough(program) : { code: await runBeside(wrapped) };
    }
  };
  if (pairing === undefined) return (await start(sandbox?.enclose(program) ?? program)).code;
  const { openSession } = await import("../runner/session.ts");
  // a full disk must not keep claude from starting, nor take its exit code away
  const complain = (error: unknown): undefined =>
    say(
      `not shown on the phone: ${error instanceof Error ? explainSystemError(error) : error}`,
    ) as undefined;
  const server = new ServerWatch(pairing);
  const session = await Promise.resolve()
    .then(() =>
      openSession(program, pairing, version, {
        desk: unseen === undefined,
        unlogged,
        onLost: server.lost,
        onHeard: server.heard,
        address: server.address,
        undelivered: undeliveredDir(),
        started,
        sandbox,
        kept: keptSettingsDir(),
        denied: ownFolders(loadConfig().data),
      }),
    )
    .catch((error: unknown) => {
      if (started !== undefined) throw error;
      return complain(error);
    });
  const unseenYet = session && started === undefined ? await server.atStart() : undefined;
  if (unseenYet !== undefined) say(`not shown on the phone: ${unseenYet}`);
  const exit = await start(
    session?.program ?? sandbox?.enclose(program) ?? program,
    session?.watch,
    session?.ifKilled,
  );
  const refused = await session?.end({ ...exit, ...sandbox?.report.end() }).catch(complain);
  const away = await server.atEnd();
  const trouble = away ?? refused;
  const waits = away !== undefined && session !== undefined && !unlogged;
  if (trouble !== undefined)
    say(
      `${server.wasHeard ? "no longer" : "not"} shown on the phone: ${sentence(trouble)}${waits ? " What the server lacks of this session waits here for 30 days." : ""}`,
    );
  return exit.code;
}

/** A reason with its full stop. */
const sentence = (text: string) => text.replace(/[^.?!]$/, "$&.");

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
  try {
    const known = loadPairing(pairingPath());
    if (known !== undefined) return known;
    if (!saidConfig().embedded) return undefined;
    const { findHome } = await import("./embedded.ts");
    const home = await findHome(loadConfig());
    if (home?.seat !== undefined)
      say(
        `your dashboard is at ${home.seat.origin} (\`claude-remote pair\` lets a phone or browser in)`,
      );
    return home?.pairing;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    say(`not shown on the phone: ${explainSystemError(error)}`);
    return undefined;
  }
}

/** The options; where they can't be read that is said, and claude starts all the same. */
function saidConfig(): Config {
  return lenientConfig((mistake) => say(mistake));
}
