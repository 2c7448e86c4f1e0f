import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
});
type Rest = v.InferOutput<typeof Rest>;

/** How long the rest is offered to the server, in ms. */
const OFFER_MS = 10 * 60_000;
/** Claude, whose terminal has gone with the process that was killed, has so long for what it still writes, in ms. */
const LAST_WORDS_MS = 1000;
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
): void {
  const dir = mkdtempSync(join(tmpdir(), "claude-remote-rest-")); // 0700
  outbox.keep(join(dir, "history"));
  writeFileSync(join(dir, "session.json"), JSON.stringify({ ...rest, first: outbox.first }), {
    mode: 0o600,
  });
  beginDelivery(dir, pairing);
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
  beginDelivery(dir, pairing);
  return true;
}

function beginDelivery(dir: string, pairing: Pairing): void {
  const child = Bun.spawn([...ownCommand(), "__deliver", dir], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
    detached: true,
  });
  child.stdin.write(JSON.stringify(pairing)); // not in argv
  child.stdin.end();
  child.unref();
}

/** `claude-remote __deliver DIR`, for our own use: offers a rest to the server until it has it all, or time is up; then removes it. `known` is where this machine is paired, if nobody tells. */
export async function deliver(
  [dir = ""]: readonly string[],
  known: () => Pairing | undefined,
): Promise<number> {
  const told = await Bun.stdin.text();
  const pairing = told === "" ? known() : parsePairing(told);
  const rest = parseJson(Rest, readFileSync(join(dir, "session.json"), "utf8"));
  if (rest !== undefined && pairing !== undefined)
    await offer(
      dir,
      rest,
      openOutbox(
        rest.first === undefined ? undefined : join(dir, "history"),
        undefined,
        rest.first,
      ),
      pairing,
    );
  rmSync(dir, { recursive: true, force: true });
  return 0;
}

function offer(dir: string, rest: Rest, outbox: Outbox, pairing: Pairing): Promise<void> {
  const { session, prompts, exit, ended_at } = rest;
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      transcript.close();
      link.close();
      resolve();
    };
    const timer = setTimeout(finish, OFFER_MS);
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
      onUp: () => void link.send({ type: "session", session, first: outbox.first, prompts }),
      onDown(_, lasting) {
        transcript.pause();
        if (lasting || !existsSync(dir)) finish(); // locked out, or somebody has cleaned up
      },
      onMessage(message) {
        if (message.type === "ended" || message.type === "refused") return finish();
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
