import { HARMLESS_KEYS } from "../src/types.ts";
import { el } from "./dom.ts";
import { askPaste } from "./paste.ts";
import type { Input } from "./typing.ts";

/** A held arrow key begins to repeat after the first, then comes as often as the second says, in ms. */
const HOLD_MS = 400;
const REPEAT_MS = 90;

/** After what stands above has moved the bar takes no press for this long: the tap was meant for that, in ms. */
const REST_MS = 500;

/** Keys that phones lack: label, name for screen readers, key. */
const KEYS: [label: string, name: string, key: string][] = [
  ["esc", "Esc", "Escape"],
  ["tab", "Tab", "Tab"],
  ["⇧tab", "Shift Tab", "BTab"],
  ["ctrl", "Ctrl, for the next letter", ""],
  ["←", "Left", "Left"],
  ["↓", "Down", "Down"],
  ["↑", "Up", "Up"],
  ["→", "Right", "Right"],
  ["^C", "Control C", "C-c"],
  ["⏎", "Enter", "Enter"],
  ["⌫", "Backspace", "BSpace"],
  ["home", "Home", "Home"],
  ["end", "End", "End"],
  ["pgup", "Page Up", "PageUp"],
  ["pgdn", "Page Down", "PageDown"],
];
/** Keys that are pressed again for as long as they are held. */
const REPEATS = /^(?:Up|Down|Left|Right|BSpace|PageUp|PageDown)$/;
/** Keys that have another meaning with Control. */
const WITH_CONTROL = /^(?:Up|Down|Left|Right|Home|End|PageUp|PageDown)$/;

export interface KeybarEvents {
  type(input: Input): void;
  /** Yes or no to the one question that is open. */
  answer(decision: "approve" | "reject"): void;
  fit(on: boolean): void;
  /** What ends it, or gets it to react. */
  stop(): void;
  /** Control is held for the next key, or no longer. */
  control(on: boolean): void;
  /** Begins a command. */
  slash(): void;
  /** Pastes; `ask` shows the clipboard first and hands it over once it is meant. */
  paste(ask: typeof askPaste): void;
}

/** The keys that phones lack, and what else is done to a session with one touch. */
export function openKeybar(events: KeybarEvents) {
  let ctrl = false;
  let restedAt = Number.NEGATIVE_INFINITY;
  const rests = () => performance.now() - restedAt < REST_MS;
  const button = (text: string, label: string, click: () => void) =>
    el("button", {
      text,
      attrs: { type: "button", "aria-label": label },
      on: { click: () => void (rests() || click()) },
    });
  const yes = button("yes", "Yes, to the question that is open", () => events.answer("approve"));
  const no = button("no", "No, to the question that is open", () => events.answer("reject"));
  const fit = button("fit", "Fit the terminal to this screen", () =>
    events.fit(fit.getAttribute("aria-pressed") !== "true"),
  );
  const slash = button("/", "Slash, for a command", events.slash);
  const paste = button("paste", "Paste, after a look at it", () => events.paste(askPaste));
  const stop = button("stop…", "Stop: interrupt, end or kill", events.stop);
  stop.setAttribute("aria-haspopup", "dialog");
  fit.setAttribute("aria-pressed", "false");

  const keys = KEYS.map(([label, name, key]) => ({
    key,
    button: keyButton(label, name, key, press),
  }));
  const sticky = keys.find(({ key }) => key === "")?.button;
  sticky?.setAttribute("aria-pressed", "false");
  const setCtrl = (on: boolean) => {
    ctrl = on;
    sticky?.setAttribute("aria-pressed", String(on));
  };
  function press(key: string): boolean {
    if (rests()) return false;
    if (key === "") {
      setCtrl(!ctrl);
      events.control(ctrl);
    } else if (ctrl && WITH_CONTROL.test(key)) {
      events.control(false);
      events.type({ keys: [`C-${key}`] });
    } else events.type({ keys: [key] });
    return true;
  }

  return {
    element: el(
      "div",
      { class: "keys", attrs: { role: "toolbar", "aria-label": "Keys" } },
      yes,
      no,
      fit,
      ...keys.map((key) => key.button),
      slash,
      paste,
      stop,
    ),
    /** Takes no press for a moment. */
    rest(): void {
      restedAt = performance.now();
    },

    setFit: (on: boolean) => fit.setAttribute("aria-pressed", String(on)),

    setControl: setCtrl,

    /** A password is typed: a slash has no place there. */
    setSecret(on: boolean): void {
      slash.hidden = on;
      paste.setAttribute("aria-label", on ? "Paste the password" : "Paste, after a look at it");
    },

    /** Takes the focus, on the first key that may be pressed. */
    focus(): void {
      keys.find(({ button }) => !button.disabled)?.button.focus();
    },

    /** Whether keys may be pressed, and whether a question is open, which most keys could answer; `one` where it is one alone; `live` where the server hears. */
    enable(on: boolean, asked: boolean, one: boolean, live: boolean): void {
      yes.hidden = no.hidden = !asked;
      yes.disabled = no.disabled = !on || !one;
      fit.disabled = !on;
      stop.disabled = !live;
      slash.disabled = paste.disabled = !on || asked;
      for (const { key, button } of keys)
        button.disabled = !on || (asked && !HARMLESS_KEYS.has(key));
    },
  };
}

function keyButton(
  label: string,
  name: string,
  key: string,
  press: (key: string) => boolean,
): HTMLButtonElement {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => clearTimeout(timer);
  const repeat = () => {
    press(key);
    timer = setTimeout(repeat, REPEAT_MS);
  };
  return el("button", {
    text: label,
    attrs: { type: "button", "aria-label": name },
    on: {
      pointerdown(event) {
        event.preventDefault(); // the keyboard stays as it is
        if (press(key) && REPEATS.test(key)) timer = setTimeout(repeat, HOLD_MS);
      },
      pointerup: stop,
      pointerleave: stop,
      pointercancel: stop,
      // screen readers and keyboards send no pointer events
      click: (event) => void (event.detail === 0 && press(key)),
    },
  });
}
