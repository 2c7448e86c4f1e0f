import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { type RunningServer, startServer } from "../src/server.ts";
import {
  AuditEntry,
  ConversationsAnswer,
  FoldersAnswer,
  LIMITS,
  RunnerInfo,
} from "../src/types.ts";
import { type Phone, pairDevice } from "./support/phone.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { until } from "./support/until.ts";

let data: string;
let server: RunningServer;
let machine: Phone;
let viewer: Phone;
let box: Phone;
const start = (port = 0) =>
  startServer({ host: "127.0.0.1", port, data, insecureLan: false, log: () => undefined });
beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "runners-test-"));
  server = await start();
  machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  viewer = await pairDevice(await machine.mint("viewer"), "viewer", "phone");
  box = await pairDevice(await machine.mint("runner"), "runner", "build box");
});
afterAll(async () => {
  await server.stop();
  rmSync(data, { recursive: true, force: true });
});

const about = {
  type: "runner",
  roots: ["/src"],
  recent: ["/src/a"],
  no_sandbox: "There is no engine.",
};
const list = async () =>
  (await viewer.get(v.object({ runners: v.array(RunnerInfo) }), "GET", "/api/runners")).runners;
const sessionsOf = (device: Phone) => `/api/runners/${device.device}/sessions`;
const shown = (online: boolean) =>
  until(`it is ${online ? "there" : "away"}`, async () =>
    (await list()).find((runner) => runner.id === box.device && runner.online === online),
  );

/** A daemon that the test plays. */
async function playDaemon(device = box, told: object = about) {
  const socket = await openSocket(server.origin, device);
  socket.send({ ...hello, host: "box" });
  socket.send(told);
  return socket;
}
/** A session of this device's, as if a daemon had started it. */
async function playSession(id: string, device = box) {
  const socket = await openSocket(server.origin, device);
  socket.send(hello);
  socket.send({
    type: "session",
    session: { ...sessionInfo(id), args: [] },
    first: 1,
    prompts: [],
  });
  await socket.next("resume");
  return socket;
}

test("nobody is told of a machine that merely runs sessions; a daemon is there with what it said", async () => {
  const session = await playSession("s_desk", machine);
  expect(await list()).toEqual([]);
  session.close();
  const daemon = await playDaemon();
  expect(await shown(true)).toEqual({
    id: box.device,
    name: "build box",
    host: "box",
    online: true,
    since: expect.any(Number),
    roots: ["/src"],
    recent: ["/src/a"],
    no_sandbox: "There is no engine.",
  });
  daemon.send({ ...about, recent: ["/src/b", "/src/a"] });
  await until("the change is shown", async () => (await list())[0]?.recent[0] === "/src/b");
  expect(
    (await viewer.request("PATCH", `/api/devices/${box.device}`, { name: "attic" })).status,
  ).toBe(200);
  expect((await list())[0]?.name).toBe("attic");
  daemon.close();
  await shown(false);
});

test("a session is started as asked; the answer waits until it is there", async () => {
  const daemon = await playDaemon();
  await shown(true);
  const asked = viewer.json("POST", sessionsOf(box), {
    id: "one",
    cwd: "/src/a",
    args: ["--model", "opus"],
    sandbox: false,
    cols: 40,
    rows: 30,
  });
  const question = await daemon.next("start");
  expect(question).toMatchObject({
    id: "one",
    cwd: "/src/a",
    args: ["--model", "opus"],
    sandbox: false,
    cols: 40,
    rows: 30,
  });
  daemon.send({ type: "started", request: question.request, session: "s_asked" });
  const session = await playSession("s_asked");
  expect(await asked).toEqual({ status: 200, body: { session: "s_asked" } });
  const { entries } = await viewer.get(
    v.object({ entries: v.array(AuditEntry) }),
    "GET",
    "/api/audit",
  );
  expect(entries[0]).toMatchObject({
    device: viewer.device,
    action: "start",
    on: "attic",
    detail: "/src/a --model opus",
  });
  session.close();
  daemon.close();
  await shown(false);
});

test("what can't be is said: refused in the daemon's words, away, unknown, or no such thing", async () => {
  expect(await viewer.code("POST", sessionsOf(box), { cwd: "/src" })).toEqual([503, "runner_away"]);
  expect(await viewer.code("GET", `/api/runners/${box.device}/folders?path=/`)).toEqual([
    503,
    "runner_away",
  ]);
  expect(await viewer.code("POST", sessionsOf(machine), { cwd: "/src" })).toEqual([
    404,
    "not_found",
  ]);
  const daemon = await playDaemon();
  await shown(true);
  const refused = viewer.json("POST", sessionsOf(box), { cwd: "/etc" });
  daemon.send({
    type: "started",
    request: (await daemon.next("start")).request,
    refused: "/etc is outside.",
  });
  expect(await refused).toEqual({
    status: 409,
    body: { error: { code: "refused", message: "/etc is outside." } },
  });
  const lost = viewer.code("POST", sessionsOf(box), { cwd: "/src" });
  await daemon.next("start");
  daemon.close();
  expect(await lost).toEqual([503, "runner_lost"]);
  await shown(false);
});

test.each([
  ["no folder", {}],
  ["a flag that is not on the list", { cwd: "/src", args: ["--dangerously-skip-permissions"] }],
  ["a flag's value that is a flag", { cwd: "/src", args: ["--model", "--settings"] }],
  ["a value without its flag", { cwd: "/src", args: ["-p"] }],
  [
    "too many arguments",
    { cwd: "/src", args: Array.from({ length: LIMITS.args + 1 }, () => "--continue") },
  ],
  ["arguments in one text", { cwd: "/src", args: "--model opus; rm -rf /" }],
  ["a path without end", { cwd: "/".repeat(LIMITS.pathChars + 1) }],
])("%s is refused before anybody is asked", async (_, request) => {
  const daemon = await playDaemon();
  await shown(true);
  expect(await viewer.code("POST", sessionsOf(box), request)).toEqual([400, "bad_request"]);
  daemon.close();
  await shown(false);
});

test("folders and conversations are asked of the daemon", async () => {
  const daemon = await playDaemon();
  await shown(true);
  const folders = viewer.get(
    FoldersAnswer,
    "GET",
    `/api/runners/${box.device}/folders?path=${encodeURIComponent("/src/ä b")}`,
  );
  const first = await daemon.next("find");
  expect(first).toMatchObject({ what: "folders", path: "/src/ä b" });
  daemon.send({ type: "found", request: first.request, folders: ["/src/ä bc"] });
  expect(await folders).toEqual({ folders: ["/src/ä bc"] });
  const conversations = viewer.get(
    ConversationsAnswer,
    "GET",
    `/api/runners/${box.device}/conversations?cwd=/src/a`,
  );
  const second = await daemon.next("find");
  expect(second).toMatchObject({ what: "conversations", path: "/src/a" });
  const conversation = { id: "45f03d5e-d5ab-4b06-8106-431cf6143791", at: 1, title: "Mend it" };
  daemon.send({ type: "found", request: second.request, conversations: [conversation] });
  expect(await conversations).toEqual({ conversations: [conversation] });
  expect(
    await viewer.code(
      "GET",
      `/api/runners/${box.device}/folders?path=${"x".repeat(LIMITS.pathChars + 1)}`,
    ),
  ).toEqual([400, "bad_request"]);
  daemon.close();
  await shown(false);
});

test("an answer counts from whom it was asked of alone, and a session only where it is the daemon's own", async () => {
  const daemon = await playDaemon();
  await shown(true);
  const other = await playSession("s_other", machine);
  const asked = viewer.code("POST", sessionsOf(box), { cwd: "/src" });
  const { request } = await daemon.next("start");
  other.send({ type: "started", request, session: "s_other" });
  daemon.send({ type: "started", request: "q_never", session: "s_other" });
  daemon.send({ type: "found", request: "q_never", folders: [] });
  daemon.send({ type: "started", request, session: "s_other" });
  expect(await asked).toEqual([503, "runner_lost"]);
  const confused = viewer.code("POST", sessionsOf(box), { cwd: "/src" });
  daemon.send({ type: "found", request: (await daemon.next("start")).request, folders: ["/etc"] });
  expect(await confused).toEqual([503, "runner_lost"]);
  other.close();
  daemon.close();
  await shown(false);
});

test("of a daemon that never answers so much is asked and no more", async () => {
  const daemon = await playDaemon();
  await shown(true);
  const asked = Array.from({ length: 60 }, () =>
    viewer.code("GET", `/api/runners/${box.device}/folders?path=/`),
  );
  expect(await Promise.race(asked)).toEqual([503, "runner_lost"]);
  daemon.close();
  expect(await Promise.all(asked)).toEqual(asked.map(() => [503, "runner_lost"]));
  await shown(false);
});

test.each([
  ["no roots", { ...about, roots: [] }],
  ["roots without end", { ...about, roots: Array.from({ length: LIMITS.roots + 1 }, () => "/") }],
  ["a path without end", { ...about, recent: ["/".repeat(LIMITS.pathChars + 1)] }],
  ["no words on the sandbox", { ...about, no_sandbox: undefined }],
])("a daemon that tells %s is hung up on, and the one before is not touched", async (_, told) => {
  const bad = await playDaemon(box, told);
  expect(await bad.closed()).toBe(4400);
  expect((await list())[0]).toMatchObject({ online: false, roots: ["/src"] });
});

test("the newest daemon of a device is the one that is asked; the one before is told", async () => {
  const first = await playDaemon();
  await shown(true);
  const second = await playDaemon(box, { ...about, roots: ["/new"] });
  expect((await first.next("refused")).message).toContain("has taken over");
  first.close();
  await until("the new one is shown", async () => (await list())[0]?.roots[0] === "/new");
  await Bun.sleep(100);
  expect((await list())[0]?.online).toBe(true);
  const asked = viewer.json("POST", sessionsOf(box), { cwd: "/new" });
  second.send({ type: "started", request: (await second.next("start")).request, refused: "no" });
  expect((await asked).status).toBe(409);
  second.close();
  await shown(false);
});

test("phones hear when a daemon comes, changes and goes, not of its sessions' connections", async () => {
  const stream = await viewer.events();
  await stream.next("hello");
  const heard = () =>
    stream.received.flatMap(({ event }) =>
      event.name === "runner_status" && event.data.runner === box.device ? [event.data.online] : [],
    );
  const session = await playSession("s_events");
  const daemon = await playDaemon();
  await stream.next("runner_status", ({ runner, online }) => runner === box.device && online);
  daemon.send({ ...about, recent: [] });
  await stream.next("runner_status", ({ runner, online }) => runner === box.device && online);
  daemon.send({ ...about, recent: [] }); // nothing new
  daemon.close();
  await stream.next("runner_status", ({ runner, online }) => runner === box.device && !online);
  session.close();
  await until(
    "the session is away",
    async () => (await viewer.sessions()).find(({ id }) => id === "s_events")?.status === "offline",
  );
  expect(heard()).toEqual([true, true, false]);
  stream.close();
});

test("a session that no longer hears is stopped by its daemon, one that does by itself, and to be killed by both", async () => {
  const daemon = await playDaemon();
  await shown(true);
  const session = await playSession("s_hung");
  const stop = (signal: string) => viewer.json("POST", "/api/sessions/s_hung/stop", { signal });
  expect((await stop("SIGINT")).status).toBe(200);
  expect((await session.next("stop")).signal).toBe("SIGINT");
  expect((await stop("SIGKILL")).status).toBe(200);
  expect(await daemon.next("stop")).toMatchObject({ session: "s_hung", signal: "SIGKILL" });
  expect((await session.next("stop")).signal).toBe("SIGKILL");
  session.close();
  await until(
    "it is away",
    async () => (await viewer.sessions()).find(({ id }) => id === "s_hung")?.status === "offline",
  );
  expect((await stop("SIGTERM")).status).toBe(200);
  expect(await daemon.next("stop")).toMatchObject({ session: "s_hung", signal: "SIGTERM" });
  daemon.close();
  await shown(false);
  expect((await stop("SIGTERM")).status).toBe(503);
});

test("one that is away is shown with since when, also by a server that was started anew; a revoked one is not", async () => {
  const daemon = await playDaemon();
  await shown(true);
  const before = Date.now();
  await server.stop();
  server = await start(server.port);
  daemon.close();
  const [away] = await list();
  expect(away).toMatchObject({ id: box.device, online: false, roots: ["/src"] });
  expect(away?.since).toBeGreaterThanOrEqual(before);
  expect((await viewer.request("DELETE", `/api/devices/${box.device}`)).status).toBe(200);
  expect(await list()).toEqual([]);
  expect(await viewer.code("POST", sessionsOf(box), { cwd: "/src" })).toEqual([404, "not_found"]);
});

test("machines that may only run sessions may not have others started", async () => {
  const other = await pairDevice(await machine.mint("runner"), "runner", "cellar");
  expect((await other.request("GET", "/api/runners")).status).toBe(403);
  expect((await other.request("POST", sessionsOf(other), { cwd: "/src" })).status).toBe(403);
});
