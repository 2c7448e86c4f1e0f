import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseJson, View } from "../src/types.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { containers, NO_SANDBOX, sandboxesOf, startSandboxed } from "./support/sandbox.ts";
import { until } from "./support/until.ts";

describe.skipIf(NO_SANDBOX !== "")(`the real Claude Code in a sandbox${NO_SANDBOX}`, () => {
  let server: HomeServer;
  let claude: Awaited<ReturnType<typeof startSandboxed>>;
  beforeAll(async () => {
    server = await startHomeServer();
    claude = await startSandboxed(server);
  }, 600_000);
  afterAll(async () => {
    await claude.quit();
    expect(claude.api.complaints).toEqual([]);
    await server.stop();
  });

  test("it asks, the phone approves, and the file is there", async () => {
    const events = await server.phone.events();
    const [session] = await server.phone.sessions();
    expect(session).toMatchObject({ sandbox: true, cwd: claude.work, status: "running", desk: true });
    await claude.say("run: touch approved.txt");
    const prompt = await server.phone.prompt();
    expect(parseJson(View, prompt.view)).toMatchObject({ tool: "Bash", input: { command: "touch approved.txt" }, cwd: claude.work });
    expect(existsSync(join(claude.work, "approved.txt"))).toBe(false);
    expect(await server.phone.approve(prompt)).toEqual({ status: 200, body: { state: "sent" } });
    await until("the command ran", () => existsSync(join(claude.work, "approved.txt")));
    const applied = await events.next("prompt_response", (data) => data.id === prompt.id && data.answer?.receipt !== "sent" && data.state === "answered");
    expect(applied.answer).toMatchObject({ decision: "approve", receipt: "applied" });
    await claude.tty.sees("Done.");
    events.close();
  }, 60_000);
});
