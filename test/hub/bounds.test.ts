import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { type RunningServer, startServer } from "../../src/server.ts";
import {
  AuditEntry,
  LIMITS,
  type Prompt,
  SearchAnswer,
  SessionDetail,
  type SessionSummary,
} from "../../src/types.ts";
import { allPrompts, runningSessions, SessionPage } from "../../src/viewer/pages.ts";
import { type Phone, pairDevice } from "../support/phone.ts";
import { hello, openSocket, sessionInfo } from "../support/runner-socket.ts";
import { until } from "../support/until.ts";

type Socket = Awaited<ReturnType<typeof openSocket>>;

let data: string;
let server: RunningServer;
let machine: Phone;
let viewer: Phone;
let evil: Phone;
const sockets: Socket[] = [];
beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "bounds-test-"));
  server = await startServer({
    host: "127.0.0.1",
    port: 0,
    data,
    insecureLan: false,
    log: () => undefined,
  });
  machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  viewer = await pairDevice(await machine.mint("viewer"), "viewer", "phone");
  evil = await pairDevice(await viewer.mint("runner"), "runner", "a box that was taken over");
});
afterAll(async () => {
  for (const socket of sockets) socket.close();
  await server.stop();
  rmSync(data, { recursive: true, force: true });
});

async function connected(device: Phone): Promise<Socket> {
  const socket = await openSocket(server.origin, device);
  socket.beat();
  socket.send(hello);
  sockets.push(socket);
  return socket;
}
const begin = (socket: Socket, id: string, more: object = {}, prompts: object[] = []) =>
  socket.send({ type: "session", session: { ...sessionInfo(id), ...more }, first: 1, prompts });
const question = (id: string, session: string, chars: number, created_at = 1) => ({
  id,
  session,
  kind: "permission",
  state: "pending",
  created_at,
  view: JSON.stringify({
    tool: "Bash",
    input: { command: "x".repeat(chars) },
    cwd: "/",
    host: "h",
    actions: ["approve", "reject"],
  }),
});
/** Resolves once the server has taken in all that was sent before. */
let marks = 0;
async function taken(socket: Socket): Promise<void> {
  const id = `mark_${++marks}`;
  begin(socket, id);
  while ((await socket.next("resume")).session !== id);
  socket.send({ type: "exit", session: id, exit: { code: 0 }, ended_at: 1 });
  while ((await socket.next("ended")).session !== id);
}
const audited = async () =>
  (await viewer.get(v.object({ entries: v.array(AuditEntry) }), "GET", "/api/audit")).entries;
const get: Parameters<typeof allPrompts>[0] = (schema, target) => viewer.get(schema, "GET", target);
const lengthOf = async (target: string) =>
  (await (await viewer.request("GET", target)).text()).length;

describe("one machine that fills lists", () => {
  let mine: Socket;
  let theirs: Socket;
  beforeAll(async () => {
    mine = await connected(machine);
    theirs = await connected(evil);
    begin(mine, "s_mine", { started_at: 1 }, []);
    begin(mine, "s_over", { started_at: 1 });
    mine.send({ type: "exit", session: "s_over", exit: { code: 0 }, ended_at: 2 });
    await taken(mine);
    for (let i = 0; i < 450; i++) {
      const id = `e_${i}`;
      // as new and as urgent as can be, and of what ended as much as of what runs
      begin(
        theirs,
        id,
        { started_at: 9e12 + i },
        i % 3 === 0 ? [question(`q_${i}`, id, 10, 0)] : [],
      );
      if (i % 3 === 1)
        theirs.send({ type: "exit", session: id, exit: { code: 0 }, ended_at: 9e12 });
    }
    await taken(theirs);
  }, 30_000);

  test("pushes no other's session off, neither what runs nor what has ended", async () => {
    const { sessions, more } = await viewer.get(SessionPage, "GET", "/api/sessions");
    expect(sessions.length).toBe(LIMITS.listedSessions);
    expect(more).toBe(true);
    expect(sessions.map(({ id }) => id)).toContain("s_mine");
    expect(sessions.map(({ id }) => id)).toContain("s_over");
    expect(sessions.findIndex(({ pending }) => pending > 0)).toBe(0); // what waits comes first all the same
  });

  test("is told page by page, each session once", async () => {
    const all: SessionSummary[] = [];
    for (let more = true; more; ) {
      const page = await viewer.get(SessionPage, "GET", `/api/sessions?skip=${all.length}`);
      expect(page.sessions.length).toBeLessThanOrEqual(LIMITS.listedSessions);
      all.push(...page.sessions);
      more = page.more;
    }
    const ids = all.map(({ id }) => id).filter((id) => !id.startsWith("mark"));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBe(452);
    expect((await runningSessions(get)).length).toBe(301);
    for (const skip of ["-1", "x", "1e99"])
      expect(await viewer.code("GET", `/api/sessions?skip=${skip}`)).toEqual([400, "bad_request"]);
  });

  test("pushes nothing of another's out of what is found", async () => {
    mine.send({
      type: "output",
      session: "s_mine",
      seq: 1,
      op: { op: "append", generation: 0, from: 0, lines: ["the needle in my own output"] },
    });
    await mine.next("ack");
    const find = async (q: string) =>
      (await viewer.get(SearchAnswer, "GET", `/api/search?q=${q}`)).results;
    await until("mine is indexed", async () => (await find("needle")).length > 0);
    for (const [i, unlogged] of [...Array(30).keys()].map((i) => [i, i % 2 === 0] as const)) {
      const id = `n_${i}`;
      begin(theirs, id, { unlogged });
      const lines = Array.from({ length: 1000 }, (_, n) => `needle ${n}`);
      theirs.send({
        type: "output",
        session: id,
        seq: 1,
        op: { op: "append", generation: 0, from: 0, lines },
      });
    }
    await taken(theirs);
    await until(
      "theirs are indexed",
      async () => (await find("needle")).length > LIMITS.results / 2,
      60_000,
    );
    expect((await find("needle")).some(({ session }) => session === "s_mine")).toBe(true);
  }, 90_000);

  test("runs no more than so many sessions, while others begin theirs", async () => {
    for (let i = 0; i < LIMITS.runningSessions; i++) begin(theirs, `more_${i}`);
    expect((await theirs.next("refused")).message).toContain("takes no more");
    begin(mine, "s_another");
    while ((await mine.next("resume")).session !== "s_another");
    const all = await runningSessions(get);
    expect(all.filter(({ runner }) => runner === evil.device).length).toBe(LIMITS.runningSessions);
  }, 30_000);
});

describe("one machine that asks without end", () => {
  test("holds so much of open questions in all, whatever its sessions; what another asks is there to be answered", async () => {
    const flood = await connected(
      await pairDevice(await machine.mint("runner"), "runner", "flood"),
    );
    for (let i = 0; i < 100; i++) {
      begin(flood, `f_${i}`);
      for (let n = 0; n < 4; n++)
        flood.send({ type: "prompt", prompt: question(`f_${i}_${n}`, `f_${i}`, 250_000, 0) });
    }
    const small = await connected(await pairDevice(await machine.mint("runner"), "runner", "many"));
    for (let i = 0; i < 60; i++) {
      begin(small, `m_${i}`);
      for (let n = 0; n < 49; n++)
        small.send({ type: "prompt", prompt: question(`m_${i}_${n}`, `m_${i}`, 10, 0) });
    }
    const mine = await connected(machine);
    begin(mine, "s_asks", {}, [question("p_mine", "s_asks", 20, Date.now())]);
    await Promise.all([flood, small, mine].map(taken));

    expect(await lengthOf("/api/prompts")).toBeLessThan(1.5 * LIMITS.viewsChars);
    const prompts: Prompt[] = await allPrompts(get);
    expect(new Set(prompts.map(({ id }) => id)).size).toBe(prompts.length);
    expect(prompts.some(({ id }) => id === "p_mine")).toBe(true);
    const of = (prefix: string) => prompts.filter(({ session }) => session.startsWith(prefix));
    const chars = of("f_").reduce((sum, { view }) => sum + view.length, 0);
    expect(chars).toBeLessThanOrEqual(LIMITS.deviceViewsChars);
    expect(chars).toBeGreaterThan(LIMITS.deviceViewsChars / 2);
    expect(of("m_").length).toBe(LIMITS.deviceOpenPrompts);
    const { sessions } = await viewer.get(SessionPage, "GET", "/api/sessions");
    expect(sessions.find(({ id }) => id === "s_asks")?.pending).toBe(1);
  }, 60_000);

  test("can go on once some were answered; a page after one that was answered meanwhile goes on as well", async () => {
    const box = await connected(await pairDevice(await machine.mint("runner"), "runner", "box"));
    begin(box, "b");
    for (let n = 0; n < 4; n++)
      box.send({ type: "prompt", prompt: question(`b_${n}`, "b", 250_000, 9e12 + n) });
    await taken(box);
    const own = async () => (await viewer.get(SessionDetail, "GET", "/api/sessions/b")).prompts;
    expect((await own()).map(({ id }) => id)).toEqual(["b_0", "b_1", "b_2"]);
    box.send({
      type: "prompt",
      prompt: { ...question("b_0", "b", 250_000, 9e12), state: "withdrawn" },
    });
    box.send({ type: "prompt", prompt: question("b_3", "b", 250_000, 9e12 + 3) });
    await taken(box);
    expect((await own()).map(({ id }) => id)).toEqual(["b_1", "b_2", "b_3"]);
    const Page = v.object({ prompts: v.array(v.object({ id: v.string() })) });
    const { prompts } = await viewer.get(Page, "GET", "/api/prompts?after=b_0");
    expect(prompts.map(({ id }) => id).filter((id) => id.startsWith("b_"))[0]).toBe("b_1");
    expect(await viewer.code("GET", "/api/prompts?after=none")).toEqual([404, "not_found"]);
  });

  test("writes one line of a question into the audit, however often it says that it was answered", async () => {
    const box = await connected(machine);
    begin(box, "a", { cwd: "/audited" }, [question("a_1", "a", 10)]);
    for (let at = 1; at < 40; at++)
      box.send({
        type: "prompt",
        prompt: { ...question("a_1", "a", 10), state: "answered", answer: { by: "desk", at } },
      });
    await taken(box);
    const lines = (await audited()).filter(
      ({ action, on }) => action === "answered at the desk" && on === "/audited",
    );
    expect(lines.length).toBe(1);
  });

  test("says nothing of another's session, not even where its conversation went", async () => {
    const box = await connected(evil);
    const mine = await connected(machine);
    begin(mine, "s_calm");
    while ((await mine.next("resume")).session !== "s_calm");
    begin(box, "s_calm", { background: "deadbeef" });
    await box.next("refused");
    const { session } = await viewer.get(SessionDetail, "GET", "/api/sessions/s_calm");
    expect(session.background).toBeUndefined();
    expect(session.runner).toBe(machine.device);
  });
});

test("a login page whose address is none is no login page, and takes neither the socket nor the list down", async () => {
  const mine = await connected(machine);
  begin(mine, "s_login");
  const login = async () =>
    (await viewer.get(SessionDetail, "GET", "/api/sessions/s_login")).session.auth_url;
  for (const url of ["https://[", "https://%", "https://x:99999999/login"]) {
    mine.send({ type: "auth_url", session: "s_login", url: "https://example.com/login" });
    await taken(mine);
    expect(await login()).toBe("https://example.com/login");
    mine.send({ type: "auth_url", session: "s_login", url });
    await taken(mine);
    expect(await login()).toBe(null);
  }
});
