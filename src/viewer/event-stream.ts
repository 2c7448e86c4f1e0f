import { LIMITS, parseEvent, type ViewerEvent } from "../types.ts";
import { RequestError } from "./request-error.ts";

/** The server sends something every 10 s; after this long without, the stream is taken for dead, in ms. */
const SILENCE_MS = 25_000;
/** First and longest pause before another attempt, in ms. */
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 10_000;
/** So many attempts may fail before the person is told why. */
const QUIET_ATTEMPTS = 3;

/** What is quoted of an exception, in UTF-16 units. */
const FAULT_CHARS = 300;

const BREAKS_OFF = "The connection to the server ends before anything arrives through it.";

/**
 * `refused`: this device may not look on (any more); `missing`: there is no such session; `broken`: the code here has a fault.
 * These three are for good.
 */
export type StreamState = "connecting" | "live" | "waiting" | "refused" | "missing" | "broken";

export interface StreamOptions {
  /** Sends the signed request for events. What it throws is a `RequestError`, or a fault of our own. */
  request(headers: Record<string, string>, signal: AbortSignal): Promise<Response>;
  /** Whether an answer is for good; undefined where another attempt makes sense. */
  refusal(error: RequestError): "refused" | "missing" | undefined;
  onEvent(event: ViewerEvent): void;
  onState(state: StreamState, reason?: string): void;
  /** Something that is no failure of the connection was thrown: while an event was handled, or instead of reading on. */
  onFault(error: unknown): void;
}

/** What is told of an exception of our own. */
export function faultWords(error: unknown): string {
  const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return `claude-remote has a fault here (${words.slice(0, FAULT_CHARS)}). Start it again; if that does not help, report this.`;
}

/**
 * Reads the server's events by streaming `fetch`: `EventSource` could set no header. It reconnects by itself, telling the server
 * where it left off. Only what the network does leads to another attempt: an exception of our own is told, never taken for it.
 */
export class EventStream {
  private closed = false;
  private lastId = "";
  /** Attempts since the last event arrived. */
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private abort = new AbortController();

  constructor(private readonly options: StreamOptions) {
    this.start();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.retry);
    this.abort.abort();
  }

  private start(): void {
    this.connect().catch((error: unknown) => {
      if (this.closed) return;
      this.options.onState("broken", faultWords(error));
      this.options.onFault(error);
    });
  }

  private async connect(): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    let silence = setTimeout(() => abort.abort(), SILENCE_MS);
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    this.options.onState("connecting");
    let lost: RequestError;
    try {
      const headers = {
        accept: "text/event-stream",
        ...(this.lastId === "" ? {} : { "last-event-id": this.lastId }),
      };
      const { body } = await this.options.request(headers, abort.signal);
      if (body !== null) await this.read(body, heard);
      lost = new RequestError(0, "offline", BREAKS_OFF);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      lost = error;
    } finally {
      clearTimeout(silence);
      abort.abort(); // a body that nobody reads would hold one of the page's six connections
    }
    if (this.closed) return;
    const refusal = this.options.refusal(lost);
    if (refusal !== undefined) return this.options.onState(refusal, lost.message);
    this.options.onState("waiting", this.attempt < QUIET_ATTEMPTS ? undefined : lost.message);
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.attempt++, LONGEST_PAUSE_MS);
    this.retry = setTimeout(() => this.start(), pause * (0.5 + Math.random() / 2));
  }

  /** Reads until the body ends. By its reader: WebKit has no `for await` over a stream. */
  private async read(body: ReadableStream<Uint8Array>, heard: () => void): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const next = () =>
      reader.read().catch(() => {
        throw new RequestError(0, "offline", BREAKS_OFF);
      });
    let rest = "";
    let live = false;
    for (let part = await next(); !part.done; part = await next()) {
      heard();
      const parts = (rest + decoder.decode(part.value, { stream: true })).split("\n\n");
      rest = parts.pop() ?? "";
      if (rest.length > LIMITS.messageBytes) return; // no event is that long
      for (const text of parts) {
        if (this.closed) return;
        if (!live) {
          live = true;
          this.attempt = 0;
          this.options.onState("live");
        }
        this.take(text);
      }
    }
  }

  /** Hands an event on. One that can't be handled is told and passed over: those that follow still come. */
  private take(text: string): void {
    const { id, event } = parseEvent(text);
    try {
      if (event !== undefined) this.options.onEvent(event);
    } catch (error) {
      this.options.onFault(error);
    }
    if (id !== undefined) this.lastId = id;
  }
}
