import * as v from "valibot";
import { randomNonce } from "../src/auth.ts";
import type { InputRequest } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import { el } from "./dom.ts";
import type { Identity } from "./keys.ts";

/** A held arrow key begins to repeat after the first, then comes as often as the second says, in ms. */
const HOLD_MS = 400;
const REPEAT_MS = 90;
/** With the server away what was sent is tried again after this long, in ms. */
const RETRY_MS = 1500;

export type Input = Omit<v.InferOutput<typeof InputRequest>, "stream" | "seq">;
const Applied = v.object({ applied: v.number() });

/** Keys that phones lack: label, name for screen readers, key. */
const KEYS: [label: string, name: string, key: string][] = [
  ["esc", "Escape", "Escape"],
  ["tab", "Tab", "Tab"],
  ["⇧tab", "Shift Tab", "BTab"],
  ["ctrl", "Control, for the next letter", ""],
  ["←", "Left", "Left"],
  ["↓", "Down", "Down"],
  ["↑", "Up", "Up"],
  ["→", "Right", "Right"],
  ["^C", "Control C", "C-c"],
  ["⏎", "Enter", "Enter"],
];

/** Where one types to a session: text with a draft that stays, sent as one paste, and a bar of keys. What is sent arrives in order, each once. */
export function openComposer(identity: Identity, session: string, onFit: (on: boolean) => void) {
  const stream = randomNonce();
  const drafts = `draft ${session}`;
  const queue: Input[] = [];
  let seq = 1;
  let sending = false;
  let open = false;
  let ctrl = false;

  const text = el("textarea", {
    attrs: { rows: "1", "aria-label": "Type to the session", placeholder: "Say something", enterkeyhint: "enter", autocapitalize: "sentences" },
  });
  text.value = localStorage.getItem(drafts) ?? "";
  const send = el("button", { class: "send", text: "Send", attrs: { type: "submit" } });
  const state = el("p", { class: "state", attrs: { role: "status" } });
  const keep = () => {
    if (text.value === "") localStorage.removeItem(drafts);
    else localStorage.setItem(drafts, text.value);
    text.rows = Math.min(6, text.value.split("\n").length);
  };
  const setCtrl = (on: boolean) => {
    ctrl = on;
    for (const button of bar.children) if (button.textContent === "ctrl") button.setAttribute("aria-pressed", String(on));
  };

  /** Sends what waits, one after the other; an input keeps its number until it is known to have arrived. */
  const pump = async () => {
    if (sending) return;
    sending = true;
    for (let input = queue[0]; input !== undefined; input = queue[0]) {
      try {
        await call(identity, Applied, "POST", `/api/sessions/${session}/input`, { stream, seq, ...input });
        seq++;
        if (queue[0] === input) queue.shift();
        else if (text.value === input.text) text.value = ""; // closed meanwhile, and it has arrived after all
        keep();
        state.textContent = "";
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        if (queue[0] !== input) break; // closed meanwhile
        if (error.code === "shell" && confirm("This runs as a shell command, without a question first. Run it?")) {
          queue[0] = { ...input, shell: true };
        } else if (error.status === 0 || error.status === 503) {
          state.textContent = "Not sent yet: the connection is away.";
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        } else {
          queue.length = 0; // what came after was meant to come after this
          if (input.text !== undefined && text.value === "") text.value = input.text;
          keep();
          state.textContent = error.code === "shell" ? "" : error.message;
        }
      }
    }
    sending = false;
  };
  const type = (input: Input) => {
    if (!open) return;
    queue.push(input);
    void pump();
  };
  const press = (key: string) => (key === "" ? setCtrl(!ctrl) : type({ keys: [key] }));

  const keyButton = ([label, name, key]: (typeof KEYS)[number]) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = () => clearTimeout(timer);
    const repeat = () => {
      press(key);
      timer = setTimeout(repeat, REPEAT_MS);
    };
    return el("button", {
      text: label,
      attrs: { type: "button", "aria-label": name, ...(key === "" ? { "aria-pressed": "false" } : {}) },
      on: {
        pointerdown(event) {
          event.preventDefault(); // the keyboard stays as it is
          press(key);
          if (/^(Up|Down|Left|Right)$/.test(key)) timer = setTimeout(repeat, HOLD_MS);
        },
        pointerup: stop,
        pointerleave: stop,
        pointercancel: stop,
        // screen readers and keyboards send no pointer events
        click: (event) => void (event.detail === 0 && press(key)),
      },
    });
  };
  const fit = el("button", {
    text: "fit",
    attrs: { type: "button", "aria-label": "Fit the terminal to this screen", "aria-pressed": "false" },
    on: { click: () => onFit(fit.getAttribute("aria-pressed") !== "true") },
  });
  let asked = false; // nicely, once before
  const end = el("button", {
    text: "end",
    attrs: { type: "button", "aria-label": "End this session" },
    on: {
      click() {
        const question = asked ? "It was told to end and has not. Kill it, without saving anything?" : "End this session? The program is told to end.";
        if (!confirm(question)) return;
        call(identity, v.object({}), "POST", `/api/sessions/${session}/stop`, { signal: asked ? "SIGKILL" : "SIGTERM" }).catch((error: unknown) => {
          if (!(error instanceof RequestError)) throw error;
          state.textContent = error.message;
        });
        asked = true;
      },
    },
  });
  const bar = el("div", { class: "keys", attrs: { role: "toolbar", "aria-label": "Keys" } }, fit, ...KEYS.map(keyButton), end);

  text.addEventListener("input", keep);
  text.addEventListener("beforeinput", (event) => {
    if (!ctrl || !/^[a-z]$/i.test(event.data ?? "")) return;
    event.preventDefault();
    setCtrl(false);
    type({ keys: [`C-${event.data?.toLowerCase()}`] });
  });
  const submit = () => {
    if (!open || text.value.trim() === "") return;
    type({ text: text.value, paste: true, enter: true });
    text.value = "";
    keep();
  };
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.metaKey || event.ctrlKey)) return;
    event.preventDefault();
    submit();
  });
  const form = el(
    "form",
    {
      on: {
        submit(event) {
          event.preventDefault();
          submit();
        },
      },
    },
    text,
    send,
  );
  const element = el("section", { class: "composer", attrs: { "aria-label": "Type" } }, state, bar, form);
  keep();

  return {
    element,
    /** Nothing is sent any more: what has not arrived is a draft again, not something that fires later. */
    close(): void {
      const unsent = queue.flatMap((input) => (input.text === undefined ? [] : [input.text]));
      queue.length = 0;
      if (unsent.length === 0) return;
      text.value = [...unsent, ...(text.value === "" ? [] : [text.value])].join("\n");
      keep();
    },
    type,
    setFit: (on: boolean) => fit.setAttribute("aria-pressed", String(on)),
    /** Whether anything may be typed: not while a question is open, nor where nobody is there to take it. */
    enable(on: boolean, shown: boolean): void {
      open = on;
      element.hidden = !shown;
      for (const button of [...bar.children, send]) if (button instanceof HTMLButtonElement) button.disabled = !on;
    },
  };
}
