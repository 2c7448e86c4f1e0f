import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SandboxReport } from "../../src/sandbox/report.ts";
import { LIMITS } from "../../src/types.ts";

test("a place is told once, what Claude asks for by itself never, and no more places than may be", () => {
  const dir = mkdtempSync(join(tmpdir(), "report-test-"));
  const report = new SandboxReport(dir);
  const heard: string[][] = [];
  report.onRefused = (places) => heard.push(places);
  for (const place of ["raw.githubusercontent.com", "http-intake.logs.us5.datadoghq.com"])
    report.refuse(place); // as it starts
  expect(report.news()).toBeUndefined();
  report.asked();
  for (const place of ["raw.githubusercontent.com", "pypi.org", "pypi.org", "o1.sentry.io"])
    report.refuse(place);
  expect(heard).toEqual([["raw.githubusercontent.com"], ["raw.githubusercontent.com", "pypi.org"]]);
  expect(report.news()).toContain("asked for raw.githubusercontent.com, pypi.org; allow with");
  expect(report.news()).toBeUndefined();
  report.refuse("example.com:8080");
  expect(report.news()).toBe(
    "the sandbox asked for example.com:8080; allow with `--sandbox-host example.com:8080`",
  );
  for (let i = 0; i < 100; i++) report.refuse(`h${i}.example`);
  expect(report.end().refused).toHaveLength(LIMITS.refusedPlaces);
  rmSync(dir, { recursive: true });
});

test("the end names as many files as may be, the nearest first, and says at the desk that there are more", () => {
  const dir = mkdtempSync(join(tmpdir(), "report-test-"));
  const report = new SandboxReport(dir);
  for (let i = 0; i < 30; i++) writeFileSync(join(dir, `.env.${i}`), "");
  expect(report.end().changed).toHaveLength(LIMITS.changedFiles);
  const [words = ""] = report.endWords();
  expect(words).toMatch(/: \.env\.0, .* and 20 more\. Read them/);
  writeFileSync(join(dir, "Makefile"), "");
  expect(report.end().changed).not.toContain("Makefile"); // nobody inside wrote that
  rmSync(dir, { recursive: true });
});
