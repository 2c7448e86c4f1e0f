import { readEvents } from "./sse.ts";
import { openWaiting } from "./waiting.ts";

/** Whoever looks at the bare web terminal. */
export interface BareViewer {
  post(path: string, body: string): Promise<Response>;
  /** Resolves with the time at which this event came with this text. To be called before what brings it. */
  sees(event: string, text: string): Promise<number>;
  close(): void;
}

export async function openBareViewer(origin: string): Promise<BareViewer> {
  const { settle, fail, wait } = openWaiting<string>();
  const events = readEvents(await fetch(`${origin}/events`), settle, fail);
  return {
    post: (path, body) => fetch(origin + path, { method: "POST", body }),
    sees: (event, text) =>
      wait(
        `the ${event} ${text}`,
        (now) => now === `event: ${event}\ndata: ${JSON.stringify(text)}`,
      ),
    close: events.close,
  };
}
