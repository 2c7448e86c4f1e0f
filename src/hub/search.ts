import { type Database, SQLiteError } from "bun:sqlite";
import { goesOn } from "../row.ts";
import { Entry, LIMITS, parseJson, type SearchAnswer, ToolInput, View } from "../types.ts";
import { BEYOND_ROWS, type HistoryRow, printedLines, rowsOf, textBefore } from "./history-lines.ts";
import { describeError, type Log } from "./log.ts";
import type { Room } from "./room.ts";
import type { Stores } from "./stores.ts";

/** Lines of history that are found together. */
const BLOCK_LINES = 40;
/** Indexed at once: lines, entries, prompts. */
const BATCH_LINES = 10 * BLOCK_LINES;
const BATCH_ENTRIES = 50;
const BATCH_PROMPTS = 5;
/** Of an entry or a prompt so much can be found, in UTF-16 units. */
const DOC_CHARS = 64 * 1024;
/** What is new waits this long, so that it is indexed in whole blocks; then indexing rests this many times as long as it works, in ms. */
const FIRST_PAUSE_MS = 1000;
const RESTS = 4;
/** After a write failed (a full disk) indexing goes on after this long, in ms. */
const RETRY_MS = 10_000;
/** Before a search is answered so long is spent on what is not indexed yet, in ms. */
const CATCH_UP_MS = 100;
/** Words that are looked for, and the newest documents that have them. */
const WORDS = 10;
const CANDIDATES = 400;
/** A snippet shows so much before what was found, and so much in all, in UTF-16 units. */
const BEFORE_CHARS = 40;
const SNIPPET_CHARS = 200;

export type Search = ReturnType<typeof openSearch>;

/** Full-text search over history, conversations and prompts of all sessions, those that are in memory alone as well. */
export function openSearch({ disk, memory, of }: Stores, log?: Log, room?: Room) {
  const indexes = { disk: openIndex(disk, log, room), memory: openIndex(memory, log) };
  return {
    /** Something of a session is new. */
    touch: (id: string) => (of(id) === disk ? indexes.disk : indexes.memory).touch(id),

    /** What has all these words, the last one also where it only begins so; newest first. */
    find(text: string): SearchAnswer {
      const [first, second] = [indexes.memory.find(text), indexes.disk.find(text)];
      const found = shared([...first.found, ...second.found]);
      return {
        results: found.slice(0, LIMITS.results).map(({ result }) => result),
        partial: first.partial || second.partial,
      };
    },

    close(): void {
      indexes.disk.close();
      indexes.memory.close();
    },
  };
}

/** What was found, and on which device's session. */
interface Found {
  device: string;
  result: SearchAnswer["results"][number];
}

/** So many of each device that none fills an answer alone where others have something. */
function shared(found: readonly Found[]): Found[] {
  const share = Math.ceil(LIMITS.results / new Set(found.map(({ device }) => device)).size);
  const counts = new Map<string, number>();
  return found.filter(({ device }) => {
    const count = (counts.get(device) ?? 0) + 1;
    counts.set(device, count);
    return count <= share;
  });
}

type Kind = SearchAnswer["results"][number]["kind"];
interface Places {
  generation: number;
  line: number;
  entry: number;
  prompt: number;
}

/** The index of one database. Words are indexed in the background, so that storing never waits for it. */
function openIndex(db: Database, log: Log = () => undefined, room?: Room) {
  const waiting = new Set(
    db
      .query<{ id: string }, []>(
        `SELECT s.id FROM sessions s LEFT JOIN search_places p ON p.session_id = s.id LEFT JOIN transcript_places t ON t.session_id = s.id
         WHERE p.line IS NOT s.next_line OR p.generation IS NOT s.generation OR p.entry < t.next
         OR EXISTS (SELECT 1 FROM prompts q WHERE q.session_id = s.id AND q.rowid > p.prompt)`,
      )
      .all()
      .map(({ id }) => id),
  );
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;

  const addDoc = db.query<{ id: number }, [string, string, number]>(
    "INSERT INTO search_docs (session_id, kind, place) VALUES (?, ?, ?) RETURNING id",
  );
  const addText = db.query("INSERT INTO search (rowid, text) VALUES (?, ?)");
  const add = (id: string, kind: Kind, place: number, text: string) => {
    if (text.trim() !== "")
      addText.run(addDoc.get(id, kind, place)?.id ?? null, spaced(text.slice(0, DOC_CHARS)));
  };

  const setPlaces = db.query(
    "UPDATE search_places SET generation = ?, line = ?, entry = ?, prompt = ? WHERE session_id = ?",
  );
  /** Indexes a part of what is new in a session; `whole`: also a block that is not full. True where more is left. */
  const indexSome = db.transaction((id: string, whole: boolean): boolean => {
    const session = db
      .query<{ generation: number; next_line: number; status: string }, [string]>(
        "SELECT generation, next_line, status FROM sessions WHERE id = ?",
      )
      .get(id);
    if (session === null) return false;
    db.query("INSERT OR IGNORE INTO search_places (session_id) VALUES (?)").run(id);
    const places = db
      .query<Places, [string]>(
        "SELECT generation, line, entry, prompt FROM search_places WHERE session_id = ?",
      )
      .get(id);
    if (places === null) return false;
    if (places.generation !== session.generation) {
      dropDocs(db, id, "history");
      Object.assign(places, { generation: session.generation, line: 0 });
    }
    let more = false;
    let start = places.line - (places.line % BLOCK_LINES);
    // the block before ends in a word that may go on in what is new
    const [last] = rowsOf(db, id, session.generation, start - 1, start);
    if (last !== undefined && goesOn(last.row)) start -= BLOCK_LINES;
    const until =
      whole || session.status === "ended"
        ? session.next_line
        : session.next_line - (session.next_line % BLOCK_LINES);
    if (until > places.line) {
      dropDocs(db, id, "history", start); // a block that was not full, or whose lines were taken back
      // lines that were lost are passed over, however many
      const next = db
        .query<{ line: number | null }, [string, number, number]>(
          "SELECT min(line) AS line FROM output_log WHERE session_id = ? AND generation = ? AND line >= ?",
        )
        .get(id, session.generation, start)?.line;
      const from = next === null || next === undefined ? until : next - (next % BLOCK_LINES);
      const end = Math.min(until, from + BATCH_LINES);
      const rows = rowsOf(db, id, session.generation, from, end + BEYOND_ROWS);
      for (const [block, text] of blocksOf(rows, end)) add(id, "history", block, text);
      places.line = end;
      more = end < until;
    }
    const entries = db
      .query<{ n: number; entry: string }, [string, number, number]>(
        "SELECT n, entry FROM transcript WHERE session_id = ? AND n >= ? ORDER BY n LIMIT ?",
      )
      .all(id, places.entry, BATCH_ENTRIES);
    for (const { n, entry } of entries) {
      add(id, "conversation", n, textOfEntry(entry));
      places.entry = n + 1;
    }
    const prompts = db
      .query<{ rowid: number; view: string }, [string, number, number]>(
        "SELECT rowid, view FROM prompts WHERE session_id = ? AND rowid > ? ORDER BY rowid LIMIT ?",
      )
      .all(id, places.prompt, BATCH_PROMPTS);
    for (const { rowid, view } of prompts) {
      add(id, "prompt", rowid, textOfView(view));
      places.prompt = rowid;
    }
    setPlaces.run(places.generation, places.line, places.entry, places.prompt, id);
    return more || entries.length === BATCH_ENTRIES || prompts.length === BATCH_PROMPTS;
  });

  const rest = (ms: number) => {
    if (closed || timer !== undefined) return;
    timer = setTimeout(work, ms);
    timer.unref();
  };
  const work = () => {
    timer = undefined;
    const [id] = waiting;
    if (id === undefined) return;
    if (room?.full) return rest(RETRY_MS);
    const began = performance.now();
    try {
      waiting.delete(id);
      if (indexSome.immediate(id, false)) waiting.add(id); // at the end: the others have their turn
    } catch (error) {
      if (!(error instanceof SQLiteError)) throw error;
      waiting.add(id);
      room?.failed(error);
      log("error", "index_failed", { error: describeError(error) });
      return rest(RETRY_MS);
    }
    if (waiting.size > 0) rest(Math.max(10, (performance.now() - began) * RESTS));
  };
  if (waiting.size > 0) rest(FIRST_PAUSE_MS);
  /** Sessions that changed since their last, half full block was indexed. */
  const changed = new Set(waiting);

  /** Indexes what is new as far as time allows; whether that was all. */
  const catchUp = (): boolean => {
    const until = performance.now() + CATCH_UP_MS;
    if (room?.full) return changed.size === 0;
    try {
      for (const id of changed) {
        while (indexSome.immediate(id, true)) if (performance.now() > until) return false;
        changed.delete(id);
        if (performance.now() > until) return changed.size === 0;
      }
      return true;
    } catch (error) {
      if (!(error instanceof SQLiteError)) throw error;
      return false; // a full disk: what is indexed can be found all the same
    }
  };

  return {
    touch(id: string): void {
      waiting.add(id);
      changed.add(id);
      rest(FIRST_PAUSE_MS);
    },

    find(text: string): { found: Found[]; partial: boolean } {
      const words = text
        .slice(0, LIMITS.queryChars)
        .replaceAll("\0", " ")
        .split(/\s+/)
        .filter((word) => /[\p{L}\p{N}\p{Co}]/u.test(word))
        .slice(0, WORDS);
      if (words.length === 0) return { found: [], partial: false };
      const partial = !catchUp();
      // quoted, so that nothing in them is taken for a part of FTS5's own language
      const match = words.map((word) => `"${spaced(word).replaceAll('"', '""')}"`).join(" ");
      const docs = candidates(db, `${match}*`);
      const share = Math.ceil(LIMITS.results / new Set(docs.map(({ device }) => device)).size);
      const counts = new Map<string, number>(); // of each session, and of each device
      const found: Found[] = [];
      for (const doc of docs) {
        const already = counts.get(doc.session) ?? 0;
        const devices = counts.get(doc.device) ?? 0;
        if (already >= LIMITS.sessionResults || devices >= share) continue;
        if (found.length >= LIMITS.results) break;
        const hit = look(db, doc, words);
        if (hit === undefined) continue; // changed meanwhile
        counts.set(doc.session, already + 1);
        counts.set(doc.device, devices + 1);
        const { session, cwd, title, kind } = doc;
        const snippet = snippetOf(hit.text, words, hit.from);
        const result = { session, cwd, title, kind, place: hit.place, snippet };
        found.push({ device: doc.device, result });
      }
      return { found, partial };
    },

    close(): void {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Takes a session, or what is in it from a place on and before another, out of the index. */
export function dropDocs(
  db: Database,
  id: string,
  kind?: Kind,
  from = 0,
  to = Number.MAX_SAFE_INTEGER,
): void {
  const which =
    kind === undefined
      ? "session_id = ?"
      : "session_id = ? AND kind = ? AND place >= ? AND place < ?";
  const values = kind === undefined ? [id] : [id, kind, from, to];
  db.query(`DELETE FROM search WHERE rowid IN (SELECT id FROM search_docs WHERE ${which})`).run(
    ...values,
  );
  db.query(`DELETE FROM search_docs WHERE ${which}`).run(...values);
}

/** A document that may have what is looked for. */
interface Candidate {
  session: string;
  device: string;
  cwd: string;
  title: string;
  generation: number;
  kind: Kind;
  place: number;
  doc: number;
}

/** The newest documents that match. Where one device has so many that others' may lie beyond, the newest of each device. */
function candidates(db: Database, match: string): Candidate[] {
  const query = (of: string) =>
    `SELECT s.id AS session, s.device_id AS device, s.cwd, s.title, s.generation, d.kind, d.place, d.id AS doc
     FROM search JOIN search_docs d ON d.id = search.rowid JOIN sessions s ON s.id = d.session_id
     WHERE search MATCH ? ${of} ORDER BY search.rowid DESC LIMIT ${CANDIDATES}`;
  const newest = db.query<Candidate, [string]>(query("")).all(match);
  if (newest.length < CANDIDATES) return newest;
  return db
    .query<{ device: string }, []>("SELECT DISTINCT device_id AS device FROM sessions")
    .all()
    .flatMap(({ device }) =>
      db.query<Candidate, [string, string]>(query("AND s.device_id = ?")).all(match, device),
    )
    .sort((a, b) => b.doc - a.doc);
}

/** The text of each block of rows before `end`, by its first row's number. */
function blocksOf(rows: readonly HistoryRow[], end: number): [number, string][] {
  const blocks = new Map<number, HistoryRow[]>();
  const beyond = (block: number) => block + BLOCK_LINES + BEYOND_ROWS;
  for (const row of rows) {
    const own = row.line - (row.line % BLOCK_LINES);
    for (const block of [own - BLOCK_LINES, own]) {
      if (block < 0 || block >= end || row.line >= beyond(block)) continue;
      const held = blocks.get(block);
      if (held !== undefined) held.push(row);
      else if (block === own) blocks.set(block, [row]);
    }
  }
  return [...blocks].map(([block, held]) => [
    block,
    textBefore(held, Math.min(end, block + BLOCK_LINES)),
  ]);
}

/** Of one row so much is compared: a row of accents without end takes its time. In UTF-16 units. */
const COMPARED_CHARS = 4000;

/** The text that was found, as it is now, and its place. */
function look(
  db: Database,
  doc: { session: string; generation: number; kind: Kind; place: number },
  words: readonly string[],
): { place: number; text: string; from?: number } | undefined {
  if (doc.kind === "history") {
    const end = doc.place + BLOCK_LINES;
    const rows = rowsOf(db, doc.session, doc.generation, doc.place, end + BEYOND_ROWS);
    return lookInRows(rows, end, words.map(folded));
  }
  if (doc.kind === "prompt") {
    const row = db
      .query<{ view: string }, [number, string]>(
        "SELECT view FROM prompts WHERE rowid = ? AND session_id = ?",
      )
      .get(doc.place, doc.session);
    return row === null ? undefined : { place: doc.place, text: textOfView(row.view) };
  }
  const row = db
    .query<{ entry: string }, [string, number]>(
      "SELECT entry FROM transcript WHERE session_id = ? AND n = ?",
    )
    .get(doc.session, doc.place);
  return row === null ? undefined : { place: doc.place, text: textOfEntry(row.entry) };
}

/** The printed line before row `end` that has most of the words, from the row before the one where the longest of them begins. */
function lookInRows(
  rows: readonly HistoryRow[],
  end: number,
  wanted: readonly string[],
): { place: number; text: string; from: number } | undefined {
  const byLength = wanted.toSorted((a, b) => b.length - a.length);
  let best: { place: number; text: string; from: number } | undefined;
  let most = 0;
  for (const line of printedLines(rows)) {
    const parts = line.rows.map((text) => folded(text.slice(0, COMPARED_CHARS)));
    const text = parts.join("");
    const has = byLength.filter((word) => text.includes(word));
    const [longest] = has;
    if (longest === undefined || has.length <= most) continue;
    let at = text.indexOf(longest);
    let row = 0;
    while (at >= (parts[row] ?? "").length && row < parts.length - 1)
      at -= parts[row++]?.length ?? 0;
    if (line.from + row >= end) continue; // the next block's
    const before = line.rows[row - 1] ?? "";
    most = has.length;
    best = {
      place: line.from + row,
      text: before + line.rows.slice(row).join("").slice(0, COMPARED_CHARS),
      from: before.length,
    };
  }
  return best;
}

/** As the index compares: without case and accents. */
const folded = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** What is around the first word that was found at `from` or behind it, in parts without control characters. */
function snippetOf(
  text: string,
  words: readonly string[],
  from = 0,
): SearchAnswer["results"][number]["snippet"] {
  const pattern = () =>
    new RegExp(words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"), "giu");
  const finder = pattern();
  finder.lastIndex = from;
  const first = finder.exec(text)?.index ?? from;
  const start = Math.max(0, first - BEFORE_CHARS);
  const part = text.slice(start, start + SNIPPET_CHARS).toWellFormed();
  const snippet: SearchAnswer["results"][number]["snippet"] = [];
  const push = (piece: string, hit: boolean) =>
    void (
      piece !== "" &&
      snippet.push({ text: piece.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " "), hit })
    );
  let end = 0;
  for (const match of part.matchAll(pattern())) {
    push(part.slice(end, match.index), false);
    push(match[0], true);
    end = match.index + match[0].length;
  }
  push(part.slice(end), false);
  return snippet;
}

function textOfEntry(json: string): string {
  const entry = parseJson(Entry, json);
  if (entry === undefined) return "";
  return entry.kind === "tool"
    ? `${entry.tool}\n${strings(parseJson(ToolInput, entry.input)).join("\n")}`
    : entry.text;
}

function textOfView(json: string): string {
  const view = parseJson(View, json);
  return view === undefined ? "" : [view.tool, ...strings(view.input)].join("\n");
}

/** Every string in a value. */
function strings(value: unknown, depth = 20): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null && depth > 0
    ? Object.values(value).flatMap((part) => strings(part, depth - 1))
    : [];
}

/** Scripts without spaces, a character a word: the tokenizer would take a whole sentence for one. */
const spaced = (text: string) =>
  text.replace(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/gu, " $& ");
