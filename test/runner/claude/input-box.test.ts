import { expect, test } from "bun:test";
import { readInputBox } from "../../../src/runner/claude/input-box.ts";
import { openScreen } from "../../../src/runner/screen.ts";

const RULE = "─".repeat(40);
/** What stands in the box of a screen that was painted so; the cursor is left where the mark is. */
async function read(rows: string[], cols = 40) {
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
  const box = readInputBox({ rows: screen.plain(), cursor: screen.cursor(), isDim: screen.isDim });
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
