import { type Frame, LIMITS } from "../types.ts";

/** What a frame says of the whole screen. */
type About = Omit<Frame, "rev" | "rows" | "lines">;

/**
 * The newest screen of a session: each row with the rev that set it, so that any viewer can be
 * brought up to date.
 */
export interface Live extends About {
  rev: number;
  lines: string[];
  /** The rev that set each row. */
  revs: number[];
}

/**
 * Takes a frame in. The first frame and those after a reconnect hold every row, so unchanged rows
 * keep their rev.
 */
export function applyFrame(live: Live | undefined, frame: Frame): Live {
  const { rev: sent, rows, lines: changed, ...about } = frame;
  const lines = live?.lines ?? [];
  const revs = live?.revs ?? [];
  // a rev from before would hide the change from viewers who have seen a later one
  const rev = Math.max(sent, (live?.rev ?? 0) + 1);
  lines.length = Math.min(lines.length, rows);
  revs.length = lines.length;
  let room = LIMITS.screenChars;
  for (let y = 0; y < rows; y++) {
    const wanted = changed[y] ?? lines[y] ?? "";
    room -= wanted.length;
    const payload = room < 0 ? "" : wanted; // a runner of ours sends no more than that
    if (payload === lines[y]) continue;
    lines[y] = payload;
    revs[y] = rev;
  }
  return { ...about, rev, lines, revs };
}

/** What a viewer at `since` lacks; 0 asks for every row. */
export function frameSince(live: Live, since: number): Frame {
  const { lines: rows, revs, ...about } = live;
  const lines: Record<string, string> = {};
  rows.forEach((payload, y) => {
    if ((revs[y] ?? 0) > since) lines[y] = payload;
  });
  return { ...about, rows: rows.length, lines };
}
