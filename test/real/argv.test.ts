import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FLAGS } from "../../src/runner/claude/arguments.ts";
import { claudeEnv } from "../support/claude.ts";
import { SELF } from "../support/home.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { type MockApi, startMockApi } from "../support/mock-anthropic.ts";
import { openTty } from "../support/tty.ts";
import { until } from "../support/until.ts";

let server: HomeServer;
let api: MockApi;
let env: Record<string, string | undefined>;
let work: string;
beforeAll(async () => {
  server = await startHomeServer();
  api = startMockApi();
  env = claudeEnv(server.home, api);
  work = join(server.home.dir, "work");
  mkdirSync(join(work, "lib"));
}, 60_000);
afterAll(async () => {
  api.stop();
  await server.stop();
});

/** Something that each flag takes; what claude itself refuses is told by the words after it. */
const VALUES: Record<string, { value: string; refused?: string }> = {
  "--add-dir": { value: "lib" },
  "--allowedTools": { value: "Edit" },
  "--allowed-tools": { value: "Edit" },
  "--disallowedTools": { value: "WebFetch" },
  "--disallowed-tools": { value: "WebFetch" },
  "--betas": { value: "context-1m-2025-08-07" },
  "--mcp-config": { value: '{"mcpServers":{}}' },
  "--tools": { value: "default" },
  "--file": { value: "file_abc:doc.txt", refused: "Session token required" },
};

test("every flag that takes any number of values is tried", () => {
  const lists = Object.keys(FLAGS).filter((flag) => FLAGS[flag] === "list");
  expect(lists.toSorted()).toEqual(Object.keys(VALUES).toSorted());
});

test.each(Object.entries(VALUES))(
  "a prompt after %s and the user's own settings is a prompt",
  async (flag, { value, refused }) => {
    const ran = join(work, "their-hook-ran");
    rmSync(ran, { force: true });
    const hooks = { UserPromptSubmit: [{ hooks: [{ type: "command", command: `touch ${ran}` }] }] };
    writeFileSync(join(work, "s.json"), JSON.stringify({ hooks }));
    const tty = openTty([...SELF, flag, value, "--settings", "s.json", "long 3"], {
      env,
      cwd: work,
      cols: 100,
      rows: 30,
    });
    await tty.sees(refused ?? "Line 3 of a long answer.", 30_000);
    if (refused === undefined) {
      await until("their settings count", () => existsSync(ran));
      await until("ours, too", async () =>
        (await server.phone.sessions()).some(
          ({ status, hooks }) => status === "running" && hooks === "on",
        ),
      );
    }
    tty.pty.kill("SIGTERM");
    await tty.exited;
  },
  60_000,
);
