import {
  type Exit,
  Exit as ExitSchema,
  Frame,
  type HistoryOp,
  LIMITS,
  type OutputPage,
  parseJson,
  type SessionInfo,
  type SessionStatus,
  type SessionSummary,
  StartArgs,
} from "../types.ts";
import { applyFrame, frameSince, type Live } from "./live.ts";
import { dropDocs } from "./search.ts";
import type { Stores } from "./stores.ts";

/** So many lines at least are kept of a session that is in memory alone, and so many more before the oldest go: a program that prints for ever must not take all of it. */
const MEMORY_LINES = 50_000;
const MORE_LINES = 5000;
/** The newest screen of a running session is stored at most this often, in ms, for the time after a crash. */
const STORE_SCREEN_MS = 5000;

type Row = Omit<
  SessionSummary,
  "exit" | "pending" | "auth_url" | "desk" | "unlogged" | "sandbox" | "args" | "runner"
> & {
  desk: number;
  sandbox: number;
  args: string | null;
  device_id: string;
  exit: string | null;
  screen: string | null;
  output_seq: number;
  generation: number;
  next_line: number;
  pending: number;
};

/** A session as a list has it, and which of its device's sessions it is. */
type ListedRow = Omit<Row, "screen" | "output_seq" | "generation" | "next_line"> & {
  place: number;
};
/** What a list says of a session: its screen can be large, and is no part of that. */
const LISTED =
  "s.id, s.device_id, s.host, s.cwd, s.command, s.status, s.hooks, s.activity, s.title, s.started_at, s.ended_at, s.exit, s.offline_since, s.desk, s.sandbox, s.args";
const PENDING =
  "(SELECT count(*) FROM prompts p WHERE p.session_id = s.id AND p.state IN ('pending', 'sending')) AS pending";
const SUMMARY = `SELECT s.*, ${PENDING} FROM sessions s`;

export type Sessions = ReturnType<typeof openSessions>;

/** Sessions, their live screens and their stored history. */
export function openSessions(stores: Stores, now: () => number = Date.now) {
  const lives = new Map<string, { live: Live; storedAt: number }>();
  const { disk, memory, of } = stores;
  const all = [disk, memory];
  const one = {
    get: (id: string) => of(id).query<Row, [string]>(`${SUMMARY} WHERE s.id = ?`).get(id),
  };
  const logins = new Map<string, string>(); // never stored: it is of use only while it is on the screen

  const moved = new Map<string, string>(); // sessions whose conversation is in the background, and its name there; told again by whoever comes back
  const refusals = new Map<string, string[]>(); // what running sandboxes were refused; told again likewise

  // whoever was running when the server went down is away until it comes back
  disk
    .query("UPDATE sessions SET status = 'offline', offline_since = ? WHERE status = 'running'")
    .run(now());

  const summary = (row: Omit<ListedRow, "place">): SessionSummary => {
    const {
      id,
      host,
      cwd,
      command,
      started_at,
      hooks,
      activity,
      status,
      pending,
      title,
      ended_at,
      offline_since,
    } = row;
    const background = moved.get(id);
    const refused = refusals.get(id);
    const exit = row.exit === null ? null : (parseJson(ExitSchema, row.exit) ?? null);
    return {
      id,
      host,
      cwd,
      command,
      started_at,
      hooks,
      activity,
      status,
      pending,
      title,
      ended_at,
      exit,
      offline_since,
      auth_url: logins.get(id) ?? null,
      ...(background === undefined ? {} : { background }),
      ...(refused === undefined ? {} : { refused }),
      desk: row.desk === 1,
      unlogged: of(id) === memory,
      sandbox: row.sandbox === 1,
      runner: row.device_id,
      ...(row.args === null ? {} : { args: parseJson(StartArgs, row.args) }),
    };
  };

  const storeScreen = (id: string, live: Live) => {
    of(id)
      .query("UPDATE sessions SET screen = ?, title = coalesce(nullif(?, ''), title) WHERE id = ?") // claude takes its title back as it exits
      .run(JSON.stringify(frameSince(live, 0)), live.title, id);
  };

  /** Lets the oldest lines of what is in memory alone go. */
  const shorten = (id: string, generation: number, next: number) => {
    const oldest = memory
      .query<{ line: number }, [string, number]>(
        "SELECT min(line) AS line FROM output_log WHERE session_id = ? AND generation = ?",
      )
      .get(id, generation);
    if (next - (oldest?.line ?? next) < MEMORY_LINES + MORE_LINES) return;
    memory
      .query("DELETE FROM output_log WHERE session_id = ? AND generation = ? AND line < ?")
      .run(id, generation, next - MEMORY_LINES);
    dropDocs(memory, id, "history", 0, next - MEMORY_LINES);
  };

  const append = (id: string, seq: number, op: HistoryOp) => {
    const db = of(id);
    switch (op.op) {
      case "append": {
        // all lines by one statement: a call for each takes twice the time
        db.query(
          "INSERT OR REPLACE INTO output_log (session_id, generation, line, row) SELECT ?, ?, ? + key, value FROM json_each(?)",
        ).run(
          id,
          op.generation,
          op.from,
          JSON.stringify(op.lines.map((row) => row.toWellFormed())), // as SQLite would have it, half a pair of surrogates is no text
        );
        db.query(
          "UPDATE sessions SET output_seq = ?, generation = ?, next_line = ? WHERE id = ?",
        ).run(seq, op.generation, op.from + op.lines.length, id);
        if (db === memory) shorten(id, op.generation, op.from + op.lines.length);
        return;
      }
      case "truncate":
        db.query(
          "DELETE FROM output_log WHERE session_id = ? AND generation = ? AND line >= ?",
        ).run(id, op.generation, op.to);
        db.query("UPDATE sessions SET output_seq = ?, next_line = ? WHERE id = ?").run(
          seq,
          op.to,
          id,
        );
        // the row before may have gone on in what is taken back
        db.query("UPDATE search_places SET line = min(line, ?) WHERE session_id = ?").run(
          Math.max(0, op.to - 1),
          id,
        );
        return;
      case "generation":
        db.query(
          "UPDATE sessions SET output_seq = ?, generation = ?, next_line = 0 WHERE id = ?",
        ).run(seq, op.generation, id);
        if (db === memory)
          memory
            .query("DELETE FROM output_log WHERE session_id = ? AND generation < ?")
            .run(id, op.generation);
    }
  };

  return {
    /**
     * Begins or resumes a session of `device` whose oldest operation still at hand is `first`: what a restored backup lacks
     * before that is a gap. Undefined where the id belongs to another device or the session has ended.
     */
    begin(
      device: string,
      info: SessionInfo,
      first: number,
    ): { outputSeq: number; isNew: boolean } | undefined {
      const row = one.get(info.id);
      if (row !== null && (row.device_id !== device || row.status === "ended")) return undefined;
      this.moved(info.id, info.background);
      this.refused(info.id, info.refused);
      if (row === null) {
        const db = info.unlogged ? memory : disk;
        db.query(`INSERT INTO sessions (id, device_id, host, cwd, command, status, hooks, activity, started_at, desk, sandbox, args)
           VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?)`).run(
          info.id,
          device,
          info.host,
          info.cwd,
          info.command,
          info.hooks,
          info.activity,
          info.started_at,
          info.desk ? 1 : 0,
          info.sandbox ? 1 : 0,
          info.args === undefined ? null : JSON.stringify(info.args),
        );
        return { outputSeq: this.skipTo(info.id, first), isNew: true };
      }
      of(info.id)
        .query(
          "UPDATE sessions SET status = 'running', offline_since = NULL, over_since = NULL, hooks = ?, activity = ? WHERE id = ?",
        )
        .run(info.hooks, info.activity, info.id);
      return { outputSeq: this.skipTo(info.id, first), isNew: false };
    },

    skipTo(id: string, first: number): number {
      of(id)
        .query("UPDATE sessions SET output_seq = ? WHERE id = ? AND output_seq < ?")
        .run(first - 1, id, first - 1);
      return this.outputSeq(id);
    },

    status(id: string, status: SessionStatus): void {
      this.moved(id, status.background);
      this.refused(id, status.refused);
      of(id)
        .query("UPDATE sessions SET hooks = ?, activity = ? WHERE id = ?")
        .run(status.hooks, status.activity, id);
    },

    /** The conversation of a session went to the background, or is back. */
    moved(id: string, background: string | undefined): void {
      if (background === undefined) moved.delete(id);
      else moved.set(id, background);
    },

    /** What a running session's sandbox was refused so far; in the end its exit says that. */
    refused(id: string, places: string[] | undefined): void {
      if (places === undefined) refusals.delete(id);
      else refusals.set(id, places);
    },

    /** The screen of a session names a login page, or no longer. */
    login(id: string, url: string | null): void {
      if (url === null) logins.delete(id);
      else logins.set(id, url);
    },

    /** Takes a frame in and answers the live screen that viewers read from; `mayStore`: there is room for it on the disk. */
    frame(id: string, frame: Frame, mayStore = true): Live {
      const known = lives.get(id);
      const titled = known?.live.title !== frame.title;
      const live = applyFrame(known?.live ?? this.live(id), frame);
      const entry = { live, storedAt: known?.storedAt ?? Number.NEGATIVE_INFINITY };
      lives.set(id, entry);
      const at = performance.now();
      if (mayStore && (titled || at - entry.storedAt >= STORE_SCREEN_MS)) {
        entry.storedAt = at;
        storeScreen(id, live);
      }
      return live;
    },

    /** The live screen; for a session without a runner the last one that was stored. */
    live(id: string): Live | undefined {
      const known = lives.get(id);
      if (known !== undefined) return known.live;
      const stored = parseJson(Frame, one.get(id)?.screen ?? "");
      return stored === undefined ? undefined : applyFrame(undefined, stored);
    },

    /** The newest screen, whole. */
    screen(id: string): Frame | undefined {
      const live = this.live(id);
      return live === undefined ? undefined : frameSince(live, 0);
    },

    /** Stores a history operation if it is the next one; the answer is the last operation that is stored. */
    output(id: string, seq: number, op: HistoryOp): number {
      const stored = this.outputSeq(id);
      if (seq !== stored + 1) return stored; // sent twice, or one before it could not be stored
      of(id).transaction(append)(id, seq, op);
      return seq;
    },

    /** The last history operation that is stored. */
    outputSeq: (id: string) =>
      of(id)
        .query<{ output_seq: number }, [string]>("SELECT output_seq FROM sessions WHERE id = ?")
        .get(id)?.output_seq ?? 0,

    end(id: string, exit: Exit, endedAt: number): void {
      const known = lives.get(id);
      if (known !== undefined) storeScreen(id, known.live);
      lives.delete(id);
      logins.delete(id);
      moved.delete(id);
      refusals.delete(id);
      of(id)
        .query(
          "UPDATE sessions SET status = 'ended', exit = ?, ended_at = ?, offline_since = NULL WHERE id = ? AND status <> 'ended'",
        )
        .run(JSON.stringify(exit), endedAt, id);
    },

    /** The runner is gone without a word. */
    offline(id: string): void {
      const known = lives.get(id);
      if (known !== undefined) storeScreen(id, known.live);
      lives.delete(id); // it may never come back
      logins.delete(id);
      moved.delete(id);
      refusals.delete(id);
      of(id)
        .query(
          "UPDATE sessions SET status = 'offline', offline_since = ? WHERE id = ? AND status = 'running'",
        )
        .run(now(), id);
    },

    get(id: string): SessionSummary | undefined {
      const row = one.get(id);
      return row === null ? undefined : summary(row);
    },

    /**
     * Sessions after the first `skip`, a page of them: newest first, but what waits for somebody before all else, then what
     * runs. Each device has its share of a page, so that none fills it alone where others have any.
     */
    list(skip = 0): { sessions: SessionSummary[]; more: boolean } {
      const order =
        "pending > 0 DESC, status = 'running' DESC, status = 'offline' DESC, started_at DESC, id DESC";
      const end = skip + LIMITS.listedSessions;
      const found = all.flatMap((db) =>
        db
          .query<ListedRow, [number]>(
            `SELECT *, row_number() OVER (PARTITION BY device_id ORDER BY ${order}) AS place
             FROM (SELECT ${LISTED}, ${PENDING} FROM sessions s) ORDER BY place, ${order} LIMIT ?`,
          )
          .all(end + 1),
      );
      const shown = found.sort((a, b) => a.place - b.place || rank(a, b)).slice(skip, end);
      return { sessions: shown.sort(rank).map(summary), more: found.length > end };
    },

    history(id: string): { generation: number; next: number } {
      const row = one.get(id);
      return { generation: row?.generation ?? 0, next: row?.next_line ?? 0 };
    },

    /** The `limit` lines before number `before` of the newest generation, oldest first. */
    lines(id: string, before: number, limit: number): OutputPage {
      const { generation, next } = this.history(id);
      const lines = of(id)
        .query<{ line: number; row: string }, [string, number, number, number]>(
          "SELECT line, row FROM output_log WHERE session_id = ? AND generation = ? AND line < ? ORDER BY line DESC LIMIT ?",
        )
        .all(id, generation, Math.min(before, next), limit);
      return { generation, next, lines: lines.reverse() };
    },

    /** The `limit` lines from number `from` on of the newest generation, oldest first. */
    linesFrom(id: string, from: number, limit: number): OutputPage {
      const { generation, next } = this.history(id);
      const lines = of(id)
        .query<{ line: number; row: string }, [string, number, number, number, number]>(
          "SELECT line, row FROM output_log WHERE session_id = ? AND generation = ? AND line >= ? AND line < ? ORDER BY line LIMIT ?",
        )
        .all(id, generation, from, next, limit);
      return { generation, next, lines };
    },
  };
}

/** What waits for somebody first, then what runs, then what is away; the newest of each first. */
function rank(a: ListedRow, b: ListedRow): number {
  const key = ({ pending, status, started_at, id }: ListedRow) =>
    [pending > 0, status === "running", status === "offline", started_at, id] as const;
  const [mine, others] = [key(a), key(b)];
  for (const [i, value] of mine.entries()) {
    const other = others[i] ?? value;
    if (value !== other) return value > other ? -1 : 1;
  }
  return 0;
}
