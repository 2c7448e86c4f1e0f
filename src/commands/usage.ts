import { version } from "../../package.json";
import { findProgram, StartError } from "../runner/program.ts";
import { PROTOCOL } from "../types.ts";

/** The command line is not right; the message says what would be. Exit code 2. */
export class UsageError extends Error {}

/** How long claude may take to tell its version, in ms. */
const VERSION_MS = 10_000;

const USAGE = `claude-remote: your Claude Code session on your phone

  claude-remote [claude's arguments]      claude as ever, and on the phone too
  claude-remote demo                      a scripted stand-in for claude, to try it out
  claude-remote pair                      a link and QR code that let a phone or browser in
  claude-remote pair LINK                 show this machine's sessions on a server elsewhere (- asks for the link)
  claude-remote runner --root DIR …       start sessions in these folders when the phone asks, until it is told to end
  claude-remote attach [SESSION]          a session of any machine, full screen in this terminal (Ctrl-] ? helps,
                                          Ctrl-] d leaves); by its id or folder; --list tells what runs
  claude-remote devices                   list what is paired
  claude-remote devices revoke ID …       lock something out
  claude-remote devices admit ID          let one in again that nobody used for long
  claude-remote server                    a server of its own, for several machines
      --port 7200  --host 127.0.0.1  --data DIR  --public-url URL
      --tls-cert FILE  --tls-key FILE  --insecure-lan  --keep-days 30  --keep-mb 2000
      --device-days 90  --push-contact mailto:YOU  --push-services HOSTS  --trusted-proxies ADDRESSES
      --log json  --published 127.0.0.1:7200
  claude-remote server status [--json]    what runs here
  claude-remote server stop               end it; the next claude-remote starts it again
  claude-remote server backup FILE        a copy of its database, also while it runs
  claude-remote server restore FILE       put one back; --only-this-host locks out all devices but this machine
  claude-remote check [--json]            look whether everything works together, and what to do where not
  claude-remote run --command PROG -- …   wrap any other program
  claude-remote run --no-log -- …         claude as ever, with nothing of it written down by the server
  claude-remote run --sandbox -- …        claude in a throw-away container: this folder alone, Anthropic's hosts alone
      --sandbox-host HOST[:PORT]  --sandbox-pass VARIABLE  --sandbox-git
      --sandbox-dockerfile FILE  --sandbox-image IMAGE  (sandbox = "always" in config.toml; --no-sandbox)

Examples
  claude-remote                                   as you would type claude
  claude-remote --resume                          every flag of claude's goes to claude
  claude-remote -p "what changed?" | jq -R        not on a terminal: claude alone, to the byte
  claude-remote run -- --help                     claude's own help
  alias claude=claude-remote                      harmless

Every server option can stand in ~/.config/claude-remote/config.toml as well, or in the environment
(CLAUDE_REMOTE_PORT=7300); the environment wins over the file, a flag over both. docs/configuration.md
`;

/** `claude-remote --help`. */
export async function help(): Promise<number> {
  process.stdout.write(USAGE);
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
