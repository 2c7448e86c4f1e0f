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

/** Where the server keeps its database, unless told otherwise. */
export function dataDir(): string {
  return process.env.CLAUDE_REMOTE_DATA ?? join(xdg("XDG_DATA_HOME", ".local/share"), "claude-remote");
}
