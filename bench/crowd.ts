/**
 * Many viewers of one session, in a process of their own, so that what they cost is not taken for the server's. Each has a stream of its
 * own, and says over a second connection what it has drawn, as pages do. What to look at comes as JSON on the first line of standard
 * input; each further line is answered with what came so far. It ends with whoever started it.
 */
import * as v from "valibot";
import { deviceKeys, fromBase64url, randomNonce, signRequest } from "../src/auth.ts";
import { parseJson } from "../src/types.ts";
import { LITTLE_BYTES, SEEN_LITTLE_MS, SEEN_MS } from "./viewer.ts";

export const CrowdOrder = v.object({
  origin: v.string(),
  device: v.string(),
  secret: v.string(),
  session: v.string(),
  viewers: v.number(),
  /** `stalled` never read; `deaf` read and say nothing, as the reference has nobody to tell. */
  manner: v.picklist(["seeing", "deaf", "stalled"]),
});
export type CrowdOrder = v.InferOutput<typeof CrowdOrder>;

/** Of all viewers together. */
export const CrowdCounts = v.object({
  open: v.number(),
  frames: v.number(),
  bytes: v.number(),
  acknowledged: v.number(),
  refused: v.number(),
});
export type CrowdCounts = v.InferOutput<typeof CrowdCounts>;

if (import.meta.main) await main();

async function main(): Promise<void> {
  const counts: CrowdCounts = { open: 0, frames: 0, bytes: 0, acknowledged: 0, refused: 0 };
  let rest = "";
  let started = false;
  const decoder = new TextDecoder();
  for await (const chunk of Bun.stdin.stream()) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!started) {
        const order = parseJson(CrowdOrder, line);
        if (order === undefined) throw new Error(`not an order: ${line}`);
        started = true;
        for (let i = 0; i < order.viewers; i++) await openOne(order, counts);
      }
      process.stdout.write(`${JSON.stringify(counts)}\n`);
    }
  }
  process.exit(0);
}

/** One viewer, by hand over TCP: a thousand real browsers would leave nothing of the machine for the server. Resolves once its stream has begun. */
async function openOne(
  { origin, device, secret, session, manner }: CrowdOrder,
  counts: CrowdCounts,
): Promise<void> {
  const { hostname, port, host } = new URL(origin);
  const keys = deviceKeys(fromBase64url(secret) ?? new Uint8Array());
  const request = (method: string, target: string, body: string) => {
    const authorization = signRequest(keys, {
      method,
      host,
      target,
      body,
      device,
      ts: Math.floor(Date.now() / 1000),
      nonce: randomNonce(),
    });
    const length = method === "POST" ? `content-length: ${Buffer.byteLength(body)}\r\n` : "";
    return `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${authorization}\r\n${length}\r\n${body}`;
  };
  let stream = "";
  let drawn = 0;
  let told = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  let untold = 0;
  let rest = "";
  let begun: (() => void) | undefined;
  const coming = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const take = (text: string) => {
    const parts = (rest + text).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const screen = part.includes("event: screen\n") ? /"rev":(\d+)/.exec(part) : null;
      if (screen !== null) {
        counts.frames++;
        drawn = Number(screen[1]);
        untold += part.length;
      }
      stream ||= /"stream":"([^"]+)"/.exec(part)?.[1] ?? "";
    }
  };
  await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      open(socket) {
        socket.write(request("GET", `/events?session=${session}`, ""));
        if (manner !== "stalled") return;
        socket.pause();
        begun?.();
      },
      data(_, bytes) {
        if (begun !== undefined) {
          const status = bytes.subarray(0, 12).toString("latin1");
          if (status !== "HTTP/1.1 200")
            throw new Error(`no stream: ${bytes.toString("latin1").split("\r\n", 1)[0]}`);
          begun();
          begun = undefined;
        }
        counts.bytes += bytes.length;
        take(bytes.toString("latin1"));
      },
      close: () => void counts.open--,
    },
  });
  await coming;
  counts.open++;
  if (manner !== "seeing") return;
  const answers = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, bytes) {
        const given = bytes.toString("latin1").split("HTTP/1.1 ").slice(1);
        const fine = given.filter((answer) => answer.startsWith("200")).length;
        counts.acknowledged += fine;
        counts.refused += given.length - fine;
      },
    },
  });
  const acknowledge = () => {
    if (drawn === told || (untold < LITTLE_BYTES && performance.now() - toldAt < SEEN_LITTLE_MS))
      return;
    told = drawn;
    toldAt = performance.now();
    untold = 0;
    answers.write(
      request("POST", `/api/sessions/${session}/seen`, JSON.stringify({ rev: drawn, stream })),
    );
  };
  setTimeout(() => setInterval(acknowledge, SEEN_MS), Math.random() * SEEN_MS); // not all at once
}
