import type { Place } from "./place.ts";
import { canLook, memoryMb } from "./processes.ts";
import { frame, frameEvent, often, openBareStage, openStage } from "./stage.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";

const VIEWERS = 50;
/** Whole screens, ten lines of history each, and changes of the session's state, so often a second. */
const CHANGES = 50;
const LINES = Array.from({ length: 10 }, (_, i) =>
  `${i} compiling src/module-${i}/part.ts`.padEnd(79, "."),
);

/** What a viewer costs the server that has opened the stream of a session and never reads it, while the session floods. */
export async function stalled(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  if (!canLook)
    return [
      {
        name: "a stalled viewer",
        missing: "this system does not tell what processes use: Linux does",
      },
    ];
  const [rounds, ms] = quick ? [1, 2000] : [2, 4000];
  const screen = Buffer.byteLength(frameEvent("flooding", frame(1000, true)));

  /** The server's memory after a flood, in MB: a server of its own each time, as memory is hardly ever given back. */
  const flood = async (count: number) => {
    const stage = await openStage(place);
    const session = await stage.play("flooding");
    const crowd = await stage.crowd(count, session.id, "stalled");
    let changes = 0;
    const stop = often(CHANGES, () => {
      session.draw(true);
      session.print(LINES);
      session.send({
        type: "status",
        session: session.id,
        hooks: "on",
        activity: changes++ % 2 === 0 ? "busy" : "idle",
      });
    });
    await Bun.sleep(ms);
    stop();
    const memory = memoryMb(stage.pid, "VmRSS");
    if ((await crowd.counts()).bytes > 0) throw new Error("a stalled viewer has read");
    await crowd.close();
    session.close();
    await stage.close();
    return memory;
  };
  const bareFlood = async (count: number) => {
    const bare = await openBareStage(place);
    const crowd = await bare.crowd(count, "stalled");
    await bare.write(frameEvent("flooding", frame(1000, true)), 1000 / CHANGES);
    await Bun.sleep(ms);
    const memory = memoryMb(bare.pid, "VmRSS");
    await crowd.close();
    await bare.close();
    return memory;
  };

  const grown: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  for (let round = 0; round < rounds; round++) {
    grown.theirs.push(-(await bareFlood(0)) + (await bareFlood(VIEWERS)));
    grown.ours.push(-(await flood(0)) + (await flood(VIEWERS)));
  }
  const each = (megabytes: number[]) => (median(megabytes) * 1000) / VIEWERS;
  return [
    {
      name: "a stalled viewer, server's memory",
      unit: "kB",
      ours: each(grown.ours),
      reference: each(grown.theirs),
      against: `a bare server that writes on, the same way: ${VIEWERS} of them for ${ms / 1000} s`,
      judged: "itself",
      gate: 1049, // 1 MiB
      aim: Number((screen / 1000).toFixed(1)),
    },
  ];
}
