import { afterAll, beforeAll, expect, test } from "bun:test";
import type { PushMessage } from "../../src/types.ts";
import { type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { type FakeBrowser, startPushService } from "../support/push-service.ts";
import { until } from "../support/until.ts";

const service = startPushService();
let server: HomeServer;
let claude: RealClaude;
let browser: FakeBrowser;
beforeAll(async () => {
  server = await startHomeServer({
    env: {
      CLAUDE_REMOTE_PUSH_SERVICES: service.origin,
      CLAUDE_REMOTE_PUSH_CONTACT: "mailto:me@example.org",
    },
  });
  browser = await service.browser("phone");
  expect(
    (await server.phone.json("POST", "/api/push/subscription", browser.subscription)).status,
  ).toBe(200);
  claude = await startRealClaude(server);
}, 60_000);
afterAll(async () => {
  await claude.quit();
  await server.stop();
  service.stop();
});
const next = () =>
  until("the phone gets a message", () => browser.received.shift()?.message, 45_000);

test("the phone hears, ten seconds later, that Claude finished, with its last words; not when somebody went on at the desk", async () => {
  await claude.say("long 2");
  await claude.tty.sees("Line 2 of a long answer.");
  await Bun.sleep(1000);
  await claude.say("long 3");
  await claude.tty.sees("Line 3 of a long answer.");
  expect(await next()).toMatchObject({
    kind: "finished",
    title: "Claude finished · work",
    body: expect.stringMatching(/^Line 1 .*\n.*\nLine 3 of a long answer.$/),
    silent: false,
  });
  expect(browser.received).toEqual([]);
}, 60_000);

test("three commands in the background that end at different times make one sound, and none while they run", async () => {
  await claude.say("bg: sleep 14\nbg: sleep 17\nbg: sleep 26");
  const heard: PushMessage[] = [];
  await until(
    "all of it is over",
    () => {
      for (const { message } of browser.received.splice(0)) heard.push(message);
      const last = heard.findLast(({ kind }) => kind === "finished");
      return last !== undefined && !last.body.includes("Still running") && last;
    },
    100_000,
  );
  await Bun.sleep(12_000); // no other sound comes after
  for (const { message } of browser.received.splice(0)) heard.push(message);
  const finished = heard.filter(({ kind }) => kind === "finished");
  expect(finished.filter(({ silent }) => silent === false)).toHaveLength(1);
}, 180_000);

test("it is asked, and told once that was answered at the desk", async () => {
  await claude.say("run: echo hello > said.txt");
  const prompt = await server.phone.prompt();
  expect(await next()).toMatchObject({
    kind: "prompt",
    tag: prompt.id,
    title: "Run a command? · work",
    body: expect.stringContaining("echo hello > said.txt\n"),
    actions: ["reject"],
  });
  claude.tty.type("\x1b");
  expect(await next()).toMatchObject({
    kind: "answered",
    tag: prompt.id,
    body: "Rejected at the desk.",
    silent: true,
  });
}, 60_000);

test("it hears what went wrong", async () => {
  await claude.say("fail 400");
  expect(await next()).toMatchObject({
    kind: "error",
    body: expect.stringContaining("API Error: 400"),
  });
}, 60_000);

test("it hears that the session ended", async () => {
  claude.tty.pty.kill("SIGTERM");
  expect(await next()).toMatchObject({
    kind: "ended",
    title: "Session ended · work",
    silent: false,
  });
}, 60_000);
