import { afterAll, beforeAll, expect, test } from "bun:test";
import { claudeEnv, type RealClaude, startRealClaude } from "../support/claude.ts";
import { SELF } from "../support/home.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { startMockApi } from "../support/mock-anthropic.ts";
import { openTty } from "../support/tty.ts";
import { until } from "../support/until.ts";

let server: HomeServer;
beforeAll(async () => {
  server = await startHomeServer();
}, 60_000);
afterAll(() => server.stop());

const CODE = "c0dE-from-the-page#and-its-state";
const sessionAt = (status: string) =>
  until(`a session that is ${status}`, async () =>
    (await server.phone.sessions()).find((session) => session.status === status),
  );

test("a login at Claude's prompt reaches the phone whole, takes the code from there, and goes when it is given up", async () => {
  const claude: RealClaude = await startRealClaude(server);
  const { id } = await sessionAt("running");
  const events = await server.phone.events();
  await claude.say("/login");
  await claude.tty.sees("Claude account with subscription");
  claude.tty.type("\r");
  const { url } = await events.next("auth_url", (event) => event.url !== null, 20_000);
  expect(url).toStartWith("https://claude.com/cai/oauth/authorize?code=true&client_id=");
  expect(new URL(url ?? "").searchParams.get("state")).toHaveLength(43); // the end is there too
  expect((await server.phone.sessions()).find((session) => session.id === id)?.auth_url).toBe(url);

  await claude.tty.sees("Paste code here");
  const typed = await server.phone.json("POST", `/api/sessions/${id}/input`, {
    stream: "login",
    seq: 1,
    text: CODE,
    paste: true,
    enter: true,
  });
  expect(typed).toEqual({ status: 200, body: { applied: 1 } });
  await claude.tty.sees(/OAuth error|Invalid code/);
  claude.tty.type("\x1b");
  await events.next("auth_url", (event) => event.url === null, 20_000);
  events.close();
  await claude.quit();
}, 60_000);

test("`claude auth login` does so too", async () => {
  const api = startMockApi();
  const tty = openTty([...SELF, "auth", "login"], {
    env: { ...claudeEnv(server.home, api), BROWSER: "true" },
    cwd: server.home.dir,
    cols: 80,
    rows: 24,
  });
  const running = await sessionAt("running");
  const shown = await until(
    "the login is shown",
    async () =>
      (await server.phone.sessions()).find((session) => session.id === running.id)?.auth_url,
    20_000,
  );
  expect(new URL(shown ?? "").searchParams.get("state")).toHaveLength(43);
  tty.pty.kill("SIGTERM");
  await tty.exited;
  api.stop();
  await until(
    "it is over",
    async () =>
      (await server.phone.sessions()).find(({ id }) => id === running.id)?.auth_url === null,
  );
}, 60_000);
