import { parseEvent, type ViewerEvent } from "../src/types.ts";
import type { Phone } from "../test/support/phone.ts";
import { readEvents } from "./sse.ts";
import { openWaiting } from "./waiting.ts";

/** When what has been drawn is acknowledged, in ms and bytes, as by the page (public/session.ts). */
export const SEEN_MS = 250;
export const SEEN_LITTLE_MS = 700;
export const LITTLE_BYTES = 16 * 1024;

/** A phone that looks at a session: its stream, read and acknowledged as by the page. */
export interface Viewer {
  /** What has come over the stream so far, as it was sent, in bytes. */
  bytes(): number;
  /** Resolves with the time at which an event came that matches. To be called before what brings it. */
  sees(what: string, matches: (event: ViewerEvent) => boolean): Promise<number>;
  close(): void;
}

/** A request that takes what browsers take, and whose answer stays as it was sent. */
export const asBrowser = (phone: Phone, target: string) =>
  phone.request(
    "GET",
    target,
    undefined,
    { "accept-encoding": "gzip, deflate, br, zstd" },
    { decompress: false },
  );

export async function openViewer(phone: Phone, session: string): Promise<Viewer> {
  const { settle, fail, wait } = openWaiting<ViewerEvent>();
  const response = await asBrowser(phone, `/events?session=${session}`);
  if (!response.ok) throw new Error(`no stream: ${response.status}`);
  let stream = "";
  let drawn = 0;
  let told = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  let toldBytes = 0;

  const acknowledge = setInterval(() => {
    const little = events.bytes() - toldBytes < LITTLE_BYTES;
    if (drawn === told || (little && performance.now() - toldAt < SEEN_LITTLE_MS)) return;
    told = drawn;
    toldAt = performance.now();
    toldBytes = events.bytes();
    phone.request("POST", `/api/sessions/${session}/seen`, { rev: drawn, stream }).catch(fail);
  }, SEEN_MS);
  const take = (event: ViewerEvent) => {
    if (event.name === "hello") stream = event.data.stream;
    if (event.name === "screen") drawn = event.data.rev;
    settle(event);
  };
  const events = readEvents(
    response,
    (text) => {
      const { event } = parseEvent(text);
      if (event !== undefined) take(event);
    },
    fail,
  );
  return {
    bytes: events.bytes,
    sees: wait,
    close() {
      clearInterval(acknowledge);
      events.close();
    },
  };
}
