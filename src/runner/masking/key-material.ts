import { charTable, runEnd } from "./known-forms.ts";

/**
 * Private keys: line after line of base64. What a line is, is told from that line and its neighbours; whether a key is open is a
 * state that goes from each line to the next, however many those are.
 */
export interface KeyState {
  /** `private`, `public`: the first line said so. `unknown`: what looks like a key came without its first line. */
  inside: "nothing" | "private" | "public" | "unknown";
  /** Only headers have come so far, or nothing. */
  begins: boolean;
  /** How long the line before was, in UTF-16 units, and whether the one before that was longer: a key's last line is. */
  length: number;
  wasShort: boolean;
}

export const OUTSIDE: KeyState = { inside: "nothing", begins: false, length: 0, wasShort: false };

/** What is material of a key on a line: from `start` to `end`. */
interface Stretch {
  start: number;
  end: number;
}

/** A line of a key alone is known from so many characters on, two below each other from fewer. In UTF-16 units. */
const ALONE_CHARS = 40;
const PAIR_CHARS = 16;
/** Right below a key's first line fewer are enough, while nothing stands below them. */
const BEGUN_CHARS = 4;
/** A key's last line is looked for on so many lines below its first. */
const BLOCK_LINES = 200;
/** Of random base64 about two thirds of the neighbours are of different kinds; in words and names far fewer are. */
const CHANGES = 0.4;
/** So much may stand behind a line's only word: a frame, and room before it. In UTF-16 units. */
const AFTER_CHARS = 60;
/** Longer lines are judged by their beginning, in UTF-16 units. */
const LOOK_CHARS = 400;

const BEGIN = /-----BEGIN ([A-Z0-9 ]{0,40})-----|-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY)/;
const END = /-----END [A-Z0-9 ]{0,40}-----/;
const PUBLIC = /CERTIFICATE|PUBLIC|SIGNATURE|MESSAGE|REQUEST|CRL|PARAMETERS/;
const HEADER =
  /^(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|X-[\w-]{1,40}|Key-Derivation|Argon2-[\w-]{1,20}|Encryption): /;
/** Line numbers, quotes, signs of a diff, boxes, names of files with their lines: what stands beside the text of a file. */
const BEFORE =
  /^[\s\d:|│┃▏╎>+\-#*⎿•;,."'`[\]()/~=]*(?:[\w./-]{1,200}[:-]\d{1,7}[:-]\s{0,8})?["'`]?/;
const BASE64 = /[A-Za-z0-9+/]{2,}={0,2}/y;
const AFTER = /^(?:\\[nr]|[\s"'`,;+|│┃▏╎\\)\]])*$/;

/** A line's only word, where it is base64 and nothing but decoration stands beside it. */
function materialOf(line: string): Stretch | undefined {
  const long = longRun(line, PAIR_CHARS);
  if (long >= 0) {
    // most lines of source
    const after = runEnd(line, long, IS_BASE64);
    if (after < line.length && IS_AFTER[line.charCodeAt(after)] === 0) return undefined;
    if (line.length - after > AFTER_CHARS) return undefined;
  }
  let start = BEFORE.exec(line.slice(0, 300))?.[0].length ?? 0;
  // a key's own characters, taken for decoration
  while (start > 0 && /[\d+/]/.test(line.charAt(start - 1)) && !/\s/.test(line.charAt(start - 1)))
    start--;
  BASE64.lastIndex = start;
  const word = BASE64.exec(line);
  if (word === null) return undefined;
  const end = start + word[0].length;
  return line.length - end <= AFTER_CHARS && AFTER.test(line.slice(end))
    ? { start, end }
    : undefined;
}

/** Random, as a key is: no word, no name, no number. */
function isRandom(text: string): boolean {
  const part = text.slice(0, LOOK_CHARS);
  let changes = 0;
  let kinds = 0;
  let before = 0;
  for (let i = 0; i < part.length; i++) {
    const code = part.charCodeAt(i);
    const kind = code >= 0x61 ? 1 : code >= 0x41 ? 2 : code >= 0x30 && code <= 0x39 ? 4 : 8;
    if (i > 0 && kind !== before) changes++;
    before = kind;
    kinds |= kind;
  }
  return (kinds & 7) === 7
    ? changes >= part.length * CHANGES
    : (kinds & 3) === 3 && part.length < 32 && changes >= part.length * 0.5;
}

const KNOWN_START =
  /^(?:b3BlbnNzaC1rZXktdj|MII[A-Za-z0-9+/]{3}(?:IBAAK|IBADAN)|MHcCAQEE|MIGkAgEB|MIGHAgEA|MC4CAQAw|lQ[A-Za-z0-9+/]{3}[BGW]|LS0tLS1CRUdJTi(?!BDRVJU))/;
/** A key's text has runs of one letter here and there. */
const isMaterial = (text: string, least: number) =>
  (text.length >= least && isRandom(text)) || KNOWN_START.test(text);

/** What a line may be to a key. */
type Kind = "begin" | "end" | "header" | "strong" | "weak" | "blank" | "text";

interface Judged {
  kind: Kind;
  line: string;
  stretch?: Stretch | undefined;
}

function judge(line: string): Judged {
  if (line.includes("-----")) {
    if (BEGIN.test(line)) return { kind: "begin", line };
    if (END.test(line)) return { kind: "end", line };
  }
  const stretch = materialOf(line);
  if (stretch !== undefined) {
    const text = line.slice(stretch.start, stretch.end);
    return { kind: isMaterial(text, PAIR_CHARS) ? "strong" : "weak", line, stretch };
  }
  if (HEADER.test(line.replace(BEFORE, ""))) return { kind: "header", line };
  return { kind: /^[\s│┃>|+\-\d]*$/.test(line) ? "blank" : "text", line };
}

/** Whether a text has anything that this file is about: a word of base64 so long, or a key's first or last line. */
export const mayHoldKey = (text: string, least = PAIR_CHARS): boolean =>
  longRun(text, least) >= 0 || text.includes("-----");

/** The least that a line alone has of a key, in UTF-16 units. */
export const ALONE = ALONE_CHARS;

/** Where a word of base64 of at least so many characters ends, or goes on; -1 where there is none. */
function longRun(text: string, least: number): number {
  const { length } = text;
  // a word that is so long covers one of these places
  for (let at = least - 1; at < length; at += least) {
    const code = text.charCodeAt(at);
    if (code > 127 || IS_BASE64[code] === 0) continue;
    let start = at;
    while (start > 0 && IS_BASE64[text.charCodeAt(start - 1)] === 1) start--;
    const end = runEnd(text, at, IS_BASE64, start + least);
    if (end - start >= least) return end;
  }
  return -1;
}
const IS_BASE64 = charTable(/[A-Za-z0-9+/]/);
/** What stands behind a line's only word, if anything does. */
const IS_AFTER = charTable(/[\s"'`,;+|\\)\]=]/);

/** What was found of private keys, line by line. */
export interface Keys {
  /** A line's material, where that is all that it has. */
  stretches: (Stretch | undefined)[];
  /** Material on a line with a key's first or last words. */
  inline: Stretch[][];
  /** The state before each line. */
  before: KeyState[];
  /** The state after the last. */
  state: KeyState;
}

/** What lines are to a key, judged where it is asked for. */
class Judges {
  readonly #lines: readonly string[];
  readonly #judged = new Map<number, Judged>();

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  at(i: number): Judged | undefined {
    const line = this.#lines[i];
    if (line === undefined) return undefined;
    const known = this.#judged.get(i);
    if (known !== undefined) return known;
    const judged = judge(line);
    this.#judged.set(i, judged);
    return judged;
  }
}

/**
 * The material of private keys on lines that stand below each other: for each line the stretches to hide. `state` is the one that the
 * line above has left; the one that the last line leaves is returned with them.
 */
export function findKeys(lines: readonly string[], state: KeyState): Keys {
  const holds = lines.map((line) => mayHoldKey(line));
  if (state.inside === "nothing" && !holds.includes(true))
    return { stretches: [], inline: [], before: [], state };
  const judged = new Judges(lines);
  const stretches: (Stretch | undefined)[] = lines.map(() => undefined);
  const inline: Stretch[][] = lines.map(() => []);
  const before: KeyState[] = [];
  let { inside, begins, length, wasShort } = state;
  const leave = () => {
    inside = "nothing";
    begins = wasShort = false;
    length = 0;
  };
  let held: KeyState = state;
  for (let i = 0; i < lines.length; i++) {
    if (inside === "nothing" && i > 0 && holds[i] !== true) {
      before.push(OUTSIDE);
      continue; // most lines
    }
    const at = judged.at(i);
    if (at === undefined) break;
    if (held.inside !== inside || held.begins !== begins || held.length !== length)
      held = { inside, begins, length, wasShort };
    before.push(held);
    switch (at.kind) {
      case "begin": {
        const label = BEGIN.exec(at.line);
        const what = label?.[1] ?? label?.[2] ?? at.line;
        inside = PUBLIC.test(what) && !/PRIVATE/.test(what) ? "public" : "private";
        begins = true;
        wasShort = false;
        if (inside === "private") {
          inline[i] = withinLine(at.line);
          if (END.test(at.line)) leave();
        } else if (END.test(at.line)) leave();
        break;
      }
      case "end":
        if (inside !== "public") inline[i] = beforeEnd(at.line);
        leave();
        break;
      case "header":
        if (!begins) leave();
        else if (inside === "private" && /DEK-Info|Proc-Type/.test(at.line))
          stretches[i] = wholeOf(at.line);
        break;
      case "blank":
        if (!begins) leave();
        break;
      case "strong":
      case "weak": {
        if (inside !== "nothing" && !goesOn(judged, i, { inside, begins, length, wasShort }))
          leave();
        if (inside === "nothing") {
          if (!opens(judged, i)) break;
          inside = labelBelow(judged, i);
        }
        if (inside !== "public") stretches[i] = at.stretch;
        begins = false;
        wasShort = at.kind === "weak" && lengthOf(at) < length;
        length = lengthOf(at);
        break;
      }
      case "text":
        leave();
        break;
      default:
        at.kind satisfies never;
    }
  }
  return { stretches, inline, before, state: { inside, begins, length, wasShort } };
}

const lengthOf = (at: Judged | undefined) =>
  at?.stretch === undefined ? 0 : at.stretch.end - at.stretch.start;

/** Whether a key goes on here that was not open: a long line of it, two shorter ones, or what stands above its last line. */
function opens(judged: Judges, i: number): boolean {
  const at = judged.at(i);
  const next = judged.at(i + 1);
  if (at === undefined) return false;
  if (at.kind === "strong")
    return (
      lengthOf(at) >= ALONE_CHARS ||
      KNOWN_START.test(at.line.slice(at.stretch?.start)) ||
      next?.kind === "strong" ||
      (next?.kind === "weak" && judged.at(i + 2)?.kind === "strong") ||
      endsKey(next)
    );
  // the rest of a line that was cut, at the top of what is shown
  return (
    i === 0 &&
    at.kind === "weak" &&
    ((next?.kind === "strong" && opens(judged, 1)) || endsKey(next)) &&
    !isWord(at)
  );
}

/** Whether a line of base64 belongs to the open key. */
function goesOn(judged: Judges, i: number, state: KeyState): boolean {
  const at = judged.at(i);
  const next = judged.at(i + 1);
  if (at?.kind === "strong") return true;
  if (at === undefined || isWord(at)) return endsKey(next) && !state.begins;
  if (next?.kind === "strong" || endsKey(next)) return true;
  // its first line, short or half written
  if (state.begins)
    return (
      state.inside === "private" &&
      (isMixed(at) || (next === undefined && lengthOf(at) >= BEGUN_CHARS))
    );
  // lines of a key are of one length, but for the last; on a narrow screen each has a short rest
  return lengthOf(at) === state.length || !state.wasShort;
}

const endsKey = (at: Judged | undefined) => at?.kind === "end" && !PUBLIC.test(at.line);

/** A word of a language: `Done`, `requirements`. */
const isWord = (at: Judged) =>
  /^[A-Za-z]?[a-z]+$|^[A-Z]+$|^\d+$/.test(at.line.slice(at.stretch?.start, at.stretch?.end));

/** Letters of both cases with digits between: no name that stands in a sentence. */
const isMixed = (at: Judged) =>
  /^(?=.*\d)(?=.*[a-z])(?=.*[A-Z]).{8,}/.test(at.line.slice(at.stretch?.start, at.stretch?.end));

/** What a block is of that has come without its first line; the last one may say it. */
function labelBelow(judged: Judges, i: number): KeyState["inside"] {
  for (let below = i; below < i + BLOCK_LINES; below++) {
    const at = judged.at(below);
    if (at?.kind === "end")
      return PUBLIC.test(at.line) && !/PRIVATE/.test(at.line) ? "public" : "unknown";
    if (at?.kind !== "strong" && at?.kind !== "weak") break;
  }
  return "unknown";
}

/** On one line with its first words: `"-----BEGIN PRIVATE KEY-----\nMII…"`. */
function withinLine(line: string): Stretch[] {
  const begin = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?(?:-----)?/.exec(line);
  if (begin === null) return [];
  const from = begin.index + begin[0].length;
  const end = line.indexOf("-----END", from);
  return runsOf(line, from, end < 0 ? line.length : end);
}

function beforeEnd(line: string): Stretch[] {
  return runsOf(line, 0, line.indexOf("-----END"));
}

function runsOf(line: string, from: number, to: number): Stretch[] {
  return [
    ...line
      .slice(from, to)
      .matchAll(
        /(?<=^|\\[nr]|[^\\A-Za-z0-9+/])[A-Za-z0-9+/]{16,}={0,2}|(?<=\\n)[A-Za-z0-9+/]+={0,2}/g,
      ),
  ]
    .filter(({ 0: run }) => run.length >= ALONE_CHARS || isRandom(run) || /\d/.test(run))
    .map(({ 0: run, index }) => ({ start: from + index, end: from + index + run.length }));
}

function wholeOf(line: string): Stretch {
  const colon = line.indexOf(":");
  return { start: Math.min(line.length, colon + 2), end: line.trimEnd().length };
}
