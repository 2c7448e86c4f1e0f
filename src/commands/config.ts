import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { explainSystemError } from "../system/system-error.ts";
import { configPath, dataDir, expandHome, homeDir } from "./places.ts";
import { UsageError } from "./usage.ts";

const words = v.pipe(v.string(), v.minLength(1), v.maxLength(4096));
const amount = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number))]),
  v.safeInteger(),
  v.minValue(0),
);
/** In the environment as PATH has them. */
const paths = v.union([
  v.pipe(v.array(words), v.maxLength(100)),
  v.pipe(
    words,
    v.transform((list) => list.split(":").filter((path) => path !== "")),
  ),
]);
const number = v.pipe(amount, v.maxValue(65_535));
const yes = v.union([
  v.boolean(),
  v.pipe(
    v.picklist(["1", "true", "yes", "0", "false", "no"]),
    v.transform((word) => /^(1|true|yes)$/.test(word)),
  ),
]);

/** Every option by its name in the file; docs/configuration.md says what each is for. A flag wins over the environment, that over the file. */
const OPTIONS = {
  port: v.optional(number),
  host: v.optional(words),
  data: v.optional(words),
  keep_days: v.optional(amount),
  keep_mb: v.optional(amount),
  device_days: v.optional(amount),
  public_url: v.optional(words),
  published: v.optional(words),
  trusted_proxies: v.optional(words),
  log: v.optional(v.picklist(["text", "json"])),
  tls_cert: v.optional(words),
  tls_key: v.optional(words),
  insecure_lan: v.optional(yes),
  push_contact: v.optional(
    v.pipe(words, v.regex(/^(?:mailto:[^\s@]+@[^\s@]+\.[^\s@]+|https:\/\/\S+\.\S+)$/)),
  ),
  push_services: v.optional(words),
  embedded: v.optional(yes),
  claude: v.optional(words),
  roots: v.optional(paths),
  sandbox_hosts: v.optional(words),
  sandbox_pass: v.optional(words),
  sandbox_git: v.optional(yes),
  sandbox_image: v.optional(words),
  sandbox_dockerfile: v.optional(words),
  sandbox: v.optional(v.picklist(["always", "never"])),
};
const Options = v.strictObject(OPTIONS);
export const OPTION_NAMES = v.keyof(Options).options;
export type Given = { [Name in keyof typeof OPTIONS]?: v.InferOutput<(typeof OPTIONS)[Name]> };

/** The options that hold, with what holds where nobody said anything. */
export type Config = Given & {
  data: string;
  host: string;
  insecure_lan: boolean;
  embedded: boolean;
  claude: string;
  /** The options that somebody has set. */
  given?: Given;
};

/** Reads file, environment and flags (named as in the file). Throws a `UsageError` that names the place of a mistake. */
export function loadConfig(
  flags: Record<string, string | boolean | string[] | undefined> = {},
): Config {
  const env = Object.fromEntries(
    Object.keys(OPTIONS).map((name) => [
      name,
      process.env[`CLAUDE_REMOTE_${name.toUpperCase()}`] || undefined,
    ]),
  );
  const file = configPath();
  const given: Given = {
    ...whole(
      check(readFile(file), (name) => `${file}${lineOf(file, name)}: ${name}`),
      dirname(file),
    ),
    ...whole(
      check(env, (name) => `CLAUDE_REMOTE_${name.toUpperCase()}`),
      process.cwd(),
    ),
    ...whole(
      check(flags, (name) => `--${name.replaceAll("_", "-")}`),
      process.cwd(),
    ),
  };
  if ((given.tls_cert === undefined) !== (given.tls_key === undefined))
    throw new UsageError("tls_cert and tls_key (--tls-cert and --tls-key) go together");
  return { ...withDefaults(given), given };
}

/** The options; where they can't be read, those that start nothing. */
export function lenientConfig(told: (mistake: string) => void = () => undefined): Config {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    told(error.message);
    const isHomeless = homeless();
    return withDefaults({ embedded: false, ...(isHomeless ? { data: "/" } : {}) });
  }
}

/** Whether nobody knows where this user's files are. */
function homeless(): boolean {
  try {
    homeDir();
    return false;
  } catch (error) {
    if (error instanceof UsageError) return true;
    throw error;
  }
}

/** What holds where nobody said anything else. */
export function withDefaults(given: Given): Config {
  const insecure_lan = given.insecure_lan ?? false;
  return {
    ...given,
    data: given.data ?? dataDir(),
    host: given.host ?? (insecure_lan ? "0.0.0.0" : "127.0.0.1"),
    insecure_lan,
    embedded: given.embedded ?? true,
    claude: given.claude ?? "claude",
  };
}

/** Paths from the root: the server in the background runs in a folder of its own. */
function whole(given: Given, from: string): Given {
  const place = (path: string) => resolve(from, expandHome(path));
  const found = (["data", "tls_cert", "tls_key", "sandbox_dockerfile"] as const)
    .map((name) => [name, given[name]] as const)
    .filter(([, path]) => path !== undefined);
  const roots = given.roots === undefined ? {} : { roots: given.roots.map(place) };
  return {
    ...given,
    ...(given.claude === undefined ? {} : { claude: expandHome(given.claude) }), // a bare name is looked for on the PATH
    ...Object.fromEntries(found.map(([name, path = ""]) => [name, place(path)])),
    ...roots,
  };
}

/** Whether claude is to run in a sandbox alone, also where the options have a mistake that keeps them from being read. */
export function wantsSandboxAlways(): boolean {
  const { CLAUDE_REMOTE_SANDBOX = "" } = process.env;
  if (CLAUDE_REMOTE_SANDBOX !== "") return CLAUDE_REMOTE_SANDBOX !== "never";
  const file = configPath();
  return (
    existsSync(file) && /^[\s"']*sandbox["']?\s*=\s*["']*always/m.test(readFileSync(file, "utf8"))
  );
}

function readFile(file: string): unknown {
  if (!existsSync(file)) return {};
  const text = readText(file);
  try {
    return Bun.TOML.parse(text);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const why = error.message.replace(/^TOML Parse error: /, "");
    throw new UsageError(`${file}, line ${wrongLine(text)}, can't be read: ${why}`);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(explainSystemError(error));
  }
}

/** The line after the longest beginning that is whole: Bun's parser tells none. */
function wrongLine(text: string): number {
  const lines = text.split("\n");
  for (let whole = lines.length - 1; whole > 0; whole--) {
    try {
      Bun.TOML.parse(lines.slice(0, whole).join("\n"));
      return whole + 1;
    } catch (error) {
      if (!(error instanceof Error)) throw error; // not yet whole
    }
  }
  return 1;
}

/** Where an option stands in the file. */
function lineOf(file: string, name: string): string {
  if (!existsSync(file)) return "";
  const at = readText(file)
    .split("\n")
    .findIndex((line) => line.replace(/^[\s["']+/, "").startsWith(name) && name !== "");
  return at < 0 ? "" : `, line ${at + 1}`;
}

/** What was given, without what was left open. */
function check(values: unknown, place: (name: string) => string): Given {
  const set =
    typeof values === "object" && values !== null
      ? Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
      : values;
  const parsed = v.safeParse(Options, set);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const name = String(issue.path?.[0]?.key ?? "");
  if (!Object.hasOwn(OPTIONS, name))
    throw new UsageError(
      `${place(name)} is not an option; there are: ${Object.keys(OPTIONS).join(", ")}`,
    );
  throw new UsageError(`${place(name)}: give ${expected(name)}`);
}

function expected(name: string): string {
  if (name === "device_days") return "a whole number of days, 0 for never";
  if (name.startsWith("keep_")) return "a whole number, 0 for no bound";
  switch (name) {
    case "port":
      return "a number from 0 to 65535";
    case "roots":
      return 'a list of folders, such as ["~/src"]';
    case "insecure_lan":
    case "embedded":
    case "sandbox_git":
      return "true or false";
    case "log":
      return "text or json";
    case "sandbox":
      return "always or never";
    case "push_contact":
      return "an address of yours, such as mailto:you@example.com";
    default:
      return "a text";
  }
}
