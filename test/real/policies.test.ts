import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { until } from "../support/until.ts";

let server: HomeServer;
let claude: RealClaude | undefined;
let proxy: Bun.Server<undefined>;
/** What went through the proxy: where to, and with what. */
let proxied: { url: string; body: string }[] = [];
const place = (...parts: string[]) => join(server.home.dir, ...parts);
const write = (file: string, settings: object) => {
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, JSON.stringify(settings));
};
beforeAll(async () => {
  server = await startHomeServer();
  proxy = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const body = await request.text();
      proxied.push({ url: request.url, body });
      const { method, url } = request;
      const headers = new Headers(request.headers);
      headers.delete("accept-encoding");
      if (!url.startsWith("http://127.0.0.1")) return new Response(null, { status: 502 });
      return fetch(url, { method, headers, ...(method === "POST" ? { body } : {}) });
    },
  });
}, 60_000);
afterEach(async () => {
  await claude?.quit();
  claude = undefined;
  proxied = [];
  for (const file of [place(".claude/settings.json"), place("work/.claude")])
    rmSync(file, { recursive: true, force: true });
});
afterAll(async () => {
  await proxy.stop(true);
  await server.stop();
});
const running = async () =>
  (await server.phone.sessions()).find(({ status }) => status === "running");
async function isAsked(file: string): Promise<void> {
  await claude?.say(`run: touch ${file}`);
  const prompt = await server.phone.prompt();
  expect(prompt.kind).toBe("permission");
  expect((await server.phone.approve(prompt)).status).toBe(200);
  await until("the command ran", () => existsSync(place("work", file)));
  expect((await running())?.hooks).toBe("on");
}

test.each([
  ["user", () => place(".claude/settings.json")],
  ["project", () => place("work/.claude/settings.json")],
  ["local", () => place("work/.claude/settings.local.json")],
])(
  "a proxy in %s settings is given none of the hooks",
  async (name, file) => {
    const to = `http://127.0.0.1:${proxy.port}`;
    const proxies = { HTTP_PROXY: to, http_proxy: to };
    write(file(), { env: proxies });
    claude = await startRealClaude(server, [], { NO_PROXY: "", no_proxy: "" });
    await isAsked(`${name}.txt`);
    expect(proxied.length).toBeGreaterThan(0); // what is meant for the API goes there
    expect(proxied.filter(({ body }) => body.includes("hook_event_name"))).toEqual([]);
  },
  60_000,
);

test("a list of addresses that hooks may call forbids none of ours", async () => {
  write(place(".claude/settings.json"), { allowedHttpHookUrls: [], httpHookAllowedEnvVars: [] });
  claude = await startRealClaude(server);
  await isAsked("listed.txt");
  expect(claude.tty.text()).not.toMatch(/hook (failed|blocked|reported)/i);
}, 60_000);

const HOOKS_FAIL = /hook (failed|blocked|reported)/i;
async function saysSo(): Promise<void> {
  await claude?.say("run: touch off.txt");
  await claude?.tty.sees("Do you want to proceed?");
  await until("the session says so", async () => (await running())?.hooks === "off", 20_000);
  expect(await server.phone.prompt()).toMatchObject({ kind: "screen" });
  expect(claude?.tty.text()).not.toMatch(HOOKS_FAIL);
}

test.each([
  ["project", () => place("work/.claude/settings.json")],
  ["local", () => place("work/.claude/settings.local.json")],
])(
  "where %s settings switch hooks off, the session says so, the desk is quiet, and prompts come off the screen",
  async (_, file) => {
    write(file(), { disableAllHooks: true });
    claude = await startRealClaude(server);
    await saysSo();
  },
  60_000,
);

test.skipIf(Bun.spawnSync(["unshare", "-m", "true"]).exitCode !== 0)(
  "so it is where only managed hooks may run",
  async () => {
    const etc = place("etc");
    cpSync("/etc", etc, { recursive: true, verbatimSymlinks: true });
    write(join(etc, "claude-code/managed-settings.json"), { allowManagedHooksOnly: true });
    const through = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', etc];
    claude = await startRealClaude(server, [], {}, "manual mode on", { through });
    await saysSo();
  },
  90_000,
);
