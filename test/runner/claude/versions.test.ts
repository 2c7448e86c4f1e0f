import { expect, test } from "bun:test";
import { devDependencies } from "../../../package.json";
import {
  claudeVersion,
  judge,
  NEWEST_TRIED,
  OLDEST,
  TRIED,
} from "../../../src/runner/claude/versions.ts";

test("the newest version that was tried is the pinned one, and the README names the oldest", async () => {
  expect(devDependencies["@anthropic-ai/claude-code"]).toBe(NEWEST_TRIED);
  expect(await Bun.file("README.md").text()).toContain(OLDEST);
  expect(TRIED).toEqual(TRIED.toSorted(Bun.semver.order));
});

test("what claude tells is compared as a number, and what it does not tell is not judged", () => {
  const told = (text: string) => judge(claudeVersion(text));
  expect(told("2.1.77 (Claude Code)")).toBe("too old");
  expect(told("2.0.100 (Claude Code)")).toBe("too old");
  expect(told("2.1.78 (Claude Code)")).toBe("tried");
  expect(told("2.1.100 (Claude Code)")).toBe("tried");
  expect(told(`${NEWEST_TRIED} (Claude Code)`)).toBe("tried");
  expect(told("2.2.0 (Claude Code)")).toBe("newer");
  expect(told("10.0.0 (Claude Code)")).toBe("newer");
  expect(told("0.1")).toBe("unknown");
});
