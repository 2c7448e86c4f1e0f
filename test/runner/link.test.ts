import { expect, test } from "bun:test";
import { randomNonce } from "../../src/auth.ts";
import { openLink } from "../../src/runner/link.ts";
import { until } from "../support/until.ts";

/** How long a link waits, at most, before each further attempt at a server that answers with this status, in seconds. */
async function pausesAfter(status: number, attempts: number): Promise<number[]> {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => Response.json({ error: { code: "any", message: "no" } }, { status }),
  });
  const pauses: number[] = [];
  const link = openLink({
    pairing: {
      server: `http://127.0.0.1:${server.port}`,
      device: "dev_x",
      secret: Buffer.alloc(32).toString("base64url"),
    },
    host: randomNonce(),
    version: "0",
    onUp: () => undefined,
    onMessage: () => undefined,
    onDown: () => undefined,
    pause(longestMs) {
      pauses.push(longestMs / 1000);
      return 1;
    },
  });
  await until("it has tried so often", () => pauses.length >= attempts);
  link.close();
  await server.stop(true);
  return pauses.slice(0, attempts);
}

test.each([401, 403, 429])(
  "a machine that is refused (%p) asks ever more seldom: ten sessions ask 10 times a minute",
  async (status) => {
    expect(await pausesAfter(status, 6)).toEqual([15, 30, 60, 120, 120, 120]);
  },
);

test.each([500, 502, 503])(
  "a server that is not there yet (%p) is asked again soon",
  async (status) => {
    expect(await pausesAfter(status, 8)).toEqual([0.25, 0.5, 1, 2, 4, 8, 15, 15]);
  },
);
