import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageTrouble } from "../../src/sandbox/engine.ts";
import { until } from "../support/until.ts";

const dir = mkdtempSync(join(tmpdir(), "image-test-"));
const path = process.env.PATH;
afterAll(() => {
  process.env.PATH = path;
  rmSync(dir, { recursive: true, force: true });
});

test("who starts a sandbox from afar is told that its image is being built, or why it can't be, and it is built once", async () => {
  // an engine whose builds wait for a word
  const script = `#!/bin/sh\ncd "${dir}"\ncase "$1" in\nimage) [ -e image ] ;;\nbuild) echo build >> builds; while [ ! -e go ]; do sleep 0.02; done; [ ! -e broken ] && touch image ;;\nesac\n`;
  writeFileSync(join(dir, "docker"), script, { mode: 0o755 });
  process.env.PATH = `${dir}:${path}`;
  const said: string[] = [];
  const ask = () => imageTrouble((text) => void said.push(text));
  const builds = () =>
    existsSync(join(dir, "builds"))
      ? readFileSync(join(dir, "builds"), "utf8").length / "build\n".length
      : 0;

  writeFileSync(join(dir, "broken"), "");
  expect(await ask()).toContain("is being built");
  await until("it is built", () => builds() === 1);
  expect(await ask()).toContain("is being built");
  writeFileSync(join(dir, "go"), "");
  await until("it has failed", () => said.length === 2);
  expect(await ask()).toContain("could not be built");
  rmSync(join(dir, "broken"));
  expect(await ask()).toContain("is being built"); // tried again
  await until("it is there", () => existsSync(join(dir, "image")));
  await until("that is known", async () => (await ask()) === undefined);
  expect(builds()).toBe(2);
});
