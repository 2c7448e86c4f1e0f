import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * `bun run newest-claude [VERSION] [TEST…]`: installs the newest Claude Code, or the version that is named, beside the pinned one, and runs all of
 * test/real against it: for whoever wants to know whether everything holds before upgrading. Nothing of the user's own installation is touched.
 */
const PACKAGE = "@anthropic-ai/claude-code";
const ROOT = resolve(import.meta.dir, "..");
const NUMBER = /^\d+\.\d+\.\d+$/;

const [first, ...rest] = process.argv.slice(2);
const isVersion = first !== undefined && NUMBER.test(first);
const tests = isVersion || first === undefined ? rest : [first, ...rest];
const version = isVersion ? first : await newest();
const folder = install(version);
console.log(`Claude Code ${version} in ${folder}`);
const run = Bun.spawn(
  [
    process.execPath,
    "test",
    "--timeout",
    "60000",
    ...(tests.length > 0 ? tests : ["test/real", "test/runner/claude"]),
  ],
  {
    cwd: ROOT,
    env: { ...process.env, CLAUDE_REMOTE_TEST_CLAUDE: folder },
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  },
);
const code = await run.exited;
console.log(code === 0 ? `All holds with ${version}.` : `Not all holds with ${version}.`);
process.exit(code);

/** The newest version that the registry has. */
async function newest(): Promise<string> {
  const asked = Bun.spawnSync([process.execPath, "pm", "view", PACKAGE, "version"], { cwd: ROOT });
  const found = asked.stdout.toString().trim();
  if (NUMBER.test(found)) return found;
  throw new Error(`the registry tells no version of ${PACKAGE}: ${asked.stderr.toString().trim()}`);
}

/** Installs a version, once, where nothing else looks for it; the folder that holds its `claude`. */
function install(version: string): string {
  const place = join(ROOT, "node_modules/.claude-versions", version);
  const bin = join(place, "bin");
  if (existsSync(join(bin, "claude"))) return bin;
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(place, "package.json"), "{}");
  const added = Bun.spawnSync([process.execPath, "add", "--exact", `${PACKAGE}@${version}`], {
    cwd: place,
    stdout: "ignore",
    stderr: "inherit",
  });
  if (added.exitCode !== 0) throw new Error(`${PACKAGE}@${version} could not be installed`);
  const scope = join(place, "node_modules/@anthropic-ai");
  const native = readdirSync(scope).find(
    (name) => name.startsWith("claude-code-") && existsSync(join(scope, name, "claude")),
  );
  // older versions are a script
  const program =
    native === undefined ? join(place, "node_modules/.bin/claude") : join(scope, native, "claude");
  symlinkSync(program, join(bin, "claude"));
  return bin;
}
