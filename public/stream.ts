import type { ViewerEvent } from "../src/types.ts";
import { EventStream, type StreamState } from "../src/viewer/event-stream.ts";
import { send } from "./api.ts";
import { takeServer } from "./bar.ts";
import type { Identity } from "./keys.ts";
import { isFresh } from "./launch.ts";
import { PAGE_LINES } from "./session/history-window.ts";

export type { StreamState } from "../src/viewer/event-stream.ts";

/** Follows the server's events, of one session or of all. Returns the function that closes the stream. */
export function openStream(
  identity: Identity,
  session: string | undefined,
  onEvent: (event: ViewerEvent) => void,
  onState: (state: StreamState, reason?: string) => void,
): () => void {
  const target =
    session === undefined ? "/events" : `/events?session=${session}&lines=${PAGE_LINES}`;
  const stream = new EventStream({
    request: (headers, signal) => send(identity, "GET", target, "", headers, signal),
    refusal: ({ status }) =>
      status === 401
        ? "refused"
        : status === 404 && !isFresh(session ?? "")
          ? "missing"
          : undefined,
    onEvent(event) {
      takeServer(event);
      onEvent(event);
    },
    onState: (state, reason) =>
      onState(
        state,
        reason === undefined || state !== "waiting" ? reason : `${reason} This page keeps trying.`,
      ),
    onFault: (error) => reportError(error), // `fault.ts` hears of it and tells
  });
  return () => stream.close();
}
