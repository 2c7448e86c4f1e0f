import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { version } from "../package.json";
import { closest, WORDS } from "../src/commands/words.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { openTty } from "./support/tty.ts";

const root = resolve(import.meta.dir, "..");
const home = emptyHome();
afterAll(home.remove);
const bin = join(home.dir, "bin");
mkdirSync(bin);
writeFileSync(join(bin, "claude"), `#!/bin/sh\nprintf 'claude'; printf '[%s]' "$@"; echo\n`);
writeFileSync(
  join(bin, "claude-remote"),
  `#!/bin/sh\nexec ${SELF.map((part) => `'${part}'`).join(" ")} "$@"\n`,
);
for (const name of readdirSync(bin)) chmodSync(join(bin, name), 0o755);
const env = { ...home.env, PATH: `${bin}:${home.env.PATH}` };

async function cli(...argv: string[]) {
  const child = Bun.spawn([...SELF, ...argv], {
    env,
    cwd: home.dir,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}

describe("`--help` of a word", () => {
  test.each(WORDS.map((word) => [word.name, word] as const))(
    "%s has its own words, options and examples",
    async (name, word) => {
      const { code, out, err } = await cli(name, "--help");
      expect([code, err]).toEqual([0, ""]);
      expect(out).toStartWith(`claude-remote ${name}`);
      for (const { name: flag } of word.flags ?? []) expect(out).toContain(`--${flag}`);
      for (const { name: action } of word.actions ?? []) expect(out).toContain(`  ${action}`);
      expect(out).toContain("Examples");
      for (const line of out.split("\n")) expect(line.length).toBeLessThan(120);
      const others = WORDS.flatMap(({ name: one, flags = [] }) => (one === name ? [] : flags));
      const strange = others.filter(
        ({ name: flag }) => !word.flags?.some((own) => own.name === flag),
      );
      for (const { name: flag } of strange) expect(out).not.toContain(`  --${flag} `);
    },
  );

  test.each(WORDS.map((word) => [word.name, word] as const))(
    "%s has every option that the command takes, and no other",
    async (name, { flags = [] }) => {
      const files: Record<string, string> = { server: "serve", demo: "first" };
      const source = readFileSync(join(root, "src/commands", `${files[name] ?? name}.ts`), "utf8");
      const taken = [
        ...source.matchAll(
          /^ +"?([a-z-]+)"?: (?:text|yes|\{ type: "(?:string|boolean)"[^}]*\}),/gm,
        ),
      ].map(([, flag]) => flag ?? "");
      const inline = [...source.matchAll(/options: \{ (.*) \},/g)].flatMap(([, list = ""]) =>
        [...list.matchAll(/([a-z-]+): \{/g)].map(([, flag]) => flag ?? ""),
      );
      const own = [...new Set([...taken, ...inline])].filter((flag) => flag !== "in-background");
      expect(flags.map((flag) => flag.name).sort()).toEqual(own.sort());
    },
  );
});

describe("a slip", () => {
  test.each([
    ["sever", "server"],
    ["serevr", "server"],
    ["devcies", "devices"],
    ["device", "devices"],
    ["runer", "runner"],
    ["chekc", "check"],
    ["atach", "attach"],
    ["paris", undefined],
    ["fix", undefined],
    ["update", undefined],
    ["server", undefined],
  ])("%s is taken for %p", (given, meant) => {
    expect(
      closest(
        given,
        WORDS.map(({ name }) => name),
      ),
    ).toBe(meant);
  });

  test("at a terminal is asked about: yes is ours, no is claude's", async () => {
    const ask = async (answer: string) => {
      const argv = [...SELF, "sever", "status"];
      const tty = openTty(argv, { env, cwd: home.dir, cols: 150 });
      await tty.sees("Did you mean `claude-remote server status`?");
      tty.type(answer);
      await tty.exited;
      return tty.text();
    };
    expect(await ask("\r")).toContain("No server is running here");
    expect(await ask("n\r")).toContain("claude[sever][status]");
  }, 30_000);

  test("without one goes to claude, and is pointed out", async () => {
    expect(await cli("devcies")).toMatchObject({
      out: "claude[devcies]\n",
      err: expect.stringContaining("did you mean `claude-remote devices`?"),
    });
    expect(await cli("explain")).toMatchObject({ out: "claude[explain]\n", err: "" });
  });

  test.each([
    [["server", "--tls-crt", "x"], "Did you mean --tls-cert?"],
    [["pair", "--kynd", "viewer"], "Did you mean --kind?"],
    [["server", "bakcup", "x"], "Did you mean backup?"],
    [["devices", "revok", "x"], "Did you mean revoke?"],
    [["completions", "bsh"], "did you mean bash?"],
  ])("in what comes after a word is refused with what was meant (%p)", async (argv, words) => {
    expect(await cli(...argv)).toMatchObject({ code: 2, err: expect.stringContaining(words) });
  });
});

describe("completions", () => {
  const shells = [
    ["bash", "bash --norc --noprofile -i", 'eval "$(claude-remote completions bash)"'],
    ["zsh", "zsh -f -i", 'eval "$(claude-remote completions zsh)"'],
    ["fish", "fish --no-config -i", "claude-remote completions fish | source"],
  ] as const;
  test.each(shells.filter(([shell]) => Bun.which(shell) !== null))(
    "of %s complete words, options, their values and files, in the shell itself",
    async (_, command, load) => {
      writeFileSync(join(home.dir, "work/certificate.pem"), "");
      const tty = openTty(command.split(" "), {
        env: { ...env, PS1: "$ ", ZDOTDIR: home.dir },
        cwd: join(home.dir, "work"),
        cols: 150,
      });
      try {
        tty.type(`${load}; echo load''ed\r`);
        await tty.sees("loaded", 30_000);
        for (const [typed, becomes] of [
          ["claude-remote serv\t", "claude-remote server "],
          ["claude-remote server sto\t", "claude-remote server stop "],
          ["claude-remote server --tls-c\t", "claude-remote server --tls-cert"],
          ["claude-remote pair --kind mach\t", "claude-remote pair --kind machine "],
          ["claude-remote server backup cert\t", "claude-remote server backup certificate.pem "],
          ["claude-remote devices ren\t", "claude-remote devices rename "],
        ] as const) {
          tty.type(typed);
          await tty.sees(becomes.trimEnd());
          tty.type("\x15");
        }
      } finally {
        tty.pty.kill("SIGKILL");
        await tty.exited;
      }
    },
    60_000,
  );
});

test.skipIf(Bun.which("man") === null)(
  "the manual page is read by man, with every word and option, and no complaint",
  async () => {
    const { out } = await cli("man");
    const file = join(home.dir, "claude-remote.1");
    writeFileSync(file, out);
    const read = Bun.spawnSync(["man", "--warnings", "-l", file], {
      env: { ...env, MANWIDTH: "200", MAN_KEEP_FORMATTING: "", LC_ALL: "C.UTF-8" },
    });
    expect(read.stderr.toString()).toBe("");
    const text = read.stdout.toString();
    for (const { name, flags = [] } of WORDS) {
      expect(text).toContain(`claude-remote ${name}`);
      for (const flag of flags) expect(text).toContain(`--${flag.name}`);
    }
    expect(text).toContain(version);
  },
);

describe("a clone", () => {
  test("knows its version from one place, which the changelog has first", () => {
    const [first] =
      /^## (\S+)/m.exec(readFileSync(join(root, "CHANGELOG.md"), "utf8"))?.slice(1) ?? [];
    expect(first).toBe(version);
    const tracked = Bun.spawnSync(["git", "ls-files", "src", "public", ".ci", ".github"], {
      cwd: root,
    })
      .stdout.toString()
      .trim()
      .split("\n");
    const literal = new RegExp(`["'v]${version.replaceAll(".", "\\.")}["']`);
    for (const file of tracked.filter((name) => /\.(ts|yml|mjs)$/.test(name)))
      expect([file, literal.test(readFileSync(join(root, file), "utf8"))]).toEqual([file, false]);
  });

  test("does not take an .env along", () => {
    expect(Bun.spawnSync(["git", "check-ignore", ".env"], { cwd: root }).exitCode).toBe(0);
  });

  test("has workflows that call the scripts that people call", () => {
    const folder = join(root, ".github/workflows");
    for (const name of readdirSync(folder)) {
      const text = readFileSync(join(folder, name), "utf8");
      const scripts = [...text.matchAll(/(\.ci\/\w+)/g)].map(([, script = ""]) => script);
      expect(scripts.length).toBeGreaterThan(0);
      for (const script of scripts) {
        expect(statSync(join(root, script)).mode & 0o111).not.toBe(0);
        expect(Bun.spawnSync(["bash", "-n", join(root, script)]).exitCode).toBe(0);
      }
    }
  });

  test.skipIf(SELF.length === 1)(
    "that is fresh is built with one command",
    async () => {
      const clone = join(home.dir, "clone");
      const files = Bun.spawnSync(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        {
          cwd: root,
        },
      )
        .stdout.toString()
        .trim();
      for (const file of files.split("\n")) {
        if (!existsSync(join(root, file))) continue;
        mkdirSync(dirname(join(clone, file)), { recursive: true });
        cpSync(join(root, file), join(clone, file));
      }
      const built = Bun.spawn([process.execPath, "run", "build", "here"], {
        cwd: clone,
        env: { ...process.env, HOME: process.env.HOME },
        stdout: "pipe",
        stderr: "pipe",
      });
      const err = await new Response(built.stderr).text();
      expect([await built.exited, err]).toEqual([0, expect.anything()]);
      const program = readdirSync(join(clone, "dist")).find((name) =>
        name.startsWith("claude-remote-"),
      );
      const told = Bun.spawnSync([join(clone, "dist", program ?? ""), "--version"], { env });
      expect(told.stdout.toString()).toContain(`claude-remote ${version} `);
      const sums = Bun.spawnSync(["sha256sum", "--check", "--quiet", "SHA256SUMS"], {
        cwd: join(clone, "dist"),
      });
      expect(sums.exitCode).toBe(0);
    },
    240_000,
  );
});
