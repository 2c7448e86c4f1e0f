import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkHome } from "../src/commands/check-machine.ts";
import { savePairing } from "../src/runner/pairing.ts";
import { makeCertificate } from "./support/certificate.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { openTty } from "./support/tty.ts";

const home = emptyHome();
const { cert, key } = makeCertificate(home.dir, "DNS:home.example,DNS:localhost");
let secure: ReturnType<typeof Bun.serve>;
let refusing: ReturnType<typeof Bun.serve>;
beforeAll(() => {
  const tls = { cert: Bun.file(cert), key: Bun.file(key) };
  const fetch = () => new Response("", { status: 404 });
  secure = Bun.serve({ hostname: "127.0.0.1", port: 0, tls, fetch });
  refusing = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response("", { status: 403 }),
  });
});
afterAll(async () => {
  await secure.stop(true);
  await refusing.stop(true);
  home.remove();
});

async function said(argv: readonly string[], env: Record<string, string | undefined>) {
  const child = Bun.spawn([...SELF, ...argv], {
    env,
    cwd: home.dir,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(await child.exited).toBe(1);
  return `${out}${err}`.replace(/\s+/g, " ");
}
interface Case {
  server: () => string;
  env?: () => Record<string, string>;
  words: () => string;
}
const proxy = "http://me:secret@127.0.0.1:9";
const cases: [name: string, given: Case][] = [
  [
    "a certificate that nobody here vouches for",
    {
      server: () => `https://localhost:${secure.port}`,
      words: () => "is not trusted here (DEPTH_ZERO_SELF_SIGNED_CERT)",
    },
  ],
  [
    "a root certificate that is not where it is said to be",
    {
      server: () => `https://localhost:${secure.port}`,
      env: () => ({ NODE_EXTRA_CA_CERTS: "/no/such/root.crt" }),
      words: () => "NODE_EXTRA_CA_CERTS names /no/such/root.crt, which does not exist",
    },
  ],
  [
    "a certificate for another name",
    {
      server: () => `https://127.0.0.1:${secure.port}`,
      env: () => ({ NODE_EXTRA_CA_CERTS: cert }),
      words: () => "not for the name 127.0.0.1",
    },
  ],
  [
    "a name that nobody knows",
    { server: () => "http://home.invalid:7200", words: () => "the name home.invalid is not known" },
  ],
  [
    "a port where nothing listens",
    { server: () => "http://127.0.0.1:9", words: () => "nothing listens at http://127.0.0.1:9" },
  ],
  [
    "a proxy that is not there",
    {
      server: () => "https://home.example",
      env: () => ({ HTTPS_PROXY: proxy }),
      words: () => "the proxy http://127.0.0.1:9 (HTTPS_PROXY) can't be reached",
    },
  ],
  [
    "a proxy that refuses",
    {
      server: () => "https://home.example",
      env: () => ({ https_proxy: `http://127.0.0.1:${refusing.port}` }),
      words: () => `the proxy http://127.0.0.1:${refusing.port} refuses to connect`,
    },
  ],
];

describe.each(cases)("%s is named by", (_, given) => {
  const prepare = () => {
    savePairing(join(home.dir, ".config/claude-remote/pairing.json"), {
      server: given.server(),
      device: "dev_1",
      secret: "A".repeat(43),
    });
    return { ...home.env, ...given.env?.() };
  };

  test.each([["devices"], ["attach --list"], ["pair"], ["check"]])("`%s`", async (words) => {
    const env = { ...prepare(), CLAUDE_REMOTE_CLAUDE: "none", DOCKER_HOST: "tcp://192.0.2.1:1" };
    const text = await said(words.split(" "), env);
    expect(text).toContain(given.words());
    expect(text).not.toContain("secret");
  });

  test("a session, at its start and at its end", async () => {
    const argv = [...SELF, "run", "--command", "sh", "--", "-c", "echo runs; sleep 1; exit 3"];
    const tty = openTty(argv, { env: prepare(), cwd: home.dir, cols: 400 });
    expect(await tty.exited).toEqual({ code: 3 });
    const text = tty.text();
    expect(text.split("not shown on the phone: ").length).toBe(3);
    expect(text.slice(0, text.indexOf("runs"))).toContain(given.words());
    expect(text.slice(text.indexOf("runs"))).toContain(given.words());
  }, 20_000);
});

describe("`check` names", () => {
  test("a HOME that can't be written, by the folder in it", () => {
    const closed = join(home.dir, "closed");
    mkdirSync(closed);
    chmodSync(closed, 0o500);
    // root may write all the same: the file system has to say no
    const folder = process.getuid?.() === 0 ? "/proc/self/claude-remote" : join(closed, "below");
    expect(checkHome([home.dir, folder])).toMatchObject({
      state: "fails",
      name: "HOME",
      text: expect.stringContaining(`${folder} can't be written`),
    });
    expect(checkHome([home.dir, join(home.dir, "a/b")]).state).toBe("ok");
  });

  test.each([
    [".claude/settings.json", "."],
    [".claude/settings.local.json", "."],
    [".claude/settings.json", "deep/below"],
  ])(
    "hooks that %s of the project switches off, from %s",
    async (file, from) => {
      const project = join(home.dir, "project");
      mkdirSync(join(project, ".git"), { recursive: true });
      mkdirSync(join(project, ".claude"), { recursive: true });
      mkdirSync(join(project, from), { recursive: true });
      writeFileSync(join(project, file), '{"disableAllHooks": true}');
      const silent = join(home.dir, "claude");
      writeFileSync(silent, "#!/bin/sh\necho '2.1.332 (Claude Code)'\n", { mode: 0o755 });
      const child = Bun.spawn([...SELF, "check"], {
        env: { ...home.env, CLAUDE_REMOTE_CLAUDE: silent, DOCKER_HOST: "tcp://192.0.2.1:1" },
        cwd: join(project, from),
        stdin: "ignore",
        stdout: "pipe",
      });
      const text = (await new Response(child.stdout).text()).replace(/\s+/g, " ");
      expect(text).toContain(`${join(project, file)} switches all hooks off`);
      rmSync(join(project, ".claude"), { recursive: true });
    },
    20_000,
  );
});
