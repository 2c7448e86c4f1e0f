import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
  rmSync(file, { force: true });
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

test("what is half written, or not Claude's, changes nothing; a file that is gone leaves it unknown", () => {
  let pid: number | undefined;
  const { clock, status } = follow(() => pid);
  says("idle");
  clock.pass(1000);
  pid = 4711;
  clock.pass(1000);
  for (const text of ['{"status":"bu', '{"status":"odd"}', "[]"]) {
    writeFileSync(file, text);
    clock.pass(1000);
  }
  expect(heard).toEqual(["idle"]);
  rmSync(file);
  clock.pass(1000);
  expect(heard).toEqual(["idle", "unknown"]);
  status.close();
});
