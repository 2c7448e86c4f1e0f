import { describe, expect, test } from "bun:test";
import { rowText } from "../../src/row.ts";
import { openEmulator } from "../../src/runner/emulator.ts";
import { followHistory } from "../../src/runner/history.ts";
import type { HistoryOp } from "../../src/types.ts";

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

/** A terminal with a clock that the test sets, and its log with the times. */
function open(cols: number, rows: number) {
  const term = openEmulator(cols, rows);
  let time = START;
  let lines: { row: string; at: number | undefined }[] = [];
  const ops: HistoryOp[] = [];
  const apply = (op: HistoryOp) => {
    ops.push(op);
    if (op.op === "generation") lines = [];
    else if (op.op === "truncate") lines.length = op.to;
    else lines.push(...op.lines.map((row) => ({ row: rowText(row), at: op.at })));
  };
  const history = followHistory(term, apply, () => time);
  return {
    history,
    ops,
    /** Prints at so many minutes from the start. */
    async print(minute: number, text: string) {
      time = START + minute * MINUTE;
      history.begin();
      await new Promise<void>((resolve) => term.write(text, resolve));
      history.sync();
    },
    resize(minute: number, width: number, height: number) {
      time = START + minute * MINUTE;
      history.resize(width, height);
    },
    /** The lines with the minutes that they were printed at. */
    log: () => lines.map(({ row, at }) => [row.trimEnd(), ((at ?? Number.NaN) - START) / MINUTE]),
  };
}

describe("a line has the time when it was printed", () => {
  test("even where it scrolls off long after", async () => {
    const { print, log } = open(40, 4);
    await print(0, "one\r\ntwo\r\nthree\r\n");
    await print(10, "four\r\nfive\r\n");
    await print(60, "six\r\nseven\r\neight\r\n");
    expect(log()).toEqual([
      ["one", 0],
      ["two", 0],
      ["three", 0],
      ["four", 10],
      ["five", 10],
    ]);
  });

  test("where a program draws the rows below it again and again", async () => {
    const { print, log } = open(40, 6);
    await print(0, "told at first\r\n> box");
    for (let minute = 1; minute < 5; minute++) await print(minute, `\r\x1b[K> box ${minute}`);
    await print(5, "\r\x1b[Ktold later\r\n> box");
    await print(9, "\r\x1b[K> box");
    await print(20, `\r\x1b[K${"more\r\n".repeat(8)}> box`);
    expect(log().slice(0, 3)).toEqual([
      ["told at first", 0],
      ["told later", 5],
      ["more", 20],
    ]);
  });

  test("that of what replaced it, where it was drawn over", async () => {
    const { print, log } = open(40, 4);
    await print(0, "status: waiting\r\nsecond\r\n");
    await print(7, "\x1b[Hstatus: done\x1b[K\x1b[3;1H");
    await print(30, "a\r\nb\r\nc\r\nd\r\n");
    expect(log().slice(0, 2)).toEqual([
      ["status: done", 7],
      ["second", 0],
    ]);
  });

  test("when the terminal is made narrower, wider and as it was", async () => {
    const { print, resize, log } = open(40, 5);
    for (let n = 0; n < 30; n++) await print(n, `line ${n} ${"x".repeat(30)}\r\n`);
    const before = log();
    expect(before).toHaveLength(26);
    expect(before.map(([, minute]) => minute)).toEqual(before.map((_, n) => n));
    resize(100, 20, 5);
    const narrow = log();
    expect(narrow.length).toBeGreaterThan(before.length);
    for (const [row, minute] of narrow) {
      const n = /^line (\d+)/.exec(String(row))?.[1];
      if (n !== undefined) expect([row, minute]).toEqual([row, Number(n)]);
    }
    resize(101, 60, 9);
    resize(102, 40, 5);
    expect(log()).toEqual(before);
    await print(103, "a\r\nb\r\nc\r\nd\r\n");
    expect(log().map(([, minute]) => minute)).toEqual(Array.from({ length: 30 }, (_, n) => n));
  });

  test("when a taller screen takes it back and it scrolls off again", async () => {
    const { print, resize, log } = open(40, 3);
    for (let n = 0; n < 10; n++) await print(n, `line ${n}\r\n`);
    resize(50, 40, 8);
    resize(60, 40, 3);
    expect(log()).toEqual(Array.from({ length: 8 }, (_, n) => [`line ${n}`, n]));
  });

  test("in a generation of its own after the scrollback was cleared", async () => {
    const { print, log } = open(40, 3);
    for (let n = 0; n < 10; n++) await print(n, `line ${n}\r\n`);
    await print(20, "\x1b[2J\x1b[3J\x1b[H");
    for (let n = 0; n < 5; n++) await print(30 + n, `new ${n}\r\n`);
    expect(log()).toEqual([
      ["new 0", 30],
      ["new 1", 31],
      ["new 2", 32],
    ]);
  });
});

test("what is printed at one go is one operation", async () => {
  const { print, ops } = open(40, 4);
  await print(0, Array.from({ length: 400 }, (_, n) => `line ${n}\r\n`).join(""));
  expect(ops).toHaveLength(1);
});
