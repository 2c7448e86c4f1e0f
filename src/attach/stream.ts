import { LIMITS, parseEvent, type ViewerEvent } from "../types.ts";
import { type Client, RequestError } from "./client.ts";

/** The server sends something every 10 s; after this long without, the stream is taken for dead, in ms. */
const SILENCE_MS = 25_000;
/** First and longest pause before another attempt, in ms. */
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 10_000;

/** So many attempts may fail before the person is told why. */
const QUIET_ATTEMPTS = 3;

/** `refused`: this device may not look on (any more); `missing`: there is no such session. Both are for good. */
export type StreamState = "live" | "waiting" | "refused" | "missing";

/** Reads the events of a session, signed afresh on each connect, and comes back by itself where it left off. Returns the function that closes it. */
export function openStream(
  client: Client,
  session: string,
  onEvent: (event: ViewerEvent) => void,
  onState: (state: StreamState, reason?: string) => void,
): () => void {
  let closed = false;
  let lastId = "";
  let attempt = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let abort = new AbortController();

  const read = async (body: ReadableStream<Uint8Array>, onChunk: () => void) => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of body) {
      onChunk();
      const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n\n");
      rest = parts.pop() ?? "";
      if (rest.length > LIMITS.messageBytes) return; // no event is that long
      for (const part of parts) {
        const { id, event } = parseEvent(part);
        if (closed) return;
        if (event !== undefined) onEvent(event);
        if (id !== undefined) lastId = id;
      }
    }
  };

  const connect = async () => {
    const own = new AbortController();
    abort = own;
    let silence = setTimeout(() => own.abort(), SILENCE_MS);
    let trouble: string | undefined;
    try {
      const headers = {
        accept: "text/event-stream",
        ...(lastId === "" ? {} : { "last-event-id": lastId }),
      };
      const { body } = await client.send(
        "GET",
        `/events?session=${session}`,
        undefined,
        headers,
        own.signal,
      );
      if (closed) return;
      attempt = 0;
      onState("live");
      if (body !== null)
        await read(body, () => {
          clearTimeout(silence);
          silence = setTimeout(() => own.abort(), SILENCE_MS);
        });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const status = error instanceof RequestError ? error.status : 0;
      if (!closed && (status === 401 || status === 403)) return onState("refused", error.message);
      if (!closed && status === 404) return onState("missing");
      if (error instanceof RequestError && attempt >= QUIET_ATTEMPTS) trouble = error.message;
    } finally {
      clearTimeout(silence);
      own.abort();
    }
    if (closed) return;
    onState("waiting", trouble);
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** attempt++, LONGEST_PAUSE_MS);
    retry = setTimeout(connect, pause * (0.5 + Math.random() / 2));
  };
  void connect();

  return () => {
    closed = true;
    clearTimeout(retry);
    abort.abort();
  };
}
