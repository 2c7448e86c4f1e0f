import type { Exit, RunnerInfo, SessionSummary } from "../src/types.ts";
import { ago, baseName, el, find, type Mark, mark, sandboxTag, since } from "./dom.ts";
import { isolated } from "./fault.ts";
import { awayWords, isAway } from "./runners.ts";
import { visibleName, visiblePath } from "./visible.ts";

const ACTIVITY: Record<SessionSummary["activity"], string> = {
  unknown: "running",
  idle: "idle at its prompt",
  busy: "at work",
  waiting: "waits at the desk",
};

/** One line about how a session is. */
export function sessionState(
  session: SessionSummary,
  ended = session.ended_at === null ? "" : ` ${ago(session.ended_at)}`,
): string {
  const { exit, offline_since } = session;
  if (session.status === "offline")
    return offline_since === null ? "not connected" : awayWords({ since: offline_since });
  if (session.status === "ended") {
    const how = exit === null ? "" : exitWords(exit);
    return `ended${ended}${how === "" ? "" : `, ${how}`}`;
  }
  if (session.pending > 0)
    return session.pending === 1 ? "waits for you" : `${session.pending} questions wait for you`;
  return session.auth_url === null ? ACTIVITY[session.activity] : "wants you to log in";
}

/** How a session ended, in words; empty where all was well. */
export function exitWords({ code, signal, lost, background }: Exit): string {
  if (background !== undefined) return `it goes on in the background (claude attach ${background})`;
  if (lost === true) return "lost: its claude-remote was killed";
  if (signal === "SIGKILL") return "killed (SIGKILL)";
  return signal !== undefined ? `ended by ${signal}` : code === 0 ? "" : `exit code ${code}`;
}

/** The sign for how a session is. */
export function sessionMark({ status, pending, activity, auth_url }: SessionSummary): Mark {
  if (status !== "running") return status === "offline" ? "away" : "ended";
  return pending > 0 || activity === "waiting" || auth_url !== null
    ? "you"
    : activity === "busy"
      ? "busy"
      : "free";
}

/** How a session is and where it runs, and what is special about that. */
export function sessionAbout(
  session: SessionSummary,
  state = sessionState(session),
): (Node | string)[] {
  const { sandbox, host, unlogged, refused = [] } = session;
  return [
    ...(sandbox ? [sandboxTag()] : []),
    ...(state === "" ? [] : [`${state} · `]),
    el("bdi", {}, ...visibleName(host)),
    ...(unlogged ? [" · not logged"] : []),
    ...(refused.length === 0 ? [] : [` · asked for ${refused.join(", ")}`]),
  ];
}

/** What a session calls itself, to stand behind other words: without the sign before it, which moves while Claude is at work. */
export function titleOf(title: string): (Node | string)[] {
  const plain = title.replace(/^[^\p{L}\p{N}]+\s+/u, "");
  return plain === "" ? [] : [" · ", el("bdi", {}, ...visibleName(plain))];
}

/** The list of sessions in sections; those in `asked` have a card already, which leads to them. What a daemon that is away had running stands below that. */
export function listView(
  sessions: readonly SessionSummary[],
  asked: ReadonlySet<string>,
  runners: readonly RunnerInfo[] = [],
): Node[] {
  const away = runners.filter(isAway);
  if (sessions.length === 0) {
    const lesson = document.importNode(find("#lesson", HTMLTemplateElement).content, true);
    if (runners.length > 0) lesson.querySelector(".daemon")?.remove();
    return [lesson, ...away.map((runner) => awayView(runner, []))];
  }
  const gone = (session: SessionSummary) =>
    session.status === "offline" && !asked.has(session.id)
      ? away.find(({ id }) => id === session.runner)
      : undefined;
  const newest = sessions
    .filter(({ id }) => !asked.has(id))
    .sort((a, b) => (b.ended_at ?? b.started_at) - (a.ended_at ?? a.started_at));
  const section = (session: SessionSummary) =>
    gone(session) !== undefined
      ? ""
      : session.status === "ended"
        ? "Earlier"
        : sessionMark(session) === "you"
          ? "Waits at the desk"
          : "Running";
  const named = (name: string) => {
    const rows = newest
      .filter((session) => section(session) === name)
      .map((session) => row(session));
    return rows.length === 0
      ? []
      : [el("section", { class: "group" }, el("h2", { text: name }), el("ul", {}, ...rows))];
  };
  const awayOnes = away.map((runner) =>
    awayView(
      runner,
      newest.filter((session) => gone(session) === runner),
    ),
  );
  return [...named("Waits at the desk"), ...named("Running"), ...awayOnes, ...named("Earlier")];
}

/** A daemon that is away is told once, with the sessions that nothing is heard of. */
function awayView(runner: RunnerInfo, sessions: SessionSummary[]): HTMLElement {
  const words =
    sessions.length === 0
      ? "Nothing can be started there meanwhile."
      : "What ran there is shown as it was; nothing can be started there meanwhile.";
  const heading = el(
    "h2",
    {},
    "The runner on ",
    el("bdi", {}, ...visibleName(runner.name)),
    ` is ${awayWords(runner)}`,
  );
  return el(
    "section",
    { class: "group" },
    heading,
    el("p", { class: "about", text: words }),
    el("ul", {}, ...sessions.map((session) => row(session, ""))),
  );
}

/** A session's row; where it can't be drawn, at least a way into the session. */
function row(session: SessionSummary, state?: string): HTMLElement {
  const { id } = session;
  const plain = el("li", { class: "session" }, el("a", { text: id, attrs: { href: `#/s/${id}` } }));
  return isolated(() => wholeRow(session, state), plain);
}

function wholeRow(session: SessionSummary, state = sessionState(session, "")): HTMLElement {
  const { id, status, cwd, title, command, started_at, ended_at } = session;
  const name = baseName(cwd);
  const above = cwd.replace(/\/+$/, "").slice(0, -name.length - 1);
  const link = el(
    "a",
    { attrs: { href: `#/s/${id}` } },
    mark(sessionMark(session)),
    el("strong", {}, ...visibleName(name)),
    el("time", {
      text: status === "ended" ? ago(ended_at ?? started_at) : since(started_at) || "new",
    }),
    el("span", { class: "parent" }, ...visiblePath(above)),
    el("span", { class: "command" }, ...visibleName(title || command)),
    el("span", { class: "about" }, ...sessionAbout(session, state)),
  );
  return el("li", { class: "session", attrs: { "data-status": status } }, link);
}
