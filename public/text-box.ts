import { el } from "./dom.ts";

/**
 * For commands, paths and code: nothing changes what is typed. iOS has no attribute for smart quotes and dashes, but turns
 * them off together with spell checking.
 */
export const EXACT = {
  autocapitalize: "off",
  autocorrect: "off",
  autocomplete: "off",
  spellcheck: "false",
};
/** For sentences. */
const PROSE = {
  autocapitalize: "sentences",
  autocorrect: "on",
  autocomplete: "off",
  spellcheck: "true",
};

/** Text that begins like this is a command or code: `/help`, `!ls`, `./run`, `--flag`, `$x`, `~/a`, `{`, `<a>`, a code fence. */
const CODE = /^\s*[/!.\-$~`{}[\]()<>#@*&|;:=+\\^%_]/;

/**
 * Keeps the keyboard's help in step with the text: it helps with sentences and leaves commands and code alone. `exact`: the
 * box is for commands only. A phone may ask for these attributes only when the box gets the focus.
 */
export function fitKeyboard(box: HTMLElement & { value: string }, exact: boolean): void {
  for (const [name, value] of Object.entries(exact || CODE.test(box.value) ? EXACT : PROSE))
    box.setAttribute(name, value);
}

/** Makes a box as high as its text, up to the bound that the style sheet sets (`.grows`), and returns what measures it again after a change by the page. */
export function grow(box: HTMLTextAreaElement): () => void {
  box.className = `${box.className} grows`.trim();
  let width = 0;
  const scroll = () =>
    (box.style.overflowY = box.scrollHeight > box.clientHeight + 1 ? "auto" : "hidden");
  const measure = () => {
    box.style.height = "auto"; // or a box that is too high would never shrink
    const borders = box.offsetHeight - box.clientHeight;
    box.style.height = box.clientWidth === 0 ? "" : `${box.scrollHeight + borders}px`; // hidden: later
    scroll();
  };
  box.addEventListener("input", measure);
  new ResizeObserver(() => {
    if (box.clientWidth === width) return scroll();
    width = box.clientWidth; // it appeared, or the phone was turned
    measure();
  }).observe(box);
  return measure;
}

/** A box takes so much text, in UTF-16 units: a phone's browser takes seconds to lay out more. */
export const BOX_CHARS = 256 * 1024;
/** How much fits into a box is told once this share of it is left. */
const NEARLY_FULL = 0.1;

/** Tells before anything is sent whether a text fits. */
export interface TextLimit {
  /** Says how many characters are left, or too many. */
  note: HTMLElement;
  fits(): boolean;
  /** To be called after a change by the page. */
  check(): void;
}

/** Watches a box whose text may have `max` UTF-16 units, as the server counts them. */
export function limit(box: HTMLTextAreaElement | HTMLInputElement, max: number): TextLimit {
  const note = el("p", { class: "limit", attrs: { role: "status" } });
  const check = () => {
    const left = max - box.value.length;
    const words =
      left < 0
        ? `Too long by ${count(-left)}: at most ${count(max)} can be sent.`
        : left < max * NEARLY_FULL
          ? `${count(left)} left.`
          : "";
    if (note.textContent !== words) note.textContent = words;
    note.dataset.over = String(left < 0);
  };
  box.addEventListener("input", check);
  return { note, fits: () => box.value.length <= max, check };
}

const count = (chars: number) =>
  `${chars.toLocaleString()} ${chars === 1 ? "character" : "characters"}`;
