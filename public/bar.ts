import { ago, find, mark, setMark, since } from "./dom.ts";
import type { StreamState } from "./stream.ts";

/** What the bar at the top knows: the connection, since when it is lost, and what is the trouble with it. */
const link = { state: "connecting" as StreamState, lostAt: 0, trouble: "", insecure: false };

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
  linkState.replaceChildren(mark(kind), link.state === "live" ? "live" : link.state === "refused" ? "not paired" : `reconnecting…${age}`);
  linkState.dataset.state = kind;
  const insecure = link.insecure ? "Plain HTTP: anybody on this network could replace this page. Use HTTPS where you can." : "";
  notice.textContent = link.trouble || insecure;
  notice.hidden = notice.textContent === "";
}

export function setInsecure(insecure: boolean): void {
  link.insecure = insecure && !isSecureContext;
  showLink();
}

/** Where one is, in the bar and in the window's title, and whether something waits for a person: here, or elsewhere. */
export function showPlace(name: string, here: boolean, elsewhere: boolean, ...parts: HTMLElement[]): void {
  if (parts.some((part) => part.parentNode !== place) || parts.length === 0) place.replaceChildren(...parts);
  setMark(brandMark, elsewhere ? "you" : "free");
  document.title = `${here || elsewhere ? "▮ " : ""}${name === "" ? "" : `${name} – `}claude-remote`;
}
