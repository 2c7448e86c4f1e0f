import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { changedOrders, ordersIn } from "../../src/sandbox/changes.ts";

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "changes-test-")));
});
afterEach(() => rmSync(dir, { recursive: true }));
const put = (path: string, text = "x") => {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
};
/** What is told of a change. */
const told = (change: () => void) => {
  const before = ordersIn(dir);
  change();
  return changedOrders(before, ordersIn(dir));
};

test("files that tell programs outside what to run are told when they are new, changed or gone, the nearest first", () => {
  for (const path of ["CLAUDE.md", "deep/er/package.json", "Makefile", "src/main.ts"]) put(path);
  expect(
    told(() => {
      put("deep/er/package.json", "y");
      put("CLAUDE.md", "y");
      rmSync(join(dir, "Makefile"));
      put("src/main.ts", "y");
      put(".envrc");
      put(".github/workflows/ci.yml");
      put("web/.claude/settings.json");
      put("lint-staged.config.mjs");
      put("docs/CLAUDE.local.md");
    }),
  ).toEqual([
    ".envrc",
    "CLAUDE.md",
    "Makefile",
    "lint-staged.config.mjs",
    "docs/CLAUDE.local.md",
    ".github/workflows/ci.yml",
    "deep/er/package.json",
    "web/.claude/settings.json",
  ]);
});

test("what stays the same is not told, whoever wrote it", () => {
  put("package.json", "{}");
  put("justfile");
  expect(told(() => put("package.json", "{}"))).toEqual([]);
  expect(told(() => put("README.md"))).toEqual([]);
});

test("a change is told though its size and time are the old ones, and so is a right to run", () => {
  put("package.json", "one");
  put(".vscode/tasks.json", "x".repeat(2 * 1024 * 1024));
  put("gradlew");
  const { mtime } = statSync(join(dir, "package.json"));
  expect(
    told(() => {
      put("package.json", "two");
      utimesSync(join(dir, "package.json"), mtime, mtime);
      Bun.sleepSync(20);
      put(".vscode/tasks.json", "y".repeat(2 * 1024 * 1024));
      utimesSync(join(dir, ".vscode/tasks.json"), mtime, mtime);
      chmodSync(join(dir, "gradlew"), 0o755);
    }),
  ).toEqual(["gradlew", "package.json", ".vscode/tasks.json"]);
});

test("a link in the place of one is told and not followed, a pipe is not waited for, a new repository is told", () => {
  put("Dockerfile");
  expect(
    told(() => {
      rmSync(join(dir, "Dockerfile"));
      symlinkSync("/etc/passwd", join(dir, "Dockerfile"));
      Bun.spawnSync(["mkfifo", join(dir, "Makefile")]);
      symlinkSync("/", join(dir, "root"));
      mkdirSync(join(dir, "new/.git"), { recursive: true });
    }),
  ).toEqual(["Dockerfile", "Makefile", "new/.git"]);
});

test("of node's modules one line tells that their programs are others", () => {
  put("node_modules/.bin/tsc");
  put("node_modules/typescript/package.json");
  expect(told(() => put("node_modules/typescript/package.json", "y"))).toEqual([]);
  expect(told(() => put("node_modules/.bin/npm"))).toEqual(["node_modules"]);
});
