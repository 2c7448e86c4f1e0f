import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Answer, parseJson, View } from "../../src/types.ts";
import { type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { until } from "../support/until.ts";

describe("the real Claude Code with settings of the user's own", () => {
  let server: HomeServer;
  let claude: RealClaude | undefined;
  const hook = (name: string) => ({
    hooks: [{ type: "command", command: `touch ${join(server.home.dir, name)}` }],
  });
  const userFile = () => join(server.home.dir, ".claude/settings.json");
  const ran = (name: string) => existsSync(join(server.home.dir, name));
  beforeAll(async () => {
    server = await startHomeServer();
    mkdirSync(join(server.home.dir, ".claude"), { recursive: true });
  }, 60_000);
  afterAll(async () => {
    await claude?.quit();
    await server.stop();
  });

  test("their hooks run beside ours, from their file and from their flag, and no file of theirs is written", async () => {
    const settings = JSON.stringify({ hooks: { PermissionRequest: [hook("user-file-hook")] } });
    writeFileSync(userFile(), settings);
    const flag = JSON.stringify({ hooks: { UserPromptSubmit: [hook("user-flag-hook")] } });
    claude = await startRealClaude(server, ["--settings", flag]);
    await claude.say("run: touch both.txt");
    const prompt = await server.phone.prompt();
    await until("the user's own hooks ran", () => ran("user-file-hook") && ran("user-flag-hook"));
    expect((await server.phone.approve(prompt)).status).toBe(200);
    await until("the command ran", () => existsSync(join(claude?.work ?? "", "both.txt")));
    expect(readFileSync(userFile(), "utf8")).toBe(settings);
    expect(existsSync(join(claude.work, ".claude"))).toBe(false);
    await claude.tty.sees("Done.");
    const [session] = await server.phone.sessions();
    expect(session).toMatchObject({ hooks: "on", status: "running", cwd: claude.work });

    const db = new Database(join(server.home.dir, "data/claude-remote.db"), { readonly: true });
    const stored = db
      .query<{ response: string; responded_at: number }, [string]>(
        "SELECT response, responded_at FROM prompts WHERE id = ?",
      )
      .get(prompt.id);
    const audit = db
      .query<{ device_id: string }, [string]>(
        "SELECT device_id FROM audit WHERE action = 'approve' AND subject = ?",
      )
      .get(prompt.id);
    db.close();
    expect(parseJson(Answer, stored?.response ?? "")).toMatchObject({
      by: "viewer",
      device: server.phone.device,
      decision: "approve",
    });
    expect(stored?.responded_at).toBeGreaterThan(prompt.created_at);
    expect(audit?.device_id).toBe(server.phone.device);
  }, 60_000);

  test("a subagent's prompt says whose it is, and is answered the same way", async () => {
    await claude?.say("task: run: touch subagent.txt");
    const prompt = await server.phone.prompt();
    expect(parseJson(View, prompt.view)).toMatchObject({
      agent: "general-purpose",
      input: { command: "touch subagent.txt" },
    });
    expect((await server.phone.approve(prompt)).status).toBe(200);
    await until("the command ran", () => existsSync(join(claude?.work ?? "", "subagent.txt")));
    await claude?.quit();
    claude = undefined;
  }, 60_000);

  test("hooks switched off by the user are told on the dashboard, and what Claude asks is read off the screen", async () => {
    writeFileSync(userFile(), JSON.stringify({ disableAllHooks: true }));
    claude = await startRealClaude(server);
    await claude.say("run: touch nohooks.txt");
    await claude.tty.sees("Do you want to proceed?");
    await until("the session says so", async () =>
      (await server.phone.sessions()).some(
        (session) => session.status === "running" && session.hooks === "off",
      ),
    );
    expect(await server.phone.prompt()).toMatchObject({ kind: "screen" });
    await claude.quit();
    claude = undefined;
  }, 60_000);

  test("a session that ends while a prompt waits lets nobody answer it any more", async () => {
    writeFileSync(userFile(), "{}");
    claude = await startRealClaude(server);
    await claude.say("run: touch toolate.txt");
    const prompt = await server.phone.prompt();
    await claude.quit();
    claude = undefined;
    await until("the prompt is closed", async () => (await server.phone.prompts()).length === 0);
    const over = async () =>
      (await server.phone.sessions()).find(
        ({ id, status }) => id === prompt.session && status === "ended",
      );
    const ended = await until("the session has ended", over, 20_000);
    // on its way out Claude hangs up first, as it does for a No at the desk: on a slow machine it is taken for one
    expect([409, 410]).toContain((await server.phone.approve(prompt)).status);
    expect(ended).toMatchObject({ exit: { code: 143, signal: "SIGTERM" } });
  }, 60_000);

  test("the classic renderer's scrollback is history", async () => {
    claude = await startRealClaude(server, [], { CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN: "1" });
    await claude.say("long 120");
    await claude.tty.sees("Line 120 of a long answer.");
    const id = (await server.phone.sessions()).find(({ status }) => status === "running")?.id;
    await until("the first lines are in the history", async () => {
      const { body } = await server.phone.json("GET", `/api/sessions/${id}/output?limit=1000`);
      return (
        JSON.stringify(body).includes("Line 1 of a long answer.") &&
        JSON.stringify(body).includes("Line 80 of a long answer.")
      );
    });
  }, 60_000);
});
