import type { Database } from "bun:sqlite";
import {
  closeSync,
  existsSync,
  fsyncSync,
  lchownSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { randomNonce } from "../auth.ts";
import { DatabaseError, databaseFile, inspectDatabase } from "../db.ts";
import { SeatTaken, takeSeat } from "../hub/seat.ts";
import { PairingError } from "../runner/pairing.ts";
import { visibleName } from "../visible-text.ts";
import { print } from "./say.ts";

/** `claude-remote server backup FILE`: a copy of the database as it is at one moment, also while a server writes; `-` is standard output. */
export async function backup(data: string, target: string): Promise<number> {
  const file = databaseFile(data);
  if (!existsSync(file))
    throw new PairingError(`there is no database in ${data}: name its folder with --data`);
  const piped = target === "-";
  if (piped && process.stdout.isTTY)
    throw new PairingError("a backup is no text: send it to a file, with > FILE");
  const to = piped ? undefined : resolve(target);
  if (to !== undefined && existsSync(to))
    throw new PairingError(`${to} exists already: a backup goes into a new file`);
  // in a folder that others write to, none of them is to have put a file or a link there before
  const part = `${to ?? join(data, "backup")}.${randomNonce()}.part`;
  try {
    writeFileSync(part, "", { mode: 0o600, flag: "wx" }); // SQLite fills an empty file, and keeps its mode
    inspectDatabase(file, (db) => db.query("VACUUM INTO ?").run(part));
    inspectDatabase(part, (db, version) => {
      db.run("PRAGMA journal_mode = DELETE"); // one file, and nothing beside it
      // it is built anew, as it names places that such a copy may change
      if (version >= 4)
        db.run(
          "BEGIN; INSERT INTO search (search) VALUES ('delete-all'); DELETE FROM search_docs; DELETE FROM search_places; COMMIT",
        );
    });
    if (to === undefined) for await (const chunk of Bun.file(part).stream()) await writeOut(chunk);
    else {
      flush(part);
      renameSync(part, to);
      flush(dirname(to));
    }
  } finally {
    rmSync(part, { force: true });
  }
  print(
    `${to ?? "The backup"} holds everything, the keys of all devices included: keep it where nobody else reads it.`,
    process.stderr,
  );
  return 0;
}

/**
 * `claude-remote server restore FILE`: puts a backup in place of the database, which is kept aside; `-` is standard input.
 * Refuses while a server runs. `named`: somebody said which data it is to replace. With `only` every device but that one is
 * locked out.
 */
export async function restore(
  data: string,
  source: string,
  { named, only }: { named: boolean; only?: Kept | undefined },
): Promise<number> {
  const path = source === "-" ? "what came on standard input" : resolve(source);
  if (!named)
    print(`This replaces the data in ${data} (--data names another folder).`, process.stderr);
  const from = source === "-" ? Bun.stdin : Bun.file(path);
  if (source !== "-" && !(await from.exists()))
    throw new PairingError(`${path} does not exist: nothing was changed`);
  const seat = sit(data);
  const file = databaseFile(data);
  const next = join(data, "restore.part");
  try {
    rmSync(next, { force: true });
    const descriptor = openSync(next, "wx", 0o600); // through no link
    for await (const chunk of from.stream()) writeFileSync(descriptor, chunk);
    closeSync(descriptor);
    const letIn = prepare(next, file, path, only);
    flush(next);
    const aside = join(data, `before-restore-${new Date().toISOString().replace(/[:.]/g, "-")}.db`);
    const kept = existsSync(file);
    for (const suffix of ["", "-wal", "-shm"])
      if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
    renameSync(next, file);
    flush(data);
    print(
      `Restored into ${data}. Start the server: it brings the database up to date where the backup is older.${kept ? ` What was there is ${basename(aside)}, beside it.` : ""}`,
      process.stderr,
    );
    tellWhoIsLetIn(letIn, kept, only !== undefined);
  } finally {
    for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(next + suffix, { force: true });
    seat.leave();
    giveToOwner(data);
  }
  return 0;
}

/** The one device that stays; undefined where this machine is none. */
interface Kept {
  device: string | undefined;
}

/** Checks what is to become the database, and takes out what must not come back: the devices that it lets in. Throws a `PairingError`. */
function prepare(next: string, file: string, path: string, only: Kept | undefined): Known[] {
  const bad = (why: string) => new PairingError(`${path} ${why}: nothing was changed`);
  try {
    return inspectDatabase(next, (db, version) => {
      const sound =
        db.query<{ quick_check: string }, []>("PRAGMA quick_check").get()?.quick_check === "ok";
      if (version === 0 || !sound) throw bad("is no backup of claude-remote, or is damaged");
      db.run("DELETE FROM pairing_codes"); // one that was used since would work again
      lockOut(db, revokedIn(file));
      const others = only && paired(db).filter(({ id }) => id !== only.device);
      lockOut(db, others?.map(({ id }) => id) ?? []);
      return paired(db);
    });
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    if (error.cause instanceof PairingError) throw error.cause;
    const { cause, message } = error;
    if (cause === undefined)
      throw new PairingError(`nothing was changed: ${message.replace(next, path)}`);
    throw bad(
      `is no backup of claude-remote, or is damaged (${cause instanceof Error ? cause.message : cause})`,
    );
  }
}

/** What root has written belongs to whoever has the folder: the server runs as that user. */
function giveToOwner(data: string): void {
  const { uid, gid } = statSync(data);
  if (process.getuid?.() !== 0 || uid === 0) return;
  const names = ["server.lock", ...["", "-wal", "-shm"].map((end) => `claude-remote.db${end}`)];
  for (const name of names)
    if (existsSync(join(data, name))) lchownSync(join(data, name), uid, gid);
}

/** The folder for ourselves; a running server would go on writing into what is moved aside. Throws a `PairingError`. */
function sit(data: string) {
  try {
    return takeSeat(data);
  } catch (error) {
    if (error instanceof SeatTaken) throw new PairingError(error.message);
    throw error;
  }
}

/** The devices that are locked out in the database that is replaced; none where it can't be read any more. */
function revokedIn(file: string): string[] {
  if (!existsSync(file)) return [];
  try {
    return inspectDatabase(file, (db) =>
      db.query<{ id: string }, []>("SELECT id FROM devices WHERE revoked_at IS NOT NULL").all(),
    ).map(({ id }) => id);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    print(
      "What is replaced can't be read: devices that were locked out since the backup was made are let in again.",
      process.stderr,
    );
    return [];
  }
}

interface Known {
  id: string;
  name: string;
  kind: string;
  last_seen?: number | null;
  /** Its name in older databases. */
  last_seen_at?: number | null;
}

/** The devices of a database that are not locked out. */
const paired = (db: Database): Known[] =>
  db.query<Known, []>("SELECT * FROM devices WHERE revoked_at IS NULL ORDER BY created_at").all();

/** Says whom a restored database lets in. Without the database that it replaces (`kept`) nobody knows what was locked out since. */
function tellWhoIsLetIn(devices: readonly Known[], kept: boolean, only: boolean): void {
  const tell = (text: string) => print(text, process.stderr);
  if (devices.length === 0)
    return tell("It lets no device in: `claude-remote pair --data DIR` makes a link for one.");
  tell("It lets these devices in:");
  for (const { id, name, kind, last_seen, last_seen_at } of devices) {
    const at = last_seen ?? last_seen_at ?? null;
    const seen = at === null ? "never seen" : `seen ${new Date(at).toLocaleString()}`;
    tell(`  ${visibleName(id)}  ${kind.padEnd(7)}  ${visibleName(name)}  (${seen})`);
  }
  if (only) return;
  if (!kept)
    tell(
      "One that was locked out after the backup was made is among them, and is let in again: nothing here knows of that.",
    );
  tell(
    "`claude-remote devices revoke ID` locks one out. To keep this machine's alone, restore once more with --only-this-host.",
  );
}

/** A phone that was stolen after the backup was made does not come back with it. */
function lockOut(db: Database, devices: string[]): void {
  const revoke = db.query("UPDATE devices SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL");
  const note = db.query("INSERT INTO audit (at, action, subject) VALUES (?, 'revoke', ?)");
  for (const id of devices) if (revoke.run(Date.now(), id).changes > 0) note.run(Date.now(), id);
}

/** Writes to standard output, however slowly somebody reads it (`Bun.write` gives up on a full pipe). */
function writeOut(chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) =>
    process.stdout.write(chunk, (error) => (error ? reject(error) : resolve())),
  );
}

/** Waits until a file, or the names in a folder, are on the disk. */
function flush(path: string): void {
  const descriptor = openSync(path, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}
