import { describe, expect, test } from "bun:test";
import { Terminal } from "@xterm/headless";
import { goesOn, rowText } from "../../src/row.ts";
import { openEmulator } from "../../src/runner/emulator.ts";
import { followHistory, SCROLLBACK_LINES, slices } from "../../src/runner/history.ts";
import { resizeEmulator } from "../../src/runner/screen/reflow.ts";
import { maskedRows } from "../../src/runner/secrets.ts";
import type { HistoryOp } from "../../src/types.ts";
import { randomFrom } from "../support/random.ts";

/** The log as the server keeps it: what is wrong with an operation is said at once. */
function openLog() {
  let generation = 0;
  let lines: string[] = [];
  const older: string[][] = [];
  return {
    apply(op: HistoryOp) {
      switch (op.op) {
        case "append":
          expect(op.generation).toBe(generation);
          expect(op.from).toBe(lines.length);
          lines.push(...op.lines);
          return;
        case "truncate":
          expect(op.to).toBeLessThanOrEqual(lines.length);
          lines.length = op.to;
          return;
        case "generation":
          expect(op.generation).toBe(++generation);
          older.push(lines);
          lines = [];
      }
    },
    lines: () => lines,
    older,
  };
}

function open(cols: number, rows: number) {
  const term = openEmulator(cols, rows);
  const log = openLog();
  const history = followHistory(term, log.apply);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const feed = async (text: string) => {
    for (const slice of slices(encoder.encode(text), term.cols)) {
      const part = decoder.decode(slice, { stream: true });
      await new Promise<void>((resolve) => term.write(part, () => resolve(history.sync())));
    }
  };
  const rowsOf = (start: number, end: number) => {
    const buffer = term.buffer.normal;
    return maskedRows(buffer, start, end, term.cols, buffer.getNullCell());
  };
  const scrollback = () => rowsOf(0, term.buffer.normal.baseY);
  /** What stands on the screen. */
  const shown = () => rowsOf(term.buffer.normal.baseY, term.buffer.normal.length);
  return { term, log, history, feed, scrollback, shown };
}

describe("history", () => {
  test("takes each line as it scrolls off, also when far more scroll than the emulator keeps", async () => {
    const { log, feed } = open(40, 10);
    const all = Array.from({ length: 20_000 }, (_, i) => `line ${i}`);
    await feed(all.join("\r\n"));
    expect(log.lines()).toEqual(all.slice(0, -10));
  });

  test("takes each line also where a few bytes fill more than one: a wide character, repeated as often as there are columns", async () => {
    for (const cols of [7, 20, 80]) {
      const { log, feed } = open(cols, 24); // an operation that leaves lines out fails here
      const wide = (i: number) => `字\x1b[${cols}b${i % 3 === 0 ? "x".repeat(cols) : ""}`;
      await feed(Array.from({ length: 3000 }, (_, i) => wide(i)).join(""));
      expect(log.lines().length).toBeGreaterThan(SCROLLBACK_LINES);
    }
  });

  test("is reported in few operations while more is waiting, and at once where nothing is", async () => {
    const term = new Terminal({
      cols: 40,
      rows: 10,
      scrollback: SCROLLBACK_LINES,
      allowProposedApi: true,
    });
    const ops: HistoryOp[] = [];
    const history = followHistory(term, (op) => ops.push(op));
    const feed = (lines: string[], more: boolean) =>
      new Promise<void>((resolve) =>
        term.write(`${lines.join("\r\n")}\r\n`, () => resolve(history.sync(more))),
      );
    const lines = Array.from({ length: 60 }, (_, i) => `line ${i}`);
    for (let i = 0; i < 60; i += 20) await feed(lines.slice(i, i + 20), true);
    expect(ops).toEqual([]);
    history.sync();
    expect(ops).toEqual([{ op: "append", generation: 0, from: 0, lines: lines.slice(0, 51) }]);
    await feed(["one", "more"], true);
    history.resize(40, 30); // takes lines back that were not even reported
    expect(ops.slice(1)).toEqual([
      { op: "append", generation: 0, from: 51, lines: lines.slice(51, 53) },
      { op: "truncate", generation: 0, to: 33 },
    ]);
    term.dispose();
  });

  test("a taller terminal takes lines back, a lower one gives them again", async () => {
    const { log, feed, history, scrollback } = open(40, 10);
    await feed(Array.from({ length: 30 }, (_, i) => `line ${i}`).join("\r\n"));
    history.resize(40, 20);
    expect(log.lines()).toEqual(scrollback());
    expect(log.lines().length).toBe(10);
    history.resize(40, 5);
    expect(log.lines()).toEqual(scrollback());
    expect(log.lines().length).toBe(25);
  });

  test("a new width rewraps what the emulator still has", async () => {
    const { log, feed, history, scrollback } = open(40, 5);
    await feed(Array.from({ length: 30 }, (_, i) => `${i} ${"wide ".repeat(7)}`).join("\r\n"));
    history.resize(20, 5);
    expect(log.lines()).toEqual(scrollback());
    history.resize(80, 8);
    expect(log.lines()).toEqual(scrollback());
  });

  test("a cleared scrollback begins a new generation, and the old one stays whole", async () => {
    const { log, feed } = open(40, 5);
    await feed(Array.from({ length: 12 }, (_, i) => `old ${i}`).join("\r\n"));
    await feed(
      `\x1b[2J\x1b[3J\x1b[H${Array.from({ length: 8 }, (_, i) => `new ${i}`).join("\r\n")}`,
    );
    expect(log.older).toEqual([Array.from({ length: 7 }, (_, i) => `old ${i}`)]);
    expect(log.lines()).toEqual(["new 0", "new 1", "new 2"]);
    await feed("\x1bc");
    expect(log.lines()).toEqual([]);
  });

  test("the alternate screen adds nothing, and history goes on after it", async () => {
    const { log, feed, history, scrollback } = open(40, 5);
    await feed(Array.from({ length: 9 }, (_, i) => `before ${i}`).join("\r\n"));
    await feed(`\x1b[?1049h\x1b[H${"full screen\r\n".repeat(50)}`);
    expect(log.lines().length).toBe(4);
    history.resize(40, 8);
    history.resize(40, 5);
    await feed(`\x1b[?1049l\r\n${Array.from({ length: 9 }, (_, i) => `after ${i}`).join("\r\n")}`);
    expect(log.lines()).toEqual(scrollback());
  });

  test.each(Array.from({ length: 60 }, (_, seed) => seed))(
    "after anything at all it equals the emulator's scrollback (seed %p)",
    async (seed) => {
      const random = randomFrom(seed);
      const { log, feed, history, scrollback, term } = open(random.int(20, 100), random.int(3, 30));
      let count = 0;
      const acts = [
        () =>
          feed(
            Array.from(
              { length: random.int(1, 40) },
              () => `row ${count++} ${"x".repeat(random.int(0, 120))}`,
            ).join("\r\n"),
          ),
        () => feed(`\x1b[${random.int(31, 36)}mcolour 漢字 e\u0301\x1b[0m\r\n`),
        () => feed(`\x1b[${random.int(1, 20)};${random.int(1, 40)}Hmoved`),
        () =>
          feed(
            random.pick([
              "\x1b[2J",
              "\x1b[5L",
              "\x1b[3M",
              "\x1bM",
              "\x1b[4S",
              "\x1b[2T",
              "\x1b[2;5r",
              "\x1b[r",
              "\x1bD\x1bD",
              "\x1bE",
            ]),
          ),
        () =>
          feed(
            random.pick([
              "\x1b[3J",
              "\x1b[?1049h",
              "\x1b[?1049l",
              "\x1b[?47h",
              "\x1b[?47l",
              "\x1b[!p",
            ]),
          ),
        async () => history.resize(random.int(10, 120), term.rows),
        async () => history.resize(term.cols, random.int(2, 50)),
        async () => history.resize(random.int(10, 120), random.int(2, 50)),
      ];
      for (let i = 0; i < 60; i++) await random.pick(acts)();
      await feed("\x1b[?1049l\x1b[?47l\x1b[r\x1b[999H\r\n\r\n");
      const held = scrollback();
      expect(term.buffer.normal.baseY).toBeLessThan(SCROLLBACK_LINES); // else the oldest are in the log alone
      expect(log.lines()).toEqual(held);
    },
  );

  test("with more lines than the emulator keeps, none is lost or doubled across changes of height", async () => {
    const { log, feed, history } = open(30, 10);
    const all: string[] = [];
    const random = randomFrom(7);
    for (let round = 0; round < 40; round++) {
      const lines = Array.from({ length: random.int(1, 300) }, () => "").map(
        (_, i) => `line ${all.length + i}`,
      );
      all.push(...lines);
      await feed(lines.map((line) => `${line}\r\n`).join(""));
      history.resize(30, random.int(3, 40));
    }
    expect(log.lines()).toEqual(all.slice(0, log.lines().length));
    expect(log.lines().length).toBeGreaterThan(SCROLLBACK_LINES);
  });
});

/** A session's history beside a terminal that forgets nothing. */
function openBeside(cols: number, rows: number) {
  const session = open(cols, rows);
  const whole = openEmulator(cols, rows);
  whole.options.scrollback = 1_000_000;
  return {
    ...session,
    async feed(text: string) {
      await session.feed(text);
      await new Promise<void>((resolve) => whole.write(text, resolve));
    },
    resize(newCols: number, newRows: number) {
      session.history.resize(newCols, newRows);
      resizeEmulator(whole, newCols, newRows);
    },
    /** All that was printed: as it is stored and shown, and as that terminal has it. */
    both() {
      const { normal } = whole.buffer;
      const held = maskedRows(normal, 0, normal.length, whole.cols, normal.getNullCell());
      return {
        stored: joined([...session.log.lines(), ...session.shown()]),
        held: joined(held),
      };
    },
  };
}

describe("resized with far more lines than the emulator keeps", () => {
  test("a terminal that is made narrow and wide again has every line as it was", async () => {
    const { log, feed, resize } = openBeside(120, 30);
    const all = Array.from({ length: 5000 }, (_, i) =>
      `line ${i} ${"wide ".repeat(i % 23)}`.trim(),
    );
    await feed(all.join("\r\n"));
    resize(45, 30);
    expect(joined(log.lines()).map(bare)).toEqual(all.slice(0, joined(log.lines()).length));
    resize(120, 30);
    expect(log.lines()).toEqual(all.slice(0, -30));
  });

  test("a line that is not ended keeps its end, and what is printed next stands behind it", async () => {
    for (const [wide, narrow] of [
      [120, 45],
      [80, 79],
      [100, 20],
      [90, 30],
    ] as const) {
      const { feed, resize, both } = openBeside(wide, 10);
      const line = "0123456789".repeat(9).slice(0, wide);
      await feed(`before\r\n${line}`);
      resize(narrow, 10);
      await feed("more");
      resize(wide, 10);
      await feed(`last\r\n${"\r\n".repeat(12)}`);
      expect(both().stored.slice(0, 2)).toEqual(["before", `${line}morelast`]);
    }
  });

  test("a full last column stays full when only the height changes", async () => {
    for (const screen of ["", "\x1b[?1049h"]) {
      const { feed, resize, term } = openBeside(20, 5);
      await feed(`${screen}${"x".repeat(20)}`);
      resize(20, 8);
      await feed("y");
      const { active } = term.buffer;
      expect(active.getLine(0)?.translateToString(true)).toBe("x".repeat(20));
      expect(active.getLine(1)?.translateToString(true)).toBe("y");
    }
  });

  test("a full-screen program that is resized leaves the cursor where it found it", async () => {
    const { feed, resize, both } = openBeside(100, 10);
    await feed(`${"first ".repeat(15)}\r\n$ vim`);
    await feed("\x1b[?1049h\x1b[2J\x1b[Hfull screen");
    resize(30, 8);
    await feed("\x1b[5Hredrawn");
    resize(100, 12);
    await feed("\x1b[?1049l file\r\n$ next");
    expect(both().stored.slice(0, 3).map(bare)).toEqual([
      "first ".repeat(15).trim(),
      "$ vim file",
      "$ next",
    ]);
  });

  test("a screen that takes back almost all that the emulator has takes nothing else", async () => {
    for (const [cols, rows] of [
      [500, 30],
      [500, 1800],
      [41, 1950],
      [10, 1990],
    ] as const) {
      const { feed, resize, both } = openBeside(10, 30);
      const all = Array.from({ length: 2500 }, (_, i) => `line ${i} x${"x".repeat(i % 37)}`);
      await feed(`${all.join("\r\n")}\r\n`);
      resize(12, 30);
      resize(cols, rows);
      expect(both().stored.slice(0, all.length)).toEqual(all);
      resize(10, 20);
      await feed("after\r\n".repeat(40));
      expect(both().stored.slice(0, all.length)).toEqual(all);
      expect(both().stored.filter((line) => line === "after").length).toBe(40);
    }
  });

  test("a private key at the edge of what the emulator still has stays masked", async () => {
    const { log, feed, resize } = openBeside(80, 10);
    const key = Array.from(
      { length: 40 },
      (_, i) => `${"Abc9".repeat(15)}${String(i).padStart(4, "0")}`,
    );
    await feed(
      `-----BEGIN PRIVATE KEY-----\r\n${key.join("\r\n")}\r\n-----END PRIVATE KEY-----\r\n`,
    );
    for (let kept = 1970; kept < 2010; kept += 7) {
      await feed("x\r\n".repeat(kept === 1970 ? kept : 7));
      resize(50, 10);
      resize(80, 10);
      expect(log.lines().join("\n")).not.toContain("Abc9");
    }
  });

  test.each(Array.from({ length: 12 }, (_, seed) => seed))(
    "after any output and sizes it holds what a terminal without a bound would hold (seed %p)",
    async (seed) => {
      const random = randomFrom(seed + 5000);
      const { feed, resize, both, term } = openBeside(random.int(30, 130), random.int(3, 40));
      let count = 0;
      const words = () =>
        Array.from({ length: random.int(0, 30) }, () =>
          random.pick(["word", "a", "字", "e\u0301", "long-word-here"]),
        ).join(" ");
      const acts = [
        () =>
          feed(
            Array.from({ length: random.int(1, 500) }, () => `${count++} ${words()}\r\n`).join(""),
          ),
        () =>
          feed(
            Array.from({ length: random.int(1, 30) }, () => `${count++} ${words()}\r\n`).join(""),
          ),
        () => feed(`${count++} ${words()}`),
        () => feed(`\r\x1b[K${count++} again`),
        () => feed(`\r\n\x1b[1A\x1b[K${count++} ${words()}\r\n`),
        async () => {
          await feed(`\x1b[?1049h\x1b[2J\x1b[H${words()}`);
          resize(random.int(10, 140), random.int(2, 50));
          await feed("\x1b[?1049l");
        },
        () => resize(random.int(10, 140), term.rows),
        () => resize(term.cols, random.int(2, 50)),
        () => resize(random.int(10, 140), random.int(2, 50)),
      ];
      for (let i = 0; i < 30; i++) await random.pick(acts)();
      const { stored, held } = both();
      expect(stored.map(bare)).toEqual(held.map(bare));
    },
  );
});

/** Rows as the lines that were printed: each with all that it goes on in. */
function joined(rows: readonly string[]): string[] {
  const lines: string[] = [];
  let line = "";
  for (const row of rows) {
    line += rowText(row);
    if (goesOn(row)) continue;
    lines.push(line);
    line = "";
  }
  return line === "" ? lines : [...lines, line];
}
const bare = (text: string) => text.replace(/\p{Cc}\[[\d;:]*m/gu, "").replace(/ +$/, "");

describe("a line that the terminal wraps", () => {
  const pieces = [
    "word",
    "a",
    " ",
    "    ",
    "漢字",
    "👨‍👩‍👧",
    "🇩🇪",
    "e\u0301",
    "क्षि",
    "ก็",
    "😀",
    "https://example.com/a?b=c",
    "\x1b[1;31mred\x1b[0m",
    "\x1b[44m  on blue  \x1b[0m",
    "\x1b[4:3;58:2::1:2:3mcurly \x1b[59mline\x1b[0m",
    "password=hunter22222hunter22222",
  ];
  test.each(Array.from({ length: 40 }, (_, seed) => seed))(
    "is the same once its rows are put together, in whatever width it came and is now (seed %p)",
    async (seed) => {
      const random = randomFrom(seed + 1000);
      const { log, feed, history, shown, scrollback } = open(
        random.int(10, 100),
        random.int(2, 20),
      );
      const printed: string[] = [];
      for (let round = 0; round < 12; round++) {
        for (let i = random.int(1, 12); i > 0; i--) {
          const words = Array.from({ length: random.int(0, 40) }, () => random.pick(pieces));
          const line = words
            .filter((word) => seed % 2 === 0 || !word.includes("password"))
            .join("");
          printed.push(line);
          await feed(`${line}\r\n`);
        }
        if (random.int(0, 2) === 0) history.resize(random.int(10, 120), random.int(2, 30));
      }
      expect(log.lines()).toEqual(scrollback());
      const all = [...log.lines(), ...shown()];
      const dots = (text: string) => text.replaceAll("hunter22222", "•".repeat(11));
      const lines = joined(all).map(bare);
      while (lines.at(-1) === "") lines.pop();
      const wanted = printed.map(bare);
      while (wanted.at(-1) === "") wanted.pop();
      if (seed % 2 === 1) expect(lines).toEqual(wanted);
      // what is a secret is told by what stands around it: the length alone is compared
      else
        expect(lines.map((line) => line.length)).toEqual(wanted.map((line) => dots(line).length));
    },
  );

  test("goes on from the newest line of history in the first row of the screen, until that is cleared", async () => {
    const { log, feed, scrollback } = open(20, 3);
    const long = "0123456789".repeat(5);
    await feed(`${long}\r\nx`);
    expect(log.lines()).toEqual(["01234567890123456789\n+"]);
    await feed("\x1b[H\x1b[2J");
    expect(log.lines()).toEqual(["01234567890123456789"]);
    await feed("one\r\ntwo\r\nthree\r\nfour");
    expect(log.lines()).toEqual(["01234567890123456789", "one"]);
    expect(log.lines()).toEqual(scrollback());
  });

  test("ends where its end was erased, where lines were put into it, and where they were taken out", async () => {
    const long = "0123456789".repeat(5);
    const after = async (text: string) => {
      const { feed, shown } = open(20, 6);
      await feed(`${long}\r\n${text}`);
      return shown().map((row) => `${rowText(row)}${goesOn(row) ? "+" : ""}`);
    };
    const whole = ["01234567890123456789+", "01234567890123456789+", "0123456789", "", "", ""];
    expect(await after("")).toEqual(whole);
    expect((await after("\x1b[H\x1b[5C\x1b[K"))[0]).toBe("01234");
    expect((await after("\x1b[H\x1b[2K"))[0]).toBe("");
    expect((await after("\x1b[H\x1b[1K"))[0]).toBe(" 1234567890123456789+");
    expect((await after("\x1b[H\x1b[5C\x1b[99X"))[0]).toBe("01234");
    expect((await after("\x1b[H\x1b[5C\x1b[3X"))[0]).toBe("01234   890123456789+");
    expect((await after("\x1b[2H\x1b[L")).slice(0, 3)).toEqual([
      "01234567890123456789",
      "",
      "01234567890123456789+",
    ]);
    expect((await after("\x1b[2H\x1b[M")).slice(0, 2)).toEqual([
      "01234567890123456789",
      "0123456789",
    ]);
  });
});
