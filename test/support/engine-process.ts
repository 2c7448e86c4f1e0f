import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.ts";

/** How long a browser may take to start, in ms. */
export const START_MS = 60_000;

/** A folder that is a browser's whole home, and what it is told of the machine. */
export function browserHome(): {
  dir: string;
  env: Record<string, string | undefined>;
  remove(): void;
} {
  const dir = mkdtempSync(join(tmpdir(), "claude-remote-engine-"));
  const run = join(dir, "run");
  mkdirSync(run, { mode: 0o700 });
  return {
    dir,
    env: {
      PATH: process.env.PATH,
      LANG: process.env.LANG ?? "C.UTF-8",
      HOME: dir,
      XDG_RUNTIME_DIR: run,
      TMPDIR: dir,
      DBUS_SESSION_BUS_ADDRESS: "disabled:",
      NO_AT_BRIDGE: "1",
    },
    // a browser's helpers may still write as it goes
    remove: () => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  };
}

/** The first of these files that is there. */
export function findProgram(
  what: string,
  install: string,
  ...places: (string | undefined)[]
): string {
  const found = places.find((place) => place !== undefined && place !== "" && existsSync(place));
  if (found === undefined)
    throw new Error(`no ${what} here: install it (Debian: apt-get install ${install})`);
  return found;
}

/** A process with everything that it starts, in a group of its own. */
export class BrowserProcess {
  output = "";
  private readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;

  constructor(command: string[], env: Record<string, string | undefined>) {
    this.child = Bun.spawn(command, {
      env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      detached: true,
    });
    for (const stream of [this.child.stdout, this.child.stderr]) void this.read(stream);
    process.once("exit", this.end);
  }

  private async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const part of stream) this.output += new TextDecoder().decode(part);
  }

  /** Waits until the output has this; the first group is what it gives. */
  async says(pattern: RegExp): Promise<string> {
    return until(
      `${this.child.pid} says ${pattern}`,
      () => {
        if (this.child.exitCode !== null) throw new Error(`it ended: ${this.output}`);
        return pattern.exec(this.output)?.[1];
      },
      START_MS,
    );
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  private readonly end = () => {
    try {
      process.kill(-this.child.pid, "SIGKILL"); // the group: helpers included
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  };

  /** Ends the process and its helpers. */
  async close(): Promise<void> {
    process.off("exit", this.end);
    this.end();
    await this.child.exited;
  }
}

/** A port that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address !== null
          ? resolve(address.port)
          : reject(new Error("the system gave no port")),
      );
    });
  });
}
