import { deliver } from "../../src/runner/rest.ts";
import { quickenTime } from "./clock.ts";
import { openHouse } from "./house.ts";
import { loadPage } from "./page.ts";
import { watchRequests } from "./requests.ts";
import { drawSchedule, stepWords } from "./schedule.ts";
import { runTrial } from "./trial.ts";

// a session that ends while it has no connection leaves the rest to a process of its own, which is this program's other name
if (process.argv[2] === "__deliver")
  process.exit(await deliver(process.argv.slice(3), { known: () => undefined }));

/** `lane.ts SEED COUNT EVERY TIMES`: every so manieth seed from one on, one after the other, each so many times. A process of its own, as its clock is another. */
const [seed = 1, count = 1, every = 1, times = 1] = process.argv.slice(2).map(Number);
/** A server goes on with its database for so many schedules. */
const TRIALS_PER_HOUSE = 40;

Bun.plugin({
  name: "without the dashboard's files, which each server would bundle",
  setup: (build) =>
    void build.onLoad({ filter: /src\/hub\/page\.ts$/ }, () => ({
      contents: "export const pageFiles = async () => ({});",
      loader: "js",
    })),
});
// a browser says it on its console, and goes on
const unhandled: string[] = [];
process.on("unhandledRejection", (error) => void unhandled.push(`unhandled: ${error}`));

const clock = quickenTime(1);
const requests = watchRequests();
const modules = await loadPage();
// it ends with this process, whose end closes its input
const holder = Bun.spawn(["sh", "-c", "cat; :"], {
  stdin: "pipe",
  stdout: "ignore",
  stderr: "ignore",
});
const stage = { clock, modules, requests, holder: holder.pid };
let house = await openHouse();
let run = 0;
let failed = 0;
for (let at = seed; at < seed + count * every; at += every) {
  for (let time = 0; time < times; time++) {
    if (run++ % TRIALS_PER_HOUSE === TRIALS_PER_HOUSE - 1) {
      await house.close();
      house = await openHouse();
    }
    const wrong = await runTrial(stage, house, at).catch((error: unknown) => [
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    ]);
    process.send?.("played");
    const said = unhandled.splice(0);
    if (wrong.length === 0) continue;
    failed++;
    const steps = drawSchedule(at).map((step) => `    ${stepWords(step)}`);
    const words = [...wrong, ...said].map((line) => `  ${line}\n`).join("");
    process.stdout.write(
      `seed ${at} fails; again: bun run faults --seed ${at} --times 20\n${words}  its steps:\n${steps.join("\n")}\n`,
    );
    await house.close();
    house = await openHouse();
  }
}
await house.close();
holder.kill();
process.exit(failed === 0 ? 0 : 1);
