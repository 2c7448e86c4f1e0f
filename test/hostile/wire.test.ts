import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningServer, startServer } from "../../src/server.ts";
import {
  FromRunner,
  OutputPage,
  parseJson,
  SearchAnswer,
  SessionDetail,
  TranscriptPage,
} from "../../src/types.ts";
import { attack, damaged, mutated, oddText, patience, type Random } from "../support/hostile.ts";
import { type EventReader, type Phone, pairDevice } from "../support/phone.ts";
import { openSocket } from "../support/runner-socket.ts";
import { fromRunner } from "./samples.ts";

type Socket = Awaited<ReturnType<typeof openSocket>>;

let data: string;
let server: RunningServer;
let machine: Phone;
let viewer: Phone;
let evil: Phone;
let good: Socket;
let beat: ReturnType<typeof setInterval>;
let before: unknown;
let stream: EventReader;
const unhandled: unknown[] = [];
const note = (error: unknown) => void unhandled.push(error);
const logged: string[] = [];

/** What everybody sees of the session that is nobody's business but its own runner's. */
async function theirs() {
  const { session, screen, prompts, history } = await viewer.get(
    SessionDetail,
    "GET",
    "/api/sessions/s_good",
  );
  const output = await viewer.get(OutputPage, "GET", "/api/sessions/s_good/output");
  return {
    session,
    screen,
    prompts,
    history,
    output,
    transcript: await viewer.get(TranscriptPage, "GET", "/api/sessions/s_good/transcript"),
  };
}

beforeAll(async () => {
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  data = mkdtempSync(join(tmpdir(), "hostile-test-"));
  server = await startServer({
    host: "127.0.0.1",
    port: 0,
    data,
    insecureLan: false,
    log: (line) => logged.push(line),
  });
  machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  viewer = await pairDevice(await machine.mint("viewer"), "viewer", "phone");
  evil = await pairDevice(await machine.mint("runner"), "runner", "a box that was taken over");
  good = await openSocket(server.origin, machine);
  const { hello, session, screen, output, transcript } = fromRunner("s_good", "p_good");
  for (const message of [hello, session, screen, output, transcript]) good.send(message);
  await good.next("resume");
  await good.next("ack");
  beat = setInterval(() => good.send({ type: "pong" }), 1000);
  before = await theirs();
  stream = await viewer.events("s_good");
  await stream.next("hello");
}, 20_000);
afterAll(async () => {
  clearInterval(beat);
  process.off("unhandledRejection", note);
  process.off("uncaughtException", note);
  stream.close();
  good.close();
  await server.stop();
  rmSync(data, { recursive: true, force: true });
});

/** Whatever was sent: nothing broke, nobody else's was touched, and all that is shown is of the form that pages read. */
async function expectUnharmed() {
  expect(unhandled).toEqual([]);
  expect(await theirs()).toEqual(before as Awaited<ReturnType<typeof theirs>>);
  await viewer.prompts();
  await viewer.get(SearchAnswer, "GET", "/api/search?q=alert");
  for (const { id } of await viewer.sessions()) {
    await viewer.get(SessionDetail, "GET", `/api/sessions/${id}`);
    await viewer.get(OutputPage, "GET", `/api/sessions/${id}/output`);
    await viewer.get(TranscriptPage, "GET", `/api/sessions/${id}/transcript`);
  }
  expect(logged.filter((line) => /store_failed|request_failed|index_failed/.test(line))).toEqual(
    [],
  );
}

async function greeted(first: boolean, seed: number): Promise<Socket> {
  const socket = await openSocket(server.origin, evil);
  const { hello, session } = fromRunner(`s_evil${seed}`, `p_evil${seed}`);
  if (first) socket.send(hello);
  if (first) socket.send(session);
  return socket;
}

/** Messages of a runner that is not ours: of any type, in any order, about its own session and others'. */
function message(random: Random, seed: number): unknown {
  const samples = fromRunner(
    random.pick([`s_evil${seed}`, "s_good", "s_none"]),
    random.pick([`p_evil${seed}`, "p_good", "p_none"]),
  );
  const sample = random.pick(Object.values(samples));
  return random.int(0, 3) === 0 ? sample : mutated(random, sample);
}

test(
  "messages of every type, changed in every way, end in a closed connection or in nothing, and touch nobody else",
  async () => {
    const sent = new Set<string>();
    await attack(40, async (random, seed) => {
      const socket = await greeted(true, seed);
      let refused = false;
      for (let i = 0; i < 60 && !refused; i++) {
        const next = message(random, seed);
        const text = JSON.stringify(next);
        const parsed = parseJson(FromRunner, text);
        if (parsed !== undefined) sent.add(parsed.type);
        // one that can't be read ends the connection, so it comes last
        if (parsed === undefined && i < 40) continue;
        refused = parsed === undefined || (parsed.type === "hello" && parsed.protocol !== 3);
        socket.raw(socket.seal(next));
      }
      if (refused) expect(await socket.closed()).toBeOneOf([4400, 4426]);
      else {
        socket.send({
          type: "session",
          session: { ...fromRunner(`s_late${seed}`, "p").session.session },
          first: 1,
          prompts: [],
        });
        while ((await socket.next("resume")).session !== `s_late${seed}`);
      }
      socket.close();
      if (seed % 20 === 0) await expectUnharmed();
    });
    expect(sent.size).toBe(Object.keys(fromRunner("s", "p")).length);
    await expectUnharmed();
  },
  patience(60_000),
);

test(
  "frames that were damaged, cut, made up, or come in another's place close the connection",
  async () => {
    await attack(40, async (random, seed) => {
      const socket = await greeted(random.int(0, 1) === 0, seed);
      const json = JSON.stringify(message(random, seed));
      const sealed = socket.seal(JSON.parse(json));
      switch (random.int(0, 6)) {
        case 0:
          socket.raw(damaged(random, json));
          break;
        case 1:
          socket.raw(sealed.subarray(0, random.int(0, sealed.length - 1)));
          break;
        case 2:
          socket.raw(json);
          break;
        case 3:
          socket.raw(socket.seal(message(random, seed), random.pick([2 ** 32, 2 ** 53 - 1, 7])));
          break;
        case 4: // sealed as it should be, but no JSON
          socket.raw(socket.sealBytes(damaged(random, "x")));
          break;
        case 5:
          socket.raw(new Uint8Array(4 * 1024 * 1024 + random.int(0, 2)));
          break;
        default:
          socket.raw(sealed);
          socket.raw(sealed);
      }
      expect(await socket.closed()).toBeOneOf([4400, 4426, 1006, 1009]);
      if (seed % 20 === 0) await expectUnharmed();
    });
    await expectUnharmed();
  },
  patience(60_000),
);

test(
  "requests of every kind, changed in every way, are answered with words, and never with an error of the server's own",
  async () => {
    const bodies: [string, string, unknown][] = [
      ["POST", "/api/sessions/s_good/seen", { rev: 3, stream: "st_1" }],
      ["POST", "/api/sessions/s_none/input", { stream: "st", seq: 1, text: "x", keys: ["Up"] }],
      ["POST", "/api/sessions/s_none/resize", { cols: 80, rows: 24 }],
      ["POST", "/api/sessions/s_none/stop", { signal: "SIGINT" }],
      [
        "POST",
        "/api/prompts/p_none/approve",
        { shown: "0".repeat(64), answers: [{ options: [0] }], fields: ["x"] },
      ],
      ["POST", "/api/prompts/p_none/reject", { message: "no", dismiss: true }],
      [
        "POST",
        "/api/runners/dev_none/sessions",
        { id: "x", cwd: "/", args: ["--model", "x"], cols: 80, rows: 24 },
      ],
      ["POST", "/api/devices/code", { kind: "viewer" }],
      ["PATCH", "/api/devices/dev_none", { name: "x" }],
      [
        "POST",
        "/api/push/subscription",
        {
          endpoint: "https://fcm.googleapis.com/x",
          keys: { p256dh: "A".repeat(87), auth: "A".repeat(22) },
          off: ["prompt"],
        },
      ],
      [
        "POST",
        "/api/pair",
        {
          code_id: "0".repeat(32),
          kind: "viewer",
          name: "x",
          nonce: "A".repeat(22),
          mac: "A".repeat(43),
        },
      ],
    ];
    const queries = [
      "/api/search?q=",
      "/api/sessions/s_good/output?limit=5&before=",
      "/api/sessions/s_good/transcript?before=5&limit=",
      "/api/audit?before=",
      "/api/runners/dev_x/folders?path=",
      "/api/runners/dev_x/conversations?cwd=",
    ];
    await attack(400, async (random) => {
      const [method, path, body] = random.pick(bodies);
      const whole = JSON.stringify(mutated(random, body)).slice(0, 60_000);
      const answers = [
        await viewer.request(method, path, whole),
        await viewer.request(
          "GET",
          new URL(
            random.pick(queries) +
              encodeURIComponent(oddText(random).slice(0, 1500).toWellFormed()),
            server.origin,
          ).href.slice(server.origin.length),
        ),
      ];
      for (const answer of answers) {
        expect([answer.status === 503, answer.status < 500]).toContain(true); // 503: the runner that is asked is away
        if (answer.status !== 413) expect(await answer.text(), answer.url).toStartWith("{");
      }
    });
    await expectUnharmed();
  },
  patience(60_000),
);

test("the stream of somebody who looked on meanwhile has told nothing of it", () => {
  expect(
    stream.received.filter(
      ({ event }) =>
        event.name === "screen" || event.name === "output" || event.name === "transcript",
    ).length,
  ).toBeLessThanOrEqual(3);
  expect(stream.received.filter(({ event }) => event.name === "reset")).toEqual([]);
});
