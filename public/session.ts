import { OutputPage, SessionDetail, type SessionSummary, TranscriptPage } from "../src/types.ts";
import { sandboxWords } from "../src/viewer/sandbox-words.ts";
import { openAfter } from "./after.ts";
import { call, RequestError, send } from "./api.ts";
import { isLive, showPlace } from "./bar.ts";
import { openComposer } from "./composer.ts";
import { Conversation } from "./conversation.ts";
import { openDeck } from "./deck.ts";
import { baseName, el, mark, setMark } from "./dom.ts";
import { SizeLease } from "./fit.ts";
import type { Identity } from "./keys.ts";
import { guarded, known, type OnStream, type Shown, take, waitsElsewhere } from "./known.ts";
import { exitWords, sessionAbout, sessionMark, titleOf } from "./list.ts";
import { openLogin } from "./login.ts";
import { followRunners, isCut } from "./runners.ts";
import { pageQuery } from "./session/page-range.ts";
import { openTerminalKeyboard } from "./session/terminal-keyboard.ts";
import { openStopping } from "./stop.ts";
import { openStream } from "./stream.ts";
import { openTabs } from "./tabs.ts";
import { openTerminal } from "./terminal.ts";
import { visibleName } from "./visible.ts";

/** What has been drawn is acknowledged at most this often, in ms, but where it is little only so often: the server waits after 2 s or 64 kB. */
const SEEN_MS = 250;
const SEEN_LITTLE_MS = 700;
/** So much is little, in UTF-16 units. */
const LITTLE_CHARS = 16 * 1024;
/** Where that did not get through it is tried again after this long, in ms. */
const SEEN_AGAIN_MS = 2000;

/** What an address asks for within a session: a view of it, and a place in that. */
interface Wanted {
  part: string | undefined;
  place: number | undefined;
  /** Words that were found there. */
  words: readonly string[];
}

/** One session: its terminal and its conversation, what it asks, and where one types. */
export function showSession(
  identity: Identity,
  id: string,
  view: HTMLElement,
  onStream: OnStream,
  { part, place, words }: Wanted,
): Shown {
  const terminal = openTerminal(
    (range, limit) =>
      call(identity, OutputPage, "GET", `/api/sessions/${id}/output?${pageQuery(range, limit)}`),
    (up, steps) => composer.turn(up, steps),
  );
  const path = `/api/sessions/${id}/transcript`;
  const talk = new Conversation(
    (range, limit) => call(identity, TranscriptPage, "GET", `${path}?${pageQuery(range, limit)}`),
    part === "talk" && place !== undefined ? { n: place, words } : undefined,
  );
  const asked = part === "talk" ? "talk" : part === "line" ? "terminal" : undefined;
  const tabs = openTabs(
    id,
    { terminal: terminal.element, talk: talk.element },
    (tab) => guarded(() => talk.show(tab === "talk"))(),
    asked,
  );
  let sought = part === "line" ? place : undefined; // once
  const title = el("h1");
  const about = el("p", { class: "about" });
  const cards = el("section", { class: "cards", attrs: { "aria-label": "Waits for you" } });
  const trouble = el("p", { attrs: { role: "status" } });
  const after = openAfter(identity);
  const hint = el("div", { class: "hint", attrs: { "data-calm": "true" } }, trouble, after.element);
  const deck = openDeck(
    identity,
    cards,
    (other) => known.sessions.get(other),
    id,
    () => composer.rest(),
  );
  known.deck = deck;
  const room = {
    element: terminal.element,
    capacity: terminal.capacity,
    isCovered: () => cards.querySelector(".card") !== null,
  };
  const size = new SizeLease(identity, id, room, (on) => composer.setFit(on));
  const stopping = openStopping(identity, id, (input) => composer.type(input));
  const composer = openComposer(identity, id, {
    fit: (on) => size.fit(on),
    answer: deck.press,
    stop: stopping.open,
    typed: stopping.typed,
  });
  composer.element.prepend(stopping.element);
  openTerminalKeyboard(terminal.element, composer.keyboard);
  composer.enable(false, 0, false);
  const login = openLogin(composer.type);
  view.replaceChildren(login.element, tabs.element, hint, cards, composer.element);
  view.className = "one";
  showPlace("", false, waitsElsewhere(id), title, about);
  tabs.begin();
  let followed = false;
  /** Without a terminal of its own a session has the size of whoever looks on last. */
  const follow = () => {
    if (
      followed ||
      known.sessions.get(id)?.desk !== false ||
      known.sessions.get(id)?.status !== "running"
    )
      return;
    followed = true;
    size.fit(true);
  };
  let closed = false;
  let stream = "";
  let begins = false; // the stream has yet to say how the history ends
  let seenRev = 0;
  let ackedRev = 0;
  let ackedAt = Number.NEGATIVE_INFINITY;
  let unackedChars = 0;
  let shownWords = "";
  let ack: ReturnType<typeof setTimeout> | undefined;

  const draw = () => {
    const session = known.sessions.get(id);
    if (session !== undefined) {
      const name = baseName(session.cwd);
      const sign = sessionMark(session);
      title.replaceChildren(mark(sign), ...visibleName(name), ...titleOf(session.title));
      about.replaceChildren(...sessionAbout(session));
      showPlace(name, sign === "you", waitsElsewhere(id), title, about);
      const words = troubleOf(session, terminal.isEmpty());
      const said = words ?? "Nothing waits for you here. When Claude asks, it asks here too.";
      if (shownWords !== said)
        trouble.replaceChildren(mark(words === undefined ? "free" : sign), ...visibleName(said));
      shownWords = said;
      hint.dataset.calm = String(words === undefined);
      after.draw(session);
      stopping.draw(session);
      composer.setClaude(session.hooks !== "none");
      setMark(terminal.element, sign);
    }
    deck.draw();
    const runs = session?.status === "running";
    terminal.element.dataset.stale = String(!isLive() || !runs);
    login.show(session?.auth_url ?? null, isLive());
    composer.element.hidden = session?.status === "ended";
    composer.enable(isLive() && runs, deck.open(), isLive());
    size.enable(isLive() && runs);
  };
  const fetchAll = guarded(async () => {
    const before = deck.known();
    const had = known.sessions.get(id);
    const detail = await call(identity, SessionDetail, "GET", `/api/sessions/${id}?screen=0`);
    if (closed) return;
    if (known.sessions.get(id) === had) known.sessions.set(id, detail.session); // else what the stream told meanwhile is newer
    deck.takeAll(detail.prompts, before);
    await terminal.loaded();
    if (closed) return;
    tabs.offer(detail.session.hooks !== "none");
    draw();
    follow();
    await talk.refresh();
    const line = sought;
    sought = undefined;
    if (line !== undefined) await terminal.reveal(line, words);
  });
  /** Tells the server what has been drawn, so that it sends what comes next. */
  const acknowledge = () => {
    ack = undefined;
    if (seenRev === ackedRev) return;
    if (unackedChars < LITTLE_CHARS && performance.now() - ackedAt < SEEN_LITTLE_MS) {
      ack = setTimeout(acknowledge, SEEN_MS);
      return;
    }
    ackedRev = seenRev;
    ackedAt = performance.now();
    unackedChars = 0;
    send(
      identity,
      "POST",
      `/api/sessions/${id}/seen`,
      JSON.stringify({ rev: seenRev, stream }),
    ).catch((error: unknown) => {
      if (!(error instanceof RequestError)) throw error; // the stream tells about the connection
      ackedRev = 0;
      ack ??= setTimeout(acknowledge, SEEN_AGAIN_MS); // or the server would wait for it for ever
    });
  };

  const onRunners = followRunners(identity, () => closed || draw());
  const close = openStream(
    identity,
    id,
    (event) => {
      onRunners(event);
      switch (event.name) {
        case "hello":
          stream = event.data.stream;
          begins = true;
          ackedRev = 0; // this stream was told nothing yet
          fetchAll();
          return;
        case "reset":
          fetchAll();
          return;
        case "screen":
          if (event.data.session !== id) return;
          terminal.draw(event.data);
          composer.setSecret(event.data.secret === true);
          stopping.reacted();
          size.drawn(event.data);
          follow();
          seenRev = event.data.rev;
          unackedChars += Object.values(event.data.lines).join("").length;
          ack ??= setTimeout(acknowledge, SEEN_MS);
          return;
        case "output":
          if (event.data.session === id) {
            const afresh = begins;
            guarded(() => terminal.output(event.data, afresh), terminal.reload)();
          }
          begins = false;
          return;
        case "transcript":
          if (event.data.session === id)
            guarded(
              () => talk.event(event.data),
              () => talk.refresh(),
            )();
          return;
        default:
          if (take(event)) draw();
      }
    },
    (next, reason) => {
      onStream(next, reason);
      draw();
    },
  );
  return {
    draw,
    close() {
      closed = true;
      deck.close();
      clearTimeout(ack);
      size.close();
      terminal.close();
      stopping.close();
      composer.close();
      close();
    },
  };
}

/** What stands in the way of a session, and what to do about it. */
function troubleOf(session: SessionSummary, empty: boolean): string | undefined {
  if (session.status === "offline" && isCut(session)) return "This is the last that came.";
  if (session.status === "offline")
    return "This is the last that came. If the machine only sleeps or lost its network, this goes on by itself; if claude-remote was killed there, it is over.";
  if (session.status === "ended") {
    const how = session.exit === null ? "" : exitWords(session.exit);
    const over = `This session is over${how === "" ? "" : `: ${how}`}.${empty ? "" : " This is what it left on the screen."}`;
    return `${over} ${sandboxWords(session.exit ?? {})}`.trim();
  }
  if (session.background !== undefined)
    return `The conversation went on in the background: claude attach ${session.background}. The terminal may show another one.`;
  if (session.refused !== undefined && session.hooks !== "off") return sandboxWords(session);
  return session.hooks === "off"
    ? "Hooks are off in this session: what Claude asks is read off its screen."
    : undefined;
}
