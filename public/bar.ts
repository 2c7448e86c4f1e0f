import type { ViewerEvent } from "../src/types.ts";
import { visibleName } from "../src/visible-text.ts";
import { ago, find, mark, setMark, since } from "./dom.ts";
import type { StreamState } from "./stream.ts";

/** What the bar at the top knows: the connection, since when it is lost, and what is the trouble with it. */
const link = {
  state: "connecting" as StreamState,
  lostAt: 0,
  trouble: "",
  insecure: false,
  diskFull: false,
};

const linkState = find(".link", HTMLElement);
const notice = find(".notice", HTMLElement);
const place = find(".place", HTMLElement);
const brandMark = find(".brand .mark", HTMLElement);

/** Whether what is shown is what is. */
export const isLive = () => link.state === "live";

/** The connection's state, with the trouble where it is lost for longer. */
export function setLink(next: StreamState, trouble = ""): void {
  if (next !== "live" && link.state === "live") link.lostAt = Date.now();
  link.state = next;
  if (next === "live" || trouble !== "") link.trouble = trouble;
  showLink();
}

/** The connection, told as it is; what is shown without one says how old it is. */
export function showLink(): void {
  const age = link.lostAt === 0 || since(link.lostAt) === "" ? "" : ` as of ${ago(link.lostAt)}`;
  const kind = link.state === "live" ? "free" : "away";
  linkState.replaceChildren(
    mark(kind),
    link.state === "live"
      ? "live"
      : link.state === "refused"
        ? "not paired"
        : link.state === "broken"
          ? "stopped"
          : `reconnecting…${age}`,
  );
  linkState.dataset.state = kind;
  const insecure = link.insecure
    ? "Plain HTTP: anybody on this network could replace this page. Use HTTPS where you can."
    : "";
  const full = link.diskFull
    ? "The server’s disk is full: what Claude asks still comes and can be answered, history waits. Make room on the server."
    : "";
  notice.textContent = link.trouble || full || insecure;
  notice.hidden = notice.textContent === "";
}

/** What the server says of itself. */
export function takeServer(event: ViewerEvent): void {
  if (event.name !== "hello" && event.name !== "disk") return;
  if (event.name === "hello") link.insecure = event.data.insecure && !isSecureContext;
  link.diskFull = event.name === "hello" ? event.data.disk_full : event.data.full;
  showLink();
}

/** Where one is, in the bar and in the window's title, and whether something waits for a person: here, or elsewhere. */
export function showPlace(
  name: string,
  here: boolean,
  elsewhere: boolean,
  ...parts: HTMLElement[]
): void {
  if (parts.some((part) => part.parentNode !== place) || parts.length === 0)
    place.replaceChildren(...parts);
  setMark(brandMark, elsewhere ? "you" : "free");
  document.title = `${here || elsewhere ? "▮ " : ""}${name === "" ? "" : `${visibleName(name)} – `}claude-remote`;
}
