import { afterAll, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { version } from "../package.json";
import { emptyHome } from "./support/home.ts";
import { openTty } from "./support/tty.ts";

const home = emptyHome();
afterAll(() => home.remove());

test("the package, installed somewhere else, wraps a program with the mended bun-pty", async () => {
  const bun = (cwd: string, ...argv: string[]) =>
    Bun.spawnSync([process.execPath, ...argv], { cwd, stdout: "pipe", stderr: "pipe" }); // with the machine's own cache
  const packed = bun(resolve(import.meta.dir, ".."), "pm", "pack", "--destination", home.dir);
  expect(packed.stderr.toString()).not.toContain("error");
  const [file = ""] = readdirSync(home.dir).filter((name) => name.endsWith(".tgz"));
  expect(file).toBe(`claude-remote-${version}.tgz`);
  const work = join(home.dir, "work");
  writeFileSync(join(work, "package.json"), "{}");
  const added = bun(work, "add", join(home.dir, file));
  expect(added.exitCode, added.stderr.toString()).toBe(0);
  const tty = openTty(
    [
      join(work, "node_modules/.bin/claude-remote"),
      "run",
      "--command",
      "sh",
      "--",
      "-c",
      "tty; kill -TERM $$",
    ],
    { env: home.env, cwd: work },
  );
  expect(await tty.exited).toEqual({ code: 143, signal: "SIGTERM" });
  expect(tty.text()).toContain("/dev/");
}, 60_000);
