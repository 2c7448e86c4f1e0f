import { join } from "node:path";
import * as v from "valibot";
import { parseJson, type SessionInfo } from "../types.ts";
import { fileSize, readFileAt } from "./real-file.ts";

/** How often the file is read, in ms: quickly while an answer at the desk could come, and until Claude has noticed one. */
const QUICK_MS = 50;
const CALM_MS = 1000;
/** Such a file has some 400 bytes; of one that somebody else wrote so many are read. */
const FILE_BYTES = 64 * 1024;

const StatusFile = v.looseObject({
  status: v.picklist(["idle", "busy", "waiting"]),
  waitingFor: v.optional(v.string()),
  sessionId: v.optional(v.string()),
  /** The conversation was handed to a session in the background: by `←` at an empty prompt, which opens the agents view. */
  parkedJobId: v.optional(
    v.fallback(v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/))), undefined),
  ),
});
export type Activity = SessionInfo["activity"];

/**
 * Follows the undocumented file in which Claude Code says whether it is busy or waits: an extra signal: no decision
 * hangs on it, only the word that one was applied (evidence.ts). `dir` holds these files, `program` finds claude's pid once it runs; `inTurn` is whether Claude is answering somebody.
 * `parked` is the background session that has its conversation by now, if one has. `onConversation` hears Claude's own id of the conversation, also where no hook has come, until it makes something of it.
 * `later` does something in so many ms, unless what it gives is called before.
 */
export function followStatus(
  dir: string,
  program: () => number | undefined,
  onChange: (activity: Activity, inTurn: boolean, parked: string | undefined) => void,
  onConversation: (id: string) => boolean,
  later: (ms: number, act: () => void) => () => void = (ms, act) => {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
) {
  let pid: number | undefined;
  let activity: Activity = "unknown";
  let parked: string | undefined;
  let conversation = "";
  let quick = false;

  const read = () => {
    pid ??= program();
    const text = pid === undefined ? undefined : readIfThere(join(dir, `${pid}.json`));
    const parsed = text === undefined ? undefined : parseJson(StatusFile, text);
    const now = parsed?.status ?? (text === undefined ? "unknown" : activity); // half written: wait
    const job = text === undefined || parsed !== undefined ? parsed?.parkedJobId : parked;
    if (now !== activity || job !== parked) {
      activity = now;
      parked = job;
      onChange(now, now === "busy" || parsed?.waitingFor === "permission prompt", job);
    }
    const id = parsed?.sessionId ?? conversation;
    if (id !== conversation && onConversation(id)) conversation = id;
    cancel(); // what heard of it may have had it read again
    // while it waits, keys from afar are kept from it: somebody who pressed Escape wants to go on
    cancel = later(quick || activity === "waiting" ? QUICK_MS : CALM_MS, read);
  };
  let cancel = later(CALM_MS, read);

  return {
    get activity() {
      return activity;
    },
    /** Reads often while a prompt waits. */
    hurry(on: boolean): void {
      if (on === quick) return;
      quick = on;
      cancel();
      read();
    },
    close: () => cancel(),
  };
}

function readIfThere(path: string): string | undefined {
  const size = fileSize(path);
  return size === undefined
    ? undefined
    : readFileAt(path, 0, Math.min(size, FILE_BYTES)).toString();
}
