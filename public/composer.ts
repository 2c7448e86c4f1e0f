import { el } from "./dom.ts";
import { type KeybarEvents, openKeybar } from "./keybar.ts";
import type { Identity } from "./keys.ts";
import { pasteWithCare } from "./paste.ts";
import { ControlKey } from "./session/control-key.ts";
import { isComposing, isHardwareKey } from "./session/key-names.ts";
import { store, stored } from "./stored.ts";
import { BOX_CHARS, EXACT, fitKeyboard, grow, limit } from "./text-box.ts";
import { type Input, openTyping } from "./typing.ts";

/** Where one types to a session: text with a draft that stays, sent as one paste, and a bar of keys. What is sent arrives in order, each once. */
export function openComposer(
  identity: Identity,
  session: string,
  events: Pick<KeybarEvents, "fit" | "answer" | "stop"> & { typed(input: Input): void },
) {
  const drafts = `draft ${session}`;
  let open = false;
  let asked = 0;
  let claude = false;
  let secret = false; // the terminal's echo is off: a password is typed

  const text = el("textarea", {
    attrs: {
      rows: "1",
      dir: "auto",
      "aria-label": "Type to the session",
      placeholder: "Say something",
      enterkeyhint: "enter",
      ...EXACT,
    },
  });
  const password = el("input", {
    attrs: {
      type: "password",
      "aria-label": "Type to the session: a password, which is neither shown nor kept",
      placeholder: "Password, not shown",
      enterkeyhint: "send",
      ...EXACT,
      // unlike "off" it keeps a browser from offering to save the password, or to fill in another
      autocomplete: "one-time-code",
      "data-1p-ignore": "",
      "data-lpignore": "true",
    },
  });
  text.value = stored(drafts) ?? "";
  const measure = grow(text);
  const size = limit(text, BOX_CHARS);
  const send = el("button", { class: "send", text: "Send", attrs: { type: "submit" } });
  const state = el("p", { class: "state", attrs: { role: "status" } });
  const refresh = () => {
    send.disabled = !open || !(secret || size.fits());
  };
  /** After any change of the text. */
  const keep = () => {
    keepDraft(drafts, text.value);
    fitKeyboard(text, !claude);
    measure();
    size.check();
    refresh();
  };

  const typing = openTyping(identity, session, {
    onState: (words) => (state.textContent = words),
    onArrived(input, late) {
      if (late && text.value === input.text) text.value = "";
      keep();
    },
    onReturned(inputs) {
      // what was typed key by key was meant for what the screen showed then, and a secret is never shown
      const unsent = inputs.flatMap((input) =>
        input.text === undefined || input.paste !== true || input.secret === true
          ? []
          : [input.text],
      );
      if (unsent.length === 0) return;
      text.value = [...unsent, ...(text.value === "" ? [] : [text.value])].join("\n");
      keep();
    },
  });
  const type = (input: Input) => {
    if (!open) return;
    if (input.keys !== undefined && input.text === undefined) typing.press(...input.keys);
    else typing.type(input);
    if (!secret || input.enter === true) events.typed(input); // a password leaves no trace on the screen
  };
  const insert = (added: string) => {
    if (secret) password.setRangeText(added, ...selection(password), "end");
    else text.setRangeText(added, ...selection(text), "end");
    keep();
  };
  const box = () => (secret ? password : text);
  const control = new ControlKey({
    box,
    press: (key) => type({ keys: [key] }),
    text: insert,
    onEnd: () => bar.setControl(false),
  });
  for (const each of [text, password]) control.guard(each);
  const bar = openKeybar({
    ...events,
    type,
    control: (on) => (on ? control.begin() : control.end()),
    slash() {
      text.focus({ preventScroll: true });
      insert("/");
    },
    paste: (ask) => (secret ? void pastePassword() : ask((pasted) => paste(pasted))),
  });
  const paste = (pasted: string) => (secret ? insert(pasted) : type({ text: pasted, paste: true }));
  /** Puts the clipboard into the password's field, unseen. */
  const pastePassword = async () => {
    password.focus({ preventScroll: true });
    const found = await navigator.clipboard?.readText().catch((error: unknown) => {
      if (!(error instanceof DOMException)) throw error;
      return undefined; // not allowed: by hand, then
    });
    if (found !== undefined && secret) insert(found);
    else state.textContent = "The page may not read the clipboard: hold the field and paste there.";
  };

  const submit = () => {
    if (!open) return;
    if (secret) {
      const said = password.value;
      password.value = "";
      // no brackets around it, which would become part of the password
      if (said !== "") type({ text: said, enter: true, shell: true, secret: true });
      return;
    }
    if (text.value.trim() === "" || !size.fits()) return;
    type({ text: text.value, paste: true, enter: true });
    text.value = "";
    keep();
  };
  text.addEventListener("input", keep);
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || isComposing(event)) return;
    const sends =
      event.metaKey || event.ctrlKey || !(event.shiftKey || event.altKey || !isHardwareKey(event));
    if (!sends) return;
    event.preventDefault();
    submit();
  });
  const form = el(
    "form",
    {
      attrs: { autocomplete: "off" },
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
    size.note,
    control.field,
  );
  keep();

  return {
    element,
    type,
    setFit: bar.setFit,
    turn(up: boolean, steps: number): void {
      if (open) typing.press(...Array<string>(steps).fill(up ? "WheelUp" : "WheelDown"));
    },
    close: () => typing.close(),
    rest: bar.rest,

    /** A keyboard types into the terminal itself. */
    keyboard: {
      accepts: (): "all" | "harmless" | "nothing" =>
        !open ? "nothing" : asked > 0 ? "harmless" : "all",
      write(written: string): void {
        typing.write(written);
        if (!secret) events.typed({ text: written });
      },
      press: (key: string) => type({ keys: [key] }),
      paste(pasted: string): void {
        if (secret) typing.write(pasted.replaceAll("\n", ""));
        else pasteWithCare(pasted, paste);
      },
      isClaude: () => claude,
      leave(): void {
        if (asked === 0 && open) box().focus();
        else bar.focus();
      },
    },

    /** Which program is typed to: sentences to Claude, commands to any other. */
    setClaude(on: boolean): void {
      if (claude === on) return;
      claude = on;
      fitKeyboard(text, !claude);
    },

    /** The terminal's echo is off, or on again: what is typed then is not shown and not kept, and the draft waits. */
    setSecret(on: boolean): void {
      if (secret === on) return;
      control.end();
      const focused = document.activeElement === box();
      const dropped = !on && password.value !== "";
      secret = on;
      password.value = "";
      form.replaceChildren(box(), send);
      size.note.hidden = on;
      if (focused) box().focus({ preventScroll: true });
      if (dropped)
        state.textContent = "The password is no longer asked for: what you typed was dropped.";
      measure();
      refresh();
      bar.setSecret(on);
    },

    /** Whether anything may be typed: not where nobody is there to take it, and with `asked` questions open only what can't answer them. `live`: the server hears. */
    enable(on: boolean, questions: number, live: boolean): void {
      open = on;
      asked = questions;
      form.hidden = asked > 0;
      if (!open || asked > 0) control.end();
      refresh();
      bar.enable(on, asked > 0, asked === 1, live);
    },
  };
}

const selection = (box: HTMLInputElement | HTMLTextAreaElement): [from: number, to: number] => [
  box.selectionStart ?? box.value.length,
  box.selectionEnd ?? box.value.length,
];

/** Keeps what was not sent yet, as far as the browser has room for it. */
function keepDraft(name: string, text: string): void {
  if (!store(name, text === "" ? undefined : text)) store(name, undefined); // an older part of it would be no draft
}
