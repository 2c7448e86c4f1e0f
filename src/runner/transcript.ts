import { basename } from "node:path";
import * as v from "valibot";
import { type Entry, LIMITS, type TranscriptPlace } from "../types.ts";
import { entriesOf } from "./entries.ts";
import { shortenedLine } from "./long-line.ts";
import { fileSize, readFileAt } from "./real-file.ts";
import { Thread } from "./thread.ts";

/** The file is looked at so often, in ms: quickly after it has grown, for so long. */
const QUICK_MS = 150;
const CALM_MS = 1000;
const QUICK_FOR_MS = 10_000;
/** Read at once, so that the terminal at the desk never waits; a longer line is read whole up to the second, and without its long texts beyond, in bytes. */
const CHUNK_BYTES = 128 * 1024;
const LINE_BYTES = 4 * 1024 * 1024;
/** Of a conversation that is resumed so much is shown, in bytes. */
const START_BYTES = 64 * 1024 * 1024;
/** A message ends after about so much text, in UTF-16 units. */
const BATCH_CHARS = 128 * 1024;
/** Two files that bear one name hold the same where so much before a place is the same, in bytes. */
const SAME_BYTES = 4096;
/** So much of a file's beginning tells whether it is a fork, in bytes. */
const BEGINNING_BYTES = 64 * 1024;
/** So many files may follow each other: each `/clear` begins one. */
const FILES = 100;

/** One of the files that a session's conversation is in: read from `start`, and once another has taken its place, to `end`. In bytes. */
export const TranscriptFile = v.object({
  path: v.string(),
  start: v.number(),
  end: v.optional(v.number()),
  /** What was there before in the same file is gone: it is another conversation. */
  anew: v.optional(v.boolean()),
});
export type TranscriptFile = v.InferOutput<typeof TranscriptFile>;

export type TranscriptBatch = TranscriptPlace & { entries: Entry[] };

export interface Transcript {
  /** The file that is written now, where its name is known. */
  named(path: string): boolean;
  /** The server has the conversation up to this place: what follows is sent. */
  resume(place: TranscriptPlace): void;
  /** There is no server to send to. */
  pause(): void;
  /** Nothing more will be written. */
  finish(): void;
  /** Whether all there will be has been sent. */
  readonly isDone: boolean;
  readonly files: readonly TranscriptFile[];
  close(): void;
}

export interface TranscriptOptions {
  /** The real path of a file that may be read. */
  trust(path: string): string | undefined;
  /** Why a file that is there may not be read, in words for people. */
  distrust?: (path: string) => string | undefined;
  /** Where the file of this name is by now: Claude moves it when its folder changes. */
  find?: (name: string) => string | undefined;
  /** Sends; false where it can't be sent now. `next`, `file` and `at` say where these entries end. */
  send(batch: TranscriptBatch): boolean;
  /** Another file has been found to follow. */
  onFile?(files: readonly TranscriptFile[]): void;
  /** All there will be has been sent. */
  onDone(): void;
}

/**
 * Follows the conversation in Claude Code's transcript. The file itself is the spool: how far the server has come is told by
 * the server, so that nothing is lost or doubled however often the connection breaks.
 */
export function followTranscript(
  options: TranscriptOptions,
  files: TranscriptFile[] = [],
): Transcript {
  let place: TranscriptPlace | undefined;
  let wanted: string | undefined; // named, but not there yet
  let grewAt = Number.NEGATIVE_INFINITY;
  let known = -1; // size of the file when its end was last reached
  let finished = false;
  let closed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const thread = new Thread();
  let refused = false; // it was told that a file is not trusted

  /** A file that has been named takes the place of the one before. One of the same name is the same conversation, moved with its folder. */
  const adopt = () => {
    const path = wanted === undefined ? undefined : options.trust(wanted);
    if (path === undefined) return;
    wanted = undefined;
    const last = files.at(-1);
    if (last?.path === path || files.length >= FILES) return;
    if (last !== undefined && isMoved(last, path)) {
      last.path = path;
      known = -1;
      options.onFile?.(files);
      return;
    }
    if (last !== undefined) last.end = sizeOf(last.path);
    const before = files.findLast((file) => file.path === path); // one comes back to it
    files.push({ path, start: before?.end ?? Math.max(0, sizeOf(path) - START_BYTES) });
    options.onFile?.(files);
  };

  /** Whether a file is the last one in another folder. */
  const isMoved = (last: TranscriptFile, path: string): boolean => {
    if (basename(last.path) !== basename(path) || last.end !== undefined) return false;
    const at = place !== undefined && place.file === files.length - 1 ? place.at : last.start;
    const start = Math.max(0, at - SAME_BYTES);
    const before = (file: string) => readFileAt(file, start, at - start, file);
    if (sizeOf(path) < at) return false;
    return fileSize(last.path, last.path) === undefined || before(path).equals(before(last.path));
  };

  /** Says once why nothing of a conversation shows. */
  const refuse = (from: TranscriptPlace): boolean => {
    const why = wanted === undefined || refused ? undefined : options.distrust?.(wanted);
    if (why === undefined) return false;
    refused = true;
    return send(from, [{ kind: "note", at: Date.now(), text: why }], from);
  };

  const send = (from: TranscriptPlace, entries: Entry[], to: TranscriptPlace): boolean => {
    if (entries.length > 0 && !options.send({ ...to, next: from.next + entries.length, entries }))
      return false;
    place = { ...to, next: from.next + entries.length };
    return true;
  };

  /** Sends the next part; whether there may be more at once. */
  const step = (from: TranscriptPlace): boolean => {
    if (refuse(from)) return true;
    const file = files[from.file];
    if (file === undefined) return false;
    if (file.end === undefined && fileSize(file.path, file.path) === undefined) {
      wanted ??= options.find?.(basename(file.path)); // it was moved, or is gone
      return false;
    }
    const size = Math.min(sizeOf(file.path), file.end ?? Number.POSITIVE_INFINITY);
    const at = Math.max(from.at, file.start);
    if (at > size && file.end === undefined && files.length < FILES) {
      // it was written anew: what is in it now is another conversation
      file.end = 0;
      files.push({ path: file.path, start: 0, anew: true });
      return true;
    }
    if (at < size && size !== known) {
      const { lines, next } = readLines(file.path, at, size);
      if (next > at) grewAt = performance.now();
      else known = size;
      let to = at;
      let entries: Entry[] = [];
      let chars = 0;
      const conversation = basename(file.path);
      for (const { line, end } of lines) {
        const n = from.next + entries.length;
        const { repeated, takenBack } = thread.add(line, { conversation, file: from.file, end, n });
        const said = repeated ? [] : entriesOf(line);
        const more = takenBack === undefined ? said : [takenBackNote(takenBack), ...said];
        if (entries.length + more.length > LIMITS.entries || chars > BATCH_CHARS) break;
        entries = [...entries, ...more];
        chars += more.length === 0 ? 0 : line.length;
        to = end;
      }
      if (next > at) return send(from, entries, { ...from, at: to });
    }
    const following = files[from.file + 1];
    if (file.end === undefined) return false;
    known = -1;
    const text =
      following === undefined ||
      (basename(following.path) === basename(file.path) && following.anew !== true)
        ? undefined
        : isFork(following.path)
          ? "The conversation was forked. It goes on in a copy."
          : "Another conversation begins here.";
    const note: Entry[] = text === undefined ? [] : [{ kind: "note", at: Date.now(), text }];
    return send(from, note, { ...from, file: from.file + 1, at: following?.start ?? 0 });
  };

  const look = () => {
    clearTimeout(timer);
    if (closed) return;
    adopt();
    const more = place !== undefined && step(place);
    if (isDone()) return options.onDone();
    if (files.length === 0 && wanted === undefined) return;
    timer = setTimeout(
      look,
      more ? 0 : finished || performance.now() - grewAt < QUICK_FOR_MS ? QUICK_MS : CALM_MS,
    );
  };

  const isDone = () =>
    finished && (files.length === 0 || (place !== undefined && place.file >= files.length));

  return {
    named(path) {
      if (path === "") return false;
      wanted = path;
      grewAt = performance.now(); // where hooks come, something is written
      look();
      return true;
    },
    resume(from) {
      place = { ...from };
      known = -1;
      look();
    },
    pause() {
      place = undefined;
    },
    finish() {
      adopt();
      finished = true;
      const last = files.at(-1);
      if (last !== undefined && last.end === undefined) last.end = sizeOf(last.path);
      known = -1;
      look();
    },
    get isDone() {
      return isDone();
    },
    files,
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Whole lines from byte `at` on, each with the byte after it, and how far these go; the half of a line that is being written waits. */
function readLines(
  path: string,
  at: number,
  size: number,
): { lines: { line: string; end: number }[]; next: number } {
  const lines: { line: string; end: number }[] = [];
  let data: Buffer = Buffer.alloc(0);
  for (const most of [CHUNK_BYTES, LINE_BYTES]) {
    data = readFileAt(path, at, Math.min(most, size - at), path);
    let start = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
      lines.push({ line: data.toString("utf8", start, end), end: at + end + 1 });
      start = end + 1;
    }
    if (start > 0 || data.length < most) return { lines, next: at + start };
  }
  const long = shortenedLine((from, bytes) => readFileAt(path, from, bytes, path), at, size);
  return long === undefined ? { lines, next: at } : { lines: [long], next: long.end };
}

const takenBackNote = (back: number): Entry => ({
  kind: "note",
  at: Date.now(),
  text: "The conversation went back: what came before this was taken back.",
  back,
});

/** Whether a file begins with what another conversation said. */
const isFork = (path: string) =>
  readFileAt(path, 0, BEGINNING_BYTES, path).includes('"forkedFrom":{"sessionId":"');

/** Of anything but the file that was found under this path: 0. */
const sizeOf = (path: string) => fileSize(path, path) ?? 0;
