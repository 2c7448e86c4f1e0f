import {
  type Frame,
  isOpen,
  type Prompt,
  SessionDetail,
  type SessionSummary,
  type ViewerEvent,
} from "../types.ts";
import { faultWords, type StreamState } from "../viewer/event-stream.ts";
import { type Client, RequestError } from "./client.ts";
import { openStream } from "./stream.ts";

/** What has been drawn is acknowledged at most this often, in ms, but where it is little only so often: the server waits after 2 s or 64 kB. */
const SEEN_MS = 250;
const SEEN_LITTLE_MS = 700;
/** So much is little, in UTF-16 units. */
const LITTLE_CHARS = 16 * 1024;
/** What did not get through is tried again after this long, in ms. */
const AGAIN_MS = 2000;

const NO_SESSION = "that session is no longer here.";

export interface FollowEvents {
  /** A connection stands, new for the server. */
  onConnected(): void;
  onFrame(frame: Frame): void;
  onSession(session: SessionSummary): void;
  /** A prompt of the session is new, or has changed; `news` where it was settled, or more is known of how. */
  onPrompt(prompt: Prompt, news: boolean): void;
  /** The stream stands, or since when it does not, and why. */
  onLink(lostAt: number | undefined, trouble: string): void;
  /** There is nothing more to follow. */
  onGone(words: string): void;
  /** What came could not be handled: an exception of our own. What comes next still is. */
  onFault(words: string): void;
}

/** What the server tells of a session: its screen, its state and what it asks, brought up to date after each break. */
export function followSession(client: Client, id: string, events: FollowEvents) {
  const prompts = new Map<string, Prompt>();
  let session: SessionSummary | undefined;
  let lostAt: number | undefined = Date.now();
  let stream = "";
  let drawn = false;
  let seenRev = 0;
  let ackedRev = 0;
  let ackedAt = Number.NEGATIVE_INFINITY;
  let unackedChars = 0;
  let ack: ReturnType<typeof setTimeout> | undefined;
  let closed = false;

  const open = () =>
    [...prompts.values()].filter(isOpen).sort((a, b) => a.created_at - b.created_at);

  const takePrompt = (prompt: Prompt) => {
    if (prompt.session !== id) return;
    const before = prompts.get(prompt.id);
    prompts.set(prompt.id, prompt);
    events.onPrompt(
      prompt,
      !isOpen(prompt) &&
        (before === undefined ||
          isOpen(before) ||
          before.answer?.receipt !== prompt.answer?.receipt),
    );
  };

  const takeFrame = (frame: Frame) => {
    drawn = true;
    seenRev = frame.rev;
    unackedChars += Object.values(frame.lines).join("").length;
    ack ??= setTimeout(acknowledge, SEEN_MS);
    events.onFrame(frame);
  };

  /** Tells the server what has been drawn, so that it sends what comes next. */
  const acknowledge = () => {
    ack = undefined;
    if (seenRev === ackedRev || closed) return;
    if (unackedChars < LITTLE_CHARS && performance.now() - ackedAt < SEEN_LITTLE_MS) {
      ack = setTimeout(acknowledge, SEEN_MS);
      return;
    }
    ackedRev = seenRev;
    ackedAt = performance.now();
    unackedChars = 0;
    client
      .send("POST", `/api/sessions/${id}/seen`, { rev: seenRev, stream })
      .catch((error: unknown) => {
        if (!(error instanceof RequestError)) throw error;
        ackedRev = 0;
        ack ??= setTimeout(acknowledge, AGAIN_MS); // or the server would wait for it for ever
      });
  };

  /** All there is: what is not among it any more was settled meanwhile. */
  const fetchAll = async () => {
    const before = new Set(prompts.keys());
    const had = session;
    const detail = await client.call(SessionDetail, "GET", `/api/sessions/${id}`);
    if (closed) return;
    for (const prompt of open()) {
      if (before.has(prompt.id) && !detail.prompts.some((other) => other.id === prompt.id))
        takePrompt({ ...prompt, state: "withdrawn" });
    }
    for (const prompt of detail.prompts)
      if (isOpen(prompts.get(prompt.id) ?? prompt)) prompts.set(prompt.id, prompt); // what is settled stays so
    if (detail.screen !== null && !drawn) takeFrame(detail.screen);
    if (session === undefined || session === had) session = detail.session; // else what the stream told meanwhile is newer
    events.onSession(session);
  };
  const fetchAgain = () => {
    fetchAll().catch((error: unknown) => {
      if (!(error instanceof RequestError)) throw error;
      if (error.status === 404 && !closed) events.onGone(NO_SESSION);
      else if (!closed && lostAt === undefined) setTimeout(fetchAgain, AGAIN_MS); // otherwise the next connection does
    });
  };

  const onEvent = (event: ViewerEvent) => {
    switch (event.name) {
      case "hello":
        stream = event.data.stream;
        ackedRev = 0; // this stream was told nothing yet
        events.onConnected();
        return fetchAgain();
      case "reset":
        return fetchAgain();
      case "screen":
        return void (event.data.session === id && takeFrame(event.data));
      case "prompt":
      case "prompt_response":
        return takePrompt(event.data);
      case "session_start":
      case "session_status":
      case "session_end":
        if (event.data.id !== id) return;
        session = event.data;
        return events.onSession(session);
      default: // of others, or of what is not shown here
    }
  };

  const onState = (state: StreamState, reason = "") => {
    if (state === "refused" || state === "broken") return events.onGone(reason);
    if (state === "missing") return events.onGone(NO_SESSION);
    if (state === "connecting") return;
    lostAt = state === "live" ? undefined : (lostAt ?? Date.now());
    events.onLink(lostAt, reason);
  };
  const close = openStream(client, id, onEvent, onState, (error) =>
    events.onFault(faultWords(error)),
  );

  return {
    /** What waits for an answer, oldest first. */
    open,
    close(): void {
      closed = true;
      clearTimeout(ack);
      close();
    },
  };
}
