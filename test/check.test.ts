import { afterAll, afterEach, beforeAll, expect, setSystemTime, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { checkCertificate, judge } from "../src/commands/check-certificate.ts";
import { checkServer } from "../src/commands/check-server.ts";
import { loadPairing, savePairing } from "../src/runner/pairing.ts";
import { parseJson } from "../src/types.ts";
import { claudeEnv } from "./support/claude.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { startMockApi } from "./support/mock-anthropic.ts";
import { startRelay } from "./support/relay.ts";
import { openTty } from "./support/tty.ts";

const Report = v.object({
  ok: v.boolean(),
  checks: v.array(
    v.object({
      name: v.string(),
      state: v.picklist(["ok", "warning", "fails"]),
      text: v.string(),
      todo: v.optional(v.string()),
    }),
  ),
});
let server: HomeServer;
let pairing: NonNullable<ReturnType<typeof loadPairing>>;
const pairingFile = () => join(server.home.dir, ".config/claude-remote/pairing.json");

beforeAll(async () => {
  server = await startHomeServer();
  const known = loadPairing(pairingFile());
  if (known === undefined) throw new Error("not paired");
  pairing = known;
}, 30_000);
afterEach(() => {
  savePairing(pairingFile(), pairing);
  setSystemTime();
});
afterAll(() => server.stop());

/** Runs it; what it found by name, without what stands in no relation to the server. */
async function check(more: Record<string, string | undefined> = {}) {
  const env = { ...server.home.env, CLAUDE_REMOTE_DATA: join(server.home.dir, "data"), ...more };
  const child = Bun.spawn([...SELF, "check", "--json"], {
    env,
    cwd: server.home.dir,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const report = parseJson(Report, out);
  if (report === undefined) throw new Error(`no report: ${out}${err}`);
  expect(report.checks.every(({ state, todo }) => (state === "ok") === (todo === undefined))).toBe(
    true,
  );
  expect([code, report.ok]).toEqual(
    report.checks.some(({ state }) => state === "fails") ? [1, false] : [0, true],
  );
  return {
    code,
    out,
    ...Object.fromEntries(
      report.checks.map(({ name, state, text }) => [name, `${state}: ${text}`]),
    ),
  } as Record<string, unknown>;
}
/** With the real Claude Code on the PATH. */
const withClaude = () => {
  const api = startMockApi();
  api.stop();
  return { PATH: claudeEnv(server.home, api).PATH };
};

test("where all is well it says so of each part, the way of a permission through the real claude included, and leaves nothing behind", async () => {
  const DOCKER_HOST = "tcp://192.0.2.1:2375";
  const found = await check({
    ...withClaude(),
    DOCKER_HOST,
    ANTHROPIC_API_KEY: "sk-ant-of-the-user",
    CLAUDE_CONFIG_DIR: join(server.home.dir, "untouched"),
  });
  expect(found).toMatchObject({
    code: 0,
    claude: expect.stringMatching(/^ok: 2\.\S+ \(Claude Code\) at /),
    hooks: "ok: claude asked for a permission, and took the answer",
    PTY: expect.stringMatching(/^ok/),
    sandbox: expect.stringMatching(/^warning: the sandbox needs /),
    data: expect.stringMatching(/^ok/),
    server: `ok: ${server.origin}`,
    clock: "ok: agrees with the server's",
    paired: `ok: as ${pairing.device}`,
    "Host, Origin": "ok: accepted",
    "event stream": expect.stringMatching(/^ok: unbuffered \(first event after \d+ ms\)$/),
    push: "warning: the server can't send notifications",
  });
  expect(found).not.toHaveProperty("certificate"); // on loopback there is none
  for (const secret of [pairing.secret, "sk-ant-of-the-user", "Bearer"])
    expect(found.out).not.toContain(secret);
  expect(existsSync(join(server.home.dir, "untouched"))).toBe(false);
  expect(await server.phone.sessions()).toEqual([]);
}, 60_000);

test("where claude is to run in a sandbox always, it fails without one", async () => {
  const found = await check({
    ...withClaude(),
    DOCKER_HOST: "tcp://192.0.2.1:2375",
    CLAUDE_REMOTE_SANDBOX: "always",
  });
  expect(found).toMatchObject({
    code: 1,
    sandbox: expect.stringMatching(/^fails: the sandbox needs /),
  });
}, 60_000);

test("without claude, with one that knows no hooks, and with hooks switched off it says what is lacking", async () => {
  expect(await check({ CLAUDE_REMOTE_CLAUDE: "no-such-claude" })).toMatchObject({
    code: 1,
    claude: expect.stringContaining("command not found"),
    hooks: expect.stringContaining("not tried"),
  });
  const old = join(server.home.dir, "claude-2.1.77");
  writeFileSync(old, "#!/bin/sh\necho '2.1.77 (Claude Code)'\n", { mode: 0o755 });
  expect(await check({ CLAUDE_REMOTE_CLAUDE: old })).toMatchObject({
    code: 1,
    claude: `fails: 2.1.77 (Claude Code) at ${old} is too old, needs ≥ 2.1.78`,
  });
  const newer = join(server.home.dir, "claude-9");
  writeFileSync(newer, "#!/bin/sh\necho '9.0.0 (Claude Code)'\n", { mode: 0o755 });
  expect(await check({ CLAUDE_REMOTE_CLAUDE: newer })).toMatchObject({
    claude: expect.stringMatching(/^ok: 9\.0\.0 .*newer than what this was tried with \(tried: 2/),
  });
  const fake = join(server.home.dir, "old-claude");
  writeFileSync(
    fake,
    '#!/bin/sh\n[ "$1" = --version ] && echo 0.1 || echo "unknown option" >&2\n',
    { mode: 0o755 },
  );
  expect(await check({ CLAUDE_REMOTE_CLAUDE: fake })).toMatchObject({
    code: 1,
    claude: `ok: 0.1 at ${fake}`,
    hooks: "fails: claude did not call its hook; it said: unknown option",
  });
  const config = join(server.home.dir, "config-of-the-user");
  mkdirSync(config);
  writeFileSync(join(config, "settings.json"), '{"disableAllHooks": true}');
  expect(await check({ ...withClaude(), CLAUDE_CONFIG_DIR: config })).toMatchObject({
    code: 0,
    hooks: `warning: ${config}/settings.json switches all hooks off`,
  });
}, 60_000);

test("a machine that is not paired, was locked out, or lost its key is told how to get in", async () => {
  const none = join(server.home.dir, "no-config");
  expect(await check({ XDG_CONFIG_HOME: none })).toMatchObject({
    code: 1,
    paired: "fails: this machine is paired with no server",
  });
  expect((await check({ XDG_CONFIG_HOME: none, CLAUDE_REMOTE_EMBEDDED: "1" })).paired).toStartWith(
    "warning",
  );
  savePairing(pairingFile(), { ...pairing, device: "dev_unknown" });
  expect(await check()).toMatchObject({
    code: 1,
    paired: "fails: the server does not know this machine, or has locked it out",
  });
  writeFileSync(pairingFile(), "{");
  expect((await check()).paired).toStartWith("fails");
}, 30_000);

test("a server that is down, has another name, or is none", async () => {
  const relay = startRelay();
  relay.target = server.port;
  savePairing(pairingFile(), { ...pairing, server: `http://127.0.0.1:${relay.port}` });
  expect(await check()).toMatchObject({
    code: 1,
    Host: `fails: the server does not answer to the name 127.0.0.1:${relay.port}`,
  });
  relay.stop();
  expect((await check()).server).toStartWith(
    `fails: http://127.0.0.1:${relay.port} can't be reached`,
  );
  savePairing(pairingFile(), {
    ...pairing,
    server: `http://127.0.0.1:${relay.port}`,
    embedded: true,
  });
  expect(
    await check({
      CLAUDE_REMOTE_EMBEDDED: "1",
      CLAUDE_REMOTE_DATA: join(server.home.dir, "other-data"),
    }),
  ).toMatchObject({
    server: "warning: the one on this machine does not run",
  });
  const other = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response("hello", { status: 404 }),
  });
  savePairing(pairingFile(), { ...pairing, server: other.url.origin });
  expect(await check()).toMatchObject({
    code: 1,
    server: `fails: ${other.url.origin} answers 404`,
  });
  await other.stop(true);
}, 30_000);

test.each([
  [-3600, "warning: this machine's clock is 3600 s behind the server's"],
  [3600, "warning: this machine's clock is 3600 s ahead of the server's"],
  [-30, "warning: this machine's clock and the server's are 30 s apart"],
])(
  "a clock that is off by %p s is named, and the rest is looked at all the same",
  async (offset, text) => {
    const found = new Map<string, string>();
    setSystemTime(new Date(Date.now() + offset * 1000));
    for await (const finding of checkServer(
      { data: "", host: "", insecure_lan: false, embedded: false, claude: "" },
      pairing,
    ))
      found.set(finding.name, `${finding.state}: ${finding.text}`);
    const off = Math.abs(offset); // our clock stands meanwhile, the server's does not
    expect(
      found
        .get("clock")
        ?.replace(/\d+(?= s )/, (told) => String(Math.abs(Number(told) - off) <= 10 ? off : told)),
    ).toBe(text);
    expect(found.get("paired")).toBe(`ok: as ${pairing.device}`);
    expect(found.get("event stream")).toStartWith("ok");
  },
);

test("a proxy that holds events back is found out", async () => {
  const proxy = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 60,
    async fetch(request) {
      const url = new URL(request.url);
      const response = await fetch(behind.origin + url.pathname + url.search, {
        headers: request.headers,
        signal: request.signal,
      });
      if (url.pathname !== "/events") return response;
      return new Response(
        new Uint8Array(await response.arrayBuffer().catch(() => new ArrayBuffer(0))),
        { headers: response.headers },
      );
    },
  });
  const behind = await startHomeServer({ publicPort: proxy.port ?? 0 });
  const own = loadPairing(join(behind.home.dir, ".config/claude-remote/pairing.json"));
  const found = new Map<string, string>();
  for await (const finding of checkServer(
    { data: "", host: "", insecure_lan: false, embedded: false, claude: "" },
    own,
  ))
    found.set(finding.name, `${finding.state}: ${finding.text}`);
  expect(found.get("Host, Origin")).toBe("ok: accepted");
  expect(found.get("event stream")).toBe("fails: nothing arrived within five seconds");
  await proxy.stop(true);
  await behind.stop();
}, 40_000);

test("files that others may read or write are named", async () => {
  const data = join(server.home.dir, "data");
  chmodSync(data, 0o755);
  chmodSync(pairingFile(), 0o644);
  expect(await check()).toMatchObject({
    code: 1,
    data: `warning: others may use ${data} (755)`,
    key: `fails: others may use ${pairingFile()} (644)`,
  });
  chmodSync(data, 0o700);
}, 20_000);

test("a certificate is told by its days, its name and who vouches for it; to a stranger nothing more is said", async () => {
  const home = emptyHome();
  const [cert, key] = [join(home.dir, "cert.pem"), join(home.dir, "key.pem")];
  const make = (days: string, names: string) =>
    Bun.spawnSync([
      ..."openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -days".split(
        " ",
      ),
      days,
      "-addext",
      `subjectAltName=${names}`,
      "-keyout",
      key,
      "-out",
      cert,
    ]);
  make("90", "IP:127.0.0.1");
  const secure = await startHomeServer({
    args: ["--tls-cert", cert, "--tls-key", key],
    env: { NODE_EXTRA_CA_CERTS: cert },
    ca: readFileSync(cert, "utf8"),
  });
  const run = async (env: Record<string, string | undefined>) => {
    const child = Bun.spawn([...SELF, "check"], {
      env: { ...secure.home.env, ...env },
      cwd: secure.home.dir,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    return await new Response(child.stdout).text();
  };
  const trusted = await run({});
  expect(trusted).toMatch(
    /^ok {7}certificate {3}for 127\.0\.0\.1, (89|90) days left \(until \d{4}-\d\d-\d\d \d\d:\d\d UTC\)$/m,
  );
  expect(trusted).toMatch(/^ok {7}event stream {2}unbuffered/m);
  const stranger = await run({ NODE_EXTRA_CA_CERTS: undefined });
  expect(stranger).toMatch(
    /^FAILS {4}certificate {3}it is not trusted here .*\n +→ for an own CA set NODE_EXTRA_CA_CERTS/m,
  );
  expect(stranger).not.toContain("paired");
  await secure.stop();

  for (const [days, names, trouble] of [
    ["90", "DNS:other.example", "fails"],
    ["3", "IP:127.0.0.1", "fails"],
  ] as const) {
    make(days, names);
    const strange = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert: Bun.file(cert), key: Bun.file(key) },
      fetch: () => new Response(),
    });
    expect(await checkCertificate(`https://127.0.0.1:${strange.port}`)).toMatchObject({
      state: trouble,
    });
    await strange.stop(true);
  }
  const hour = 3_600_000;
  const soon = (hours: number, life: number) =>
    judge("x", {
      from: Date.now() - (life - hours) * hour,
      until: Date.now() + hours * hour + 1000,
      trouble: undefined,
    });
  expect(soon(24 * 15, 24 * 90)).toMatchObject({
    state: "ok",
    text: expect.stringMatching(/^for x, 15 days left/),
  });
  expect(soon(24 * 10, 24 * 90)).toMatchObject({ state: "warning" });
  expect(soon(11, 12)).toMatchObject({
    state: "ok",
    text: expect.stringMatching(/^for x, 11 hours left/),
  }); // Caddy's own
  expect(soon(2, 12)).toMatchObject({ state: "warning" });
  expect(soon(-1, 12)).toMatchObject({ state: "fails" });
  expect(await checkCertificate("http://192.0.2.1:7200")).toMatchObject({ state: "warning" });
  home.remove();
}, 40_000);

test("a mistake in config.toml is one thing that fails, and the rest is looked at all the same", async () => {
  const file = join(server.home.dir, ".config/claude-remote/config.toml");
  writeFileSync(file, "prt = 7300\n");
  expect(await check()).toMatchObject({
    code: 1,
    config: expect.stringMatching(/^fails: .*prt is not an option/),
    PTY: expect.stringMatching(/^ok/),
    server: expect.stringMatching(/^ok/),
  });
  rmSync(file);
}, 30_000);

test("cut short by its reader it ends without a word", async () => {
  const script = '"$@" check | head -1; echo "$?"';
  const child = Bun.spawnSync(["bash", "-c", `set -o pipefail; ${script}`, "bash", ...SELF], {
    env: server.home.env,
    cwd: server.home.dir,
  });
  expect([child.stdout.toString(), child.stderr.toString()]).toEqual([
    expect.stringMatching(/^ok {7}claude-remote \S.*\n141\n$/),
    "",
  ]);
}, 20_000);

test("in a narrow terminal words stay whole, in a column of their own", async () => {
  const { out } = await check();
  const tty = openTty([...SELF, "check"], {
    env: { ...server.home.env, CLAUDE_REMOTE_DATA: join(server.home.dir, "data") },
    cwd: server.home.dir,
    cols: 60,
    rows: 60,
  });
  await tty.exited;
  const words =
    parseJson(Report, String(out))?.checks.flatMap(({ text, todo = "" }) =>
      `${text} ${todo}`.split(/\s+/),
    ) ?? [];
  const shown = tty.screen.text();
  expect(
    words.filter(
      (word) => word.length < 30 && !/\d/.test(word) && !shown.some((row) => row.includes(word)),
    ),
  ).toEqual([]);
  expect(
    shown.filter(
      (row) =>
        row !== "" &&
        !/^(ok|warning|FAILS) /.test(row) &&
        !row.startsWith(" ".repeat(23)) &&
        row.includes(" "),
    ),
  ).toEqual([]);
}, 20_000);

test("without a terminal, or with NO_COLOR, it writes plain lines", async () => {
  const child = Bun.spawnSync([...SELF, "check"], {
    env: { ...server.home.env, NO_COLOR: "1" },
    cwd: server.home.dir,
  });
  expect(child.stdout.toString()).toMatch(/^ok {7}claude-remote \d/);
  expect(child.stdout.toString()).not.toContain("\x1b");
  expect(Bun.spawnSync([...SELF, "check", "stray"], { env: server.home.env }).exitCode).toBe(2);
}, 20_000);
