import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { lockFile } from "../runner/libc.ts";
import { parseJson } from "../types.ts";
import { removeContainer } from "./engine.ts";
import { type Guarded, isWithin, removePlaceholders } from "./project.ts";

/** What a sandbox leaves behind should its wrapper be killed. */
const Record = v.object({
  /** The container's name. */
  name: v.string(),
  project: v.string(),
  /** The folder with its sockets. */
  dir: v.string(),
  /** What nobody inside can put anything else in the place of. */
  guarded: v.array(v.object({ path: v.string(), writable: v.optional(v.boolean()) })),
  /** What was put into the project, and is to be taken away again. */
  placeholders: v.array(
    v.object({
      path: v.string(),
      otherwise: v.union([
        v.literal("folder"),
        v.object({ text: v.string(), unless: v.optional(v.array(v.string())) }),
      ]),
    }),
  ),
});
export type Record = v.InferOutput<typeof Record>;

/** How often somebody else's turn is waited for, and for how long, in ms. */
const TURN_MS = 20;
const LONGEST_MS = 60_000;
/** A container that was asked for may come up so late, in ms. */
const LATE_MS = 3000;

const folderOf = (data: string) => join(data, "running");

/** Runs `act` while nobody else begins or ends a sandbox here. */
export async function alone<T>(data: string, act: () => T | Promise<T>): Promise<T> {
  mkdirSync(folderOf(data), { recursive: true, mode: 0o700 });
  const fd = openSync(join(folderOf(data), "lock"), "a", 0o600);
  try {
    const until = performance.now() + LONGEST_MS;
    while (!lockFile(fd)) {
      if (performance.now() > until)
        throw new Error(
          "another sandbox is being started or ended, and that does not come to an end",
        );
      await Bun.sleep(TURN_MS);
    }
    return await act();
  } finally {
    closeSync(fd);
  }
}

/** Writes down what there will be; the file stays locked for as long as this process lives, which tells its sandbox from one that was left. */
export function writeRecord(data: string, record: Record): () => void {
  const file = join(folderOf(data), `${record.name}.json`);
  const fd = openSync(file, "wx", 0o600);
  lockFile(fd);
  ftruncateSync(fd);
  writeSync(fd, JSON.stringify(record));
  return () => {
    unlinkSync(file);
    closeSync(fd);
  };
}

/** The sandboxes on record: those whose wrapper lives, and those that were left. To be called `alone`. */
export function readRecords(data: string): { live: Record[]; left: Record[] } {
  const live: Record[] = [];
  const left: Record[] = [];
  for (const name of readdirSync(folderOf(data)).filter((entry) => entry.endsWith(".json"))) {
    const file = join(folderOf(data), name);
    const fd = openSync(file, "r");
    const record = parseJson(Record, readFileSync(fd, "utf8"));
    const free = lockFile(fd);
    closeSync(fd);
    if (record !== undefined) (free ? left : live).push(record);
    else if (free) unlinkSync(file); // its writer died over the first line: nothing had been made
  }
  return { live, left };
}

/**
 * Takes away a sandbox whose program is over: its container, its sockets, and what no other one of that project needs. `takeOver` is called
 * once nothing runs any more, before its folder goes. To be called `alone`; false where the container may still be there.
 */
export async function clearAway(
  record: Record,
  others: readonly Record[],
  takeOver: () => void = () => undefined,
): Promise<boolean> {
  if (!(await removeContainer(record.name))) return false;
  const needed = others
    .filter(({ project }) => project === record.project)
    .flatMap(({ placeholders }) => placeholders.map(({ path }) => path));
  removePlaceholders(
    record.project,
    record.placeholders.filter(({ path }) => !needed.includes(path)),
  );
  takeOver();
  try {
    rmSync(record.dir, { recursive: true, force: true });
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error; // who was in there had taken the rights away: no reason for the next one not to start
  }
  return true;
}

/** Takes away what killed wrappers have left; the answer is which. To be called `alone`. */
export async function sweep(data: string): Promise<Record[]> {
  const { live, left } = readRecords(data);
  const rest = new Set(left);
  for (const record of left) {
    rest.delete(record);
    if (await clearAway(record, [...live, ...rest]))
      unlinkSync(join(folderOf(data), `${record.name}.json`));
  }
  return left;
}

/** A sandbox that runs in a folder around this one, or within it: it could put links where this one's mounts go. */
export function overlapping(project: string, live: readonly Record[]): Record | undefined {
  return live.find(
    (record) =>
      record.project !== project &&
      (isWithin(project, record.project) || isWithin(record.project, project)),
  );
}

/** What of these parts somebody in a sandbox that runs in the same project could put a link in the place of, before it is guarded here as well. */
export function unguarded(
  project: string,
  parts: readonly Guarded[],
  live: readonly Record[],
): Guarded | undefined {
  const same = live.filter((record) => record.project === project);
  return parts.find(({ path }) =>
    same.some(
      ({ guarded }) =>
        !guarded.some(
          (part) => part.path === path || (part.writable !== true && isWithin(path, part.path)),
        ),
    ),
  );
}

/** `claude-remote __sweep DATA`, for our own use: what a sandbox's guard becomes when the wrapper has died. */
export async function sweepLeft([data = ""]: readonly string[]): Promise<number> {
  if (!existsSync(folderOf(data))) return 0;
  const left = await alone(data, () => sweep(data));
  // the engine may still have been at it when the docker command died
  if (left.length > 0) await Bun.sleep(LATE_MS);
  for (const { name } of left) await removeContainer(name);
  return 0;
}
