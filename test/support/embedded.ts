import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { fromBase64url } from "../../src/auth.ts";
import { readSeat, type Seat } from "../../src/hub/seat.ts";
import { emptyHome, SELF } from "./home.ts";
import { expectParsed, type Phone, phoneOf } from "./phone.ts";

/** A home where nothing is set up: the first claude-remote starts a server there, on a port of its own. */
export interface FreshHome {
  dir: string;
  env: Record<string, string | undefined>;
  data: string;
  seat(): Seat | undefined;
  /** This machine itself, as the server knows it. */
  machine(): Phone;
  cli(...argv: string[]): Promise<{ code: number; out: string; err: string }>;
  /** Ends the server, if one runs, and removes everything. */
  remove(): void;
}

export function freshHome(): FreshHome {
  const home = emptyHome();
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const env: FreshHome["env"] = {
    ...home.env,
    CLAUDE_REMOTE_EMBEDDED: undefined,
    CLAUDE_REMOTE_PORT: String(probe.port),
  };
  probe.stop(true);
  const data = join(home.dir, ".local/share/claude-remote");
  return {
    dir: home.dir,
    env,
    data,
    seat: () => (existsSync(data) ? readSeat(data) : undefined),
    machine() {
      const Pairing = v.object({ server: v.string(), device: v.string(), secret: v.string() });
      const pairing = expectParsed(
        Pairing,
        readFileSync(join(home.dir, ".config/claude-remote/pairing.json"), "utf8"),
      );
      return phoneOf(
        pairing.server,
        pairing.device,
        fromBase64url(pairing.secret) ?? new Uint8Array(),
      );
    },
    async cli(...argv) {
      const child = Bun.spawn([...SELF, ...argv], {
        env,
        cwd: home.dir,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [code, out, err] = await Promise.all([
        child.exited,
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      return { code, out, err };
    },
    remove() {
      const seat = existsSync(data) ? readSeat(data) : undefined;
      if (seat !== undefined) process.kill(seat.pid, "SIGKILL");
      home.remove();
    },
  };
}
