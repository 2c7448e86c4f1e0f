import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const binary = process.env.CLAUDE_REMOTE_BINARY;

/** The command that starts claude-remote: from source, or the single binary where the tests are to run against that. */
export const SELF: readonly [string, ...string[]] =
  binary === undefined
    ? [process.execPath, resolve(import.meta.dir, "../../src/cli.ts")]
    : [resolve(binary)];

/** An empty home of its own, and the environment that leads there: nothing of the user's is read or written, no server is started unasked, and `bun` is the one that runs the tests. */
export function emptyHome(): {
  dir: string;
  env: Record<string, string | undefined>;
  remove(): void;
} {
  const dir = mkdtempSync(join(tmpdir(), "claude-remote-test-"));
  const work = join(dir, "work");
  mkdirSync(work);
  // the first line of `src/cli.ts` asks the PATH for `bun`; that of npm's package has another name
  const tools = join(dir, ".tools");
  mkdirSync(tools);
  symlinkSync(process.execPath, join(tools, "bun"));
  const { PATH = "", LANG } = process.env;
  // `bun run` adds this project's own tools, claude among them
  const path = PATH.split(":").filter((dir) => !dir.endsWith("node_modules/.bin"));
  const env = {
    PATH: [tools, ...path].join(":"),
    LANG,
    TERM: "xterm-256color",
    HOME: dir,
    TMPDIR: join(dir, "tmp"),
    CLAUDE_REMOTE_EMBEDDED: "0",
  };
  mkdirSync(env.TMPDIR);
  return { dir, env, remove: () => rmSync(dir, { recursive: true, force: true }) };
}
