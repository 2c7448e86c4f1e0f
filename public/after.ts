import type { SessionSummary } from "../src/types.ts";
import { RequestError } from "./api.ts";
import { isLive } from "./bar.ts";
import { el } from "./dom.ts";
import type { Identity } from "./keys.ts";
import { known } from "./known.ts";
import { launch } from "./launch.ts";
import { awayWords, daemonFor, isAway, newHere } from "./runners.ts";
import { setWords } from "./visible.ts";

/** What can be done once a session is over: the same again, where a daemon started it, or a new one in its folder. */
export function openAfter(identity: Identity) {
  let session: SessionSummary | undefined;
  let busy = false;
  const again = el("button", {
    class: "plain",
    text: "Start again",
    attrs: { type: "button", "aria-describedby": "anew" },
    on: { click: () => void start() },
  });
  const fresh = el("a", { class: "plain", text: "New session here" });
  const anew = el("p", { attrs: { id: "anew" } });
  const state = el("p", { attrs: { role: "status" } });
  const element = el(
    "div",
    { class: "after", init: (div) => (div.hidden = true) },
    again,
    fresh,
    anew,
    state,
  );

  const start = async () => {
    if (busy || session?.args === undefined) return;
    const { runner, cwd, args, sandbox, id } = session;
    const from = location.hash;
    busy = true;
    state.textContent = "";
    draw(session);
    try {
      const next = await launch(identity, runner, { cwd, args, sandbox });
      if (location.hash === from) location.hash = `#/s/${next}`;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setWords(state, error.message);
    } finally {
      busy = false;
      if (session.id === id) draw(session);
    }
  };

  function draw(next: SessionSummary): void {
    session = next;
    const { runners } = known;
    const own = runners?.find(({ id }) => id === next.runner);
    const here = daemonFor(next);
    element.hidden =
      next.status !== "ended" ||
      runners === undefined ||
      (next.args === undefined && here === undefined);
    again.hidden = next.args === undefined;
    again.disabled = busy || own?.online !== true || !isLive();
    again.textContent = busy ? "Starting…" : "Start again";
    anew.hidden = again.hidden;
    anew.textContent = `Start again begins anew, in the same folder and with the same options.${here === undefined ? "" : " To go on with a conversation, choose it in New session here."}`;
    fresh.hidden = here === undefined;
    if (here !== undefined) fresh.href = newHere(here, next.cwd);
    if (again.hidden || busy || (own !== undefined && !isAway(own) && state.textContent !== why))
      return;
    why =
      own === undefined
        ? "The machine that started it starts no sessions any more."
        : isAway(own)
          ? `The runner on ${own.name} is ${awayWords(own)}: it can't be started again now.`
          : "";
    setWords(state, why);
  }
  let why = "";

  return { element, draw };
}
