import { describe, expect, test } from "bun:test";
import { visibleParts, visibleString } from "../src/visible-text.ts";

/** What is hidden in a text, by code point. */
const hiddenIn = (text: string, prose = false) =>
  visibleParts(text, { prose }).flatMap(({ hidden }) => hidden ?? []);
const codePoint = (char: string) =>
  `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;

describe("a character that nobody sees is a part of its own", () => {
  const HIDDEN: Record<string, string[]> = {
    "a control": ["\0", "\x07", "\t", "\r", "\x1b", "\x7f", "\x85", "\x9b"],
    "one that turns others around": [
      "\u061c",
      "\u200e",
      "\u200f",
      "\u202a",
      "\u202e",
      "\u2066",
      "\u2069",
    ],
    "a separator": ["\u2028", "\u2029"],
    "a blank that is no space": [
      "\xa0",
      "\u1680",
      "\u2000",
      "\u2003",
      "\u200a",
      "\u202f",
      "\u205f",
      "\u3000",
      "\u2800",
      "\u{1d159}",
      "\u{13441}",
      "\ufffc",
    ],
    "one of no width": [
      "\u200b",
      "\u200c",
      "\u200d",
      "\u2060",
      "\u2063",
      "\ufeff",
      "\xad",
      "\u180e",
    ],
    "a filler that renderers ignore": [
      "\u034f",
      "\u115f",
      "\u1160",
      "\u17b4",
      "\u17b5",
      "\u3164",
      "\uffa0",
      "\u2065",
      "\u206f",
      "\ufff0",
      "\u{1bca0}",
      "\u{e0fff}",
    ],
    "a selector of variants": [
      "\ufe00",
      "\ufe0e",
      "\ufe0f",
      "\u180b",
      "\u180f",
      "\u{e0100}",
      "\u{e01ef}",
    ],
    "a tag": ["\u{e0001}", "\u{e0041}", "\u{e007f}"],
    "for private use, or of nobody": [
      "\ue000",
      "\u{f0000}",
      "\u{10fffd}",
      "\u0378",
      "\uffff",
      "\u{1ffff}",
    ],
    "half a pair": ["\ud800", "\udfff"],
  };
  for (const [name, chars] of Object.entries(HIDDEN))
    test(name, () => {
      for (const char of chars)
        for (const prose of [false, true]) {
          expect(visibleParts(`a${char}b`, { prose })).toEqual([
            { text: "a" },
            { hidden: codePoint(char) },
            { text: "b" },
          ]);
          expect(hiddenIn(`${char}`, prose)).toEqual([codePoint(char)]);
        }
    });

  test("every code point that has one of the properties, and none of what is ordinarily written", () => {
    const blank = /(?!\x20)[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u;
    for (let code = 0; code < 0x11_0000; code += code > 0x3000 ? 7 : 1) {
      const char = String.fromCodePoint(code);
      if (char === "\n" || /\p{M}/u.test(char)) continue;
      if (blank.test(char)) expect(hiddenIn(`x${char}`)).toEqual([codePoint(char)]);
    }
    for (const text of [
      "rm -rf 'Übergrößen' ~/naïve && echo “fine” — ok… ½ € § ←↑→ ✓ ✳ ⏺ ⎿ │└─ ▮",
      "漢字 かな カタカナ 한국어 Ελληνικά Кириллица עברית العربية हिन्दी தமிழ் ไทย ქართული",
      "e\u0301 n\u0303 Việt Nam ệ שָׁלוֹם مُحَمَّد किं ก็ที่ སྐྱེ",
    ])
      expect(visibleParts(text)).toEqual([{ text }]);
  });

  test("nothing is lost, and a line feed stays where lines are lines", () => {
    expect(visibleParts("a\nb\u202ec")).toEqual([
      { text: "a\nb" },
      { hidden: "U+202E" },
      { text: "c" },
    ]);
    expect(visibleParts("a\nb", { keep: "" })).toEqual([
      { text: "a" },
      { hidden: "U+000A" },
      { text: "b" },
    ]);
    expect(visibleString("one\ttwo\u3164")).toBe("one⇥twoU+3164");
    expect(visibleParts("")).toEqual([]);
  });
});

describe("emoji stay whole", () => {
  test("joined, coloured, as keys and as flags", () => {
    for (const emoji of [
      "👩‍💻",
      "👨‍👩‍👧‍👦",
      "👩🏽‍🚒",
      "🏳️‍🌈",
      "🏳️‍⚧️",
      "❤️‍🔥",
      "❤️",
      "⚠️",
      "✔️",
      "©️",
      "👍🏿",
      "1️⃣",
      "#️⃣",
      "*️⃣",
      "🇩🇪",
      "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
      "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
      "🏴‍☠️",
      "🕵🏻‍♂️",
      "😶‍🌫️",
      "🙂‍↔️",
      "🫱🏻‍🫲🏿",
    ])
      expect(visibleParts(`a ${emoji} b${emoji}`)).toEqual([{ text: `a ${emoji} b${emoji}` }]);
  });

  test("and lend their joiners, selectors and tags to nothing else", () => {
    expect(hiddenIn("a\u200db")).toEqual(["U+200D"]);
    expect(hiddenIn("😀\u200d")).toEqual(["U+200D"]);
    expect(hiddenIn("\u200d😀")).toEqual(["U+200D"]);
    expect(hiddenIn("😀\u200d\u200d😀")).toEqual(["U+200D", "U+200D"]);
    expect(hiddenIn("😀\u200dx")).toEqual(["U+200D"]);
    expect(hiddenIn("😀\ufe0f")).toEqual(["U+FE0F"]); // it is one without that, too
    expect(hiddenIn("⚠\ufe0f\ufe0f")).toEqual(["U+FE0F"]);
    expect(hiddenIn("a\ufe0f")).toEqual(["U+FE0F"]);
    expect(hiddenIn("12\ufe0f")).toEqual(["U+FE0F"]);
    expect(hiddenIn("🏴\u{e0075}\u{e0073}\u{e0063}\u{e0061}\u{e007f}").length).toBe(5); // no font draws California
    expect(hiddenIn("🏴\u{e0067}\u{e0062}")).toEqual(["U+E0067", "U+E0062"]);
  });
});

describe("joiners", () => {
  const PERSIAN = "می\u200cخواهم";
  const SINHALA = "ශ්\u200dරී";
  const HINDI = "क्\u200dष";
  test("stay in the prose of scripts that are spelled with them", () => {
    for (const text of [PERSIAN, SINHALA, HINDI]) expect(hiddenIn(text, true)).toEqual([]);
  });
  test("are shown in what a machine runs, and where no letters stand around them", () => {
    for (const text of [PERSIAN, SINHALA, HINDI]) expect(hiddenIn(text).length).toBe(1);
    expect(hiddenIn("می\u200c\u200cخواهم", true).length).toBe(2);
    expect(hiddenIn("می\u200c", true).length).toBe(1);
    expect(hiddenIn("\u200cمی", true).length).toBe(1);
    expect(hiddenIn("م\u200c1", true).length).toBe(1);
    expect(hiddenIn("م\u200ca", true).length).toBe(1);
    expect(hiddenIn("я\u200cя", true).length).toBe(1);
    expect(hiddenIn("क\u200dم", true).length).toBe(1);
  });
});

describe("marks", () => {
  test("above and below one letter are few", () => {
    const stack = `x${"\u0301\u0323".repeat(20)}y`;
    const parts = visibleParts(stack);
    expect(parts[0]).toEqual({ text: "x\u0301\u0323\u0301\u0323" });
    expect(parts.slice(1, -1).every(({ hidden }) => hidden !== undefined)).toBe(true);
    expect(parts.length).toBe(1 + 36 + 1);
    expect(hiddenIn(`z${"\u20dd".repeat(9)}`).length).toBe(5);
  });
  test("that stand on nothing are shown by their code points", () => {
    for (const text of ["\u0338yes", " \u0338yes", "\n\u0338yes", "\u200b\u0338yes"])
      expect(hiddenIn(text)).toContain("U+0338");
  });
});
