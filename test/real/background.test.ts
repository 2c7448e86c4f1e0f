import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parseJson } from "../../src/types.ts";
import { claudeEnv, claudeProgram } from "../support/claude.ts";
import { SELF } from "../support/home.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { type MockApi, startMockApi } from "../support/mock-anthropic.ts";
import { processesIn, startRunner, startSession } from "../support/runner.ts";
import { openTty, type Tty } from "../support/tty.ts";
import { until } from "../support/until.ts";

const Job = v.object({ respawnFlags: v.array(v.string()), sessionId: v.string() });
const Agents = v.array(
  v.object({ id: v.optional(v.string()), kind: v.string(), pid: v.optional(v.number()) }),
);

let server: HomeServer;
let api: MockApi;
let env: Record<string, string | undefined>;
let work: string;
const open: Tty[] = [];
beforeAll(async () => {
  server = await startHomeServer();
  api = startMockApi();
  env = claudeEnv(server.home, api);
  work = join(server.home.dir, "work");
}, 60_000);
afterEach(async () => {
  for (const tty of open.splice(0)) {
    tty.pty.kill("SIGKILL");
    await tty.exited;
  }
});
afterAll(async () => {
  // Claude's own daemon and what it runs outlive every terminal: that is the point
  for (const line of processesIn(server)) {
    const pid = Number.parseInt(line, 10);
    if (/claude/.test(line) && pid !== server.process().pid)
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Error && "code" in error)) throw error; // gone with the daemon
      }
  }
  api.stop();
  await server.stop();
});

const jobs = () => {
  const folder = join(server.home.dir, ".claude/jobs");
  return existsSync(folder) ? readdirSync(folder).filter((name) => /^[0-9a-f]{8}$/.test(name)) : [];
};
const job = (id: string) =>
  parseJson(Job, readFileSync(join(server.home.dir, ".claude/jobs", id, "state.json"), "utf8"));
function terminal(argv: string[], cols = 100): Tty {
  const tty = openTty(argv, { env, cwd: work, cols, rows: 30 });
  open.push(tty);
  return tty;
}
/** Claude alone, as somebody comes back to the session later. */
const bare = (...args: string[]) => terminal([claudeProgram(), ...args]);
const wrapped = (...args: string[]) => terminal([...SELF, ...args]);
const claude = (...args: string[]) =>
  Bun.spawnSync([claudeProgram(), ...args], { env, cwd: work }).stdout.toString();
/** The process of a session in the background, as claude tells. */
const processOf = (id: string) =>
  (parseJson(Agents, claude("agents", "--json", "--all")) ?? []).find(
    (agent) => agent.id === id && agent.kind === "background",
  )?.pid ?? 0;
const isInBackground = (id: string) => processOf(id) > 0;
async function say(tty: Tty, text: string, then: string | RegExp): Promise<void> {
  await tty.sees(/\n❯\s*\n─/, 30_000);
  tty.type(text);
  await tty.sees(text);
  tty.type("\r");
  await tty.sees(then, 30_000);
}
/** What a session started again from what Claude remembers says, and that no hook of ours is missed in it. */
async function goesOn(id: string): Promise<void> {
  claude("stop", id);
  const tty = bare("attach", id);
  await say(tty, "long 3", "Line 3 of a long answer.");
  await tty.sees(/\n❯\s*\n─/, 30_000);
  expect(tty.text()).not.toMatch(/not found|hook failed|hook reported|ECONNREFUSED|exited/i);
  tty.pty.kill("SIGKILL");
  await tty.exited;
}

test("`--bg` and `--background` are claude's own: the work begins, and what Claude remembers is what it was told", async () => {
  for (const flag of ["--bg", "--background"]) {
    const known = jobs();
    const tty = wrapped(flag, "--permission-mode", "acceptEdits", `write: ${flag}.txt :: done`);
    expect(await tty.exited).toEqual({ code: 0 });
    expect(tty.text()).toContain("backgrounded · ");
    await until("the work is done", () => existsSync(join(work, `${flag}.txt`)), 30_000);
    const id = jobs().find((name) => !known.includes(name)) ?? "";
    expect(job(id)?.respawnFlags).not.toContain("--settings");
  }
  expect(await server.phone.sessions()).toEqual([]);
}, 90_000);

test("`/background` leaves the conversation to Claude, the phone is told, and it goes on without us", async () => {
  const tty = wrapped("--permission-mode", "manual");
  await say(tty, "long 5", "Line 5 of a long answer.");
  await say(tty, "/background", "backgrounded · ");
  const id = /backgrounded · ([0-9a-f]{8})/.exec(tty.text())?.[1] ?? "";
  expect(await tty.exited).toEqual({ code: 0 });
  const ended = await until("the phone knows", async () =>
    (await server.phone.sessions()).find(({ status }) => status === "ended"),
  );
  expect(ended.exit).toEqual({ code: 0, background: id });
  await until("claude runs it", () => isInBackground(id));
  await goesOn(id);
}, 120_000);

test("`←` at an empty prompt does so too, while the terminal shows Claude's list of sessions", async () => {
  writeFileSync(join(work, "own.json"), JSON.stringify({ env: { OWN_SECRET: "from the file" } }));
  const tty = wrapped("--permission-mode", "manual", "--settings", "own.json");
  await say(tty, "long 6", "Line 6 of a long answer.");
  await tty.sees(/\n❯\s*\n─/);
  tty.type("\x1b[D");
  await tty.sees("Your session moved to the background", 30_000);
  const shown = await until("the phone knows", async () =>
    (await server.phone.sessions()).find(
      ({ status, background }) => status === "running" && background !== undefined,
    ),
  );
  const id = shown.background ?? "";
  // no secret of the user's settings stands in a list of processes
  expect(processesIn(server).some((line) => line.includes("from the file"))).toBe(false);
  await tty.sees("enter to return");
  tty.type("\x03");
  await tty.sees(/again to (exit|quit)|ctrl\+c/i);
  tty.type("\x03");
  expect(await tty.exited).toEqual({ code: 0 });
  const ended = await until("it is over", async () =>
    (await server.phone.sessions()).find(
      (session) => session.id === shown.id && session.status === "ended",
    ),
  );
  expect(ended.exit?.background).toBe(id);
  await goesOn(id);
}, 120_000);

test("ending a session from the phone that started it leaves alone what it had handed to the background", async () => {
  const runner = await startRunner(server, [realpathSync(work)], env);
  const manual = ["--permission-mode", "manual"];
  const id = await startSession(server, { cwd: realpathSync(work), args: manual });
  const type = (seq: number, input: object) =>
    server.phone.json("POST", `/api/sessions/${id}/input`, { stream: "page", seq, ...input });
  const shows = (words: string) =>
    until(
      `the phone sees ${words}`,
      async () =>
        JSON.stringify((await server.phone.json("GET", `/api/sessions/${id}`)).body).includes(
          words,
        ),
      30_000,
    );
  await shows("manual mode on");
  expect((await type(0, { text: "long 7", paste: true, enter: true })).status).toBe(200);
  await shows("Line 7 of a long answer.");
  await shows("← for agents");
  expect((await type(1, { keys: ["Left"] })).status).toBe(200);
  await shows("moved to the background");
  const job = await until(
    "the phone knows",
    async () => (await server.phone.sessions()).find((session) => session.id === id)?.background,
  );
  const before = await until("claude has begun it", () => processOf(job) || undefined, 30_000);
  expect((await server.phone.json("POST", `/api/sessions/${id}/stop`, {})).status).toBe(200);
  const ended = await until("it is over", async () =>
    (await server.phone.sessions()).find(
      (session) => session.id === id && session.status === "ended",
    ),
  );
  expect(ended.exit?.background).toBe(job);
  expect(await runner.end()).toBe(0);
  expect(processOf(job)).toBe(before);
  expect(isInBackground(job)).toBe(true);
}, 120_000);

test("a session of Claude's own in the background is wrapped like any other", async () => {
  const [id = ""] = jobs();
  const tty = wrapped("run", "--", "attach", id);
  await say(tty, "long 4", "Line 4 of a long answer.");
  const session = await until("the phone shows it", async () =>
    (await server.phone.sessions()).find(({ status }) => status === "running"),
  );
  await until("its screen is there", async () => {
    const { body } = await server.phone.json("GET", `/api/sessions/${session.id}`);
    return JSON.stringify(body).includes("Line 4 of a long answer.");
  });
  expect(tty.text()).not.toMatch(/hook failed|hook reported/);
}, 60_000);
