import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sha256hex } from "../src/auth.ts";
import { openMemory } from "../src/db.ts";
import { forgetOld } from "../src/hub/retention.ts";
import { openSessions } from "../src/hub/sessions.ts";
import { openStores } from "../src/hub/stores.ts";
import { OutputPage, SessionDetail } from "../src/types.ts";
import { makePrompt } from "./support/dashboard.ts";
import { SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { pairDevice } from "./support/phone.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

let server: HomeServer;
beforeAll(async () => {
  server = await startHomeServer();
}, 30_000);
afterAll(() => server.stop());

/** The files below the home, temporary ones included, that hold this text. */
function filesWith(text: string): string[] {
  const files = readdirSync(server.home.dir, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile(),
  );
  return files
    .map((file) => join(file.parentPath, file.name))
    .filter((file) => readFileSync(file).includes(text));
}
const list = async () =>
  (await server.phone.sessions()).map(({ id, unlogged, status }) => [id, unlogged, status]);

/** Wraps a script that writes 60 lines with this word in each, and waits; resolves with its session. */
async function wrap(word: string, args: string[]) {
  // the word is put together by the shell: the command line itself must not hold it
  const script = `a=${word.slice(0, 4)}; i=0; while [ $i -lt 60 ]; do echo "$a${word.slice(4)} $i"; i=$((i+1)); done; read x`;
  const tty = openTty([...SELF, "run", ...args, "--command", "sh", "--", "-c", script], {
    env: server.home.env,
    cwd: server.home.dir,
  });
  const session = await until("the session is shown", async () =>
    (await server.phone.sessions()).find(({ status }) => status === "running"),
  );
  const history = await until("its history has come", async () => {
    const page = await server.phone.get(OutputPage, "GET", `/api/sessions/${session.id}/output`);
    return page.next >= 30 ? page : undefined;
  });
  expect(history.lines[0]?.row).toBe(`${word} 0`);
  await until("its screen has come", async () => {
    const { screen } = await server.phone.get(SessionDetail, "GET", `/api/sessions/${session.id}`);
    return JSON.stringify(screen).includes(`${word} 59`);
  });
  return { tty, session };
}

test("what is not to be logged is shown live and written nowhere; what is logged is", async () => {
  const logged = await wrap("kept-word-1", []);
  expect(logged.session.unlogged).toBe(false);
  logged.tty.type("\r");
  await logged.tty.exited;
  await until("it is over", async () =>
    (await list()).some(([id, , status]) => id === logged.session.id && status === "ended"),
  );
  expect(filesWith("kept-word-1")).not.toEqual([]);

  const { tty, session } = await wrap("gone-word-2", ["--no-log"]);
  expect(session.unlogged).toBe(true);
  expect((await server.phone.sessions())[0]?.id).toBe(session.id); // first, as it runs, whatever it lies in
  expect(filesWith("gone-word-2")).toEqual([]);
  tty.type("\r");
  await tty.exited;
  await until("it is over", async () =>
    (await list()).some(([id, , status]) => id === session.id && status === "ended"),
  );
  expect(filesWith("gone-word-2")).toEqual([]);
  await server.restart("SIGTERM");
  expect((await list()).map(([id]) => id)).toEqual([logged.session.id]);
  expect(filesWith("gone-word-2")).toEqual([]);
}, 60_000);

test("its prompts are asked, answered and settled without being written down, and it comes back after a restart of the server", async () => {
  const machine = await pairDevice(await server.machine.mint("machine"), "machine", "box");
  const begin = async () => {
    const socket = await openSocket(server.origin, machine);
    socket.send(hello);
    socket.send({
      type: "session",
      session: { ...sessionInfo("s_secret"), cwd: "/gone-word-3", unlogged: true },
      first: 1,
      prompts: [prompt],
    });
    await socket.next("resume");
    return socket;
  };
  const prompt = makePrompt("s_secret", "p_secret", { input: { command: "gone-word-3" } });
  let socket = await begin();
  expect((await server.phone.prompts()).map(({ id }) => id)).toEqual(["p_secret"]);
  await server.restart("SIGKILL");
  socket = await begin();
  const rejected = server.phone.json("POST", "/api/prompts/p_secret/reject", {
    message: "no gone-word-3",
  });
  const decide = await socket.next("decide");
  expect(decide.message).toBe("no gone-word-3");
  socket.send({
    type: "prompt",
    prompt: {
      ...prompt,
      state: "answered",
      answer: {
        by: "viewer",
        device: server.phone.device,
        decision: "reject",
        at: 1,
        receipt: "applied",
      },
    },
  });
  socket.send({ type: "decided", decision: decide.decision, result: "sent" });
  expect((await rejected).status).toBe(200);
  const again = await server.phone.json("POST", "/api/prompts/p_secret/approve", {
    shown: sha256hex(prompt.view),
  });
  expect(again).toMatchObject({ status: 409, body: { error: { code: "answered" } } });
  socket.send({ type: "exit", session: "s_secret", exit: { code: 0 }, ended_at: Date.now() });
  await socket.next("ended");
  expect(filesWith("gone-word-3")).toEqual([]);
  socket.close();
}, 30_000);

test("a program that prints for ever does not take all memory: the oldest lines go, and what was cleared; on disk all stays", () => {
  const stores = openStores(openMemory());
  const sessions = openSessions(stores);
  const print = (id: string, unlogged: boolean) => {
    const info = {
      id,
      host: "box",
      cwd: "/",
      command: "yes",
      started_at: 1,
      hooks: "none",
      activity: "unknown",
      desk: true,
      unlogged,
      sandbox: false,
    } as const;
    sessions.begin("d", info, 1);
    for (let seq = 1; seq <= 200; seq++)
      sessions.output(id, seq, {
        op: "append",
        generation: 0,
        from: 1000 * (seq - 1),
        lines: Array(1000).fill(`y ${seq}`),
      });
    return (
      stores.of(id).query<{ n: number }, []>("SELECT count(*) AS n FROM output_log").get()?.n ?? 0
    );
  };
  expect(print("logged", false)).toBe(200_000);
  expect(print("unlogged", true)).toBeLessThan(60_000);
  const { next, lines } = sessions.lines("unlogged", Number.MAX_SAFE_INTEGER, 1);
  expect([next, lines]).toEqual([200_000, [{ line: 199_999, row: "y 200" }]]);
  expect(sessions.lines("unlogged", 1000, 100).lines).toEqual([]);
  sessions.output("unlogged", 201, { op: "generation", generation: 1 });
  expect(stores.memory.query("SELECT 1 FROM output_log").all()).toEqual([]);
});

test("the screen of one that never came back is forgotten with it; of one that does, viewers see the next", () => {
  const stores = openStores(openMemory());
  const sessions = openSessions(stores);
  const info = {
    id: "s",
    host: "box",
    cwd: "/",
    command: "yes",
    started_at: 1,
    hooks: "none",
    activity: "unknown",
    desk: true,
    unlogged: true,
    sandbox: false,
  } as const;
  const frame = (rev: number, text: string) => ({
    rev,
    cols: 10,
    rows: 1,
    cursor: { x: 0, y: 0, visible: true },
    title: "",
    lines: { 0: text },
  });
  sessions.begin("d", info, 1);
  sessions.frame("s", frame(7, "before"));
  sessions.offline("s");
  expect(sessions.live("s")).toMatchObject({ rev: 7, lines: ["before"] });
  sessions.begin("d", info, 1);
  expect(sessions.frame("s", frame(1, "after"))).toMatchObject({ rev: 8, lines: ["after"] });
  sessions.offline("s");
  const keep = { days: 1 / 24, megabytes: 0 };
  expect(
    [Date.now(), Date.now() + 2 * 86_400_000].map((at) => forgetOld(stores.memory, keep, at)),
  ).toEqual([0, 1]);
  expect(sessions.live("s")).toBeUndefined();
});

test("nothing of it is sorted in a file", () =>
  expect(openMemory().query("PRAGMA temp_store").get()).toEqual({ temp_store: 2 }));
