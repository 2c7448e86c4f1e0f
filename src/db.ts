import { Database } from "bun:sqlite";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { denial } from "./system/system-error.ts";

/**
 * The server's memory: one SQLite file in WAL mode. Each entry of MIGRATIONS brings the schema one `user_version` further;
 * entries are never changed once released. Every query of the hub is in `src/hub/*.ts`, beside what it serves.
 */
export const MIGRATIONS = [
  `
  CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('viewer', 'runner', 'machine')),
    secret BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER,
    revoked_at INTEGER,
    minted_by TEXT -- the device that made its pairing code; NULL: the server's own host
  ) STRICT;

  CREATE TABLE pairing_codes (
    code_id TEXT PRIMARY KEY,
    code BLOB NOT NULL,
    kind TEXT NOT NULL,
    minted_by TEXT,
    expires_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id),
    host TEXT NOT NULL,
    cwd TEXT NOT NULL,
    command TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'ended', 'offline')),
    hooks TEXT NOT NULL,
    activity TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    exit TEXT, -- JSON {code, signal?}
    offline_since INTEGER,
    output_seq INTEGER NOT NULL DEFAULT 0, -- the last history operation that is stored
    generation INTEGER NOT NULL DEFAULT 0,
    next_line INTEGER NOT NULL DEFAULT 0,
    screen TEXT -- the newest frame, whole, as JSON
  ) STRICT;

  CREATE TABLE prompts (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id),
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    view TEXT NOT NULL,
    response TEXT, -- JSON: who answered what, when, and whether Claude took it
    created_at INTEGER NOT NULL,
    answered_at INTEGER
  ) STRICT;
  CREATE INDEX prompts_by_session ON prompts (session_id, created_at);
  CREATE INDEX prompts_open ON prompts (created_at) WHERE state IN ('pending', 'sending');

  CREATE TABLE output_log (
    session_id TEXT NOT NULL REFERENCES sessions (id),
    generation INTEGER NOT NULL,
    line INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (session_id, generation, line)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    device_id TEXT, -- NULL: the server's own host
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT ''
  ) STRICT;
  CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
  CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
  `,
  `
  ALTER TABLE sessions ADD COLUMN desk INTEGER NOT NULL DEFAULT 1; -- whether it has a terminal of its own
  `,
  `
  CREATE TABLE push_subscriptions (
    device_id TEXT PRIMARY KEY REFERENCES devices (id),
    endpoint TEXT NOT NULL,
    p256dh TEXT NOT NULL,
    auth TEXT NOT NULL,
    off TEXT NOT NULL, -- JSON: kinds that are not wanted
    approve INTEGER NOT NULL, -- whether notifications may have an Approve button
    status INTEGER -- what the push service said last; 0: it did not answer
  ) STRICT;
  CREATE TABLE pushed_prompts (prompt_id TEXT PRIMARY KEY) STRICT; -- open ones that phones were told
  CREATE TABLE server_keys (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE transcript (
    session_id TEXT NOT NULL REFERENCES sessions (id),
    n INTEGER NOT NULL,
    entry TEXT NOT NULL, -- JSON
    PRIMARY KEY (session_id, n)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE transcript_places ( -- how far it has come: see TranscriptPlace
    session_id TEXT PRIMARY KEY REFERENCES sessions (id),
    next INTEGER NOT NULL,
    file INTEGER NOT NULL,
    at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- the words alone: what is found is read, and checked, where it stands
  CREATE VIRTUAL TABLE search USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2');
  CREATE TABLE search_docs (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id),
    kind TEXT NOT NULL CHECK (kind IN ('history', 'conversation', 'prompt')),
    place INTEGER NOT NULL -- first line of a block, number of an entry, rowid of a prompt
  ) STRICT;
  CREATE INDEX search_docs_by_place ON search_docs (session_id, kind, place);
  CREATE TABLE search_places ( -- how far a session is indexed
    session_id TEXT PRIMARY KEY REFERENCES sessions (id),
    generation INTEGER NOT NULL DEFAULT 0,
    line INTEGER NOT NULL DEFAULT 0,
    entry INTEGER NOT NULL DEFAULT 0,
    prompt INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE sessions ADD COLUMN sandbox INTEGER NOT NULL DEFAULT 0; -- whether it runs in a container
  ALTER TABLE sessions ADD COLUMN args TEXT; -- JSON: where a daemon started it, with what
  CREATE TABLE daemons ( -- what starts sessions on demand: see RunnerInfo
    device_id TEXT PRIMARY KEY REFERENCES devices (id),
    said TEXT NOT NULL, -- JSON
    online INTEGER NOT NULL,
    since INTEGER NOT NULL -- when it came, or went
  ) STRICT;
  `,
  `
  ALTER TABLE sessions ADD COLUMN over_since INTEGER; -- when it was first seen to be over or away, by retention's own clock
  UPDATE sessions SET over_since = coalesce(ended_at, offline_since);
  `,
  `
  ALTER TABLE devices ADD COLUMN admitted_at INTEGER; -- when it was last let in again after a long time unused
  -- what is open is counted and listed without reading the views, which can be large
  DROP INDEX prompts_open;
  CREATE INDEX prompts_open ON prompts (created_at, session_id, id, state, length(view)) WHERE state IN ('pending', 'sending');
  CREATE INDEX sessions_by_device ON sessions (device_id);
  `,
  // the names of docs/plan.md. Renaming rewrites no row, and what is generated is not stored
  `
  ALTER TABLE devices RENAME COLUMN last_seen_at TO last_seen;
  ALTER TABLE prompts RENAME COLUMN view TO prompt_text;
  ALTER TABLE prompts RENAME COLUMN answered_at TO responded_at;
  ALTER TABLE output_log RENAME COLUMN line TO number;
  ALTER TABLE output_log RENAME COLUMN row TO line;
  ALTER TABLE output_log ADD COLUMN timestamp INTEGER; -- when it was printed, in unix ms; NULL: it was stored before that was kept
  ALTER TABLE output_log ADD COLUMN id TEXT GENERATED ALWAYS AS (session_id || '/' || generation || '/' || number) VIRTUAL;
  `,
];

/** How long a statement waits for another process that holds the database, in ms. */
const BUSY_MS = 2000;

/** The database can't be used; the message says what to do. */
export class DatabaseError extends Error {
  readonly code = "DATABASE"; // told without a stack, as what the system says no to
}

export const databaseFile = (dir: string) => join(dir, "claude-remote.db");

/** Files of ours in a data folder. */
const OURS = /^(?:claude-remote\.db|server\.|start\.lock|before-restore-|restore\.part|sandbox$)/;

/** Sees to it that a data folder is there and this user's alone: it holds the keys of all devices. Throws a `DatabaseError`, or what the system says no to. */
export function claimFolder(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK); // SQLite would not say why
  const { mode, uid } = statSync(dir);
  if ((mode & 0o077) === 0) return;
  const names = uid === process.getuid?.() ? readdirSync(dir) : ["somebody else's"];
  // what lies in a folder that everybody may write to is not known to be ours, and another folder's mode is not ours to change
  const isOurs = names.every((name) => OURS.test(name)) && (names.length === 0 || !(mode & 0o002));
  if (isOurs || (names.includes("claude-remote.db") && !(mode & 0o002))) chmodSync(dir, 0o700);
  if ((statSync(dir).mode & 0o077) === 0) return;
  throw new DatabaseError(
    `${dir} is open to other users of this machine, and is to hold the keys of all devices: close it with \`chmod 700\`, or name another folder with --data`,
  );
}

/** Opens the database in `dir`, made where it is missing, and migrates it. Throws a `DatabaseError`. */
export function openDatabase(dir: string): Database {
  const file = databaseFile(dir);
  try {
    claimFolder(dir);
    const db = new Database(file, { create: true, strict: true });
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
    db.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
    schemaVersion(db, file); // before anything is changed
    db.run("PRAGMA journal_mode = WAL");
    db.run("PRAGMA synchronous = NORMAL");
    db.run("PRAGMA foreign_keys = ON");
    migrate(db, file);
    return db;
  } catch (error) {
    if (error instanceof DatabaseError || !(error instanceof Error)) throw error;
    throw new DatabaseError(explain(error, file), { cause: error });
  }
}

/** Runs `act` on a database file as it stands, whatever its version. Throws a `DatabaseError`. */
export function inspectDatabase<T>(file: string, act: (db: Database, version: number) => T): T {
  let db: Database | undefined;
  try {
    db = new Database(file, { readwrite: true, create: false, strict: true });
    db.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
    return act(db, schemaVersion(db, file));
  } catch (error) {
    if (error instanceof DatabaseError || !(error instanceof Error)) throw error;
    throw new DatabaseError(explain(error, file), { cause: error });
  } finally {
    db?.close();
  }
}

/** A database of the same form that is never written anywhere; it knows no devices, so nothing refers to them. */
export function openMemory(): Database {
  const db = new Database(":memory:", { strict: true });
  db.run("PRAGMA temp_store = MEMORY"); // what is sorted would go to a file where there is much of it
  migrate(db, ":memory:");
  return db;
}

/** The version of a database's schema, 0 for an empty one. Throws a `DatabaseError` where it is newer than we are. */
export function schemaVersion(db: Database, file: string): number {
  const version =
    db.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
  if (version <= MIGRATIONS.length) return version;
  throw new DatabaseError(
    `${file} was written by a newer claude-remote (schema ${version}, this one knows ${MIGRATIONS.length}): update claude-remote`,
  );
}

function migrate(db: Database, file: string): void {
  const version = () => schemaVersion(db, file);
  if (version() === MIGRATIONS.length) return; // with a full disk a server still starts
  db.transaction(() => {
    for (const sql of MIGRATIONS.slice(version())) db.run(sql);
    db.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
  }).immediate();
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return false;
  }
}

function explain(error: Error, file: string): string {
  const code = "code" in error ? String(error.code) : "";
  if (code.startsWith("SQLITE_CORRUPT") || code.startsWith("SQLITE_NOTADB")) {
    return `${file} is damaged (${error.message}): restore a backup, or move it away to start with an empty one`;
  }
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED"))
    return `${file} is locked by another program`;
  if (code.startsWith("SQLITE_FULL") || code === "ENOSPC")
    return `the disk is full: ${file} can't be written`;
  if (code === "EACCES" || code.startsWith("SQLITE_READONLY") || code.startsWith("SQLITE_CANTOPEN"))
    return `${file} can't be opened for writing: ${existsSync(file) && isWritable(file) && isWritable(dirname(file)) ? error.message : denial(isWritable(file) ? dirname(file) : file)}`;
  return `${file} can't be used: ${error.message}`;
}
