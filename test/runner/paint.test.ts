import { describe, expect, test } from "bun:test";
import type { Terminal } from "@xterm/headless";
import { rowText } from "../../src/row.ts";
import { openEmulator } from "../../src/runner/emulator.ts";
import { TerminalModes } from "../../src/runner/pty/terminal-modes.ts";
import { unfinishedEnd } from "../../src/runner/pty/unfinished.ts";
import { openScreen } from "../../src/runner/screen.ts";
import { maskedRows } from "../../src/runner/secrets.ts";
import { randomFrom } from "../support/random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A program's output as the session follows it, and a real terminal that gets it or not. */
function open(cols: number, rows: number, terminal: { cols: number; rows: number }) {
  const session = openScreen({
    cols,
    rows,
    onChange: () => undefined,
    onHold: () => undefined,
    onHistory: () => undefined,
  });
  const modes = new TerminalModes();
  const desk = openEmulator(terminal.cols, terminal.rows);
  const write = (data: Uint8Array | string) =>
    new Promise<void>((resolve) => desk.write(data, resolve));
  let last = new Uint8Array();
  return {
    session,
    desk,
    write,
    /** The session gets this. */
    feed(data: Uint8Array) {
      session.feed(data);
      modes.feed(data);
      last = new Uint8Array(data);
    },
    /** The terminal gets all that it has missed as it is now. */
    async paint() {
      const end = unfinishedEnd(last);
      const painted = await new Promise<string>((resolve) =>
        session.paint(terminal, modes, resolve),
      );
      await write(painted);
      await write(end);
    },
  };
}
/** The rows that a terminal shows, with their styles. */
function shown(term: Terminal): string[] {
  const { active } = term.buffer;
  return maskedRows(
    active,
    active.baseY,
    active.baseY + term.rows,
    term.cols,
    active.getNullCell(),
  ).map(
    (row) => row.replace(/[\n ]\+$/, ""), // where a line goes on is not painted
  );
}
const state = ({ session }: ReturnType<typeof open>) => {
  const { lines, cursor, full } = session.whole();
  return {
    rows: Object.values(lines).map((row) => row.replace(/[\n ]\+$/, "")),
    cursor: { x: cursor.x, y: cursor.y },
    full: full === true,
  };
};
const stateOf = (desk: Terminal) => {
  const { active } = desk.buffer;
  return {
    rows: shown(desk),
    cursor: { x: Math.min(active.cursorX, desk.cols - 1), y: active.cursorY },
    full: active.type === "alternate",
  };
};

const PARTS = [
  "text ",
  "line\r\n",
  "字漢",
  "e\u0301",
  "\x1b[31m",
  "\x1b[1;44m",
  "\x1b[38;2;1;2;3m",
  "\x1b[0m",
  "\x1b[4;3H",
  "\x1b[K",
  "\x1b[2J",
  "\x1b[2;6r",
  "\x1b[r",
  "\x1b[?6h",
  "\x1b[?6l",
  "\x1b[2L",
  "\x1b[M",
  "\x1bM",
  "\x1b[4h",
  "\x1b[4l",
  "\x1b[?7l",
  "\x1b[?7h",
  "\x1b7",
  "\x1b8",
  "\x1b[?1049h\x1b7", // what is restored there was saved there
  "\x1b[?1049l",
  "\x1b[?25l",
  "\x1b[?25h",
  "\x1b[?1002h\x1b[?1006h",
  "\x1b[?1002l",
  "\x1b[?2004h",
  "\x1b[?1h",
  "\x1b]0;a title\x07",
  "\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\",
  "\x1bP1$r0m\x1b\\",
];

describe("a terminal that missed what a program drew", () => {
  test.each(Array.from({ length: 60 }, (_, seed) => seed))(
    "shows the same once it is painted, and goes on like the others (seed %p)",
    async (seed) => {
      const random = randomFrom(seed);
      const size = { cols: random.int(20, 60), rows: random.int(8, 20) };
      const all = open(size.cols, size.rows, size);
      const draw = () => bytes(Array.from({ length: 40 }, () => random.pick(PARTS)).join(""));
      // what it had last, cut anywhere
      const had = draw();
      all.feed(had);
      await all.write(had.subarray(0, random.int(0, had.length)));
      const missed = draw();
      const cut = random.int(0, missed.length);
      all.feed(missed.subarray(0, cut));
      await all.session.settled();
      await all.paint();
      expect(stateOf(all.desk)).toEqual(state(all));
      const { modes } = all.desk;
      const told = all.session.modes();
      expect(modes.bracketedPasteMode).toBe(told.bracketedPaste);
      expect(modes.applicationCursorKeysMode).toBe(told.applicationCursor);
      const rest = missed.subarray(cut);
      all.feed(rest);
      await all.write(rest);
      await all.session.settled();
      // a blank that is coloured, and shows nothing, is not painted
      const texts = ({ rows, ...rest }: ReturnType<typeof stateOf>) => ({
        ...rest,
        rows: rows.map(rowText),
      });
      expect(texts(stateOf(all.desk))).toEqual(texts(state(all)));
    },
  );

  test("keeps nothing beside or below a smaller screen, and shows what fits of a larger one", async () => {
    const small = open(30, 5, { cols: 60, rows: 12 });
    await small.write("old ".repeat(180));
    small.feed(bytes("\x1b[?1049h\x1b[2J\x1b[Hnew"));
    await small.session.settled();
    await small.paint();
    expect(shown(small.desk)).toEqual(["new", ...Array.from({ length: 11 }, () => "")]);
    const large = open(60, 12, { cols: 30, rows: 5 });
    large.feed(bytes(Array.from({ length: 12 }, (_, i) => `${i} ${"x".repeat(50)}`).join("\r\n")));
    await large.session.settled();
    await large.paint();
    expect(shown(large.desk).map((row) => row.length)).toEqual([30, 30, 30, 30, 30]);
  });
});

describe("what output ends within", () => {
  test.each([
    ["text", ""],
    ["text\x1b", "\x1b"],
    ["text\x1b[3", "\x1b[3"],
    ["text\x1b[31m", ""],
    ["\x1b[31mtext", ""],
    ["\x1b(", "\x1b("],
    ["\x1b]0;tit", "\x1b]0;tit"],
    ["\x1b]0;title\x07", ""],
    ["\x1b]0;title\x1b\\", ""],
    ["\x1b]0;title\x1b", "\x1b"],
    ["\x1bPq#0\x07", "\x1bPq#0\x07"],
    [`\x1b]52;c;${"A".repeat(999)}`, "\x1b]7799;"],
    [`\x1b_G${"A".repeat(999)}`, "\x1b_"],
  ])("%j ends within %j", (output, end) => {
    expect(Buffer.from(unfinishedEnd(bytes(output))).toString()).toBe(end);
  });

  test("is known also where reads cut it, and of a character", () => {
    const cut = (text: string) =>
      [...bytes(text)].reduce(
        (end, byte) => unfinishedEnd(end, new Uint8Array([byte])),
        new Uint8Array() as Uint8Array,
      );
    expect(Buffer.from(cut("a\x1b[38;2;")).toString()).toBe("\x1b[38;2;");
    expect(Buffer.from(cut(`\x1b]0;${"x".repeat(2000)}`)).toString()).toStartWith("\x1b]7799;");
    expect(cut(`\x1b]0;${"x".repeat(2000)}\x07y`).length).toBe(0);
    expect([...unfinishedEnd(bytes("a字").subarray(0, 3))]).toEqual([
      ...bytes("字").subarray(0, 2),
    ]);
    expect(unfinishedEnd(bytes("a字")).length).toBe(0);
  });
});
