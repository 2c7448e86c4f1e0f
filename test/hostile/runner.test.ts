import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon } from "../../src/runner/daemon.ts";
import type { Pty } from "../../src/runner/pty.ts";
import { openSession } from "../../src/runner/session.ts";
import { FromServer, parseJson } from "../../src/types.ts";
import { startFakeServer } from "../support/fake-server.ts";
import { attack, damaged, mutated, patience, type Random } from "../support/hostile.ts";
import { until } from "../support/until.ts";
import { fromServer } from "./samples.ts";

const unhandled: unknown[] = [];
const note = (error: unknown) => void unhandled.push(error);
let dir: string;
beforeAll(() => {
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  dir = realpathSync(mkdtempSync(join(tmpdir(), "hostile-test-")));
  mkdirSync(join(dir, "root/below"), { recursive: true });
  mkdirSync(join(dir, "outside"));
});
afterAll(() => {
  process.off("unhandledRejection", note);
  process.off("uncaughtException", note);
  rmSync(dir, { recursive: true, force: true });
});

/** A program that is not there; `heard` is all that reaches it. */
function fakePty(heard: { what: string; session: string }[], current: () => string): Pty {
  const hear = (what: string) => void heard.push({ what, session: current() });
  return {
    holder: process.pid,
    unread: 0,
    hidesInput: () => false,
    write: (data) => hear(`write ${String(data)}`),
    resize: () => hear("resize"),
    kill: (signal) => hear(`kill ${signal}`),
    pause: () => undefined,
    resume: () => undefined,
    foreground: () => undefined,
  };
}

const text = (random: Random, sample: unknown) =>
  JSON.stringify(random.int(0, 3) === 0 ? sample : mutated(random, sample));

test(
  "whatever its server says, a session's runner goes on, comes back, and acts on what is meant for its session alone",
  async () => {
    const server = startFakeServer();
    const heard: { what: string; session: string }[] = [];
    let current = "";
    const session = openSession(
      { name: "cat", command: "cat", hooks: false, args: [], env: { HOME: dir }, cwd: dir },
      server.pairing,
      "0",
      {
        desk: true,
        unlogged: true,
      },
    );
    const watcher = session.watch(
      fakePty(heard, () => current),
      { cols: 80, rows: 24 },
      () => undefined,
    );
    const connected = (count: number) =>
      until(
        "the runner comes back",
        () =>
          server.connections >= count &&
          server.isUp &&
          server.received.some(({ type }) => type === "session"),
        20_000,
      );
    await connected(1);
    let unreadable = 0;
    await attack(150, async (random, seed) => {
      const mine = random.int(0, 1) === 0;
      current = mine ? session.id : "s_other";
      const { start, find, ...samples } = fromServer(current, "p_1", dir);
      // numbers of inputs have to follow each other
      const sample = random.pick(
        Object.values({
          ...samples,
          input: { ...samples.input, stream: `st_${seed}`, enter: false },
        }),
      );
      const said = text(random, sample);
      const parsed = parseJson(FromServer, said);
      if (parsed === undefined && ++unreadable > 5) return; // each is a connection, with a pause before the next
      if (parsed?.type === "ended") return;
      const before = server.connections;
      heard.length = 0;
      server.received.length = 0;
      server.say(said);
      watcher.onOutput(new TextEncoder().encode(`${seed}\r\n`));
      if (parsed === undefined) return void (await connected(before + 1));
      current = "session" in parsed ? parsed.session : "";
      server.say(JSON.stringify({ type: "ping" }));
      await until("it answers", () => server.received.some(({ type }) => type === "pong"));
      for (const { what } of heard) {
        expect(current, what).toBe(session.id);
        expect(what).toStartWith(
          parsed.type === "input" ? "write" : parsed.type === "stop" ? "kill" : "resize",
        );
      }
    });
    for (let i = 0; i < 4; i++) {
      const before = server.connections;
      server.received.length = 0;
      await attack(1, (random) => void server.raw(damaged(random, '{"type":"ping"}')));
      await connected(before + 1);
    }
    expect(unhandled).toEqual([]);
    await session.end({ code: 0 });
    await server.stop();
  },
  patience(60_000),
);

test(
  "a server can have a daemon start nothing outside its folders, and end nothing that is not its own",
  async () => {
    const server = startFakeServer();
    const log: string[] = [];
    const daemon = await startDaemon({
      ...{
        pairing: server.pairing,
        version: "0",
        roots: [join(dir, "root")],
        state: join(dir, "state"),
        claude: join(dir, "no-such-claude"),
      },
      sandboxTrouble: async () => "none here",
      sandboxReady: async () => "none here",
      sandboxed: () => ({ configDir: dir, cwd: dir }),
      log: (line) => void log.push(line),
    });
    await until("it is there", () => server.received.some(({ type }) => type === "runner"));
    const folders = [
      join(dir, "root"),
      join(dir, "root/below/../../outside"),
      "/",
      "",
      "~",
      "\0",
      `${dir}/root\0/../outside`,
      "..",
      `${dir}/rootx`,
      "/proc/self/cwd",
      "/dev/stdin",
    ];
    await attack(400, async (random) => {
      const { start, find, stop, input, resize } = fromServer(
        "s_other",
        "p_1",
        random.pick(folders),
      );
      const said = text(
        random,
        random.pick([start, find, find, { ...find, what: "conversations" }, stop, input, resize]),
      );
      const parsed = parseJson(FromServer, said);
      if (parsed === undefined) return;
      server.received.length = 0;
      server.say(said);
      if (parsed.type !== "start" && parsed.type !== "find") return;
      const answer = await until(
        "it answers",
        () =>
          server.received.find(
            (message) => "request" in message && message.request === parsed.request,
          ),
        20_000,
      );
      if (answer.type === "started")
        expect([answer.session, typeof answer.refused]).toEqual([undefined, "string"]);
      if (answer.type === "found")
        for (const folder of answer.folders ?? []) expect(folder).toStartWith(join(dir, "root"));
      if (answer.type === "found") expect(answer.conversations ?? []).toEqual([]);
    });
    expect(unhandled).toEqual([]);
    expect(
      log.filter((line) => line.includes("is started in") && !line.includes(join(dir, "root"))),
    ).toEqual([]);
    await daemon.end(true);
    await server.stop();
  },
  patience(60_000),
);
