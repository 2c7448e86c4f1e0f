import { expect, test } from "bun:test";
import { median, overRounds, percentile } from "../bench/statistics.ts";
import { digits, type Figure, formatTable, judgedValue, verdict } from "../bench/table.ts";

const figure = (more: Partial<Figure>): Figure => ({
  name: "echo",
  unit: "ms",
  ours: 1,
  reference: 0.5,
  against: "bare",
  judged: "itself",
  ...more,
});

test("a percentile is a value that was measured, whatever the order", () => {
  const sample = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect([
    percentile(sample, 0),
    percentile(sample, 0.5),
    percentile(sample, 0.99),
    percentile(sample, 1),
  ]).toEqual([1, 50, 99, 100]);
  expect(percentile([7], 0.99)).toBe(7);
  expect(() => percentile([], 0.5)).toThrow("nothing was measured");
});

test("the median is in the middle, of an even number between the two there", () => {
  expect([median([3]), median([5, 1, 3]), median([10, 2, 4, 3]), median([9, 1])]).toEqual([
    3, 3, 3.5, 5,
  ]);
});

test("one disturbed round does not decide", () => {
  expect(
    overRounds(
      [
        [1, 2, 3],
        [1, 2, 4],
        [90, 95, 99],
      ],
      1,
    ),
  ).toBe(4);
});

test("gate and aim bound the figure itself, what it adds, or the share that it reaches", () => {
  expect(verdict(figure({ ours: 0.2, gate: 0.5, aim: 0.2 }))).toBe("meets the aim");
  expect(verdict(figure({ ours: 0.5, gate: 0.5, aim: 0.2 }))).toBe("pass");
  expect(verdict(figure({ ours: 0.6, gate: 0.5, aim: 0.2 }))).toBe("falls short");
  const added = figure({ ours: 100, reference: 30, judged: "added", gate: 80, aim: 40 });
  expect([judgedValue(added), verdict(added)]).toEqual([70, "pass"]);
  const share = figure({ ours: 40, reference: 100, judged: "share", gate: 0.5, aim: 0.8 });
  expect([
    judgedValue(share),
    verdict(share),
    verdict({ ...share, ours: 50 }),
    verdict({ ...share, ours: 80 }),
  ]).toEqual([0.4, "falls short", "pass", "meets the aim"]);
  const part = figure({ ours: 10, reference: 100, judged: "part", gate: 0.25, aim: 0.03 });
  expect([
    judgedValue(part),
    verdict(part),
    verdict({ ...part, ours: 30 }),
    verdict({ ...part, ours: 3 }),
  ]).toEqual([0.1, "pass", "falls short", "meets the aim"]);
  expect(verdict(figure({}))).toBe("no gate");
  expect(verdict({ name: "idle", missing: "no /proc here" })).toBe("not measured");
});

test("the table has a line a row, with what is judged, and says why something is missing", () => {
  const lines = formatTable([
    figure({ name: "start-up", ours: 123.4, reference: 3.21, judged: "added", gate: 80, aim: 40 }),
    figure({
      name: "throughput",
      unit: "MB/s",
      ours: 30,
      reference: 60,
      judged: "share",
      gate: 0.5,
      aim: 0.8,
    }),
    { name: "idle", missing: "no /proc here" },
  ]).split("\n");
  expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
    ["ours", "reference", "unit", "judged", "gate", "aim", "verdict", "against"],
    ["start-up", "123", "3.21", "ms", "120 added", "≤ 80", "≤ 40", "falls short", "bare"],
    ["throughput", "30.0", "60.0", "MB/s", "0.50 of it", "≥ 0.5", "≥ 0.8", "pass", "bare"],
    ["idle", "–", "–", "not measured", "no /proc here"],
    [""],
  ]);
  expect([0, 0.034, 9.876, 98.76, 987.6].map(digits)).toEqual(["0", "0.03", "9.88", "98.8", "988"]);
});
