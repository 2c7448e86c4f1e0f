import type { Database } from "bun:sqlite";
import { openMemory } from "../db.ts";

/** Where rows go: what belongs to a session that is not to be logged stays in memory, all else is on disk. */
export interface Stores {
  disk: Database;
  memory: Database;
  /** Where a session's rows are, or would be. */
  of(session: string): Database;
}

export function openStores(disk: Database): Stores {
  const memory = openMemory();
  const unlogged = memory.query("SELECT 1 FROM sessions WHERE id = ?");
  return { disk, memory, of: (session) => (unlogged.get(session) === null ? disk : memory) };
}
