import {
  Entry,
  type FromRunner,
  LIMITS,
  parseJson,
  type TranscriptPage,
  type TranscriptPlace,
} from "../types.ts";
import type { Stores } from "./stores.ts";

export type Transcripts = ReturnType<typeof openTranscripts>;

/** Conversations, as runners read them in Claude Code's transcripts: numbered entries, which only grow. */
export function openTranscripts({ of }: Stores) {
  const store = (
    id: string,
    from: number,
    entries: readonly Entry[],
    { next, file, at }: TranscriptPlace,
  ) => {
    const insert = of(id).query("INSERT INTO transcript (session_id, n, entry) VALUES (?, ?, ?)");
    for (const [i, entry] of entries.entries()) insert.run(id, from + i, JSON.stringify(entry));
    of(id)
      .query(
        "INSERT OR REPLACE INTO transcript_places (session_id, next, file, at) VALUES (?, ?, ?, ?)",
      )
      .run(id, next, file, at);
  };
  /** How far a session's conversation is stored. */
  const place = (id: string): TranscriptPlace =>
    of(id)
      .query<TranscriptPlace, [string]>(
        "SELECT next, file, at FROM transcript_places WHERE session_id = ?",
      )
      .get(id) ?? { next: 0, file: 0, at: 0 };

  return {
    place,

    /** Stores what is new of a message; undefined where nothing is, or where something before it is lacking. */
    add(
      message: Extract<FromRunner, { type: "transcript" }>,
    ): { from: number; next: number; entries: Entry[] } | undefined {
      const { session, next, file, at } = message;
      const from = place(session).next;
      const known = from - (next - message.entries.length);
      if (known < 0 || next <= from) return undefined;
      const entries = message.entries.slice(known);
      of(session).transaction(store)(session, from, entries, { next, file, at });
      return { from, next, entries };
    },

    /** The `limit` entries before number `before`, oldest first; fewer where they are long. */
    page(id: string, before: number, limit: number): TranscriptPage {
      const rows = of(id).query<{ n: number; entry: string }, [string, number, number]>(
        "SELECT n, entry FROM transcript WHERE session_id = ? AND n < ? ORDER BY n DESC LIMIT ?",
      );
      const entries = affordable(rows.iterate(id, before, limit)).reverse();
      return { next: place(id).next, entries };
    },

    /** The `limit` entries from number `from` on, oldest first; fewer where they are long. */
    pageFrom(id: string, from: number, limit: number): TranscriptPage {
      const rows = of(id).query<{ n: number; entry: string }, [string, number, number]>(
        "SELECT n, entry FROM transcript WHERE session_id = ? AND n >= ? ORDER BY n LIMIT ?",
      );
      return { next: place(id).next, entries: affordable(rows.iterate(id, from, limit)) };
    },
  };
}

/** As many entries as may go into one answer, and one in any case. */
function affordable(rows: Iterable<{ n: number; entry: string }>): TranscriptPage["entries"] {
  const entries: TranscriptPage["entries"] = [];
  let chars = 0;
  for (const { n, entry } of rows) {
    chars += entry.length;
    if (chars > LIMITS.entriesChars && entries.length > 0) break;
    const parsed = parseJson(Entry, entry);
    if (parsed !== undefined) entries.push({ n, entry: parsed });
  }
  return entries;
}
