import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { emptyHome, SELF } from "../support/home.ts";

/** A claude out here that leaves a mark; with no docker command, whatever is to run in a sandbox runs nowhere. */
describe("with sandbox = always", () => {
  const home = emptyHome();
  const work = join(home.dir, "work");
  const bin = join(home.dir, "own-bin");
  const config = join(home.dir, ".config/claude-remote/config.toml");
  const mark = join(home.dir, "ran");
  beforeAll(() => {
    mkdirSync(bin);
    mkdirSync(join(config, ".."), { recursive: true });
    writeFileSync(join(bin, "claude"), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
  });
  afterAll(() => home.remove());

  /** Whether it ran out here, how it ended, and what was said. */
  const run = async (args: string[], toml: string, env: Record<string, string> = {}) => {
    writeFileSync(config, toml);
    rmSync(mark, { force: true });
    const child = Bun.spawn([...SELF, ...args], {
      cwd: work,
      env: { ...home.env, PATH: `${bin}:/usr/bin:/bin`, DOCKER_HOST: "unix:///nowhere", ...env },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    const [code, said] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    return { ran: existsSync(mark), code, said };
  };
  const ALWAYS = 'sandbox = "always"\n';

  test("claude runs in one or not at all, however it is started", async () => {
    for (const args of [
      [],
      ["-p", "do it"],
      ["--continue"],
      ["run", "--", "-p", "x"],
      ["run", "--command", join(bin, "claude"), "--", "-p", "x"],
      ["--name", "mcp", "-p", "x"],
      ["auth", "login"],
    ])
      expect([args, await run(args, ALWAYS)]).toEqual([
        args,
        { ran: false, code: 126, said: expect.stringContaining("the sandbox needs") },
      ]);
    expect(await run(["-p", "x"], "", { CLAUDE_REMOTE_SANDBOX: "always" })).toMatchObject({
      ran: false,
      code: 126,
    });
  }, 60_000);

  test("a mistake elsewhere in the options is no way out", async () => {
    for (const toml of [`${ALWAYS}prot = 1\n`, `sandbox = 'always'\nport = [\n`])
      expect([toml, await run(["-p", "x"], toml)]).toEqual([
        toml,
        { ran: false, code: 2, said: expect.any(String) },
      ]);
    expect(await run(["-p", "x"], "", { CLAUDE_REMOTE_SANDBOX: "allways" })).toMatchObject({
      ran: false,
      code: 2,
      said: expect.stringContaining("always or never"),
    });
  }, 60_000);

  test("what does no work runs as ever, and so does what is asked for without one", async () => {
    for (const args of [
      ["mcp", "list"],
      ["run", "--", "--version"],
      ["run", "--no-sandbox", "--", "-p", "x"],
    ])
      expect([args, await run(args, ALWAYS)]).toMatchObject([args, { ran: true, code: 0 }]);
    expect(await run(["-p", "x"], 'sandbox = "never"\n')).toMatchObject({ ran: true });
    expect(await run(["run", "--sandbox", "--no-sandbox"], "")).toMatchObject({
      ran: false,
      code: 2,
    });
  }, 60_000);
});
