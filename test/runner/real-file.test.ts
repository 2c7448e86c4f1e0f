import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileSize, readFileAt } from "../../src/runner/real-file.ts";

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "real-file-test-")));
  mkdirSync(join(dir, "theirs"));
  mkdirSync(join(dir, "ours"));
  for (const folder of ["theirs", "ours"]) writeFileSync(join(dir, folder, "file"), `of ${folder}`);
});
afterEach(() => rmSync(dir, { recursive: true }));
const read = (path: string, real?: string) => [
  fileSize(path, real),
  readFileAt(path, 3, 100, real).toString(),
];

test("a file is read from where one wants, as far as it goes", () => {
  const path = join(dir, "theirs/file");
  expect(read(path, path)).toEqual([9, "theirs"]);
  appendFileSync(path, "!");
  expect(read(path)).toEqual([10, "theirs!"]);
  expect(readFileAt(path, 3, 2).toString()).toBe("th");
});

test("a link, a folder, a pipe, a device or nothing at all is no file, and nobody waits for it", () => {
  symlinkSync(join(dir, "ours/file"), join(dir, "theirs/link"));
  Bun.spawnSync(["mkfifo", join(dir, "theirs/pipe")]);
  for (const path of [
    join(dir, "theirs/link"),
    join(dir, "theirs/pipe"),
    join(dir, "theirs"),
    "/dev/zero",
    join(dir, "nothing"),
    "/dev/tty",
  ])
    expect(read(path, path)).toEqual([undefined, ""]);
});

test.skipIf(process.platform !== "linux")(
  "a folder on the way that has become a link leads nowhere",
  () => {
    const path = join(dir, "theirs/file");
    renameSync(join(dir, "theirs"), join(dir, "aside"));
    symlinkSync(join(dir, "ours"), join(dir, "theirs"));
    expect(read(path, path)).toEqual([undefined, ""]);
    expect(read(path)).toEqual([7, "ours"]); // where nobody said what its real path is
  },
);
