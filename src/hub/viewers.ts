import { randomNonce } from "../auth.ts";
import type { OutputPage, ViewerEvents } from "../types.ts";
import { type Budget, openBudget } from "./budget.ts";
import { frameSince, type Live } from "./live.ts";
import { openPacker, type Packer } from "./packed.ts";
import { SECURITY_HEADERS } from "./replies.ts";

/** Screen bytes that a viewer may be behind, and for how long in ms; then it is left alone until it says what it has drawn. */
const AHEAD_BYTES = 64 * 1024;
const AHEAD_MS = 2000;
/** A comment goes out this often, so that neither side takes silence for death, in ms. */
const HEARTBEAT_MS = 10_000;
/** Events kept for viewers that come back, and those that may wait for one viewer. */
const KEPT_EVENTS = 1000;
const WAITING_EVENTS = 1000;
/** And what they may come to, in UTF-16 units: a prompt can have 256 kB. */
const KEPT_CHARS = 4 * 1024 * 1024;
const WAITING_CHARS = 4 * 1024 * 1024;
/** New history travels along while it is slower than this, in UTF-16 units a second; beyond, viewers fetch what they look at. */
const HISTORY_RATE = 16 * 1024;
/** Small screens come as they change. Of others come so many bytes a second (compressed they are an eighth); then they are as seldom as it takes, but every half second at least. */
const SMALL_BYTES = 512;
const SCREEN_RATE = 16 * 1024;
const SCREEN_RATE_PACKED = 64 * 1024;
const SCREEN_DEBT_S = 0.5;
/** Of either, so much at once after quiet, in seconds of the rate. */
const BURST_S = 2;
/** That there is more history than travels along is told at most this often, in ms: each time brings a request. */
const TOLD_MS = 1000;

/** So many streams at once are compressed: each part takes some 50 µs, several times what sending it does. */
const PACKED = 32;

/** A phone that comes back within this time keeps the size that it took over, in ms. */
const SIZE_GRACE_MS = 5000;

type BroadcastName = Exclude<keyof ViewerEvents, "hello" | "reset" | "screen" | "output" | "transcript">;
type Bytes = Uint8Array<ArrayBuffer>;
type Output = ViewerEvents["output"];
type Talk = ViewerEvents["transcript"];

interface Viewer {
  id: string;
  device: string;
  session: string | undefined;
  /** Events that wait, formatted. */
  waiting: string[];
  waitingChars: number;
  sentRev: number;
  /** Frames sent and not yet acknowledged. */
  unseen: { rev: number; bytes: number; at: number }[];
  unseenBytes: number;
  output: Output | undefined;
  transcript: Talk | undefined;
  screens: Budget;
  history: Budget;
  /** When it was last told of history that does not travel along. */
  toldAt: number;
  /** Serves it when something that was held back may go. */
  later: ReturnType<typeof setTimeout> | undefined;
  /** Its stream takes more: what was sent before is on its way. */
  wants: boolean;
  /** Something came while it did not. */
  missed: boolean;
  /** Where it takes gzip, and not too many do. */
  packer: Packer | undefined;
  send(bytes: Bytes): void;
  end(): void;
}

export interface ViewerSource {
  live(session: string): Live | undefined;
  /** Its newest lines of history, so many at most. */
  lines(session: string, limit: number): OutputPage;
  /** How many entries its conversation has. */
  entries(session: string): number;
  /** Nobody of the device that holds a session's size looks on any more. */
  onSizeFree(session: string): void;
}

export interface ViewerOptions {
  device: string;
  session: string | undefined;
  /** So many of the newest lines of history come first. */
  lines: number;
  lastEventId: string | null;
  insecure: boolean;
  disk_full: boolean;
  /** It takes gzip. */
  packed: boolean;
  signal: AbortSignal;
}

export type Viewers = ReturnType<typeof openViewers>;

/** The streams to phones and browsers. `live` gives a session's newest screen, `lines` what its log ends with. */
export function openViewers(source: ViewerSource) {
  const encoder = new TextEncoder();
  const epoch = randomNonce().slice(0, 8);
  let seq = 0;
  const kept: { seq: number; text: string }[] = [];
  let keptChars = 0;
  const viewers = new Map<string, Viewer>(); // by their stream's id
  const due = new Set<Viewer>(); // may have something to get
  const sizeHolders = new Map<string, string>(); // session → the device that took its size over

  const format = (name: keyof ViewerEvents, data: unknown) => `id: ${epoch}:${seq}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

  const push = (viewer: Viewer, text: string) => {
    viewer.waiting.push(text);
    viewer.waitingChars += text.length;
    if (viewer.waiting.length > WAITING_EVENTS || viewer.waitingChars > WAITING_CHARS) {
      viewer.waiting = [format("reset", {})];
      viewer.waitingChars = 0;
    }
    wake(viewer);
  };

  /** Serves a viewer once all that is going on has been taken in, so that it comes in one piece. */
  const wake = (viewer: Viewer) => {
    if (!viewer.wants) {
      viewer.missed = true;
      return;
    }
    if (due.size === 0) queueMicrotask(serveDue);
    due.add(viewer);
  };

  const serveDue = () => {
    const now = [...due];
    due.clear();
    for (const viewer of now) serve(viewer);
  };

  const serve = (viewer: Viewer) => {
    if (!viewer.wants) return;
    viewer.missed = false;
    const bytes = take(viewer);
    if (bytes !== undefined) viewer.send(bytes);
  };

  /** The newest frame of a screen as it is sent, for each rev that somebody is at: many who look on lack the same. */
  const frames = new WeakMap<Live, { seq: number; rev: number; since: Map<number, Bytes> }>();
  const frameBytes = (session: string, live: Live, since: number): Bytes => {
    let known = frames.get(live);
    if (known?.rev !== live.rev || known.seq !== seq) {
      known = { seq, rev: live.rev, since: new Map() };
      frames.set(live, known);
    }
    const bytes = known.since.get(since) ?? encoder.encode(format("screen", { session, ...frameSince(live, since) }));
    known.since.set(since, bytes);
    return bytes;
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

  const mayDraw = ({ unseen, unseenBytes }: Viewer, now: number) => {
    const first = unseen[0];
    return first === undefined || (unseenBytes < AHEAD_BYTES && now - first.at < AHEAD_MS);
  };

  /** What this viewer is to get now: nothing where there is nothing, or where it has to catch up or wait first. */
  const take = (viewer: Viewer): Bytes | undefined => {
    const now = performance.now();
    const { session } = viewer;
    const live = session === undefined ? undefined : source.live(session);
    const parts: Bytes[] = [];
    let wait = Number.POSITIVE_INFINITY; // until something that is held back may go, in ms
    if (viewer.waiting.length > 0) parts.push(encoder.encode(viewer.waiting.splice(0).join("")));
    viewer.waitingChars = 0;
    if (session !== undefined && live !== undefined && live.rev > viewer.sentRev && mayDraw(viewer, now)) {
      if (viewer.screens.left() > 0) {
        const frame = frameBytes(session, live, viewer.sentRev);
        viewer.sentRev = live.rev;
        viewer.unseen.push({ rev: live.rev, bytes: frame.length, at: now });
        viewer.unseenBytes += frame.length;
        viewer.screens.spend(Math.max(frame.length - SMALL_BYTES, 0));
        parts.push(frame);
      } else wait = viewer.screens.wait();
    }
    if (viewer.output !== undefined && mayDraw(viewer, now)) {
      const allowed = viewer.output.lines === undefined ? viewer.toldAt + TOLD_MS : now;
      if (allowed <= now) {
        if (viewer.output.lines === undefined) viewer.toldAt = now;
        parts.push(encoder.encode(format("output", viewer.output)));
        viewer.output = undefined;
      } else wait = Math.min(wait, allowed - now);
    }
    if (viewer.transcript !== undefined) {
      parts.push(encoder.encode(format("transcript", viewer.transcript)));
      viewer.transcript = undefined;
    }
    if (viewer.later !== undefined) clearTimeout(viewer.later);
    viewer.later = wait === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => wake(viewer), wait);
    return parts.length > 1 ? Buffer.concat(parts) : parts[0];
  };

  /** Whether so much more may travel along now. */
  const afford = (viewer: Viewer, size: number): boolean => {
    if (size > viewer.history.left()) return false;
    viewer.history.spend(size);
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
    wake(viewer);
  };

  const noteEntries = (viewer: Viewer, { from, next, entries }: Required<Omit<Talk, "session">>, session: string) => {
    const waiting = viewer.transcript;
    const before = waiting === undefined ? [] : waiting.entries;
    const along = before !== undefined && entries !== undefined && afford(viewer, JSON.stringify(entries).length);
    viewer.transcript = { session, from: waiting?.from ?? from, next, ...(along ? { entries: [...before, ...entries] } : {}) };
    wake(viewer);
  };

  return {
    /** Tells every viewer. */
    broadcast<Name extends BroadcastName>(name: Name, data: ViewerEvents[Name]): void {
      seq++;
      const text = format(name, data);
      kept.push({ seq, text });
      keptChars += text.length;
      while (kept.length > KEPT_EVENTS || keptChars > KEPT_CHARS) keptChars -= kept.shift()?.text.length ?? 0;
      for (const viewer of viewers.values()) push(viewer, text);
    },

    /** A session's screen has changed. */
    screenChanged(session: string): void {
      for (const viewer of viewers.values()) if (viewer.session === session) wake(viewer);
    },

    /** A session's history has changed: it now ends before `next`, and lines from `from` on are these (or to be fetched). */
    historyChanged(session: string, op: { generation: number; from: number; next: number; lines?: string[] }): void {
      for (const viewer of viewers.values()) if (viewer.session === session) note(viewer, op, session);
    },

    /** A session's conversation has grown by these entries. */
    transcriptChanged(session: string, grown: Required<Omit<Talk, "session">>): void {
      for (const viewer of viewers.values()) if (viewer.session === session) noteEntries(viewer, grown, session);
    },

    /** A viewer has drawn a session's screen up to `rev`. */
    seen(device: string, session: string, rev: number, stream: string | undefined): void {
      const named = stream === undefined ? undefined : viewers.get(stream);
      for (const viewer of stream === undefined ? viewers.values() : named === undefined ? [] : [named]) {
        if (viewer.device !== device || viewer.session !== session) continue;
        viewer.unseen = viewer.unseen.filter((frame) => frame.rev > rev);
        viewer.unseenBytes = viewer.unseen.reduce((sum, frame) => sum + frame.bytes, 0);
        wake(viewer);
      }
    },

    /** A device has taken a session's size over, or nobody has any more. */
    holdsSize(session: string, device: string | undefined): void {
      if (device === undefined) sizeHolders.delete(session);
      else sizeHolders.set(session, device);
    },

    /** Ends the streams of a revoked device. */
    drop(device: string): void {
      for (const viewer of viewers.values()) if (viewer.device === device) close(viewer);
    },

    closeAll(): void {
      for (const viewer of viewers.values()) close(viewer);
    },

    /** Opens the stream of one page; with a session it also carries that one's screen and history. */
    open(options: ViewerOptions): Response {
      const packer = options.packed && [...viewers.values()].filter(({ packer }) => packer !== undefined).length < PACKED ? openPacker() : undefined;
      const viewer: Viewer = {
        id: `st_${randomNonce()}`,
        device: options.device,
        session: options.session,
        waiting: [],
        waitingChars: 0,
        sentRev: 0,
        unseen: [],
        unseenBytes: 0,
        output: undefined,
        transcript: undefined,
        screens: openBudget(packer === undefined ? SCREEN_RATE : SCREEN_RATE_PACKED, BURST_S, SCREEN_DEBT_S),
        history: openBudget(HISTORY_RATE, BURST_S, 0),
        toldAt: -TOLD_MS,
        later: undefined,
        wants: false,
        missed: true,
        packer,
        send: () => undefined,
        end: () => undefined,
      };
      viewer.waiting = [format("hello", { stream: viewer.id, insecure: options.insecure, disk_full: options.disk_full }), ...resume(options.lastEventId)];
      if (viewer.session !== undefined) {
        viewer.output = { session: viewer.session, ...newest(source.lines(viewer.session, options.lines), options.lines) };
        const entries = source.entries(viewer.session);
        viewer.transcript = { session: viewer.session, from: entries, next: entries };
      }
      viewers.set(viewer.id, viewer);
      options.signal.addEventListener("abort", () => close(viewer));
      const beat = setInterval(() => viewer.wants && viewer.send(encoder.encode(": still here\n\n")), HEARTBEAT_MS);
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          viewer.send = (bytes) => {
            viewer.wants = false;
            controller.enqueue(viewer.packer?.part(bytes) ?? bytes);
          };
          viewer.end = () => {
            clearInterval(beat);
            if (controller.desiredSize === null) return; // it broke
            if (viewer.packer !== undefined) controller.enqueue(viewer.packer.end());
            controller.close();
          };
        },
        // called only when the last part was taken, so that a stalled viewer costs what is on its way and no more
        pull() {
          viewer.wants = true;
          if (viewer.missed) serve(viewer);
        },
        cancel() {
          clearInterval(beat);
          viewer.end = () => undefined;
          close(viewer);
        },
      });
      const headers = { ...SECURITY_HEADERS, "content-type": "text/event-stream", "cache-control": "no-store, no-transform", "x-accel-buffering": "no" };
      return new Response(body, { headers: viewer.packer !== undefined ? { ...headers, "content-encoding": "gzip" } : headers });
    },
  };

  function close(viewer: Viewer): void {
    if (!viewers.delete(viewer.id)) return;
    due.delete(viewer);
    clearTimeout(viewer.later);
    viewer.wants = false;
    viewer.end();
    const { session, device } = viewer;
    if (session === undefined || sizeHolders.get(session) !== device) return;
    setTimeout(() => {
      const looksOn = [...viewers.values()].some((other) => other.device === device && other.session === session);
      if (looksOn || sizeHolders.get(session) !== device) return;
      sizeHolders.delete(session);
      source.onSizeFree(session);
    }, SIZE_GRACE_MS).unref();
  }
}

/** What a stream begins with of the history: where it ends, and the lines that were asked for, unless some were lost there or they are very long. */
function newest({ generation, next, lines }: OutputPage, asked: number): Omit<Output, "session"> {
  const from = lines[0]?.line ?? next;
  const rows = lines.map(({ row }) => row);
  const along = asked > 0 && rows.length === next - from && rows.join("").length < AHEAD_BYTES;
  return along ? { generation, from, next, lines: rows } : { generation, from: next, next };
}
