import { el } from "./dom.ts";
import { BOX_CHARS, EXACT, grow, limit } from "./text-box.ts";
import { visibleText } from "./visible.ts";

/** Pastes one line that hides nothing at once, and shows anything else first. */
export function pasteWithCare(text: string, onPaste: (text: string) => void): void {
  const plain = !text.includes("\n") && text.length <= BOX_CHARS && !hides(visibleText(text));
  if (plain) onPaste(text);
  else askPaste(onPaste, text);
}
const hides = (shown: readonly (Node | string)[]) =>
  shown.some((part) => part instanceof HTMLElement);

/** Shows what is on the clipboard, or what was `given`, to be looked at and changed, and hands it over once it is meant to be pasted. Where the page may not read it, it is put in by hand. */
export function askPaste(onPaste: (text: string) => void, given?: string): void {
  const text = el("textarea", {
    attrs: {
      rows: "6",
      "aria-label": "What will be pasted",
      ...EXACT,
    },
  });
  text.value = given ?? "";
  const measure = grow(text);
  const size = limit(text, BOX_CHARS);
  const about = el("p", { class: "about", attrs: { role: "status" } });
  const seen = el("pre", {
    attrs: { tabindex: "0", "aria-label": "With what can't be seen made visible" },
  });
  const paste = el("button", { class: "approve", text: "Paste", attrs: { value: "paste" } });
  const describe = () => {
    const { value } = text;
    const lines = value.split("\n").length;
    const shown = visibleText(value);
    paste.disabled = value === "" || !size.fits();
    size.check();
    about.textContent =
      value === ""
        ? "Nothing yet: paste it here by hand."
        : `${value.length} characters${lines > 1 ? ` in ${lines} lines` : ""}`;
    seen.hidden = !hides(shown);
    seen.replaceChildren(...shown);
  };
  text.addEventListener("input", describe);
  const form = el(
    "form",
    { attrs: { method: "dialog" } },
    el("h2", { text: "Paste this?" }),
    text,
    about,
    size.note,
    seen,
  );
  form.append(
    el(
      "div",
      { class: "actions" },
      el("button", { class: "reject", text: "Cancel", attrs: { value: "", formnovalidate: "" } }),
      paste,
    ),
  );
  const dialog = el("dialog", { class: "paste", attrs: { "aria-label": "Paste" } }, form);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue === "paste" && text.value !== "") onPaste(text.value);
  });
  document.body.append(dialog);
  dialog.showModal();
  describe();
  measure();
  if (given !== undefined) return paste.focus();
  const reading =
    navigator.clipboard?.readText() ??
    Promise.reject(new DOMException("plain HTTP has no clipboard"));
  reading.then(
    (found) => {
      if (text.value === "") text.value = found;
      describe();
      measure();
    },
    () => text.focus(), // not allowed: by hand, then
  );
}
