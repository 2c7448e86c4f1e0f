import { allPrompts, SessionPage } from "../src/viewer/pages.ts";
import { call, RequestError } from "./api.ts";
import { showPlace } from "./bar.ts";
import { openDeck } from "./deck.ts";
import { el } from "./dom.ts";
import { closeNotifications } from "./install.ts";
import type { Identity } from "./keys.ts";
import { badge, guarded, known, type OnStream, type Shown, take, waitsElsewhere } from "./known.ts";
import { listView } from "./list.ts";
import { followRunners, lookForRunners } from "./runners.ts";
import { searchForm } from "./search.ts";
import { openStream } from "./stream.ts";

/** The first view: what waits for you, and every session. */
export function showList(identity: Identity, view: HTMLElement, onStream: OnStream): Shown {
  const heading = el("h2");
  const cards = el(
    "section",
    { class: "cards", attrs: { "aria-label": "Waits for you" } },
    heading,
  );
  const list = el("div", { class: "groups" });
  const deck = openDeck(identity, cards, (id) => known.sessions.get(id));
  const word = el("p", {
    class: "said",
    text: known.word,
    attrs: { role: "status" },
    init: (p) => (p.hidden = known.word === ""),
  });
  known.word = "";
  const search = searchForm();
  search.hidden = true; // until there is something to be found
  const start = el("a", {
    class: "approve start-link",
    text: "New session",
    attrs: { href: "#/new" },
    init: (a) => (a.hidden = true),
  });
  let older = 0; // so many sessions of the list were shown; 0 where that is all
  const showMore = async () => {
    try {
      const page = await call(identity, SessionPage, "GET", `/api/sessions?skip=${older}`);
      older = page.more ? older + page.sessions.length : 0;
      for (const session of page.sessions)
        if (!known.sessions.has(session.id)) known.sessions.set(session.id, session);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error; // the button stays
    }
    if (!closed) draw();
  };
  const earlier = el("button", {
    class: "plain",
    text: "Show earlier sessions",
    attrs: { type: "button" },
    init: (button) => (button.hidden = true),
    on: { click: () => void showMore() },
  });
  const more = el("a", {
    class: "more",
    text: "Devices and notifications ›",
    attrs: { href: "#/devices" },
  });
  view.replaceChildren(
    el("h1", { class: "spoken", text: "Sessions" }),
    word,
    // what waits comes first: nothing above it pushes its answers out of the screen
    el("div", { class: "sessions" }, cards, el("div", {}, start, search, list, earlier)),
    more,
  );
  view.className = "list";
  known.deck = deck;
  let closed = false;
  const draw = () => {
    showPlace("", false, waitsElsewhere());
    start.hidden = (known.runners ?? []).length === 0;
    if (!known.listed) return;
    search.hidden = known.sessions.size === 0;
    heading.textContent = deck.asking().size > 0 ? "Waits for you" : "Answered";
    const focused = document.activeElement?.getAttribute("href");
    deck.draw();
    list.replaceChildren(...listView([...known.sessions.values()], deck.asking(), known.runners));
    list.querySelector<HTMLElement>(`a[href="${focused}"]`)?.focus();
    earlier.hidden = older === 0;
  };
  draw();
  const fetchAll = guarded(async () => {
    const before = deck.known();
    const had = new Map(known.sessions);
    const asked = [
      call(identity, SessionPage, "GET", "/api/sessions"),
      allPrompts((schema, target) => call(identity, schema, "GET", target)),
      lookForRunners(identity),
    ] as const;
    const [{ sessions, more }, prompts] = await Promise.all(asked); // at once: nothing moves because one of them came later
    if (closed) return;
    older = more ? sessions.length : 0;
    const newer = [...known.sessions].filter(([id, session]) => had.get(id) !== session); // told by the stream meanwhile
    known.sessions = new Map([
      ...sessions.map((session) => [session.id, session] as const),
      ...newer,
    ]);
    deck.takeAll(prompts, before);
    void closeNotifications((id) => prompts.every((prompt) => prompt.id !== id));
    badge();
    known.listed = true;
    draw();
  });
  const follow = followRunners(identity, () => closed || draw());
  const closeStream = openStream(
    identity,
    undefined,
    (event) => {
      if (event.name === "runner_status") follow(event);
      if (event.name === "hello") {
        fetchAll();
      } else if (event.name === "reset") fetchAll();
      else if (take(event)) draw();
    },
    onStream,
  );
  return {
    draw,
    close() {
      closed = true;
      deck.close();
      closeStream();
    },
  };
}
