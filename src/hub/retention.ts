import type { Database } from "bun:sqlite";
import type { Devices } from "./devices.ts";
import { dropDocs } from "./search.ts";

/** How much is kept: sessions that ended longer ago go, then the oldest that ended, until the rest fits. */
export interface Retention {
  /** In days; 0 keeps for ever. */
  days: number;
  /** What the database may hold, in MB (10^6 bytes); 0 is without bound. */
  megabytes: number;
}

const DAY_MS = 86_400_000;
/** After so many days without use a device is locked out, unless told otherwise. */
const DEVICE_DAYS = 90;
/** So many sessions go at once when room is needed. */
const AT_ONCE = 10;
/** So far a clock is believed to have moved from one look to the next, either way, in ms. */
const BELIEVED_MS = DAY_MS / 4;
/**
 * What the machine's clock says, as far as it is believed. It may be set to another year by mistake, and what is forgotten
 * does not come back; so it is followed a quarter of a day at a time, and catches up where the server was off for long.
 * A server that keeps nothing that is over has nothing to lose.
 */
export function believedTime(db: Database, now: number): number {
  const keeps =
    db.query("SELECT 1 FROM sessions WHERE over_since IS NOT NULL LIMIT 1").get() !== null;
  return followClock(db, "retention", keeps ? BELIEVED_MS : Number.POSITIVE_INFINITY, now);
}

/** What was used last before this time is locked out, in unix ms. `days` may be 0: never. */
export const unusedSince = (now: number, days = DEVICE_DAYS): number =>
  days === 0 ? 0 : now - days * DAY_MS;

/** Locks out devices that nobody has used for so many days, by a clock that is followed as slowly: a wrong year locks nobody out. */
export function lockUnused(
  db: Database,
  devices: Devices,
  days: number | undefined,
  now: number,
): void {
  // what was paired and never used counts from the first look: earlier releases did not look
  if (storedClock(db, "devices") === undefined)
    db.query("UPDATE devices SET admitted_at = ? WHERE last_seen_at IS NULL").run(now);
  const believed = followClock(db, "devices", BELIEVED_MS, now);
  devices.lockUnused(unusedSince(believed, days), believed === now ? now : undefined);
}

function storedClock(db: Database, name: string): number | undefined {
  const stored = db
    .query<{ value: string }, [string]>("SELECT value FROM server_keys WHERE name = ?")
    .get(name);
  return stored === null ? undefined : Number(stored.value);
}

/** Follows the clock by at most `step` ms either way. Where it had been is kept under this name among the server's own values. */
function followClock(db: Database, name: string, step: number, now: number): number {
  const before = storedClock(db, name) ?? now;
  const believed = Math.max(before - step, Math.min(before + step, now));
  db.query("INSERT OR REPLACE INTO server_keys (name, value) VALUES (?, ?)").run(
    name,
    String(believed),
  );
  return believed;
}

/**
 * Removes what is no longer kept; sessions that run or may come back, and the audit, stay. The answer is how many sessions
 * went. Ages are counted from when a session was first seen here to be over or away: its own machine's clock may be wrong.
 */
export function forgetOld(db: Database, { days, megabytes }: Retention, now: number): number {
  db.query(
    "UPDATE sessions SET over_since = ? WHERE over_since IS NULL AND status <> 'running'",
  ).run(now);
  const over = `(status = 'ended' OR (status = 'offline' AND over_since < ${now - DAY_MS}))`; // a laptop may only be asleep
  const remove = db.transaction((ids: string[]) => {
    for (const id of ids) {
      dropDocs(db, id);
      for (const table of [
        "output_log",
        "prompts",
        "transcript",
        "transcript_places",
        "search_places",
      ])
        db.query(`DELETE FROM ${table} WHERE session_id = ?`).run(id);
      db.query("DELETE FROM sessions WHERE id = ?").run(id);
    }
    return ids.length;
  });
  const old = db
    .query<{ id: string }, [number]>(`SELECT id FROM sessions WHERE ${over} AND over_since < ?`)
    .all(now - days * DAY_MS);
  let gone = days > 0 ? remove(old.map(({ id }) => id)) : 0;
  while (megabytes > 0 && usedBytes(db) > megabytes * 1e6) {
    const oldest = db
      .query<{ id: string }, [number]>(
        `SELECT id FROM sessions WHERE ${over} ORDER BY over_since, coalesce(ended_at, offline_since) LIMIT ?`,
      )
      .all(AT_ONCE);
    if (oldest.length === 0) break;
    gone += remove(oldest.map(({ id }) => id));
  }
  return gone;
}

/** What the database's content takes; pages that became free are used again. */
function usedBytes(db: Database): number {
  const pragma = (name: string) =>
    db.query<Record<string, number>, []>(`PRAGMA ${name}`).get()?.[name] ?? 0;
  return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
}
