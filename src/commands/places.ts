import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import { UsageError } from "./usage.ts";

/** The user's home; an empty or relative HOME would make the present folder's files ours. */
export function homeDir(): string {
  const { HOME = "" } = process.env;
  if (HOME.startsWith("/")) return HOME;
  try {
    return userInfo().homedir;
  } catch (error) {
    if (!(error instanceof Error)) throw error; // a user without an entry in passwd, as in a container
    throw new UsageError(
      `HOME is ${HOME === "" ? "not set" : `no whole path (${HOME})`}, and the system knows no home of uid ${process.getuid?.()}: set HOME to a folder of this user's`,
    );
  }
}

/** A path whose `~` is the user's home, as a shell would have it where it sees one. */
export function expandHome(path: string): string {
  return path.replace(/^~(?=\/|$)/, () => homeDir());
}

function xdg(variable: string, fallback: string): string {
  const given = process.env[variable];
  return given?.startsWith("/") ? given : join(homeDir(), fallback); // the specification has relative ones ignored
}

/** Where this machine keeps what it is paired with. */
export function pairingPath(): string {
  return join(xdg("XDG_CONFIG_HOME", ".config"), "claude-remote", "pairing.json");
}

/** Where a person may write down options. */
export function configPath(): string {
  return join(xdg("XDG_CONFIG_HOME", ".config"), "claude-remote", "config.toml");
}

/** Where the server keeps its database, unless told otherwise. */
export function dataDir(): string {
  return join(xdg("XDG_DATA_HOME", ".local/share"), "claude-remote");
}

/** Where sandboxed sessions keep their homes, and what is to be taken away after them. */
export function sandboxDir(): string {
  return join(dataDir(), "sandbox");
}

/** What must not come into a sandbox: nobody's project lies around it; in `within`, none at all does. */
export function keptOut(): { holds: string[]; within: string[] } {
  const engine =
    /^unix:\/\/(.+)$/.exec(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock")?.[1] ?? "/";
  const { CLAUDE_CONFIG_DIR } = process.env;
  const own = [
    dirname(configPath()),
    dirname(logPath()),
    dataDir(),
    join(homeDir(), ".ssh"),
    join(homeDir(), ".claude"),
  ];
  return {
    holds: [homeDir(), engine, "/etc", "/proc", "/sys", "/dev", "/run"],
    within: CLAUDE_CONFIG_DIR === undefined ? own : [...own, CLAUDE_CONFIG_DIR],
  };
}

/** Folders with this machine's key, the server's database, and what sessions left behind. */
export const ownFolders = (data: string): string[] => [
  dirname(configPath()),
  data,
  dirname(logPath()),
];

/** Where a server in the background writes what it has to say. */
export function logPath(): string {
  return join(xdg("XDG_STATE_HOME", ".local/state"), "claude-remote", "server.log");
}

/** Where waits for the server what ended while it was away. */
export function undeliveredDir(): string {
  return join(xdg("XDG_STATE_HOME", ".local/state"), "claude-remote", "undelivered");
}

/** Where the daemon keeps what has to outlive it. */
export function runnerDir(): string {
  return join(xdg("XDG_STATE_HOME", ".local/state"), "claude-remote", "runner");
}

/** Where settings for claude stay as long as claude may start a session with them again. */
export function keptSettingsDir(): string {
  return join(xdg("XDG_STATE_HOME", ".local/state"), "claude-remote", "settings");
}
