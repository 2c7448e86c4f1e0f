import {
  isOpen,
  type Prompt,
  type RunnerInfo,
  type SessionSummary,
  type ViewerEvent,
} from "../src/types.ts";
import { RequestError } from "./api.ts";
import { isLive } from "./bar.ts";
import type { Deck } from "./deck.ts";
import { closeNotifications } from "./install.ts";
import { sessionMark } from "./list.ts";
import type { StreamState } from "./stream.ts";

/** What did not get through is fetched again after this long, in ms. */
const AGAIN_MS = 2000;

/** What the server told this page. */
export const known = {
  sessions: new Map<string, SessionSummary>(),
  /** Whether those are all. */
  listed: false,
  prompts: new Map<string, Prompt>(),
  /** Daemons that start sessions; undefined until the server told. */
  runners: undefined as readonly RunnerInfo[] | undefined,
  deck: undefined as Deck | undefined,
  /** Something to be said once, atop the list. */
  word: "",
};

/** One of the page's views while it is shown. */
export interface Shown {
  /** Brings it up to date with what is known. */
  draw(): void;
  close(): void;
}

/** Hears how the stream of a view fares. */
export type OnStream = (state: StreamState, reason?: string) => void;

/** Keeps sessions and prompts up to date from the stream; true where this event was about them. */
export function take(event: ViewerEvent): boolean {
  switch (event.name) {
    case "session_start":
    case "session_status":
    case "session_end":
      known.sessions.set(event.data.id, event.data);
      badge();
      return true;
    case "auth_url": {
      const session = known.sessions.get(event.data.session);
      if (session !== undefined)
        known.sessions.set(session.id, { ...session, auth_url: event.data.url });
      return true;
    }
    case "prompt":
    case "prompt_response":
      if (!isOpen(event.data)) void closeNotifications((id) => id === event.data.id);
      known.deck?.take(event.data);
      return true;
    default:
      return false;
  }
}

/** Shows on the app's icon how many prompts wait. */
export function badge(): void {
  const waiting = [...known.sessions.values()].reduce((sum, { pending }) => sum + pending, 0);
  if ("setAppBadge" in navigator) navigator.setAppBadge(waiting).catch(() => undefined); // not installed
}

/** Whether something waits for a person in any session but `here`. */
export function waitsElsewhere(here = ""): boolean {
  return [...known.sessions.values()].some(
    (session) => session.id !== here && sessionMark(session) === "you",
  );
}

/**
 * Runs a fetch that may fail for want of a connection: the stream tells about that, and its next connection brings what is lacking. Where the
 * stream stands all the same, it is tried `again`.
 */
export function guarded(fetchIt: () => Promise<void>, again = fetchIt): () => void {
  return () => {
    fetchIt().catch((error: unknown) => {
      if (!(error instanceof RequestError)) throw error;
      if (error.status === 0 || error.status >= 500)
        setTimeout(() => isLive() && guarded(again)(), AGAIN_MS);
    });
  };
}
