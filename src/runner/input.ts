import type { FromServer, InputResult } from "../types.ts";
import type { Modes } from "./screen.ts";

type Input = Extract<FromServer, { type: "input" }>;

/** Streams whose place is remembered; each page that types opens one. */
const STREAMS = 100;

/** What keys send in a terminal (ECMA-48, xterm's ctlseqs); cursor keys have a second form for applications. */
const KEYS: Record<string, string> = {
  Enter: "\r",
  Escape: "\x1b",
  Tab: "\t",
  BTab: "\x1b[Z",
  BSpace: "\x7f",
  Delete: "\x1b[3~",
  PageUp: "\x1b[5~",
  PageDown: "\x1b[6~",
};
const CURSOR: Record<string, string> = { Up: "A", Down: "B", Right: "C", Left: "D", Home: "H", End: "F" };
/** What a key sends, by tmux's name. */
export function keyBytes(key: string, applicationCursor: boolean): string {
  const cursor = CURSOR[key];
  if (cursor !== undefined) return `\x1b${applicationCursor ? "O" : "["}${cursor}`;
  return key.startsWith("C-") ? String.fromCharCode(key.charCodeAt(2) & 0x1f) : (KEYS[key] ?? "");
}

/** With a question open these could answer it; others only look around, or say no. */
const HARMLESS = new Set([...Object.keys(CURSOR), "Escape", "PageUp", "PageDown", "WheelUp", "WheelDown", "C-c", "C-o", "C-l"]);

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

/** What is typed from afar: in order and each once for every stream, and never into an open question. */
export function openInput({ write, modes, asked }: InputOptions) {
  const places = new Map<string, number>();

  return function apply(input: Input): { result: InputResult; seq: number } {
    const last = places.get(input.stream) ?? (input.seq === 0 ? -1 : 0); // a stream begins with 0 or 1
    if (input.seq <= last) return { result: "applied", seq: last }; // sent again, as its answer was lost
    if (input.seq !== last + 1) return { result: "order", seq: last };
    const { keys = [] } = input;
    const text = (input.text ?? "").replace(CONTROL, ""); // before anything is judged by how it begins
    const answers = text !== "" || input.enter === true || keys.some((key) => !HARMLESS.has(key));
    if (answers && asked()) return { result: "asked", seq: last };
    if (text.trimStart().startsWith("!") && input.shell !== true) return { result: "shell", seq: last };
    places.delete(input.stream);
    places.set(input.stream, input.seq);
    for (const [oldest] of places) {
      if (places.size <= STREAMS) break;
      places.delete(oldest);
    }
    const { applicationCursor, bracketedPaste, wheel, middle } = modes();
    const turn = (up: boolean) => {
      if (wheel === "keys") return keyBytes(up ? "Up" : "Down", applicationCursor).repeat(WHEEL_LINES);
      const button = up ? 64 : 65;
      if (wheel === "sgr") return `\x1b[<${button};${middle.x};${middle.y}M`;
      return wheel === "x10" ? `\x1b[M${String.fromCharCode(32 + button, 32 + Math.min(95, middle.x), 32 + Math.min(95, middle.y))}` : "";
    };
    const plain = text.replaceAll("\n", "\r");
    const typed = input.paste === true && bracketedPaste && plain !== "" ? `\x1b[200~${plain}\x1b[201~` : plain;
    const pressed = keys.map((key) => (key === "WheelUp" || key === "WheelDown" ? turn(key === "WheelUp") : keyBytes(key, applicationCursor)));
    write(typed + (input.enter === true ? "\r" : "") + pressed.join(""));
    return { result: "applied", seq: input.seq };
  };
}
