import type { Database } from "bun:sqlite";
import { dropDocs } from "./search.ts";

/** How much is kept: sessions that ended longer ago go, then the oldest that ended, until the rest fits. */
export interface Retention {
  /** In days; 0 keeps for ever. */
  days: number;
  /** What the database may hold, in MB (10^6 bytes); 0 is without bound. */
  megabytes: number;
}

const DAY_MS = 86_400_000;
/** So many sessions go at once when room is needed. */
const AT_ONCE = 10;

/** Removes what is no longer kept; sessions that run or may come back, and the audit, stay. The answer is how many sessions went. `now` is in unix ms. */
export function forgetOld(db: Database, { days, megabytes }: Retention, now = Date.now()): number {
  const over = `(status = 'ended' OR offline_since < ${now - DAY_MS})`; // a laptop may only be asleep
  const remove = db.transaction((ids: string[]) => {
    for (const id of ids) {
      dropDocs(db, id);
      for (const table of ["output_log", "prompts", "transcript", "transcript_places", "search_places"]) db.query(`DELETE FROM ${table} WHERE session_id = ?`).run(id);
      db.query("DELETE FROM sessions WHERE id = ?").run(id);
    }
    return ids.length;
  });
  const old = db.query<{ id: string }, [number]>(`SELECT id FROM sessions WHERE ${over} AND coalesce(ended_at, offline_since, started_at) < ?`).all(now - days * DAY_MS);
  let gone = days > 0 ? remove(old.map(({ id }) => id)) : 0;
  while (megabytes > 0 && usedBytes(db) > megabytes * 1e6) {
    const oldest = db.query<{ id: string }, [number]>(`SELECT id FROM sessions WHERE ${over} ORDER BY coalesce(ended_at, offline_since) LIMIT ?`).all(AT_ONCE);
    if (oldest.length === 0) break;
    gone += remove(oldest.map(({ id }) => id));
  }
  return gone;
}

/** What the database's content takes; pages that became free are used again. */
function usedBytes(db: Database): number {
  const pragma = (name: string) => db.query<Record<string, number>, []>(`PRAGMA ${name}`).get()?.[name] ?? 0;
  return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
}
