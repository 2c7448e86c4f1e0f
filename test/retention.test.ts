import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../src/db.ts";
import { openDevices } from "../src/hub/devices.ts";
import { forgetOld } from "../src/hub/retention.ts";
import { openSessions } from "../src/hub/sessions.ts";
import { openStores } from "../src/hub/stores.ts";
import { sessionInfo } from "./support/runner-socket.ts";

const DAY = 86_400_000;
const NOW = Date.now();
const dir = mkdtempSync(join(tmpdir(), "retention-test-"));
const db = openDatabase(dir);
const sessions = openSessions(openStores(db));
afterAll(() => {
  db.close();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => {
  for (const table of ["output_log", "prompts", "sessions"]) db.run(`DELETE FROM ${table}`);
  db.run("INSERT OR IGNORE INTO devices (id, name, kind, secret, created_at) VALUES ('dev', 'box', 'machine', x'00', 0)");
});

/** A session with a history of so many lines, which ended so many days ago, or runs. */
function session(id: string, endedDaysAgo?: number, lines = 1): void {
  sessions.begin("dev", { ...sessionInfo(id), hooks: "none", activity: "idle", desk: true, unlogged: false, sandbox: false }, 1);
  sessions.output(id, 1, { op: "append", generation: 0, from: 0, lines: Array.from({ length: lines }, (_, i) => `${i} ${"x".repeat(1000)}`) });
  if (endedDaysAgo !== undefined) sessions.end(id, { code: 0 }, NOW - endedDaysAgo * DAY);
}
const left = () =>
  db
    .query<{ id: string }, []>("SELECT id FROM sessions ORDER BY id")
    .all()
    .map(({ id }) => id);

test("sessions that ended longer ago go with their history; what runs and the audit stay", () => {
  openDevices(db).audit(null, "something", "s_old");
  session("s_old", 31);
  session("s_new", 29);
  session("s_runs");
  expect(forgetOld(db, { days: 30, megabytes: 0 }, NOW)).toBe(1);
  expect(left()).toEqual(["s_new", "s_runs"]);
  expect(db.query("SELECT count(*) AS n FROM output_log WHERE session_id = 's_old'").get()).toEqual({ n: 0 });
  expect(db.query("SELECT count(*) AS n FROM audit WHERE subject = 's_old'").get()).toEqual({ n: 1 });
  expect(forgetOld(db, { days: 0, megabytes: 0 }, NOW + 1000 * DAY)).toBe(0);
});

test("over the bound the oldest that ended go first, and never what runs", () => {
  for (let i = 10; i < 40; i++) session(`s_${i}`, 40 - i, 100);
  session("s_runs", undefined, 3000);
  const pragma = (name: string) => db.query<Record<string, number>, []>(`PRAGMA ${name}`).get()?.[name] ?? 0;
  const used = ((pragma("page_count") - pragma("freelist_count")) * pragma("page_size")) / 1e6;
  expect(forgetOld(db, { days: 0, megabytes: used - 0.5 }, NOW)).toBe(10);
  const ids = left();
  expect(ids).toContain("s_runs");
  expect(ids).not.toContain("s_10");
  expect(ids).toContain("s_39");
  forgetOld(db, { days: 0, megabytes: 1 }, NOW);
  expect(left()).toEqual(["s_runs"]);
});

test("a session whose machine only sleeps stays, and goes once it has been away for a month", () => {
  session("s_asleep", undefined, 3000);
  db.run("UPDATE sessions SET status = 'offline', offline_since = ? WHERE id = 's_asleep'", [NOW - DAY / 2]);
  expect(forgetOld(db, { days: 30, megabytes: 1 }, NOW)).toBe(0); // it may come back with its history
  db.run("UPDATE sessions SET offline_since = ? WHERE id = 's_asleep'", [NOW - 29 * DAY]);
  expect(forgetOld(db, { days: 30, megabytes: 0 }, NOW)).toBe(0);
  expect(forgetOld(db, { days: 30, megabytes: 0 }, NOW + 2 * DAY)).toBe(1);
  session("s_gone", undefined, 3000);
  db.run("UPDATE sessions SET status = 'offline', offline_since = ? WHERE id = 's_gone'", [NOW - 2 * DAY]);
  expect(forgetOld(db, { days: 0, megabytes: 1 }, NOW)).toBe(1);
  expect(left()).toEqual([]);
});
