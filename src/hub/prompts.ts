import { Answer, isOpen, LIMITS, type Prompt, parseJson, Withdrawn } from "../types.ts";
import type { Stores } from "./stores.ts";

/** What is stored of a prompt whose dialog is gone while nothing tells yet what was decided: a later report may say. */
const UNKNOWN = JSON.stringify({ why: "unknown" });

interface Row extends Omit<Prompt, "answer" | "session" | "why"> {
  session_id: string;
  /** JSON text of the answer, or of why there is none. */
  response: string | null;
}

function toPrompt({ session_id, response, id, kind, state, view, created_at }: Row): Prompt {
  const answer = response === null ? undefined : parseJson(Answer, response);
  const why = response === null ? undefined : parseJson(Withdrawn, response)?.why;
  return {
    id,
    session: session_id,
    kind,
    state,
    created_at,
    view,
    ...(answer === undefined ? {} : { answer }),
    ...(why === undefined || answer !== undefined ? {} : { why }),
  };
}

/** What is stored of how a prompt was settled. */
function toResponse({ answer, why }: Prompt): string | null {
  if (answer !== undefined) return JSON.stringify(answer);
  return why === undefined ? null : JSON.stringify({ why });
}

/** A part of the prompts that are open, oldest first; with `more` there are others after the last of them. */
export interface PromptPage {
  prompts: Prompt[];
  more: boolean;
}

/** An open prompt without what it asks. */
interface Waiting {
  id: string;
  session: string;
  created_at: number;
  chars: number;
}

export type Prompts = ReturnType<typeof openPrompts>;

/** Prompts as their runners report them: the runner is the authority, the server keeps what it said. */
export function openPrompts({ disk, memory, of }: Stores, now: () => number = Date.now) {
  const all = [memory, disk];
  const get = (id: string): Prompt | undefined => {
    const rows = all.map((db) =>
      db.query<Row, [string]>("SELECT * FROM prompts WHERE id = ?").get(id),
    );
    const row = rows.find((found) => found !== null);
    return row === undefined || row === null ? undefined : toPrompt(row);
  };
  /** What is open, the oldest first: from an index that has all this, as views are large. */
  const waiting = (): Waiting[] =>
    all
      .flatMap((db) =>
        db
          .query<Waiting, []>(
            "SELECT id, session_id AS session, created_at, length(view) AS chars FROM prompts INDEXED BY prompts_open WHERE state IN ('pending', 'sending') ORDER BY created_at, rowid",
          )
          .all(),
      )
      .sort((a, b) => a.created_at - b.created_at);
  const openOf = (session: string): Prompt[] =>
    of(session)
      .query<Row, [string]>(
        "SELECT * FROM prompts WHERE session_id = ? AND state IN ('pending', 'sending') ORDER BY created_at, rowid",
      )
      .all(session)
      .map(toPrompt);

  /** Whether a session may have one more, and its device. Our own runner keeps to the first; whatever is told of a session reads them all. */
  const hasRoom = ({ session, view }: Prompt): boolean => {
    const device = of(session)
      .query<{ device_id: string }, [string]>("SELECT device_id FROM sessions WHERE id = ?")
      .get(session)?.device_id;
    const room = { own: view.length, owns: 0, all: view.length, alls: 0 };
    for (const db of all) {
      const open = db
        .query<typeof room, [string, string]>(
          `SELECT count(*) AS alls, coalesce(sum(length(p.view)), 0) AS "all", count(*) FILTER (WHERE p.session_id = ?1) AS owns,
             coalesce(sum(length(p.view)) FILTER (WHERE p.session_id = ?1), 0) AS own
           FROM prompts p INDEXED BY prompts_open CROSS JOIN sessions s ON s.id = p.session_id
           WHERE p.state IN ('pending', 'sending') AND s.device_id = ?2`,
        )
        .get(session, device ?? "");
      room.own += open?.own ?? 0;
      room.owns += open?.owns ?? 0;
      room.all += open?.all ?? 0;
      room.alls += open?.alls ?? 0;
    }
    return (
      room.owns < LIMITS.openPrompts &&
      room.own <= LIMITS.viewsChars &&
      room.alls < LIMITS.deviceOpenPrompts &&
      room.all <= LIMITS.deviceViewsChars
    );
  };

  return {
    get,
    /** What one session asks. */
    openOf,
    /** How many wait in all. */
    waiting: () => waiting().length,
    /** Which of a session wait. */
    waitingOf: (session: string) => waiting().filter((prompt) => prompt.session === session),

    /** What is open after one of the prompts, or from the first on: as much as one answer may have. Undefined where nobody knows that prompt. */
    page(after: string | undefined): PromptPage | undefined {
      const last = after === undefined ? undefined : get(after);
      if (after !== undefined && last === undefined) return undefined;
      const list = waiting();
      const at = list.findIndex(({ id }) => id === after);
      const rest =
        at >= 0
          ? list.slice(at + 1)
          : list.filter(({ created_at }) => created_at > (last?.created_at ?? -1)); // it was answered meanwhile
      let room: number = LIMITS.viewsChars;
      const beyond = rest.findIndex(({ chars }) => {
        room -= chars;
        return room < 0;
      });
      const here = beyond < 0 ? rest : rest.slice(0, Math.max(1, beyond));
      return {
        prompts: here.map(({ id }) => get(id)).filter((prompt) => prompt !== undefined),
        more: here.length < rest.length,
      };
    },

    /** Stores what a runner reports; undefined where nothing changed. The view is kept as it first came. */
    report(prompt: Prompt): Prompt | undefined {
      const known = get(prompt.id);
      if (known === undefined) {
        if (isOpen(prompt) && !hasRoom(prompt)) return undefined;
        of(prompt.session)
          .query(
            "INSERT INTO prompts (id, session_id, kind, state, view, response, created_at, answered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          )
          .run(
            prompt.id,
            prompt.session,
            prompt.kind,
            prompt.state,
            prompt.view,
            toResponse(prompt),
            prompt.created_at,
            prompt.answer?.at ?? null,
          );
        return get(prompt.id);
      }
      const response = toResponse(prompt);
      const changed = of(prompt.session)
        .query(
          `UPDATE prompts SET state = ?1, response = ?2, answered_at = coalesce(answered_at, ?3) WHERE id = ?4 AND session_id = ?5
           AND (state IN ('pending', 'sending') OR (state = 'answered' AND ?1 = 'answered' AND json_extract(response, '$.by') = 'viewer')
              OR (state = 'withdrawn' AND response = '${UNKNOWN}' AND ?1 IN ('answered', 'withdrawn'))) AND (state <> ?1 OR response IS NOT ?2)`,
        )
        .run(prompt.state, response, prompt.answer?.at ?? null, prompt.id, prompt.session).changes;
      return changed > 0 ? get(prompt.id) : undefined;
    },

    /** A decision is on its way to the runner. */
    sending(id: string): Prompt | undefined {
      const changed = all.map(
        (db) =>
          db
            .query("UPDATE prompts SET state = 'sending' WHERE id = ? AND state = 'pending'")
            .run(id).changes,
      );
      return changed.some((count) => count > 0) ? get(id) : undefined;
    },

    /** After a reconnect the runner's list is the truth: what it no longer knows was settled meanwhile. */
    reconcile(session: string, listed: readonly Prompt[]): Prompt[] {
      const gone = openOf(session).filter(
        (prompt) => !listed.some((other) => other.id === prompt.id),
      );
      return [
        ...gone.map((prompt) => this.report({ ...prompt, state: "withdrawn" })),
        ...listed.map((prompt) => this.report(prompt)),
      ].filter((prompt) => prompt !== undefined);
    },

    /** The session is over: nobody can answer what is still open. */
    expire(session: string): Prompt[] {
      const ids = openOf(session).map((prompt) => prompt.id);
      of(session)
        .query(
          "UPDATE prompts SET state = 'expired', answered_at = ? WHERE session_id = ? AND state IN ('pending', 'sending')",
        )
        .run(now(), session);
      return ids.map(get).filter((prompt) => prompt !== undefined);
    },
  };
}
