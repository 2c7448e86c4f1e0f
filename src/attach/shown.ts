import type { TerminalColours } from "../runner/colours.ts";
import type { Exit, Frame, SessionSummary } from "../types.ts";
import { visibleName } from "../visible-text.ts";
import { hasChosenColour, paintFor } from "./paint.ts";
import { drawnRow, harmless } from "./rows.ts";

/** So many rows below the cursor and above it are seen too, where there is room. */
const MARGIN_ROWS = 3;

/** The screen of the session, as far as it has come. */
export function openShown() {
  let frame: Omit<Frame, "lines"> | undefined;
  let payloads: string[] = [];
  let top = 0;
  let left = 0;
  let followed = "";
  let isColoured = false;

  return {
    /** Whether how it is painted depends on this terminal's colours. */
    get isColoured() {
      return isColoured;
    },
    get frame() {
      return frame;
    },
    take({ lines, ...about }: Frame): void {
      frame = about;
      isColoured ||= about.ground !== undefined || Object.values(lines).some(hasChosenColour);
      payloads = Array.from({ length: about.rows }, (_, y) => lines[y] ?? payloads[y] ?? "");
    },
    /** Moves what is in sight by so much, until the cursor moves on. */
    pan(dx: number, dy: number): void {
      left += dx;
      top += dy;
    },
    /** What is in sight of it with so much room on a terminal of these colours: the part around the cursor where it is larger. */
    part(
      width: number,
      height: number,
      terminal: TerminalColours = {},
    ): { lines: string[]; cursor: { x: number; y: number } | undefined } {
      if (frame === undefined) return { lines: Array<string>(height).fill(""), cursor: undefined };
      const { cols, rows, cursor } = frame;
      const place = `${cursor.x} ${cursor.y} ${cols} ${rows} ${width} ${height}`;
      if (place !== followed) {
        const margin = Math.min(MARGIN_ROWS, (height - 1) >> 1);
        const end = cursor.y + margin + 1; // the first that need not be seen below it
        top = end <= height ? 0 : Math.max(end - height, Math.min(top, cursor.y - margin));
        left = cursor.x < width ? 0 : Math.max(cursor.x - width + 1, Math.min(left, cursor.x));
      }
      followed = place;
      top = Math.max(0, Math.min(top, rows - height));
      left = Math.max(0, Math.min(left, cols - width));
      const x = cursor.x - left;
      const y = cursor.y - top;
      const paint = paintFor(frame, terminal);
      const seen = cursor.visible && x >= 0 && x < width && y >= 0 && y < height;
      return {
        lines: Array.from({ length: height }, (_, row) =>
          top + row < rows ? drawnRow(payloads[top + row] ?? "", left, width, paint, cols) : "",
        ),
        cursor: seen ? { x, y } : undefined,
      };
    },
  };
}

/** A time of day, or of another day. */
const clock = (at: number) =>
  new Date(at).toLocaleString([], {
    ...(Date.now() - at < 86_400_000 ? {} : { dateStyle: "short" }),
    timeStyle: "short",
  });

/** How a session is, in words; `lostAt`: since when nothing is heard of it. */
export function stateWords(
  { status, offline_since, exit }: SessionSummary,
  lostAt?: number,
): string {
  if (status === "ended") return `ended${exit === null ? "" : `: ${exitWords(exit)}`}`;
  if (lostAt !== undefined) return `stale since ${clock(lostAt)}`;
  return status === "offline" ? `offline since ${clock(offline_since ?? Date.now())}` : "live";
}

/** Why a program is over. */
export function exitWords({ code, signal, lost }: Exit): string {
  if (lost === true) return "lost, as its claude-remote was killed";
  return signal === "SIGKILL"
    ? "killed (SIGKILL)"
    : signal !== undefined
      ? `ended by ${signal}`
      : `exit code ${code}`;
}

/** One line in reverse video: at the left what it is and how it fares, in as many words as there is room for, at the right what is to be done. */
export function statusLine(whats: readonly string[], right: string, cols: number): string {
  const end = ` ${harmless(right)} `;
  const starts = whats.map((what) => ` ${harmless(what)}`);
  const start = clipped(
    starts.find((what) => Bun.stringWidth(what + end) <= cols) ?? starts.at(-1) ?? "",
    cols,
  );
  const rest = clipped(end, cols - Bun.stringWidth(start));
  return `\x1b[7m${start}${" ".repeat(Math.max(0, cols - Bun.stringWidth(start + rest)))}${rest}\x1b[27m`;
}

/** As much of a text as there are columns for. */
export function clipped(text: string, cols: number): string {
  let part = "";
  for (const char of text) {
    if (Bun.stringWidth(part + char) > cols) break;
    part += char;
  }
  return part;
}

/** The last part of a folder's path. */
export const folderOf = ({ cwd }: SessionSummary) =>
  visibleName(cwd.replace(/\/+$/, "").split("/").at(-1) || "/");
