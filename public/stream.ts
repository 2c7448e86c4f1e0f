import { parseEvent, type ViewerEvent } from "../src/types.ts";
import { RequestError, send } from "./api.ts";
import { takeServer } from "./bar.ts";
import type { Identity } from "./keys.ts";
import { isFresh } from "./launch.ts";
import { PAGE_LINES } from "./session/history-window.ts";

/** The server sends something every 10 s; after this long without, the stream is taken for dead, in ms. */
const SILENCE_MS = 25_000;
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 10_000;
/** So many attempts may fail before the person is told why. */
const QUIET_ATTEMPTS = 3;

export type StreamState = "connecting" | "live" | "waiting" | "refused" | "missing";

/**
 * Reads the server's events by streaming `fetch`, signed afresh on each connect: `EventSource` could set no header. It
 * reconnects by itself, telling the server where it left off. Returns the function that closes it.
 */
export function openStream(
  identity: Identity,
  session: string | undefined,
  onEvent: (event: ViewerEvent) => void,
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
    let trouble: string | undefined;
    const target =
      session === undefined ? "/events" : `/events?session=${session}&lines=${PAGE_LINES}`;
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
      for await (const text of (response.body ?? new ReadableStream()).pipeThrough(
        new TextDecoderStream(),
      )) {
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort(), SILENCE_MS);
        const parts = (rest + text).split("\n\n");
        rest = parts.pop() ?? "";
        for (const part of parts) {
          const { id, event } = parseEvent(part);
          if (closed) return;
          if (event !== undefined) takeServer(event);
          if (event !== undefined) onEvent(event);
          if (id !== undefined) lastId = id;
        }
      }
    } catch (error) {
      const missing =
        error instanceof RequestError && error.status === 404 && !isFresh(session ?? "");
      if (error instanceof RequestError && (error.status === 401 || missing)) {
        return onState(missing ? "missing" : "refused", error.message);
      }
      if (!(error instanceof Error || error instanceof DOMException)) throw error;
      if (error instanceof RequestError && attempt >= QUIET_ATTEMPTS)
        trouble = `${error.message} This page keeps trying.`;
    } finally {
      clearTimeout(silence);
    }
    if (closed) return;
    onState("waiting", trouble);
    const pause =
      Math.min(FIRST_PAUSE_MS * 2 ** attempt++, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
    retry = setTimeout(connect, pause);
  };
  void connect();

  return () => {
    closed = true;
    clearTimeout(retry);
    abort.abort();
  };
}
