import { readdirSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parseJson, type SessionInfo } from "../types.ts";
import { fileSize, readFileAt } from "./real-file.ts";

/** How often the file is read, in ms: quickly while an answer at the desk could come, and until Claude has noticed one. */
const QUICK_MS = 50;
const CALM_MS = 1000;
/** Such a file has some 600 bytes; of one that somebody else wrote so many are read. */
const FILE_BYTES = 64 * 1024;
/** So many of Claude's files are looked through for one session, and so many conversations of ours are remembered. */
const FILES = 1000;
const REMEMBERED = 1000;

const word = v.fallback(v.optional(v.string()), undefined);
/** What Claude Code writes about one of its processes (measured with 2.1.328). */
const StatusFile = v.pipe(
  v.unknown(),
  v.check((file) => !Array.isArray(file)),
  v.looseObject({
    status: word,
    waitingFor: word,
    sessionId: word,
    /** `interactive`, or `bg` for a session that Claude's own daemon runs. */
    kind: word,
    name: word,
    /** The daemon's name for the session of a `bg` process. */
    jobId: word,
    /** The conversation that was here went on in the background under this name. */
    parkedJobId: v.fallback(v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/))), undefined),
  }),
);
type StatusFile = v.InferOutput<typeof StatusFile>;
export type Activity = SessionInfo["activity"];

/** The words of the status file that are known, and what each means; every other word means that nothing is known. */
export const STATUS_WORDS: Readonly<Record<string, Activity>> = {
  idle: "idle",
  busy: "busy",
  waiting: "waiting",
  /** Claude is at its prompt while a command of its own runs in the background. */
  shell: "idle",
};

export type Status = ReturnType<typeof followStatus>;

/**
 * Follows the undocumented file in which Claude Code says whether it is busy or waits: an extra signal: no decision
 * hangs on it, only the word that one was applied (evidence.ts). `dir` holds these files, `program` finds claude's pid once it runs; `inTurn` is whether Claude is answering somebody.
 * `onConversation` hears Claude's own id of the conversation, also where no hook has come, until it makes something of it.
 * `later` does something in so many ms, unless what it gives is called before. `onParked` hears under which name the conversation went on in the background.
 */
export function followStatus(
  dir: string,
  program: () => number | undefined,
  onChange: (activity: Activity, inTurn: boolean) => void,
  onConversation: (id: string) => boolean,
  later: (ms: number, act: () => void) => () => void = (ms, act) => {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
  onParked: (job: string | undefined) => void = () => undefined,
) {
  let pid: number | undefined;
  let activity: Activity = "unknown";
  let conversation = "";
  let quick = false;
  let asksPermission = false;
  let parked: string | undefined;
  /** The file's name, where it bears another pid than the program's: a script started claude. */
  let other: string | undefined;
  /** The conversation that a hook named last. */
  let named: string | undefined;
  /** Every conversation that this process has had. */
  const own = new Set<string>();

  const open = (name: string) => readIfThere(join(dir, name));
  /** The first file that fits, of whatever process. */
  const find = (fits: (file: StatusFile) => boolean) => {
    for (const name of statusFiles(dir)) {
      const file = parseJson(StatusFile, open(name) ?? "");
      if (file !== undefined && fits(file)) return { name, file };
    }
    return undefined;
  };
  const remember = (id: string | undefined) => {
    if (id !== undefined && own.size < REMEMBERED) own.add(id);
  };

  /** What our own claude has written last; no text where there is no file of it. */
  const readOwn = (): { text?: string | undefined; file?: StatusFile | undefined } => {
    pid ??= program();
    let text = pid === undefined ? undefined : open(`${pid}.json`);
    if (text === undefined && other !== undefined) text = open(other);
    if (text === undefined && named !== undefined) {
      other = find(({ sessionId, kind }) => sessionId === named && kind !== "bg")?.name;
      text = other === undefined ? undefined : open(other);
    }
    const file = text === undefined ? undefined : parseJson(StatusFile, text);
    remember(file?.sessionId);
    return { text, file };
  };

  /** The session that went on in the background, while nothing else is done here. */
  const parkedSession = (file: StatusFile | undefined) => {
    const job = file?.parkedJobId;
    const found = job === undefined ? undefined : find(({ jobId }) => jobId === job)?.file;
    remember(found?.sessionId);
    return found;
  };

  const read = () => {
    const { text, file } = readOwn();
    const inBackground = parkedSession(file);
    const said = inBackground !== undefined && meaning(file) === "idle" ? inBackground : file;
    const half = text !== undefined && file === undefined;
    const now = half ? activity : meaning(said); // half written: wait
    if (!half) asksPermission = said?.waitingFor === "permission prompt";
    if (now !== activity) {
      activity = now;
      onChange(now, now === "busy" || asksPermission);
    }
    // a file that is gone, as at the end, takes nothing back
    if (file !== undefined && file.parkedJobId !== parked) {
      parked = file.parkedJobId;
      onParked(parked);
    }
    const id = file?.sessionId ?? conversation;
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
    /** Claude waits at a dialog that it calls a hook for. */
    get asksPermission() {
      return activity === "waiting" && asksPermission;
    },
    /** The conversation went on in the background: what is on the screen may be another session's, or a list of them. */
    get isParked() {
      return parked !== undefined;
    },
    /** Reads often while a prompt waits. */
    hurry(on: boolean): void {
      if (on === quick) return;
      quick = on;
      cancel();
      read();
    },
    /** Whether an event of a conversation is of the claude that runs here: hooks may be called by sessions of Claude's own daemon, too. */
    isOwn(id: string): boolean {
      if (own.has(id)) return true;
      named ??= id;
      const { file } = readOwn();
      parkedSession(file);
      if (own.has(id)) return true;
      if (file?.sessionId !== undefined) return false;
      // our own file is gone, or can't be read: only what is known to be another's is that
      if (find(({ sessionId, kind }) => sessionId === id && kind === "bg") !== undefined)
        return false;
      named = id;
      remember(id);
      return true;
    },
    /** What Claude calls a session; undefined where nothing tells. */
    nameOf: (id: string): string | undefined =>
      find(({ sessionId }) => sessionId === id)?.file.name,
    /** What another session does. */
    activityOf: (id: string): Activity => meaning(find(({ sessionId }) => sessionId === id)?.file),
    close: () => cancel(),
  };
}

/** What a file says; unknown where there is none, or its word is not known. */
function meaning(file: StatusFile | undefined): Activity {
  const { status = "" } = file ?? {};
  return Object.hasOwn(STATUS_WORDS, status) ? (STATUS_WORDS[status] ?? "unknown") : "unknown";
}

/** The names of Claude's files; none where the folder can't be read. */
function statusFiles(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => /^\d{1,10}\.json$/.test(name))
      .slice(0, FILES);
  } catch (error) {
    if (error instanceof Error && "code" in error) return []; // not there yet, or not for us
    throw error;
  }
}

function readIfThere(path: string): string | undefined {
  const size = fileSize(path);
  return size === undefined
    ? undefined
    : readFileAt(path, 0, Math.min(size, FILE_BYTES)).toString();
}
