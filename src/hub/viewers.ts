import { randomNonce } from "../auth.ts";
import type { ViewerEvents } from "../types.ts";
import { frameSince, type Live } from "./live.ts";
import { SECURITY_HEADERS } from "./replies.ts";

/** Screen bytes that a viewer may be behind, and for how long in ms; then it is left alone until it says what it has drawn. */
const AHEAD_BYTES = 64 * 1024;
const AHEAD_MS = 2000;
/** A comment goes out this often, so that neither side takes silence for death, in ms. */
const HEARTBEAT_MS = 10_000;
/** Events kept for viewers that come back, and those that may wait for one viewer. */
const KEPT_EVENTS = 1000;
const WAITING_EVENTS = 1000;
/** New history travels along while it is slower than this, in UTF-16 units a second; beyond, viewers fetch what they look at. */
const HISTORY_RATE = 16 * 1024;

/** A phone that comes back within this time keeps the size that it took over, in ms. */
const SIZE_GRACE_MS = 5000;

type BroadcastName = Exclude<keyof ViewerEvents, "hello" | "reset" | "screen" | "output" | "transcript">;
type Output = ViewerEvents["output"];
type Talk = ViewerEvents["transcript"];

interface Viewer {
  id: string;
  device: string;
  session: string | undefined;
  /** Events that wait, formatted. */
  waiting: string[];
  sentRev: number;
  /** Frames sent and not yet acknowledged. */
  unseen: { rev: number; bytes: number; at: number }[];
  output: Output | undefined;
  transcript: Talk | undefined;
  historyBudget: number;
  historyAt: number;
  wake: () => void;
  closed: boolean;
}

export interface ViewerSource {
  live(session: string): Live | undefined;
  history(session: string): { generation: number; next: number };
  /** How many entries its conversation has. */
  entries(session: string): number;
  /** Nobody of the device that holds a session's size looks on any more. */
  onSizeFree(session: string): void;
}

export type Viewers = ReturnType<typeof openViewers>;

/** The streams to phones and browsers. `live` gives a session's newest screen, `history` where its log ends. */
export function openViewers(source: ViewerSource) {
  const epoch = randomNonce().slice(0, 8);
  let seq = 0;
  const kept: { seq: number; text: string }[] = [];
  const viewers = new Set<Viewer>();
  const sizeHolders = new Map<string, string>(); // session → the device that took its size over

  const format = (name: keyof ViewerEvents, data: unknown) => `id: ${epoch}:${seq}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

  const push = (viewer: Viewer, text: string) => {
    viewer.waiting.push(text);
    if (viewer.waiting.length > WAITING_EVENTS) viewer.waiting = [format("reset", {})];
    viewer.wake();
  };

  /** What a viewer left off at: everything since, or a `reset` where that is no longer known. */
  const resume = (lastEventId: string | null): string[] => {
    if (lastEventId === null) return [];
    const [theirEpoch, theirSeq] = lastEventId.split(":");
    const last = Number(theirSeq);
    const oldest = seq - kept.length;
    if (theirEpoch !== epoch || !Number.isSafeInteger(last) || last < oldest || last > seq) return [format("reset", {})];
    return kept.filter((event) => event.seq > last).map((event) => event.text);
  };

  const mayDraw = (viewer: Viewer) => {
    const first = viewer.unseen[0];
    const bytes = viewer.unseen.reduce((sum, frame) => sum + frame.bytes, 0);
    return first === undefined || (bytes < AHEAD_BYTES && performance.now() - first.at < AHEAD_MS);
  };

  /** What this viewer is to get now; empty where there is nothing, or it has to catch up first. */
  const take = (viewer: Viewer): string => {
    let text = viewer.waiting.join("");
    viewer.waiting = [];
    const live = viewer.session === undefined ? undefined : source.live(viewer.session);
    if (live !== undefined && live.rev > viewer.sentRev && mayDraw(viewer)) {
      const frame = format("screen", { session: viewer.session, ...frameSince(live, viewer.sentRev) });
      viewer.sentRev = live.rev;
      viewer.unseen.push({ rev: live.rev, bytes: frame.length, at: performance.now() });
      text += frame;
    }
    if (viewer.output !== undefined && mayDraw(viewer)) {
      text += format("output", viewer.output);
      viewer.output = undefined;
    }
    if (viewer.transcript !== undefined) {
      text += format("transcript", viewer.transcript);
      viewer.transcript = undefined;
    }
    return text;
  };

  /** Whether so much more may travel along now. */
  const afford = (viewer: Viewer, size: number): boolean => {
    const now = performance.now();
    viewer.historyBudget = Math.min(4 * HISTORY_RATE, viewer.historyBudget + ((now - viewer.historyAt) / 1000) * HISTORY_RATE);
    viewer.historyAt = now;
    if (size > viewer.historyBudget) return false;
    viewer.historyBudget -= size;
    return true;
  };

  const note = (viewer: Viewer, op: { generation: number; from: number; next: number; lines?: string[] }, session: string) => {
    const waiting = viewer.output;
    const follows = waiting === undefined || (waiting.generation === op.generation && waiting.next === op.from && waiting.lines !== undefined);
    const size = op.lines?.reduce((sum, line) => sum + line.length, 0) ?? 0;
    if (op.lines !== undefined && follows && afford(viewer, size)) {
      viewer.output = { session, generation: op.generation, from: waiting?.from ?? op.from, next: op.next, lines: [...(waiting?.lines ?? []), ...op.lines] };
    } else {
      const from = waiting?.generation === op.generation ? Math.min(waiting.from, op.from) : op.from;
      viewer.output = { session, generation: op.generation, from, next: op.next };
    }
    viewer.wake();
  };

  const noteEntries = (viewer: Viewer, { from, next, entries }: Required<Omit<Talk, "session">>, session: string) => {
    const waiting = viewer.transcript;
    const before = waiting === undefined ? [] : waiting.entries;
    const along = before !== undefined && entries !== undefined && afford(viewer, JSON.stringify(entries).length);
    viewer.transcript = { session, from: waiting?.from ?? from, next, ...(along ? { entries: [...before, ...entries] } : {}) };
    viewer.wake();
  };

  return {
    /** Tells every viewer. */
    broadcast<Name extends BroadcastName>(name: Name, data: ViewerEvents[Name]): void {
      seq++;
      const text = format(name, data);
      kept.push({ seq, text });
      if (kept.length > KEPT_EVENTS) kept.shift();
      for (const viewer of viewers) push(viewer, text);
    },

    /** A session's screen has changed. */
    screenChanged(session: string): void {
      for (const viewer of viewers) if (viewer.session === session) viewer.wake();
    },

    /** A session's history has changed: it now ends before `next`, and lines from `from` on are these (or to be fetched). */
    historyChanged(session: string, op: { generation: number; from: number; next: number; lines?: string[] }): void {
      for (const viewer of viewers) if (viewer.session === session) note(viewer, op, session);
    },

    /** A session's conversation has grown by these entries. */
    transcriptChanged(session: string, grown: Required<Omit<Talk, "session">>): void {
      for (const viewer of viewers) if (viewer.session === session) noteEntries(viewer, grown, session);
    },

    /** A viewer has drawn a session's screen up to `rev`. */
    seen(device: string, session: string, rev: number, stream: string | undefined): void {
      for (const viewer of viewers) {
        if (viewer.device !== device || viewer.session !== session || (stream !== undefined && viewer.id !== stream)) continue;
        viewer.unseen = viewer.unseen.filter((frame) => frame.rev > rev);
        viewer.wake();
      }
    },

    /** A device has taken a session's size over, or nobody has any more. */
    holdsSize(session: string, device: string | undefined): void {
      if (device === undefined) sizeHolders.delete(session);
      else sizeHolders.set(session, device);
    },

    /** Ends the streams of a revoked device. */
    drop(device: string): void {
      for (const viewer of viewers) if (viewer.device === device) close(viewer);
    },

    closeAll(): void {
      for (const viewer of viewers) close(viewer);
    },

    /** Opens the stream of one page; with a session it also carries that one's screen and history. */
    open(options: { device: string; session: string | undefined; lastEventId: string | null; insecure: boolean; signal: AbortSignal }): Response {
      const viewer: Viewer = {
        id: `st_${randomNonce()}`,
        device: options.device,
        session: options.session,
        waiting: [],
        sentRev: 0,
        unseen: [],
        output: undefined,
        transcript: undefined,
        historyBudget: HISTORY_RATE,
        historyAt: performance.now(),
        wake: () => undefined,
        closed: false,
      };
      viewer.waiting = [format("hello", { stream: viewer.id, insecure: options.insecure }), ...resume(options.lastEventId)];
      if (viewer.session !== undefined) {
        const { generation, next } = source.history(viewer.session);
        viewer.output = { session: viewer.session, generation, from: next, next };
        const entries = source.entries(viewer.session);
        viewer.transcript = { session: viewer.session, from: entries, next: entries };
      }
      viewers.add(viewer);
      options.signal.addEventListener("abort", () => close(viewer));
      const encoder = new TextEncoder();
      const body = new ReadableStream<Uint8Array>({
        // pulled only when the last part was taken, so that a stalled viewer costs what is on its way and no more
        async pull(controller) {
          for (;;) {
            if (viewer.closed) return controller.close();
            const text = take(viewer);
            if (text !== "") return controller.enqueue(encoder.encode(text));
            const beat = await nextWake(viewer);
            if (beat && !viewer.closed) return controller.enqueue(encoder.encode(": still here\n\n"));
          }
        },
        cancel: () => close(viewer),
      });
      return new Response(body, {
        headers: { ...SECURITY_HEADERS, "content-type": "text/event-stream", "cache-control": "no-store, no-transform", "x-accel-buffering": "no" },
      });
    },
  };

  function close(viewer: Viewer): void {
    viewer.closed = true;
    viewers.delete(viewer);
    viewer.wake();
    const { session, device } = viewer;
    if (session === undefined || sizeHolders.get(session) !== device) return;
    setTimeout(() => {
      const looksOn = [...viewers].some((other) => other.device === device && other.session === session);
      if (looksOn || sizeHolders.get(session) !== device) return;
      sizeHolders.delete(session);
      source.onSizeFree(session);
    }, SIZE_GRACE_MS).unref();
  }
}

/** Resolves once there may be something to send; true when it is time for a heartbeat. */
function nextWake(viewer: Viewer): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), HEARTBEAT_MS);
    viewer.wake = () => {
      clearTimeout(timer);
      viewer.wake = () => undefined;
      resolve(false);
    };
  });
}
