import { expect, test } from "bun:test";
import { openSizes } from "../../src/runner/sizes.ts";

function open() {
  const applied: string[] = [];
  const sizes = openSizes({ cols: 120, rows: 40 }, ({ cols, rows }) =>
    applied.push(`${cols}x${rows}`),
  );
  return { sizes, applied };
}

test("a phone takes the size over and gives it back", () => {
  const { sizes, applied } = open();
  sizes.phone({ cols: 45, rows: 30 });
  sizes.phone({ cols: 45, rows: 30 });
  sizes.phone(undefined);
  expect(applied).toEqual(["45x30", "120x40"]);
});

test("the desk's own changes wait while a phone has the size, and hold after it", () => {
  const { sizes, applied } = open();
  sizes.desk({ cols: 100, rows: 40 });
  sizes.phone({ cols: 45, rows: 30 });
  sizes.desk({ cols: 90, rows: 40 });
  sizes.phone(undefined);
  expect(applied).toEqual(["100x40", "45x30", "90x40"]);
});

test("whoever types at the desk has its size back", () => {
  const { sizes, applied } = open();
  sizes.typed();
  sizes.phone({ cols: 45, rows: 30 });
  sizes.typed();
  sizes.typed();
  expect(applied).toEqual(["45x30", "120x40"]);
});

test("no program is made too small to draw", () => {
  const { sizes, applied } = open();
  sizes.phone({ cols: 1, rows: 1 });
  expect(applied).toEqual(["20x5"]);
});

test("where there is no desk, what the last phone wanted stays", () => {
  const applied: string[] = [];
  const sizes = openSizes(
    { cols: 80, rows: 24 },
    ({ cols, rows }) => applied.push(`${cols}x${rows}`),
    false,
  );
  sizes.phone({ cols: 45, rows: 30 });
  sizes.phone(undefined);
  sizes.phone({ cols: 60, rows: 30 });
  expect(applied).toEqual(["45x30", "60x30"]);
});
