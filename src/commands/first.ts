import { constants } from "node:os";
import { dirname, join, resolve } from "node:path";
import * as v from "valibot";
import { signedRequest } from "../runner/pairing.ts";
import { findProgram, ownCommand, StartError } from "../runner/program.ts";
import type { Program } from "../runner/wrap.ts";
import { DeviceInfo, parseJson, SessionSummary } from "../types.ts";
import { loadConfig } from "./config.ts";
import { findHome, type Home, stopServer } from "./embedded.ts";
import { mintLink, reachability, showLink } from "./pair.ts";
import { programOf, runWith } from "./run.ts";
import { fold, OWN_NAME, say } from "./say.ts";

const Devices = v.object({ devices: v.array(DeviceInfo) });

/** How often we look whether somebody has pressed Enter, in ms, and every so many times, whether a phone has been paired. */
const WAIT_MS = 20;
const LOOK_EVERY = 25;
/** How often we look whether npx is still there, in ms. */
const ORPHAN_MS = 2000;
/** The exit code of whoever leaves by Ctrl-C, or Ctrl-D. */
const LEFT = 130;
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
/** The size of a terminal that nobody sits at. */
const UNSEEN = { cols: 80, rows: 24 };

/** What `bun run start` does, with nothing set up: server, pairing link, and claude; without claude, or without a terminal, the demo. */
export function start(): Promise<number> {
  leaveOwnPrograms();
  const { claude } = loadConfig();
  if (!isThere(claude))
    return begin(
      demoProgram(),
      "Claude Code is not installed here, so a scripted demo stands in for it: no AI, and nothing is run or written.",
    );
  if (atTerminal()) return begin(programOf(claude, [], true), undefined);
  return begin(
    demoProgram(),
    "there is no terminal here for Claude Code, so a scripted demo stands in for it: no AI, and nothing is run or written.",
  );
}

/** `claude-remote demo`: the same with the scripted agent, whatever is installed. */
export function demo(): Promise<number> {
  return begin(demoProgram(), "a scripted demo, no AI: nothing is run or written.");
}

async function begin(program: Program, why: string | undefined): Promise<number> {
  if (why !== undefined) say(why);
  if (atTerminal()) {
    const answer = openAnswer();
    const home = await findHome(loadConfig(), { afresh: true });
    const stays = home === undefined || (await invite(home, program.name, answer));
    answer.close();
    if (!stays) return leave(home);
    return runWith(home?.pairing, program);
  }
  let ended: NodeJS.Signals | undefined;
  const end = (signal: NodeJS.Signals) => {
    ended = signal;
  };
  for (const signal of SIGNALS) process.on(signal, end);
  if (process.env.npm_config_user_agent?.startsWith("npm/") === true) endWithNpm();
  const home = await findHome(loadConfig(), { afresh: true });
  try {
    if (home !== undefined && ended === undefined) await invite(home, program.name, undefined);
    return ended === undefined
      ? await runWith(home?.pairing, program, { unseen: UNSEEN })
      : 128 + constants.signals[ended];
  } finally {
    // nobody would know that something stays behind, unless others use it by now
    if (home?.started === true && !(await isUsed(home.pairing)))
      await stopServer(loadConfig().data);
  }
}

/** Nobody went on from the invitation: a server that was started for it goes, another one stays, and is told of. */
async function leave(home: Home): Promise<number> {
  if (home.started && !(await isUsed(home.pairing))) {
    await stopServer(loadConfig().data);
    say("the server that was started for this has ended again.");
  } else if (home.seat !== undefined)
    say(`the server at ${home.seat.origin} goes on running; \`${OWN_NAME} server stop\` ends it.`);
  return LEFT;
}

/** Told to end, npx ends the shell between itself and `bun run`, and tells nobody below: then we are told here. */
function endWithNpm(): void {
  const shell = parentOf(process.ppid);
  setInterval(() => {
    if (parentOf(process.ppid) !== shell) process.kill(process.pid, "SIGTERM");
  }, ORPHAN_MS).unref();
}

function parentOf(pid: number): string {
  return Bun.spawnSync(["ps", "-o", "ppid=", "-p", String(pid)])
    .stdout.toString()
    .trim();
}

/** Whether the server has sessions that run. */
async function isUsed(pairing: Home["pairing"]): Promise<boolean> {
  const list = parseJson(
    v.object({ sessions: v.array(SessionSummary) }),
    await signedRequest(pairing, "GET", "/api/sessions"),
  );
  return list?.sessions.some(({ status }) => status === "running") === true;
}

/** Shows the way to the dashboard, and at a terminal waits until somebody has seen it; false where they leave. */
async function invite(
  { pairing, seat, started }: Home,
  name: string,
  answer: Answer | undefined,
): Promise<boolean> {
  say(`the dashboard is at ${seat?.origin ?? pairing.server}`);
  const before = await viewers(pairing);
  if (answer?.goesOn === false) return false;
  if (answer !== undefined && before > 0 && !started) {
    say(`\`${OWN_NAME} pair\` lets one more phone or browser in`);
    return true;
  }
  const link = await mintLink(pairing, "viewer");
  process.stderr.write("\n");
  showLink(link, await reachability(link, seat !== undefined), process.stderr);
  if (answer === undefined) return true;
  answer.listen();
  process.stderr.write(`${fold(`Enter starts ${name}; so does pairing a phone or browser.`)}\n`);
  for (let look = 0; answer.goesOn === undefined; look++) {
    await Bun.sleep(WAIT_MS);
    if (look % LOOK_EVERY === 0 && (await viewers(pairing).catch(() => before)) > before) {
      say("paired");
      return answer.goesOn ?? true;
    }
  }
  return answer.goesOn;
}

interface Answer {
  /** Undefined until somebody has answered. */
  readonly goesOn: boolean | undefined;
  /** From now on Enter is an answer, too. */
  listen(): void;
  close(): void;
}

/** What somebody at the terminal answers to the invitation: Enter, or Ctrl-C (at any time) and Ctrl-D. */
function openAnswer(): Answer {
  let goesOn: boolean | undefined;
  let listens = false;
  const enter = () => {
    goesOn ??= true;
  };
  const leave = () => {
    goesOn ??= false;
  };
  for (const signal of SIGNALS) process.on(signal, leave);
  return {
    get goesOn() {
      return goesOn;
    },
    listen() {
      listens = true;
      process.stdin.once("data", enter);
      process.stdin.once("end", leave); // nothing more will come from this terminal
    },
    close() {
      for (const signal of SIGNALS) process.off(signal, leave);
      if (listens) process.stdin.off("data", enter).off("end", leave).pause();
    },
  };
}

async function viewers(pairing: Home["pairing"]): Promise<number> {
  const list = parseJson(Devices, await signedRequest(pairing, "GET", "/api/devices"));
  return (
    list?.devices.filter(({ kind, revoked_at }) => kind === "viewer" && revoked_at === null)
      .length ?? 0
  );
}

function demoProgram(): Program {
  const [command, ...before] = ownCommand();
  const args = atTerminal() ? [] : ["--again"];
  return {
    name: "claude-remote demo",
    command,
    before: [...before, "__demo"],
    args,
    hooks: true,
    env: process.env,
    cwd: process.cwd(),
  };
}

const atTerminal = () => process.stdin.isTTY === true && process.stdout.isTTY === true;

function isThere(command: string): boolean {
  try {
    findProgram(command, process.cwd(), process.env.PATH ?? "");
    return true;
  } catch (error) {
    if (error instanceof StartError) return false;
    throw error;
  }
}

/** `bun run` puts this project's own tools on the PATH; a claude among them is for its tests, and logged in nowhere. */
function leaveOwnPrograms(): void {
  const own = resolve(dirname(Bun.main), "..", "node_modules", ".bin");
  process.env.PATH = (process.env.PATH ?? "")
    .split(":")
    .filter((dir) => resolve(dir) !== own && !dir.startsWith(join(own, "/")))
    .join(":");
}
