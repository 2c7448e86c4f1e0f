import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as v from "valibot";
import { parseJson } from "../types.ts";

const Settings = v.looseObject({ hooks: v.optional(v.record(v.string(), v.array(v.unknown()))) });

/** Flags of claude under which it runs no hooks. */
const WITHOUT_HOOKS = new Set(["--bare", "--safe-mode"]);

/**
 * Adds our hooks to claude's arguments. Claude merges `--settings` with the user's files but takes only the last such
 * flag, so a flag of the user's own is merged in. Undefined where hooks can't be added: they are switched off by a flag, or
 * the user's own settings can't be read, which is for claude to say.
 */
export function mergeSettings(
  args: readonly string[],
  cwd: string,
  ours: { hooks: Record<string, unknown> },
): { args: string[]; settings: string } | undefined {
  const end = args.indexOf("--");
  const flags = end < 0 ? args : args.slice(0, end);
  if (flags.some((arg) => WITHOUT_HOOKS.has(arg))) return undefined;
  let given: string | undefined;
  const kept: string[] = [];
  for (let i = 0; i < flags.length; i++) {
    const arg = flags[i] ?? "";
    if (arg === "--settings") given = flags[++i];
    else if (arg.startsWith("--settings=")) given = arg.slice("--settings=".length);
    else kept.push(arg);
  }
  const theirs = given === undefined ? {} : readSettings(given, cwd);
  if (theirs === undefined || theirs.disableAllHooks === true) return undefined;
  const hooks: Record<string, unknown> = { ...theirs.hooks };
  for (const [event, added] of Object.entries(ours.hooks))
    hooks[event] = [...(theirs.hooks?.[event] ?? []), ...(Array.isArray(added) ? added : [])];
  return {
    args: [...kept, ...args.slice(flags.length)],
    settings: JSON.stringify({ ...theirs, hooks }),
  };
}

function readSettings(given: string, cwd: string): v.InferOutput<typeof Settings> | undefined {
  if (given.trimStart().startsWith("{")) return parseJson(Settings, given);
  const path = resolve(cwd, given);
  return existsSync(path) ? parseJson(Settings, readFileSync(path, "utf8")) : undefined;
}
