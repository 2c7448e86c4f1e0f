import { lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import dockerfile from "../../src/sandbox/Dockerfile" with { type: "text" };
import { IMAGE, sandboxTrouble } from "../../src/sandbox/engine.ts";
import { makeHome, ownerOf, type SandboxHome, sandboxHome } from "../../src/sandbox/home.ts";
import { SELF } from "./home.ts";
import type { HomeServer } from "./home-server.ts";
import { type MockApi, startMockApi } from "./mock-anthropic.ts";
import { openTty, type Tty } from "./tty.ts";

/** What the name of a test says where no container can be had; empty where one can. */
export const NO_SANDBOX = await sandboxTrouble().then((trouble = lacksImage()) =>
  trouble === undefined ? "" : ` (skipped: ${trouble})`,
);

/** Without the image that ours is built on, and no registry that gives it, there is an engine but nothing to run in it. */
function lacksImage(): string | undefined {
  const has = (image: string) =>
    Bun.spawnSync(["docker", "image", "inspect", image], { stdout: "ignore", stderr: "ignore" })
      .exitCode === 0;
  const base = /^FROM (\S+)$/m.exec(dockerfile)?.[1] ?? "";
  return has(IMAGE) || has(base) ? undefined : `the engine has no ${base}`;
}

/** The engine that the tests use, for an environment of their own. */
export const ENGINE = Object.fromEntries(
  ["DOCKER_HOST"].flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  ),
);

/** The sandboxes' folder of a home. */
export const sandboxesOf = (home: { dir: string }) =>
  join(home.dir, ".local/share/claude-remote/sandbox");

/** A project's home inside, as it is out here. */
export function homeInside(home: { dir: string }, work: string): SandboxHome {
  const inside = sandboxHome(sandboxesOf(home), work);
  makeHome(inside, ownerOf(work));
  return inside;
}

/** The names of the containers that exist, of those that begin with ours. */
export async function containers(): Promise<string[]> {
  const child = Bun.spawn(
    ["docker", "ps", "--all", "--filter", "label=claude-remote", "--format", "{{.Names}}"],
    { stdout: "pipe" },
  );
  return (await new Response(child.stdout).text()).split("\n").filter((name) => name !== "");
}

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** Runs a shell's script in a sandbox around a folder, without a terminal. */
export async function runInside(
  home: { dir: string; env: Record<string, string | undefined> },
  work: string,
  script: string,
  flags: string[] = [],
  env: Record<string, string> = {},
): Promise<Ran> {
  const child = Bun.spawn(
    [...SELF, "run", "--sandbox", ...flags, "--command", "bash", "--", "-c", script],
    {
      env: { ...home.env, ...ENGINE, ...env },
      cwd: work,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}

/** Everything below a folder, as it is: kind, rights, and what is in it. */
export function everythingIn(folder: string): Record<string, string> {
  const all: Record<string, string> = {};
  const look = (path: string) => {
    const stat = lstatSync(path);
    const hash = stat.isFile()
      ? new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex")
      : "";
    all[relative(folder, path)] =
      `${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.isSymbolicLink() ? readlinkSync(path) : hash}`;
    if (stat.isDirectory()) for (const name of readdirSync(path)) look(join(path, name));
  };
  look(folder);
  return all;
}

/** A mock of the API out here, and a home inside where claude starts without its first questions; `passed` has to be let in. */
export function settle(server: HomeServer, work: string) {
  const api = startMockApi();
  const home = homeInside(server.home, work);
  const settled = {
    hasCompletedOnboarding: true,
    theme: "dark",
    customApiKeyResponses: { approved: ["sk-ant-dummy"], rejected: [] },
    projects: { "/workspace": { hasTrustDialogAccepted: true } },
  };
  writeFileSync(join(home.config, ".claude.json"), JSON.stringify(settled), { mode: 0o666 });
  const { port } = new URL(api.url);
  const passed = {
    ANTHROPIC_BASE_URL: `http://localhost:${port}`,
    ANTHROPIC_API_KEY: "sk-ant-dummy",
    DISABLE_TELEMETRY: "1",
    DISABLE_ERROR_REPORTING: "1",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  };
  return { api, passed, port };
}

/** The real claude in a sandbox, on a terminal. */
export async function startSandboxed(server: HomeServer): Promise<{
  api: MockApi;
  tty: Tty;
  work: string;
  say(script: string): Promise<void>;
  quit(): Promise<void>;
}> {
  const work = join(server.home.dir, "work");
  const { api, passed, port } = settle(server, work);
  const pass = Object.keys(passed).flatMap((name) => ["--sandbox-pass", name]);
  const tty = openTty(
    [
      ...SELF,
      "run",
      "--sandbox",
      "--sandbox-host",
      `localhost:${port}`,
      ...pass,
      "--",
      "--permission-mode",
      "manual",
    ],
    {
      env: { ...server.home.env, ...ENGINE, ...passed },
      cwd: work,
      cols: 100,
      rows: 30,
    },
  );
  await tty.sees("manual mode on", 120_000);
  return {
    api,
    tty,
    work,
    async say(script) {
      tty.type(`\x1b[200~${script}\x1b[201~`);
      await tty.sees(script.split("\n", 1)[0]?.slice(0, 40) ?? "");
      tty.type("\r");
    },
    async quit() {
      tty.pty.kill("SIGTERM");
      await tty.exited;
      api.stop();
    },
  };
}
