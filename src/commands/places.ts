import { homedir } from "node:os";
import { join } from "node:path";

function xdg(variable: string, fallback: string): string {
  const given = process.env[variable];
  return given?.startsWith("/") ? given : join(process.env.HOME ?? homedir(), fallback); // the specification has relative ones ignored
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

/** Where a server in the background writes what it has to say. */
export function logPath(): string {
  return join(xdg("XDG_STATE_HOME", ".local/state"), "claude-remote", "server.log");
}
