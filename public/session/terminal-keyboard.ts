import { HARMLESS_KEYS } from "../../src/types.ts";
import { el } from "../dom.ts";
import { EXACT } from "../text-box.ts";
import { isComposing, keyName } from "./key-names.ts";

/** A page of the scroller is so much of its height: some lines stay in sight. */
const PAGE = 0.9;

export interface TerminalKeyboardEvents {
  /** What may be typed: nothing where nobody takes it, and with a question open only keys that can't answer it. */
  accepts(): "all" | "harmless" | "nothing";
  isClaude(): boolean;
  write(text: string): void;
  press(key: string): void;
  paste(text: string): void;
  /** The focus leaves the terminal. */
  leave(): void;
}

/**
 * Has the terminal take a keyboard's keys while it has the focus. A text area that nobody sees gets them, so that dead keys and input methods work in
 * every browser; `inputmode` keeps keyboards on the screen away. Shift and Escape lead out, as Tab is the program's.
 */
export function openTerminalKeyboard(scroller: HTMLElement, events: TerminalKeyboardEvents) {
  const hint = el(
    "p",
    { class: "way-out", attrs: { id: "way-out" }, init: (p) => (p.hidden = true) },
    el("span", { text: "Keys go to the program. Shift+Esc leaves the terminal." }),
  );
  const field = el("textarea", {
    class: "terminal-keys",
    attrs: {
      rows: "1",
      inputmode: "none",
      "aria-label": "Terminal: what you type goes to the program",
      "aria-describedby": "way-out",
      ...EXACT,
    },
  });
  /** How the focus came, as long as nothing was typed since. Where it came by Tab, the next Tab leads on. */
  let fresh: "by Tab" | "otherwise" | undefined;
  scroller.setAttribute("tabindex", "-1");
  scroller.prepend(hint);
  scroller.append(field);
  const take = () => {
    document.getSelection()?.removeAllRanges();
    field.focus({ preventScroll: true });
  };
  const selects = () => document.getSelection()?.isCollapsed === false;
  const flush = () => {
    const text = field.value;
    field.value = "";
    for (const [i, line] of text.split("\n").entries()) {
      if (i > 0) press("Enter");
      if (line !== "" && events.accepts() === "all") events.write(line);
    }
  };
  const press = (key: string) => {
    if (mayPress(key)) events.press(key);
  };
  const mayPress = (key: string) => {
    const accepts = events.accepts();
    return accepts === "all" || (accepts === "harmless" && HARMLESS_KEYS.has(key));
  };

  scroller.addEventListener("pointerup", (event) => {
    const { target } = event;
    fresh = undefined;
    if (event.pointerType !== "mouse" || selects()) return; // what is selected stays so, to be copied
    if (target instanceof Element && target.closest("a, button") !== null) return;
    take();
  });
  field.addEventListener("focus", () => {
    fresh = "otherwise";
    hint.hidden = false;
  });
  field.addEventListener("keyup", ({ key }) => {
    if (key === "Tab" && fresh !== undefined) fresh = "by Tab"; // it was pressed elsewhere
  });
  field.addEventListener("blur", () => {
    fresh = undefined;
    hint.hidden = true;
  });

  scroller.addEventListener("keydown", (event) => {
    const { target } = event;
    if (target !== scroller && target !== field) return; // a button or a link in here
    if (isComposing(event)) return;
    const { key, shiftKey } = event;
    if (shiftKey && key === "Escape") {
      event.preventDefault();
      return events.leave();
    }
    if (shiftKey && (key === "PageUp" || key === "PageDown")) {
      event.preventDefault();
      const page = scroller.clientHeight * PAGE;
      return scroller.scrollBy({ top: key === "PageUp" ? -page : page });
    }
    const leads = fresh === "by Tab" || (fresh !== undefined && event.repeat);
    if (key === "Tab" && (leads || events.accepts() !== "all")) return;
    const name = keyName(event, events.isClaude());
    if (name === "C-c" && selects()) return;
    if (name === "C-v") return; // the paste follows
    if (key === "Tab") hint.hidden = false;
    else if (name !== undefined || [...key].length === 1) hint.hidden = true;
    if (name !== undefined) {
      if (!mayPress(name)) return;
      event.preventDefault();
      fresh = undefined;
      if (target === scroller) take(); // for the next, which may be a dead key
      return press(name);
    }
    const isText = [...key].length === 1 && !event.metaKey && !event.ctrlKey;
    if (isText) fresh = undefined;
    if (target === field) return; // what is text comes as input
    if (isText && events.accepts() === "all") {
      event.preventDefault();
      events.write(key);
    }
    if (!selects() || isText) take();
  });
  field.addEventListener("input", (event) => {
    if (!(event instanceof InputEvent) || !event.isComposing) flush();
  });
  field.addEventListener("compositionstart", () => field.classList.add("composing"));
  field.addEventListener("compositionend", () => {
    field.classList.remove("composing");
    flush();
  });
  scroller.addEventListener("paste", (event) => {
    event.preventDefault();
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text !== "" && events.accepts() === "all") events.paste(text.replaceAll(/\r\n?/g, "\n"));
  });
}
