import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../src/db.ts";
import { openDevices } from "../src/hub/devices.ts";
import { believedTime, forgetOld } from "../src/hub/retention.ts";
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
  for (const table of ["output_log", "prompts", "sessions", "server_keys"])
    db.run(`DELETE FROM ${table}`);
  db.run(
    "INSERT OR IGNORE INTO devices (id, name, kind, secret, created_at) VALUES ('dev', 'box', 'machine', x'00', 0)",
  );
});

const info = (id: string) =>
  ({
    ...sessionInfo(id),
    hooks: "none",
    activity: "idle",
    desk: true,
    unlogged: false,
    sandbox: false,
  }) as const;
/** A session with a history of so many lines, which ended so many days ago, or runs. */
function session(id: string, endedDaysAgo?: number, lines = 1): void {
  sessions.begin("dev", info(id), 1);
  sessions.output(id, 1, {
    op: "append",
    generation: 0,
    from: 0,
    lines: Array.from({ length: lines }, (_, i) => `${i} ${"x".repeat(1000)}`),
  });
  if (endedDaysAgo === undefined) return;
  sessions.end(id, { code: 0 }, NOW - endedDaysAgo * DAY);
  look(NOW - endedDaysAgo * DAY);
}
/** What is over by now is noted, and nothing is forgotten. */
const look = (now: number) => forgetOld(db, { days: 0, megabytes: 0 }, now);
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
  expect(db.query("SELECT count(*) AS n FROM output_log WHERE session_id = 's_old'").get()).toEqual(
    { n: 0 },
  );
  expect(db.query("SELECT count(*) AS n FROM audit WHERE subject = 's_old'").get()).toEqual({
    n: 1,
  });
  expect(forgetOld(db, { days: 0, megabytes: 0 }, NOW + 1000 * DAY)).toBe(0);
});

test("over the bound the oldest that ended go first, and never what runs", () => {
  for (let i = 10; i < 40; i++) session(`s_${i}`, 40 - i, 100);
  session("s_runs", undefined, 3000);
  const pragma = (name: string) =>
    db.query<Record<string, number>, []>(`PRAGMA ${name}`).get()?.[name] ?? 0;
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
  sessions.offline("s_asleep");
  look(NOW);
  expect(forgetOld(db, { days: 30, megabytes: 1 }, NOW + DAY / 2)).toBe(0); // it may come back with its history
  expect(forgetOld(db, { days: 30, megabytes: 0 }, NOW + 29 * DAY)).toBe(0);
  sessions.begin("dev", info("s_asleep"), 1);
  sessions.offline("s_asleep"); // it was there for a moment: a month from then
  look(NOW + 29 * DAY);
  expect(forgetOld(db, { days: 30, megabytes: 0 }, NOW + 58 * DAY)).toBe(0);
  expect(forgetOld(db, { days: 30, megabytes: 0 }, NOW + 60 * DAY)).toBe(1);
  session("s_gone", undefined, 3000);
  sessions.offline("s_gone");
  look(NOW);
  expect(forgetOld(db, { days: 0, megabytes: 1 }, NOW + 2 * DAY)).toBe(1);
  expect(left()).toEqual([]);
});

describe("with a clock that is wrong", () => {
  const keep = { days: 30, megabytes: 0 };
  const hour = (n: number) => n * 3600_000;

  test("of a session's own machine, it is kept for a month all the same, from 1970 as from 2099", () => {
    for (const [id, year] of [
      ["s_1970", 1970],
      ["s_2099", 2099],
    ] as const) {
      session(id);
      sessions.end(id, { code: 0 }, Date.UTC(year, 0, 1));
    }
    look(NOW);
    expect(forgetOld(db, keep, NOW + 29 * DAY)).toBe(0);
    expect(forgetOld(db, keep, NOW + 31 * DAY)).toBe(2);
  });

  test("for some hours, nothing of this month is forgotten; for good, it is believed in the end", () => {
    session("s_yesterday", 1);
    session("s_month", 29);
    expect(believedTime(db, NOW)).toBe(NOW);
    const wrong = (hours: number) =>
      Array.from({ length: hours }, () =>
        forgetOld(db, keep, believedTime(db, Date.UTC(2099, 0, 1))),
      ).reduce((sum, gone) => sum + gone, 0);
    expect(wrong(3)).toBe(0);
    for (let i = 0; i < 10; i++)
      expect(forgetOld(db, keep, believedTime(db, NOW + hour(3 + i)))).toBe(0); // set right again
    expect(left()).toEqual(["s_month", "s_yesterday"]);
    expect(wrong(24)).toBe(1); // a day of it costs the oldest week
    expect(left()).toEqual(["s_yesterday"]);
    expect(wrong(24 * 30)).toBe(1);
  });

  test("that is set back and forth over an hour, or to 1970 until the network is there, nothing goes", () => {
    session("s_kept", 29);
    expect(believedTime(db, NOW)).toBe(NOW);
    for (let i = 0; i < 40; i++)
      expect(forgetOld(db, keep, believedTime(db, NOW + (i % 2 === 0 ? hour(-5) : hour(5))))).toBe(
        0,
      );
    session("s_early");
    sessions.end("s_early", { code: 0 }, 0);
    expect(forgetOld(db, keep, believedTime(db, 0))).toBe(0);
    for (let i = 0; i < 10; i++) expect(forgetOld(db, keep, believedTime(db, NOW))).toBe(0);
    expect(left()).toEqual(["s_early", "s_kept"]);
  });

  test("when nothing is kept yet, the clock is taken as it is", () => {
    expect(believedTime(db, NOW)).toBe(NOW);
    expect(believedTime(db, NOW + 1000 * DAY)).toBe(NOW + 1000 * DAY);
  });
});
