import { describe, expect, test } from "bun:test";
import { openPager, wrap } from "../../src/attach/pager.ts";
import { drawnRow, harmless } from "../../src/attach/rows.ts";
import { statusLine } from "../../src/attach/shown.ts";
import { openScreen, type Screen } from "../../src/runner/screen.ts";
import { randomFrom } from "../support/random.ts";

const openEmulator = (cols: number, rows: number): Screen =>
  openScreen({
    cols,
    rows,
    onChange: () => undefined,
    onHold: () => undefined,
    onHistory: () => undefined,
  });
const encoder = new TextEncoder();

/** Draws rows as they came from one emulator on another. */
async function redrawn(
  bytes: string,
  cols: number,
  rows: number,
): Promise<[before: string[], after: string[]]> {
  const first = openEmulator(cols, rows);
  first.feed(encoder.encode(bytes));
  await first.settled();
  const payloads = Object.values(first.whole().lines);
  const second = openEmulator(cols, rows);
  second.feed(
    encoder.encode(
      `\x1b[?7l${payloads.map((payload, y) => `\x1b[${y + 1}H\x1b[0m\x1b[K${drawnRow(payload, 0, cols)}`).join("")}`,
    ),
  );
  await second.settled();
  return [payloads, Object.values(second.whole().lines)];
}

/** What is left of what we write once our own sequences are taken out. */
const bare = (text: string) => text.replace(/\p{Cc}\[\d*(?:;\d+)*[mG]/gu, "");

describe("rows on the terminal", () => {
  test.each([
    "plain",
    "\x1b[1;31mred\x1b[0m \x1b[2;3;4;7;9mall of it\x1b[0m \x1b[38;5;200mpalette\x1b[48;2;1;2;3mtrue\x1b[0m",
    "\x1b[97;107mbright\x1b[0m \x1b[8mhidden\x1b[0m end",
    "漢字 and 👨‍👩‍👧 and 🇩🇪 and e\u0301 and ☺️ |",
    "\x1b[44m   blank ground   \x1b[0m",
    "┌──┐│box│ ✻ ❯ ⏸",
  ])("come out as they went in: %j", async (bytes) => {
    const [before, after] = await redrawn(`${bytes}\r\nsecond`, 70, 3);
    expect(after).toEqual(before);
  });

  test("are cut at both edges by cells, also through a wide character", () => {
    expect(drawnRow("0123456789", 2, 5)).toBe("23456");
    expect(bare(drawnRow("漢字漢字\n4w", 0, 5))).toBe("漢字");
    expect(bare(drawnRow("漢字漢字\n4w", 1, 5))).toBe(" 字漢");
    expect(drawnRow("ab漢cd\n2 1w 2b", 3, 4)).toContain("\x1b[1mcd");
    expect(drawnRow("abc", 10, 5)).toBe("");
  });

  test("never carry a control character of their own, nor turn text around", () => {
    const random = randomFrom(3);
    const parts = [
      "\x1b]52;c;AAAA\x07",
      "\x1b[2J",
      "\x9b31m",
      "\x9d0;x\x9c",
      "\r",
      "\b",
      "\0",
      "\x7f",
      "\u2028",
      "\u202e",
      "\u2066",
      "a",
      "漢",
      "👨‍👩‍👧",
      "\n",
      "3b",
      " ",
      "2wf#12345",
      "4f300g-1",
      "1f\x1b[",
      "é",
      "\ud800",
    ];
    for (let round = 0; round < 5000; round++) {
      const payload = Array.from({ length: 10 }, () => random.pick(parts)).join("");
      const drawn = bare(drawnRow(payload, random.int(0, 3), 20));
      expect(drawn).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    }
    expect(harmless("a\x1b]0;b\x07\u202ec\u0085")).toBe("a ]0;b c ");
    expect(bare(statusLine(["x\x1b[31m\r\n"], "\x07y", 40))).toBe(` x [31m${" ".repeat(31)}y `);
  });
});

describe("text to be judged", () => {
  test("is shown whole, with everything unseen by its code point, in lines that fit", () => {
    const text = `rm -rf\u200b /\u202e x\t${"y".repeat(50)}\x1b[31m\r漢${"字".repeat(30)}`;
    const lines = wrap({ text }, 20);
    for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(20);
    const whole = lines.join("").replace(/\p{Cc}\[2?7m/gu, "");
    expect(whole).toBe(
      `rm -rfU+200B /U+202E x⇥${"y".repeat(50)}U+001B[31mU+000D漢${"字".repeat(30)}`,
    );
    expect(wrap({ text: "one\ntwo", sign: "1 │ ", more: "  │ " }, 20)).toEqual([
      "1 │ one",
      "  │ two",
    ]);
  });

  test("tells when its end has been in sight, and keeps its place when the terminal changes", () => {
    const pager = openPager([
      { text: Array.from({ length: 50 }, (_, i) => `line ${i}`).join("\n") },
    ]);
    expect(pager.page(40, 10)[0]).toBe("line 0");
    expect(pager.ended).toBe(false);
    expect(pager.place()).toBe("1–10 of 50");
    expect(pager.turn("x")).toBe(false);
    for (let i = 0; i < 3; i++) pager.turn("PageDown");
    expect(pager.page(40, 10)[0]).toBe("line 27");
    expect(pager.page(30, 5)[0]).toBe("line 27");
    expect(pager.ended).toBe(false);
    pager.turn("End");
    expect(pager.page(30, 5).at(-1)).toBe("line 49");
    expect(pager.ended).toBe(true);
  });
});
