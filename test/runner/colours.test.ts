import { expect, test } from "bun:test";
import { parseTerminalColour, SessionColours } from "../../src/runner/colours.ts";
import { openEmulator } from "../../src/runner/emulator.ts";
import { randomFrom } from "../support/random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("a terminal's colours are read in every form and at every depth", () => {
  expect(parseTerminalColour("rgb:ffff/8080/0000")).toEqual([255, 128, 0]);
  expect(parseTerminalColour("rgb:f/8/0")).toEqual([255, 136, 0]);
  expect(parseTerminalColour("rgb:fff/800/000")).toEqual([255, 128, 0]);
  expect(parseTerminalColour("rgb:FF/80/00")).toEqual([255, 128, 0]);
  expect(parseTerminalColour("rgba:ffff/8080/0000/cccc")).toEqual([255, 128, 0]);
  expect(parseTerminalColour("#f80")).toEqual([255, 136, 0]);
  expect(parseTerminalColour("#ff8000")).toEqual([255, 128, 0]);
  expect(parseTerminalColour("#ffff80000000")).toEqual([255, 128, 0]);
  for (const text of ["", "?", "white", "#ff", "rgb:ff/ff", "rgb:fffff/0/0", "rgb:gg/0/0"])
    expect(parseTerminalColour(text)).toBeUndefined();
});

test("answers are found among what is typed, wherever reads cut them", () => {
  const random = randomFrom(5);
  for (let round = 0; round < 300; round++) {
    const colours = new SessionColours(undefined);
    const end = random.pick(["\x07", "\x1b\\"]);
    const said = bytes(
      `a\x1b[A\x1b]10;rgb:00/00/00${end}é\x1b[?1;2c\x1b]11;rgba:fd/f6/e3/ff${end}\x1b]1`,
    );
    for (let at = 0; at < said.length; ) {
      const next = at + random.int(1, 20);
      colours.typed(said.slice(at, next));
      at = next;
    }
    expect(colours.now()).toEqual({ ink: "#000000", ground: "#fdf6e3" });
    expect(colours.typed(bytes("1;rgb:00/00/00\x07"))).toBe(true);
    expect(colours.now().ground).toBe("#000000");
  }
});

test("the environment tells where no terminal does", () => {
  const now = (value: string | undefined) => new SessionColours(value).now();
  expect(now("15;0")).toEqual({ ink: "#ffffff", ground: "#000000" });
  expect(now("0;default;15")).toEqual({ ink: "#000000", ground: "#ffffff" });
  for (const value of [undefined, "", "15", "default;default", "a;b", "999;0"])
    expect(now(value)).toEqual({});
});

test("a report of the theme puts aside what was known of the other", () => {
  const colours = new SessionColours(undefined);
  colours.typed(bytes("\x1b]11;rgb:1e/1e/2e\x07"));
  colours.typed(bytes("\x1b[?997;1n"));
  expect(colours.now()).toEqual({ ground: "#1e1e2e" });
  expect(colours.typed(bytes("\x1b[?997;2n"))).toBe(true);
  expect(colours.now()).toEqual({ ground: "#ffffff", ink: "#000000" });
  expect(colours.typed(bytes("\x1b[?997;2n"))).toBe(false);
  colours.typed(bytes("\x1b]11;rgb:fd/f6/e3\x07"));
  expect(colours.now()).toEqual({ ground: "#fdf6e3", ink: "#000000" });
});

test("what the program sets holds until it takes it back, and answers meanwhile tell of nothing else", async () => {
  const colours = new SessionColours("15;0");
  const term = openEmulator(20, 3);
  colours.follow(term);
  const feed = (text: string) => new Promise<void>((resolve) => term.write(text, resolve));
  await feed("\x1b]10;#111111;rgb:ee/ee/ee;#ff0000\x07");
  expect(colours.now()).toEqual({ ink: "#111111", ground: "#eeeeee" });
  colours.typed(bytes("\x1b]11;rgb:eeee/eeee/eeee\x07"));
  await feed("\x1b]11;?\x07");
  expect(colours.now().ground).toBe("#eeeeee");
  await feed("\x1b]111\x07");
  expect(colours.now()).toEqual({ ink: "#111111", ground: "#000000" });
  await feed("\x1b]11;papayawhip\x07");
  expect(colours.now()).toEqual({ ink: "#111111" }); // not the terminal's, and of no known value
  await feed("\x1bc");
  expect(colours.now()).toEqual({ ink: "#ffffff", ground: "#000000" });
  term.dispose();
});
