import { expect, test } from "bun:test";
import { join } from "node:path";
import {
  FLAGS,
  hasFlag,
  isOverAtOnce,
  readArguments,
  SUBCOMMANDS,
  subcommand,
} from "../../../src/runner/claude/arguments.ts";
import { claudeProgram } from "../../support/claude.ts";

const help = Bun.spawnSync([claudeProgram(), "--help"]).stdout.toString();
const [flagsPart = "", commandsPart = ""] = help.split(/^Commands:$/m);

test("every flag of the pinned claude is known, and how many words it takes", () => {
  const listed = new Map<string, string>();
  for (const [, names = "", value = ""] of flagsPart.matchAll(
    /^ {2}((?:-\w, )?--[\w-]+(?:, --[\w-]+)*)((?: [<[][^\]>]+[\]>])?)/gm,
  ))
    for (const name of names.split(", "))
      listed.set(
        name,
        /\.\.\.>/.test(value)
          ? "list"
          : value.startsWith(" <")
            ? "value"
            : value.startsWith(" [")
              ? "optional"
              : "none",
      );
  expect(listed.size).toBeGreaterThan(60);
  expect(Object.fromEntries(listed)).toEqual(FLAGS);
});

test("every sub-command of the pinned claude is known, and what becomes of it", () => {
  const listed = [...commandsPart.matchAll(/^ {2}([a-z][\w|-]*)/gm)].flatMap(([, names = ""]) =>
    names.split("|"),
  );
  expect(listed.toSorted()).toEqual(Object.keys(SUBCOMMANDS).toSorted());
});

const operands = (line: string) =>
  readArguments(line.split(" "))
    .filter(({ kind }) => kind === "operand")
    .map(({ value }) => value);

test("a prompt is told from the values of the flags before it", () => {
  for (const [line, prompt] of [
    ["fix it", ["fix", "it"]],
    ["--add-dir a b --settings s.json fix", ["fix"]],
    ["--add-dir a b -- fix --bare", ["fix", "--bare"]],
    ["--add-dir=a fix", ["fix"]],
    ["--debug fix", []],
    ["--debug -c fix", ["fix"]],
    ["-r fix", []],
    ["-rfix that", ["that"]],
    ["-cp fix", ["fix"]],
    ["--model opus fix", ["fix"]],
    ["--system-prompt --bare fix", ["fix"]],
    ["--not-known fix", ["fix"]],
    ["- fix", ["-", "fix"]],
  ] as const)
    expect([line, operands(line)]).toEqual([line, [...prompt]]);
});

test("flags are found in every form, and not among values", () => {
  expect(hasFlag(["-cp"], "-p")).toBe(true);
  expect(hasFlag(["--model", "x", "--bg", "fix"], "--bg", "--background")).toBe(true);
  expect(hasFlag(["--append-system-prompt", "--bg"], "--bg")).toBe(false);
  expect(hasFlag(["-n", "-p"], "-p")).toBe(false);
  expect(hasFlag(["fix", "--", "-p"], "-p")).toBe(false);
  expect(hasFlag(["-rp"], "-p")).toBe(false); // the value of -r
});

test("a sub-command is the first word that is no flag and no value", () => {
  expect(subcommand(["--model", "opus", "mcp", "list"])).toBe("mcp");
  expect(subcommand(["--debug", "mcp", "list"])).toBe("list"); // as claude takes it: a prompt
  expect(subcommand(["--", "mcp"])).toBeUndefined();
  for (const line of ["-p x", "--bg x", "x --background", "mcp list", "logs 1", "agents --json"])
    expect([line, isOverAtOnce(line.split(" "))]).toEqual([line, true]);
  for (const line of ["x", "agents", "auth login", "-n mcp x", "--add-dir mcp --model o fix"])
    expect([line, isOverAtOnce(line.split(" "))]).toEqual([line, false]);
});

test("the documentation names each of them", async () => {
  const text = await Bun.file(join(import.meta.dir, "../../../docs/claude-code.md")).text();
  const part = (title: string) => text.split(`## ${title}\n`)[1]?.split("\n## ")[0] ?? "";
  const named = (title: string) =>
    [...part(title).matchAll(/`([^`\s]+)`/g)].map(([, word]) => word);
  for (const flag of Object.keys(FLAGS)) expect(named("Flags")).toContain(flag);
  for (const word of Object.keys(SUBCOMMANDS)) expect(named("Sub-commands")).toContain(word);
});
