import type { OutputPage, ViewerEvents } from "../types.ts";
import { openBudget } from "./budget.ts";
import type { Live } from "./live.ts";

/** Screen bytes that a viewer may be behind, and for how long in ms; then it is left alone until it says what it has drawn. */
const AHEAD_BYTES = 64 * 1024;
const AHEAD_MS = 2000;
/** Events that may wait for one viewer, and what they may come to in UTF-16 units. */
const WAITING_EVENTS = 1000;
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

const encoder = new TextEncoder();

export type Bytes = Uint8Array<ArrayBuffer>;
/** A change of history: it now ends before `next`, and lines from `from` on are these, or to be fetched. */
export type Change = Omit<ViewerEvents["output"], "session">;
/** A conversation's growth by these entries. */
export type Growth = Required<Omit<ViewerEvents["transcript"], "session">>;

/** How events are written. */
export interface Writer {
  event(name: keyof ViewerEvents, data: unknown): string;
  /** A screen for somebody who is at rev `since`. */
  frame(session: string, live: Live, since: number): Bytes;
}

/** What a viewer is to get, and how far it is behind. */
export interface Backlog {
  /** An event that waits its turn; where too much does, a `reset` takes the place of all. */
  push(text: string): void;
  /** History or the conversation of its session has changed. */
  changed(change: Change): void;
  grown(growth: Growth): void;
  /** It has drawn the screen up to `rev`. */
  seen(rev: number): void;
  /** What it is to get now, if anything, and in how many ms there may be something that is held back (or never). */
  take(live: Live | undefined): { bytes: Bytes | undefined; wait: number };
}

/**
 * `hello` comes first, whatever else does not come. With a session a viewer then begins with its screen, its newest lines of history (`asked` many)
 * and the number of its conversation's entries.
 */
export function openBacklog(
  writer: Writer,
  hello: string,
  packed: boolean,
  of?: { session: string; history: OutputPage; asked: number; entries: number },
): Backlog {
  let begin = hello;
  let waiting: string[] = [];
  let waitingChars = 0;
  let sentRev = 0;
  let unseen: { rev: number; bytes: number; at: number }[] = []; // frames sent and not yet acknowledged
  let unseenBytes = 0;
  let output = of && newest(of.history, of.asked);
  let talk: Omit<ViewerEvents["transcript"], "session"> | undefined = of && {
    from: of.entries,
    next: of.entries,
  };
  let toldAt = -TOLD_MS; // of history that does not travel along
  const screens = openBudget(packed ? SCREEN_RATE_PACKED : SCREEN_RATE, BURST_S, SCREEN_DEBT_S);
  const history = openBudget(HISTORY_RATE, BURST_S, 0);

  const afford = (size: number): boolean => {
    if (size > history.left()) return false;
    history.spend(size);
    return true;
  };

  return {
    push(text) {
      waiting.push(text);
      waitingChars += text.length;
      if (waiting.length <= WAITING_EVENTS && waitingChars <= WAITING_CHARS) return;
      waiting = [writer.event("reset", {})];
      waitingChars = 0;
    },

    changed({ generation, from, next, lines }) {
      const follows =
        output === undefined ||
        (output.generation === generation && output.next === from && output.lines !== undefined);
      if (
        lines !== undefined &&
        follows &&
        afford(lines.reduce((sum, line) => sum + line.length, 0))
      ) {
        output = {
          generation,
          from: output?.from ?? from,
          next,
          lines: [...(output?.lines ?? []), ...lines],
        };
      } else {
        output = {
          generation,
          from: output?.generation === generation ? Math.min(output.from, from) : from,
          next,
        };
      }
    },

    grown({ from, next, entries }) {
      const before = talk === undefined ? [] : talk.entries;
      const along =
        before !== undefined && entries !== undefined && afford(JSON.stringify(entries).length);
      talk = {
        from: talk?.from ?? from,
        next,
        ...(along ? { entries: [...before, ...entries] } : {}),
      };
    },

    seen(rev) {
      unseen = unseen.filter((frame) => frame.rev > rev);
      unseenBytes = unseen.reduce((sum, frame) => sum + frame.bytes, 0);
    },

    take(live) {
      const now = performance.now();
      const mayDraw = () =>
        unseen[0] === undefined || (unseenBytes < AHEAD_BYTES && now - unseen[0].at < AHEAD_MS);
      const parts: Bytes[] = [];
      let wait = Number.POSITIVE_INFINITY;
      const told = begin + waiting.splice(0).join("");
      if (told !== "") parts.push(encoder.encode(told));
      begin = "";
      waitingChars = 0;
      const session = of?.session ?? "";
      if (live !== undefined && live.rev > sentRev && mayDraw()) {
        if (screens.left() > 0) {
          const frame = writer.frame(session, live, sentRev);
          sentRev = live.rev;
          unseen.push({ rev: live.rev, bytes: frame.length, at: now });
          unseenBytes += frame.length;
          screens.spend(Math.max(frame.length - SMALL_BYTES, 0));
          parts.push(frame);
        } else wait = screens.wait();
      }
      if (output !== undefined && mayDraw()) {
        const allowedAt = output.lines === undefined ? toldAt + TOLD_MS : now;
        if (allowedAt <= now) {
          if (output.lines === undefined) toldAt = now;
          parts.push(encoder.encode(writer.event("output", { session, ...output })));
          output = undefined;
        } else wait = Math.min(wait, allowedAt - now);
      }
      if (talk !== undefined)
        parts.push(encoder.encode(writer.event("transcript", { session, ...talk })));
      talk = undefined;
      return { bytes: parts.length > 1 ? Buffer.concat(parts) : parts[0], wait };
    },
  };
}

/** What a stream begins with of the history: where it ends, and the lines that were asked for, unless some were lost there or they are very long. */
function newest({ generation, next, lines }: OutputPage, asked: number): Change {
  const from = lines[0]?.line ?? next;
  const rows = lines.map(({ row }) => row);
  const along = asked > 0 && rows.length === next - from && rows.join("").length < AHEAD_BYTES;
  return along ? { generation, from, next, lines: rows } : { generation, from: next, next };
}
