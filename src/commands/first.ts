import { dirname, join, resolve } from "node:path";
import * as v from "valibot";
import { signedRequest } from "../runner/pairing.ts";
import { findProgram, ownCommand, StartError } from "../runner/program.ts";
import type { Program } from "../runner/wrap.ts";
import { DeviceInfo, parseJson } from "../types.ts";
import { loadConfig } from "./config.ts";
import { findHome, type Home, stopServer } from "./embedded.ts";
import { mintLink, printLink, reachability } from "./pair.ts";
import { programOf, runWith } from "./run.ts";
import { say } from "./say.ts";

const Devices = v.object({ devices: v.array(DeviceInfo) });

/** How often we look whether a phone has been paired, in ms. */
const LOOK_EVERY_MS = 500;
/** The size of a terminal that nobody sits at. */
const UNSEEN = { cols: 80, rows: 24 };

/** What `bun run start` does, with nothing set up: server, pairing link, and claude; without claude, or without a terminal, the demo. */
export function start(): Promise<number> {
  leaveOwnPrograms();
  const { claude } = loadConfig();
  if (!isThere(claude)) return begin(demoProgram(), "Claude Code is not installed here, so a scripted demo stands in for it: no AI, and nothing is run or written.");
  if (atTerminal()) return begin(programOf(claude, [], true), undefined);
  return begin(demoProgram(), "there is no terminal here for Claude Code, so a scripted demo stands in for it: no AI, and nothing is run or written.");
}

/** `claude-remote demo`: the same with the scripted agent, whatever is installed. */
export function demo(): Promise<number> {
  return begin(demoProgram(), "a scripted demo, no AI: nothing is run or written.");
}

async function begin(program: Program, why: string | undefined): Promise<number> {
  if (why !== undefined) say(why);
  const home = await findHome(loadConfig(), { afresh: true });
  if (home !== undefined) await invite(home, program.name);
  try {
    return await runWith(home?.pairing, program, atTerminal() ? undefined : UNSEEN);
  } finally {
    // without a terminal nobody would know that something stays behind
    if (!atTerminal() && home?.started === true) await stopServer(loadConfig().data);
  }
}

/** Shows the way to the dashboard, and at a terminal waits until somebody has seen it. */
async function invite({ pairing, seat }: Home, name: string): Promise<void> {
  say(`the dashboard is at ${seat?.origin ?? pairing.server}`);
  if (atTerminal() && (await viewers(pairing)) > 0) return;
  const link = await mintLink(pairing, "viewer");
  process.stderr.write(`\n${await reachability(link, seat !== undefined)}\n`);
  printLink(link, process.stderr);
  if (!atTerminal()) return;
  const before = await viewers(pairing);
  process.stderr.write(`The link works once, for five minutes; \`claude-remote pair\` makes another. Enter starts ${name}; so does pairing a phone or browser.\n`);
  let paired = false;
  const entered = new Promise<void>((resolve) => process.stdin.once("data", () => resolve()));
  const seen = (async () => {
    while (!paired) {
      await Bun.sleep(LOOK_EVERY_MS);
      paired ||= (await viewers(pairing)) > before;
    }
  })();
  await Promise.race([entered, seen]);
  if (paired) say("paired");
  paired = true;
  process.stdin.pause();
}

async function viewers(pairing: Home["pairing"]): Promise<number> {
  const list = parseJson(Devices, await signedRequest(pairing, "GET", "/api/devices"));
  return list?.devices.filter(({ kind, revoked_at }) => kind === "viewer" && revoked_at === null).length ?? 0;
}

function demoProgram(): Program {
  const [command, ...before] = ownCommand();
  const args = atTerminal() ? [] : ["--again"];
  return { name: "claude-remote demo", command, before: [...before, "__demo"], args, hooks: true, env: process.env, cwd: process.cwd() };
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
