import * as v from "valibot";
import { parseJson, ViewerEvents } from "../src/types.ts";
import { RequestError, send } from "./api.ts";
import type { Identity } from "./keys.ts";

/** The server sends something every 10 s; after this long without, the stream is taken for dead, in ms. */
const SILENCE_MS = 25_000;
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 10_000;

export type StreamEvent = { [Name in keyof ViewerEvents]: { name: Name; data: ViewerEvents[Name] } }[keyof ViewerEvents];
export type StreamState = "connecting" | "live" | "waiting" | "refused" | "missing";

/**
 * Reads the server's events by streaming `fetch`, signed afresh on each connect: `EventSource` could set no header. It
 * reconnects by itself, telling the server where it left off. Returns the function that closes it.
 */
export function openStream(
  identity: Identity,
  session: string | undefined,
  onEvent: (event: StreamEvent) => void,
  onState: (state: StreamState, reason?: string) => void,
): () => void {
  let closed = false;
  let lastId = "";
  let attempt = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let abort = new AbortController();

  const connect = async () => {
    abort = new AbortController();
    onState("connecting");
    const target = session === undefined ? "/events" : `/events?session=${session}`;
    let silence = setTimeout(() => abort.abort(), SILENCE_MS);
    try {
      const response = await send(
        identity,
        "GET",
        target,
        "",
        { accept: "text/event-stream", ...(lastId === "" ? {} : { "last-event-id": lastId }) },
        abort.signal,
      );
      attempt = 0;
      onState("live");
      let rest = "";
      for await (const text of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort(), SILENCE_MS);
        const parts = (rest + text).split("\n\n");
        rest = parts.pop() ?? "";
        for (const part of parts) {
          const { id, event } = parseEvent(part);
          if (closed) return;
          if (event !== undefined) onEvent(event);
          if (id !== undefined) lastId = id;
        }
      }
    } catch (error) {
      if (error instanceof RequestError && (error.status === 401 || error.status === 404)) {
        return onState(error.status === 401 ? "refused" : "missing", error.message);
      }
      if (!(error instanceof Error || error instanceof DOMException)) throw error;
    } finally {
      clearTimeout(silence);
    }
    if (closed) return;
    onState("waiting");
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** attempt++, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
    retry = setTimeout(connect, pause);
  };
  void connect();

  return () => {
    closed = true;
    clearTimeout(retry);
    abort.abort();
  };
}

/** One event of the stream; comments and events that this page doesn't know have none. */
export function parseEvent(text: string): { id?: string; event?: StreamEvent } {
  let id: string | undefined;
  let name = "";
  let data = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("id: ")) id = line.slice(4);
    else if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data = line.slice(6);
  }
  const event = Object.hasOwn(ViewerEvents, name) ? known(name as keyof ViewerEvents, data) : undefined;
  return { ...(id === undefined ? {} : { id }), ...(event === undefined ? {} : { event }) };
}

const Events = v.variant("name", [
  v.object({ name: v.literal("hello"), data: ViewerEvents.hello }),
  v.object({ name: v.literal("reset"), data: ViewerEvents.reset }),
  v.object({ name: v.literal("session_start"), data: ViewerEvents.session_start }),
  v.object({ name: v.literal("session_status"), data: ViewerEvents.session_status }),
  v.object({ name: v.literal("session_end"), data: ViewerEvents.session_end }),
  v.object({ name: v.literal("runner_status"), data: ViewerEvents.runner_status }),
  v.object({ name: v.literal("prompt"), data: ViewerEvents.prompt }),
  v.object({ name: v.literal("prompt_response"), data: ViewerEvents.prompt_response }),
  v.object({ name: v.literal("screen"), data: ViewerEvents.screen }),
  v.object({ name: v.literal("output"), data: ViewerEvents.output }),
]);

function known(name: keyof ViewerEvents, json: string): StreamEvent | undefined {
  const data = parseJson(v.unknown(), json);
  const result = v.safeParse(Events, { name, data });
  return result.success ? result.output : undefined;
}
