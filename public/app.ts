import { setLink, showLink, showPlace } from "./bar.ts";
import { showDevices } from "./devices.ts";
import { el, find } from "./dom.ts";
import { watchFaults } from "./fault.ts";
import { showList } from "./home.ts";
import { keepSubscribed, startWorker } from "./install.ts";
import { type Identity, loadIdentity, StorageError } from "./keys.ts";
import { known, type Shown } from "./known.ts";
import { pairView, takeCode } from "./pairing.ts";
import { showSearch } from "./search.ts";
import { wordsOf } from "./session/found-words.ts";
import { showSession } from "./session.ts";
import { showStart } from "./start.ts";
import type { StreamState } from "./stream.ts";
import { followViewport } from "./viewport.ts";

watchFaults();
const code = takeCode(); // before anything else

/** Times in words are brought up to date this often, in ms. */
const TICK_MS = 15_000;

const view = find("#view", HTMLElement);

let routed = false;
let shown: Shown | undefined;

async function start(): Promise<void> {
  followViewport();
  void startWorker();
  const identity = await loadIdentity();
  if (identity === undefined || code !== undefined) return askToPair(undefined);
  route(identity);
}

function askToPair(reason: string | undefined): void {
  leave();
  setLink("refused");
  showPlace("", false, true);
  view.className = "";
  view.replaceChildren(
    pairView(code, reason, (identity) => (routed ? location.reload() : route(identity))),
  );
}

/** Shows what the address names, now and whenever it changes or the page comes back into view. */
function route(identity: Identity): void {
  routed = true;
  const show = () => {
    leave();
    const [, session, part, place, query] =
      /^#\/s\/([\w-]+)(?:\/(talk|line)(?:\/(\d{1,15}))?)?(?:\?(.*))?$/.exec(location.hash) ?? [];
    const wanted = location.hash.startsWith("#/search?")
      ? new URLSearchParams(location.hash.slice("#/search?".length)).get("q")
      : null;
    if (document.hidden) return;
    if (session !== undefined)
      shown = showSession(identity, session, view, streamState, {
        part,
        place: place === undefined ? undefined : Number(place),
        words: wordsOf(new URLSearchParams(query).get("q") ?? ""),
      });
    else if (/^#\/new(?:\?|$)/.test(location.hash)) shown = showStart(identity, view, streamState);
    else if (wanted !== null) shown = showSearch(identity, wanted, view, streamState);
    else
      shown = (location.hash === "#/devices" ? showDevices : showList)(identity, view, streamState);
  };
  window.addEventListener("hashchange", show);
  // one stream a page, and none while nobody looks
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : show()));
  window.addEventListener("online", show);
  setInterval(() => {
    showLink();
    shown?.draw();
  }, TICK_MS);
  show();
  void keepSubscribed(identity);
}

function leave(): void {
  shown?.close();
  shown = undefined;
}

function pause(): void {
  leave();
  setLink("waiting");
  known.deck?.enable();
}

function streamState(next: StreamState, reason?: string): void {
  setLink(next, next === "waiting" ? reason : "");
  known.deck?.enable();
  if (next === "refused") askToPair(reason);
  if (next !== "missing") return;
  known.word =
    "That session is no longer here: it was deleted, or the link belongs to another server.";
  location.replace("#/");
}

start().catch((error: unknown) => {
  if (!(error instanceof StorageError)) throw error;
  view.replaceChildren(el("p", { class: "said", attrs: { role: "alert" }, text: error.message }));
});
