import * as v from "valibot";
import { OutputPage, type Prompt, Prompt as PromptSchema, SessionDetail, SessionSummary, type ViewerEvent } from "../src/types.ts";
import { call, RequestError, send } from "./api.ts";
import { type Card, promptCard } from "./card.ts";
import { ago, baseName, el, find } from "./dom.ts";
import { type Identity, loadIdentity } from "./keys.ts";
import { listView, sessionState } from "./list.ts";
import { pairView, takeCode } from "./pairing.ts";
import { openStream, type StreamState } from "./stream.ts";
import { openTerminal } from "./terminal.ts";

const code = takeCode(); // before anything else

/** What has been drawn is acknowledged at most this often, in ms. */
const SEEN_MS = 250;
/** Times in words are brought up to date this often, in ms. */
const TICK_MS = 15_000;

const view = find("#view", HTMLElement);
const linkState = find(".link", HTMLElement);
const notice = find(".notice", HTMLElement);

/** The page: who we are, what the server told, and what is shown of it. */
const state = {
  sessions: new Map<string, SessionSummary>(),
  prompts: new Map<string, Prompt>(),
  cards: new Map<string, Card>(),
  link: "connecting" as StreamState,
  lostAt: 0,
};

let leave: () => void = () => undefined;

async function start(): Promise<void> {
  const identity = await loadIdentity();
  if (identity === undefined || code !== undefined) return askToPair(undefined);
  route(identity);
}

function askToPair(reason: string | undefined): void {
  leave();
  showLink("not paired", "starting");
  view.replaceChildren(pairView(code, reason, (identity) => route(identity)));
}

/** Shows what the address names, now and whenever it changes or the page comes back into view. */
function route(identity: Identity): void {
  const show = () => {
    leave();
    const session = /^#\/s\/([\w-]+)$/.exec(location.hash)?.[1];
    leave = document.hidden ? () => undefined : session === undefined ? showList(identity) : showSession(identity, session);
  };
  window.addEventListener("hashchange", show);
  // one stream a page, and none while nobody looks
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : show()));
  window.addEventListener("online", show);
  setInterval(tick, TICK_MS);
  show();
}

function pause(): void {
  leave();
  leave = () => undefined;
  onLink("waiting");
}

function showLink(text: string, kind: string): void {
  linkState.textContent = text;
  linkState.dataset.state = kind;
}

function onLink(next: StreamState): void {
  if (next !== "live" && state.link === "live") state.lostAt = Date.now();
  state.link = next;
  tick();
  for (const card of state.cards.values()) card.enable(next === "live");
}

/** The connection, told as it is; what is shown without one says how old it is. */
function tick(): void {
  const stale = state.lostAt === 0 ? "" : ` · shown as of ${ago(state.lostAt)} ago`.replace("just now ago", "just now");
  if (state.link === "live") showLink("live", "live");
  else if (state.link === "refused") showLink("not connected", "refused");
  else showLink(`reconnecting…${stale}`, "waiting");
}

const Sessions = v.object({ sessions: v.array(SessionSummary) });
const Prompts = v.object({ prompts: v.array(PromptSchema) });

/** Keeps sessions and prompts up to date from the stream; true where this event was about them. */
function take(event: ViewerEvent): boolean {
  switch (event.name) {
    case "session_start":
    case "session_status":
    case "session_end":
      state.sessions.set(event.data.id, event.data);
      return true;
    case "prompt":
    case "prompt_response":
      state.prompts.set(event.data.id, event.data);
      return true;
    default:
      return false;
  }
}

/** Puts the open prompts of `wanted` into `place`, oldest first; a card that stands there never moves. */
function placeCards(identity: Identity, place: HTMLElement, wanted: (prompt: Prompt) => boolean): void {
  const open = [...state.prompts.values()].filter((prompt) => wanted(prompt)).sort((a, b) => a.created_at - b.created_at);
  for (const prompt of open) {
    const known = state.cards.get(prompt.id);
    if (known !== undefined) {
      if (known.update(prompt)) armAll();
      continue;
    }
    if (prompt.state !== "pending" && prompt.state !== "sending") continue;
    const session = state.sessions.get(prompt.session);
    const card = promptCard(identity, prompt, session?.title ?? "", () => {
      card.element.remove();
      state.cards.delete(prompt.id);
      state.prompts.delete(prompt.id);
      armAll();
    });
    card.enable(state.link === "live");
    state.cards.set(prompt.id, card);
    place.append(card.element);
  }
}

/** A card that shrinks or goes moves the others: none of them takes the tap that was meant for it. */
function armAll(): void {
  for (const card of state.cards.values()) card.arm();
}

function clearCards(): void {
  state.cards.clear();
  state.prompts.clear();
}

function showList(identity: Identity): () => void {
  clearCards();
  const cards = el("section", { class: "cards", attrs: { "aria-label": "Waits for you" } });
  const list = el("div");
  view.replaceChildren(cards, list);
  view.className = "list";
  document.title = "claude-remote";
  const draw = () => {
    const rank = (s: SessionSummary) => (s.pending > 0 ? 0 : s.status === "running" ? 1 : s.status === "offline" ? 2 : 3);
    const sorted = [...state.sessions.values()].sort((a, b) => rank(a) - rank(b) || b.started_at - a.started_at);
    list.replaceChildren(listView(sorted));
    placeCards(identity, cards, () => true);
  };
  const fetchAll = guarded(async () => {
    const [{ sessions }, { prompts }] = await Promise.all([call(identity, Sessions, "GET", "/api/sessions"), call(identity, Prompts, "GET", "/api/prompts")]);
    state.sessions = new Map(sessions.map((session) => [session.id, session]));
    settleMissing(prompts, () => true);
    draw();
  });
  return openStream(
    identity,
    undefined,
    (event) => {
      if (event.name === "hello") {
        showInsecure(event.data.insecure);
        fetchAll();
      } else if (event.name === "reset") fetchAll();
      else if (take(event)) draw();
    },
    streamState,
  );
}

function showSession(identity: Identity, id: string): () => void {
  clearCards();
  const fetchLines = (before: number, limit: number) =>
    call(identity, OutputPage, "GET", `/api/sessions/${id}/output?limit=${limit}${before === Number.MAX_SAFE_INTEGER ? "" : `&before=${before}`}`);
  const terminal = openTerminal(fetchLines);
  const title = el("h1");
  const about = el("p", { class: "about" });
  const cards = el("section", { class: "cards", attrs: { "aria-label": "Waits for you" } });
  view.replaceChildren(el("div", { class: "head" }, el("a", { class: "back", text: "‹ Sessions", attrs: { href: "#/" } }), title, about), terminal.element, cards);
  view.className = "one";
  let stream = "";
  let seenRev = 0;
  let ackedRev = 0;
  let ack: ReturnType<typeof setTimeout> | undefined;

  const draw = () => {
    const session = state.sessions.get(id);
    if (session !== undefined) {
      title.textContent = baseName(session.cwd);
      document.title = `${session.pending > 0 ? "● " : ""}${baseName(session.cwd)} – claude-remote`;
      const hooks = session.hooks === "off" ? " · hooks are off: questions can't be answered here" : "";
      about.textContent = `${session.host} · ${sessionState(session)}${hooks}`;
      about.dataset.status = session.status;
    }
    placeCards(identity, cards, (prompt) => prompt.session === id);
    const live = state.link === "live" && session?.status === "running";
    for (const card of state.cards.values()) card.enable(live);
    terminal.element.dataset.stale = String(!live);
  };
  const fetchAll = guarded(async () => {
    const detail = await call(identity, SessionDetail, "GET", `/api/sessions/${id}`);
    state.sessions.set(id, detail.session);
    settleMissing(detail.prompts, (prompt) => prompt.session === id);
    if (detail.screen !== null && detail.screen.rev > seenRev) terminal.draw(detail.screen);
    await terminal.reload();
    draw();
  });
  /** Tells the server what has been drawn, so that it sends what comes next. */
  const acknowledge = () => {
    ack = undefined;
    if (seenRev === ackedRev) return;
    ackedRev = seenRev;
    send(identity, "POST", `/api/sessions/${id}/seen`, JSON.stringify({ rev: seenRev, stream })).catch((error: unknown) => {
      if (!(error instanceof RequestError)) throw error; // the stream tells about the connection
    });
  };

  const close = openStream(
    identity,
    id,
    (event) => {
      switch (event.name) {
        case "hello":
          stream = event.data.stream;
          showInsecure(event.data.insecure);
          fetchAll();
          return;
        case "reset":
          fetchAll();
          return;
        case "screen":
          if (event.data.session !== id) return;
          terminal.draw(event.data);
          seenRev = event.data.rev;
          ack ??= setTimeout(acknowledge, SEEN_MS);
          return;
        case "output":
          if (event.data.session === id) terminal.output(event.data);
          return;
        default:
          if (take(event)) draw();
      }
    },
    (next, reason) => {
      streamState(next, reason);
      draw();
    },
  );
  return () => {
    clearTimeout(ack);
    close();
  };
}

/** What the server no longer lists was settled while we were away. */
function settleMissing(listed: readonly Prompt[], mine: (prompt: Prompt) => boolean): void {
  for (const prompt of state.prompts.values()) {
    const open = prompt.state === "pending" || prompt.state === "sending";
    if (open && mine(prompt) && !listed.some((other) => other.id === prompt.id)) state.prompts.set(prompt.id, { ...prompt, state: "withdrawn" });
  }
  for (const prompt of listed) state.prompts.set(prompt.id, prompt);
}

function streamState(next: StreamState, reason?: string): void {
  onLink(next);
  if (next === "refused") askToPair(reason);
  if (next === "missing") location.hash = "#/";
}

function showInsecure(insecure: boolean): void {
  notice.hidden = !insecure || isSecureContext;
  notice.textContent = "Plain HTTP: anybody on this network could replace this page. Prefer HTTPS.";
}

/** Runs a fetch that may fail for want of a connection, which the stream then tells about. */
function guarded(fetchIt: () => Promise<void>): () => void {
  return () => {
    fetchIt().catch((error: unknown) => {
      if (!(error instanceof RequestError)) throw error;
    });
  };
}

void start();
