import { randomNonce } from "../auth.ts";
import type { OutputPage, ViewerEvents } from "../types.ts";
import {
  type Backlog,
  type Bytes,
  type Change,
  type Growth,
  openBacklog,
  type Writer,
} from "./backlog.ts";
import { frameSince, type Live } from "./live.ts";
import { openPacker } from "./packed.ts";
import { SECURITY_HEADERS } from "./replies.ts";

/** A comment goes out this often, so that neither side takes silence for death, in ms. */
const HEARTBEAT_MS = 10_000;
/** Events kept for viewers that come back. */
const KEPT_EVENTS = 1000;
/** And what they may come to, in UTF-16 units: a prompt can have 256 kB. */
const KEPT_CHARS = 4 * 1024 * 1024;
/** So many streams at once are compressed: each part takes some 50 µs, several times what sending it does. */
const PACKED = 32;

/** A phone that comes back within this time keeps the size that it took over, in ms. */
const SIZE_GRACE_MS = 5000;

type BroadcastName = Exclude<
  keyof ViewerEvents,
  "hello" | "reset" | "screen" | "output" | "transcript"
>;

interface Viewer {
  id: string;
  device: string;
  session: string | undefined;
  backlog: Backlog;
  /** Serves it when something that was held back may go. */
  later: ReturnType<typeof setTimeout> | undefined;
  /** Its stream takes more: what was sent before is on its way. */
  wants: boolean;
  /** Something came while it did not. */
  missed: boolean;
  packed: boolean;
  send(bytes: Bytes): void;
  end(): void;
}

export interface ViewerSource {
  live(session: string): Live | undefined;
  /** Its newest lines of history, so many at most. */
  lines(session: string, limit: number): OutputPage;
  /** How many entries its conversation has. */
  entries(session: string): number;
  /** A device looks on, without asking for anything. */
  onBeat(device: string): void;
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

  const format = (name: keyof ViewerEvents, data: unknown) =>
    `id: ${epoch}:${seq}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

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
    const { bytes, wait } = viewer.backlog.take(
      viewer.session === undefined ? undefined : source.live(viewer.session),
    );
    clearTimeout(viewer.later);
    viewer.later =
      wait === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => wake(viewer), wait);
    if (bytes !== undefined) viewer.send(bytes);
  };

  /** The newest frame of a screen as it is sent, for each rev that somebody is at: many who look on lack the same. */
  const frames = new WeakMap<Live, { seq: number; rev: number; since: Map<number, Bytes> }>();
  const writer: Writer = {
    event: format,
    frame(session, live, since) {
      let known = frames.get(live);
      if (known?.rev !== live.rev || known.seq !== seq) {
        known = { seq, rev: live.rev, since: new Map() };
        frames.set(live, known);
      }
      const bytes =
        known.since.get(since) ??
        encoder.encode(format("screen", { session, ...frameSince(live, since) }));
      known.since.set(since, bytes);
      return bytes;
    },
  };

  /** What a viewer left off at: everything since, or a `reset` where that is no longer known. */
  const resume = (lastEventId: string | null): string[] => {
    if (lastEventId === null) return [];
    const [theirEpoch, theirSeq] = lastEventId.split(":");
    const last = Number(theirSeq);
    const oldest = seq - kept.length;
    if (theirEpoch !== epoch || !Number.isSafeInteger(last) || last < oldest || last > seq)
      return [format("reset", {})];
    return kept.filter((event) => event.seq > last).map((event) => event.text);
  };

  /** Tells those who look at a session. */
  const tell = (session: string, what: (backlog: Backlog) => void) => {
    for (const viewer of viewers.values()) {
      if (viewer.session !== session) continue;
      what(viewer.backlog);
      wake(viewer);
    }
  };

  return {
    /** Tells every viewer. */
    broadcast<Name extends BroadcastName>(name: Name, data: ViewerEvents[Name]): void {
      seq++;
      const text = format(name, data);
      kept.push({ seq, text });
      keptChars += text.length;
      while (kept.length > KEPT_EVENTS || keptChars > KEPT_CHARS)
        keptChars -= kept.shift()?.text.length ?? 0;
      for (const viewer of viewers.values()) {
        viewer.backlog.push(text);
        wake(viewer);
      }
    },

    /** A session's screen has changed. */
    screenChanged: (session: string): void => tell(session, () => undefined),

    /** A session's history has changed. */
    historyChanged: (session: string, change: Change): void =>
      tell(session, (backlog) => backlog.changed(change)),

    /** A session's conversation has grown. */
    transcriptChanged: (session: string, growth: Growth): void =>
      tell(session, (backlog) => backlog.grown(growth)),

    /** A viewer has drawn a session's screen up to `rev`. */
    seen(device: string, session: string, rev: number, stream: string | undefined): void {
      const named = stream === undefined ? undefined : viewers.get(stream);
      for (const viewer of stream === undefined
        ? viewers.values()
        : named === undefined
          ? []
          : [named]) {
        if (viewer.device !== device || viewer.session !== session) continue;
        viewer.backlog.seen(rev);
        wake(viewer);
      }
    },

    /** A device has taken a session's size over, or nobody has any more. True where it did not hold it before. */
    holdsSize(session: string, device: string | undefined): boolean {
      const before = sizeHolders.get(session);
      if (device === undefined) sizeHolders.delete(session);
      else sizeHolders.set(session, device);
      return device !== undefined && device !== before;
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
      const { session } = options;
      const packer =
        options.packed && [...viewers.values()].filter(({ packed }) => packed).length < PACKED
          ? openPacker()
          : undefined;
      const begin =
        session === undefined
          ? undefined
          : {
              session,
              history: source.lines(session, options.lines),
              asked: options.lines,
              entries: source.entries(session),
            };
      const id = `st_${randomNonce()}`;
      const hello = format("hello", {
        stream: id,
        insecure: options.insecure,
        disk_full: options.disk_full,
      });
      const viewer: Viewer = {
        id,
        device: options.device,
        session,
        backlog: openBacklog(writer, hello, packer !== undefined, begin),
        later: undefined,
        wants: false,
        missed: true,
        packed: packer !== undefined,
        send: () => undefined,
        end: () => undefined,
      };
      for (const text of resume(options.lastEventId)) viewer.backlog.push(text);
      viewers.set(viewer.id, viewer);
      options.signal.addEventListener("abort", () => close(viewer));
      const beat = setInterval(() => {
        if (!viewer.wants) return;
        viewer.send(encoder.encode(": still here\n\n"));
        source.onBeat(viewer.device);
      }, HEARTBEAT_MS);
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          viewer.send = (bytes) => {
            viewer.wants = false;
            controller.enqueue(packer?.part(bytes) ?? bytes);
          };
          viewer.end = () => {
            clearInterval(beat);
            if (controller.desiredSize === null) return; // it broke
            if (packer !== undefined) controller.enqueue(packer.end());
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
      const headers = {
        ...SECURITY_HEADERS,
        "content-type": "text/event-stream",
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
      };
      return new Response(body, {
        headers: packer !== undefined ? { ...headers, "content-encoding": "gzip" } : headers,
      });
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
      const looksOn = [...viewers.values()].some(
        (other) => other.device === device && other.session === session,
      );
      if (looksOn || sizeHolders.get(session) !== device) return;
      sizeHolders.delete(session);
      source.onSizeFree(session);
    }, SIZE_GRACE_MS).unref();
  }
}
