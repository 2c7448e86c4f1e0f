import { expect, test } from "bun:test";
import { readInputBox } from "../../../src/runner/claude/input-box.ts";
import { openScreen } from "../../../src/runner/screen.ts";

const RULE = "─".repeat(40);
/** What stands in the box of a screen that was painted so; the cursor is left where the mark is. */
async function read(rows: string[], cols = 40, strayCursor = false) {
  const screen = openScreen({
    cols,
    rows: 12,
    onChange: () => undefined,
    onHold: () => undefined,
    onHistory: () => undefined,
  });
  const [before = "", after = ""] = rows.join("\r\n").split("@@");
  screen.feed(new TextEncoder().encode(`${before}\x1b7${after}\x1b8`));
  await screen.settled();
  const box = readInputBox({
    ...{ rows: screen.plain(), cursor: screen.cursor(), isDim: screen.isDim },
    strayCursor,
  });
  screen.dispose();
  return box;
}

test("an empty box, a draft over several rows, and a box in shell mode are told apart", async () => {
  expect(await read(["talk", RULE, "❯ @@", RULE, "  footer"])).toEqual({
    shell: false,
    draft: "",
    stashed: false,
  });
  expect(await read([RULE, "❯ one", "", "  two@@", RULE])).toMatchObject({
    draft: "one\n\ntwo",
  });
  expect(await read([RULE, "! @@", RULE])).toMatchObject({ shell: true, draft: "" });
  expect(await read([RULE, "! ls -la@@", RULE])).toMatchObject({ shell: true, draft: "ls -la" });
  expect(await read([`${"─".repeat(20)} its name ─`, "❯ x@@", RULE])).toMatchObject({ draft: "x" });
  expect(await read(["─── ↑ 6 more ──────", "  line 7", "  line 8@@", RULE])).toMatchObject({
    draft: "line 7\nline 8",
  });
});

test("what Claude suggests is no draft; a draft that the cursor stands before is one", async () => {
  const hint = "\x1b[7mP\x1b[27m\x1b[2mress up to edit queued messages\x1b[22m";
  expect(await read([RULE, `❯ @@${hint}`, RULE])).toMatchObject({ draft: "" });
  expect(await read([RULE, "❯ @@\x1b[7mf\x1b[27mix it", RULE])).toMatchObject({ draft: "fix it" });
  expect(await read([RULE, "❯ @@\x1b[7mf\x1b[27m", RULE])).toMatchObject({ draft: "f" });
});

test("a draft that is put aside already is seen", async () => {
  const rows = ["          ◐ medium · draft stashed", RULE, "❯ @@", RULE];
  expect(await read(rows)).toMatchObject({ stashed: true });
});

test("dialogs, other programs and a box that the cursor is not in are no input box", async () => {
  for (const rows of [
    [RULE, " Do you want to proceed?", " @@❯ 1. Yes", "   2. No"],
    ["$ ls@@"],
    ["> @@"],
    [RULE, "❯ ", RULE, "@@"],
    ["", "", "@@"],
    [RULE, "Search: @@", RULE],
  ])
    expect(await read(rows)).toBeUndefined();
});

test("an older version's box is the last on the screen, wherever the cursor is; a dialog is none", async () => {
  const hint = "\x1b[7mT\x1b[27m\x1b[2mry this\x1b[22m";
  for (const [rows, draft] of [
    [["said", RULE, "❯ merge it later", RULE, "  ? for shortcuts", "@@"], "merge it later"],
    [[RULE, `❯ ${hint}`, RULE, "  ? for shortcuts", "@@"], ""],
    [[RULE, "❯ ", RULE, "@@"], ""],
  ] as const)
    expect(await read([...rows], 40, true)).toMatchObject({ draft });
  for (const rows of [
    [RULE, " Do you want to proceed?", " ❯ 1. Yes", "   2. No", "@@"],
    [RULE, "❯ 1. Yes", "  2. No", RULE, "@@"],
    [RULE, "❯ old", RULE, "1", "2", "3", "4", "@@"],
    ["❯ ", RULE, "@@"],
  ])
    expect(await read(rows, 40, true)).toBeUndefined();
});
