import { parseArgs } from "node:util";
import { attach as attachTo } from "../attach/attach.ts";
import { type Client, openClient, RequestError } from "../attach/client.ts";
import { clipped, folderOf, stateWords } from "../attach/shown.ts";
import { PairingError } from "../runner/pairing.ts";
import type { SessionSummary } from "../types.ts";
import { runningSessions } from "../viewer/pages.ts";
import { visibleName } from "../visible-text.ts";
import { loadConfig } from "./config.ts";
import { findHome } from "./embedded.ts";
import { print, printJson, say } from "./say.ts";
import { UsageError } from "./usage.ts";

/** `claude-remote attach [--list [--json]] [SESSION]`: a session of any machine, full screen on this terminal. */
export async function attach(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { list: { type: "boolean" }, json: { type: "boolean" } },
  });
  if (positionals.length > 1) throw new UsageError("attach: one session at a time");
  if (values.json === true && values.list !== true)
    throw new UsageError("attach: --json goes with --list");
  const [wanted] = positionals;
  if (values.list !== true && !(process.stdin.isTTY && process.stdout.isTTY))
    throw new UsageError(
      "attach: this needs a terminal; `claude-remote attach --list` tells what runs",
    );
  const pairing = (await findHome(loadConfig()))?.pairing;
  if (pairing === undefined)
    throw new PairingError("This machine is not paired yet: see `claude-remote pair`.");
  const client = openClient(pairing);
  const sessions = await listRunning(client);
  if (values.json === true) {
    printJson({ sessions });
    return 0;
  }
  if (values.list === true) {
    const columns = process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY;
    for (const session of sessions)
      print(`${session.id}  ${about(session, columns - session.id.length - 2)}`);
    if (sessions.length === 0) say("No session is running.");
    return 0;
  }
  const session = wanted === undefined ? chosen(sessions) : found(sessions, wanted);
  if (session === undefined) return 130;
  const left = await attachTo(client, session);
  if (left === undefined) throw new UsageError("attach: this needs a terminal");
  say(left.words);
  return left.code;
}

/** All sessions that are not over, what waits for a person first. */
async function listRunning(client: Client): Promise<SessionSummary[]> {
  try {
    return await runningSessions((schema, target) => client.call(schema, "GET", target));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.status !== 403) throw new PairingError(error.message);
    throw new PairingError(
      "This machine is paired as a runner, which may show its sessions but not look at any: `claude-remote pair LINK` with a machine's link changes that.",
    );
  }
}

/** A session in a line; its command, and then its folder, are cut where that would be longer than `columns`. */
function about(session: SessionSummary, columns = Number.POSITIVE_INFINITY): string {
  const waits =
    session.pending === 0
      ? ""
      : session.pending === 1
        ? ", waits for you"
        : `, ${session.pending} questions wait for you`;
  const host = visibleName(session.host);
  const state = `(${stateWords(session)}${waits})`;
  const room = columns - Bun.stringWidth(`${host}      ${state}`);
  const cwd = cut(visibleName(session.cwd), room - 1);
  return `${host}  ${cwd}  ${cut(visibleName(session.command), room - Bun.stringWidth(cwd))}  ${state}`;
}

function cut(text: string, columns: number): string {
  return Bun.stringWidth(text) <= columns ? text : `${clipped(text, columns - 1)}…`;
}

/** The one that runs, or the one that somebody chooses; undefined where they choose none. */
function chosen(sessions: SessionSummary[]): SessionSummary | undefined {
  const [only] = sessions;
  if (only === undefined) throw new PairingError("Nothing runs: `claude-remote` starts a session.");
  if (sessions.length === 1) return only;
  for (const [i, session] of sessions.entries())
    print(`${String(i + 1).padStart(3)}  ${about(session)}`, process.stderr);
  const answer = prompt("Which one? Its number:", "1"); // without a default, Bun tells Enter as nobody answering
  if (answer === null) return undefined;
  const session = sessions[Number(answer) - 1];
  if (session === undefined)
    throw new UsageError(`attach: ${JSON.stringify(answer)} is none of these numbers`);
  return session;
}

/** The session that is meant by its id, the beginning of that, its folder's name or a part of it. */
function found(sessions: SessionSummary[], wanted: string): SessionSummary {
  const ways: ((session: SessionSummary) => boolean)[] = [
    ({ id }) => id === wanted,
    (session) => folderOf(session) === wanted,
    ({ id }) => wanted.length > 2 && id.startsWith(wanted),
    (session) => folderOf(session).includes(wanted),
  ];
  for (const is of ways) {
    const those = sessions.filter(is);
    const [first] = those;
    if (first !== undefined && those.length === 1) return first;
    if (first !== undefined)
      throw new PairingError(
        `${JSON.stringify(wanted)} could be any of these:\n${those.map((session) => `${session.id}  ${about(session)}`).join("\n")}`,
      );
  }
  throw new PairingError(
    `Nothing that runs is called ${JSON.stringify(wanted)}: \`claude-remote attach --list\` tells what does. Claude Code's own attach, to its background agents, is \`claude-remote run -- attach ${wanted}\`.`,
  );
}
