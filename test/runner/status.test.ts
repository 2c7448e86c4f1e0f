import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Activity, followStatus } from "../../src/runner/status.ts";
import { fakeClock } from "../support/clock.ts";

const dir = mkdtempSync(join(tmpdir(), "status-test-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const file = join(dir, "4711.json");
const says = (status: string) => writeFileSync(file, JSON.stringify({ status, sessionId: "c_1" }));

let heard: Activity[] = [];
beforeEach(() => {
  heard = [];
  for (const name of readdirSync(dir)) rmSync(join(dir, name));
});
const follow = (pid = () => 4711 as number | undefined) => {
  const clock = fakeClock();
  const status = followStatus(
    dir,
    pid,
    (activity) => void heard.push(activity),
    () => true,
    clock.later,
  );
  return { clock, status };
};

test("Claude's status is looked at once a second, and often while a prompt waits", () => {
  const { clock, status } = follow();
  says("busy");
  clock.pass(999);
  expect(heard).toEqual([]);
  clock.pass(1);
  expect(heard).toEqual(["busy"]);
  says("waiting");
  status.hurry(true);
  says("busy");
  clock.pass(50);
  expect(heard).toEqual(["busy", "waiting", "busy"]);
  status.hurry(false);
  says("idle");
  clock.pass(999);
  expect(status.activity).toBe("busy");
  clock.pass(1);
  expect(status.activity).toBe("idle");
  status.close();
  expect(clock.waiting()).toBe(0);
});

test("once a prompt was answered, that Claude waits no more is known at once", () => {
  const { clock, status } = follow();
  status.hurry(true);
  says("waiting");
  clock.pass(50);
  status.hurry(false); // the hook was let go, and Claude has not written it yet
  says("busy");
  clock.pass(50);
  expect(heard).toEqual(["waiting", "busy"]);
});

test("whoever changes the pace on hearing of it does not have it read twice as often from then on", () => {
  const clock = fakeClock();
  const status = followStatus(
    dir,
    () => 4711,
    (activity) => status.hurry(activity === "waiting"),
    () => true,
    clock.later,
  );
  for (const now of ["waiting", "busy", "waiting", "idle"]) {
    says(now);
    clock.pass(1000);
    expect(clock.waiting()).toBe(1);
  }
  status.close();
  expect(clock.waiting()).toBe(0);
});

test("a background command leaves Claude at its prompt, and a word that nobody knows means that nothing is known", () => {
  const { clock, status } = follow();
  for (const word of [
    "busy",
    "shell",
    "waiting",
    "compacting",
    "idle",
    "constructor",
    "shell",
    "",
  ]) {
    says(word);
    clock.pass(1000);
  }
  expect(heard).toEqual([
    "busy",
    "idle",
    "waiting",
    "unknown",
    "idle",
    "unknown",
    "idle",
    "unknown",
  ]);
  writeFileSync(file, JSON.stringify({ status: 5, sessionId: "c_1" }));
  clock.pass(1000);
  expect(status.activity).toBe("unknown");
  status.close();
});

/** A file of another process of Claude's. */
const other = (pid: number, content: object) =>
  writeFileSync(join(dir, `${pid}.json`), JSON.stringify(content));

test("where a script started claude, the file that holds the session of the hooks is the right one", () => {
  const { clock, status } = follow();
  other(5001, { status: "busy", sessionId: "c_other", kind: "interactive" });
  other(5002, { status: "waiting", sessionId: "c_ours", kind: "interactive" });
  clock.pass(1000);
  expect(status.activity).toBe("unknown");
  expect(status.isOwn("c_ours")).toBe(true);
  clock.pass(1000);
  expect(status.activity).toBe("waiting");
  expect([status.isOwn("c_other"), status.isOwn("c_ours")]).toEqual([false, true]);
  status.close();
});

test("a session that Claude's own daemon runs is another's, and has a name", () => {
  const { clock, status } = follow();
  says("idle");
  other(5003, {
    status: "waiting",
    sessionId: "c_job",
    kind: "bg",
    jobId: "0a1b2c3d",
    name: "fix it",
  });
  clock.pass(1000);
  expect([status.isOwn("c_job"), status.isOwn("c_1")]).toEqual([false, true]);
  expect([status.nameOf("c_job"), status.activityOf("c_job")]).toEqual(["fix it", "waiting"]);
  // what is here now was another conversation before, as after /clear
  writeFileSync(file, JSON.stringify({ status: "idle", sessionId: "c_2" }));
  expect([status.isOwn("c_2"), status.isOwn("c_1")]).toEqual([true, true]);
  // with our own file swept away, the job stays another's
  rmSync(file);
  expect([status.isOwn("c_job"), status.isOwn("c_3")]).toEqual([false, true]);
  status.close();
});

test("a conversation that went on in the background is told, and what it does there", () => {
  const parked: (string | undefined)[] = [];
  const clock = fakeClock();
  const status = followStatus(
    dir,
    () => 4711,
    (activity) => void heard.push(activity),
    () => true,
    clock.later,
    (job) => void parked.push(job),
  );
  says("idle");
  clock.pass(1000);
  other(5003, { status: "waiting", sessionId: "c_job", kind: "bg", jobId: "0a1b2c3d" });
  writeFileSync(
    file,
    JSON.stringify({ status: "idle", sessionId: "c_1", parkedJobId: "0a1b2c3d" }),
  );
  clock.pass(1000);
  expect([parked, heard, status.isOwn("c_job")]).toEqual([["0a1b2c3d"], ["idle", "waiting"], true]);
  says("busy");
  clock.pass(1000);
  expect([parked, heard.at(-1)]).toEqual([["0a1b2c3d", undefined], "busy"]);
  status.close();
});

test("Claude waits at a dialog that a hook tells of only where it says so", () => {
  const { clock, status } = follow();
  const asks: boolean[] = [];
  for (const said of [
    { status: "waiting", waitingFor: "permission prompt" },
    { status: "waiting", waitingFor: "dialog open" },
    { status: "waiting" },
    { status: "busy", waitingFor: "permission prompt" },
    { status: "waiting", waitingFor: "permission prompt" },
  ]) {
    writeFileSync(file, JSON.stringify(said));
    clock.pass(1000);
    asks.push(status.asksPermission);
  }
  rmSync(file);
  clock.pass(1000);
  expect([...asks, status.asksPermission]).toEqual([true, false, false, false, true, false]);
  status.close();
});

test("what is half written changes nothing; a file that is gone leaves it unknown", () => {
  let pid: number | undefined;
  const { clock, status } = follow(() => pid);
  says("idle");
  clock.pass(1000);
  pid = 4711;
  clock.pass(1000);
  for (const text of ['{"status":"bu', "", "[]"]) {
    writeFileSync(file, text);
    clock.pass(1000);
  }
  expect(heard).toEqual(["idle"]);
  rmSync(file);
  clock.pass(1000);
  expect(heard).toEqual(["idle", "unknown"]);
  status.close();
});
