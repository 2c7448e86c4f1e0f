import { parseArgs } from "node:util";
import { version } from "../../package.json";
import { loadPairing } from "../runner/pairing.ts";
import { findProgram, StartError } from "../runner/program.ts";
import { type Program, passThrough, wrap } from "../runner/wrap.ts";
import { pairingPath } from "./places.ts";
import { UsageError } from "./usage.ts";

const NO_CLAUDE = `Claude Code is not installed here, or not on the PATH. Get it with

  npm install -g @anthropic-ai/claude-code

or see https://claude.com/claude-code. Another program can be wrapped with: claude-remote run --command PROG -- ARGS`;

/** `claude-remote run [--command PROG] [-- args]`. */
export function run(argv: readonly string[]): Promise<number> {
  const separator = argv.indexOf("--");
  const own = separator < 0 ? argv : argv.slice(0, separator);
  const args = separator < 0 ? [] : argv.slice(separator + 1);
  const { values, positionals } = parseArgs({ args: [...own], options: { command: { type: "string" } }, allowPositionals: true });
  if (positionals.length > 0) throw new UsageError(`run: arguments for the wrapped program come after \`--\`, as in: claude-remote run -- ${positionals.join(" ")}`);
  return runProgram(values.command ?? "claude", args);
}

/** Wraps a program with what it was given; resolves with its exit code. */
export async function runProgram(command: string, args: readonly string[]): Promise<number> {
  const program: Program = { command, args, env: process.env, cwd: process.cwd() };
  try {
    findProgram(command, program.cwd, process.env.PATH ?? "");
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`claude-remote: ${command === "claude" && error.exitCode === 127 ? NO_CLAUDE : error.message}\n`);
    return error.exitCode;
  }
  if (!process.stdin.isTTY || !process.stdout.isTTY) return passThrough(program);
  const pairing = loadPairing(pairingPath());
  if (pairing === undefined) return (await wrap(program)).code;
  const { openSession } = await import("../runner/session.ts");
  // a full disk must not keep claude from starting, nor take its exit code away
  const say = (error: unknown): undefined => void process.stderr.write(`claude-remote: not shown on the phone: ${error}\r\n`);
  const session = await Promise.resolve()
    .then(() => openSession(program, pairing, version))
    .catch(say);
  const exit = await wrap(session?.program ?? program, session?.watch);
  await session?.end(exit).catch(say);
  return exit.code;
}
