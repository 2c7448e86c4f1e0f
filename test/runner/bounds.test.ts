import { describe, expect, test } from "bun:test";
import { rowText } from "../../src/row.ts";
import { BoundedStrings } from "../../src/runner/screen/bounded-strings.ts";
import { openScreen } from "../../src/runner/screen.ts";
import type { HistoryOp } from "../../src/types.ts";
import { randomFrom } from "../support/random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function open(cols: number, rows: number) {
  const ops: HistoryOp[] = [];
  const screen = openScreen({
    cols,
    rows,
    onChange: () => undefined,
    onHold: () => undefined,
    onHistory: (op) => ops.push(op),
  });
  return { screen, ops };
}

describe("a count that is larger than the screen", () => {
  /** What stands on a screen of ten columns and six rows after this. */
  const after = async (output: string) => {
    const { screen } = open(10, 6);
    screen.feed(bytes(`1\r\n2\r\n3\r\n4\r\n5\r\n6${output}`));
    await screen.settled();
    return { rows: screen.text(), cursor: screen.cursor() };
  };
  test.each([
    ["takes all lines out from the cursor on", "\x1b[2H\x1b[25M", ["1", "", "", "", "", ""]],
    [
      "puts so many lines in that all below are gone",
      "\x1b[3H\x1b[999L",
      ["1", "2", "", "", "", ""],
    ],
    ["scrolls all away, up", "\x1b[2147483647S", ["", "", "", "", "", ""]],
    ["and down", "\x1b[7T", ["", "", "", "", "", ""]],
    ["within margins", "\x1b[2;4r\x1b[2H\x1b[70M", ["1", "", "", "", "5", "6"]],
    [
      "repeats the last character over rows",
      "\x1b[H\x1b[2Jx\x1b[24b",
      ["xxxxxxxxxx", "xxxxxxxxxx", "xxxxx", "", "", ""],
    ],
  ])("%s", async (_, output, rows) => {
    expect((await after(output)).rows.map((row) => row.trimEnd())).toEqual(rows);
  });
  test("moves to the last tab stop, and to the first column", async () => {
    expect((await after("\x1b[H\x1b[300I")).cursor.x).toBe(9);
    expect((await after("\x1b[1;9H\x1b[300Z")).cursor.x).toBe(0);
  });
  test("keeps every row in the history, however often a character is repeated", async () => {
    const { screen, ops } = open(20, 10);
    screen.feed(bytes("x\x1b[199b\r\n".repeat(400)));
    await screen.settled();
    const lines = ops.flatMap((op) => (op.op === "append" ? op.lines : []));
    expect(lines.length).toBe(4000 - 9);
    expect(lines.every((line) => rowText(line) === "x".repeat(20))).toBe(true);
  });
});

describe("a string without end", () => {
  const parts = (reads: Uint8Array[]) => {
    const strings = new BoundedStrings();
    return Buffer.concat(reads.flatMap((read) => strings.bound(read))).toString();
  };
  const long = "t".repeat(20_000);

  test("is cut to its bound, wherever reads divide it, and what follows is whole", () => {
    const random = randomFrom(3);
    const text = `before\x1b]0;${long}\x07between\x1b]8;;https://example.com\x1b\\link\x1bP$q${long}\x1b\\\u009d2;${long}\u009cafter\u0090${long}\x18end字`;
    const whole = parts([bytes(text)]);
    expect(whole.replaceAll(/t{100,}/g, "t")).toBe(text.replaceAll(/t{100,}/g, "t"));
    expect(whole.length).toBeLessThan(4 * 8 * 1024 + 200);
    for (let round = 0; round < 20; round++) {
      const reads: Uint8Array[] = [];
      const all = bytes(text);
      for (let at = 0; at < all.length; ) {
        const end = at + random.pick([1, 1, 2, 3, 700, 5000]);
        reads.push(all.subarray(at, end));
        at = end;
      }
      expect(parts(reads)).toBe(whole);
    }
  });

  test("that is short is passed on as it came, in the same memory", () => {
    const read = bytes("text \x1b]0;title\x07 more");
    expect(new BoundedStrings().bound(read)[0]).toBe(read);
  });

  test("costs the emulator no more than that, and its title is what it began with", async () => {
    const megabytes = 10;
    const one = bytes(`\x1b]0;my ${"t".repeat(megabytes * 1024 * 1024)}\x07`);
    const strings = new BoundedStrings();
    const { screen } = open(80, 24);
    let passed = 0;
    for (let at = 0; at < one.length; at += 65_536) {
      const read = one.subarray(at, at + 65_536);
      for (const part of strings.bound(read)) passed += part.length;
      screen.feed(read);
    }
    await screen.settled();
    expect(passed).toBeLessThan(8 * 1024 + 10);
    expect(screen.frame()?.title).toBe(`my ${"t".repeat(253)}`);
  });
});
