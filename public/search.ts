import { LIMITS, SearchAnswer } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import { showPlace } from "./bar.ts";
import { baseName, el } from "./dom.ts";
import { isolated } from "./fault.ts";
import type { Identity } from "./keys.ts";
import { type OnStream, type Shown, take, waitsElsewhere } from "./known.ts";
import { titleOf } from "./list.ts";
import { openStream } from "./stream.ts";
import { EXACT } from "./text-box.ts";
import { setWords, visibleName, visibleProse } from "./visible.ts";

type Found = SearchAnswer["results"][number];
const KINDS: Record<Found["kind"], [name: string, place: string]> = {
  history: ["Terminal", "line"],
  conversation: ["Conversation", "talk"],
  prompt: ["Question", ""],
};

/** Where one asks for words; leads to what was found. */
export function searchForm(text = ""): HTMLElement {
  const input = el("input", {
    attrs: {
      type: "search",
      name: "q",
      placeholder: "All sessions",
      "aria-label": "Search all sessions",
      maxlength: String(LIMITS.queryChars),
      enterkeyhint: "search",
      ...EXACT,
    },
  });
  input.value = text;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (input.value.trim() !== "")
      location.hash = `#/search?${new URLSearchParams({ q: input.value.trim() })}`;
  };
  return el(
    "form",
    { class: "search", attrs: { role: "search" }, on: { submit } },
    input,
    el("button", { class: "send", text: "Search", attrs: { type: "submit" } }),
  );
}

/** What was found in history, conversations and questions of all sessions; each leads to its place. */
export function showSearch(
  identity: Identity,
  text: string,
  view: HTMLElement,
  onStream: OnStream,
): Shown {
  const state = el("p", { class: "state", text: "Searching…", attrs: { role: "status" } });
  const list = el("ul", { class: "results" });
  const heading = el("h1", { text: "Search" });
  view.replaceChildren(searchForm(text), state, list);
  view.className = "list";
  const draw = () => showPlace("Search", false, waitsElsewhere(), heading);
  draw();
  let asked = false;
  const ask = async () => {
    try {
      const { results, partial } = await call(
        identity,
        SearchAnswer,
        "GET",
        `/api/search?${new URLSearchParams({ q: text })}`,
      ); // as browsers send it: it is signed
      const most =
        results.length === LIMITS.results ||
        results.some(
          ({ session }) =>
            results.filter((other) => other.session === session).length === LIMITS.sessionResults,
        );
      const many =
        results.length === 1
          ? "1 place"
          : most
            ? `The newest ${results.length} places, there may be more`
            : `${results.length} places`;
      state.textContent = `${results.length === 0 ? "Nothing was found" : many}${partial ? ". Some of the newest output is not searched yet: try again in a moment" : ""}.`;
      list.replaceChildren(...results.flatMap((found) => isolated(() => [row(found, text)], [])));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      asked = false; // again once the connection is back
      setWords(state, error.message);
    }
  };
  const close = openStream(
    identity,
    undefined,
    (event) => {
      if (take(event)) draw();
      if (asked || event.name !== "hello") return;
      asked = true;
      void ask();
    },
    onStream,
  );
  return { draw, close };
}

function row({ session, cwd, title, kind, place, snippet }: Found, searched: string): HTMLElement {
  const [name, where] = KINDS[kind];
  const href =
    where === ""
      ? `#/s/${session}`
      : `#/s/${session}/${where}/${place}?${new URLSearchParams({ q: searched })}`;
  const parts = snippet.map(({ text, hit }) =>
    el(hit ? "mark" : "span", {}, ...visibleProse(text)),
  );
  const about = el(
    "span",
    { class: "about" },
    el("strong", {}, ...visibleName(baseName(cwd))),
    ` · ${name}`,
    ...titleOf(title),
  );
  return el(
    "li",
    {},
    el(
      "a",
      { attrs: { href } },
      about,
      el("span", { class: "snippet", attrs: { dir: "auto" } }, ...parts),
    ),
  );
}
