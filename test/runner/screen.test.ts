import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { applyFrame, frameSince, type Live } from "../../src/hub/live.ts";
import { openScreen } from "../../src/runner/screen.ts";
import type { Frame } from "../../src/types.ts";
import { randomFrom } from "../support/random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const quiet = { onChange: () => undefined, onHold: () => undefined, onHistory: () => undefined };

async function drawn(text: string, cols = 40, rows = 3): Promise<Frame> {
  const screen = openScreen({ ...quiet, cols, rows });
  screen.feed(bytes(text));
  await screen.settled();
  return screen.whole();
}

describe("a row's payload", () => {
  const cases: [string, string, string][] = [
    ["plain text", "hello", "hello"],
    ["an empty row", "", ""],
    ["spaces at the end are left out", "a   ", "a"],
    ["bold", "\x1b[1mb\x1b[0m c", "b c\n1b 2"],
    ["every attribute", "\x1b[1;2;3;4;7;9mx", "x\n1bdiuvs"],
    ["hidden text", "\x1b[8msecret", "secret\n6h"],
    ["16 colours", "\x1b[31;42mx\x1b[91;102my", "xy\n1f1g2 1f9g10"],
    ["256 colours", "\x1b[38;5;208;48;5;22mx", "x\n1f208g22"],
    ["true colour", "\x1b[38;2;1;2;255;48;2;0;0;16mx", "x\n1f#0102ffg#000010"],
    ["a coloured ground is kept where it is blank", "\x1b[41m   \x1b[0m", "   \n3g1"],
    ["inverse blanks are kept", "a\x1b[7m  \x1b[0m   ", "a  \n1 2v"],
    ["wide characters", "漢字 ok", "漢字 ok\n2w 3"],
    ["an emoji of several", "👨‍👩‍👧!", "👨‍👩‍👧!\n8wj 1"],
    ["a combining accent belongs to its letter", "e\u0301x", "e\u0301x\n2j 1"],
    [
      "clusters of one style are a run each",
      "e\u0301e\u0301🇩🇪🇫🇷ก็",
      "e\u0301e\u0301🇩🇪🇫🇷ก็\n2j 2j 4wj 4wj 2j",
    ],
    ["a letter beyond the sixteenth bit is one code point", "𝒜b", "𝒜b"],
    [
      "kinds of underline",
      "\x1b[4mu\x1b[4:2mU\x1b[4:3mc\x1b[4:4mt\x1b[4:5mk\x1b[21m2",
      "uUctk2\n1u 1U 1c 1t 1k 1U",
    ],
    [
      "an underline's own colour",
      "\x1b[4:3;58:2::1:2:3mx\x1b[58:5:7my\x1b[59mz",
      "xyz\n1cl#010203 1cl7 1c",
    ],
    ["a line above", "\x1b[53mo\x1b[55m.", "o.\n1o 1"],
    ["blanks with lines are kept", "\x1b[4:3m \x1b[0m\x1b[53m \x1b[0m  ", "  \n1c 1o"],
    ["a blank in a colour with a c in it shows nothing", "a\x1b[38;2;12;12;12m ", "a"],
    ["letters of Latin-1, and what lies beyond", "é ÿ\u00a0x\r\n", "é ÿ\u00a0x"],
    ["arrows and boxes", "│ → ok", "│ → ok"],
    ["a cell that was skipped is a space", "a\x1b[3Cb", "a   b"],
    ["a sign that belongs to the digit behind it", "\u06001x", "\u06001x\n2j 1"],
    ["a link is its text", "\x1b]8;;https://example.com\x07link\x1b]8;;\x07", "link"],
  ];
  test.each(cases)("%s", async (_, input, payload) => {
    expect((await drawn(input)).lines[0]).toBe(payload);
  });
});

test("a program's wheel is known by how it has set its mouse and screen", async () => {
  const wheelAfter = async (text: string) => {
    const screen = openScreen({ ...quiet, cols: 41, rows: 10 });
    screen.feed(bytes(text));
    await screen.settled();
    return [screen.modes().wheel, screen.frame()?.full === true];
  };
  expect(await wheelAfter("")).toEqual(["none", false]);
  expect(await wheelAfter("\x1b[?1049h")).toEqual(["keys", true]);
  expect(await wheelAfter("\x1b[?1049h\x1b[?1000h")).toEqual(["x10", true]);
  expect(await wheelAfter("\x1b[?1049h\x1b[?1002h\x1b[?1006h")).toEqual(["sgr", true]);
  expect(await wheelAfter("\x1b[?1000;1006h\x1b[?1006l")).toEqual(["x10", false]);
  expect(await wheelAfter("\x1b[?9h")).toEqual(["none", false]);
  expect(await wheelAfter("\x1b[?1049h\x1b[?1003h\x1b[?1006h\x1bc")).toEqual(["none", false]);
});

describe("a frame", () => {
  test("tells cursor, size and title", async () => {
    const frame = await drawn("\x1b]2;a title\x07ab\r\nc\x1b[?25l");
    expect(frame).toMatchObject({
      cols: 40,
      rows: 3,
      cursor: { x: 1, y: 1, visible: false },
      title: "a title",
    });
  });

  test("a title is cut to its bound, a cursor past the last column stays on the screen", async () => {
    const frame = await drawn(`\x1b]2;${"t".repeat(5000)}\x07${"x".repeat(40)}`);
    expect(frame.title.length).toBe(256);
    expect(frame.cursor.x).toBe(39);
  });

  test("holds what changed alone, and nothing where nothing did", async () => {
    const screen = openScreen({ ...quiet, cols: 20, rows: 4 });
    screen.feed(bytes("one\r\ntwo"));
    await screen.settled();
    expect(screen.frame()?.lines).toEqual({ 0: "one", 1: "two", 2: "", 3: "" });
    expect(screen.frame()).toBeUndefined();
    screen.feed(bytes("!"));
    await screen.settled();
    expect(screen.frame()).toMatchObject({ rev: 2, lines: { 1: "two!" } });
  });

  test("queries are answered only where no terminal does", async () => {
    const answers: string[] = [];
    const screen = openScreen({
      ...quiet,
      cols: 20,
      rows: 4,
      onReply: (data) => answers.push(data),
    });
    screen.feed(bytes("\x1b[c"));
    await screen.settled();
    expect(answers).toEqual(["\x1b[?1;2c"]);
    expect(await drawn("\x1b[c")).toBeDefined();
  });

  test("a reader that falls behind holds the program back, and lets it go on", async () => {
    const held: boolean[] = [];
    const screen = openScreen({ ...quiet, cols: 80, rows: 24, onHold: (hold) => held.push(hold) });
    for (let i = 0; i < 40; i++) screen.feed(bytes("0123456789\r\n".repeat(1000)));
    expect(held).toEqual([true]);
    await screen.settled();
    expect(held).toEqual([true, false]);
  });
});

describe("a synchronised update", () => {
  const open = (cols = 20, rows = 3) => {
    let changes = 0;
    const screen = openScreen({ ...quiet, cols, rows, onChange: () => void changes++ });
    const feed = async (text: string) => {
      screen.feed(bytes(text));
      await screen.settled();
    };
    return { screen, feed, changes: () => changes };
  };
  const BEGIN = "\x1b[?2026h";
  const END = "\x1b[?2026l";

  test("holds rows, cursor, title and text until it ends, and the first frame is what was there before", async () => {
    const { screen, feed } = open();
    await feed(`before${BEGIN}\x1b[2J\x1b[Hhalf\x1b]2;new\x07`);
    expect(screen.whole()).toMatchObject({
      cursor: { x: 6, y: 0 },
      title: "",
      lines: { 0: "before" },
    });
    expect([screen.text()[0], screen.plain()[0]]).toEqual(["before", "before"]);
    expect(screen.frame()).toBeUndefined();
    expect(screen.isUpdating).toBe(true);
    await feed(` done${END}`);
    expect(screen.frame()).toMatchObject({ title: "new", lines: { 0: "half done" } });
  });

  test("that follows upon another in one read is held, and the other is shown", async () => {
    const { screen, feed } = open();
    await feed(`${BEGIN}\x1b[2J\x1b[Hone${END}${BEGIN}\x1b[2J\x1b[Htwo${END}`);
    expect(screen.frame()?.lines[0]).toBe("two");
    await feed(`${BEGIN}\x1b[2J\x1b[Hthree${END}${BEGIN}\x1b[2J`);
    expect(screen.frame()?.lines[0]).toBe("three");
    expect(screen.frame()).toBeUndefined();
  });

  test.each([
    ["a full reset", "\x1bc"],
    ["its end among other modes", "\x1b[?25;2026l"],
  ])("is over after %s", async (_, text) => {
    const { screen, feed } = open();
    await feed(`before${BEGIN}\x1b[2J\x1b[Hhalf${text}`);
    expect(screen.isUpdating).toBe(false);
    expect(screen.frame()?.lines[0]).toBe(text === "\x1bc" ? "" : "half");
  });

  test("has a second from its beginning, however often that is said", async () => {
    const { screen, feed, changes } = open();
    await feed(`before${BEGIN}\x1b[2J\x1b[Hhalf`);
    screen.frame();
    for (let i = 0; i < 6; i++) {
      await Bun.sleep(200);
      if (i < 4) await feed(BEGIN);
    }
    const known = changes();
    expect(screen.isUpdating).toBe(false);
    expect(screen.frame()?.lines[0]).toBe("half");
    await feed(`${END}${BEGIN}`);
    expect(screen.isUpdating).toBe(true); // the next has its own
    expect(known).toBeGreaterThan(5); // it was told when the time was up
  });

  test("is shown as it is once the program has ended", async () => {
    const { screen, feed } = open();
    await feed(`${BEGIN}last`);
    screen.frame();
    screen.ended();
    expect(screen.frame()?.lines[0]).toBe("last");
  });

  test("changes nothing in what the program is answered about it", async () => {
    let answers = "";
    const screen = openScreen({
      ...quiet,
      ...{ cols: 20, rows: 3 },
      onReply(data) {
        answers += data;
      },
    });
    screen.feed(bytes(`\x1b[?2026$p${BEGIN}\x1b[?2026$p${END}\x1b[?2026$p`));
    await screen.settled();
    expect(answers).toBe("\x1b[?2026;2$y\x1b[?2026;1$y\x1b[?2026;2$y");
  });

  test("begun and ended without end costs no more than a bounded part of the time", async () => {
    const { screen, feed } = open(200, 60);
    const plain = "x\x1b[?2027h\x1b[?2027l".repeat(20_000);
    const timed = async (text: string) => {
      const began = performance.now();
      await feed(text);
      return performance.now() - began;
    };
    await timed(plain);
    const without = await timed(plain);
    const withUpdates = await timed(plain.replaceAll("2027", "2026"));
    expect(withUpdates).toBeLessThan(without * 5 + 200); // a view at each of them takes 10 s
    screen.dispose();
  });
});

test("a reversed screen is told, until a reset of either kind", async () => {
  expect((await drawn("\x1b[?5h")).reverse).toBe(true);
  for (const end of ["\x1b[?5l", "\x1bc", "\x1b[!p"])
    expect((await drawn(`\x1b[?5h${end}`)).reverse).toBeUndefined();
});

const fixtures = join(import.meta.dir, "../fixtures/screens");
test.each(readdirSync(fixtures).filter((name) => name.endsWith(".raw")))(
  "whoever follows the frames of %s has the same screen, at whatever rev they join",
  async (name) => {
    const raw = new Uint8Array(readFileSync(join(fixtures, name)));
    const random = randomFrom(raw.length);
    const screen = openScreen({ ...quiet, cols: 80, rows: 24 });
    let server: Live | undefined;
    const viewers: { rev: number; rows: string[] }[] = [{ rev: 0, rows: [] }];
    for (let at = 0; at < raw.length; ) {
      const next = Math.min(raw.length, at + random.int(1, 900));
      screen.feed(raw.slice(at, next));
      at = next;
      await screen.settled();
      if (random.int(0, 9) === 0) screen.resize(random.int(40, 100), random.int(10, 40));
      const frame = random.int(0, 9) === 0 ? screen.whole() : screen.frame(); // now and then a new connection
      if (frame !== undefined) server = applyFrame(server, frame);
      if (random.int(0, 4) === 0) viewers.push({ rev: 0, rows: [] });
      for (const viewer of viewers) {
        if (server === undefined || random.int(0, 2) === 0) continue; // a slow one
        const since = frameSince(server, viewer.rev);
        viewer.rev = since.rev;
        viewer.rows.length = since.rows;
        for (const [y, payload] of Object.entries(since.lines)) viewer.rows[Number(y)] = payload;
      }
    }
    const truth = screen.whole();
    server = applyFrame(server, truth);
    for (const viewer of viewers) {
      const since = frameSince(server, viewer.rev);
      viewer.rows.length = since.rows;
      for (const [y, payload] of Object.entries(since.lines)) viewer.rows[Number(y)] = payload;
      expect(viewer.rows).toEqual(
        Array.from({ length: truth.rows }, (_, y) => truth.lines[y] ?? ""),
      );
    }
  },
);
