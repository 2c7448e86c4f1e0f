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
  const open = (session?: string): Prompt[] =>
    all.flatMap((db) =>
      db
        .query<Row, [string | null]>(
          "SELECT * FROM prompts WHERE state IN ('pending', 'sending') AND session_id = coalesce(?, session_id) ORDER BY created_at, rowid",
        )
        .all(session ?? null)
        .map(toPrompt),
    );

  /** Whether a session may have one more: our own runner keeps to this, and whatever is told of a session reads them all. */
  const hasRoom = ({ session, view }: Prompt): boolean => {
    const there = of(session)
      .query<{ count: number; chars: number }, [string]>(
        "SELECT count(*) AS count, coalesce(sum(length(view)), 0) AS chars FROM prompts WHERE session_id = ? AND state IN ('pending', 'sending')",
      )
      .get(session);
    return (
      (there?.count ?? 0) < LIMITS.openPrompts &&
      (there?.chars ?? 0) + view.length <= LIMITS.viewsChars
    );
  };

  return {
    get,
    open,

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
           AND (state IN ('pending', 'sending') OR (state = 'answered' AND ?1 = 'answered')
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
      const gone = open(session).filter(
        (prompt) => !listed.some((other) => other.id === prompt.id),
      );
      return [
        ...gone.map((prompt) => this.report({ ...prompt, state: "withdrawn" })),
        ...listed.map((prompt) => this.report(prompt)),
      ].filter((prompt) => prompt !== undefined);
    },

    /** The session is over: nobody can answer what is still open. */
    expire(session: string): Prompt[] {
      const ids = open(session).map((prompt) => prompt.id);
      of(session)
        .query(
          "UPDATE prompts SET state = 'expired', answered_at = ? WHERE session_id = ? AND state IN ('pending', 'sending')",
        )
        .run(now(), session);
      return ids.map(get).filter((prompt) => prompt !== undefined);
    },
  };
}
