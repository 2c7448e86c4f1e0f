import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Prompt, parseJson, View } from "../../src/types.ts";
import { claudeDir, type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { processesIn } from "../support/runner.ts";
import { until } from "../support/until.ts";

let server: HomeServer;
let claude: RealClaude | undefined;
beforeEach(async () => {
  server = await startHomeServer();
}, 60_000);
afterEach(async () => {
  await claude?.quit();
  claude = undefined;
  await server.stop();
}, 60_000);

/** Starts the real Claude Code in its folder, with settings of the user's own. */
async function start(settings: object = {}, env: Record<string, string> = {}) {
  const own = join(server.home.dir, ".claude");
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, "settings.json"), JSON.stringify(settings));
  claude = await startRealClaude(server, [], env);
  return claude;
}
const session = async () => (await server.phone.sessions())[0];
const activity = (word: string) =>
  until(`Claude's status is ${word}`, async () => (await session())?.activity === word, 20_000);
const made = (name: string) => existsSync(join(server.home.dir, "work", name));
let stream = 0;
const type = async (text: string) => {
  const id = (await session())?.id;
  return server.phone.json("POST", `/api/sessions/${id}/input`, {
    stream: `s${stream++}`,
    seq: 1,
    text,
  });
};
/** Starts to listen for what becomes of prompts. */
async function settled() {
  const events = await server.phone.events();
  return (prompt: Prompt, match: (now: Prompt) => boolean, ms = 20_000) =>
    events.next("prompt_response", (now) => now.id === prompt.id && match(now), ms);
}
/** Somebody says yes at the desk. */
async function approveAtDesk({ tty }: RealClaude) {
  await tty.sees("Do you want to proceed?", 30_000);
  await Bun.sleep(600); // Claude swallows keys just after the dialog is drawn
  tty.type("1");
}

describe("with the real Claude Code", () => {
  test("while a command runs in the background Claude is at its prompt: no card, and what the phone types is taken", async () => {
    const { say, tty } = await start({ permissions: { allow: ["Bash"] } });
    await say("bg: tail -f /dev/null");
    await tty.sees("1 shell", 30_000);
    await activity("idle");
    await Bun.sleep(2500); // a card for what can't be read would have come by then
    expect(await server.phone.prompts()).toEqual([]);
    expect((await type("hello")).status).toBe(200);
  }, 90_000);

  test("started by a script, Claude's own status is found by what its hooks call the conversation", async () => {
    const scripts = join(server.home.dir, "scripts");
    mkdirSync(scripts);
    writeFileSync(join(scripts, "claude"), `#!/bin/sh\n"${claudeDir()}/claude" "$@"\nexit $?\n`);
    chmodSync(join(scripts, "claude"), 0o755);
    const started = await start({}, { PATH: `${scripts}:${server.home.env.PATH}` });
    await started.say("run: touch script.txt; tail -f /dev/null");
    const prompt = await server.phone.prompt(30_000);
    await activity("waiting");
    const became = await settled();
    await approveAtDesk(started);
    await until("the command runs", () => made("script.txt"));
    expect(await became(prompt, ({ state }) => state === "answered")).toMatchObject({
      answer: { by: "desk", decision: "approve" },
    });
    await activity("busy");
    started.tty.type("\x1b");
  }, 90_000);

  test("with its status file swept away, the card goes with the dialog, and typing is not refused", async () => {
    const started = await start();
    const files = join(server.home.dir, ".claude", "sessions");
    await started.say("run: touch swept.txt; tail -f /dev/null");
    const prompt = await server.phone.prompt(30_000);
    await started.tty.sees("Do you want to proceed?", 30_000);
    for (const name of readdirSync(files)) rmSync(join(files, name));
    const became = await settled();
    await approveAtDesk(started);
    await until("the command runs", () => made("swept.txt"));
    await became(prompt, ({ state }) => state === "answered");
    expect(await server.phone.prompts()).toEqual([]);
    expect((await type("and then?")).status).toBe(200);
    started.tty.type("\x1b");
  }, 90_000);

  test("what a hook of the user's own rejects was not approved at the desk", async () => {
    const script = join(server.home.dir, "deny.sh");
    const answer = {
      hookEventName: "PermissionRequest",
      decision: { behavior: "deny", message: "never" },
    };
    writeFileSync(
      script,
      `cat > /dev/null; while [ ! -e "${server.home.dir}/go" ]; do sleep 0.1; done; echo '${JSON.stringify({ hookSpecificOutput: answer })}'\n`,
    );
    const hook = { type: "command", command: `sh ${script}`, timeout: 60 };
    const { say, tty } = await start({ hooks: { PermissionRequest: [{ hooks: [hook] }] } });
    await say("run: touch denied.txt");
    const prompt = await server.phone.prompt(30_000);
    await activity("waiting");
    const became = await settled();
    writeFileSync(join(server.home.dir, "go"), "");
    const now = await became(
      prompt,
      ({ state, why }) => state === "answered" || (state === "withdrawn" && why !== "unknown"),
    );
    expect(now).toMatchObject({ state: "withdrawn", why: "denied_by_hook" });
    expect(now.answer).toBeUndefined();
    await tty.sees("Denied by PermissionRequest hook");
    expect(made("denied.txt")).toBe(false);
  }, 90_000);

  test("a question that Claude no longer waits for was answered by nobody", async () => {
    const { say } = await start({ askUserQuestionTimeout: "60s" });
    await say("ask");
    const prompt = await server.phone.prompt(30_000);
    const became = await settled();
    const now = await became(
      prompt,
      ({ state, why }) => state !== "pending" && why !== "unknown",
      100_000,
    );
    expect(now).toMatchObject({ state: "withdrawn", why: "no_answer" });
    expect(now.answer).toBeUndefined();
  }, 180_000);

  test("another session in the agents view asks as itself, touches nothing of the one that is shown, and is answered from the phone", async () => {
    const { say, tty } = await start();
    await say("long 2");
    await tty.sees("Line 2 of a long answer.");
    await activity("idle");
    tty.type("\x1b[D");
    await tty.sees("describe a task", 30_000);
    await Bun.sleep(1000);
    tty.type("run: touch elsewhere.txt");
    await tty.sees("run: touch elsewhere.txt");
    tty.type("\r");
    const prompt = await server.phone.prompt(60_000);
    const view = parseJson(View, prompt.view);
    expect(view).toMatchObject({ tool: "Bash", input: { command: "touch elsewhere.txt" } });
    expect(view?.asker).not.toBe("");
    expect(view?.asker).toBeDefined();
    expect((await server.phone.approve(prompt)).status).toBe(200);
    await until("the command ran", () => made("elsewhere.txt"), 30_000);
    await claude?.quit();
    claude = undefined;
    // Claude's own daemon outlives its sessions
    for (const line of processesIn(server))
      if (/^\d+ .*claude/.test(line) && !line.includes("cli.ts"))
        process.kill(Number.parseInt(line, 10), "SIGKILL");
  }, 180_000);
});
