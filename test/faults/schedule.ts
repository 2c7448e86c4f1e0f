import { randomFrom } from "../support/random.ts";
import type { Way, Who } from "./wire.ts";

/** What a schedule consists of. */
export type Step =
  // the program
  | { do: "write"; text: string }
  | { do: "say"; count: number }
  | { do: "ask"; kind: "permission" | "question" }
  | { do: "settle at the desk"; which: number }
  | { do: "resize the desk"; cols: number; rows: number }
  // people
  | { do: "type"; by: "page" | "attach"; count: number }
  | { do: "resize from afar"; on: boolean }
  | { do: "press"; action: "approve" | "reject" }
  | {
      do: "tap";
      by: "page" | "attach";
      which: number;
      action: "approve" | "reject";
      stale: boolean;
    }
  | { do: "tap twice"; which: number }
  | { do: "look back" }
  | { do: "look at the conversation"; on: boolean }
  // what goes wrong
  | { do: "cut"; who: Who }
  | { do: "cut after"; who: Who; way: Way; bytes: number; linger: number }
  | { do: "late after"; who: Who; bytes: number; linger: number }
  | { do: "delay"; who: Who; way: Way }
  | { do: "half open"; who: Who; way: Way }
  | { do: "refuse"; who: Who }
  | { do: "heal" }
  | { do: "repeat bytes"; way: Way }
  | { do: "replay a request" }
  | { do: "send again"; which: number }
  | { do: "restart the server" }
  | { do: "reload the page" }
  | { do: "wait"; ms: number };

const STYLES = ["\x1b[1m", "\x1b[31m", "\x1b[38;5;99m", "\x1b[48;2;1;2;3m", "\x1b[7m", "\x1b[4m"];

/** The steps of a seed; two in a row are told apart by where their first connection is cut, so that many of them cut at every byte. */
export function drawSchedule(seed: number): Step[] {
  const random = randomFrom(seed);
  const { int, pick } = random;
  const chance = (percent: number) => int(1, 100) <= percent;
  const who = () => pick<Who>(["runner", "viewer"]);
  const way = () => pick<Way>(["up", "down"]);
  const linger = () => pick([0, 50, 300, 1000]);
  let line = 0;

  const lines = (count: number) =>
    Array.from({ length: count }, () => {
      const style = chance(30) ? pick(STYLES) : "";
      const text = `line ${line++} ${"abcdefghij ".repeat(int(0, 9))}${chance(10) ? "漢字 🙂" : ""}`;
      return `${style}${text}${style === "" ? "" : "\x1b[0m"}\r\n`;
    }).join("");
  const painted = () =>
    pick([
      () => `\x1b[${int(1, 12)};${int(1, 50)}H${pick(STYLES)}at ${line++}\x1b[0m`,
      () => `\x1b[H\x1b[2Jclean ${line++}\r\n`,
      () => `\x1b]2;title ${line++}\x07`,
      () => "\x1b[?25l",
      () => "\x1b[?25h",
      () => `\x1b[?1049hfull ${line++}\r\n`,
      () => "\x1b[?1049l",
      () => `\x1b[H\x1b[2J\x1b[3Janew ${line++}\r\n`,
      () => `some ${line++}`,
    ])();

  /** Mostly the newest question. */
  const which = () => (chance(60) ? 0 : int(0, 5));
  const tap = (which: number): Step => ({
    do: "tap",
    by: pick(["page", "attach"] as const),
    which,
    action: chance(70) ? "approve" : "reject",
    stale: chance(40),
  });
  const activity = (): Step => {
    const kind = int(1, 100);
    if (kind <= 20) return { do: "write", text: lines(int(1, 25)) };
    if (kind <= 32) return { do: "write", text: painted() };
    if (kind <= 35) return { do: "write", text: lines(int(100, 400)) };
    if (kind <= 43) return { do: "say", count: int(1, 5) };
    if (kind <= 57) return { do: "type", by: pick(["page", "attach"] as const), count: int(1, 4) };
    if (kind <= 71) return { do: "ask", kind: pick(["permission", "question"] as const) };
    if (kind <= 81) return tap(which());
    if (kind <= 84) return { do: "tap twice", which: which() };
    if (kind <= 86) return { do: "press", action: pick(["approve", "reject"] as const) };
    if (kind <= 90) return { do: "settle at the desk", which: which() };
    if (kind <= 92) return { do: "resize the desk", cols: int(20, 100), rows: int(5, 30) };
    if (kind <= 95) return { do: "resize from afar", on: chance(70) };
    if (kind <= 97) return { do: "look back" };
    return { do: "look at the conversation", on: chance(70) };
  };
  const fault = (): Step => {
    const kind = int(1, 100);
    if (kind <= 12) return { do: "cut", who: who() };
    if (kind <= 18)
      return {
        do: "late after",
        who: who(),
        bytes: chance(70) ? int(0, 1500) : int(0, 6000),
        linger: linger(),
      };
    if (kind <= 42)
      return {
        do: "cut after",
        who: who(),
        way: way(),
        bytes: chance(50) ? int(0, 400) : int(0, 6000),
        linger: linger(),
      };
    if (kind <= 55) return { do: "delay", who: who(), way: way() };
    if (kind <= 64) return { do: "half open", who: who(), way: way() };
    if (kind <= 70) return { do: "refuse", who: who() };
    if (kind <= 75) return { do: "repeat bytes", way: way() };
    if (kind <= 80) return { do: "replay a request" };
    if (kind <= 90) return { do: "send again", which: int(0, 9) };
    if (kind <= 94) return { do: "restart the server" };
    return { do: "reload the page" };
  };

  const first = seed % 2 === 0 ? "runner" : "viewer";
  const steps: Step[] = chance(50) ? [{ do: "cut", who: first }] : []; // so that it is a new connection's first bytes
  steps.push({
    do: "cut after",
    who: first,
    way: Math.floor(seed / 2) % 2 === 0 ? "up" : "down",
    bytes: Math.floor(seed / 4) % 4096,
    linger: linger(),
  });
  for (let left = int(6, 22); left > 0; left--) {
    steps.push(chance(30) ? fault() : activity());
    if (steps.at(-1)?.do === "ask" && chance(60))
      steps.push({ do: "wait", ms: pick([100, 500]) }, tap(0));
    if (chance(25)) steps.push({ do: "wait", ms: pick([20, 50, 100, 300, 1000, 3000]) });
    if (chance(8)) steps.push({ do: "heal" });
    if (chance(2)) steps.push({ do: "wait", ms: 12_000 });
  }
  return steps;
}

/** A step as a person reads it. */
export function stepWords(step: Step): string {
  const { do: what, ...rest } = step;
  const text = JSON.stringify(rest);
  return `${what}${text === "{}" ? "" : ` ${text.length > 160 ? `${text.slice(0, 160)}…` : text}`}`;
}
