import type { SessionSummary } from "../src/types.ts";
import { ago, baseName, el } from "./dom.ts";

const ACTIVITY: Record<SessionSummary["activity"], string> = {
  unknown: "running",
  idle: "waits for you to say something",
  busy: "at work",
  waiting: "waits at a question",
};

/** One line about how a session is. */
export function sessionState(session: SessionSummary): string {
  if (session.status === "offline")
    return `machine offline ${session.offline_since === null ? "" : `since ${new Date(session.offline_since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`}`.trim();
  if (session.status === "ended") {
    const { exit } = session;
    const how = exit === null ? "" : exit.signal !== undefined ? `, ended by ${exit.signal}` : exit.code === 0 ? "" : `, exit code ${exit.code}`;
    return `ended ${session.ended_at === null ? "" : ago(session.ended_at)}${how}`;
  }
  return ACTIVITY[session.activity];
}

/** The list of sessions, what waits for somebody first. */
export function listView(sessions: readonly SessionSummary[]): HTMLElement {
  if (sessions.length === 0) {
    return el(
      "section",
      { class: "empty" },
      el("h1", { text: "No sessions yet" }),
      el("p", { text: "On your machine, type claude-remote where you would type claude. The session appears here, and so does every question it asks." }),
      el("pre", { text: "$ claude-remote" }),
    );
  }
  const items = sessions.map((session) =>
    el(
      "li",
      { class: "session", attrs: { "data-status": session.status, "data-pending": String(session.pending) } },
      el(
        "a",
        { attrs: { href: `#/s/${session.id}` } },
        el("strong", { text: baseName(session.cwd) }),
        el("span", { class: "command", text: session.title || session.command }),
        el("span", { class: "about", text: `${session.host} · ${sessionState(session)}` }),
        ...(session.pending > 0 ? [el("span", { class: "badge", text: session.pending === 1 ? "waits for you" : `${session.pending} wait for you` })] : []),
      ),
    ),
  );
  return el("section", {}, el("h1", { class: "quiet", text: "Sessions" }), el("ul", { class: "sessions" }, ...items));
}
