import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { parseJson, type ViewerEvent } from "../src/types.ts";
import type { Place } from "./place.ts";
import { canLook, memoryMb } from "./processes.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { openViewer } from "./viewer.ts";

/** Where the gaps of an event loop are noted: see there. */
const GAPS = resolve(import.meta.dir, "gaps.ts");
const Gaps = v.array(v.tuple([v.number(), v.number()]));
/** No further round is begun after this long, in ms: on a busy machine one takes minutes. */
const ENOUGH_MS = 75_000;
const END = "END OF THE FLOOD";

/** A flood of lines as a build or a test run prints them, in MB. */
function makeFlood(file: string, megabytes: number): number {
  const lines = Array.from({ length: 12_500 }, (_, i) =>
    `${String(i).padStart(6, "0")} compiling src/module-${i % 977}/part.ts`.padEnd(79, "."),
  );
  const text = `${lines.join("\n")}\n`;
  const times = Math.ceil((megabytes * 1e6) / Buffer.byteLength(text));
  writeFileSync(file, `${text.repeat(times)}${END}`);
  return (Buffer.byteLength(text) * times + END.length) / 1e6;
}

/** Much output at once: how fast it goes by at the desk, and what a phone that looks on gets of it. */
export async function throughput(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  const [rounds, wanted] = quick ? [1, 20] : [3, 200];
  const file = join(place.dir, "flood");
  const fromSource = process.env.CLAUDE_REMOTE_BINARY === undefined;
  const size = makeFlood(file, wanted);
  const script = `stty -echo; printf READY; read -r go; cat '${file}'; read -r go`;
  const rate: Record<"bare" | "wrapped", number[]> = { bare: [], wrapped: [] };
  const memory: Record<"before" | "most", number[]> = { before: [], most: [] };
  const stream: Record<"sent" | "raw", number[]> = { sent: [], raw: [] };
  const end: Record<"desk" | "phone", number[]> = { desk: [], phone: [] };
  const gaps: Record<"wrapper" | "idle", number[]> = { wrapper: [], idle: [] };

  const began = performance.now();
  for (
    let round = 0;
    round < rounds && (round === 0 || performance.now() - began < ENOUGH_MS);
    round++
  ) {
    const bare = place.bare(script);
    rate.bare.push(size / (await run(bare)));
    await bare.close();

    const notes = {
      wrapper: join(place.dir, `gaps-${round}`),
      idle: join(place.dir, `gaps-idle-${round}`),
    };
    const idle = place.bun(GAPS, { GAPS_FILE: notes.idle });
    const wrapped = await place.wrapped(
      script,
      fromSource ? { preload: GAPS, env: { GAPS_FILE: notes.wrapper } } : undefined,
    );
    const viewer = await openViewer(place.phone, wrapped.session);
    await wrapped.shows("READY");
    await Bun.sleep(1000); // what comes with opening is over, in ms
    if (canLook) memory.before.push(memoryMb(wrapped.pid, "VmRSS"));
    const bytes = viewer.bytes();
    const final = viewer.sees("the phone shows the end of the flood", isFinal);
    const from = performance.now();
    const wentAt = Date.now();
    const seconds = await run(wrapped);
    const over = Date.now();
    const finalSeconds = ((await final) - from) / 1000;
    rate.wrapped.push(size / seconds);
    stream.sent.push((viewer.bytes() - bytes) / 1e3 / finalSeconds);
    stream.raw.push((size * 1e3) / finalSeconds);
    end.desk.push(seconds * 1000);
    end.phone.push(finalSeconds * 1000);
    viewer.close();
    if (canLook) memory.most.push(memoryMb(wrapped.pid, "VmHWM"));
    wrapped.type("\n");
    await wrapped.exited;
    idle.kill();
    await idle.exited;
    gaps.idle.push(longest(notes.idle, wentAt, over));
    if (fromSource) gaps.wrapper.push(longest(notes.wrapper, wentAt, over));
    await place.quiet();
  }
  rmSync(file);
  const flood = `flood of ${size.toFixed(0)} MB`;
  const memoryRow: Row = canLook
    ? {
        name: `${flood}: wrapper's memory`,
        unit: "MB",
        ours: median(memory.most),
        reference: median(memory.before),
        against: "the same wrapper before it",
        judged: "itself",
        gate: 120,
        aim: 80,
      }
    : {
        name: `${flood}: wrapper's memory`,
        missing: "this system does not tell what processes use: Linux does",
      };
  return [
    {
      name: `${flood}: local throughput`,
      unit: "MB/s",
      ours: median(rate.wrapped),
      reference: median(rate.bare),
      against: "the same program in a bare PTY",
      judged: "share",
      gate: 0.5,
      aim: 0.8,
    },
    fromSource
      ? {
          name: `${flood}: longest gap of the event loop`,
          unit: "ms",
          ours: median(gaps.wrapper),
          reference: median(gaps.idle),
          against: "an idle Bun beside it",
          judged: "itself",
          gate: 50,
          aim: 15,
        }
      : {
          name: `${flood}: longest gap of the event loop`,
          missing: "a single binary can't be looked into",
        },
    memoryRow,
    {
      name: `${flood}: to one phone`,
      unit: "kB/s",
      ours: median(stream.sent),
      reference: median(stream.raw),
      against: "the raw bytes in that time",
      judged: "itself",
      gate: 40,
      aim: 20,
    },
    {
      name: `${flood}: until the phone has its end`,
      unit: "ms",
      ours: median(end.phone),
      reference: median(end.desk),
      against: "its last byte at the desk",
      judged: "added",
    },
  ];
}

/** The longest gap that ended within this time, in ms; both ends are the system's clock. */
function longest(file: string, from: number, to: number): number {
  const gaps = parseJson(Gaps, readFileSync(file, "utf8"));
  if (gaps === undefined) throw new Error(`${file} can't be read`);
  return Math.max(0, ...gaps.filter(([at]) => at >= from && at <= to).map(([, ms]) => ms));
}

/** Lets the flood go, and tells how many seconds it took to come out. */
async function run(terminal: Terminal): Promise<number> {
  await terminal.shows("READY");
  const end = terminal.shows(END);
  const from = performance.now();
  terminal.type("\n");
  return ((await end) - from) / 1000;
}

const isFinal = (event: ViewerEvent) =>
  event.name === "screen" && Object.values(event.data.lines).some((line) => line.startsWith(END));
