import { RequestError } from "./api.ts";
import { el, find } from "./dom.ts";

/** An error's message is cut to this, in UTF-16 units. */
const MESSAGE_CHARS = 300;

/**
 * Tells the person what nothing caught: an exception of our own, wherever it was thrown. What the network did is no fault: the
 * connection's state tells about that.
 */
export function watchFaults(): void {
  addEventListener("error", ({ error }) => tell(error));
  addEventListener("unhandledrejection", ({ reason }) => tell(reason));
}

/** Makes one of many things that are shown. What it throws is told, and the others still show, with `instead` in its place. */
export function isolated<T>(make: () => T, instead: T): T {
  try {
    return make();
  } catch (error) {
    reportError(error);
    return instead;
  }
}

function tell(error: unknown): void {
  if (error instanceof RequestError || error === null || error === undefined) return; // null: the browser's own remark
  const words = (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(
    0,
    MESSAGE_CHARS,
  );
  const told = document.querySelector(".fault");
  if (told !== null) return void told.querySelector("code")?.replaceChildren(words);
  const button = (text: string, click: () => void) =>
    el("button", { class: "plain", text, attrs: { type: "button" }, on: { click } });
  const notice: HTMLElement = el(
    "div",
    { class: "notice fault", attrs: { role: "alert" } },
    "This page has a fault, so what is shown may not be complete. Reload it. If that does not help, update this browser, or report: ",
    el("code", { text: words }),
    " ",
    button("Reload", () => location.reload()),
    button("Hide", () => notice.remove()),
  );
  find(".bar", HTMLElement).after(notice);
}
