import { afterEach, describe, expect, test } from "bun:test";
import { EventStream, type StreamState } from "../../src/viewer/event-stream.ts";
import { RequestError } from "../../src/viewer/request-error.ts";
import { until } from "../support/until.ts";

const DISK = 'id: 1\nevent: disk\ndata: {"full":false}\n\n';
const OTHER = 'id: 2\nevent: disk\ndata: {"full":true}\n\n';

/** What an attempt gets: a body of these parts, which then ends, breaks or stays open. */
interface Attempt {
  parts: string[];
  after: "ends" | "breaks" | "stays";
}

const streams: EventStream[] = [];
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
});

/** Follows a server that answers one attempt after the other as told, the last answer for ever. */
function follow(
  attempts: (Attempt | (() => never))[],
  onEvent: (full: boolean) => void = () => undefined,
) {
  const seen = {
    requests: [] as { at: number; headers: Record<string, string>; signal: AbortSignal }[],
    events: [] as boolean[],
    states: [] as [StreamState, string | undefined][],
    faults: [] as unknown[],
    cancelled: 0,
  };
  const stream = new EventStream({
    async request(headers, signal) {
      const attempt = attempts[Math.min(seen.requests.length, attempts.length - 1)];
      seen.requests.push({ at: performance.now(), headers, signal });
      if (attempt === undefined || typeof attempt === "function")
        return attempt?.() ?? Response.error();
      signal.addEventListener("abort", () => seen.cancelled++);
      const parts = [...attempt.parts];
      return new Response(
        new ReadableStream({
          pull(controller) {
            const part = parts.shift();
            if (part !== undefined) controller.enqueue(new TextEncoder().encode(part));
            else if (attempt.after === "ends") controller.close();
            else if (attempt.after === "breaks") controller.error(new TypeError("network"));
          },
        }),
      );
    },
    refusal: ({ status }) => (status === 401 ? "refused" : undefined),
    onEvent(event) {
      if (event.name !== "disk") return;
      onEvent(event.data.full);
      seen.events.push(event.data.full);
    },
    onState: (state, reason) => void seen.states.push([state, reason]),
    onFault: (error) => void seen.faults.push(error),
  });
  streams.push(stream);
  return { seen, stream };
}
const pauses = ({ requests }: { requests: { at: number }[] }) =>
  requests.slice(1).map(({ at }, i) => at - (requests[i]?.at ?? 0));

describe("a stream of events", () => {
  test("is read where a body can't be iterated, as in WebKit", async () => {
    const iterate = Object.getOwnPropertyDescriptor(ReadableStream.prototype, Symbol.asyncIterator);
    const values = Object.getOwnPropertyDescriptor(ReadableStream.prototype, "values");
    Reflect.deleteProperty(ReadableStream.prototype, Symbol.asyncIterator);
    Reflect.deleteProperty(ReadableStream.prototype, "values");
    try {
      const { seen } = follow([{ parts: [DISK, OTHER], after: "stays" }]);
      await until("both events came", () => seen.events.length === 2);
      expect(seen.states.map(([state]) => state)).toEqual(["connecting", "live"]);
      expect(seen.requests.length).toBe(1);
    } finally {
      if (iterate) Object.defineProperty(ReadableStream.prototype, Symbol.asyncIterator, iterate);
      if (values) Object.defineProperty(ReadableStream.prototype, "values", values);
    }
  });

  test("is whole wherever the network cuts it, letters of several bytes too", async () => {
    const bytes = new TextEncoder().encode('id: ä\nevent: disk\ndata: {"full":true}\n\n');
    let parts = 0;
    const stream = new EventStream({
      request: async () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              const byte = bytes.slice(parts, ++parts);
              if (byte.length > 0) controller.enqueue(byte);
            },
          }),
        ),
      refusal: () => undefined,
      onEvent: ({ name }) => void came.push(name),
      onState: () => undefined,
      onFault: (error) => void came.push(String(error)),
    });
    const came: string[] = [];
    streams.push(stream);
    await until("it came", () => came.length > 0);
    expect(came).toEqual(["disk"]);
  });

  test("that breaks before its first event counts as a failed attempt: the pauses grow, and it is told why", async () => {
    const { seen } = follow([{ parts: [], after: "breaks" }]);
    await until("five attempts were made", () => seen.requests.length === 5);
    // a pause is at least half of 300, 600, 1200, 2400 ms
    for (const [i, pause] of pauses(seen).entries()) expect(pause).toBeGreaterThan(145 * 2 ** i);
    expect(seen.states.some(([state]) => state === "live")).toBe(false);
    const waits = seen.states.filter(([state]) => state === "waiting");
    expect(waits[0]?.[1]).toBeUndefined();
    expect(waits.at(-1)?.[1]).toContain("before anything arrives");
    expect(seen.faults).toEqual([]);
  }, 30_000);

  test("that ends without a word counts as failed, too, and its body is not left open", async () => {
    const { seen } = follow([{ parts: [": only a comment"], after: "ends" }]);
    await until("four attempts were made", () => seen.requests.length === 4);
    expect(pauses(seen)[2]).toBeGreaterThan(580);
    for (const { signal } of seen.requests.slice(0, 3)) expect(signal.aborted).toBe(true);
  }, 30_000);

  test("is tried again soon, from where it left off, once an event had come", async () => {
    const { seen } = follow([
      { parts: [], after: "breaks" },
      { parts: [], after: "breaks" },
      { parts: [DISK], after: "breaks" },
      { parts: [OTHER], after: "stays" },
    ]);
    await until("both events came", () => seen.events.length === 2);
    expect(seen.requests.map(({ headers }) => headers["last-event-id"])).toEqual([
      undefined,
      undefined,
      undefined,
      "1",
    ]);
    expect(seen.states.map(([state]) => state).filter((state) => state === "live").length).toBe(2);
    expect(seen.states.filter(([, reason]) => reason !== undefined)).toEqual([]); // too soon to be told
  }, 30_000);

  test("goes on where an event can't be handled: that is told as a fault of ours, not taken for the network", async () => {
    const fault = new TypeError("can't draw it");
    let first = true;
    const { seen } = follow([{ parts: [DISK, OTHER], after: "stays" }], () => {
      if (!first) return;
      first = false;
      throw fault;
    });
    await until("the next event came", () => seen.events.length === 1);
    expect(seen.faults).toEqual([fault]);
    expect(seen.requests.length).toBe(1);
    expect(seen.states.at(-1)?.[0]).toBe("live");
  });

  test.each([
    ["an error of the kind that fetch throws", new TypeError("x is not a function")],
    ["an error of any other kind", new RangeError("of our own")],
    ["something that is no error", "a string"],
  ])("ends, and tells, where our own code fails before it: %s", async (_name, fault) => {
    const { seen } = follow([
      () => {
        throw fault;
      },
    ]);
    await until("it is told", () => seen.faults.length === 1);
    expect(seen.faults).toEqual([fault]);
    expect(seen.states.at(-1)).toEqual(["broken", expect.stringContaining("has a fault")]);
    await Bun.sleep(700); // longer than the first pause
    expect(seen.requests.length).toBe(1);
  });

  test("ends where the server refuses, and is tried again where it is only away", async () => {
    const { seen } = follow([
      () => {
        throw new RequestError(0, "offline", "away");
      },
      () => {
        throw new RequestError(401, "unknown", "not you");
      },
    ]);
    await until("it is refused", () => seen.states.at(-1)?.[0] === "refused");
    expect(seen.states.map(([state]) => state)).toEqual([
      "connecting",
      "waiting",
      "connecting",
      "refused",
    ]);
    expect(seen.states.at(-1)?.[1]).toBe("not you");
  });

  test("that was closed says nothing more, and lets go of its connection", async () => {
    const { seen, stream } = follow([{ parts: [DISK], after: "stays" }]);
    await until("the event came", () => seen.events.length === 1);
    const told = seen.states.length;
    stream.close();
    await until("the connection is let go", () => seen.cancelled > 0);
    await Bun.sleep(400);
    expect(seen.states.length).toBe(told);
    expect(seen.requests.length).toBe(1);
  });
});
