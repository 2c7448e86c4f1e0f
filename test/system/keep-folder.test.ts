import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepFolder } from "../../src/system/keep-folder.ts";

const base = mkdtempSync(join(tmpdir(), "keep-folder-test-"));
afterAll(() => rmSync(base, { recursive: true }));

test("a folder and its files look used, and a folder that was swept away is there again, for this user alone", () => {
  const dir = join(base, "session");
  keepFolder(dir);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  const file = join(dir, "history");
  writeFileSync(file, "x");
  const old = new Date(Date.now() - 20 * 86_400_000);
  for (const path of [file, dir]) utimesSync(path, old, old);
  keepFolder(dir);
  for (const path of [file, dir]) {
    const { atimeMs, mtimeMs } = statSync(path);
    expect(Math.min(atimeMs, mtimeMs)).toBeGreaterThan(Date.now() - 60_000);
  }
  rmSync(dir, { recursive: true });
  keepFolder(dir);
  expect(existsSync(dir)).toBe(true);
});

test("a folder that can't be made is no error: the next time may do better", () => {
  writeFileSync(join(base, "file"), "x");
  expect(() => keepFolder(join(base, "file", "below"))).not.toThrow();
});
