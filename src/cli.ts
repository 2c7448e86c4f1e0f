#!/usr/bin/env -S bun --no-env-file --config=/dev/null --tsconfig-override=/dev/null
import { UsageError } from "./commands/usage.ts";
import { PairingError } from "./runner/pairing.ts";
import { StartError } from "./runner/program.ts";

type Command = (argv: readonly string[]) => Promise<number>;

/** Own words, which claude does not have; two underscores: for our own use. Each loads what it needs alone, so that wrapping starts quickly. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  run: async () => (await import("./commands/run.ts")).run,
  server: async () => (await import("./commands/serve.ts")).serve,
  runner: async () => (await import("./commands/runner.ts")).runner,
  pair: async () => (await import("./commands/pair.ts")).pair,
  devices: async () => (await import("./commands/devices.ts")).devices,
  attach: async () => (await import("./commands/attach.ts")).attach,
  check: async () => (await import("./commands/check.ts")).check,
  demo: async () => (await import("./commands/first.ts")).demo,
  completions: async () => (await import("./commands/completions.ts")).completions,
  man: async () => (await import("./commands/man.ts")).man,
  "--help": async () => async () => (await import("./commands/usage.ts")).help(),
  "-h": async () => async () => (await import("./commands/usage.ts")).help(),
  "--version": async () => (await import("./commands/usage.ts")).versions,
  "-v": async () => (await import("./commands/usage.ts")).versions,
  __start: async () => (argv) =>
    argv.length > 0 ? main(argv) : import("./commands/first.ts").then(({ start }) => start()),
  __demo: async () => (await import("./demo/agent.ts")).playAgent,
  __session: async () => (await import("./commands/session.ts")).session,
  __sweep: async () => (await import("./sandbox/records.ts")).sweepLeft,
  __hook: async () => (await import("./commands/hook.ts")).hook,
  __deliver: async () => (await import("./commands/deliver.ts")).deliverRest,
};

async function main(argv: readonly string[]): Promise<number> {
  const [word = "", ...rest] = argv;
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
  if (command === undefined) return runClaude(argv);
  const end = rest.indexOf("--");
  const asksHelp =
    !word.startsWith("_") &&
    rest.slice(0, end < 0 ? rest.length : end).some((arg) => arg === "--help" || arg === "-h");
  return asksHelp ? (await import("./commands/usage.ts")).help(word) : (await command())(rest);
}

/** Everything that does not begin with a word of ours goes to claude; what looks like a slip is asked about first. */
async function runClaude(argv: readonly string[]): Promise<number> {
  const [word = "", ...rest] = argv;
  if (/^[a-z]{2,15}$/.test(word)) {
    const { meantWord } = await import("./commands/slip.ts");
    const meant = meantWord(word, rest);
    if (meant === "none") return 2;
    if (meant !== undefined) return main([meant, ...rest]);
  }
  return (await import("./commands/run.ts")).runClaude(argv);
}

/** What may have been meant by a flag that there is none of. */
async function slipOf(error: Error): Promise<string> {
  const flag = /^Unknown option '--([\w-]+)/.exec(error.message)?.[1];
  if (flag === undefined) return "";
  const { closest, wordNamed } = await import("./commands/words.ts");
  const names = wordNamed(process.argv[2] ?? "")?.flags?.map(({ name }) => name) ?? [];
  const meant = closest(flag, names);
  return meant === undefined ? "" : `. Did you mean --${meant}?`;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  const usage =
    error instanceof UsageError ||
    (error instanceof TypeError &&
      "code" in error &&
      String(error.code).startsWith("ERR_PARSE_ARGS"));
  const isOurs = usage || error instanceof PairingError || error instanceof StartError;
  // what the system says no to (a folder that can't be written) is no defect of ours to be shown with a stack
  if (!isOurs && !(error instanceof Error && "code" in error)) throw error;
  const { say } = await import("./commands/say.ts");
  const { explainSystemError } = await import("./system/system-error.ts");
  say(
    usage
      ? `${error.message}${await slipOf(error)}\n\nclaude-remote --help tells more.`
      : isOurs
        ? error.message
        : explainSystemError(error),
  );
  process.exit(usage ? 2 : error instanceof StartError ? error.exitCode : 1);
}
