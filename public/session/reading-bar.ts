import { el } from "../dom.ts";

/** Stands over the end of a view while older lines are read: says where one is, and leads back to the newest. */
export class ReadingBar {
  readonly #words = el("span");
  /** What was found, for screen readers: the terminal itself is not read to them line by line. */
  readonly #content = el("span", { class: "spoken" });
  readonly #news = el("span", { class: "spoken" });
  readonly #said = el("p", { attrs: { role: "status" } }, this.#words, this.#content, this.#news);
  /** What else can be done, and what only with a line that is spoken of. */
  readonly #tools = el("span", { class: "tools" });
  #steps: HTMLElement | undefined;
  readonly element: HTMLElement;
  #away = false;

  constructor(toNewest: () => void) {
    const newest = el("button", {
      text: "Newest ↓",
      attrs: { type: "button" },
      on: { click: toNewest },
    });
    this.element = el("div", { class: "reading" }, this.#said, this.#tools, newest);
    this.element.hidden = true;
  }

  /** Shows it while the newest lines are not on the page. */
  show(away: boolean): void {
    this.#away = away;
    if (!away) this.#news.textContent = "";
    this.element.hidden = !away && this.#words.textContent === "";
  }

  /** Adds what can be done with a line that is spoken of, and always. */
  addTools(steps: HTMLElement, ...others: HTMLElement[]): void {
    this.#steps = steps;
    steps.hidden = true;
    this.#tools.append(steps, ...others);
  }

  /** Shows it for its tools. */
  open(): void {
    this.element.hidden = false;
  }

  /** Says something, and `content` to screen readers alone. */
  say(words: string, content = "", ofLine = false): void {
    if (this.#steps !== undefined) this.#steps.hidden = !ofLine;
    this.#words.textContent = words;
    this.#content.textContent = content === "" ? "" : `: ${content}`;
    this.show(this.#away);
  }

  /** Says, once, that new lines come while older ones are read. */
  tellNew(): void {
    this.#news.textContent ||= " New lines come at the end.";
  }
}
