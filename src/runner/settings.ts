import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { parseJson } from "../types.ts";
import { readArguments } from "./claude/arguments.ts";

const Settings = v.looseObject({
  hooks: v.optional(v.record(v.string(), v.array(v.unknown()))),
  permissions: v.optional(v.looseObject({ deny: v.optional(v.array(v.unknown())) })),
});
type Settings = v.InferOutput<typeof Settings>;

/** Flags of claude under which it runs no hooks. */
const WITHOUT_HOOKS = ["--bare", "--safe-mode"];
/** The kernel takes no longer argument than 128 KiB (execve(2)); some room is left for what a proxy or a shell adds. In bytes. */
const ARGUMENT_BYTES = 120 * 1024;
/** Claude takes no larger file (measured). In bytes. */
const FILE_BYTES = 16 * 1024 * 1024;
/** A rule about paths that begins at the folder of its settings file, such as `Read(/secrets/**)`. */
const ROOTED_RULE = /^((?:Read|Edit|Write|MultiEdit|NotebookEdit|Glob|Grep|LS)\()\/(?!\/)(.*\))$/s;

/** Claude's arguments, with our hooks to be added. */
export interface MergedSettings {
  /** What `--settings` is to say: the user's own and our hooks. */
  json: string;
  /** The user's own come from a file: they may hold secrets, which must not stand in a list of processes. */
  fromFile: boolean;
  /** The arguments, with `settings` (JSON or the path of a file) in the place of the user's own. */
  args(settings: string): string[];
}

/**
 * Adds our hooks to claude's arguments. Claude merges `--settings` with the user's files but takes only the last such flag, so a flag of the
 * user's own is merged in, and ours stands where theirs stood: elsewhere it would change which words belong to the flags around it. Undefined
 * where hooks can't be added: they are switched off by a flag, or the user's own settings can't be read, which is for claude to say.
 */
export function mergeSettings(
  args: readonly string[],
  cwd: string,
  ours: { hooks: Record<string, unknown>; deny?: readonly string[] },
): MergedSettings | undefined {
  const words = readArguments(args);
  if (words.some((word) => word.kind === "flag" && WITHOUT_HOOKS.includes(word.flag)))
    return undefined;
  const given = words.findLast((word) => word.kind !== "operand" && word.flag === "--settings");
  let theirs: Settings | undefined = {};
  let fromFile = false;
  if (given !== undefined) {
    if (given.value === undefined) return undefined; // the flag stands last, without what belongs to it
    fromFile = !isJson(given.value);
    theirs = fromFile ? settingsFile(resolve(cwd, given.value)) : parseJson(Settings, given.value);
  }
  if (theirs === undefined || theirs.disableAllHooks === true) return undefined;
  const hooks: Record<string, unknown> = { ...theirs.hooks };
  for (const [event, added] of Object.entries(ours.hooks))
    hooks[event] = [...(theirs.hooks?.[event] ?? []), ...(Array.isArray(added) ? added : [])];
  const { deny = [] } = ours;
  const permissions =
    deny.length === 0
      ? {}
      : {
          permissions: {
            ...theirs.permissions,
            deny: [...(theirs.permissions?.deny ?? []), ...deny],
          },
        };
  const json = JSON.stringify({ ...theirs, ...permissions, hooks });
  if (!fromFile && Buffer.byteLength(json) > ARGUMENT_BYTES) return undefined;
  return {
    json,
    fromFile,
    args(settings) {
      if (given === undefined) return ["--settings", settings, ...args];
      const word = given.kind === "flag" ? `--settings=${settings}` : settings;
      return args.with(given.index, word);
    },
  };
}

/**
 * Rules that keep Claude's own tools out of folders: this machine's key is in one, and whoever has that answers Claude's questions.
 * A folder in which Claude itself works is left out. Programs that Claude runs are not held by this.
 */
export function denyRules(folders: readonly string[], cwd: string): string[] {
  const places = new Set(folders.flatMap((folder) => [folder, realPath(folder)]));
  return [...places]
    .filter((folder) => !`${realPath(cwd)}/`.startsWith(`${folder}/`))
    .flatMap((folder) => ["Read", "Edit"].map((tool) => `${tool}(/${folder}/**)`));
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error) return path; // it is not there yet
    throw error;
  }
}

/** Settings under which HTTP hooks to this machine pass by whatever proxy other settings name: in a sandbox hooks are requests. */
export function withoutProxy(json: string): string {
  const { env, ...settings } =
    parseJson(v.looseObject({ env: v.optional(v.looseObject({})) }), json) ?? {};
  const given = env?.NO_PROXY ?? env?.no_proxy;
  const list = typeof given === "string" && given !== "" ? `${given},127.0.0.1` : "127.0.0.1";
  return JSON.stringify({ ...settings, env: { ...env, NO_PROXY: list, no_proxy: list } });
}

/** Whether claude takes this for settings themselves, and not for the name of their file. */
const isJson = (text: string) => text.trim().startsWith("{") && text.trim().endsWith("}");

/** Settings from a file, whose rules about paths still mean the same when they stand elsewhere. */
function settingsFile(path: string): Settings | undefined {
  const settings = readSettings(path);
  if (settings?.permissions === undefined) return settings;
  const rules = Object.entries(settings.permissions).map(([name, list]) => [
    name,
    name !== "allow" && name !== "deny" && name !== "ask"
      ? list
      : rooted(list, dirname(realpathSync(path))),
  ]);
  return { ...settings, permissions: Object.fromEntries(rules) };
}

/** A path that begins with one slash is looked for below the settings file's folder, with two it is absolute. */
function rooted(rules: unknown, folder: string): unknown {
  if (!Array.isArray(rules)) return rules;
  return rules.map((rule: unknown) =>
    typeof rule === "string" ? rule.replace(ROOTED_RULE, `$1/${folder}/$2`) : rule,
  );
}

function readSettings(path: string): Settings | undefined {
  try {
    const { size } = statSync(path);
    return size > FILE_BYTES ? undefined : parseJson(Settings, readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined; // none, a folder, or not for us
    throw error;
  }
}
