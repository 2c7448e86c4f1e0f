import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openOutbox } from "../../src/runner/outbox.ts";
import type { HistoryOp } from "../../src/types.ts";
import { randomFrom } from "../support/random.ts";

const dir = mkdtempSync(join(tmpdir(), "outbox-test-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
let files = 0;
const path = () => join(dir, `spool-${++files}`);
const append = (from: number, size = 10): HistoryOp => ({
  op: "append",
  generation: 0,
  from,
  lines: ["x".repeat(size)],
});

describe("the outbox", () => {
  test("hands operations over once, in order, and keeps them until they are acknowledged", () => {
    const outbox = openOutbox(path());
    for (let i = 0; i < 3; i++) outbox.add(append(i));
    const sent: number[] = [];
    const send = (seq: number) => sent.push(seq) > 0;
    outbox.drain(send);
    outbox.drain(send);
    expect(sent).toEqual([1, 2, 3]);
    outbox.acknowledged(2);
    expect(outbox.isEmpty).toBe(false);
    outbox.resume(2); // a new connection
    outbox.drain(send);
    expect(sent).toEqual([1, 2, 3, 3]);
    outbox.acknowledged(3);
    expect(outbox.isEmpty).toBe(true);
  });

  test("stops at a full window until something is acknowledged", () => {
    const outbox = openOutbox(path(), { memory: 1e6, spool: 1e6, window: 250 });
    for (let i = 0; i < 10; i++) outbox.add(append(i, 50));
    const sent: number[] = [];
    outbox.drain((seq) => sent.push(seq) > 0);
    expect(sent.length).toBe(2);
    outbox.acknowledged(1);
    outbox.drain((seq) => sent.push(seq) > 0);
    expect(sent.length).toBe(3);
  });

  test("goes on in a file that only this user can read, and removes it", () => {
    const file = path();
    const outbox = openOutbox(file, { memory: 500, spool: 1e6, window: 1e6 });
    for (let i = 0; i < 100; i++) outbox.add(append(i));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const from: number[] = [];
    while (!outbox.isEmpty) {
      let last = 0;
      outbox.drain((seq, op) => {
        if (op.op === "append") from.push(op.from);
        last = seq;
        return true;
      });
      outbox.acknowledged(last);
    }
    expect(from).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(existsSync(file)).toBe(false);
    expect(outbox.lost).toBe(0);
  });

  test("beyond the file's bound lines are left out and counted, but cuts and new generations are kept", () => {
    const outbox = openOutbox(path(), { memory: 200, spool: 1000, window: 1e6 });
    for (let i = 0; i < 100; i++) outbox.add(append(i));
    outbox.add({ op: "generation", generation: 1 });
    const seen: HistoryOp[] = [];
    while (!outbox.isEmpty) {
      let last = 0;
      outbox.drain((seq, op) => {
        seen.push(op);
        last = seq;
        return true;
      });
      outbox.acknowledged(last);
    }
    const lines = seen.filter((op) => op.op === "append").length;
    expect(lines).toBeLessThan(100);
    expect(lines + outbox.lost).toBe(100);
    expect(seen.at(-1)).toEqual({ op: "generation", generation: 1 });
    outbox.close();
  });

  test("a folder that can't be written costs lines, not the session", () => {
    const outbox = openOutbox("/nonexistent/folder/spool", {
      memory: 50,
      spool: 1000,
      window: 1000,
    });
    for (let i = 0; i < 5; i++) outbox.add(append(i));
    expect(outbox.lost).toBe(4);
  });

  test.each(Array.from({ length: 40 }, (_, seed) => seed))(
    "whatever happens to the connection, everything arrives once and in order (seed %p)",
    (seed) => {
      const random = randomFrom(seed);
      const outbox = openOutbox(path(), {
        memory: random.int(100, 2000),
        spool: 1e7,
        window: random.int(50, 1000),
      });
      let added = 0;
      let stored = 0; // at the server: acknowledgements may be lost on the way
      const arrived: number[] = [];
      for (let step = 0; step < 400; step++) {
        const act = random.int(0, 5);
        if (act <= 2) outbox.add(append(added++, random.int(1, 80)));
        else if (act === 3) {
          outbox.drain((seq, op) => {
            if (random.int(0, 9) === 0) return false; // the socket is full
            if (seq > stored && op.op === "append") {
              arrived.push(op.from);
              stored = seq;
            }
            return true;
          });
        } else if (act === 4) outbox.acknowledged(stored);
        else outbox.resume(stored);
      }
      while (!outbox.isEmpty) {
        outbox.resume(stored);
        outbox.drain((seq, op) => {
          if (seq > stored && op.op === "append") arrived.push(op.from);
          stored = Math.max(stored, seq);
          return true;
        });
        outbox.acknowledged(stored);
      }
      expect(arrived).toEqual(Array.from({ length: added }, (_, i) => i));
    },
  );
});

test("without a file it keeps what fits in memory, and every cut", () => {
  const outbox = openOutbox(undefined, { memory: 50, spool: 1000, window: 1e6 });
  outbox.add(append(0));
  outbox.add(append(1));
  outbox.add({ op: "truncate", generation: 0, to: 1 });
  expect(outbox.lost).toBe(1);
  const sent: string[] = [];
  outbox.drain((_, op) => sent.push(op.op) > 0);
  expect(sent).toEqual(["append", "truncate"]);
  outbox.acknowledged(2);
  expect(outbox.isEmpty).toBe(true);
});
