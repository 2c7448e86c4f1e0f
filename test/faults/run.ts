import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

/**
 * `bun run faults [--seed N] [--count N]`: so many schedules from a seed on, 10,000 unless told; with a seed alone, that one. What a seed does is the
 * same each time; when its bytes arrive is for the kernel to say, so a fault that hangs on a race may take some runs of its seed to come again: `--times N`.
 */
const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    count: { type: "string" },
    times: { type: "string", default: "1" },
    lanes: { type: "string" },
  },
});
/** Each process waits more than it works. */
const LANES_PER_CPU = 2;
/** Somebody who looks on is told this often how far it has come, in ms. */
const TELL_EVERY_MS = 5000;

const seed = Number(values.seed ?? 1);
const count = Number(values.count ?? (values.seed === undefined ? 10_000 : 1));
const times = Number(values.times);
const lanes = Math.min(count, Number(values.lanes ?? LANES_PER_CPU * availableParallelism()));
if (![seed, count, times, lanes].every((number) => Number.isSafeInteger(number) && number > 0)) {
  process.stderr.write("bun run faults [--seed N] [--count N] [--times N] [--lanes N]\n");
  process.exit(2);
}

const began = performance.now();
const secondsSoFar = () => (performance.now() - began) / 1000;
let played = 0;
const telling = setInterval(() => {
  if (process.stderr.isTTY)
    process.stderr.write(
      `${played} of ${count * times} schedules, ${secondsSoFar().toFixed(0)} s\n`,
    );
}, TELL_EVERY_MS);
const codes = await Promise.all(
  Array.from({ length: lanes }, (_, lane) => {
    const own = Math.ceil((count - lane) / lanes);
    const argv = [
      process.execPath,
      join(import.meta.dir, "lane.ts"),
      seed + lane,
      own,
      lanes,
      times,
    ].map(String);
    return Bun.spawn(argv, {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      ipc: () => void played++,
    }).exited;
  }),
);
clearInterval(telling);
const ok = codes.every((code) => code === 0);
process.stdout.write(
  `${count * times} schedules in ${secondsSoFar().toFixed(1)} s: ${ok ? "nothing lost, nothing doubled, nothing misdirected" : "some fail, see above"}\n`,
);
process.exit(ok ? 0 : 1);
