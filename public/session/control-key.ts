import { el } from "../dom.ts";
import { EXACT } from "../text-box.ts";
import { controlKey, isComposing, keyName } from "./key-names.ts";

export interface ControlKeyEvents {
  /** Where the focus goes where it was nowhere before. */
  box(): HTMLElement;
  press(key: string): void;
  /** A character that Control makes no key of. */
  text(char: string): void;
  /** It no longer waits. */
  onEnd(): void;
}

/**
 * Takes the one character that Ctrl of the key bar waits for, in a field of its own. Keyboards on a phone compose: what they put into a box
 * can't be refused, and they replace all of the word at the caret. In the field there is no word, and as the focus comes and goes such a keyboard begins
 * anew, so the text that was half written stays as it was.
 */
export class ControlKey {
  readonly field: HTMLInputElement;
  readonly #events: ControlKeyEvents;
  #before: Element | null = null;
  /** What a composition held when its character was taken. A keyboard may still commit it, into the box that has the focus by then. */
  #taken: string | undefined;
  #waits = false;

  constructor(events: ControlKeyEvents) {
    this.#events = events;
    this.field = el("input", {
      class: "spoken",
      attrs: {
        type: "text",
        tabindex: "-1",
        "aria-label": "Ctrl: type the key that goes with it",
        enterkeyhint: "enter",
        ...EXACT,
      },
      on: {
        input: () => this.#typed(),
        keydown: (event) => this.#pressed(event),
      },
      init: (field) => (field.hidden = true),
    });
  }

  get waits(): boolean {
    return this.#waits;
  }

  /** Waits for a character. */
  begin(): void {
    this.#waits = true;
    this.#taken = undefined;
    this.#before = document.activeElement;
    this.field.value = "";
    this.field.hidden = false;
    this.field.focus({ preventScroll: true });
  }

  /** Waits no more. The focus goes back where it was. */
  end(): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.#events.onEnd();
    const before = this.#before;
    const back =
      before instanceof HTMLElement && before !== document.body && before.isConnected
        ? before
        : this.#events.box();
    if (document.activeElement === this.field) back.focus({ preventScroll: true });
    this.field.hidden = true;
  }

  /** Has the focus of `box` come to the field while it waits, and keeps what is left of a composition out of the box. */
  guard(box: HTMLElement & { value: string }): void {
    box.addEventListener("focus", () => {
      if (!this.#waits) return;
      this.#before = box;
      this.field.focus({ preventScroll: true });
    });
    for (const name of ["keydown", "compositionstart", "pointerdown"] as const)
      box.addEventListener(name, () => (this.#taken = undefined));
    box.addEventListener("beforeinput", (event) => {
      if (this.#taken !== undefined && event.data === this.#taken) event.preventDefault();
      this.#taken = undefined;
    });
  }

  #typed(): void {
    const { value } = this.field;
    const char = [...value].at(-1); // a keyboard may still hold the word from the box before it
    if (char === undefined || !this.#waits) return;
    this.#taken = value;
    const key = controlKey(char);
    this.end();
    if (key === undefined) this.#events.text(char);
    else this.#events.press(key);
  }

  #pressed(event: KeyboardEvent): void {
    if (isComposing(event) || event.ctrlKey) return;
    if (event.key === "Escape") {
      event.preventDefault();
      return this.end();
    }
    const key = keyName(event, false);
    if (
      key === undefined ||
      !/^(?:M-)?(?:S-)?(?:Up|Down|Left|Right|Home|End|PageUp|PageDown|F\d+)$/.test(key)
    )
      return;
    event.preventDefault();
    this.end();
    this.#events.press(`C-${key}`);
  }
}
