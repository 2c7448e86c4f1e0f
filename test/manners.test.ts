import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { version } from "../package.json";
import { toBase64url } from "../src/auth.ts";
import { savePairing } from "../src/runner/pairing.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { openTty } from "./support/tty.ts";

const home = emptyHome();
afterAll(() => home.remove());
const bin = join(home.dir, "bin");
mkdirSync(bin);
/** A stand-in that tells how it was started; not a mock of claude, which test/real drives. */
writeFileSync(
  join(bin, "claude"),
  `#!/bin/sh
[ "$1" = --version ] && echo "9.9.9 (Claude Code)" && exit
printf '[%s]' "$@"; echo " pid $$ wrapped \${CLAUDE_REMOTE_HOOK_TOKEN:+yes} at $0"
exit 7
`,
);
chmodSync(join(bin, "claude"), 0o755);
const env = { ...home.env, PATH: `${bin}:${home.env.PATH}` };

async function cli(argv: string[], more: Record<string, string | undefined> = {}, cwd = home.dir) {
  const child = Bun.spawn([...SELF, ...argv], {
    env: { ...env, ...more },
    cwd,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err, pid: child.pid };
}
async function atTerminal(argv: string[], more: Record<string, string> = {}) {
  const tty = openTty([...SELF, ...argv], { env: { ...env, ...more }, cwd: home.dir, cols: 200 });
  const { code } = await tty.exited;
  return { code, text: tty.text() };
}

describe("help and versions", () => {
  test.each([[["--help"]], [["-h"]]])(
    "%p tells what there is, with examples, on stdout",
    async (args: string[]) => {
      const result = await cli(args);
      expect(result).toMatchObject({ code: 0, err: "" });
      for (const words of [
        "claude-remote pair",
        "Examples",
        "alias claude=claude-remote",
        "config.toml",
        "WORD --help",
      ])
        expect(result.out).toContain(words);
      for (const line of result.out.split("\n")) expect(line.length).toBeLessThan(120);
    },
  );

  test("`--version` is ours and claude's", async () => {
    const both = await cli(["--version"]);
    expect(both).toMatchObject({ code: 0, err: "" });
    expect(both.out).toContain(`claude-remote ${version} `);
    expect(both.out).toContain("claude 9.9.9 (Claude Code)");
    expect((await cli(["-v"], { PATH: home.env.PATH })).out).toContain("claude is not installed");
  });

  test("what can't be is said on stderr with 2, in colour only where that is wanted", async () => {
    expect(await cli(["server", "--nonsense"])).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringContaining("claude-remote --help"),
    });
    expect(await cli(["server", "bakcup", "x"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("what is bakcup?"),
    });
    expect(await cli(["server", "stop", "x"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("what is x?"),
    });
    const seen = async (more: Record<string, string>) => {
      const tty = openTty([...SELF, "run", "stray"], { env: { ...env, ...more }, cwd: home.dir });
      await tty.exited;
      return Buffer.from(tty.bytes()).toString();
    };
    expect(await seen({})).toContain("\x1b[2mclaude-remote:");
    expect(await seen({ NO_COLOR: "1" })).not.toContain("\x1b[2m");
    expect((await cli(["run", "stray"])).err).not.toContain("\x1b");
  });
});

test("what a server says is text, whoever answers there", async () => {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      Response.json(
        { error: { code: "no", message: "no\x1b]0;title\x07\x9b2Jway" } },
        { status: 500 },
      ),
  });
  const elsewhere = join(home.dir, "elsewhere");
  savePairing(join(elsewhere, "claude-remote/pairing.json"), {
    server: `http://127.0.0.1:${server.port}`,
    device: "d_1",
    secret: toBase64url(new Uint8Array(32)),
  });
  expect((await cli(["attach", "--list"], { XDG_CONFIG_HOME: elsewhere })).err).toBe(
    "claude-remote: no]0;title2Jway\n",
  );
  await server.stop(true);
});

describe("as `alias claude=claude-remote`", () => {
  test("without a terminal we become claude: same process, arguments and exit code, nothing added", async () => {
    const result = await cli(["-p", "a b", "--model", "x"]);
    expect(result).toEqual({
      code: 7,
      out: `[-p][a b][--model][x] pid ${result.pid} wrapped  at ${join(bin, "claude")}\n`,
      err: "",
      pid: result.pid,
    });
  });

  test.each([
    [["-p", "hi"]],
    [["mcp", "list"]],
    [["doctor"]],
    [["update"]],
    [["setup-token"]],
    [["-cp", "hi"]],
    [["plugin", "install", "x"]],
  ])("at a terminal claude %p runs untouched", async (args: string[]) => {
    const { code, text } = await atTerminal(args);
    expect(code).toBe(7);
    expect(text).toContain(`${args.map((arg) => `[${arg}]`).join("")} pid`);
    expect(text).toContain("wrapped  at");
  });

  test.each([
    [["--resume"]],
    [["auth", "login"]],
    [["--debug", "--", "-p"]],
    [["--mcp-config", "x", "say something"]],
  ])("at a terminal claude %p passes every argument through", async (args: string[]) => {
    const { code, text } = await atTerminal(args);
    expect(code).toBe(7);
    expect(text).toContain(`${args.map((arg) => `[${arg}]`).join("")} pid`);
  });

  test("our own words are within claude's reach after `run --`", async () => {
    expect((await cli(["run", "--", "server"])).out).toContain("[server] pid");
  });

  test("a link that is called claude does not wrap itself", async () => {
    const links = join(home.dir, "links");
    mkdirSync(links);
    symlinkSync(SELF.at(-1) ?? "", join(links, "claude"));
    const result = await cli(["x"], { PATH: `${links}:${env.PATH}` });
    expect(result).toMatchObject({ code: 7, out: expect.stringContaining("[x] pid") });
  });

  test("a script named claude that leads back to us is found out", async () => {
    const scripts = join(home.dir, "scripts");
    mkdirSync(scripts);
    writeFileSync(join(scripts, "claude"), `#!/bin/sh\nexec ${SELF.join(" ")} "$@"\n`);
    chmodSync(join(scripts, "claude"), 0o755);
    expect(await cli(["x"], { PATH: `${scripts}:${env.PATH}` })).toMatchObject({
      code: 126,
      err: expect.stringContaining('claude = "/path/to/claude"'),
    });
  });

  test("what a shell would find and hand over is found and handed over: past folders, without a first line, with its descriptors", async () => {
    const odd = join(home.dir, "odd");
    mkdirSync(join(odd, "folder/claude"), { recursive: true });
    writeFileSync(join(odd, "claude"), "cat $1; exit 9\n", { mode: 0o755 });
    const script = `exec ${SELF.join(" ")} <(echo handed over)`;
    const child = Bun.spawn(["bash", "-c", script], {
      env: { ...env, PATH: `${odd}/folder:${odd}:${home.env.PATH}` },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await new Response(child.stdout).text()).toBe("handed over\n");
    expect(await child.exited).toBe(9);
  });

  test("the folder it runs in changes nothing: its .env, bunfig.toml and tsconfig.json are for its own programs", async () => {
    const project = join(home.dir, "project");
    mkdirSync(project);
    writeFileSync(join(project, ".env"), "LEAKED=from-dotenv\nCLAUDE_REMOTE_CLAUDE=/bin/false\n");
    writeFileSync(join(project, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
    writeFileSync(
      join(project, "tsconfig.json"),
      '{"compilerOptions":{"paths":{"*":["./evil.ts"]}}}',
    );
    writeFileSync(
      join(project, "evil.ts"),
      `await Bun.write(${JSON.stringify(join(project, "ran"))}, "");`,
    );
    // started the way an installed command is: by the first line of the file itself
    const command = SELF.at(-1) ?? "";
    const child = Bun.spawn([command, "run", "--command", "env"], {
      env,
      cwd: project,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const out = await new Response(child.stdout).text();
    expect(await child.exited).toBe(0);
    expect(out).toContain("HOME=");
    expect(out).not.toContain("from-dotenv");
    // nor what the page is made of
    const server = Bun.spawn([command, "server", "--port", "0", "--data", join(project, "data")], {
      env,
      cwd: project,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    const line = new TextDecoder().decode((await server.stderr.getReader().read()).value);
    const script = await (await fetch(`${/http:\S+/.exec(line)?.[0]}/app.js`)).text();
    server.kill();
    expect(script).toContain("/api/pair");
    expect(existsSync(join(project, "ran"))).toBe(false);
  });
});

describe("the configuration file", () => {
  const config = join(home.dir, ".config/claude-remote/config.toml");
  const write = (text: string) => {
    mkdirSync(join(config, ".."), { recursive: true });
    writeFileSync(config, text);
  };

  test("holds every option; the environment wins over it, a flag over both", async () => {
    copyFileSync(join(bin, "claude"), join(home.dir, "other"));
    write(
      `claude = ${JSON.stringify(join(home.dir, "other"))}\nport = 7300\ndata = "/from/file"\nembedded = false\n`,
    );
    expect((await cli(["x"])).out).toContain(`at ${join(home.dir, "other")}`);
    expect((await cli(["x"], { CLAUDE_REMOTE_CLAUDE: "claude" })).out).toContain(
      `at ${join(bin, "claude")}`,
    );
    const data = async (argv: string[], more = {}) =>
      JSON.parse((await cli(["server", "status", "--json", ...argv], more)).out).data;
    expect(await data([])).toBe("/from/file");
    expect(await data([], { CLAUDE_REMOTE_DATA: "/from/env" })).toBe("/from/env");
    expect(await data(["--data", "/from/flag"], { CLAUDE_REMOTE_DATA: "/from/env" })).toBe(
      "/from/flag",
    );
  });

  test.each([
    ["prt = 7300", "prt is not an option"],
    ['port = "many"', "port: give a number"],
    ["port = 70000", "port: give a number"],
    ["insecure_lan = 3", "insecure_lan: give true or false"],
    ["host = [", "can't be read"],
    ['tls_cert = "x"', "--tls-key"],
  ])("%p is refused by name and place", async (text, words) => {
    write(text);
    const result = await cli(["server", "status"]);
    expect(result).toMatchObject({ code: 2, err: expect.stringContaining(words) });
  });

  test("with a mistake in it claude runs all the same, and the mistake is said", async () => {
    write("prt = 7300\n");
    expect(await cli(["-p", "x"])).toMatchObject({
      code: 7,
      out: expect.stringContaining("[-p][x] pid"),
      err: expect.stringContaining("prt is not an option"),
    });
  });

  test("docs/configuration.md knows every option and no other", () => {
    const source = readFileSync(resolve(import.meta.dir, "../src/commands/config.ts"), "utf8");
    const names = [
      ...(/const OPTIONS = \{([^}]*)\}/.exec(source)?.[1] ?? "").matchAll(/^ {2}(\w+):/gm),
    ].map(([, name]) => name);
    const documented = [
      ...readFileSync(resolve(import.meta.dir, "../docs/configuration.md"), "utf8").matchAll(
        /^\| `(\w+) = /gm,
      ),
    ].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(8);
    expect(documented.sort()).toEqual(names.sort());
  });
});
