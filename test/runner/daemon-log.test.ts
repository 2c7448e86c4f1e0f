import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { expectParsed } from "../support/phone.ts";
import { spawnRunner, startRunner } from "../support/runner.ts";
import { until } from "../support/until.ts";

let server: HomeServer;
beforeAll(async () => {
  server = await startHomeServer();
  mkdirSync(join(server.home.dir, "src"));
}, 30_000);
afterAll(() => server.stop());

const lines = async (env: Record<string, string>) => {
  const runner = await startRunner(server, [join(server.home.dir, "src")], env);
  expect(await runner.end()).toBe(0);
  return runner.said().trim().split("\n");
};

describe("a runner's log", () => {
  test("has a time on each line", async () => {
    const said = await lines({});
    expect(said.length).toBeGreaterThan(2);
    for (const line of said) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S/);
  }, 30_000);

  test("is an object a line where that is asked for, as the server's", async () => {
    const Line = v.object({
      at: v.pipe(v.string(), v.isoTimestamp()),
      level: v.picklist(["info", "warn", "error"]),
      event: v.string(),
      server: v.optional(v.string()),
    });
    const runner = spawnRunner(server, [join(server.home.dir, "src")], {
      CLAUDE_REMOTE_LOG: "json",
    });
    const parsed = () =>
      runner
        .said()
        .split("\n")
        .slice(0, -1)
        .map((line) => expectParsed(Line, line));
    const connected = await until("it is connected", () =>
      parsed().find(({ event }) => event === "connected"),
    );
    expect(connected).toMatchObject({ level: "info", server: server.origin });
    expect(await runner.end()).toBe(0);
    expect(parsed().map(({ event }) => event)).toContain("stopping");
  }, 30_000);
});

describe("a runner that finds no claude", () => {
  test.each([
    ["the PATH has none", {}, "claude: command not found"],
    ["another is named", { CLAUDE_REMOTE_CLAUDE: "/none/claude" }, "/none/claude: command not"],
  ])(
    "says so at its start, with its PATH (%s)",
    async (_, env, words) => {
      const empty = join(server.home.dir, ".tools");
      const said = (await lines({ ...env, PATH: `${empty}:/usr/bin:/bin` })).join("\n");
      expect(said).toContain(`no session can be started yet: ${words}`);
      expect(said).toContain(`${empty}:/usr/bin:/bin`);
    },
    30_000,
  );

  test("is the last resort: unit and plist have the folder of Claude's own installer on the PATH", () => {
    const docs = resolve(import.meta.dir, "../../docs");
    expect(readFileSync(join(docs, "systemd/claude-remote-runner.service"), "utf8")).toMatch(
      /^Environment=PATH=%h\/\.local\/bin:.*:\/usr\/bin:/m,
    );
    expect(readFileSync(join(docs, "launchd/claude-remote.runner.plist"), "utf8")).toMatch(
      /<key>PATH<\/key>\s*<string>\/Users\/YOU\/\.local\/bin:[^<]*:\/usr\/bin:/,
    );
  });
});
