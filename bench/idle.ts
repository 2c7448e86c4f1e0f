import { ECHO } from "./echo.ts";
import type { Place } from "./place.ts";
import { canLook, cpuMs, memoryMb } from "./processes.ts";
import type { Row } from "./table.ts";

/** After starting, things settle for so long, in ms. */
const SETTLE_MS = 4000;

/** What wrapper and server use while nothing happens. */
export async function idle(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  if (!canLook)
    return [
      {
        name: "idle wrapper and server",
        missing: "this system does not tell what processes use: Linux does",
      },
    ];
  const ms = quick ? 10_000 : 40_000; // the kernel counts in steps of 10 ms
  const wrapped = await place.wrapped(ECHO);
  await Bun.sleep(SETTLE_MS);
  const { serverPid, web } = place;
  const before = [wrapped.pid, serverPid, web.pid].map(cpuMs);
  const from = performance.now();
  await Bun.sleep(ms);
  const took = performance.now() - from;
  const [wrapper = 0, server = 0, reference = 0] = [wrapped.pid, serverPid, web.pid].map(
    (pid, i) => (100 * (cpuMs(pid) - (before[i] ?? 0))) / took,
  );
  const [wrapperMb, serverMb, referenceMb] = [
    memoryMb(wrapped.pid, "VmRSS"),
    memoryMb(serverPid, "VmRSS"),
    memoryMb(web.pid, "VmRSS"),
  ];
  await wrapped.close();
  const against = "a bare Bun process: HTTP, SSE, PTY";
  return [
    {
      name: "idle wrapper, CPU",
      unit: "%",
      ours: wrapper,
      reference,
      against,
      judged: "itself",
      gate: 0.3,
      aim: 0.1,
    },
    {
      name: "idle wrapper, memory",
      unit: "MB",
      ours: wrapperMb,
      reference: referenceMb,
      against,
      judged: "itself",
      gate: 90,
      aim: 60,
    },
    { name: "idle server, CPU", unit: "%", ours: server, reference, against, judged: "itself" },
    {
      name: "idle server, memory",
      unit: "MB",
      ours: serverMb,
      reference: referenceMb,
      against,
      judged: "itself",
    },
  ];
}
