import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { until } from "../support/until.ts";

let server: HomeServer;
let claude: RealClaude;
const pairing = () => join(server.home.dir, ".config/claude-remote/pairing.json");
const secret = () => String(JSON.parse(readFileSync(pairing(), "utf8")).secret);
/** What the tools that the mock API calls come to: an edit reads first. */
async function outcome(script: string): Promise<string> {
  const { results } = claude.api;
  const end = results.length + (script.startsWith("edit:") ? 2 : 1);
  await claude.say(script);
  await until("the tools have answered", () => results.length >= end, 30_000);
  return results
    .slice(-(script.startsWith("edit:") ? 2 : 1))
    .map(({ text }) => text)
    .join("\n");
}
beforeAll(async () => {
  server = await startHomeServer();
  const config = join(server.home.dir, ".claude");
  mkdirSync(config, { recursive: true });
  const mine = join(server.home.dir, "mine");
  mkdirSync(mine);
  writeFileSync(join(mine, "diary.txt"), "dear diary");
  writeFileSync(join(mine, "notes.txt"), "shared notes");
  // rules of the user's own: in their file and in their flag
  writeFileSync(
    join(config, "settings.json"),
    JSON.stringify({
      permissions: { deny: [`Read(/${mine}/diary.txt)`], allow: ["Bash(echo allowed:*)"] },
    }),
  );
  const flag = JSON.stringify({
    permissions: { deny: ["Bash(echo never:*)"], additionalDirectories: [mine] },
  });
  claude = await startRealClaude(server, ["--settings", flag], {
    CLAUDE_REMOTE_DATA: join(server.home.dir, "data"),
  });
  symlinkSync(join(server.home.dir, ".config/claude-remote"), join(claude.work, "innocent"));
}, 90_000);
afterAll(async () => {
  await claude.quit();
  await server.stop();
});

test("Claude's own tools read and write nothing in our folders, by no way that leads there", async () => {
  const { dir } = server.home;
  for (const path of [
    pairing(),
    join(dir, "data/claude-remote.db"),
    join(dir, ".config/claude-remote/../claude-remote/pairing.json"),
    join(claude.work, "innocent/pairing.json"),
  ]) {
    const text = await outcome(`edit: ${path} :: a => b`);
    expect([path, text]).toEqual([path, expect.stringMatching(/denied|permission/i)]);
    expect(text).not.toContain(secret());
  }
  const written = join(dir, ".config/claude-remote/config.toml");
  expect(await outcome(`write: ${written} :: claude = "/tmp/evil"`)).toMatch(/denied|permission/i);
  expect(existsSync(written)).toBe(false);
}, 180_000);

test("the commands by which Claude's shell tool reads files are held as well; this is no wall against programs", async () => {
  const text = await outcome(`run: cat ${pairing()}`);
  expect(text).not.toContain(secret());
  expect(text).toMatch(/denied|permission/i);
}, 60_000);

test("the user's own rules hold as before", async () => {
  const { dir } = server.home;
  expect(await outcome(`edit: ${join(dir, "mine/diary.txt")} :: dear => no`)).toMatch(
    /denied|permission/i,
  );
  expect(await outcome("run: echo never mind")).toMatch(/denied|permission/i);
  expect(await outcome("run: echo allowed words")).toContain("allowed words");
  expect(readFileSync(join(dir, "mine/diary.txt"), "utf8")).toBe("dear diary");
}, 120_000);
