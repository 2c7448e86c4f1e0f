import { type FromServer, HARMLESS_KEYS, type InputResult, LIMITS } from "../types.ts";
import type { Modes } from "./screen.ts";

type Input = Extract<FromServer, { type: "input" }>;

/** Streams whose place is remembered; each page that types opens one. */
const STREAMS = 100;

/** Text that is held for its last part, of all streams, in UTF-16 units. */
const HELD_CHARS = 2 * LIMITS.pasteChars;

/** What keys send in a terminal (ECMA-48, xterm's ctlseqs), with Alt after an Escape. */
const KEYS: Record<string, string> = {
  Enter: "\r",
  Escape: "\x1b",
  Tab: "\t",
  BTab: "\x1b[Z",
  BSpace: "\x7f",
  Space: " ",
};
/** Cursor keys have a second form for applications. */
const CURSOR: Record<string, string> = {
  Up: "A",
  Down: "B",
  Right: "C",
  Left: "D",
  Home: "H",
  End: "F",
};
const FUNCTION: Record<string, string> = { F1: "P", F2: "Q", F3: "R", F4: "S" };
const NUMBERED: Record<string, number> = {
  Insert: 2,
  Delete: 3,
  PageUp: 5,
  PageDown: 6,
  F5: 15,
  F6: 17,
  F7: 18,
  F8: 19,
  F9: 20,
  F10: 21,
  F11: 23,
  F12: 24,
};

/** What a key sends, by tmux's name. */
export function keyBytes(key: string, applicationCursor: boolean): string {
  const [, control, alt, shift, name = ""] = /^(C-)?(M-)?(S-)?(.+)$/u.exec(key) ?? [];
  const modifiers =
    1 +
    (shift === undefined ? 0 : 1) +
    (alt === undefined ? 0 : 2) +
    (control === undefined ? 0 : 4);
  const letter = CURSOR[name] ?? FUNCTION[name];
  if (letter !== undefined)
    return modifiers > 1
      ? `\x1b[1;${modifiers}${letter}`
      : `\x1b${applicationCursor || name in FUNCTION ? "O" : "["}${letter}`;
  const number = NUMBERED[name];
  if (number !== undefined) return `\x1b[${number}${modifiers > 1 ? `;${modifiers}` : ""}~`;
  const plain = KEYS[name] ?? name;
  const sent = control === undefined ? plain : String.fromCharCode(plain.charCodeAt(0) & 0x1f);
  return alt === undefined ? sent : `\x1b${sent}`;
}

/** A turn of the wheel is so many lines to a program that knows no mouse, as in xterm. */
const WHEEL_LINES = 3;

/** Control characters would be keys, and an escape could end the brackets around a paste; line feeds and tabs are text. */
const CONTROL = /[^\P{Cc}\n\t]/gu;

export interface InputOptions {
  write(data: string): void;
  modes(): Modes;
  /** Whether a question waits that keys could answer. */
  asked(): boolean;
}

/** Text of a stream that goes on: `paste` as its parts had it. */
interface Held {
  text: string;
  paste: boolean;
}

/**
 * What is typed from afar: in order and each once for every stream, and never into an open question. A text that comes in
 * parts is held until its last part is there, so that the program gets all of it or nothing.
 */
export function openInput({ write, modes, asked }: InputOptions) {
  const places = new Map<string, number>();
  const held = new Map<string, Held>();

  /** Forgets a stream: what it sends next is out of turn. */
  const forget = (stream: string) => {
    places.delete(stream);
    held.delete(stream);
  };
  const hold = (stream: string, text: Held) => {
    held.delete(stream);
    held.set(stream, text);
    let chars = 0;
    for (const { text } of held.values()) chars += text.length;
    for (const [oldest, { text }] of held) {
      if (chars <= HELD_CHARS || oldest === stream) break;
      chars -= text.length;
      forget(oldest);
    }
  };

  return function apply(input: Input): { result: InputResult; seq: number } {
    const last = places.get(input.stream) ?? (input.seq === 0 ? -1 : 0); // a stream begins with 0 or 1
    if (input.seq <= last) return { result: "applied", seq: last }; // sent again, as its answer was lost
    if (input.seq !== last + 1) return { result: "order", seq: last };
    const { keys = [] } = input;
    const part = (input.text ?? "").replace(CONTROL, ""); // before anything is judged by how it begins
    const before = held.get(input.stream);
    const text = (before?.text ?? "") + part;
    if (text.length > LIMITS.pasteChars) {
      forget(input.stream);
      return { result: "order", seq: last };
    }
    const answers =
      text !== "" || input.enter === true || keys.some((key) => !HARMLESS_KEYS.has(key));
    if (answers && asked()) return { result: "asked", seq: last };
    if (text.trimStart().startsWith("!") && input.shell !== true)
      return { result: "shell", seq: last };
    places.delete(input.stream);
    places.set(input.stream, input.seq);
    for (const [oldest] of places) {
      if (places.size <= STREAMS) break;
      forget(oldest);
    }
    const paste = input.paste === true;
    if (input.more === true) {
      hold(input.stream, { text, paste: before?.paste ?? paste });
      return { result: "applied", seq: input.seq };
    }
    held.delete(input.stream);
    const { applicationCursor, bracketedPaste, wheel, middle } = modes();
    const turn = (up: boolean) => {
      if (wheel === "keys")
        return keyBytes(up ? "Up" : "Down", applicationCursor).repeat(WHEEL_LINES);
      const button = up ? 64 : 65;
      if (wheel === "sgr") return `\x1b[<${button};${middle.x};${middle.y}M`;
      return wheel === "x10"
        ? `\x1b[M${String.fromCharCode(32 + button, 32 + Math.min(95, middle.x), 32 + Math.min(95, middle.y))}`
        : "";
    };
    const bracketed = (text: string, paste: boolean) => {
      const plain = text.replaceAll("\n", "\r");
      return paste && bracketedPaste && plain !== "" ? `\x1b[200~${plain}\x1b[201~` : plain;
    };
    const typed =
      before === undefined || before.paste === paste
        ? bracketed(text, paste)
        : bracketed(before.text, before.paste) + bracketed(part, paste); // the rest of it never came
    const pressed = keys.map((key) =>
      key === "WheelUp" || key === "WheelDown"
        ? turn(key === "WheelUp")
        : keyBytes(key, applicationCursor),
    );
    write(typed + (input.enter === true ? "\r" : "") + pressed.join(""));
    return { result: "applied", seq: input.seq };
  };
}
