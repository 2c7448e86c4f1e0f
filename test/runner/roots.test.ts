import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allowedFolder, completeFolder, isInside } from "../../src/runner/roots.ts";
import { LIMITS } from "../../src/types.ts";

let dir: string;
let root: string;
let roots: string[];
beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "roots-test-")));
  root = join(dir, "src");
  for (const name of [
    "src/app/deep",
    "src/apple",
    "src/Über uns",
    "src/.hidden/in",
    "src/two\nlines",
    "outside/app",
    "src2/app",
    "empty",
  ])
    mkdirSync(join(dir, name), { recursive: true });
  writeFileSync(join(root, "a-file"), "");
  symlinkSync(join(dir, "outside"), join(root, "out"));
  symlinkSync(join(root, "app"), join(root, "again"));
  symlinkSync(join(root, "loop"), join(root, "loop"));
  symlinkSync(root, join(dir, "link"));
  roots = [root, join(dir, "empty")];
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("a folder is allowed", () => {
  test.each([
    ["as a root", "src", "src"],
    ["below a root", "src/app/deep", "src/app/deep"],
    ["with a slash at the end", "src/app/", "src/app"],
    ["by a way with dots that stays inside", "src/app/../apple/./", "src/apple"],
    ["by a link from outside that leads inside", "link/app", "src/app"],
    ["by a link inside that stays inside", "src/again/deep", "src/app/deep"],
    ["with letters beyond ASCII", "src/Über uns", "src/Über uns"],
    ["that is hidden", "src/.hidden/in", "src/.hidden/in"],
    ["by a way out and in again", "src/../src/app", "src/app"],
  ])("%s", async (_, typed, real) => {
    expect(await allowedFolder(roots, `${dir}/${typed}`)).toBe(join(dir, real));
  });

  test("as it is typed below a root", async () => {
    expect(await allowedFolder(roots, "app/deep")).toBe(join(root, "app/deep"));
  });

  test("anywhere, where the root is the whole machine", async () => {
    expect(await allowedFolder(["/"], `${dir}/outside`)).toBe(join(dir, "outside"));
    expect(isInside(["/"], "/")).toBe(true);
  });
});

describe("a folder is refused, in words,", () => {
  const outside = "outside the folders";
  const absent = "not there";
  test.each([
    ["outside", "outside", outside],
    ["above", "", outside],
    ["whose name merely begins like a root's", "src2/app", outside],
    ["by dots that lead out", "src/../outside", outside],
    ["by a link that leads out", "src/out", outside],
    ["below a link that leads out", "src/out/app", outside],
    ["that is a file", "src/a-file", absent],
    ["below a file", "src/a-file/x", absent],
    ["that is not there", "src/nothing", absent],
    ["by a link to itself", "src/loop", absent],
    ["whose name has a line break", "src/two\nlines", "can't be shown"],
    ["with a NUL", "src/app\0/../..", absent],
    ["whose name is too long", `src/${"x".repeat(300)}`, absent],
  ])("%s", async (_, typed, words) => {
    await expect(allowedFolder(roots, `${dir}/${typed}`)).rejects.toThrow(words);
  });

  test.each(["../outside", "app/../../outside", "out", "", "~/../../..", "~root"])(
    "typed as %p",
    async (typed) => {
      if (typed === "") expect(await allowedFolder(roots, typed)).toBe(root);
      else await expect(allowedFolder(roots, typed)).rejects.toThrow(/outside|not there/);
    },
  );
});

describe("what was typed is completed", () => {
  const below = async (typed: string) =>
    (await completeFolder(roots, typed)).map((path) => path.replace(`${dir}/`, ""));

  test("from nothing to the roots", async () => {
    expect(await below("")).toEqual(["empty", "src"]);
    expect(await below("/")).toEqual(["empty", "src"]);
    expect(await below(dir.slice(0, -3))).toEqual(["empty", "src"]);
  });

  test("to folders alone that can be shown and lead inside, sorted", async () => {
    expect(await below(`${root}/`)).toEqual(["src/again", "src/app", "src/apple", "src/Über uns"]);
    expect(await below("")).not.toContain("src2");
  });

  test("by the beginning of a name, whatever its case, and by a dot for hidden ones", async () => {
    expect(await below(`${root}/AP`)).toEqual(["src/app", "src/apple"]);
    expect(await below(`${root}/über`)).toEqual(["src/Über uns"]);
    expect(await below(`${root}/.`)).toEqual(["src/.hidden"]);
    expect(await below(root)).toEqual(["src"]);
  });

  test("below the roots where no slash comes first, and through links as they really are", async () => {
    expect(await below("app/")).toEqual(["src/app/deep"]);
    expect(await below(`${dir}/link/app`)).toEqual(["src/app", "src/apple"]);
  });

  test.each([
    "/outside/",
    "/src/out/",
    "/src/../",
    "/src/../outside/a",
    "/src/a-file/",
    "/src/nothing/",
    "/src\0/",
    "/src2/",
  ])("to nothing from %p", async (typed) => {
    expect(
      (await completeFolder(roots, dir + typed)).filter((path) => !roots.includes(path)),
    ).toEqual([]);
  });

  test("to so many and no more, however large the folder", async () => {
    const large = join(root, "apple");
    for (let i = 0; i < 300; i++) mkdirSync(join(large, `folder ${i}`));
    const found = await completeFolder(roots, `${large}/`);
    expect(found.length).toBe(LIMITS.folders);
    expect(found).toEqual(found.toSorted((a, b) => a.localeCompare(b, "en")));
  });

  test("to nothing in a folder that is not for us", async () => {
    chmodSync(join(root, "app/deep"), 0);
    if (process.getuid?.() !== 0) expect(await below(`${root}/app/deep/`)).toEqual([]);
    chmodSync(join(root, "app/deep"), 0o700);
  });
});
