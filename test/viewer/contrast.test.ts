import { expect, test } from "bun:test";
import {
  contrast,
  differClearly,
  isLight,
  LEAST_CONTRAST,
  parseColour,
  type Rgb,
  readable,
  toHex,
} from "../../src/viewer/contrast.ts";
import { randomFrom } from "../support/random.ts";

test("contrast is what WCAG says of its own examples", () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 5);
  expect(contrast([0x77, 0x77, 0x77], [255, 255, 255])).toBeCloseTo(4.48, 2);
  expect(contrast([0x76, 0x76, 0x76], [255, 255, 255])).toBeCloseTo(4.54, 2);
  expect(contrast([12, 34, 56], [12, 34, 56])).toBe(1);
});

test("a row's colours are read by index and by #rrggbb, and nothing else is one", () => {
  expect(parseColour("#0a0bff")).toEqual([10, 11, 255]);
  expect(parseColour("16")).toEqual([0, 0, 0]);
  expect(parseColour("208")).toEqual([255, 135, 0]);
  expect(parseColour("255")).toEqual([238, 238, 238]);
  expect(
    parseColour("1", [
      [0, 0, 0],
      [9, 8, 7],
    ]),
  ).toEqual([9, 8, 7]);
  for (const code of ["256", "999", "", "red", "#12345", "#12345g", "-1"])
    expect(parseColour(code)).toBeUndefined();
  expect(parseColour(undefined)).toBeUndefined();
  expect(toHex([10, 11, 255])).toBe("#0a0bff");
});

test("any text is readable on any ground, and what was readable is left alone", () => {
  const random = randomFrom(11);
  const any = (): Rgb => [random.int(0, 255), random.int(0, 255), random.int(0, 255)];
  for (let i = 0; i < 5000; i++) {
    const [text, ground] = [any(), any()];
    const shown = readable(text, ground);
    for (const part of shown) expect(part >= 0 && part <= 255 && Number.isInteger(part)).toBe(true);
    expect(contrast(shown, ground)).toBeGreaterThanOrEqual(LEAST_CONTRAST);
    if (contrast(text, ground) >= LEAST_CONTRAST) expect(shown).toBe(text);
  }
  expect(readable([3, 3, 3], [128, 128, 128], 21)).toEqual([0, 0, 0]); // as near as there is
});

test("text keeps its hue as far as it can, and its side of the ground", () => {
  const [red, green, blue] = readable([0xb3, 0x59, 0x59], [255, 255, 255], 7);
  expect(red).toBeGreaterThan(green);
  expect(green).toBe(blue);
  expect(readable([90, 90, 90], [20, 20, 20])[0]).toBeLessThan(160); // no further than it has to
});

test("grounds are told apart where what was drawn for one looks wrong on the other", () => {
  expect(differClearly([255, 255, 255], [0, 0, 0])).toBe(true);
  expect(differClearly([0x1e, 0x1e, 0x2e], [0, 0, 0])).toBe(false);
  expect(differClearly([253, 246, 227], [255, 255, 255])).toBe(false);
  expect([isLight([253, 246, 227]), isLight([0, 43, 54])]).toEqual([true, false]);
});
