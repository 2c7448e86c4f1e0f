import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { version } from "../../package.json";
import { Exit, Frame, LIMITS, Prompt, parseJson, SessionInfo } from "../types.ts";
import { openLink, type Pairing } from "./link.ts";
import { type Outbox, openOutbox } from "./outbox.ts";
import { parsePairing } from "./pairing.ts";
import { ownCommand } from "./program.ts";
import { followTranscript, TranscriptFile } from "./transcript.ts";

/** What is left of a session that ended while the server was away, or whose process was killed. */
const Rest = v.object({
  session: SessionInfo,
  prompts: v.pipe(v.array(Prompt), v.maxLength(2 * LIMITS.openPrompts)),
  screen: v.optional(Frame),
  exit: Exit,
  /** Just now where it is left out. */
  ended_at: v.optional(v.number(), Date.now),
  /** Where the conversation is read. */
  transcript: v.optional(v.array(TranscriptFile), []),
  /** Number of the first history operation in the file beside this one; nobody knows it of a process that was killed. */
  first: v.optional(v.number()),
  /** The device that ran it: no other server is offered it. Unknown of a process that was killed. */
  device: v.optional(v.string()),
});
type Rest = v.InferOutput<typeof Rest>;

/** How long a process offers the rest to the server, in ms. After that it waits on disk for the next session. */
const OFFER_MS = 10 * 60_000;
/** How long a rest waits on disk, in ms, and how many bytes all of them may take; then the oldest go. */
const KEEP_MS = 30 * 86_400_000;
const KEEP_BYTES = 256 * 1024 * 1024;
/** A server that refuses our version hangs up within this time, in ms. */
const HANG_UP_MS = 1000;
/** Claude, whose terminal has gone with the process that was killed, has so long for what it still writes, in ms. */
const LAST_WORDS_MS = 1000;
/** Why a server hangs up on another version. */
const OLD_PROTOCOL = "protocol";
/** What the folder of a rest is called, before letters of its own. */
const REST = "claude-remote-rest-";
/** The exit code of what nobody saw the end of. */
const LOST = -1;

/** Writes a file anew as JSON, or, with a full disk, leaves what was there before and throws the system's error. */
export function replaceFile(file: string, value: unknown): void {
  writeFileSync(`${file}.new`, JSON.stringify(value), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Prepares for the worst: the answer is the command that tells the server that this session's process was killed. */
export function prepareLoss(
  dir: string,
  session: SessionInfo,
  transcript: readonly TranscriptFile[] = [],
): string[] {
  const file = join(dir, "session.json");
  try {
    replaceFile(file, { session, prompts: [], transcript, exit: { code: LOST, lost: true } });
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error; // somebody has cleaned up, or there is no room: nothing that a session should end for
  }
  return [...ownCommand(), "__deliver", dir];
}

/** Leaves what the server lacks to a process of its own, so that the exit at the desk waits for nothing. */
export function leaveRest(
  rest: Omit<Rest, "first" | "screen" | "transcript"> & {
    screen: Frame | undefined;
    transcript: readonly TranscriptFile[];
  },
  outbox: Outbox,
  pairing: Pairing,
  folder = tmpdir(),
): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const dir = mkdtempSync(join(folder, REST)); // 0700
  outbox.keep(join(dir, "history"));
  const { device } = pairing;
  writeFileSync(
    join(dir, "session.json"),
    JSON.stringify({ ...rest, first: outbox.first, device }),
    { mode: 0o600 },
  );
  if (folder === tmpdir()) return beginDelivery([dir], pairing);
  forgetOld(folder);
  const others = restsIn(folder).flatMap((other) => (other.dir === dir ? [] : other.dir));
  beginDelivery([dir, ...others], pairing);
}

/** The rests that wait in a folder, the oldest first. */
function restsIn(folder: string): { dir: string; at: number; bytes: number }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.startsWith(REST))
    .flatMap((name) => {
      const dir = join(folder, name);
      const at = statSync(join(dir, "session.json"), { throwIfNoEntry: false })?.mtimeMs;
      const history = statSync(join(dir, "history"), { throwIfNoEntry: false })?.size ?? 0;
      return at === undefined ? [] : [{ dir, at, bytes: history }];
    })
    .sort((one, other) => one.at - other.at);
}

/** Removes what has waited too long, and the oldest where all of it takes too much. */
function forgetOld(folder: string): void {
  const rests = restsIn(folder);
  let bytes = rests.reduce((sum, rest) => sum + rest.bytes, 0);
  for (const rest of rests) {
    if (Date.now() - rest.at < KEEP_MS && bytes < KEEP_BYTES) return;
    bytes -= rest.bytes;
    rmSync(rest.dir, { recursive: true, force: true });
  }
}

/** Offers the server, which is there again, what has waited for it in a folder. */
export function deliverLeft(folder: string, pairing: Pairing): void {
  forgetOld(folder);
  const dirs = restsIn(folder).map(({ dir }) => dir);
  if (dirs.length > 0) beginDelivery(dirs, pairing);
}

/**
 * Tells the server of a session whose process was killed, as `prepareLoss` has prepared it; false where it never came so far.
 * `exit` is how it ended, where somebody knows.
 */
export function reportLoss(dir: string, pairing: Pairing, exit?: Exit): boolean {
  const file = join(dir, "session.json");
  const rest = existsSync(file) ? parseJson(Rest, readFileSync(file, "utf8")) : undefined;
  if (rest === undefined) return false;
  try {
    if (exit !== undefined) replaceFile(file, { ...rest, exit });
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error; // a full disk: then it is lost and no more
  }
  beginDelivery([dir], pairing);
  return true;
}

function beginDelivery(dirs: readonly string[], pairing: Pairing): void {
  const child = Bun.spawn([...ownCommand(), "__deliver", ...dirs], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
    detached: true,
  });
  child.stdin.write(JSON.stringify(pairing)); // not in argv
  child.stdin.end();
  child.unref();
}

export interface DeliveryOptions {
  /** Where this machine is paired, if nobody tells on stdin. */
  known(): Pairing | undefined;
  /** Where the server is by now. */
  address?(pairing: Pairing): string;
  /** Where a rest waits for the server; without one it goes when time is up. */
  folder?: string;
  /** Takes a lock; undefined where another process has it. */
  lock?(file: string): (() => void) | undefined;
}

/** `claude-remote __deliver DIR …`, for our own use: offers each rest to the server until it has it all, or time is up. */
export async function deliver(dirs: readonly string[], options: DeliveryOptions): Promise<number> {
  const told = await Bun.stdin.text();
  const pairing = told === "" ? options.known() : parsePairing(told);
  for (const dir of dirs) if (!(await deliverOne(dir, pairing, options))) break; // the server is away again
  return 0;
}

/** Whether the server can be reached. */
async function deliverOne(
  given: string,
  pairing: Pairing | undefined,
  { address, folder, lock }: DeliveryOptions,
): Promise<boolean> {
  const file = join(given, "session.json");
  const rest = existsSync(file) ? parseJson(Rest, readFileSync(file, "utf8")) : undefined;
  if (rest === undefined) {
    rmSync(given, { recursive: true, force: true });
    return true;
  }
  const mayStay = folder !== undefined && !rest.session.unlogged;
  const dir = mayStay && dirname(given) !== folder ? moveTo(folder, given, rest) : given;
  const free = lock === undefined ? () => undefined : lock(join(dir, "lock"));
  if (free === undefined) return true; // another process offers it
  const mine =
    pairing !== undefined &&
    (rest.device === undefined || rest.device === pairing.device || pairing.embedded === true);
  const spool = rest.first === undefined ? undefined : join(dir, "history");
  const outcome = mine
    ? await offer(dir, rest, openOutbox(spool, undefined, rest.first), pairing, address)
    : "another's";
  free();
  if (outcome === "stored" || !mayStay) rmSync(dir, { recursive: true, force: true });
  return outcome !== "away";
}

/** Keeps what a killed process has left where it outlives a restart of the machine; where there is no room, it stays where it is. */
function moveTo(folder: string, from: string, rest: Rest): string {
  let dir = "";
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    dir = mkdtempSync(join(folder, REST));
    replaceFile(join(dir, "session.json"), rest);
    rmSync(from, { recursive: true, force: true });
    return dir;
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    if (dir !== "") rmSync(dir, { recursive: true, force: true });
    return from;
  }
}

/** What became of a rest: stored by the server, or of no use to it; the server is away; or it does not take it now. */
type Outcome = "stored" | "away" | "refused" | "another's";

function offer(
  dir: string,
  rest: Rest,
  outbox: Outbox,
  pairing: Pairing,
  address: DeliveryOptions["address"],
): Promise<Outcome> {
  const { session, prompts, exit, ended_at } = rest;
  return new Promise((resolve) => {
    const finish = (outcome: Outcome) => {
      clearTimeout(timer);
      transcript.close();
      link.close();
      outbox.close();
      resolve(outcome);
    };
    let timer = setTimeout(() => finish("away"), OFFER_MS);
    const drain = () => {
      outbox.drain(
        (seq, op) => !link.full && link.send({ type: "output", session: session.id, seq, op }),
      );
      if (outbox.isEmpty && transcript.isDone)
        link.send({ type: "exit", session: session.id, exit, ended_at });
    };
    const transcript = followTranscript(
      {
        trust: () => undefined,
        send: (batch) =>
          !link.full && link.send({ type: "transcript", session: session.id, ...batch }),
        onDone: drain,
      },
      rest.transcript,
    );
    const link = openLink({
      pairing,
      host: session.host,
      version,
      address: address && (() => address(pairing)),
      onUp: () => void link.send({ type: "session", session, first: outbox.first, prompts }),
      onDown(reason, lasting) {
        transcript.pause();
        if (lasting)
          finish("away"); // locked out, or somebody else's server
        else if (reason === OLD_PROTOCOL) finish("refused");
        else if (!existsSync(dir)) finish("stored"); // somebody has cleaned up
      },
      onMessage(message) {
        if (message.type === "ended") return finish("stored");
        if (message.type === "refused") {
          clearTimeout(timer);
          timer = setTimeout(() => finish("stored"), HANG_UP_MS); // the session is over, or another machine's
          return;
        }
        if (message.type === "ack") outbox.acknowledged(message.seq);
        else if (message.type === "resume") {
          outbox.resume(message.seq);
          transcript.resume(message.transcript);
          if (rest.screen !== undefined)
            link.send({ type: "screen", session: session.id, frame: rest.screen });
        } else return;
        drain();
      },
    });
    setTimeout(
      () => transcript.finish(),
      rest.transcript.at(-1)?.end === undefined && rest.transcript.length > 0 ? LAST_WORDS_MS : 0,
    );
  });
}
