import type { Place } from "./place.ts";
import { canLook, cpuMs, memoryMb } from "./processes.ts";
import { type Crowd, frame, frameEvent, often, openBareStage, openStage } from "./stage.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";

/** A session that changes so often a second. */
const EVENTS = 50;
const CROWDS = [1, 100, 1000] as const;
/** What comes with opening is over after this time, in ms. */
const SETTLE_MS = 1000;

/**
 * What one took: processor time of the server in % of a core, events that each viewer got in a second, memory in MB. On a machine too busy
 * to deliver all of them the processor time is what all of them would have taken at most: acknowledgements do not come more often then.
 */
interface Taken {
  cpu: number;
  events: number;
  memory: number;
}

/** The server while many look at one session that changes all the time. */
export async function viewers(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  if (!canLook)
    return [
      { name: "many viewers", missing: "this system does not tell what processes use: Linux does" },
    ];
  const [rounds, ms] = quick ? [1, 2000] : [3, 5000];
  const stage = await openStage(place);
  const bare = await openBareStage(place);
  const session = await stage.play("watched");
  session.draw();
  const event = frameEvent(session.id, frame(1000));

  const measure = async (pid: number, crowd: Crowd, count: number): Promise<Taken> => {
    await Bun.sleep(SETTLE_MS);
    const [before, used, from] = [await crowd.counts(), cpuMs(pid), performance.now()];
    await Bun.sleep(ms);
    const [after, usedThen, took] = [await crowd.counts(), cpuMs(pid), performance.now() - from];
    if (after.open < count || after.refused > 0)
      throw new Error(
        `${count - after.open} of ${count} streams broke, ${after.refused} acknowledgements were refused`,
      );
    await crowd.close();
    const events = ((after.frames - before.frames) / count / took) * 1000;
    const cpu = ((100 * (usedThen - used)) / took) * Math.max(1, EVENTS / events);
    return { cpu, events, memory: memoryMb(pid, "VmRSS") };
  };
  const ourRound = async (count: number) => {
    const crowd = await stage.crowd(count, session.id, "seeing");
    const stop = often(EVENTS, session.draw);
    const taken = await measure(stage.pid, crowd, count);
    stop();
    return taken;
  };
  const bareRound = async (count: number) => {
    const crowd = await bare.crowd(count, "deaf");
    await bare.write(event, 1000 / EVENTS);
    const taken = await measure(bare.pid, crowd, count);
    await bare.write("", 0);
    return taken;
  };

  const rows: Row[] = [];
  const memory: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  for (const count of quick ? [1, 1000] : CROWDS) {
    const [ours, theirs]: [Taken[], Taken[]] = [[], []];
    for (let round = 0; round < (count === 1000 ? rounds : 1); round++) {
      theirs.push(await bareRound(count));
      ours.push(await ourRound(count));
    }
    const of = (taken: Taken[], what: keyof Taken) => median(taken.map((one) => one[what]));
    memory.ours.push(of(ours, "memory"));
    memory.theirs.push(of(theirs, "memory"));
    const name = `${count} viewer${count === 1 ? "" : "s"}`;
    const [cpu, floor] = [of(ours, "cpu"), of(theirs, "cpu")];
    const bounds =
      count === 1000 ? { gate: 50, aim: Math.min(50, Number((1.5 * floor).toPrecision(3))) } : {};
    const against = "a bare server that writes the same to as many streams";
    const events = of(ours, "events");
    rows.push(
      events < EVENTS / 2
        ? {
            name: `${name}: server's CPU`,
            missing: `this machine is too busy: of ${EVENTS} events a second ${events.toFixed(0)} came through`,
          }
        : {
            name: `${name}: server's CPU`,
            unit: "%",
            ours: cpu,
            reference: floor,
            against,
            judged: "itself",
            ...bounds,
          },
      {
        name: `${name}: events each got`,
        unit: "/s",
        ours: events,
        reference: of(theirs, "events"),
        against: `the same; the session changes ${EVENTS} times a second`,
        judged: "itself",
      },
    );
  }
  session.close();
  await Promise.all([stage.close(), bare.close()]);
  const each = (megabytes: number[]) =>
    (((megabytes.at(-1) ?? 0) - (megabytes[0] ?? 0)) * 1000) / (CROWDS[2] - CROWDS[0]);
  return [
    ...rows,
    {
      name: "memory a viewer",
      unit: "kB",
      ours: each(memory.ours),
      reference: each(memory.theirs),
      against: "the bare server, the same way: from 1 to 1000",
      judged: "itself",
    },
  ];
}
