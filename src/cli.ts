#!/usr/bin/env bun
import { UsageError } from "./commands/usage.ts";
import { PairingError } from "./runner/pairing.ts";
import { StartError } from "./runner/program.ts";

/** Own words, which claude does not have. Each loads what it needs alone, so that wrapping starts quickly. */
const COMMANDS: Record<string, () => Promise<(argv: readonly string[]) => Promise<number>>> = {
  run: async () => (await import("./commands/run.ts")).run,
  server: async () => (await import("./commands/serve.ts")).serve,
  pair: async () => (await import("./commands/pair.ts")).pair,
  deliver: async () => (await import("./runner/rest.ts")).deliver,
  devices: async () => (await import("./commands/devices.ts")).devices,
};

async function main(argv: readonly string[]): Promise<number> {
  const [word = "", ...rest] = argv;
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
  if (command !== undefined) return (await command())(rest);
  return (await import("./commands/run.ts")).runProgram("claude", argv);
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  const usage = error instanceof UsageError || (error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"));
  if (usage) {
    const { USAGE } = await import("./commands/usage.ts");
    process.stderr.write(`claude-remote: ${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
  if (error instanceof PairingError) {
    process.stderr.write(`claude-remote: ${error.message}\n`);
    process.exit(1);
  }
  if (error instanceof StartError) {
    process.stderr.write(`claude-remote: ${error.message}\n`);
    process.exit(error.exitCode);
  }
  throw error;
}
