/** How long whoever has a port may take to say what it is, in ms. */
const ANSWER_MS = 1000;

/**
 * Who has a port that our own server can't have. The seat of a data folder says whether that is our own server, so
 * one that answers as a claude-remote server here is somebody else's.
 */
export async function portTaken(port: number): Promise<string> {
  const whose = (await isOtherServer(port))
    ? `port ${port} belongs to another user's server (or to one with another data folder)`
    : `port ${port} is taken by another program`;
  return `${whose}; set \`port\` to another (--port, CLAUDE_REMOTE_PORT, or port = … in config.toml)`;
}

/** Whether a claude-remote server answers at a port of this machine. */
export async function isOtherServer(port: number): Promise<boolean> {
  for (const scheme of ["http", "https"]) {
    try {
      const response = await fetch(`${scheme}://127.0.0.1:${port}/healthz`, {
        signal: AbortSignal.timeout(ANSWER_MS),
        tls: { rejectUnauthorized: false },
        redirect: "manual",
        proxy: "",
      });
      if (response.ok && (await response.text()).startsWith('{"ok":')) return true;
    } catch (error) {
      if (!(error instanceof Error)) throw error; // it speaks something else
    }
  }
  return false;
}

/** Whether nobody listens on a port. Throws the system's error where it can't be had for another reason. */
export function isFree(port: number, hostname = "127.0.0.1"): boolean {
  try {
    Bun.listen({ hostname, port, socket: { data: () => undefined } }).stop(true);
    return true;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    return false;
  }
}

/** Whether somebody listens on a port of this machine. */
export async function isListening(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { data: () => undefined },
    });
    socket.end();
    return true;
  } catch (error) {
    if (!(error instanceof Error)) throw error; // nobody
    return false;
  }
}
