import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { OLDEST_BROWSERS, OLDEST_BROWSERS_WORDS } from "../../public/browsers.ts";
import { countKnown, findLacking, isEsr } from "../support/compat.ts";
import { scriptUses } from "../support/compat-script.ts";
import { styleUses } from "../support/compat-style.ts";

const ROOT = resolve(import.meta.dir, "../..");
const folder = mkdtempSync(join(tmpdir(), "compat-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What some of the oldest browsers lack and the page can do without there, and why. */
const DISPENSABLE: [RegExp, string][] = [
  [
    /^public\/\S+ (?:event touch(?:start|move|end|cancel)|touches|changedTouches|clientX|clientY): safari [\d.]+ \(there since: never\)$/,
    "Macs have no touch screen",
  ],
  [/ event wheel: safari_ios [^,]*$/, "phones have no wheel"],
  [
    / autocapitalize: safari [\d.]+ \(there since: never\)$/,
    "Macs capitalise nothing by themselves",
  ],
  [/ autocorrect: /, "a hint to the keyboard"],
  [
    /worker\.ts:\d+ (?:event notificationclick|notification|action): /,
    "where a notification can't be tapped or has no buttons, the page itself is opened",
  ],
  [
    /worker\.ts:\d+ event pushsubscriptionchange: /,
    "the page renews its subscription each time it is opened, too",
  ],
  [/ -webkit-tap-highlight-color: /, "where there is none, there is nothing to hide"],
  [/ text-wrap(?:: balance)?: /, "a heading's lines are then of different lengths"],
  [/ overflow-anchor(?:: none)?: /, "it switches off what those browsers do not do"],
  [/ cursor: \w+: safari_ios [^,]*$/, "phones have no pointer"],
  [/ resize(?:: \w+)?: safari_ios [^,]*$/, "phones have no handle to drag"],
  [/ font-variant-emoji(?:: unicode)?: /, "the terminal has a box for each such character"],
  [/ :selection: safari_ios /, "iOS shows a selection of its own"],
  [/ scrollbar-width(?:: none)?: /, "a scroll bar is then seen"],
  [/ forced-color-adjust(?:: none)?: /, "those browsers have no forced colours"],
];

/** What a module or a style sheet of the page would be told. */
async function lint(source: string): Promise<string[]> {
  writeFileSync(join(folder, "sample.ts"), source);
  const tsconfig = {
    extends: join(ROOT, "public/tsconfig.json"),
    include: ["sample.ts"],
    exclude: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
  return findLacking(await scriptUses(join(folder, "tsconfig.json"))).map((line) =>
    line.replace(/^\S*:(\d+) ([^:]+):.*/, "$1 $2"),
  );
}
const lintStyle = (css: string) =>
  findLacking(styleUses("sample.css", css)).map((line) =>
    line.replace(/^\S*:(\d+) (.+?): \w+ [\d.]+ \(.*/, "$1 $2"),
  );

test("the page uses nothing that one of its oldest browsers lacks, unless it looks for it first or can do without", async () => {
  const scripts = await Promise.all(
    ["tsconfig.json", "tsconfig.worker.json"].map((name) => scriptUses(join(ROOT, "public", name))),
  );
  const css = styleUses("public/app.css", readFileSync(join(ROOT, "public/app.css"), "utf8"));
  const uses = [...scripts.flat(), ...css];
  expect(countKnown(scripts.flat())).toBeGreaterThan(400);
  expect(countKnown(css)).toBeGreaterThan(200);
  const lacking = findLacking(uses);
  expect(lacking.filter((line) => !DISPENSABLE.some(([sign]) => sign.test(line)))).toEqual([]);
}, 60_000);

test("the README names the same oldest browsers as the code", () => {
  expect(readFileSync(join(ROOT, "README.md"), "utf8")).toContain(OLDEST_BROWSERS_WORDS);
  expect(isEsr(OLDEST_BROWSERS.firefox)).toBe(true);
});

describe("what is told of a module", () => {
  test.each([
    [
      "for await over a response",
      "const { body } = await fetch('/');\nfor await (const part of body ?? new ReadableStream()) console.log(part);\nexport {};",
      "2 for await over ReadableStream",
    ],
    [
      "for await over a piped stream",
      "declare const body: ReadableStream<Uint8Array<ArrayBuffer>>;\nfor await (const text of body.pipeThrough(new TextDecoderStream())) console.log(text);\nexport {};",
      "2 for await over ReadableStream",
    ],
    [
      "a stream's values",
      "export const all = (body: ReadableStream) => body.values();",
      "1 values",
    ],
    ["URL.parse", "export const url = (text: string) =>\n  URL.parse(text);", "2 parse"],
    ["URL.canParse", "export const is = (text: string) => URL.canParse(text);", "1 canParse"],
    [
      "a static method of a builtin",
      "export const { promise } = Promise.withResolvers<void>();",
      "1 withResolvers",
    ],
    ["a method of sets", "export const both = new Set([1]).union(new Set([2]));", "1 union"],
    ["a helper of iterators", "export const twice = [1].values().map((n) => n * 2);", "1 map"],
    ["a regular expression's flag", "export const letters = /[\\p{L}--[a-z]]/v;", "1 flag v"],
    ["a modifier in a regular expression", "export const word = /a(?i:b)/;", "1 modifier"],
    [
      "a newer statement",
      "export function f(it: Disposable) {\n  using held = it;\n  return held;\n}",
      "2 using",
    ],
    [
      "a member taken apart",
      "export const { caretPositionFromPoint } = document;",
      "1 caretPositionFromPoint",
    ],
    [
      "an event",
      "declare const box: HTMLElement;\nbox.addEventListener('scrollsnapchange', () => undefined);",
      "2 event scrollsnapchange",
    ],
    [
      "an attribute",
      "declare const el: (tag: string, props: object) => Element;\nexport const a = el('div', { attrs: { popover: '' } });",
      "2 popover",
    ],
  ])("%s", async (_name, source, told) => {
    expect(await lint(source)).toContain(told);
  });

  test.each([
    ["optional chaining", "export const text = URL.parse?.('https://a');"],
    ["typeof", "export const has = typeof Array.fromAsync === 'function';"],
    [
      "in",
      "export function later(run: () => void) {\n  if ('scheduler' in globalThis) return void scheduler.postTask(run);\n  setTimeout(run);\n}",
    ],
    [
      "what every one of them has",
      "export const s = structuredClone([1, 2].findLast(Boolean)?.toFixed().at(-1)?.replaceAll('a', 'b'));",
    ],
  ])("nothing where the code looks first: %s", async (_name, source) => {
    expect(await lint(source)).toEqual([]);
  });
});

describe("what is told of a style sheet", () => {
  test.each([
    ["a function", "a {\n  color: color-mix(in srgb, red, blue);\n}", ["2 color-mix()"]],
    [
      "a function after a fallback that a variable makes useless",
      "a {\n  color: red;\n  color: color-mix(in srgb, var(--x), blue);\n}",
      ["3 color-mix()"],
    ],
    ["nesting", "a {\n  & b {\n    color: red;\n  }\n}", ["2 &"]],
    ["an at-rule", "@scope (a) {\n  b {\n    color: red;\n  }\n}", ["1 @scope"]],
    ["a selector", "a:open {\n  color: red;\n}", ["1 :open"]],
    [
      "a property",
      "a {\n  field-sizing: content;\n}",
      ["2 field-sizing", "2 field-sizing: content"],
    ],
  ])("%s", (_name, css, told) => {
    expect(lintStyle(css)).toEqual(told);
  });

  test.each([
    ["a fallback", "a {\n  color: red;\n  color: color-mix(in srgb, red, blue);\n}"],
    [
      "@supports",
      "@supports (color: color-mix(in srgb, red, blue)) {\n  a {\n    color: color-mix(in srgb, var(--x), blue);\n  }\n}",
    ],
    ["a prefix", "a {\n  -webkit-user-select: none;\n  user-select: none;\n}"],
    ["a comment", "/* a { field-sizing: content; } */"],
    ["what every one of them has", "a:has(b) {\n  inset: 0;\n  height: 100dvh;\n}"],
  ])("nothing with %s", (_name, css) => {
    expect(lintStyle(css)).toEqual([]);
  });
});
