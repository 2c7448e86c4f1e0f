import { version } from "../../package.json";
import { flagText, UsageError } from "./usage.ts";
import { WORDS, type Word } from "./words.ts";

/** Text as troff takes it: backslashes, minus signs that are to stay, and no line that begins with a command. */
const plain = (text: string) =>
  text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^['.]/, "\\&$&");

const item = (left: string, about: string) => `.TP\n.B ${plain(left)}\n${plain(about)}\n`;

function section({ name, synopsis, about, actions = [], flags = [], examples }: Word): string {
  return [
    `.SS ${plain(`claude-remote ${name} ${synopsis}`.trim())}\n${plain(about)}.\n`,
    ...actions.map((action) => item(`${action.name} ${action.takes ?? ""}`.trim(), action.about)),
    ...flags.map((flag) => item(flagText(flag), flag.about)),
    ...examples.map(
      ([command, what]) => `.PP\n${plain(what)}:\n.PP\n.EX\n    ${plain(command)}\n.EE\n`,
    ),
  ].join("");
}

/** The manual page, as troff. */
export function manual(): string {
  return `.TH CLAUDE-REMOTE 1 "" "claude-remote ${version}" "User Commands"
.SH NAME
claude-remote \\- your Claude Code session on your phone
.SH SYNOPSIS
.B claude-remote
.RI [ "claude's arguments" ]
.br
.B claude-remote
.I word
.RI [ options ]
.SH DESCRIPTION
Wraps Claude Code: the terminal at the desk stays as it was, and a phone shows the same session live and answers what
Claude asks. Arguments that do not begin with one of the words below go to claude.
.SH WORDS
${WORDS.map(section).join("")}.SH FILES
${item("~/.config/claude-remote/config.toml", "options; docs/configuration.md has them all")}${item("~/.config/claude-remote/pairing.json", "this machine's key")}${item("~/.local/share/claude-remote", "the server's database")}${item("~/.local/state/claude-remote", "the background server's log, and what waits for the server")}.SH ENVIRONMENT
${item("CLAUDE_REMOTE_…", "each option of config.toml, in capitals: CLAUDE_REMOTE_PORT=7300")}${item("XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME", "where these files are instead")}${item("NO_COLOR", "no colour in messages of ours")}.SH EXIT STATUS
That of the wrapped program, 128+n where signal n ended it. Of other words: 0, 1 where something failed, 2 for a mistake in the command line.
`;
}

/** `claude-remote man`. */
export async function man(argv: readonly string[]): Promise<number> {
  if (argv.length > 0) throw new UsageError("man: it takes no arguments");
  process.stdout.write(manual());
  return 0;
}
