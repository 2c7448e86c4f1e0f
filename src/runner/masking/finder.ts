import { addressSecret, USER_CHARS } from "./addresses.ts";
import {
  azureSecret,
  charTable,
  formAt,
  formBegins,
  formInMidst,
  mayBegin,
  runEnd,
  STARTS,
} from "./known-forms.ts";
import { optionPassword, userPassword } from "./options.ts";
import { mayTell, tellingName } from "./telling-names.ts";
import { type Separator, valueAt } from "./values.ts";

/** A stretch of a text that is a secret. */
export interface Secret {
  start: number;
  end: number;
  /**
   * What makes it one: its place, where nothing but a credential can be (the value of a telling name, a password in a URL), its form,
   * or that it is the material of a private key.
   */
  by: "place" | "form" | "key";
  /** Where a shell ends it, when that is before `end`. */
  wordEnd?: number;
  /** The quote that it stands in. */
  quote?: string;
  /** The name whose value it is. */
  name?: string;
}

/** A name before a separator is looked for in so much, in UTF-16 units. */
const NAME_CHARS = 80;
/** Names and separators are aligned with so many spaces at most. */
const ALIGN_CHARS = 24;
const WORD = charTable(/[\w-]/);
const NAME = charTable(/[\w.-]/);
const ALPHANUMERIC = charTable(/\w/);
const KIND = new Uint8Array(128);
const LETTER = 1;
const EQUALS = 2;
const COLON = 3;
const DASH = 4;
const ANGLE = 5;
const PIPE = 6;
const TILDE = 7;
for (let code = 0; code < 128; code++) if (ALPHANUMERIC[code] === 1) KIND[code] = LETTER;
for (const [chars, kind] of [
  ["=", EQUALS],
  [":", COLON],
  ["-", DASH],
  [">", ANGLE],
  ["|", PIPE],
  ["~", TILDE],
] as const)
  for (const char of chars) KIND[char.charCodeAt(0)] = kind;

/** Every secret in a text but key material, in order. `typed`: more may be written at its end. Takes a time that grows with the length alone. */
export const findSecrets = (text: string, typed = false): readonly Secret[] =>
  new Scan(text, typed).found();

const NONE: Secret[] = [];

/** One pass over a text, from its first character to its last. Every look back or ahead from there is bounded. */
class Scan {
  readonly #text: string;
  readonly #typed: boolean;
  #found = NONE;
  /** Where the characters without a space end that hold the last telling name, and how many such names they hold. */
  #runEnd = 0;
  #names = 0;

  constructor(text: string, typed: boolean) {
    this.#text = text;
    this.#typed = typed;
  }

  found(): readonly Secret[] {
    const text = this.#text;
    const length = text.length;
    let before = 0; // the character before
    // nothing is read beyond the end: that would be no whole number, and slow
    for (let i = 0; i < length; ) {
      const code = text.charCodeAt(i);
      const kind = code < 128 ? (KIND[code] ?? 0) : 0;
      if (kind === 0) {
        before = code;
        i++;
        continue;
      }
      if (kind !== LETTER) {
        i = this.#sign(kind, i);
        before = code;
        continue;
      }
      const start = i++;
      let second = 0;
      if (i < length) {
        second = text.charCodeAt(i);
        for (let next = second; next < 128 && WORD[next] === 1; ) {
          if (++i === length) break;
          next = text.charCodeAt(i);
        }
      }
      const isPlain =
        i - start < MIDST_PART_CHARS &&
        (second > 127 || STARTS[code * 128 + second] === 0) &&
        (before > 127 || ESCAPES[before] === 0) &&
        FIRST[code] === 0;
      if (!isPlain || (this.#typed && i === length)) i = this.#word(start, i, before);
      before = 0;
    }
    return this.#found;
  }

  /** A sign that may stand before a secret; where to go on. */
  #sign(kind: number, i: number): number {
    const text = this.#text;
    switch (kind) {
      case EQUALS:
        return this.#equals(i);
      case COLON:
        return this.#colon(i);
      case DASH:
        return this.#dash(i);
      case ANGLE:
        return this.#tag(i);
      case PIPE:
        this.#facebook(i);
        return i + 1;
      default: {
        const found = azureSecret(text, i);
        return found === undefined ? i + 1 : this.#add({ ...found, by: "form" });
      }
    }
  }

  #add(secret: Secret): number {
    if (secret.end <= secret.start) return secret.end;
    const last = this.#found.at(-1);
    if (last === undefined) this.#found = [secret];
    else if (secret.start >= last.end) this.#found.push(secret);
    else if (secret.end > last.end) last.end = secret.end;
    return secret.end;
  }

  /** A word, which may be a credential by its form; where to go on. */
  #word(start: number, end: number, before: number): number {
    const text = this.#text;
    const code = text.charCodeAt(start);
    let at = start;
    if (before === 0x5c && code > 0x60)
      at++; // the letter of an escape: \n
    else if (before === 0x5b || before === 0x3b)
      at = afterColour(text, start); // of a colour: [31m
    else if (before === 0x25) at += 2; // of an encoded character: %3D
    if (mayBegin(text, at)) {
      const stop = formAt(text, at);
      if (stop > 0) return this.#add({ start: at, end: stop, by: "form" });
    }
    const size = end - start;
    if (size >= MIDST_RUN_CHARS || (size >= MIDST_PART_CHARS && text.charCodeAt(end) === 0x2e)) {
      const whole = runEnd(text, start, RUN);
      const inMidst = formInMidst(text, start, whole);
      if (inMidst >= 0) return this.#add({ start: inMidst, end: whole, by: "form" });
    }
    if (this.#typed && end === text.length && formBegins(text, at))
      this.#add({ start: at, end, by: "form" });
    // Bearer and Basic, with a value behind them; a password in .netrc
    if (size === 6 || size === 5) {
      if ((code | 0x20) === 0x62 && SCHEME.test(text.slice(start, end))) this.#bearer(end);
    } else if (size === 8 && code === 0x70 && text.startsWith("password ", start))
      if (NETRC.test(text.slice(Math.max(0, start - 120), start)))
        this.#value(start, end, end, "option");
    return end;
  }

  /** The name that ends at `end`, and its value from `at` on: where that ends, or -1. */
  #named(end: number, at: number, separator: Separator): number {
    const text = this.#text;
    if (!mayTell(text, end)) return -1;
    let from = end;
    while (from > 0 && end - from < NAME_CHARS && NAME[text.charCodeAt(from - 1)] === 1) from--;
    return this.#value(from, end, at, separator);
  }

  #value(from: number, end: number, at: number, separator: Separator): number {
    const name = this.#text.slice(from, end);
    const telling = tellingName(name);
    if (telling === undefined) return -1;
    if (at >= this.#runEnd) {
      this.#runEnd = runEnd(this.#text, at, NOT_SPACE, at + RUN_CHARS);
      this.#names = 0;
    } else if (++this.#names > NAMES) return -1;
    const value = valueAt(this.#text, at, from, name, telling, separator, this.#typed);
    return value === undefined ? -1 : this.#add({ ...value, by: "place", name });
  }

  #place(found: Omit<Secret, "by"> | undefined): number {
    return found === undefined ? -1 : this.#add({ ...found, by: "place" });
  }

  #equals(i: number): number {
    const text = this.#text;
    const next = text.charCodeAt(i + 1);
    const last = text.charCodeAt(i - 1);
    if (next === 0x3d) return i + 2; // ==
    if (last === 0x21 || last === 0x3c || last === 0x3e || last === 0x2b) return i + 1; // != <= >= +=
    const arrow = next === 0x3e;
    const close = last === 0x3a || last === 0x3f ? i - 1 : i; // := ?=
    let end = close;
    while (end > 0 && close - end < ALIGN_CHARS && text.charCodeAt(end - 1) === 0x20) end--;
    const spaced = end < close || arrow || last === 0x3a || next === 0x20;
    end = beforeQuote(text, beforeType(text, end));
    const at = arrow ? i + 2 : i + 1;
    if (text.charCodeAt(end - 1) === 0x65) this.#attribute(end, at);
    if (text.charCodeAt(end - 1) === 0x72 && text.startsWith("#pair", end - 5)) {
      const stop = runEnd(text, at, WORD);
      if (stop - at >= 8) return this.#add({ start: at, end: stop, by: "place" });
    }
    return Math.max(i + 1, this.#named(end, at, spaced ? "spaced" : "="));
  }

  #colon(i: number): number {
    const text = this.#text;
    const next = text.charCodeAt(i + 1);
    if (next === 0x2f && text.charCodeAt(i + 2) === 0x2f)
      return Math.max(i + 3, this.#place(addressSecret(text, i + 3, this.#typed)));
    if (next === 0x3a) return i + 2; // ::
    if (next === 0x3d) return i + 1; // :=
    if (next === 0x41 && isDigit(text.charCodeAt(i - 1)) && TELEGRAM.test(text.slice(i, i + 40))) {
      const start = i - digitsBefore(text, i);
      if (i - start >= 5) return this.#add({ start, end: runEnd(text, i + 1, WORD), by: "form" });
    }
    let end = i;
    if (text.charCodeAt(end - 1) === 0x20) end--;
    if (text.charCodeAt(end - 1) === 0x3f) end--; // name?: value
    end = beforeQuote(text, end);
    if (text.charCodeAt(end - 1) === 0x65) this.#attribute(end, i + 1);
    return Math.max(i + 1, this.#named(end, i + 1, ":"));
  }

  #dash(i: number): number {
    const text = this.#text;
    const before = i === 0 ? 0x20 : text.charCodeAt(i - 1);
    const begins =
      before === 0x20 || before === 0x09 || before === 0x0a || before === 0x22 || before === 0x27;
    const stop = begins ? this.#option(i) : -1;
    if (stop > i) return stop;
    let end = i + 1;
    while (text.charCodeAt(end) === 0x2d) end++;
    return end;
  }

  /** `<name type="…">value</name>` */
  #tagWithAttributes(i: number): number {
    const near = Math.max(0, i - TAG_CHARS);
    const open = near + this.#text.slice(near, i).lastIndexOf("<");
    if (open < near) return i + 1;
    const name = TAG.exec(this.#text.slice(open, i));
    if (name === null) return i + 1;
    const from = open + name[0].length - (name[1]?.length ?? 0);
    return Math.max(i + 1, this.#value(from, open + name[0].length, i + 1, "xml"));
  }

  /** `<name>value</name>`, `<ns:name>value`. */
  #tag(i: number): number {
    const text = this.#text;
    const last = text.charCodeAt(i - 1);
    if (last === 0x22 || last === 0x27) return this.#tagWithAttributes(i);
    if (WORD[last] !== 1) return i + 1;
    let from = i;
    while (from > 0 && i - from < NAME_CHARS && NAME[text.charCodeAt(from - 1)] === 1) from--;
    let open = from - 1;
    if (text.charCodeAt(open) === 0x3a) {
      while (open > 0 && from - open < NAME_CHARS && NAME[text.charCodeAt(open - 1)] === 1) open--;
      open--;
    }
    if (text.charCodeAt(open) !== 0x3c) return i + 1;
    return Math.max(i + 1, this.#value(from, i, i + 1, "xml"));
  }

  /** `Bearer value`, `Basic value` without a header's name. */
  #bearer(end: number): void {
    const text = this.#text;
    const start = runEnd(text, end, SPACE);
    const stop = runEnd(text, start, TOKEN);
    const value = text.slice(start, Math.min(stop, start + USER_CHARS));
    if (
      value.length < 12 ||
      !/\d/.test(value) ||
      !/[A-Za-z]/.test(value) ||
      /^[\w.]*\(/.test(text.slice(start, stop + 1))
    )
      return;
    this.#add({ start, end: stop, by: "place" });
  }

  /** `<add key="Password" value="…">`, `{"name": "API_KEY", "value": "…"}`: the name is another attribute's value. */
  #attribute(end: number, at: number): void {
    const text = this.#text;
    const before = text.slice(Math.max(0, end - 160), end - 5);
    const match = /(?:key|name|id)["']?\s*[=:]\s*["']([\w.:-]{1,80})["'][\s,]{1,20}["']?$/i.exec(
      before,
    );
    const name = match?.[1]?.split(":").at(-1);
    if (name === undefined) return;
    const telling = tellingName(name);
    if (telling === undefined) return;
    const value = valueAt(text, at, 0, name, telling, "spaced", this.#typed);
    if (value !== undefined) this.#add({ ...value, by: "place", name });
  }

  /** `--password value`, `-u user:password`, `-pPASSWORD`. */
  #option(dash: number): number {
    const text = this.#text;
    const next = text.charCodeAt(dash + 1);
    if (next === 0x2d || (isLetter(next) && isLetter(text.charCodeAt(dash + 2)))) {
      const from = next === 0x2d ? dash + 2 : dash + 1;
      const end = runEnd(text, from, WORD);
      const after = text.charCodeAt(end);
      if (end > from + 2 && (after === 0x20 || after === 0x09)) {
        const name = text.slice(from, Math.min(end, from + NAME_CHARS));
        if (name === "user" || name === "proxy-user")
          return this.#place(userPassword(text, dash, end));
        if (/^(?:H|header)$/.test(name)) return -1;
        if (next === 0x2d) {
          const stop = this.#value(from, end, end, "option");
          if (stop > 0) return stop;
        }
      }
    }
    if (next === 0x75 || next === 0x55 || next === 0x61)
      return this.#place(userPassword(text, dash, dash + 2)); // -u, -U, -a
    if (next === 0x70) return this.#place(optionPassword(text, dash, dash + 2));
    return -1;
  }

  /** Facebook's app tokens: digits, a bar, letters. */
  #facebook(bar: number): void {
    const text = this.#text;
    const start = bar - digitsBefore(text, bar);
    const end = runEnd(text, bar + 1, WORD);
    if (bar - start >= 15 && bar - start <= 16 && end - bar > 27 && end - bar <= 41)
      this.#add({ start, end, by: "form" });
  }
}

/** Without a space between them so many telling names are looked at, each time as far as a value may go, in UTF-16 units. */
const NAMES = 16;
const RUN_CHARS = 8192;
const NOT_SPACE = charTable(/\S/);
/** A word with something of a form in its midst is at least so long, or so long before a dot, in UTF-16 units. */
const MIDST_RUN_CHARS = 22;
const MIDST_PART_CHARS = 14;
/** A tag with its attributes is at most so long, in UTF-16 units; its name. */
const TAG_CHARS = 160;
const TAG = /^<(?:[\w.-]{1,40}:)?([\w.-]{1,80})(?=\s)/;
/** A type between a name and its value: `password: string = "…"`. */
const TYPE = /(?<=[\w"'])\??\s{0,2}:\s{0,2}(?:string|String|str|Optional\[str\]|&str|text)$/;
const SCHEME = /^(?:bearer|basic)$/i;
/** The first letters of Bearer, Basic and password. */
const FIRST = charTable(/[Bbp]/);
/** What begins an escape, a colour or an encoded character. */
const ESCAPES = charTable(/[\\[;%]/);
/** A login in .netrc, before its password. */
const NETRC = /\blogin\s+\S{1,100}\s+$/;
const RUN = charTable(/[\w.~+/=-]/);
const TOKEN = charTable(/[\w.~+/=-]/);
const SPACE = charTable(/[ \t]/);
const TELEGRAM = /^:A[\w-]{34}/;
/** How many digits stand before, as far as anything asks. */
function digitsBefore(text: string, end: number): number {
  let start = end;
  while (end - start < 17 && isDigit(text.charCodeAt(start - 1))) start--;
  return end - start;
}
const isDigit = (code: number) => code >= 0x30 && code <= 0x39;
const isLetter = (code: number) => (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;

/** A name's end before its type, where it has one. */
function beforeType(text: string, end: number): number {
  const last = text.charCodeAt(end - 1);
  if (last !== 0x67 && last !== 0x72 && last !== 0x5d) return end; // string, str, Optional[str]
  const type = TYPE.exec(text.slice(Math.max(0, end - NAME_CHARS), end));
  return type === null ? end : end - type[0].length;
}

/** Behind `31m` of a colour; where there is none, where it was. */
function afterColour(text: string, at: number): number {
  let end = at;
  while (end - at < 4 && isDigit(text.charCodeAt(end))) end++;
  return text.charCodeAt(end) === 0x6d ? end + 1 : at;
}

/** A name's end where it is in quotes, in brackets too: `"name":`, `['name'] =`. */
function beforeQuote(text: string, end: number): number {
  let at = end;
  if (text.charCodeAt(at - 1) === 0x5d) {
    at--;
    const inside = text.charCodeAt(at - 1);
    if (inside !== 0x22 && inside !== 0x27) return 0; // an expression
  }
  const code = text.charCodeAt(at - 1);
  if (code === 0x22 || code === 0x27 || code === 0x60) at--;
  if (at < end && text.charCodeAt(at - 1) === 0x5c) at--; // \"name\":
  return at;
}
