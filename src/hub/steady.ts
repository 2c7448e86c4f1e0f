import { type Database, SQLiteError } from "bun:sqlite";

/** How far it has come is written down at most this often, in ms. */
const NOTE_EVERY_MS = 5000;
/** One that was behind what it had been begins so far beyond that: nothing signed by then counts again, with what came after the last note. In ms. */
const BEYOND_MS = 2 * 60_000;

/** Where it had been is kept under this name among the server's own values. */
const NAME = "steady";

/**
 * The time that signatures are judged by, in unix ms. It never goes back, neither when the machine's clock is set back nor
 * when the server is started anew with such a clock: what was sent before would count a second time, and nobody would be let
 * in until the clock is where it was when the server began. Devices whose clock differs are told the time, and sign by it.
 */
export function openSteady(
  db: Database,
  wall: () => number = Date.now,
  elapsed: () => number = () => performance.now(),
): () => number {
  const stored = db
    .query<{ value: string }, [string]>("SELECT value FROM server_keys WHERE name = ?")
    .get(NAME);
  const note = db.query("INSERT OR REPLACE INTO server_keys (name, value) VALUES (?, ?)");
  const been = Number(stored?.value ?? 0);
  let ahead = (been > wall() ? been + BEYOND_MS : wall()) - elapsed();
  let noted = been;
  return () => {
    const at = elapsed();
    ahead = Math.max(ahead, wall() - at);
    const now = at + ahead;
    if (now - noted < NOTE_EVERY_MS) return now;
    noted = now;
    try {
      note.run(NAME, String(Math.floor(now)));
    } catch (error) {
      if (!(error instanceof SQLiteError)) throw error; // a full disk must not lock anybody out
    }
    return now;
  };
}
