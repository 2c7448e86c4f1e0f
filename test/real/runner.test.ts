import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { ConversationsAnswer, SessionDetail, TranscriptPage } from "../../src/types.ts";
import { claudeEnv } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { type MockApi, startMockApi } from "../support/mock-anthropic.ts";
import { processesIn, type Runner, runners, startRunner, startSession } from "../support/runner.ts";
import { until } from "../support/until.ts";

let server: HomeServer;
let api: MockApi;
let env: Record<string, string | undefined>;
let work: string;
let runner: Runner;
/** What runs beside the sessions. */
let before: string[];
beforeAll(async () => {
  server = await startHomeServer();
  api = startMockApi();
  work = realpathSync(join(server.home.dir, "work"));
  env = claudeEnv(server.home, api, { projects: { [work]: { hasTrustDialogAccepted: true } } });
  before = processesIn(server);
}, 30_000);
afterEach(async () => {
  await runner.end();
  await nothingLeft();
}, 30_000);
afterAll(async () => {
  api.stop();
  await server.stop();
});

const manual = ["--permission-mode", "manual"];
const nothingLeft = () => until("no process is left", () => processesIn(server).every((line) => before.includes(line)), 15_000);
const session = async (id: string) => (await server.phone.sessions()).find((other) => other.id === id);
const ended = (id: string, ms = 15_000) => until("it is over", async () => (await session(id))?.status === "ended" && session(id), ms);
const screen = async (id: string) => {
  const { screen } = await server.phone.get(SessionDetail, "GET", `/api/sessions/${id}`);
  return Object.values(screen?.lines ?? {})
    .map((row) => row.split("\n", 1)[0])
    .join("\n");
};
const sees = (id: string, words: string) => until(`the phone sees ${words}`, async () => (await screen(id)).includes(words), 30_000);
let seq = 0;
const say = async (id: string, text: string) => {
  const typed = await server.phone.json("POST", `/api/sessions/${id}/input`, { stream: "t", seq: seq++, text, paste: true });
  expect(typed.status).toBe(200);
  await sees(id, text.slice(0, 30));
  expect((await server.phone.json("POST", `/api/sessions/${id}/input`, { stream: "t", seq: seq++, enter: true })).status).toBe(200);
};
const stop = (id: string, signal: string) => server.phone.json("POST", `/api/sessions/${id}/stop`, { signal });
/** The process of a session itself, and claude in it. */
const pids = (id: string) => {
  const all = processesIn(server).filter((line) => !before.includes(line));
  const own = all.find((line) => line.includes("__session") && existsSync(`/proc/${line.split(" ")[0]}`));
  return { id, own: Number(own?.split(" ")[0]), claude: Number(all.find((line) => /\/claude --settings/.test(line) && !line.includes("-c "))?.split(" ")[0]) };
};

test("a session is started from the phone, its question answered there, and the conversation resumed in another", async () => {
  runner = await startRunner(server, [work], env);
  const [known] = await runners(server);
  expect(known).toMatchObject({ name: "test machine", online: true, roots: [work] });
  const id = await startSession(server, { cwd: work, args: manual, cols: 90, rows: 30 });
  await sees(id, "manual mode on");
  expect(await session(id)).toMatchObject({ status: "running", cwd: work, args: manual, desk: false, runner: known?.id });
  await say(id, "run: echo one > made.txt");
  expect((await server.phone.approve(await server.phone.prompt())).status).toBe(200);
  await until("it ran", () => existsSync(join(work, "made.txt")));
  await sees(id, "Done.");
  expect((await stop(id, "SIGTERM")).status).toBe(200);
  expect((await ended(id))?.exit).toEqual({ code: 143, signal: "SIGTERM" });
  const { conversations } = await server.phone.get(ConversationsAnswer, "GET", `/api/runners/${known?.id}/conversations?cwd=${encodeURIComponent(work)}`);
  expect(conversations.map(({ title }) => title)).toEqual([expect.stringContaining("echo one")]);
  const again = await startSession(server, { cwd: work, args: [...manual, "--resume", conversations[0]?.id] });
  await sees(again, "echo one");
  const page = await until("the conversation is there", async () => {
    const { entries } = await server.phone.get(TranscriptPage, "GET", `/api/sessions/${again}/transcript`);
    return entries.length > 2 && entries;
  });
  expect(JSON.stringify(page)).toContain("run: echo one");
  expect((await runners(server))[0]?.recent).toEqual([work]);
}, 90_000);
