import { afterEach, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { type FreshHome, freshHome } from "./support/embedded.ts";
import { SELF } from "./support/home.ts";
import { openTty } from "./support/tty.ts";

const homes: FreshHome[] = [];
function fresh(): FreshHome {
  const home = freshHome();
  homes.push(home);
  return home;
}
afterEach(() => {
  for (const home of homes.splice(0)) home.remove();
});
const logOf = (home: FreshHome) => join(home.dir, ".local/state/claude-remote/server.log");

describe("the server in the background", () => {
  test("keeps its log over restarts; a long one is put aside, and errors are read from where it began", async () => {
    const home = fresh();
    for (let start = 1; start <= 3; start++) {
      expect((await home.cli("pair")).code).toBe(0);
      expect((await home.cli("server", "stop")).code).toBe(0);
      expect(readFileSync(logOf(home), "utf8").match(/listens on/g)?.length).toBe(start);
    }
    writeFileSync(logOf(home), "line\n".repeat(300_000));
    expect((await home.cli("pair")).code).toBe(0);
    expect(statSync(`${logOf(home)}.1`).size).toBe(1_500_000);
    expect(readFileSync(logOf(home), "utf8")).toStartWith("claude-remote server listens on");
    expect(statSync(logOf(home)).mode & 0o777).toBe(0o600);
    await home.cli("server", "stop");

    const taken = Bun.listen({
      hostname: "127.0.0.1",
      port: Number(home.env.CLAUDE_REMOTE_PORT),
      socket: { data: () => undefined },
    });
    for (const log of ["text", "json"]) {
      home.env.CLAUDE_REMOTE_LOG = log;
      const { err } = await home.cli("pair");
      expect(err).toContain(`the server could not be started: `);
      expect(err).toContain(`port ${home.env.CLAUDE_REMOTE_PORT} is taken`);
      expect(err).not.toContain("{");
    }
    taken.stop(true);
  }, 60_000);

  test.skipIf(SELF.length === 1)(
    "of another build of the same version is started anew, as after `git pull`; one of another program is not",
    async () => {
      const home = fresh();
      const root = resolve(import.meta.dir, "..");
      const clone = join(home.dir, "clone");
      mkdirSync(clone);
      for (const name of ["src", "public", "package.json"])
        cpSync(join(root, name), join(clone, name), { recursive: true });
      symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
      const cloned = async (...argv: string[]) =>
        Bun.spawn([SELF[0], join(clone, "src/cli.ts"), ...argv], {
          env: home.env,
          cwd: home.dir,
          stdout: "ignore",
          stderr: "ignore",
        }).exited;
      expect(await cloned("pair")).toBe(0);
      const first = home.seat()?.pid;
      expect(await cloned("devices")).toBe(0);
      expect((await home.cli("devices")).code).toBe(0); // the same version, from elsewhere
      expect(home.seat()?.pid).toBe(first ?? 0);
      const pulled = join(clone, "src/types.ts");
      writeFileSync(pulled, `${readFileSync(pulled, "utf8")}\n// pulled\n`);
      utimesSync(pulled, Date.now() / 1000 + 5, Date.now() / 1000 + 5);
      expect(await cloned("devices")).toBe(0);
      const second = home.seat()?.pid;
      expect(second).not.toBe(first ?? 0);
      expect(await cloned("devices")).toBe(0);
      expect(home.seat()?.pid).toBe(second ?? 0);
    },
    60_000,
  );
});

describe("Ctrl-C at the invitation", () => {
  test("takes the server away that was started for it, and says so", async () => {
    const home = fresh();
    const tty = openTty([...SELF, "demo"], { env: home.env, cwd: home.dir, cols: 120 });
    await tty.sees("Enter starts");
    expect(home.seat()).toBeDefined();
    tty.type("\x03");
    expect(await tty.exited).toMatchObject({ code: 130 });
    expect(tty.text()).toContain("the server that was started for this has ended again");
    expect(home.seat()).toBeUndefined();
  }, 30_000);

  test.each([
    ["Ctrl-C", "\x03"],
    ["Ctrl-D", "\x04"],
  ])(
    "leaves one that ran already, and says how to end it (%s)",
    async (_, key) => {
      const home = fresh();
      expect((await home.cli("pair")).code).toBe(0);
      const { pid, origin } = home.seat() ?? {};
      const tty = openTty([...SELF, "demo"], { env: home.env, cwd: home.dir, cols: 120 });
      await tty.sees("Enter starts");
      tty.type(key);
      expect(await tty.exited).toMatchObject({ code: 130 });
      expect(tty.text()).toContain(`the server at ${origin} goes on running`);
      expect(tty.text()).toContain("server stop` ends it");
      expect(home.seat()?.pid).toBe(pid ?? 0);
    },
    30_000,
  );
});

describe("`~` is the home in every path option", () => {
  test("in flags, the environment, the file, and what is backed up and restored", async () => {
    const home = fresh();
    const data = join(home.dir, "mine");
    mkdirSync(join(home.dir, ".config/claude-remote"), { recursive: true });
    const program = join(home.dir, "bin/claude");
    mkdirSync(join(home.dir, "bin"));
    writeFileSync(program, '#!/bin/sh\necho "claude $*"\n', { mode: 0o755 });
    const status = async (...argv: string[]) =>
      JSON.parse((await home.cli("server", "status", "--json", ...argv)).out).data;
    expect(await status("--data=~/mine")).toBe(data);
    home.env.CLAUDE_REMOTE_DATA = "~/mine";
    expect(await status()).toBe(data);
    expect((await home.cli("pair")).code).toBe(0);
    expect((await home.cli("pair", "--data=~/mine")).out).toContain("#pair=");
    expect((await home.cli("server", "backup", "~/copy.db")).code).toBe(0);
    expect(existsSync(join(home.dir, "copy.db"))).toBe(true);
    await home.cli("server", "stop");
    expect((await home.cli("server", "restore", "~/copy.db", "--data=~/mine")).code).toBe(0);
    expect((await home.cli("run", "--command", "~/bin/claude", "--", "x")).out).toBe("claude x\n");
    home.env.CLAUDE_REMOTE_CLAUDE = "~/bin/claude";
    expect((await home.cli("-p", "y")).out).toBe("claude -p y\n");
    expect(existsSync(join(home.dir, "~"))).toBe(false);
  }, 40_000);
});
