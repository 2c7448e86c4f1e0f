/** What somebody did at this terminal: wrote, pressed a key (by its name in `src/types.ts`), or pasted. A paste with `more` goes on in the next. */
export type Typed =
  | { kind: "text"; text: string }
  | { kind: "paste"; text: string; more?: boolean }
  | { kind: "key"; key: string };

/** An Escape that nothing follows for so long was the key, in ms. */
const ESCAPE_MS = 50;
/** What a terminal began to say may take so long to end, in ms; then it is forgotten. */
const REPORT_MS = 1000;
/** No sequence of a key is longer; what a terminal says by itself may be, in UTF-16 units. */
const SEQUENCE_CHARS = 64;
const REPORT_CHARS = 64 * 1024;
/** A paste goes on its way in parts of so many UTF-16 units: each fits a request, whatever is in it. */
const PASTE_CHARS = 16 * 1024;

const PASTE_END = "\x1b[201~";
/** The first half of a character beyond the sixteenth bit. */
const HIGH = /[\ud800-\udbff]/;
const TEXT = /\P{Cc}+/uy;
const CSI = /\p{Cc}\[([0-?]*)([ -/]*)([@-~])/uy; // ECMA-48 5.4
const CSI_BEGUN = /\p{Cc}\[[0-?]*[ -/]*/uy;
/** What a string of a terminal's begins and ends with: DCS, SOS, OSC, PM, APC (ECMA-48 5.6). */
const STRING = /[PX\]^_]/;
const STRING_ENDS = ["\x1b\\", "\x07", "\x9c"];

const CONTROLS: Record<string, string> = {
  "\r": "Enter",
  "\t": "Tab",
  "\x7f": "BSpace",
  "\0": "C-Space",
  "\x1c": "C-\\",
  "\x1d": "C-]",
  "\x1e": "C-^",
  "\x1f": "C-_",
};
/** Final characters of CSI and SS3 sequences, and the numbers of those that end in ~ (xterm's ctlseqs). */
const LETTERS: Record<string, string> = {
  A: "Up",
  B: "Down",
  C: "Right",
  D: "Left",
  H: "Home",
  F: "End",
  P: "F1",
  Q: "F2",
  S: "F4",
};
const NUMBERS =
  "1 Home 2 Insert 3 Delete 4 End 5 PageUp 6 PageDown 7 Home 8 End 11 F1 12 F2 13 F3 14 F4 15 F5 17 F6 18 F7 19 F8 20 F9 21 F10 23 F11 24 F12".split(
    " ",
  );
const TILDES = new Map(
  NUMBERS.flatMap((word, i) =>
    i % 2 === 0 ? [[Number(word), NUMBERS[i + 1] ?? ""] as const] : [],
  ),
);
const NAMED = new Set([...Object.values(LETTERS), ...TILDES.values()]);
/** Of the keypad in application mode. */
const KEYPAD: Record<string, string> = {
  M: "\r",
  X: "=",
  j: "*",
  k: "+",
  l: ",",
  m: "-",
  n: ".",
  o: "/",
  ...Object.fromEntries([..."pqrstuvwxy"].map((c, i) => [c, String(i)])),
};

/** A key that has no name here, such as a keypad's in kitty's protocol: told to whoever only wants to know that one was pressed. */
const UNNAMED = "";

/** What one sequence was: how much of the text it took (0: more has to come), and what it means, if anything. */
interface Taken {
  length: number;
  typed?: Typed | undefined;
}

const key = (name: string): Typed => ({ kind: "key", key: name });

/**
 * Turns what comes from a terminal in raw mode into what somebody typed, wherever the reads cut it. What a terminal says by itself (answers to
 * queries, focus, the mouse but for its wheel) is nobody's typing, and what is unknown is dropped. `close` stops waiting for more.
 * `escapeMs`: an Escape that nothing follows for so long was the key; `onUnnamed`: a key was pressed that has no name here.
 */
export function openKeys(
  onTyped: (typed: Typed) => void,
  { escapeMs = ESCAPE_MS, onUnnamed }: { escapeMs?: number; onUnnamed?: () => void } = {},
) {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let rest = "";
  let pasting = false;
  let goesOn = false; // a part of the paste was told already
  let skipping = false; // within a report without end
  let timer: ReturnType<typeof setTimeout> | undefined;

  const paste = (text: string, ended: boolean) => {
    for (let at = 0; at < text.length || (ended && goesOn); ) {
      let end = at + PASTE_CHARS;
      if (HIGH.test(text.charAt(end - 1))) end++;
      goesOn = !ended || end < text.length;
      const part = text.slice(at, end).replaceAll("\r", "\n");
      onTyped({ kind: "paste", text: part, ...(goesOn ? { more: true } : {}) });
      at = end;
    }
  };

  /** Takes what is there; `late`: nothing more came. */
  const work = (late: boolean) => {
    let at = 0;
    const text = rest;
    rest = ""; // whoever is told may feed more only later
    while (at < text.length) {
      if (skipping) {
        const end = stringEnd(text, at);
        skipping = end === undefined && !late;
        at = end ?? (late ? text.length : Math.max(at, text.length - 1));
        if (end === undefined) break;
        continue;
      }
      if (pasting) {
        const end = text.indexOf(PASTE_END, at);
        if (end < 0 && text.length - at < PASTE_CHARS) break;
        let until = end < 0 ? text.length - PASTE_END.length : end; // it may have begun
        if (end < 0 && HIGH.test(text.charAt(until - 1))) until--;
        paste(text.slice(at, until), end >= 0);
        pasting = end < 0;
        at = end < 0 ? until : end + PASTE_END.length;
        if (end < 0) break;
        continue;
      }
      TEXT.lastIndex = at;
      const plain = TEXT.exec(text)?.[0];
      if (plain !== undefined) {
        onTyped({ kind: "text", text: plain });
        at += plain.length;
        continue;
      }
      const { length, typed } =
        text[at] === "\x1b" ? sequence(text, at, late) : control(text.charAt(at));
      if (length === 0 && text.length - at <= REPORT_CHARS) break;
      skipping = length === 0;
      at += length;
      if (typed?.kind === "key" && typed.key === "PasteStart") pasting = true;
      else if (typed?.kind === "key" && typed.key === UNNAMED) onUnnamed?.();
      else if (typed !== undefined) onTyped(typed);
    }
    rest = text.slice(at);
    clearTimeout(timer);
    if ((rest !== "" && !pasting) || skipping)
      timer = setTimeout(
        () => work(true),
        skipping || (STRING.test(rest.charAt(1)) && rest.length > 2) ? REPORT_MS : escapeMs,
      );
  };

  return {
    feed(bytes: Uint8Array): void {
      rest += decoder.decode(bytes, { stream: true });
      work(false);
    },
    close: () => clearTimeout(timer),
  };
}

function control(char: string): Taken {
  const code = char.charCodeAt(0);
  const name = CONTROLS[char] ?? (code < 27 ? `C-${String.fromCharCode(code + 96)}` : undefined);
  return { length: 1, typed: name === undefined ? undefined : key(name) };
}

/** Where a string of a terminal's is over that goes on at `from`. */
function stringEnd(text: string, from: number): number | undefined {
  const ends = STRING_ENDS.flatMap((end) => {
    const at = text.indexOf(end, from);
    return at < 0 ? [] : [at + end.length];
  });
  return ends.length === 0 ? undefined : Math.min(...ends);
}

/** What an Escape at `at` begins. */
function sequence(text: string, at: number, late: boolean): Taken {
  const next = String.fromCodePoint(text.codePointAt(at + 1) ?? 0);
  const wait = (alone: Taken): Taken => (late ? alone : { length: 0 });
  if (at + 1 >= text.length) return wait({ length: 1, typed: key("Escape") });
  if (next === "[") return csi(text, at, wait);
  if (next === "O") {
    const letter = text.charAt(at + 2);
    if (letter === "") return wait({ length: 2, typed: key("M-O") });
    const name = letter === "R" ? "F3" : LETTERS[letter];
    const digit = KEYPAD[letter];
    if (name !== undefined) return { length: 3, typed: key(name) };
    return digit === undefined
      ? { length: 2, typed: key("M-O") }
      : { length: 3, typed: digit === "\r" ? key("Enter") : { kind: "text", text: digit } };
  }
  if (STRING.test(next)) {
    const end = stringEnd(text, at + 2);
    if (end !== undefined) return { length: end - at };
    return wait(
      text.length === at + 2
        ? { length: 2, typed: key(`M-${next}`) }
        : { length: text.length - at },
    );
  }
  if (next === "\x1b") {
    // Alt with a key that has a sequence of its own, as some terminals tell it; otherwise Esc, twice
    const inner = /[[O]/.test(text.charAt(at + 2)) ? sequence(text, at + 1, late) : undefined;
    if (inner?.length === 0 || (inner === undefined && at + 2 >= text.length && !late))
      return { length: 0 };
    if (inner?.typed?.kind === "key" && NAMED.has(inner.typed.key))
      return { length: inner.length + 1, typed: key(`M-${inner.typed.key}`) };
    return { length: 1, typed: key("Escape") };
  }
  const pressed = control(next).typed;
  if (/\p{Cc}/u.test(next)) {
    if (pressed?.kind !== "key") return { length: 1, typed: key("Escape") };
    return {
      length: 2,
      typed: key(pressed.key.startsWith("C-") ? `C-M-${pressed.key.slice(2)}` : `M-${pressed.key}`),
    };
  }
  return { length: 1 + next.length, typed: key(next === " " ? "M-Space" : `M-${next}`) };
}

/** A control sequence; all that are no keys have no meaning here. */
function csi(text: string, at: number, wait: (alone: Taken) => Taken): Taken {
  if (text.charAt(at + 2) === "[") {
    const letter = text.charAt(at + 3); // the Linux console's F1 to F5
    return letter === ""
      ? wait({ length: 3 })
      : {
          length: 4,
          typed: /[A-E]/.test(letter) ? key(`F${letter.charCodeAt(0) - 64}`) : undefined,
        };
  }
  CSI.lastIndex = at;
  const match = CSI.exec(text);
  if (match === null) {
    CSI_BEGUN.lastIndex = at;
    const begun = CSI_BEGUN.exec(text)?.[0].length ?? 2;
    if (at + begun < text.length || begun > SEQUENCE_CHARS) return { length: begun }; // broken off, or none
    return wait({ length: begun, typed: begun === 2 ? key("M-[") : undefined });
  }
  const [whole, params = "", between = "", final = ""] = match;
  if (whole === "\x1b[M")
    return text.length < at + 6 ? wait({ length: text.length - at }) : { length: 6 }; // the mouse, as X10 told of it
  return { length: whole.length, typed: between === "" ? meaning(params, final) : undefined };
}

function meaning(params: string, final: string): Typed | undefined {
  const wheel = /^<(\d{1,3});\d+;\d+$/.exec(params)?.[1];
  if (wheel !== undefined) {
    const button = Number(wheel) & ~0b11100; // whatever is held down with it
    return final === "M" && (button === 64 || button === 65)
      ? key(button === 64 ? "WheelUp" : "WheelDown")
      : undefined;
  }
  if (!/^[\d;:]*$/.test(params)) return undefined;
  const [first = "", second = "", third = ""] = params.split(";");
  const [modifiers = "", event] = second.split(":");
  if (event === "3") return undefined; // the key was let go (kitty's protocol)
  const bits = Math.max(0, (Number(modifiers) || 1) - 1);
  const held = `${(bits & 4) === 0 ? "" : "C-"}${(bits & 2) === 0 ? "" : "M-"}${(bits & 1) === 0 ? "" : "S-"}`;
  if (final === "u") return coded(Number.parseInt(first, 10), bits) ?? key(UNNAMED);
  if (final === "~" && first === "27") return coded(Number(third), bits) ?? key(UNNAMED);
  if (final === "~" && first === "200") return key("PasteStart");
  if (final === "Z") return key("BTab");
  // with numbers an R is the place of the cursor, as asked for by somebody else
  const name = final === "~" ? TILDES.get(Number.parseInt(first, 10)) : LETTERS[final];
  if (name === undefined) return final === "~" ? key(UNNAMED) : undefined;
  return key(held + name);
}

/** A key by its code (kitty's protocol, or xterm's modifyOtherKeys), as far as it has a name here. */
function coded(code: number, bits: number): Typed | undefined {
  const alt = (bits & 2) === 0 ? "" : "M-";
  if (code === 13) return key(bits === 0 ? "Enter" : "M-Enter"); // with Shift, too: a new line that sends nothing
  if (code === 9) return key((bits & 1) === 0 ? `${alt}Tab` : "BTab");
  if (code === 27 || code === 127) return key(`${alt}${code === 27 ? "Escape" : "BSpace"}`);
  if (!(code >= 32 && code <= 0x10ffff) || (code >= 0xe000 && code < 0xf900)) return undefined; // kitty's own, beyond what is printed
  const char = String.fromCodePoint(code);
  if (/[\p{C}]/u.test(char)) return undefined;
  if ((bits & 4) !== 0)
    return /[a-z\\\]^_ ]/i.test(char)
      ? key(`C-${alt}${char === " " ? "Space" : char.toLowerCase()}`)
      : undefined;
  const typed = (bits & 1) === 0 ? char : char.toUpperCase();
  return alt === "" ? { kind: "text", text: typed } : key(`M-${typed === " " ? "Space" : typed}`);
}
