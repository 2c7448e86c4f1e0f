import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ConversationsAnswer, SessionDetail, TranscriptPage } from "../../src/types.ts";
import { claudeEnv } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { type MockApi, startMockApi } from "../support/mock-anthropic.ts";
import { expectParsed } from "../support/phone.ts";
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
  writeFileSync(join(work, "wait.sh"), "setsid sleep 1000 & exec sleep $1\n");
  before = processesIn(server);
}, 30_000);
afterEach(async () => {
  await runner.end();
  await nothingLeft();
}, 30_000);
afterAll(async () => {
  for (const line of processesIn(server))
    if (!before.includes(line)) process.kill(Number.parseInt(line, 10), "SIGKILL"); // after a failure
  api.stop();
  await server.stop();
});

const manual = ["--permission-mode", "manual"];
const nothingLeft = () =>
  until(
    "no process is left",
    () => processesIn(server).every((line) => before.includes(line)),
    15_000,
  );
const session = async (id: string) =>
  (await server.phone.sessions()).find((other) => other.id === id);
const ended = (id: string, ms = 15_000) =>
  until("it is over", async () => (await session(id))?.status === "ended" && session(id), ms);
const screen = async (id: string) => {
  const { screen } = await server.phone.get(SessionDetail, "GET", `/api/sessions/${id}`);
  return Object.values(screen?.lines ?? {})
    .map((row) => row.split("\n", 1)[0])
    .join("\n");
};
const sees = (id: string, words: string) =>
  until(`the phone sees ${words}`, async () => (await screen(id)).includes(words), 30_000);
let stream = 0;
const say = async (id: string, text: string) => {
  const typed = await server.phone.json("POST", `/api/sessions/${id}/input`, {
    stream: `t${++stream}`,
    seq: 0,
    text,
    paste: true,
  });
  expect(typed.status).toBe(200);
  await sees(id, text.slice(0, 30));
  expect(
    (
      await server.phone.json("POST", `/api/sessions/${id}/input`, {
        stream: `t${stream}`,
        seq: 1,
        enter: true,
      })
    ).status,
  ).toBe(200);
};
const stop = (id: string, signal: string) =>
  server.phone.json("POST", `/api/sessions/${id}/stop`, { signal });
/** The process of a session itself, as its record tells. */
const ownPid = (id: string) => {
  const file = join(
    server.home.dir,
    ".local/state/claude-remote/runner/sessions",
    id,
    "record.json",
  );
  return expectParsed(v.object({ pid: v.number() }), readFileSync(file, "utf8")).pid;
};

test("a session is started from the phone, its question answered there, and the conversation resumed in another", async () => {
  runner = await startRunner(server, [work], env);
  const [known] = await runners(server);
  expect(known).toMatchObject({ name: "test machine", online: true, roots: [work] });
  const id = await startSession(server, { cwd: work, args: manual, cols: 90, rows: 30 });
  await sees(id, "manual mode on");
  expect(await session(id)).toMatchObject({
    status: "running",
    cwd: work,
    args: manual,
    desk: false,
    runner: known?.id,
  });
  await say(id, "run: echo one > made.txt");
  expect((await server.phone.approve(await server.phone.prompt())).status).toBe(200);
  await until("it ran", () => existsSync(join(work, "made.txt")));
  await sees(id, "Done.");
  expect((await stop(id, "SIGTERM")).status).toBe(200);
  expect((await ended(id))?.exit).toEqual({ code: 143, signal: "SIGTERM" });
  const { conversations } = await server.phone.get(
    ConversationsAnswer,
    "GET",
    `/api/runners/${known?.id}/conversations?cwd=${encodeURIComponent(work)}`,
  );
  expect(conversations.map(({ title }) => title)).toEqual([expect.stringContaining("echo one")]);
  const again = await startSession(server, {
    cwd: work,
    args: [...manual, "--resume", conversations[0]?.id],
  });
  await sees(again, "echo one");
  const page = await until("the conversation is there", async () => {
    const { entries } = await server.phone.get(
      TranscriptPage,
      "GET",
      `/api/sessions/${again}/transcript`,
    );
    return entries.length > 2 && entries;
  });
  expect(JSON.stringify(page)).toContain("run: echo one");
  expect((await runners(server))[0]?.recent).toEqual([work]);
}, 90_000);

test("several run at once; told to end, it ends them in order and goes last", async () => {
  runner = await startRunner(server, [work], env);
  const ids = await Promise.all(
    [1, 2, 3].map(() => startSession(server, { cwd: work, args: manual })),
  );
  await Promise.all(ids.map((id) => sees(id, "manual mode on")));
  await say(ids[0] ?? "", "run: sh wait.sh 1003");
  await server.phone.approve(await server.phone.prompt());
  await until("its command runs", () =>
    processesIn(server).some((line) => / sleep 1003$/.test(line)),
  );
  expect(await runner.end()).toBe(0);
  expect(processesIn(server).filter((line) => /claude --settings| sleep 100/.test(line))).toEqual(
    [],
  );
  for (const id of ids) expect((await ended(id))?.exit).toEqual({ code: 143, signal: "SIGTERM" });
  await until("the phone knows", async () => (await runners(server))[0]?.online === false);
  expect(readdirSync(join(server.home.dir, ".local/state/claude-remote/runner/sessions"))).toEqual(
    [],
  );
}, 60_000);

test("killed itself, it leaves the sessions running; the next one takes them over, and tells what was lost meanwhile", async () => {
  runner = await startRunner(server, [work], env);
  const [stays, goes] = await Promise.all(
    [1, 2].map(() => startSession(server, { cwd: work, args: manual })),
  );
  await Promise.all([stays, goes].map((id) => sees(id ?? "", "manual mode on")));
  await runner.end("SIGKILL");
  await until("the phone knows", async () => (await runners(server))[0]?.online === false);
  await say(stays ?? "", "run: echo on > goes-on.txt");
  expect((await server.phone.approve(await server.phone.prompt())).status).toBe(200);
  await until("it ran", () => existsSync(join(work, "goes-on.txt")));
  process.kill(ownPid(goes ?? ""), "SIGKILL");
  await until("it is away", async () => (await session(goes ?? ""))?.status === "offline");

  runner = await startRunner(server, [work], env);
  await until("what stays is told", () =>
    runner?.said().includes(`${stays} in ${work} still runs`),
  );
  expect((await ended(goes ?? ""))?.exit).toEqual({ code: -1, lost: true });
  expect((await session(stays ?? ""))?.status).toBe("running");
  process.kill(ownPid(stays ?? ""), "SIGSTOP");
  expect((await stop(stays ?? "", "SIGKILL")).status).toBe(200);
  expect((await ended(stays ?? ""))?.exit).toEqual({ code: 137, signal: "SIGKILL" });
}, 90_000);

test("a session whose own process is killed is lost at once, and nothing of it runs on", async () => {
  runner = await startRunner(server, [work], env);
  const id = await startSession(server, { cwd: work, args: manual });
  await sees(id, "manual mode on");
  await say(id, "run: sh wait.sh 1001");
  await server.phone.approve(await server.phone.prompt());
  await until("its commands run", () =>
    processesIn(server).some((line) => / sleep 1001$/.test(line)),
  );
  process.kill(ownPid(id), "SIGKILL");
  expect((await ended(id))?.exit).toEqual({ code: -1, lost: true });
  await until(
    "nothing of it runs on",
    () =>
      !processesIn(server).some((line) => line.includes("sleep 100") || line.includes("/claude ")),
  );
}, 60_000);

test("a session that neither hears nor answers is interrupted, or killed, from the phone, with what it had started", async () => {
  runner = await startRunner(server, [work], env);
  const id = await startSession(server, { cwd: work, args: manual });
  await sees(id, "manual mode on");
  await say(id, "run: sh wait.sh 1002");
  await server.phone.approve(await server.phone.prompt());
  await until("its command runs", () =>
    processesIn(server).some((line) => / sleep 1002$/.test(line)),
  );
  const claude = Number(
    processesIn(server)
      .find((line) => /^\d+ \S*claude --settings/.test(line))
      ?.split(" ")[0],
  );
  process.kill(claude, "SIGSTOP");
  process.kill(ownPid(id), "SIGSTOP");
  expect((await stop(id, "SIGKILL")).status).toBe(200); // while the server still takes it for one that hears
  expect((await ended(id))?.exit).toEqual({ code: 137, signal: "SIGKILL" });
  await until(
    "nothing of it runs on",
    () => !processesIn(server).some((line) => /sleep 100\d|__session/.test(line)),
  );

  const stopped = await startSession(server, { cwd: work, args: manual });
  await sees(stopped, "manual mode on");
  process.kill(ownPid(stopped), "SIGSTOP");
  await until(
    "the server gives it up",
    async () => (await session(stopped))?.status === "offline",
    15_000,
  );
  expect((await stop(stopped, "SIGTERM")).status).toBe(200); // by the daemon, which has it continue
  expect((await ended(stopped))?.exit).toEqual({ code: 143, signal: "SIGTERM" });
}, 90_000);
