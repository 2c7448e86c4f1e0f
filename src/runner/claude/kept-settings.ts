import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { birthOf } from "../processes.ts";
import { list, rememberedJobs } from "./background.ts";

/**
 * Writes settings that may hold secrets into a file for this user alone. Claude may go on with the session in the background and start it again with
 * the same flags, so the file outlives the session for as long as Claude remembers it.
 */
export function keepSettings(folder: string, session: string, json: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${process.pid}.${session}.json`);
  writeFileSync(file, json, { mode: 0o600 });
  return file;
}

/** Removes settings files that no session uses once `ended` is over, neither one of ours nor, by what stands in its folder, one of Claude's in the background. */
export function sweepSettings(folder: string, configDir: string, ended: string): void {
  const idle = list(folder).filter(
    (name) => name.includes(ended) || birthOf(Number.parseInt(name, 10)) === undefined,
  );
  if (idle.length === 0) return;
  const remembered = rememberedJobs(configDir);
  for (const name of idle)
    if (!remembered.includes(name)) rmSync(join(folder, name), { force: true });
}
