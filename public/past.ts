import { type Conversation, ConversationsAnswer } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import { ago, el } from "./dom.ts";
import type { Identity } from "./keys.ts";
import { setWords, visibleName } from "./visible.ts";

/** While a folder is being typed nothing is looked up: only once it has stood this long, in ms. */
const PAUSE_MS = 300;

/** Earlier conversations of a folder, of which one can be gone on with; they are fetched once somebody looks. */
export function openPast(identity: Identity) {
  let place = { runner: "", cwd: "" };
  let sandbox = false;
  let loaded = "";
  let chosen = "";
  let pause: ReturnType<typeof setTimeout> | undefined;
  const says = el("bdi", { text: "a new one" });
  const list = el("div", {
    class: "conversations",
    attrs: { role: "radiogroup", "aria-label": "Conversation" },
  });
  const state = el("p", { class: "about", attrs: { role: "status" } });
  const element = el(
    "details",
    { on: { toggle: () => void load() } },
    el("summary", {}, "Conversation: ", says),
    list,
    state,
  );

  const choose = (id: string, title: (Node | string)[]) => {
    chosen = id;
    says.replaceChildren(...title);
  };
  const row = (id: string, title: string, when: string) => {
    const words = () => visibleName(title);
    const radio = el("input", {
      attrs: { type: "radio", name: "conversation", value: id },
      on: { change: () => choose(id, words()) },
    });
    radio.checked = id === chosen;
    return el(
      "label",
      {},
      radio,
      el("span", { attrs: { dir: "auto" } }, ...words()),
      ...(when === "" ? [] : [el("time", { text: when })]),
    );
  };
  const draw = (conversations: Conversation[]) => {
    const known = conversations.find(({ id }) => id === chosen);
    choose(known?.id ?? "", known === undefined ? ["a new one"] : visibleName(known.title));
    list.replaceChildren(
      row("", "a new one", ""),
      ...conversations.map(({ id, title, at }) => row(id, title || "untitled", ago(at))),
    );
  };
  const load = async () => {
    const key = `${place.runner} ${sandbox} ${place.cwd}`;
    if (!element.open || loaded === key || place.cwd === "") return;
    loaded = key;
    state.textContent = "Looking…";
    try {
      const query = new URLSearchParams({ cwd: place.cwd, ...(sandbox ? { sandbox: "1" } : {}) });
      const { conversations } = await call(
        identity,
        ConversationsAnswer,
        "GET",
        `/api/runners/${place.runner}/conversations?${query}`,
      );
      if (loaded !== key) return; // another folder meanwhile
      draw(conversations);
      state.textContent = conversations.length === 0 ? "None in this folder yet." : "";
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (loaded !== key) return;
      loaded = "";
      setWords(state, error.message);
    }
  };

  const begin = (wanted: string) => {
    loaded = "";
    state.textContent = "";
    choose(wanted, [wanted === "" ? "a new one" : "an earlier one"]);
    list.replaceChildren();
    clearTimeout(pause);
    pause = setTimeout(() => void load(), PAUSE_MS);
  };

  return {
    element,
    chosen: () => chosen,
    args: () => (chosen === "" ? [] : ["--resume", chosen]),
    /** In a sandbox claude has a home of its own, with conversations of its own. */
    enclose(on: boolean): void {
      if (on === sandbox) return;
      sandbox = on;
      begin("");
    },
    /** The conversations of this folder are meant; one that was chosen of another no longer is. */
    offer(runner: string, cwd: string, wanted = ""): void {
      if (runner === place.runner && cwd === place.cwd) return;
      place = { runner, cwd };
      begin(wanted);
    },
  };
}
