import { ECHO } from "./echo.ts";
import type { Place, Wrapped } from "./place.ts";
import { canLook, cpuMs, memoryMb, shareMb } from "./processes.ts";
import { frame, often, openBareStage, openStage, type Played } from "./stage.ts";
import type { Row } from "./table.ts";

const COUNTS = [1, 30, 100] as const;
/** What each session does, a second: so many times three rows of the screen change, and a line goes into history. */
const CHANGES = 5;
/** What comes with beginning is over after this time, in ms. */
const SETTLE_MS = 1000;
const WRAPPERS = 10;

/** The server with many sessions at work, and what real wrappers take. */
export async function sessions(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  if (!canLook)
    return [
      {
        name: "many sessions",
        missing: "this system does not tell what processes use: Linux does",
      },
    ];
  const ms = quick ? 1500 : 8000;
  const stage = await openStage(place);
  const bare = await openBareStage(place);
  const played: Played[] = [];
  const sockets: WebSocket[] = [];
  const rows: Row[] = [];
  const memory: [number, number][] = [];
  for (const count of COUNTS) {
    while (played.length < count) {
      const session = await stage.play(`s_${played.length}`);
      session.draw();
      played.push(session);
      sockets.push(await bare.socket());
    }
    const measure = async (pid: number, act: () => void) => {
      const stop = often(CHANGES, act);
      await Bun.sleep(SETTLE_MS);
      const [used, from] = [cpuMs(pid), performance.now()];
      await Bun.sleep(ms);
      const cpu = (100 * (cpuMs(pid) - used)) / (performance.now() - from);
      stop();
      return cpu;
    };
    const line = "0 compiling src/module-0/part.ts".padEnd(79, ".");
    const [ours, reference] = await Promise.all([
      measure(stage.pid, () => {
        for (const session of played) {
          session.draw();
          session.print([line]);
        }
      }),
      measure(bare.pid, () => {
        for (const socket of sockets) {
          socket.send(JSON.stringify({ type: "screen", session: "s_0", frame: frame(1000) }));
          socket.send(
            JSON.stringify({
              type: "output",
              session: "s_0",
              seq: 1000,
              op: { op: "append", generation: 0, from: 1000, lines: [line] },
            }),
          );
        }
      }),
    ]);
    memory.push([memoryMb(stage.pid, "VmRSS"), memoryMb(bare.pid, "VmRSS")]);
    const name = `${count} session${count === 1 ? "" : "s"} at work: server's CPU`;
    rows.push({
      name,
      unit: "%",
      ours,
      reference,
      against: `a bare server that reads the same: ${2 * CHANGES} messages a second of each`,
      judged: "itself",
    });
  }
  for (const session of played) session.close();
  for (const socket of sockets) socket.close();
  await Promise.all([stage.close(), bare.close()]);

  const each = (which: 0 | 1) =>
    (((memory.at(-1)?.[which] ?? 0) - (memory[0]?.[which] ?? 0)) * 1000) / (COUNTS[2] - COUNTS[0]);
  const wrappers: Wrapped[] = [];
  for (let i = 0; i < WRAPPERS; i++) wrappers.push(await place.wrapped(ECHO));
  await Bun.sleep(SETTLE_MS);
  const wrapper = wrappers.reduce((sum, { pid }) => sum + shareMb(pid), 0) / WRAPPERS;
  const web = shareMb(place.web.pid);
  await Promise.all(wrappers.map((wrapped) => wrapped.close()));
  return [
    ...rows,
    {
      name: "memory a session, in the server",
      unit: "kB",
      ours: each(0),
      reference: each(1),
      against: `the bare server, the same way: from 1 to ${COUNTS[2]}`,
      judged: "itself",
    },
    {
      name: `memory a wrapper, of ${WRAPPERS}`,
      unit: "MB",
      ours: wrapper,
      reference: web,
      against: "a bare Bun process; what is shared is divided",
      judged: "itself",
    },
  ];
}
