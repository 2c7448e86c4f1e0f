import { Database, SQLiteError } from "bun:sqlite";
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { claimFolder } from "../db.ts";
import { parseJson } from "../types.ts";

/** What a server tells about itself to whoever may read its data folder. */
const Seat = v.object({
  pid: v.number(),
  /** Where it is reached from this machine. */
  url: v.string(),
  /** On which port it listens. */
  port: v.number(),
  /** Where phones are told to find it. */
  origin: v.string(),
  version: v.string(),
  protocol: v.number(),
  /** Which program it is, and of which build: see `ownBuild`. */
  program: v.optional(v.string()),
  build: v.optional(v.string()),
  /** The options of one that `claude-remote` itself started in the background, and may restart. */
  embedded: v.optional(v.string()),
  started_at: v.number(),
});
export type Seat = v.InferOutput<typeof Seat>;

/** How long a starting server waits for others that only look whether the lock is free, in ms. */
const LOOK_MS = 1000;

/** Another server already works on this data; the message says which. */
export class SeatTaken extends Error {}

/** A lock that the kernel frees when its process dies, whatever the reason: SQLite's own, on a file that stays empty. Undefined where another process has it. */
export function takeLock(file: string, waitMs = 0): (() => void) | undefined {
  closeSync(openSync(file, "a", 0o600)); // SQLite would make it readable for all
  if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
  const db = new Database(file);
  try {
    db.run(`PRAGMA busy_timeout = ${waitMs}`);
    db.run("PRAGMA journal_mode = MEMORY"); // no file that a crash would leave beside it
    db.run("BEGIN EXCLUSIVE");
    return () => db.close();
  } catch (error) {
    db.close();
    if (error instanceof SQLiteError && error.code === "SQLITE_BUSY") return undefined;
    throw error;
  }
}

/** Makes this process the one server of a data folder. Throws a `SeatTaken`. */
export function takeSeat(data: string): { announce(seat: Seat): void; leave(): void } {
  claimFolder(data);
  const free = takeLock(join(data, "server.lock"), LOOK_MS);
  const file = join(data, "server.json");
  if (free === undefined) {
    const other = readSeat(data);
    throw new SeatTaken(
      `another claude-remote server${other === undefined ? "" : ` (process ${other.pid}, ${other.url})`} works with ${data}: end it with \`claude-remote server stop\`, or give this one another folder with --data`,
    );
  }
  rmSync(file, { force: true }); // of one that died: until we have announced ourselves, nobody is here
  return {
    announce: (seat) => writeFileSync(file, `${JSON.stringify(seat, null, 2)}\n`, { mode: 0o600 }),
    leave() {
      rmSync(file, { force: true });
      free();
    },
  };
}

/** The server that runs on a data folder, if one has announced itself; what a dead one left behind is none. */
export function readSeat(data: string): Seat | undefined {
  const file = join(data, "server.json");
  if (!existsSync(file) || !isHeld(join(data, "server.lock"))) return undefined;
  try {
    return parseJson(Seat, readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined; // it has just taken leave
    throw error;
  }
}

/** Whether a server works with a data folder, though it may not have announced itself yet. */
export function isTaken(data: string): boolean {
  return isHeld(join(data, "server.lock"));
}

/** Whether the last server on a data folder died without taking leave. */
export function hasCrashed(data: string): boolean {
  return existsSync(join(data, "server.json")) && !isHeld(join(data, "server.lock"));
}

function isHeld(file: string): boolean {
  if (!existsSync(file)) return false;
  const db = new Database(file);
  try {
    db.query("SELECT 1 FROM sqlite_master").get();
    return false;
  } catch (error) {
    if (error instanceof SQLiteError && error.code === "SQLITE_BUSY") return true;
    throw error;
  } finally {
    db.close();
  }
}
