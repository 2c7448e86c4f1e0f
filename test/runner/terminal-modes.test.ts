import { expect, test } from "bun:test";
import { TerminalModes } from "../../src/runner/pty/terminal-modes.ts";
import { randomFrom } from "../support/random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
function after(...reads: string[]): TerminalModes {
  const modes = new TerminalModes();
  for (const read of reads) modes.feed(bytes(read));
  return modes;
}

test("a program that changed nothing leaves nothing to undo", () => {
  expect(after("hello\r\n").undo()).toBe("");
  expect(after("").undo()).toBe("");
});

test("what a program left on is undone, and nothing else", () => {
  const undo = after(
    "\x1b[?1049h\x1b[?1000h\x1b[?1002;1006h\x1b[?25l\x1b[?2004h\x1b[?1004h",
    "drawing\x1b[?2026h\x1b[?2026l",
    "\x1b[>1u\x1b[>4;2m\x1b=",
  ).undo();
  for (const part of ["\x1b[?1049l", "?1000l", "?1002l", "?1006l", "?25h", "?2004l", "?1004l"])
    expect(undo).toContain(part);
  for (const part of ["\x1b[<1u", "\x1b[>4m", "\x1b>", "\x1b[0m"]) expect(undo).toContain(part);
  expect(undo).not.toContain("2026");
  expect(undo).not.toContain("1003");
});

test("what a program has undone itself stays as it is", () => {
  const undo = after(
    "\x1b[?1049h\x1b[?1003h\x1b[?25l\x1b[>5u",
    "\x1b[?25h\x1b[?1003l\x1b[<u\x1b[?1049l",
  ).undo();
  expect(undo).toBe("\x1b[0m");
  expect(after("\x1b[?1003l\x1b[?25h").undo()).toBe("\x1b[0m"); // said again, to be sure
  expect(after("\x1b[?1003h\x1bc").undo()).toBe("\x1b[0m");
});

test("a preference of the person's is not touched, and nothing clears the screen", () => {
  expect(after("\x1b[?12l\x1b[?1007h\x1b[?3h").undo()).toBe("\x1b[0m");
});

test.each(Array.from({ length: 20 }, (_, seed) => seed))(
  "it is the same wherever reads cut the output (seed %p)",
  (seed) => {
    const random = randomFrom(seed);
    const parts = [
      "\x1b[?1049h",
      "\x1b[?1049l",
      "\x1b[?1000;1006h",
      "\x1b[?25l",
      "\x1b[?25h",
      "\x1b[>3u",
      "\x1b[<u",
      "\x1b[>4;1m",
      "\x1b=",
      "\x1b>",
      "\x1b[31m",
      "text",
      "ä字",
    ];
    const text = bytes(Array.from({ length: 60 }, () => random.pick(parts)).join(""));
    const whole = new TerminalModes();
    whole.feed(text);
    const cut = new TerminalModes();
    for (let at = 0; at < text.length; ) {
      const end = at + random.int(1, 9);
      cut.feed(text.subarray(at, end));
      at = end;
    }
    expect(cut.undo()).toBe(whole.undo());
    expect(cut.redo()).toBe(whole.redo());
  },
);

test("a terminal that has missed some is given all modes as they are now", () => {
  const redo = after("\x1b[?1002h\x1b[?1003h\x1b[?1003l\x1b[?2004h\x1b[?25l").redo();
  expect(redo.indexOf("\x1b[?1003l")).toBeLessThan(redo.indexOf("\x1b[?1002h"));
  expect(redo).toContain("\x1b[?2004h");
  expect(redo).toContain("\x1b[?25l");
});
