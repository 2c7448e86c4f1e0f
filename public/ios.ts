import { el } from "./dom.ts";

/** Whether this is an iPhone or iPad that shows us in the browser: there only an app on the Home Screen gets notifications, and it shares nothing with Safari. */
export function isIosTab(): boolean {
  const { userAgent, maxTouchPoints } = navigator;
  const ios =
    /iPhone|iPad|iPod/.test(userAgent) || (userAgent.includes("Macintosh") && maxTouchPoints > 1);
  return ios && isSecureContext && !matchMedia("(display-mode: standalone)").matches;
}

/** How to get onto the Home Screen before pairing; `link` is taken along, as the app starts without it. */
export function iosGuide(link: string | undefined): HTMLElement {
  const copy = (text: string) =>
    el("button", {
      class: "plain",
      text: "Copy the pairing link",
      attrs: { type: "button" },
      on: {
        click: ({ target }) =>
          void navigator.clipboard
            .writeText(text)
            .then(() => target instanceof HTMLElement && target.replaceChildren("Copied")),
      },
    });
  return el(
    "section",
    { class: "steps", attrs: { "aria-label": "On an iPhone or iPad" } },
    el("strong", { text: "For notifications, install first, then pair inside:" }),
    el(
      "ol",
      {},
      ...(link === undefined ? [] : [el("li", {}, copy(link))]),
      el("li", { text: "Share → Add to Home Screen (iOS 16.4 or newer)" }),
      el("li", { text: "Open claude-remote from there, and pair it with the link" }),
    ),
  );
}
