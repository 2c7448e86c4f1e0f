import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { type Relay, startRelay } from "../support/relay.ts";
import { until } from "../support/until.ts";

describe("the link between the real Claude Code's runner and the server", () => {
  let proxy: Relay;
  let server: HomeServer;
  let claude: RealClaude;
  beforeAll(async () => {
    proxy = startRelay();
    server = await startHomeServer({ publicPort: proxy.port });
    proxy.target = server.port;
    claude = await startRealClaude(server);
    await until("the session is there", online);
  }, 60_000);
  afterAll(async () => {
    await claude.quit();
    proxy.stop();
    await server.stop();
  });
  const online = async () =>
    (await server.phone.sessions()).some((session) => session.status === "running");
  const lines = (name: string) =>
    existsSync(join(claude.work, name))
      ? readFileSync(join(claude.work, name), "utf8").split("\n").length - 1
      : 0;

  test("cut before the decision arrives: it is refused, nothing fires later, and a second tap works", async () => {
    await claude.say("run: echo once >> lost.txt");
    const prompt = await server.phone.prompt();
    proxy.hold.toRunner = true;
    const approving = server.phone.approve(prompt);
    await until("it is on its way", async () =>
      (await server.phone.prompts()).some(
        ({ id, state }) => id === prompt.id && state === "sending",
      ),
    );
    proxy.open = false;
    proxy.cut();
    expect(await approving).toMatchObject({
      status: 503,
      body: { error: { code: "runner_lost" } },
    });
    expect(await server.phone.approve(prompt)).toMatchObject({
      status: 503,
      body: { error: { code: "runner_away" } },
    });
    proxy.open = true;
    await until("the runner is back", online, 20_000);
    await Bun.sleep(500);
    expect(lines("lost.txt")).toBe(0);
    expect((await server.phone.prompts()).map(({ id, state }) => ({ id, state }))).toEqual([
      { id: prompt.id, state: "pending" },
    ]);
    expect((await server.phone.approve(prompt)).status).toBe(200);
    await until("the command ran", () => lines("lost.txt") === 1);
  }, 60_000);

  test("cut after the decision arrived: it is applied once, and the phone learns so after the reconnect", async () => {
    await claude.say("run: echo once >> arrived.txt");
    const prompt = await server.phone.prompt();
    proxy.hold.toServer = true;
    const approving = server.phone.approve(prompt);
    await until("the command ran", () => lines("arrived.txt") === 1);
    proxy.cut();
    expect((await approving).status).toBe(503);
    await until(
      "the answer is known",
      async () => (await server.phone.prompts()).length === 0,
      20_000,
    );
    await until(
      "it is known to be applied",
      async () =>
        JSON.stringify(await server.phone.approve(prompt)) ===
        JSON.stringify({ status: 200, body: { state: "applied" } }),
    );
    expect(lines("arrived.txt")).toBe(1);
  }, 60_000);

  test("a runner that falls silent is shown as offline within ten seconds, with since when", async () => {
    proxy.hold.toServer = true;
    const offline = await until(
      "the session is offline",
      async () => (await server.phone.sessions()).find(({ status }) => status === "offline"),
      20_000,
    );
    expect(offline.offline_since).toBeGreaterThan(Date.now() - 10_000);
    proxy.cut();
    await until("the runner is back", online, 20_000);
  }, 40_000);
});
