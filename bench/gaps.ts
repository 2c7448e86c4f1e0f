/**
 * Notes when the event loop it runs in was held up: as a `--preload` that of the process it is loaded into, as a program of its own that of an
 * idle Bun, which is what the machine alone does to one. What was noted is written into the file that GAPS_FILE names, when the process ends.
 */
import { writeFileSync } from "node:fs";

/** The loop is looked at this often, in ms; a gap is the time between two looks. */
const LOOK_MS = 2;
/** What is shorter is not noted, in ms. */
const LEAST_MS = 5;

const alone = Bun.main === import.meta.path;
const gaps: [endedAt: number, ms: number][] = [];
let last = performance.now();
const timer = setInterval(() => {
  const now = performance.now();
  if (now - last >= LEAST_MS) gaps.push([Date.now(), now - last]);
  last = now;
}, LOOK_MS);
if (alone) process.on("SIGTERM", () => process.exit(0));
else timer.unref();
process.on("exit", () => writeFileSync(process.env.GAPS_FILE ?? "", JSON.stringify(gaps)));
