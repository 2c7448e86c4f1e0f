/**
 * `bun run bench [--quick] [--json] [NAME ...]`: measures claude-remote beside what it is compared with, in the same run, and prints a table; with
 * names only those measurements. With CLAUDE_REMOTE_BINARY=FILE it measures the single binary. Exit code 1 where something could not be measured; a gate that is missed is a result.
 */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { approve } from "./approve.ts";
import { localEcho } from "./echo.ts";
import { growth } from "./growth.ts";
import { idle } from "./idle.ts";
import { keystroke } from "./keystroke.ts";
import { opening } from "./opening.ts";
import { openPlace, type Place } from "./place.ts";
import { sessions } from "./sessions.ts";
import { stalled } from "./stalled.ts";
import { startUp } from "./start-up.ts";
import { formatTable, judgedValue, type Row, verdict } from "./table.ts";
import { throughput } from "./throughput.ts";
import { traffic } from "./traffic.ts";
import { viewers } from "./viewers.ts";

/** In this order: what leaves much behind in the database comes last. */
const MEASUREMENTS: Record<string, (place: Place, how: { quick: boolean }) => Promise<Row[]>> = {
  "start-up": startUp,
  idle,
  "local echo": localEcho,
  "phone key to echo": keystroke,
  "approve to hook response": approve,
  opening,
  "Claude's traffic": traffic,
  flood: throughput,
  "many viewers": viewers,
  "a stalled viewer": stalled,
  "many sessions": sessions,
  "the database": growth,
};

const { values, positionals } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const unknown = positionals.find((name) => MEASUREMENTS[name] === undefined);
if (unknown !== undefined)
  throw new Error(
    `there is no measurement ${unknown}, but ${Object.keys(MEASUREMENTS).join(", ")}`,
  );
const say = (text: string) => process.stderr.write(`${text}\n`);

const machine = {
  platform: process.platform,
  arch: process.arch,
  cpus: cpus().length,
  bun: Bun.version,
  load: loadavg().map((load) => Number(load.toFixed(2))),
};
const starting = openPlace();
let stopped = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    stopped = true;
    void starting.then((place) => place.close()).finally(() => process.exit(1));
  });
}
const place = await starting;
const rows: Row[] = [];
let failed = false;
try {
  for (const [name, measure] of Object.entries(MEASUREMENTS)) {
    if (stopped) break;
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const from = performance.now();
    try {
      rows.push(...(await measure(place, { quick: values.quick })));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      rows.push({ name, missing: error.message });
      failed = true;
    }
    say(`${name}: ${((performance.now() - from) / 1000).toFixed(0)} s`);
  }
} finally {
  await place.close();
}

if (values.json) {
  const told = rows.map((row) =>
    "missing" in row
      ? { ...row, verdict: verdict(row) }
      : { ...row, value: judgedValue(row), verdict: verdict(row) },
  );
  process.stdout.write(
    `${JSON.stringify({ machine, quick: values.quick, rows: told }, null, 2)}\n`,
  );
} else {
  const { platform, arch, cpus, bun, load } = machine;
  process.stdout.write(
    `\n${platform} ${arch}, ${cpus} CPUs, Bun ${bun}, load ${load.join(" ")} at the start\n\n${formatTable(rows)}`,
  );
}
process.exit(failed ? 1 : 0);
