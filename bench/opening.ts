import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { OutputPage, parseEvent } from "../src/types.ts";
import { randomFrom } from "../test/support/random.ts";
import { until } from "../test/support/until.ts";
import type { Place } from "./place.ts";
import { readEvents } from "./sse.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";
import { asBrowser } from "./viewer.ts";

/** How long a session's history may take to be stored, in ms. */
const STORE_MS = 60_000;
const LENGTHS = [10, 1000, 100_000] as const;

/** What a test run prints: colours, names that differ, times that nobody can guess. */
function history(lines: number): string {
  const { int, pick } = randomFrom(lines);
  const words = [
    "parser",
    "reader",
    "outbox",
    "screen",
    "session",
    "ledger",
    "history",
    "prompt",
    "link",
    "gate",
    "viewer",
    "device",
  ] as const;
  const line = () =>
    `\x1b[32m✓\x1b[0m ${pick(words)} > ${pick(words)} ${pick(words)} case ${int(1, 999)} of ${pick(words)} \x1b[2m[${int(0, 99)}.${int(10, 99)} ms]\x1b[0m\n`;
  return Array.from({ length: lines }, line).join("");
}

/** Opening a session on a phone until its screen and the newest lines above are there: what that takes, however long the session is. */
export async function opening(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  const sessions = [];
  for (const lines of LENGTHS) {
    const file = join(place.dir, `history-${lines}`);
    writeFileSync(file, history(lines + 24)); // the last of them stand on the screen
    const wrapped = await place.wrapped(`cat '${file}'; printf READY; read -r go`);
    await wrapped.shows("READY");
    const stored = async () =>
      (await place.phone.get(OutputPage, "GET", `/api/sessions/${wrapped.session}/output?limit=1`))
        .next >= lines;
    await until("the server has its history", stored, STORE_MS);
    sessions.push({
      lines,
      wrapped,
      wire: [] as number[],
      plain: [] as number[],
      ms: [] as number[],
    });
  }
  const trips: number[] = [];
  for (let i = 0; i < (quick ? 5 : 25); i++) {
    const from = performance.now();
    await (await asBrowser(place.phone, "/api/prompts")).arrayBuffer();
    trips.push(performance.now() - from);
    for (const { wrapped, wire, plain, ms } of sessions) {
      const opened = await open(place, wrapped.session);
      wire.push(opened.wire / 1e3);
      plain.push(opened.plain / 1e3);
      ms.push(opened.ms);
    }
  }
  for (const { wrapped } of sessions) {
    wrapped.type("\n");
    await wrapped.exited;
  }
  const first = sessions[0]?.ms ?? [];
  return sessions.flatMap(({ lines, wire, plain, ms }, i): Row[] => {
    const name = `opening a session of ${lines.toLocaleString("en")} lines`;
    return [
      {
        name: `${name}: sent`,
        unit: "kB",
        ours: median(wire),
        reference: median(plain),
        against: "the same, not compressed",
        judged: "itself",
        gate: 4,
        aim: 2,
      },
      {
        name: `${name}: time`,
        unit: "ms",
        ours: median(ms),
        reference: median(i === 0 ? trips : first),
        against: i === 0 ? "one request that has nothing to tell" : `one of ${LENGTHS[0]} lines`,
        judged: "added",
      },
    ];
  });
}

/** What the page does: it opens the stream, which begins with screen and newest lines, and asks then for what else there is to know. */
async function open(
  place: Place,
  session: string,
): Promise<{ wire: number; plain: number; ms: number }> {
  const from = performance.now();
  const response = await asBrowser(place.phone, `/events?session=${session}&lines=100`);
  let plain = 0;
  const [hello, talk] = [Promise.withResolvers<void>(), Promise.withResolvers<number>()];
  const stream = readEvents(
    response,
    (text) => {
      plain += Buffer.byteLength(text) + 2;
      const { name } = parseEvent(text).event ?? {};
      if (name === "hello") hello.resolve();
      if (name === "transcript") talk.resolve(performance.now() - from); // the last of what a stream begins with
    },
    hello.reject,
  );
  await hello.promise;
  const detail = await answer(place, `/api/sessions/${session}?screen=0`);
  const ms = await talk.promise;
  stream.close();
  return { wire: stream.bytes() + detail.wire, plain: plain + detail.plain, ms };
}

/** What an answer comes to, as it was sent and unpacked, in bytes. */
async function answer(place: Place, target: string): Promise<{ wire: number; plain: number }> {
  const response = await asBrowser(place.phone, target);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return {
    wire: bytes.length,
    plain:
      response.headers.get("content-encoding") === "gzip"
        ? Bun.gunzipSync(bytes).length
        : bytes.length,
  };
}
