import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { SELF } from "./home.ts";
import type { HomeServer } from "./home-server.ts";
import { type MockApi, startMockApi } from "./mock-anthropic.ts";
import { openTty, type Tty } from "./tty.ts";
import { until } from "./until.ts";

/** Where the pinned npm package keeps the real CLI for this platform. */
export function claudeDir(): string {
  const given = process.env.CLAUDE_REMOTE_TEST_CLAUDE;
  if (given !== undefined) return given;
  const scope = resolve(import.meta.dir, "../../node_modules/@anthropic-ai");
  const name = readdirSync(scope).find(
    (entry) => entry.startsWith("claude-code-") && existsSync(join(scope, entry, "claude")),
  );
  if (name === undefined) throw new Error("the real claude is not installed: run bun install");
  return join(scope, name);
}

/** The real CLI itself; another version where CLAUDE_REMOTE_TEST_CLAUDE names its folder. */
export const claudeProgram = () => join(claudeDir(), "claude");

/** Claude has taken an Escape by then, in ms: a second one right after the first means something else to it. */
const ESCAPE_MS = 2500;

/** The real Claude Code, wrapped, in a terminal; it talks to a mock API on loopback and keeps to a home of its own. */
export interface RealClaude {
  api: MockApi;
  tty: Tty;
  work: string;
  /** Types a script for the mock API and sends it. */
  say(script: string): Promise<void>;
  /** Presses Escape until Claude works no more: one that it swallows is pressed again. */
  interrupt(): Promise<void>;
  quit(): Promise<void>;
}

/** The environment in which claude starts without its first-run questions, but for what `unsettled` takes back. */
export function claudeEnv(
  home: HomeServer["home"],
  api: MockApi,
  unsettled: object = {},
): Record<string, string | undefined> {
  const config = join(home.dir, ".claude");
  const work = join(home.dir, "work");
  mkdirSync(config, { recursive: true });
  const settled = {
    hasCompletedOnboarding: true,
    theme: "dark",
    customApiKeyResponses: { approved: ["sk-ant-dummy"], rejected: [] },
    projects: { [work]: { hasTrustDialogAccepted: true } },
    ...unsettled,
  };
  writeFileSync(join(config, ".claude.json"), JSON.stringify(settled));
  return {
    ...home.env,
    PATH: `${claudeDir()}:${home.env.PATH}`,
    CLAUDE_CONFIG_DIR: config,
    ANTHROPIC_BASE_URL: api.url,
    ANTHROPIC_API_KEY: "sk-ant-dummy",
    NO_PROXY: "127.0.0.1,localhost",
    DISABLE_TELEMETRY: "1",
    DISABLE_ERROR_REPORTING: "1",
    DISABLE_AUTOUPDATER: "1",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  };
}

/** What asking about every step is called, and what tells that Claude is there in it: older versions have other words. */
const isOld =
  process.env.CLAUDE_REMOTE_TEST_CLAUDE !== undefined &&
  !Bun.spawnSync([claudeProgram(), "--help"]).stdout.toString().includes('"manual"');
const manual = isOld
  ? { mode: "default", ready: "? for short" }
  : { mode: "manual", ready: "manual mode on" };
const EMPTY_BOX = isOld ? /\n❯\s*(?:Try .*)?\n─/ : /\n❯\s*\n─/;
/** What was pasted is shown so soon, or it was lost, in ms. */
const PASTE_MS = 5000;
/** An older version loses an Enter that comes sooner after a paste, in ms. */
const OLD_PASTE_MS = 1500;

export async function startRealClaude(
  server: HomeServer,
  args: string[] = [],
  env: Record<string, string> = {},
  ready = manual.ready,
  {
    cols = 100,
    rows = 30,
    unsettled = {},
    through = [],
  }: { cols?: number; rows?: number; unsettled?: object; through?: string[] } = {},
): Promise<RealClaude> {
  const api = startMockApi();
  const work = join(server.home.dir, "work");
  const tty = openTty(
    [
      ...through,
      ...SELF,
      ...(args.includes("--permission-mode") ? [] : ["--permission-mode", manual.mode]),
      ...args,
    ],
    {
      env: { ...claudeEnv(server.home, api, unsettled), ...env },
      cwd: work,
      cols,
      rows,
    },
  );
  await tty.sees(ready, 30_000);
  return {
    api,
    tty,
    work,
    async say(script) {
      await tty.sees(EMPTY_BOX); // what is typed into a dialog that is about to go is lost
      const begins = script.split("\n", 1)[0]?.slice(0, 20) ?? "";
      let pasted = Number.NEGATIVE_INFINITY;
      await until(
        "Claude shows what was pasted",
        () => {
          const isEmpty = EMPTY_BOX.test(tty.text());
          if (!isEmpty && tty.text().includes(begins)) return true;
          // just after a turn was interrupted it takes none
          if (isEmpty && performance.now() - pasted > PASTE_MS) {
            pasted = performance.now();
            tty.type(`\x1b[200~${script}\x1b[201~`);
          }
          return false;
        },
        30_000,
      );
      if (!isOld) return tty.type("\r");
      await Bun.sleep(OLD_PASTE_MS);
      tty.type("\r");
    },
    async interrupt() {
      let pressed = Number.NEGATIVE_INFINITY;
      await until(
        "Claude is at its prompt",
        () => {
          const working = tty.text().includes("esc to interrupt");
          if (working && performance.now() - pressed > ESCAPE_MS) {
            pressed = performance.now();
            tty.type("\x1b");
          }
          return !working && /\n❯\s*\n─/.test(tty.text());
        },
        30_000,
      );
    },
    async quit() {
      tty.pty.kill("SIGTERM");
      await tty.exited;
      api.stop();
    },
  };
}
