import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { contrast, parseColour, type Rgb } from "../../src/viewer/contrast.ts";
import { type Dashboard, openDashboard, screen } from "../support/dashboard.ts";
import { until } from "../support/until.ts";

let dashboard: Dashboard;
let page: Page;
let suspicious: string[];
beforeAll(async () => {
  dashboard = await openDashboard();
  ({ page, suspicious } = await dashboard.openPaired());
}, 60_000);
afterAll(async () => {
  expect(suspicious).toEqual([]);
  await dashboard.close();
});

/** Plays a session with these rows and looks at it. */
async function show(session: string, lines: string[], more: object = {}) {
  const socket = await dashboard.playRunner(session);
  let rev = 0;
  const send = (lines: string[], more: object = {}) =>
    socket.send(screen(session, ++rev, lines, more));
  send(lines, more);
  await page.goto(`${dashboard.server.origin}/#/s/${session}`);
  await until("the rows are drawn", async () => (await rowTexts()).length >= lines.length);
  await until("the first row is there", async () => {
    const [first] = await rowTexts();
    return first === lines[0]?.split("\n")[0];
  });
  return { socket, send };
}

const rowTexts = () => page.locator(".screen .row").allTextContents();

/** The computed style of the element that holds this text. */
const styleOf = (text: string, property: string): Promise<string> =>
  page.evaluate(`(() => {
    const walker = document.createTreeWalker(document.querySelector(".terminal"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode())
      if (node.data.includes(${JSON.stringify(text)})) {
        for (let at = node.parentElement; at; at = at.parentElement) {
          const value = getComputedStyle(at)[${JSON.stringify(property)}];
          const inherited = ${JSON.stringify(property)} === "color" || !/^(rgba\\(0, 0, 0, 0\\)|none)$/.test(value);
          if (inherited || at.matches(".scroller")) return value;
        }
      }
    return "no such text";
  })()`);

const rgb = (css: string): Rgb => {
  const [red = 0, green = 0, blue = 0] = (css.match(/[\d.]+/g) ?? []).map(Number);
  return [red, green, blue];
};
const contrastOf = async (text: string) =>
  contrast(rgb(await styleOf(text, "color")), rgb(await styleOf(text, "backgroundColor")));
const hex = (colour: string): Rgb => parseColour(colour) ?? [-1, -1, -1];

describe("the terminal's colours", () => {
  test("are kept readable where nobody knows what ground the program draws on", async () => {
    const light = ["#1f1f1f", "#2c7a39", "#5769f7", "#966c1e", "#0000c0", "#666666"];
    const { socket } = await show("unknown", [
      "plain",
      ...light.map((colour, i) => `light${i}\n6f${colour}`),
      "own\n3f#eeeeeeg#ffffff",
      "ink\n3g#ffe08a",
      "index\n5f16",
      "faint\n5df#444444",
      "turned\n6vf#101010",
    ]);
    expect(rgb(await styleOf("plain", "color"))).toEqual(hex("#e8e1d7"));
    for (const text of [
      ...light.map((_, i) => `light${i}`),
      "own",
      "ink",
      "index",
      "faint",
      "turned",
    ])
      expect([text, await contrastOf(text)]).toEqual([text, expect.any(Number)]);
    for (const text of [
      ...light.map((_, i) => `light${i}`),
      "own",
      "ink",
      "index",
      "faint",
      "turned",
    ])
      expect([text, (await contrastOf(text)) >= 4.45]).toEqual([text, true]);
    socket.close();
  }, 30_000);

  test("are the program's own on the ground that it draws for, in the history too, and follow it", async () => {
    const ground = { ground: "#fafafa", ink: "#222222" };
    const lines = ["words", "string\n6f#2c7a39", "pale\n4f#bbbbbb", "red\n3f1", "white\n5f15"];
    const { socket, send } = await show("light", lines, ground);
    socket.send({
      type: "output",
      session: "light",
      seq: 1,
      op: { op: "append", generation: 0, from: 0, lines: ["older\n5f#5769f7"] },
    });
    await until("the history is there", async () =>
      (await page.locator(".history .row").allTextContents()).includes("older"),
    );
    expect(rgb(await styleOf("words", "backgroundColor"))).toEqual(hex("#fafafa"));
    expect(rgb(await styleOf("words", "color"))).toEqual(hex("#222222"));
    expect(rgb(await styleOf("string", "color"))).toEqual(hex("#2c7a39"));
    expect(rgb(await styleOf("pale", "color"))).toEqual(hex("#bbbbbb")); // as at the desk
    expect(rgb(await styleOf("older", "color"))).toEqual(hex("#5769f7"));
    for (const text of ["red", "white"]) // of the palette, which is ours
      expect([text, (await contrastOf(text)) >= 4.45]).toEqual([text, true]);
    send(lines, {});
    await until("the ground is the page's again", async () =>
      rgb(await styleOf("words", "backgroundColor")).every((part) => part < 40),
    );
    for (const text of ["string", "pale", "older", "red"])
      expect([text, (await contrastOf(text)) >= 4.45]).toEqual([text, true]);
    socket.close();
  }, 30_000);

  test("are turned around with the screen, and the cursor is seen on any ground", async () => {
    const { socket, send } = await show("reverse", ["words", "deep\n4f#333333"], { reverse: true });
    expect(rgb(await styleOf("words", "backgroundColor"))).toEqual(hex("#e8e1d7"));
    expect(rgb(await styleOf("words", "color"))).toEqual(hex("#0e0c0a"));
    const cursor = await page.evaluate(
      `getComputedStyle(document.querySelector(".cursor")).borderTopColor`,
    );
    expect(contrast(rgb(String(cursor)), hex("#e8e1d7"))).toBeGreaterThan(3);
    send(["words", "deep\n4f#333333"], { reverse: true, ground: "#ffffff", ink: "#000000" });
    await until("ground and ink change places", async () =>
      rgb(await styleOf("words", "backgroundColor")).every((part) => part === 0),
    );
    expect(await contrastOf("deep")).toBeGreaterThan(4.4);
    socket.close();
  }, 30_000);

  test("dim text on its own ground and conceal it there, and leave the ground", async () => {
    const { socket } = await show("dim", [
      "plain",
      "dim\n3dg#203040",
      "hidden\n6hg#203040",
      "swapped\n7hvf#203040",
      "faint\n5d",
    ]);
    for (const text of ["dim", "hidden", "swapped"])
      expect([text, rgb(await styleOf(text, "backgroundColor"))]).toEqual([text, hex("#203040")]);
    expect(await styleOf("hidden", "color")).toBe("rgba(0, 0, 0, 0)");
    expect(await styleOf("swapped", "color")).toBe("rgba(0, 0, 0, 0)");
    const [dim, plain] = [
      rgb(await styleOf("faint", "color")),
      rgb(await styleOf("plain", "color")),
    ];
    expect(dim[0]).toBeLessThan(plain[0] - 40);
    for (const text of ["dim", "faint"]) expect(await styleOf(text, "opacity")).toBe("1");
    socket.close();
  }, 30_000);

  test("and lines: five kinds below, in a colour of their own, through and above", async () => {
    const { socket } = await show("lines", [
      "single\n6u",
      "double\n6Ul#ff0000",
      "curly\n5cl1",
      "dotted\n6t",
      "dashed\n6k",
      "above\n5o",
      "struck\n6s",
      "both\n4scl#00ff00",
      "漢\n1wcl#ff0000",
    ]);
    const line = async (text: string) => [
      await styleOf(text, "textDecorationLine"),
      await styleOf(text, "textDecorationStyle"),
    ];
    expect(await line("single")).toEqual(["underline", "solid"]);
    expect(await line("double")).toEqual(["underline", "double"]);
    expect(await line("curly")).toEqual(["underline", "wavy"]);
    expect(await line("dotted")).toEqual(["underline", "dotted"]);
    expect(await line("dashed")).toEqual(["underline", "dashed"]);
    expect(await line("above")).toEqual(["overline", "solid"]);
    expect(await line("struck")).toEqual(["line-through", "solid"]);
    expect(await line("both")).toEqual(["underline", "wavy"]);
    expect(await line("漢")).toEqual(["underline", "wavy"]);
    expect(await styleOf("double", "textDecorationColor")).toBe("rgb(255, 0, 0)");
    expect(await styleOf("both", "textDecorationColor")).toBe("rgb(0, 255, 0)");
    expect(await styleOf("漢", "textDecorationColor")).toBe("rgb(255, 0, 0)");
    expect(
      await page.evaluate(
        `getComputedStyle(document.querySelectorAll(".screen .row")[7].firstElementChild).textDecorationLine`,
      ),
    ).toBe("line-through");
    socket.close();
  }, 30_000);
});

describe("what is hidden in a row", () => {
  test("turns nothing around, takes no cell, and is marked with its code", async () => {
    const plain = "safe exe.gnp end";
    const { socket } = await show("hidden", [
      plain,
      "safe \u202eexe.gnp\u202c end",
      "a\u2066b\u200bc\n2j 2j 1",
      "שלום abc\n4 4",
      "z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a next\n12j 5",
    ]);
    const lefts = (y: number): Promise<Record<string, number>> =>
      page.evaluate(`(() => {
        const found = {};
        const walker = document.createTreeWalker(document.querySelectorAll(".screen .row")[${y}], NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode())
          for (let i = 0; i < node.data.length; i++) {
            const range = document.createRange();
            range.setStart(node, i);
            range.setEnd(node, i + 1);
            found[node.data[i]] = Math.round(range.getBoundingClientRect().left);
          }
        return found;
      })()`);
    const [wanted, found] = [await lefts(0), await lefts(1)];
    for (const letter of "xgnpd") expect([letter, found[letter]]).toEqual([letter, wanted[letter]]);
    const third = await lefts(2);
    expect([third.a, third.b, third.c].map((left) => left === undefined)).toEqual([
      false,
      false,
      false,
    ]);
    const [one, two] = [(third.b ?? 0) - (third.a ?? 0), (third.c ?? 0) - (third.b ?? 0)];
    expect(Math.abs(one - two)).toBeLessThanOrEqual(1); // each is rounded
    const hebrew = await lefts(3);
    expect(["ש", "ל", "ו", "ם", "a"].map((letter) => hebrew[letter] ?? 0)).toEqual(
      ["ש", "ל", "ו", "ם", "a"].map((letter) => hebrew[letter] ?? 0).sort((a, b) => a - b),
    );
    expect(
      await page
        .locator(".screen [title^='U+']")
        .evaluateAll((marks) => marks.map((mark) => mark.getAttribute("title"))),
    ).toEqual(["U+202E", "U+202C", "U+2066", "U+200B"]);
    expect(await rowTexts()).toContain("safe \u202eexe.gnp\u202c end");
    expect(
      await page.evaluate(`getComputedStyle(document.querySelector(".screen .row")).overflowY`),
    ).toBe("clip");
    socket.close();
  }, 30_000);
});
