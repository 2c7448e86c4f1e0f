import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { drawnRow } from "../../src/attach/rows.ts";
import { applyFrame, frameSince, type Live } from "../../src/hub/live.ts";
import { parseRow, ROW_STYLE } from "../../src/row.ts";
import { parseDialog } from "../../src/runner/dialogs.ts";
import { openScreen } from "../../src/runner/screen.ts";
import { wrapUnseen } from "../../src/runner/wrap.ts";
import { type Frame, FromRunner, type HistoryOp, LIMITS } from "../../src/types.ts";
import { attack, oddText, patience, type Random, watchUnhandled } from "../support/hostile.ts";

const unhandled = watchUnhandled();

const NUMBERS = [
  "",
  "0",
  "1",
  "2",
  "3",
  "5",
  "24",
  "25",
  "80",
  "81",
  "999",
  "65535",
  "2147483647",
  "4294967296",
  "9".repeat(30),
  "-1",
  "1:2:3",
  ":",
  "38:2:1:2:3",
];
const number = (random: Random) => random.pick(NUMBERS);
const numbers = (random: Random) =>
  Array.from({ length: random.pick([0, 1, 1, 2, 3, 6, 40]) }, () => number(random)).join(";");
const FINALS = [..."@ABCDEFGHIJKLMPSTXZ`abcdefghilmnpqrstuvwxyz{|}~"];
const MODES = [
  "1",
  "3",
  "5",
  "6",
  "7",
  "9",
  "12",
  "25",
  "45",
  "47",
  "66",
  "69",
  "1000",
  "1002",
  "1003",
  "1004",
  "1006",
  "1015",
  "1047",
  "1048",
  "1049",
  "2004",
  "2026",
  "9001",
];
const QUERIES = [
  "\x1b[c",
  "\x1b[>c",
  "\x1b[=c",
  "\x1b[5n",
  "\x1b[6n",
  "\x1b[?6n",
  "\x1b[?1049$p",
  "\x1b[4$p",
  "\x1bP$qm\x1b\\",
  "\x1bP$q\r echo x\x1b\\",
  '\x1bP$q"p\x1b\\',
  "\x1bP+q544e\x1b\\",
  "\x1b]4;1;?\x07",
  "\x1b]10;?\x07",
  "\x1b]11;?\x1b\\",
  "\x1b]52;c;?\x07",
  "\x1b[21t",
  "\x1b[18t",
  "\x1b[14t",
  "\x1b[>q",
  "\x1b[?u",
  "\x05",
  "\x1bZ",
  "\x1b[x",
  "\x1b[?996n",
];
const WIDE = [
  "漢",
  "👨‍👩‍👧",
  "🇩🇪🇫🇷",
  "e\u0301",
  "\u0301",
  "\u200d",
  "\u200b",
  "\u202e",
  "\u2066",
  "\u2028",
  "\ufe0f",
  "ﷺ",
  "\u{e0041}",
  "ก็",
  "\u1160",
  "\ufffd",
  "\u{10ffff}",
  "\x7f",
  "\u0085",
  "\u009b5A",
  "\u0090x\u009c",
  "\u061c",
];

/** A piece of output as a hostile program may print it. */
function piece(random: Random): string {
  const long = (text: string) => text.repeat(random.pick([1, 50, 3000]));
  const link = random.pick([
    "javascript:alert(1)",
    "https://claude.ai/oauth/authorize?client_id=x",
    "file:///etc/passwd",
    "http://x/\x01\x07",
    "data:text/html,<script>",
    "https://user:pw@x/login",
  ]);
  const ends = random.pick(["\x07", "\x1b\\", "\u009c", "", "\x18", "\x1a"]);
  return random.pick<() => string>([
    () =>
      `\x1b[${random.pick(["", "?", ">", "=", "<", "!"])}${numbers(random)}${random.pick(["", " ", "$", "'", '"', "*"])}${random.pick(FINALS)}`,
    () => `\x1b[?${random.pick(MODES)}${random.pick(["h", "l", "s", "r"])}`,
    () =>
      `\x1b${random.pick([..."78=>cDEHMNOZn|}~ZlmPXFG"])}${random.pick(["", "#8", "(0", ")B", "%G", "%@"])}`,
    () =>
      `\x1b]${random.pick(["0", "1", "2", "4", "7", "8", "9", "10", "11", "52", "104", "133", "777", "1337", "99999999"])};${long(oddText(random).slice(0, 100))}${ends}`,
    () =>
      `\x1b]8;${random.pick(["", "id=x", "id=\x01"])};${link}${ends}${random.pick(["link", "sign in", ""])}\x1b]8;;\x07`,
    () =>
      `${random.pick(["\x1bP", "\x1b_", "\x1b^", "\x1bX"])}${random.pick(["q", "$q", "+q", "1;1|", "Gf=100;", ""])}${long("#0;2;0;0;0~-")}${ends}`,
    () => random.pick(QUERIES),
    () => long(random.pick(WIDE)),
    () => `x\x1b[${number(random)}b`,
    () =>
      `\x1b[${random.pick(["1;80", "24;79", "24;80", "1;1", "12;40"])}H${random.pick(WIDE)}${random.pick(WIDE)}`,
    () => "\x1b[?1049h\x1b[?1049l".repeat(random.int(1, 30)),
    () =>
      random
        .pick(["\n", "\x1bD", "\x1bE", "\u0084", "\x1bM", "x\r\n"])
        .repeat(random.pick([1, 30, 3000])),
    () =>
      `\x1b[38;2;${random.int(0, 300)};${random.int(0, 300)};1;48;5;${random.int(0, 300)};1;3;4;7;8;9m${oddText(random).slice(0, 200)}`,
    () => " ❯ 1. Yes\r\n   2. No, and tell Claude what to do differently\r\n",
    () =>
      "password=hunter22222 sk-ant-api03-abcdefgh https://u:p4ssw0rd@x/ -----BEGIN PRIVATE KEY-----\r\n",
    () => oddText(random),
  ])();
}

/** The same with bytes that are no text, where it is so. */
function output(random: Random, pieces: number): Uint8Array {
  const parts = Array.from({ length: pieces }, () => {
    const bytes = new TextEncoder().encode(piece(random));
    if (random.int(0, 5) === 0)
      return Uint8Array.from({ length: random.int(1, 40) }, () => random.int(0, 255));
    return random.int(0, 9) === 0 ? bytes.subarray(0, random.int(0, bytes.length)) : bytes;
  });
  return new Uint8Array(Buffer.concat(parts));
}

const CONTROL = /\p{Cc}/u;
/** What is sent of a row: text without a control character, and a line feed before its runs. */
function expectRow(payload: string): void {
  const [text = "", runs = "", more] = payload.split("\n");
  const parts = parseRow(payload);
  const fine =
    more === undefined &&
    !CONTROL.test(text) &&
    /^[\w# ]*\+?$/.test(runs) &&
    payload.length <= LIMITS.rowChars &&
    parts.map((run) => run.text).join("") === text &&
    parts.every(({ style }) => ROW_STYLE.test(style));
  if (!fine) throw new Error(`not a row as it should be: ${JSON.stringify(payload.slice(0, 500))}`);
}

function expectFrame(frame: Frame): void {
  const message = JSON.stringify({ type: "screen", session: "s_x", frame });
  v.parse(FromRunner, JSON.parse(message));
  expect(new TextEncoder().encode(message).length).toBeLessThan(LIMITS.messageBytes);
  expect(CONTROL.test(frame.title)).toBe(false);
  for (const payload of Object.values(frame.lines)) expectRow(payload);
}

/** What the emulator may say to a program that asks: reports in their own form alone, nothing that a shell would take for a line. */
const REPORTS = new RegExp(
  String.raw`^(?:ESC\[[?>=]?[\d;]*(?:\$y|[cnRtuy])|ESCP[01]\$r[\d;: "'$*]*[a-zA-Z ]*ESC\\|ESCP>\|[\w.() -]*ESC\\|ESC\]\d+;(?:\d+;)?rgb:[0-9a-f/]+ESC\\)*$`.replaceAll(
    "ESC",
    "\x1b",
  ),
);

interface Played {
  screen: ReturnType<typeof openScreen>;
  ops: HistoryOp[];
  replies(): string;
}
function play(cols = 80, rows = 24): Played {
  const ops: HistoryOp[] = [];
  let replies = "";
  const screen = openScreen({
    ...{ cols, rows, onChange: () => undefined, onHold: () => undefined },
    onHistory: (op) => void ops.push(op),
    onReply(data) {
      replies += data;
    },
  });
  return { screen, ops, replies: () => replies };
}

test(
  "whatever a program prints, what is sent is of its form and within its bounds, and the viewer's screen is the runner's",
  async () => {
    await attack(24, async (random) => {
      const { screen, ops, replies } = play(
        random.pick([20, 80, 80, 200, 500]),
        random.pick([5, 24, 60]),
      );
      let live: Live | undefined;
      const viewer: { rev: number; rows: string[] } = { rev: 0, rows: [] };
      for (let step = 0; step < 8; step++) {
        const bytes = output(random, 12);
        for (let at = 0; at < bytes.length; ) {
          const end = at + random.pick([1, 2, 7, 100, 20_000, bytes.length]);
          screen.feed(bytes.slice(at, end));
          at = end;
        }
        await screen.settled();
        if (random.int(0, 5) === 0) screen.resize(random.int(20, 300), random.int(5, 70));
        const frame = screen.frame();
        screen.login();
        screen.modes();
        for (const isClaude of [true, false])
          parseDialog({ rows: screen.text(), cursor: screen.cursor() }, isClaude);
        if (frame === undefined) continue;
        expectFrame(frame);
        live = applyFrame(live, frame);
        const since = frameSince(live, viewer.rev);
        viewer.rev = since.rev;
        viewer.rows = Array.from(
          { length: since.rows },
          (_, y) => since.lines[y] ?? viewer.rows[y] ?? "",
        );
      }
      const truth = screen.whole();
      expect(viewer.rows).toEqual(
        Array.from({ length: truth.rows }, (_, y) => truth.lines[y] ?? ""),
      );
      for (const op of ops) {
        v.parse(
          FromRunner,
          JSON.parse(JSON.stringify({ type: "output", session: "s_x", seq: 1, op })),
        );
        if (op.op === "append") op.lines.forEach(expectRow);
      }
      expect(replies()).toMatch(REPORTS);
      screen.dispose();
    });
    expect(unhandled).toEqual([]);
  },
  patience(60_000),
);

test(
  "it is the same wherever the reads cut it: at every byte, or nowhere",
  async () => {
    await attack(60, async (random) => {
      const bytes = output(random, 6).slice(0, 6000);
      const [whole, cut] = [play(40, 10), play(40, 10)];
      whole.screen.feed(bytes);
      for (let at = 0; at < bytes.length; at++) cut.screen.feed(bytes.slice(at, at + 1));
      await whole.screen.settled();
      await cut.screen.settled();
      expect(cut.screen.whole()).toEqual(whole.screen.whole());
      expect(cut.replies()).toBe(whole.replies());
      whole.screen.dispose();
      cut.screen.dispose();
    });
  },
  patience(60_000),
);

test(
  "what `attach` draws of any row, even one that a server made up, moves nothing and stays in its columns",
  async () => {
    await attack(300, (random) => {
      const payload = random.pick([
        `${oddText(random).slice(0, 3000)}\n${random.pick(["3bf1 4", "9".repeat(30), "1w 1w 1w", "5f999g999", "-1b", "2#x"])}`,
        piece(random),
        `${piece(random)}\n${piece(random)}`,
      ]);
      const drawn = drawnRow(payload, random.int(0, 30), random.int(0, 100));
      // SGR, and the column where the next character belongs
      expect(CONTROL.test(drawn.replace(/\p{Cc}\[[\d;:]*[mG]/gu, ""))).toBe(false);
      for (const [, column] of drawn.matchAll(/\p{Cc}\[(\d+)G/gu))
        expect(Number(column)).toBeLessThanOrEqual(101);
      expect(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(drawn)).toBe(false);
    });
  },
  patience(20_000),
);

const text = (what: string) => new TextEncoder().encode(what);
const BOMBS: [string, string][] = [
  ["a character repeated for ever", "x\x1b[2147483647b"],
  ["lines scrolled for ever", "\x1b[2147483647S\x1b[2147483647T"],
  ["lines taken out and put in for ever", "\x1b[2147483647L\x1b[2147483647M"],
  ["tabs for ever, both ways", "\x1b[2147483647I\x1b[2147483647Z"],
  [
    "cells for ever",
    "\x1b[2147483647@\x1b[2147483647P\x1b[2147483647X\x1b[2147483647 @\x1b[2147483647 A\x1b[2147483647'}\x1b[2147483647'~",
  ],
  [
    "a cursor that goes far",
    "\x1b[2147483647;2147483647H\x1b[2147483647A\x1b[2147483647B\x1b[2147483647C\x1b[2147483647D\x1b[2147483647E\x1b[2147483647F",
  ],
  ["parameters without end", `\x1b[${"1;".repeat(500_000)}m\x1b[${"38:2:1".repeat(100_000)}m`],
  ["titles without end", "\x1b]2;title\x07\x1b[22;0t".repeat(100_000)],
  ["screens that flip", "\x1b[?1049h\x1b[?1049l".repeat(20_000)],
  ["tab stops and keyboards pushed", "\x1b[5G\x1bH\x1b[>1u".repeat(50_000)],
];
test.each(BOMBS)(
  "%s is through in no time that anybody would notice",
  async (_, bomb) => {
    const { screen } = play();
    screen.feed(text(`${bomb}\x18\x1bc\x1b[Hstill here`));
    await screen.settled();
    expect(screen.text()[0]).toStartWith("still here");
    screen.dispose();
  },
  10_000,
);

test.each([
  "\x1b]2;",
  "\x1b]8;;https://",
  "\x1b]52;c;",
  "\x1bPq",
  "\x1bP$q",
  "\x1b_G",
  "\x1b^",
  "\x1bX",
])(
  "12 MB that %j begins end with it",
  async (start) => {
    const { screen, replies } = play();
    const part = text("t".repeat(64 * 1024));
    screen.feed(text(start));
    for (let i = 0; i < 190; i++) {
      screen.feed(part);
      await screen.settled();
    }
    screen.feed(text("\x1b\\\x1b[Hstill here"));
    await screen.settled();
    expect(screen.text()[0]).toStartWith("still here");
    expect(screen.whole().title.length).toBeLessThanOrEqual(LIMITS.titleChars);
    expect(replies()).toMatch(REPORTS);
    screen.dispose();
  },
  20_000,
);

test("a cell takes so many accents and no more, and a screen of them is sent", async () => {
  const { screen } = play(1000, 200);
  const cell = `x${"\u0301".repeat(40)}`;
  for (let row = 0; row < 200; row++)
    screen.feed(text(`\x1b[${row + 1}H\x1b[38;2;1;2;3m${cell.repeat(500)}`));
  await screen.settled();
  const frame = screen.whole();
  expectFrame(frame);
  expect(frame.lines[0]?.startsWith("x\u0301")).toBe(true);
  // and what comes after is not lost behind it
  screen.feed(text("\x1b[0m\x1b[2J\x1b[Hall is well"));
  await screen.settled();
  const live = applyFrame(applyFrame(undefined, frame), screen.frame() ?? frame);
  expect(live.lines).toEqual(["all is well", ...Array<string>(199).fill("")]);
  screen.dispose();
}, 20_000);

test("accents without end go on in the next cell", async () => {
  const { screen } = play(80, 24);
  screen.feed(text(`x${"\u0301".repeat(100_000)}`));
  await screen.settled();
  for (const row of screen.text()) expect(row.length).toBeLessThanOrEqual(80 * 18);
  screen.dispose();
});

test("emoji, flags and scripts of many marks are one character each, as ever", async () => {
  const { screen } = play(80, 3);
  const family = "👨🏻‍❤️‍💋‍👨🏻";
  screen.feed(text(`${family}|🏴󠁧󠁢󠁥󠁮󠁧󠁿|ग्नि|`));
  await screen.settled();
  expect(screen.text()[0]).toBe(`${family}|🏴󠁧󠁢󠁥󠁮󠁧󠁿|ग्नि|`);
  expect(parseRow(screen.whole().lines[0] ?? "")[0]).toEqual({ text: family, style: "wj" });
  screen.dispose();
});

test("links without end cost nothing that stays", async () => {
  const { screen } = play();
  const part = text(
    Array.from({ length: 1000 }, (_, i) => `\x1b[H\x1b]8;;http://x/${i}\x07abcd\x1b]8;;\x07`).join(
      "",
    ),
  );
  for (let i = 0; i < 10; i++) screen.feed(part);
  await screen.settled();
  Bun.gc(true);
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 60; i++) {
    screen.feed(part);
    await screen.settled();
  }
  Bun.gc(true);
  expect(process.memoryUsage().rss - before).toBeLessThan(60e6); // it was 200 MB
  screen.dispose();
}, 20_000);

test("lines that scroll by any control at all are history, each of them", async () => {
  for (const scroll of ["\x1bD", "\x1bE", "\u0084", "\u0085", "\x0b", "\x0c", "\n"]) {
    const { screen, ops } = play(80, 5);
    screen.feed(
      text(
        `\x1b[5;1H${Array.from({ length: 400 }, (_, i) => `\r${i}`.padEnd(6) + scroll.repeat(25)).join("")}`,
      ),
    );
    await screen.settled();
    const lines = ops.flatMap((op) => (op.op === "append" ? op.lines : []));
    expect([scroll, lines.map((line) => line.trim()).filter((line) => line !== "")]).toEqual([
      scroll,
      Array.from({ length: 400 }, (_, i) => String(i)),
    ]);
    expect(lines.length).toBeGreaterThan(9990);
    screen.dispose();
  }
});

test("a program that asks without end and reads no answer has so many waiting and no more", async () => {
  let most = 0;
  const dir = mkdtempSync(join(tmpdir(), "hostile-test-"));
  const script = `stty raw -echo; echo ready; until [ -e ${join(dir, "asked")} ]; do sleep 0.05; done; echo done`;
  await wrapUnseen(
    {
      name: "sh",
      command: "sh",
      hooks: false,
      args: ["-c", script],
      env: process.env,
      cwd: process.cwd(),
    },
    { cols: 80, rows: 24 },
    (pty, _size, _hold, reply) => ({
      onOutput() {
        for (let i = 0; i < 50_000; i++) reply?.("\x1b[?1;2c");
        most = Math.max(most, pty.unread);
        writeFileSync(join(dir, "asked"), "");
      },
      onResize: () => undefined,
      onTyped: () => undefined,
    }),
  );
  rmSync(dir, { recursive: true });
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(65 * 1024);
}, 20_000);
