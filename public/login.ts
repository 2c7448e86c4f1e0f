import { webAddress } from "../src/viewer/web-address.ts";
import { el, mark } from "./dom.ts";
import { EXACT } from "./text-box.ts";
import type { Input } from "./typing.ts";
import { visibleText } from "./visible.ts";

/** A login page that the session names: to be opened or copied here, and the code from there pasted back. */
export function openLogin(type: (input: Input) => void) {
  let shown: string | null = null;
  let dismissed: string | null = null;
  const where = el("strong");
  const link = el("a", {
    class: "button",
    text: "Open",
    attrs: { target: "_blank", rel: "noopener noreferrer" },
  });
  const said = el("span", { attrs: { role: "status" } });
  const copy = el("button", {
    text: "Copy",
    attrs: { type: "button" },
    on: {
      click() {
        const done =
          navigator.clipboard?.writeText(shown ?? "") ??
          Promise.reject(new Error("plain HTTP has no clipboard"));
        done.then(
          () => (said.textContent = "Copied."),
          () =>
            (said.textContent =
              "This browser does not let the page copy. Hold the Open button to copy its link."),
        );
      },
    },
  });
  const code = el("input", {
    attrs: {
      type: "text",
      "aria-label": "Code from the login page",
      placeholder: "Code from there",
      ...EXACT,
      autocomplete: "one-time-code",
      maxlength: "2000",
    },
  });
  const send = el("button", { text: "Send", attrs: { type: "submit" } });
  const form = el(
    "form",
    {
      on: {
        submit(event) {
          event.preventDefault();
          if (code.value.trim() === "") return;
          type({ text: code.value.trim(), paste: true, enter: true });
          code.value = "";
          said.textContent = "Sent.";
        },
      },
    },
    code,
    send,
  );
  const close = el("button", {
    class: "close",
    text: "×",
    attrs: { type: "button", "aria-label": "Not a login: hide this" },
    on: {
      click() {
        dismissed = shown;
        element.hidden = true;
      },
    },
  });
  const element = el(
    "section",
    {
      class: "login",
      attrs: { "aria-label": "Login" },
      init: (section) => (section.hidden = true),
    },
    el("p", {}, mark("you"), "Log in at ", where, close),
    el("div", { class: "ways" }, link, copy, form),
    said,
  );
  return {
    element,
    /** Shows the page to log in at, if there is one; only where a code gets there can one be sent. */
    show(url: string | null, live: boolean): void {
      send.disabled = !live;
      if (url === shown) return;
      shown = url;
      said.textContent = "";
      const page = url === null ? undefined : webAddress(url);
      element.hidden = page === undefined || url === dismissed;
      if (page === undefined) return; // what is no address can't be opened; the terminal shows it as it is
      link.href = page.href;
      where.replaceChildren(...visibleText(page.host));
    },
  };
}
