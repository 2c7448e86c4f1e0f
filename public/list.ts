import type { Exit, SessionSummary } from "../src/types.ts";
import { ago, baseName, el, find, type Mark, mark, since } from "./dom.ts";

const ACTIVITY: Record<SessionSummary["activity"], string> = { unknown: "running", idle: "idle at its prompt", busy: "at work", waiting: "waits at the desk" };

/** One line about how a session is. */
export function sessionState(session: SessionSummary): string {
  const { exit, offline_since, ended_at } = session;
  if (session.status === "offline")
    return `not connected ${offline_since === null ? "" : `since ${new Date(offline_since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`}`.trim();
  if (session.status === "ended") {
    return `ended ${ended_at === null ? "" : ago(ended_at)}${exit === null ? "" : exitWords(exit)}`;
  }
  if (session.pending > 0) return session.pending === 1 ? "waits for you" : `${session.pending} questions wait for you`;
  return session.auth_url === null ? ACTIVITY[session.activity] : "wants you to log in";
}

function exitWords({ code, signal, lost }: Exit): string {
  if (lost === true) return ", lost: its claude-remote was killed";
  if (signal === "SIGKILL") return ", killed (SIGKILL)";
  return signal !== undefined ? `, ended by ${signal}` : code === 0 ? "" : `, exit code ${code}`;
}

/** The sign for how a session is. */
export function sessionMark({ status, pending, activity, auth_url }: SessionSummary): Mark {
  if (status !== "running") return status === "offline" ? "away" : "ended";
  return pending > 0 || activity === "waiting" || auth_url !== null ? "you" : activity === "busy" ? "busy" : "free";
}

/** The list of sessions in sections; those in `asked` have a card already, which leads to them. */
export function listView(sessions: readonly SessionSummary[], asked: ReadonlySet<string>): Node[] {
  if (sessions.length === 0) return [find("#lesson", HTMLTemplateElement).content.cloneNode(true)];
  const newest = sessions.filter(({ id }) => !asked.has(id)).sort((a, b) => (b.ended_at ?? b.started_at) - (a.ended_at ?? a.started_at));
  const section = (session: SessionSummary) => (session.status === "ended" ? "Earlier" : sessionMark(session) === "you" ? "Waits at the desk" : "Running");
  return ["Waits at the desk", "Running", "Earlier"].flatMap((name) => {
    const rows = newest.filter((session) => section(session) === name).map(row);
    return rows.length === 0 ? [] : [el("section", { class: "group" }, el("h2", { text: name }), el("ul", {}, ...rows))];
  });
}

function row(session: SessionSummary): HTMLElement {
  const { id, status, cwd, host, title, command, started_at, ended_at } = session;
  const name = baseName(cwd);
  const above = cwd.replace(/\/+$/, "").slice(0, -name.length - 1);
  const link = el(
    "a",
    { attrs: { href: `#/s/${id}` } },
    mark(sessionMark(session)),
    el("strong", { text: name }),
    el("time", { text: status === "ended" ? ago(ended_at ?? started_at) : since(started_at) || "new" }),
    el("span", { class: "parent", text: above }),
    el("span", { class: "command", text: title || command }),
    el("span", { class: "about", text: `${sessionState(session)} · ${host}` }),
  );
  return el("li", { class: "session", attrs: { "data-status": status } }, link);
}
