import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { openInput } from "../../src/runner/input.ts";
import type { Modes } from "../../src/runner/screen.ts";
import { type FromServer, InputRequest, LIMITS } from "../../src/types.ts";

type Given = Partial<Extract<FromServer, { type: "input" }>>;

function open(given: Partial<Modes> = {}) {
  const modes: Modes = {
    applicationCursor: false,
    bracketedPaste: true,
    wheel: "sgr",
    middle: { x: 40, y: 12 },
    ...given,
  };
  const chunks: string[] = [];
  const state = { asked: false };
  const apply = openInput({
    write: (data) => void chunks.push(data),
    modes: () => modes,
    asked: () => state.asked,
  });
  let seq = 0;
  return {
    state,
    apply: (given: Given) =>
      apply({ type: "input", input: "q", session: "s", stream: "page", seq: ++seq, ...given }),
    written: () => chunks.splice(0).join(""),
  };
}

describe("a text that comes in parts", () => {
  test("reaches the program as one paste, once its last part is there", () => {
    const { apply, written } = open();
    expect(apply({ text: "one\n", paste: true, more: true }).result).toBe("applied");
    expect(apply({ text: "two\n", paste: true, more: true }).result).toBe("applied");
    expect(written()).toBe("");
    apply({ text: "three", paste: true, enter: true, keys: ["Up"] });
    expect(written()).toBe("\x1b[200~one\rtwo\rthree\x1b[201~\r\x1b[A");
  });

  test("has each part once, though it is sent again, and a character whole that was cut in two", () => {
    const { apply, written } = open();
    apply({ seq: 1, text: "a\ud83d", paste: true, more: true });
    apply({ seq: 1, text: "a\ud83d", paste: true, more: true });
    apply({ seq: 2, text: "\ude00b", paste: true });
    expect(written()).toBe("\x1b[200~a😀b\x1b[201~");
  });

  test("leaves nothing behind where a part is lost: no bracket, and no text", () => {
    const { apply, written } = open();
    apply({ stream: "lost", seq: 1, text: "first", paste: true, more: true });
    expect(apply({ stream: "lost", seq: 3, text: "third", paste: true }).result).toBe("order");
    apply({ stream: "next", seq: 1, text: "ls", enter: true });
    expect(written()).toBe("ls\r");
  });

  test("is refused whole where a question opens before its end, or a shell command was not confirmed", () => {
    const { apply, written, state } = open();
    apply({ stream: "asked", seq: 1, text: "yes ", paste: true, more: true });
    state.asked = true;
    expect(apply({ stream: "asked", seq: 2, text: "do", paste: true }).result).toBe("asked");
    state.asked = false;
    expect(apply({ stream: "shell", seq: 1, text: " ", paste: true, more: true }).result).toBe(
      "applied",
    );
    expect(apply({ stream: "shell", seq: 2, text: "!rm x", paste: true }).result).toBe("shell");
    expect(written()).toBe("");
  });

  test("is bounded: what is longer than all may be is refused, and what was never ended is forgotten", () => {
    const { apply, written } = open();
    const part = "x".repeat(LIMITS.typedChars);
    let seq = 0;
    const results = Array.from(
      { length: Math.ceil(LIMITS.pasteChars / part.length) + 1 },
      () => apply({ stream: "long", seq: ++seq, text: part, paste: true, more: true }).result,
    );
    expect(results.at(-2)).toBe("order");
    for (let i = 0; i < 60; i++)
      apply({ stream: `open-${i}`, seq: 1, text: part, paste: true, more: true });
    expect(apply({ stream: "open-0", seq: 2, text: "", paste: true }).result).toBe("order");
    expect(apply({ stream: "open-59", seq: 2, text: "", paste: true }).result).toBe("applied");
    expect(written()).toHaveLength(part.length + 12);
  });
});

describe("what is typed from afar", () => {
  test("is text, then Enter, then keys, as the terminal sends them", () => {
    const { apply, written } = open();
    apply({ text: "hällo", enter: true });
    expect(written()).toBe("hällo\r");
    apply({ text: "two\nlines", paste: true, enter: true });
    expect(written()).toBe("\x1b[200~two\rlines\x1b[201~\r");
    apply({ keys: ["Up", "C-c", "BTab", "Escape", "Enter", "PageUp", "C-a", "C-z"] });
    expect(written()).toBe("\x1b[A\x03\x1b[Z\x1b\r\x1b[5~\x01\x1a");
  });

  test("has function keys, Alt and modified keys, and no name that is none", () => {
    const { apply, written } = open();
    apply({
      keys: [
        "F1",
        "F5",
        "F12",
        "S-F1",
        "C-F5",
        "M-x",
        "M-ö",
        "C-M-x",
        "M-Enter",
        "M-BSpace",
        "C-Space",
        "C-]",
        "C-_",
        "C-Left",
        "S-Up",
        "C-M-S-Home",
        "M-PageUp",
        "Insert",
      ],
    });
    expect(written()).toBe(
      "\x1bOP\x1b[15~\x1b[24~\x1b[1;2P\x1b[15;5~\x1bx\x1bö\x1b\x18\x1b\r\x1b\x7f\0\x1d\x1f\x1b[1;5D\x1b[1;2A\x1b[1;8H\x1b[5;3~\x1b[2~",
    );
    const valid = (key: string) =>
      v.safeParse(InputRequest, { stream: "s", seq: 1, keys: [key] }).success;
    for (const key of [
      "F0",
      "F13",
      "M-",
      "M-\x1b",
      "M- ",
      "M-ab",
      "C-é",
      "C-",
      "S-a",
      "M-C-x",
      "x",
      "constructor",
      "M-\u202e",
      "C-M-S-Enter",
      "M-WheelUp",
    ])
      expect([key, valid(key)]).toEqual([key, false]);
  });

  test("follows how the program has set its terminal", () => {
    const { apply, written } = open({ applicationCursor: true, bracketedPaste: false });
    apply({ keys: ["Up", "Home"] });
    apply({ text: "a paste", paste: true });
    expect(written()).toBe("\x1bOA\x1bOHa paste");
  });

  test.each<[Modes["wheel"], string]>([
    ["sgr", "\x1b[<64;40;12M\x1b[<65;40;12M"],
    ["x10", "\x1b[M`H,\x1b[MaH,"],
    ["keys", "\x1b[A\x1b[A\x1b[A\x1b[B\x1b[B\x1b[B"],
    ["none", ""],
  ])("turns a program's wheel in the form that it knows: %s", (wheel, sent) => {
    const { apply, written } = open({ wheel });
    expect(apply({ keys: ["WheelUp", "WheelDown"] }).result).toBe("applied");
    expect(written()).toBe(sent);
  });

  test("can't hide keys in text, nor end a paste's brackets", () => {
    const { apply, written } = open();
    apply({ text: "a\x1b[201~\x03b\x9bc\x7f\td", paste: true });
    expect(written()).toBe("\x1b[200~a[201~bc\td\x1b[201~");
  });

  test("is a shell command also where something unseen stands before its sign", () => {
    const { apply, written } = open();
    for (const text of ["!ls", "\x01!ls", " \x1b\x7f !ls"])
      expect(apply({ text, seq: 1, paste: true, enter: true }).result).toBe("shell");
    expect(written()).toBe("");
  });

  test("comes in order and once, however often it is sent", () => {
    const { apply, written } = open();
    expect(apply({ seq: 1, text: "a" })).toEqual({ result: "applied", seq: 1 });
    expect(apply({ seq: 1, text: "a" })).toEqual({ result: "applied", seq: 1 });
    expect(apply({ seq: 3, text: "c" })).toEqual({ result: "order", seq: 1 });
    expect(apply({ seq: 2, text: "b" })).toEqual({ result: "applied", seq: 2 });
    expect(apply({ stream: "other", seq: 0, text: "x" })).toEqual({ result: "applied", seq: 0 });
    expect(apply({ stream: "third", seq: 5, text: "x" })).toEqual({ result: "order", seq: 0 });
    expect(written()).toBe("abx");
  });

  test("is refused while a question is open, but for keys that could not answer it", () => {
    const { apply, written, state } = open();
    state.asked = true;
    for (const given of [
      { text: "y" },
      { enter: true },
      { keys: ["Enter"] },
      { keys: ["Up", "Tab"] },
      { keys: ["BTab"] },
      { keys: ["C-m"] },
      { keys: ["C-i"] },
      { keys: ["C-j"] },
      { keys: ["M-Enter"] },
      { keys: ["M-1"] },
      { keys: ["S-Down"] },
    ])
      expect(apply({ seq: 1, ...given }).result).toBe("asked");
    expect(apply({ seq: 1, keys: ["Down", "PageUp", "Escape"] }).result).toBe("applied");
    state.asked = false;
    expect(apply({ seq: 2, text: "y" }).result).toBe("applied"); // the refused ones took no number
    expect(written()).toBe("\x1b[B\x1b[5~\x1by");
  });

  test("runs a shell command only where somebody confirmed it", () => {
    const { apply, written } = open();
    expect(apply({ seq: 1, text: " !rm x", enter: true }).result).toBe("shell");
    expect(apply({ seq: 1, text: "!rm x", enter: true, shell: true }).result).toBe("applied");
    expect(written()).toBe("!rm x\r");
  });
});
