import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { NEWEST_TRIED } from "../src/runner/claude/versions.ts";
import { STATUS_WORDS } from "../src/runner/status.ts";
import { claudeDir } from "./support/claude.ts";

const table = readFileSync(join(import.meta.dir, "../docs/claude-code-events.md"), "utf8");
/** The words in the first column of a section's table. */
const words = (section: string): string[] =>
  (table.split(`## ${section}\n`)[1]?.split("\n## ")[0] ?? "")
    .split("\n")
    .filter((row) => row.startsWith("| `"))
    .flatMap((row) =>
      [...(row.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)].map(([, word]) => word ?? ""),
    );

const program = readFileSync(join(claudeDir(), "claude"));
/** What stands in the pinned Claude Code between two pieces of its text. */
function between(start: string, end: string): string {
  const from = program.indexOf(start);
  expect([start, from]).not.toEqual([start, -1]);
  return program.toString("latin1", from, program.indexOf(end, from));
}

test("the tables are of the pinned Claude Code", () => {
  expect(table.split("\n", 1)[0]).toContain(`Claude Code ${NEWEST_TRIED} `);
});

test("the table knows every status word of the pinned Claude Code, and so do we", () => {
  const known = [...between('["busy","shell",', "]").matchAll(/"([a-z]+)"/g)].map(
    ([, word]) => word,
  );
  expect(words("Status words").sort()).toEqual(known.map(String).sort());
  expect(Object.keys(STATUS_WORDS).sort()).toEqual(words("Status words").sort());
});

test("the table knows every hook event of the pinned Claude Code", () => {
  const known = new Set(
    [...program.toString("latin1").matchAll(/hook_event_name:[A-Za-z]\("([A-Za-z]+)"\)/g)].map(
      ([, event]) => event,
    ),
  );
  expect(known.size).toBeGreaterThan(20);
  expect([...known].filter((event) => !words("Hook events").includes(String(event)))).toEqual([]);
});

test("the table knows every type of a transcript's entry of the pinned Claude Code", () => {
  const text = between('{user:"transcript",assistant:"transcript"', "}");
  const known = [...text.matchAll(/[{,]"?([a-z-]+)"?:"/g)].map(([, type]) => String(type));
  expect(known.length).toBeGreaterThan(30);
  expect(words("Transcript entry types").sort()).toEqual(known.sort());
});
