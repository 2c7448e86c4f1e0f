import type { Place } from "./place.ts";
import { overRounds } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** A program that gives back what is typed, itself: the kernel's own echo is off. */
export const ECHO = "stty raw -echo; printf READY; exec cat";
/** Pauses between keys are drawn from here, in ms, so that they fall in step with no timer. */
const PAUSE_MS = [2, 14] as const;

export const pause = ([from, to]: readonly [number, number]) =>
  Bun.sleep(from + Math.random() * (to - from));

/** A key in the terminal at the desk until it is shown there. */
export async function localEcho(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  const [rounds, keys] = quick ? [3, 100] : [7, 300];
  const bare = place.bare(ECHO);
  const wrapped = await place.wrapped(ECHO);
  await Promise.all([bare.shows("READY"), wrapped.shows("READY")]);
  const [theirs, ours]: number[][][] = [[], []];
  for (let round = 0; round < rounds; round++) {
    theirs?.push(await typeKeys(bare, keys));
    ours?.push(await typeKeys(wrapped, keys));
  }
  await Promise.all([bare.close(), wrapped.close()]);
  const row = (share: number) => ({
    unit: "ms",
    ours: overRounds(ours ?? [], share),
    reference: overRounds(theirs ?? [], share),
    against: "the same program in a bare PTY",
    judged: "itself" as const,
  });
  return [
    { name: "local echo p50", ...row(0.5), gate: 0.5, aim: 0.2 },
    { name: "local echo p99", ...row(0.99), gate: 5, aim: 3 },
  ];
}

async function typeKeys(terminal: Terminal, count: number): Promise<number[]> {
  const taken: number[] = [];
  for (let i = 0; i < count; i++) {
    const key = String.fromCharCode(97 + (i % 26));
    await pause(PAUSE_MS);
    const shown = terminal.shows(key);
    const at = performance.now();
    terminal.type(key);
    taken.push((await shown) - at);
  }
  return taken;
}
