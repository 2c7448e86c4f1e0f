import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { LIMITS, StartArgs } from "../types.ts";
import { PairingFile } from "./pairing.ts";
import { birthOf } from "./processes.ts";

const side = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.screenSide));

/** What a daemon tells the process of a session that it starts, on its stdin. */
export const SessionSpec = v.object({
  session: v.string(),
  /** The session's own folder, where a record of it stands as long as it has not taken leave. */
  dir: v.string(),
  /** The real path of the folder that it works in. */
  cwd: v.string(),
  command: v.string(),
  args: StartArgs,
  sandbox: v.boolean(),
  cols: side,
  rows: side,
  pairing: PairingFile,
});
export type SessionSpec = v.InferOutput<typeof SessionSpec>;

/** Which process a session has, for a daemon that comes after the one that started it. */
export const SessionRecord = v.object({
  session: v.string(),
  cwd: v.string(),
  pid: v.number(),
  born: v.string(),
});
export type SessionRecord = v.InferOutput<typeof SessionRecord>;

export const recordPath = (dir: string) => join(dir, "record.json");

/** Written by the session's own process before anything runs: none is ever without a record. */
export function writeRecord({ session, dir, cwd }: SessionSpec): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const record: SessionRecord = {
    session,
    cwd,
    pid: process.pid,
    born: birthOf(process.pid) ?? "",
  };
  writeFileSync(recordPath(dir), JSON.stringify(record), { mode: 0o600 });
}
