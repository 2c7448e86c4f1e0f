import { resolve } from "node:path";
import { constants, createDeflateRaw } from "node:zlib";
import type { Place } from "./place.ts";
import { END, type Recording, readRecording } from "./recording.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";
import { openViewer } from "./viewer.ts";

/** So many replay beside each other: each takes as long as the recording did, or where it is to be quick, a fourth of that. */
const AT_ONCE = 3;
const QUICK = 4;

/** What a phone gets of Claude's own traffic: a recording of the real Claude Code, replayed with its own times. */
export async function traffic(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  const recording = readRecording();
  const raw = recording.chunks.reduce((sum, [, bytes]) => sum + bytes.length, 0) / 1e3;
  const seconds = (recording.chunks.at(-1)?.[0] ?? 0) / 1000;
  const speed = quick ? QUICK : 1;
  const play = async () => {
    const wrapped = await place.wrapped(
      `stty raw -echo; printf READY; head -c 1 >/dev/null; '${process.execPath}' '${REPLAY}' ${speed}; head -c 1 >/dev/null`,
    );
    const viewer = await openViewer(place.phone, wrapped.session);
    await wrapped.shows("READY");
    await Bun.sleep(1000); // what comes with opening is over, in ms
    const before = viewer.bytes();
    const end = viewer.sees(
      "the phone has the end of the recording",
      ({ name, data }) => name === "screen" && data.title === END,
    );
    wrapped.type("\n");
    await end;
    const sent = viewer.bytes() - before;
    viewer.close();
    wrapped.type("\n");
    await wrapped.exited;
    return sent / 1e3;
  };
  const sent = median(await Promise.all(Array.from({ length: quick ? 1 : AT_ONCE }, play)));
  const name = `Claude's traffic, ${seconds.toFixed(0)} s${quick ? ` in ${(seconds / speed).toFixed(0)}` : ""}: to one phone`;
  return [
    {
      name,
      unit: "kB",
      ours: sent,
      reference: raw,
      against: "its raw bytes",
      judged: "part",
      gate: 0.25,
      aim: 0.03,
    },
    {
      name: `${name}, beside deflate`,
      unit: "kB",
      ours: sent,
      reference: (await deflated(recording)) / 1e3,
      against: "its raw bytes, deflated read by read with context kept",
      judged: "part",
    },
  ];
}

const REPLAY = resolve(import.meta.dir, "replay.ts");

/** What one stream of deflate makes of the reads, each flushed, in bytes. */
async function deflated({ chunks }: Recording): Promise<number> {
  const packer = createDeflateRaw();
  let size = 0;
  packer.on("data", (part: Uint8Array) => {
    size += part.length;
  });
  for (const [, bytes] of chunks) {
    packer.write(Buffer.from(bytes, "latin1"));
    await new Promise<void>((done) => packer.flush(constants.Z_SYNC_FLUSH, done));
  }
  packer.close();
  return size;
}
