import { describe, expect, test } from "bun:test";
import { openPager, wrap } from "../../src/attach/pager.ts";
import { paintFor } from "../../src/attach/paint.ts";
import { drawnRow, harmless } from "../../src/attach/rows.ts";
import { statusLine } from "../../src/attach/shown.ts";
import { openScreen, type Screen } from "../../src/runner/screen.ts";
import { contrast, parseColour } from "../../src/viewer/contrast.ts";
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
const bare = (text: string) => text.replace(/\p{Cc}\[\d*(?:[;:]\d*)*[mG]/gu, "");

describe("rows on the terminal", () => {
  test.each([
    "plain",
    "\x1b[1;31mred\x1b[0m \x1b[2;3;4;7;9mall of it\x1b[0m \x1b[38;5;200mpalette\x1b[48;2;1;2;3mtrue\x1b[0m",
    "\x1b[97;107mbright\x1b[0m \x1b[8mhidden\x1b[0m end",
    "漢字 and 👨‍👩‍👧 and 🇩🇪 and e\u0301 and ☺️ |",
    "\x1b[44m   blank ground   \x1b[0m",
    "┌──┐│box│ ✻ ❯ ⏸",
    "\x1b[4m1\x1b[4:2m2\x1b[4:3m3\x1b[4:4m4\x1b[4:5m5\x1b[0m \x1b[53mover\x1b[0m",
    "\x1b[4:3;58:2::1:2:3mred curl\x1b[58:5:200m palette\x1b[0m end",
    "क्षि|ก็|สวัสดี|مرحبا|👨‍👩‍👧|e\u0301\u0302|end",
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

describe("a screen that was drawn for another ground", () => {
  const dark = { ground: "#1e1e1e", ink: "#d0d0d0" };
  const light = { ground: "#ffffff", ink: "#000000" };
  const painted = (payload: string, screen: object, terminal: object, width = 20) =>
    drawnRow(payload, 0, 20, paintFor(screen, terminal), width);

  test("has that ground in every cell, to the edge of its own columns", () => {
    expect(painted("let x\n3f#0000a0 2", light, dark, 8)).toBe(
      "\x1b[38;2;0;0;160;48;2;255;255;255mlet\x1b[0m\x1b[38;2;0;0;0;48;2;255;255;255m x\x1b[0m\x1b[38;2;0;0;0;48;2;255;255;255m   \x1b[0m",
    );
    expect(painted("ab\n1v 1", light, dark, 2)).toContain("\x1b[38;2;255;255;255;48;2;0;0;0ma");
    expect(bare(painted("漢", light, dark, 0))).toBe("漢");
  });

  test("is left as it is where the grounds are much the same", () => {
    for (const both of [dark, light])
      expect(painted("let x\n3f#777777 2", both, both)).toBe("\x1b[38;2;119;119;119mlet\x1b[0m x");
  });

  test("of unknown ground keeps the least contrast with this one, where the program chose the colour", () => {
    const shades = (drawn: string) => /38;2;(\d+;\d+;\d+)/.exec(drawn)?.[1]?.split(";").map(Number);
    for (const [terminal, code] of [
      [dark, "#202060"],
      [dark, "17"],
      [light, "#ffd0a0"],
      [light, "230"],
    ] as const) {
      const [red = 0, green = 0, blue = 0] = shades(painted(`x\n1f${code}`, {}, terminal)) ?? [];
      const ground = parseColour(terminal.ground) ?? [0, 0, 0];
      expect(contrast([red, green, blue], ground)).toBeGreaterThanOrEqual(4.5);
    }
    // the terminal's own sixteen are its owner's choice, and so is what nobody coloured
    expect(painted("x\n1f3", {}, light)).toBe("\x1b[33mx\x1b[0m");
    expect(painted("x", {}, light)).toBe("x");
    expect(painted("x\n1f#202060", {}, {})).toBe("\x1b[38;2;32;32;96mx\x1b[0m"); // on what?
    expect(painted("x\n1f#202060g#101030", {}, {})).toContain("48;2;16;16;48m");
    expect(painted("x\n1f#202060g#101030", {}, {})).not.toContain("38;2;32;32;96");
    expect(painted("x\n1vf#eeeeee", {}, light)).toContain("48;2;238;238;238m"); // its ground is what was its text
  });

  test("is reversed as a whole where the program has it so", () => {
    expect(painted("ab\n1v 1", { reverse: true }, {}, 4)).toBe("a\x1b[7mb\x1b[0m\x1b[7m  \x1b[0m");
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
