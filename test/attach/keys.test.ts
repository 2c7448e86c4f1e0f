import { afterEach, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { openKeys, type Typed } from "../../src/attach/keys.ts";
import { keyBytes } from "../../src/runner/input.ts";
import { InputRequest } from "../../src/types.ts";
import { randomFrom } from "../support/random.ts";
import { until } from "../support/until.ts";

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const keys of opened.splice(0)) keys.close();
});

function open() {
  const typed: Typed[] = [];
  const keys = openKeys((what) => void typed.push(what));
  opened.push(keys);
  /** Text in one, keys by their names. */
  const all = () => {
    const list: string[] = [];
    for (const [i, what] of typed.entries()) {
      if (what.kind === "text" && typed[i - 1]?.kind === "text") list[list.length - 1] += what.text;
      else
        list.push(
          what.kind === "key"
            ? `<${what.key}>`
            : what.kind === "paste"
              ? `paste ${what.text}`
              : what.text,
        );
    }
    return list;
  };
  return {
    typed,
    all,
    feed: (text: string | Uint8Array) =>
      keys.feed(typeof text === "string" ? new TextEncoder().encode(text) : text),
  };
}

/** Every key that has a name, but for the wheel. */
const NAMES = [
  ..."Enter Escape Tab BTab BSpace Delete Insert Up Down Left Right Home End PageUp PageDown M-Enter M-Tab M-BSpace M-Space C-Space C-\\ C-] C-^ C-_".split(
    " ",
  ),
  ...Array.from({ length: 12 }, (_, i) => `F${i + 1}`),
  ..."S-Up C-Left C-M-Right M-Home C-S-End S-Insert C-Delete M-PageUp C-M-S-PageDown S-F1 C-F4 M-F5 C-F12".split(
    " ",
  ),
  ...[..."abcdefghklnopqrstuvwxyz"].map((letter) => `C-${letter}`),
  ..."M-a M-Z M-ö M-. M-1 M-- M-M C-M-x M-漢".split(" "),
  "C-j",
];

describe("what comes from the terminal", () => {
  test.each(NAMES)("is the key %s, as the runner sends it", async (name) => {
    expect(v.safeParse(InputRequest, { stream: "s", seq: 1, keys: [name] }).success).toBe(true);
    const { all, feed } = open();
    feed(keyBytes(name, false));
    await until("it is taken", () => all().length > 0);
    expect(all()).toEqual([`<${name}>`]);
    if (!/^(?:Up|Down|Left|Right|Home|End)$/.test(name)) return;
    feed(keyBytes(name, true));
    expect(all()).toEqual([`<${name}>`, `<${name}>`]);
  });

  test.each<[string, string]>([
    ["\x1b[1~\x1b[4~\x1b[7~\x1b[8~", "<Home><End><Home><End>"],
    ["\x1b[11~\x1b[[A\x1b[[E\x1b[13~", "<F1><F1><F5><F3>"],
    ["\x1bOM\x1bOj\x1bOq", "<Enter>*1"],
    ["\x1b\x1b[A", "<M-Up>"],
    ["\x1b[97;5u\x1b[13;2u\x1b[27u\x1b[228u\x1b[97;1:3u\x1b[93;5u", "<C-a><M-Enter><Escape>ä<C-]>"],
    ["\x1b[27;5;120~\x1b[9;2u\x1b[57441;2u", "<C-x><BTab>"],
    [
      "\x1b[<64;10;5M\x1b[<65;10;5M\x1b[<80;1;1M\x1b[<0;3;3M\x1b[<0;3;3m\x1b[<35;3;3M",
      "<WheelUp><WheelDown><WheelUp>",
    ],
  ])("is known in other forms: %j", (sent, expected) => {
    const { all, feed } = open();
    feed(sent);
    expect(all().join("")).toBe(expected);
  });

  test.each([
    "\x1b[?62;22c",
    "\x1b[>41;380;0c",
    "\x1b[24;80R",
    "\x1b[0n",
    "\x1b[I\x1b[O",
    "\x1b[?2026;2$y",
    "\x1b[8;24;80t",
    "\x1b[?1u",
    "\x1b]11;rgb:0000/0000/0000\x1b\\",
    "\x1b]10;rgb:ffff/ffff/ffff\x07",
    "\x1bP>|XTerm(380)\x1b\\",
    "\x1bP1+r544e=1b5b\x1b\\",
    "\x1b_Gi=1;OK\x1b\\",
    "\x1b[M !!",
    "\x1b[?997;1n",
    "\u0085\u009b",
  ])("is nobody's typing where the terminal says it by itself: %j", (said) => {
    const { all, feed } = open();
    feed(`a${said}b`);
    expect(all().join("")).toBe("ab");
    for (const char of said) feed(char); // however it is cut
    feed("c");
    expect(all().join("")).toBe("abc");
  });

  test("is the same wherever the reads cut it", async () => {
    const whole =
      "hé漢👨‍👩‍👧\x1b[1;5D\x1bOP\x1bx\r\x1b[200~one\rtwo \x1b[31m\x1b[201~\x1b]0;t\x1b\\z\x03";
    const bytes = new TextEncoder().encode(whole);
    const expected = [
      "hé漢👨‍👩‍👧",
      "<C-Left>",
      "<F1>",
      "<M-x>",
      "<Enter>",
      "paste one\ntwo \x1b[31m",
      "z",
      "<C-c>",
    ];
    const random = randomFrom(7);
    for (let round = 0; round < 50; round++) {
      const { all, feed } = open();
      for (let at = 0; at < bytes.length; ) {
        const end = at + random.int(1, 4);
        feed(bytes.subarray(at, end));
        at = end;
      }
      expect(all()).toEqual(expected);
    }
  });

  test("is Esc where nothing follows, and Esc twice where two come", async () => {
    const { all, feed } = open();
    feed("\x1b");
    expect(all()).toEqual([]);
    await until("it is the key", () => all().length > 0);
    feed("\x1b\x1b");
    await until("both are", () => all().length === 3);
    feed("\x1b[");
    await until("Alt and a bracket", () => all().length === 4);
    feed("\x1b]");
    await until("the other", () => all().length === 5);
    expect(all()).toEqual(["<Escape>", "<Escape>", "<Escape>", "<M-[>", "<M-]>"]);
  });

  test("of any size keeps to its bounds, and what never ends is forgotten", async () => {
    const { typed, all, feed } = open();
    feed(`\x1b[200~${"漢".repeat(100_000)}😀\x1b[201~`);
    expect(
      typed.every(
        (what) =>
          what.kind === "paste" &&
          what.text.length <= 16 * 1024 + 1 &&
          !/^[\udc00-\udfff]|[\ud800-\udbff]$/.test(what.text),
      ),
    ).toBe(true);
    expect(typed.map((what) => (what.kind === "paste" ? what.text : "")).join("")).toBe(
      `${"漢".repeat(100_000)}😀`,
    );
    typed.length = 0;
    feed(`\x1b[200~${"😀".repeat(20_000)}`); // its end is not here yet
    feed("\x1b[201~");
    expect(typed.map((what) => (what.kind === "paste" ? what.text : "")).join("")).toBe(
      "😀".repeat(20_000),
    );
    typed.length = 0;
    feed("x".repeat(1_000_000));
    expect(all().join("").length).toBe(1_000_000);
    typed.length = 0;
    feed(`\x1b[${"1;".repeat(10_000)}`);
    feed(`\x1b]52;c;${"A".repeat(200_000)}`);
    expect(all().join("").length).toBeLessThan(20_001); // a sequence that is none is text after its bound
    typed.length = 0;
    await Bun.sleep(1200);
    feed("ok");
    expect(all()).toEqual(["ok"]);
  });

  test("can't make keys that have no name, whatever it is", () => {
    const random = randomFrom(11);
    const parts = [
      "\x1b",
      "[",
      "O",
      "]",
      "P",
      "1;5",
      "~",
      "u",
      "M",
      "<64;1;1",
      "200~",
      "201~",
      "\x1b\\",
      "a",
      "é",
      "😀",
      "\x9b",
      "\0",
      "\x7f",
      "A",
      "Z",
      "27;2;13",
      ";",
      ":",
      "3",
    ];
    for (let round = 0; round < 2000; round++) {
      const { typed, feed } = open();
      feed(Array.from({ length: 12 }, () => random.pick(parts)).join(""));
      for (const what of typed) {
        if (what.kind === "key")
          expect([
            what.key,
            v.safeParse(InputRequest, { stream: "s", seq: 1, keys: [what.key] }).success,
          ]).toEqual([what.key, true]);
        else if (what.kind === "text") expect(what.text).not.toMatch(/\p{Cc}/u);
      }
    }
  });
});
