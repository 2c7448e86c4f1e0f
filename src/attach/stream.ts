import type { ViewerEvent } from "../types.ts";
import { EventStream, type StreamState } from "../viewer/event-stream.ts";
import type { Client } from "./client.ts";

/** Follows the events of a session, signed afresh on each connect. Returns the function that closes the stream. */
export function openStream(
  client: Client,
  session: string,
  onEvent: (event: ViewerEvent) => void,
  onState: (state: StreamState, reason?: string) => void,
  onFault: (error: unknown) => void,
): () => void {
  const stream = new EventStream({
    request: (headers, signal) =>
      client.send("GET", `/events?session=${session}`, undefined, headers, signal),
    refusal: ({ status }) =>
      status === 401 || status === 403 ? "refused" : status === 404 ? "missing" : undefined,
    onEvent,
    onState,
    onFault,
  });
  return () => stream.close();
}
