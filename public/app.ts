import * as v from "valibot";
import { OutputPage, Prompt, SessionDetail, SessionSummary, type ViewerEvent } from "../src/types.ts";
import { call, RequestError, send } from "./api.ts";
import { isLive, setInsecure, setLink, showLink, showPlace } from "./bar.ts";
import { openComposer } from "./composer.ts";
import { type Deck, openDeck } from "./deck.ts";
import { baseName, el, find, mark, setMark } from "./dom.ts";
import { openFit } from "./fit.ts";
import { type Identity, loadIdentity } from "./keys.ts";
import { listView, sessionMark, sessionState } from "./list.ts";
import { pairView, takeCode } from "./pairing.ts";
import { openStream, type StreamState } from "./stream.ts";
import { openTerminal } from "./terminal.ts";

const code = takeCode(); // before anything else

/** What has been drawn is acknowledged at most this often, in ms. */
const SEEN_MS = 250;
/** Times in words are brought up to date this often, in ms. */
const TICK_MS = 15_000;

const view = find("#view", HTMLElement);

/** The page: what the server told, and what is shown of it. */
const state = {
  sessions: new Map<string, SessionSummary>(),
  deck: undefined as Deck | undefined,
  /** Something to be said once, atop the list. */
  word: "",
};

let routed = false;
let leave: () => void = () => undefined;
let draw: () => void = () => undefined;

async function start(): Promise<void> {
  const identity = await loadIdentity();
  if (identity === undefined || code !== undefined) return askToPair(undefined);
  route(identity);
}

function askToPair(reason: string | undefined): void {
  leave();
  leave = draw = () => undefined;
  setLink("refused");
  showPlace("", false, true);
  view.className = "";
  view.replaceChildren(pairView(code, reason, (identity) => (routed ? location.reload() : route(identity))));
}

/** Shows what the address names, now and whenever it changes or the page comes back into view. */
function route(identity: Identity): void {
  routed = true;
  const show = () => {
    leave();
    const session = /^#\/s\/([\w-]+)$/.exec(location.hash)?.[1];
    leave = document.hidden ? () => undefined : session === undefined ? showList(identity) : showSession(identity, session);
  };
  window.addEventListener("hashchange", show);
  // one stream a page, and none while nobody looks
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : show()));
  window.addEventListener("online", show);
  setInterval(() => {
    showLink();
    draw();
  }, TICK_MS);
  show();
}

function pause(): void {
  leave();
  leave = draw = () => undefined;
  setLink("waiting");
  state.deck?.enable();
}

const Sessions = v.object({ sessions: v.array(SessionSummary) });
const Prompts = v.object({ prompts: v.array(Prompt) });

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
      state.deck?.take(event.data);
      return true;
    default:
      return false;
  }
}

/** Whether something waits for a person in any session but `here`. */
function waitsElsewhere(here = ""): boolean {
  return [...state.sessions.values()].some((session) => session.id !== here && sessionMark(session) === "you");
}

function showList(identity: Identity): () => void {
  const heading = el("h2");
  const cards = el("section", { class: "cards", attrs: { "aria-label": "Waits for you" } }, heading);
  const list = el("div", { class: "groups" });
  const deck = openDeck(identity, cards, (id) => state.sessions.get(id));
  const word = el("p", { class: "said", text: state.word, attrs: { role: "status" }, init: (p) => (p.hidden = state.word === "") });
  state.word = "";
  view.replaceChildren(el("h1", { class: "spoken", text: "Sessions" }), word, el("div", { class: "sessions" }, cards, list));
  view.className = "list";
  state.deck = deck;
  let known = false;
  draw = () => {
    showPlace("", false, waitsElsewhere());
    if (!known) return;
    heading.textContent = deck.asking().size > 0 ? "Waits for you" : "Answered";
    const focused = document.activeElement?.getAttribute("href");
    deck.draw();
    list.replaceChildren(...listView([...state.sessions.values()], deck.asking()));
    list.querySelector<HTMLElement>(`a[href="${focused}"]`)?.focus();
  };
  draw();
  const fetchAll = guarded(async () => {
    const [{ sessions }, { prompts }] = await Promise.all([call(identity, Sessions, "GET", "/api/sessions"), call(identity, Prompts, "GET", "/api/prompts")]);
    state.sessions = new Map(sessions.map((session) => [session.id, session]));
    deck.takeAll(prompts);
    known = true;
    draw();
  });
  return openStream(
    identity,
    undefined,
    (event) => {
      if (event.name === "hello") {
        setInsecure(event.data.insecure);
        fetchAll();
      } else if (event.name === "reset") fetchAll();
      else if (take(event)) draw();
    },
    streamState,
  );
}

function showSession(identity: Identity, id: string): () => void {
  const fetchLines = (before: number, limit: number) =>
    call(identity, OutputPage, "GET", `/api/sessions/${id}/output?limit=${limit}${before === Number.MAX_SAFE_INTEGER ? "" : `&before=${before}`}`);
  const terminal = openTerminal(fetchLines);
  const title = el("h1");
  const about = el("p", { class: "about" });
  const cards = el("section", { class: "cards", attrs: { "aria-label": "Waits for you" } });
  const hint = el("p", { class: "hint" });
  const deck = openDeck(identity, cards, (other) => state.sessions.get(other), id);
  state.deck = deck;
  const size = openFit(identity, id, terminal.capacity, (on) => composer.setFit(on));
  const composer = openComposer(identity, id, size.fit);
  composer.enable(false, false);
  view.replaceChildren(terminal.element, hint, cards, composer.element);
  view.className = "one";
  showPlace("", false, waitsElsewhere(id), title, about);
  let stream = "";
  let seenRev = 0;
  let ackedRev = 0;
  let ack: ReturnType<typeof setTimeout> | undefined;

  draw = () => {
    const session = state.sessions.get(id);
    if (session !== undefined) {
      const name = baseName(session.cwd);
      const sign = sessionMark(session);
      title.replaceChildren(mark(sign), name);
      about.textContent = `${sessionState(session)} · ${session.host}`;
      showPlace(name, sign === "you", waitsElsewhere(id), title, about);
      const trouble = troubleOf(session);
      hint.replaceChildren(mark(trouble === undefined ? "free" : sign), trouble ?? "Nothing waits for you here. When Claude asks, it asks here too.");
      hint.dataset.calm = String(trouble === undefined);
      setMark(terminal.element, sign);
    }
    deck.draw();
    const runs = session?.status === "running";
    terminal.element.dataset.stale = String(!isLive() || !runs);
    composer.enable(isLive() && runs, session?.status !== "ended" && deck.asking().size === 0);
  };
  const fetchAll = guarded(async () => {
    const detail = await call(identity, SessionDetail, "GET", `/api/sessions/${id}`);
    state.sessions.set(id, detail.session);
    deck.takeAll(detail.prompts);
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
          setInsecure(event.data.insecure);
          fetchAll();
          return;
        case "reset":
          fetchAll();
          return;
        case "screen":
          if (event.data.session !== id) return;
          terminal.draw(event.data);
          size.drawn(event.data.cols);
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
    size.close();
    composer.close();
    close();
  };
}

/** What stands in the way of a session, and what to do about it. */
function troubleOf(session: SessionSummary): string | undefined {
  if (session.status === "offline")
    return "This is the last that came. If the machine only sleeps or lost its network, this goes on by itself; if claude-remote was killed there, it is over.";
  if (session.status === "ended") return "This session is over: this is what it left on the screen.";
  return session.hooks === "off" ? "Hooks are off in this session, so what Claude asks can't be answered here: answer at the desk." : undefined;
}

function streamState(next: StreamState, reason?: string): void {
  setLink(next, next === "waiting" ? reason : "");
  state.deck?.enable();
  if (next === "refused") askToPair(reason);
  if (next !== "missing") return;
  state.word = "That session is no longer here: it was deleted, or the link belongs to another server.";
  location.replace("#/");
}

/** Runs a fetch that may fail for want of a connection, which the stream then tells about. */
function guarded(fetchIt: () => Promise<void>): () => void {
  return () => {
    fetchIt().catch((error: unknown) => {
      if (!(error instanceof RequestError)) throw error;
    });
  };
}

start().catch((error: unknown) => {
  view.replaceChildren(
    el("p", {
      class: "said",
      attrs: { role: "alert" },
      text: `This browser lets the page keep nothing, so it can't stay paired. Is this a private window? Open it in an ordinary one. (${error})`,
    }),
  );
});
