/** How many words a flag takes: none, one, one that may be left out, or all up to the next flag. */
type Takes = "none" | "value" | "optional" | "list";

/** Every flag that `claude --help` lists, with what it takes (2.1.332; a test compares the two). */
export const FLAGS: Record<string, Takes> = {
  "--add-dir": "list",
  "--agent": "value",
  "--agents": "value",
  "--allow-dangerously-skip-permissions": "none",
  "--allowedTools": "list",
  "--allowed-tools": "list",
  "--append-system-prompt": "value",
  "--autocompact": "value",
  "--ax-screen-reader": "none",
  "--background": "none",
  "--bare": "none",
  "--betas": "list",
  "--bg": "none",
  "--brief": "none",
  "--chrome": "none",
  "--cloud": "optional",
  "--continue": "none",
  "-c": "none",
  "--dangerously-skip-permissions": "none",
  "--debug": "optional",
  "-d": "optional",
  "--debug-file": "value",
  "--desktop": "none",
  "--disable-slash-commands": "none",
  "--disallowedTools": "list",
  "--disallowed-tools": "list",
  "--effort": "value",
  "--environment": "value",
  "--exclude-dynamic-system-prompt-sections": "none",
  "--fallback-model": "value",
  "--file": "list",
  "--fork-session": "none",
  "--forward-subagent-text": "none",
  "--from-pr": "optional",
  "--help": "none",
  "-h": "none",
  "--ide": "none",
  "--include-hook-events": "none",
  "--include-partial-messages": "none",
  "--input-format": "value",
  "--json-schema": "value",
  "--max-budget-usd": "value",
  "--mcp-config": "list",
  "--model": "value",
  "--name": "value",
  "-n": "value",
  "--no-chrome": "none",
  "--no-session-persistence": "none",
  "--output-format": "value",
  "--permission-mode": "value",
  "--permission-prompts": "value",
  "--plugin-dir": "value",
  "--plugin-url": "value",
  "--print": "none",
  "-p": "none",
  "--prompt-suggestions": "optional",
  "--remote-control": "optional",
  "--remote-control-session-name-prefix": "value",
  "--replay-user-messages": "none",
  "--restricted": "none",
  "--resume": "optional",
  "-r": "optional",
  "--safe-mode": "none",
  "--session-id": "value",
  "--setting-sources": "value",
  "--settings": "value",
  "--strict-mcp-config": "none",
  "--system-prompt": "value",
  "--system-prompt-snapshot": "value",
  "--teleport": "optional",
  "--tmux": "none",
  "--tools": "list",
  "--verbose": "none",
  "--version": "none",
  "-v": "none",
  "--worktree": "optional",
  "-w": "optional",
};

/** One word of a command line. `index` is its place; a value's `flag` is the flag that takes it. */
export type Word =
  | { kind: "flag"; index: number; flag: string; value?: string }
  | { kind: "value"; index: number; flag: string; value: string }
  | { kind: "operand"; index: number; value: string };

/**
 * Reads claude's arguments as claude does (commander's rules, measured with 2.1.332), so that a flag's value is not taken
 * for a flag, nor a prompt for a value. A flag that is not known takes nothing.
 */
export function readArguments(args: readonly string[]): Word[] {
  const words: Word[] = [];
  let list: string | undefined; // a flag that takes all words up to the next flag
  let awaited: string | undefined; // a flag that takes the next word, whatever it is
  let offered: string | undefined; // a flag that takes the next word unless it is a flag
  let ended = false;
  for (const [index, word] of args.entries()) {
    const taker = awaited ?? (word.startsWith("-") && word !== "-" ? undefined : (offered ?? list));
    awaited = offered = undefined;
    if (ended) {
      words.push({ kind: "operand", index, value: word });
    } else if (taker !== undefined) {
      words.push({ kind: "value", index, flag: taker, value: word });
    } else if (word === "--") {
      ended = true;
    } else if (word.startsWith("-") && word !== "-") {
      list = undefined;
      for (const flag of flagsIn(word)) {
        words.push({ kind: "flag", index, ...flag });
        if (flag.value !== undefined) continue;
        const takes = Object.hasOwn(FLAGS, flag.flag) ? FLAGS[flag.flag] : "none";
        if (takes === "value" || takes === "list") awaited = flag.flag;
        if (takes === "optional") offered = flag.flag;
        if (takes === "list") list = flag.flag;
      }
    } else {
      words.push({ kind: "operand", index, value: word });
    }
  }
  return words;
}

/** The flags in one word: `--flag`, `--flag=value`, `-f`, `-fvalue`, or several short ones together. */
function flagsIn(word: string): { flag: string; value?: string }[] {
  if (word.startsWith("--")) {
    const equals = word.indexOf("=");
    return equals < 0
      ? [{ flag: word }]
      : [{ flag: word.slice(0, equals), value: word.slice(equals + 1) }];
  }
  const found: { flag: string; value?: string }[] = [];
  for (let i = 1; i < word.length; i++) {
    const flag = `-${word.charAt(i)}`;
    const takes = Object.hasOwn(FLAGS, flag) ? FLAGS[flag] : "none";
    const rest = word.slice(i + 1);
    if (takes !== "none" && rest !== "") return [...found, { flag, value: rest }];
    found.push({ flag });
  }
  return found;
}

/** Whether a flag is among the arguments, under one of these names. */
export function hasFlag(args: readonly string[], ...names: string[]): boolean {
  return readArguments(args).some((word) => word.kind === "flag" && names.includes(word.flag));
}

/** Claude's sub-command, if the first word that is no flag and no flag's value may be one. */
export function subcommand(args: readonly string[]): string | undefined {
  const end = args.indexOf("--");
  const operand = readArguments(args).find((word) => word.kind === "operand");
  return operand !== undefined && (end < 0 || operand.index < end) ? operand.value : undefined;
}

/** Flags with which claude prints something, or hands its work over, and is over at once. */
const OVER_AT_ONCE = ["-p", "--print", "--bg", "--background", "-h", "--help", "-v", "--version"];

/**
 * Claude's sub-commands (as `claude --help` lists them; a test compares the two). `alone`: it is over at once and asks nothing, or prints a token, so
 * it runs untouched, and no phone is bothered with it. `shown`: somebody has to look at it. `ours`: the word means a command of claude-remote.
 */
export const SUBCOMMANDS: Record<string, "alone" | "shown" | "ours"> = {
  agents: "shown",
  attach: "ours",
  auth: "shown",
  "auto-mode": "alone",
  doctor: "alone",
  gateway: "alone",
  import: "alone",
  install: "alone",
  kill: "alone",
  logs: "alone",
  mcp: "alone",
  plugin: "alone",
  plugins: "alone",
  purge: "alone",
  respawn: "alone",
  rm: "alone",
  "setup-token": "alone",
  stop: "alone",
  ultrareview: "shown",
  update: "alone",
  upgrade: "alone",
};

/** Whether claude is over at once with these arguments: it prints and asks nothing, or its work goes on without a terminal. */
export function isOverAtOnce(args: readonly string[]): boolean {
  if (hasFlag(args, ...OVER_AT_ONCE)) return true;
  const word = subcommand(args) ?? "";
  if (word === "agents") return hasFlag(args, "--json");
  return Object.hasOwn(SUBCOMMANDS, word) && SUBCOMMANDS[word] === "alone";
}

/** Whether claude does no work with these arguments: it tells about itself, or looks after its own installation. */
export function isOwnBusiness(args: readonly string[]): boolean {
  if (hasFlag(args, "-h", "--help", "-v", "--version")) return true;
  const word = subcommand(args) ?? "";
  return Object.hasOwn(SUBCOMMANDS, word) && SUBCOMMANDS[word] === "alone" && word !== "respawn";
}
