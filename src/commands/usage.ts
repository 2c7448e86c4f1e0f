import { version } from "../../package.json";
import { findProgram, StartError } from "../runner/program.ts";
import { PROTOCOL } from "../types.ts";
import { type Flag, WORDS, type Word, wordNamed } from "./words.ts";

/** The command line is not right; the message says what would be. Exit code 2. */
export class UsageError extends Error {}

/** How long claude may take to tell its version, in ms. */
const VERSION_MS = 10_000;

const CONFIGURED = `Every server option can stand in ~/.config/claude-remote/config.toml as well, or in the environment
(CLAUDE_REMOTE_PORT=7300); the environment wins over the file, a flag over both. docs/configuration.md
`;

/** Columns before what is said of something. */
const INDENT = 40;
const FLAG_INDENT = 30;

const row = (left: string, about: string, indent: number) =>
  left.length < indent - 2
    ? `  ${left.padEnd(indent - 2)}${about}\n`
    : `  ${left}\n${" ".repeat(indent)}${about}\n`;

/** `claude-remote --help`. */
function usage(): string {
  const words = WORDS.map(({ name, synopsis, about }) =>
    row(`claude-remote ${name} ${synopsis.length < 18 ? synopsis : "…"}`.trim(), about, INDENT),
  );
  return `claude-remote: your Claude Code session on your phone

${row("claude-remote [claude's arguments]", "claude as ever, and on the phone too", INDENT)}${words.join("")}
\`claude-remote WORD --help\` has the rest of each.

Examples
${row("claude-remote", "as you would type claude", INDENT)}${row("claude-remote --resume", "every flag of claude's goes to claude", INDENT)}${row('claude-remote -p "what changed?" | jq -R', "not on a terminal: claude alone, to the byte", INDENT)}${row("claude-remote pair --kind machine", "let another laptop or server in", INDENT)}${row("claude-remote run -- --help", "claude's own help", INDENT)}${row("alias claude=claude-remote", "harmless", INDENT)}
${CONFIGURED}`;
}

/** What a flag is written as, with its value. */
export const flagText = ({ name, value }: Flag) =>
  `--${name}${value === undefined ? "" : ` ${value}`}`;

/** `claude-remote WORD --help`. */
function usageOf({ name, synopsis, about, actions = [], flags = [], examples }: Word): string {
  const parts = [`claude-remote ${name} ${synopsis}`.trim(), `  ${about}`, ""];
  const section = (title: string, rows: string[]) => {
    if (rows.length > 0) parts.push(title, rows.join(""));
  };
  section(
    "Words",
    actions.map((action) =>
      row(`${action.name} ${action.takes ?? ""}`.trim(), action.about, FLAG_INDENT),
    ),
  );
  section(
    "Options",
    flags.map((flag) => row(flagText(flag), flag.about, FLAG_INDENT)),
  );
  const widest = Math.max(...examples.map(([command]) => command.length)) + 4;
  section(
    "Examples",
    examples.map(([command, what]) => row(command, what, Math.min(widest, 80))),
  );
  return `${parts.join("\n")}\n${name === "server" ? `${CONFIGURED}\n` : ""}All words: claude-remote --help\n`;
}

/** `claude-remote --help`, and of a word of ours. */
export async function help(name?: string): Promise<number> {
  const word = name === undefined ? undefined : wordNamed(name);
  process.stdout.write(word === undefined ? usage() : usageOf(word));
  return 0;
}

/** `claude-remote --version`: ours, and claude's in its own words. */
export async function versions(): Promise<number> {
  process.stdout.write(`claude-remote ${version} (protocol ${PROTOCOL}, Bun ${Bun.version})\n`);
  const { loadConfig } = await import("./config.ts");
  const { claude } = loadConfig();
  try {
    const ran = Bun.spawnSync(
      [findProgram(claude, process.cwd(), process.env.PATH ?? ""), "--version"],
      { stdin: "ignore", stderr: "ignore", timeout: VERSION_MS },
    );
    process.stdout.write(`claude ${ran.stdout.toString().trim() || "does not tell its version"}\n`);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    process.stdout.write(
      error instanceof StartError
        ? "claude is not installed\n"
        : `claude can't be run: ${error.message}\n`,
    );
  }
  return 0;
}
