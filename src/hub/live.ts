import { type Frame, LIMITS } from "../types.ts";

/** The newest screen of a session: each row with the rev that set it, so that any viewer can be brought up to date. */
export interface Live {
  rev: number;
  cols: number;
  cursor: Frame["cursor"];
  title: string;
  full: boolean;
  lines: string[];
  /** The rev that set each row. */
  revs: number[];
}

/** Takes a frame in; the first frame and those after a reconnect hold every row, so unchanged rows keep their rev. */
export function applyFrame(live: Live | undefined, frame: Frame): Live {
  const next: Live = live ?? {
    rev: 0,
    cols: 0,
    cursor: frame.cursor,
    title: "",
    full: false,
    lines: [],
    revs: [],
  };
  // a rev from before would hide the change from viewers who have seen a later one
  next.rev = Math.max(frame.rev, next.rev + 1);
  next.cols = frame.cols;
  next.cursor = frame.cursor;
  next.title = frame.title;
  next.full = frame.full === true;
  next.lines.length = Math.min(next.lines.length, frame.rows);
  next.revs.length = next.lines.length;
  let room = LIMITS.screenChars;
  for (let y = 0; y < frame.rows; y++) {
    const wanted = frame.lines[y] ?? next.lines[y] ?? "";
    room -= wanted.length;
    const payload = room < 0 ? "" : wanted; // a runner of ours sends no more than that
    if (payload === next.lines[y]) continue;
    next.lines[y] = payload;
    next.revs[y] = next.rev;
  }
  return next;
}

/** What a viewer at `rev` lacks; 0 asks for every row. */
export function frameSince(live: Live, rev: number): Frame {
  const lines: Record<string, string> = {};
  live.lines.forEach((payload, y) => {
    if ((live.revs[y] ?? 0) > rev) lines[y] = payload;
  });
  return {
    rev: live.rev,
    cols: live.cols,
    rows: live.lines.length,
    cursor: live.cursor,
    title: live.title,
    ...(live.full ? { full: true } : {}),
    lines,
  };
}
