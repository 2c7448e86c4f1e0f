import { readdirSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parseJson } from "../../types.ts";
import { fileSize, readFileAt } from "../real-file.ts";

/** More of a file of Claude's is not read, in bytes. */
const FILE_BYTES = 4 * 1024 * 1024;

/** The sessions that Claude's own daemon runs (measured with 2.1.328 and 2.1.332). */
const Roster = v.looseObject({ workers: v.record(v.string(), v.unknown()) });

const Job = v.looseObject({ sessionId: v.string() });

/** The name of the background session that `/background` leaves a conversation to, as claude prints it when it ends. */
export function backgrounded(rows: readonly string[]): string | undefined {
  for (const row of rows.toReversed()) {
    const job = /^backgrounded · ([0-9a-f]{8})$/.exec(row.trim())?.[1];
    if (job !== undefined) return job;
  }
  return undefined;
}

/** The background session `job`, if Claude's daemon runs one of that name: what stands on a screen anybody can have written. */
export function goesOn(configDir: string, job: string | undefined): string | undefined {
  if (job === undefined) return undefined;
  const roster = parseJson(Roster, read(join(configDir, "daemon/roster.json")));
  return roster !== undefined && Object.hasOwn(roster.workers, job) ? job : undefined;
}

/** Claude's own id of a background session's conversation. */
export function conversationOf(configDir: string, job: string): string | undefined {
  return parseJson(Job, read(join(configDir, "jobs", job, "state.json")))?.sessionId;
}

/** All that Claude remembers of sessions in the background, as text: among it the flags with which it starts them again. */
export function rememberedJobs(configDir: string): string {
  const jobs = list(join(configDir, "jobs")).map((job) => `jobs/${job}/state.json`);
  return ["daemon/roster.json", ...jobs].map((file) => read(join(configDir, file))).join("\n");
}

/** The names in a folder; none where there is no such folder. */
export function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}

function read(file: string): string {
  const size = fileSize(file);
  return size === undefined ? "" : readFileAt(file, 0, Math.min(size, FILE_BYTES)).toString();
}
