import { el } from "./dom.ts";
import { type KeybarEvents, openKeybar } from "./keybar.ts";
import type { Identity } from "./keys.ts";
import { type Input, openTyping } from "./typing.ts";

/** Where one types to a session: text with a draft that stays, sent as one paste, and a bar of keys. What is sent arrives in order, each once. */
export function openComposer(
  identity: Identity,
  session: string,
  events: Pick<KeybarEvents, "fit" | "answer" | "stop"> & { typed(input: Input): void },
) {
  const drafts = `draft ${session}`;
  let open = false;

  const text = el("textarea", {
    attrs: {
      rows: "1",
      dir: "auto",
      "aria-label": "Type to the session",
      placeholder: "Say something",
      enterkeyhint: "enter",
      autocapitalize: "sentences",
    },
  });
  text.value = localStorage.getItem(drafts) ?? "";
  const send = el("button", { class: "send", text: "Send", attrs: { type: "submit" } });
  const state = el("p", { class: "state", attrs: { role: "status" } });
  const keep = () => {
    if (text.value === "") localStorage.removeItem(drafts);
    else localStorage.setItem(drafts, text.value);
    text.rows = Math.min(6, text.value.split("\n").length);
  };

  const typing = openTyping(identity, session, {
    onState: (words) => (state.textContent = words),
    onArrived(input, late) {
      if (late && text.value === input.text) text.value = "";
      keep();
    },
    onReturned(inputs) {
      const unsent = inputs.flatMap((input) => (input.text === undefined ? [] : [input.text]));
      if (unsent.length === 0) return;
      text.value = [...unsent, ...(text.value === "" ? [] : [text.value])].join("\n");
      keep();
    },
  });
  const type = (input: Input) => {
    if (!open) return;
    typing.type(input);
    events.typed(input);
  };
  const bar = openKeybar({ ...events, type });

  text.addEventListener("input", keep);
  text.addEventListener("beforeinput", (event) => {
    if (bar.takesLetter(event.data ?? "")) event.preventDefault();
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
  const element = el(
    "section",
    { class: "composer", attrs: { "aria-label": "Type" } },
    state,
    bar.element,
    form,
  );
  keep();

  return {
    element,
    type,
    setFit: bar.setFit,
    turn: (up: boolean, steps: number) => void (open && typing.turn(up, steps)),
    close: typing.close,
    rest: bar.rest,
    /** Whether anything may be typed: not where nobody is there to take it, and with `asked` questions open only what can't answer them. `live`: the server hears. */
    enable(on: boolean, asked: number, live: boolean): void {
      open = on;
      send.disabled = !on;
      form.hidden = asked > 0;
      bar.enable(on, asked > 0, asked === 1, live);
    },
  };
}
