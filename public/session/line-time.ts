import type { OutputPage } from "../../src/types.ts";
import { el, moment } from "../dom.ts";
import { guarded } from "../known.ts";
import type { FetchLines, HistoryWindow } from "./history-window.ts";

/** Says when a line of the history was printed that somebody taps, and leads to the lines of a time. */
export class LineTime {
  readonly #history: HistoryWindow;
  readonly #fetchLines: FetchLines;
  /** The line whose time is shown. */
  #number = 0;
  #at = Date.now();
  readonly #input = el("input", {
    attrs: { type: "datetime-local", step: "1", required: "", "aria-label": "Time to go to" },
  });
  readonly #form = el(
    "form",
    {
      on: {
        submit: (event) => {
          event.preventDefault();
          guarded(() => this.#goTo(this.#input.value))();
        },
      },
      init: (form) => (form.hidden = true),
    },
    this.#input,
    el("button", { text: "Go" }),
  );

  readonly #opener = el("button", {
    text: "Go to a time",
    attrs: { type: "button" },
    on: { click: () => this.#openForm() },
  });
  readonly #next = el("button", {
    text: "↓",
    attrs: { type: "button", "aria-label": "The line after" },
    on: { click: () => this.#step(1) },
  });

  constructor(history: HistoryWindow, fetchLines: FetchLines) {
    this.#history = history;
    this.#fetchLines = fetchLines;
    history.element.addEventListener("click", (event) => this.#onClick(event));
    history.times.addEventListener("click", () => this.#openForm());
    const before = el("button", {
      text: "↑",
      attrs: { type: "button", "aria-label": "The line before" },
      on: { click: () => this.#step(-1) },
    });
    history.bar.addTools(el("span", {}, before, this.#next), this.#opener, this.#form);
  }

  #onClick({ target }: MouseEvent): void {
    if (!(target instanceof Element) || target.closest("a, button") !== null) return;
    if (document.getSelection()?.isCollapsed === false) return; // it was selected, to be copied
    const row = target.closest<HTMLElement>(".row");
    if (row !== null) guarded(() => this.#show(Number(row.dataset.line)))();
  }

  /** Says when a line was printed that is on the page. */
  async #show(number: number): Promise<void> {
    const page = await this.#fetchLines({ from: number }, 1);
    const [line] = page.lines;
    if (line?.line === number) this.#say(line);
  }

  #say({ line, at }: OutputPage["lines"][number], before = ""): void {
    this.#form.hidden = true;
    this.#opener.hidden = false;
    this.#number = line;
    this.#at = at ?? this.#at;
    const when =
      typeof at === "number"
        ? `printed ${moment(at, "second")}`
        : "nobody noted when it was printed";
    this.#history.point(line, `${before}Line ${(line + 1).toLocaleString("en")}: ${when}`);
  }

  #step(way: -1 | 1): void {
    const next = this.#history.besides(this.#number, way);
    if (next !== undefined) guarded(() => this.#show(next))();
  }

  #openForm(): void {
    this.#form.hidden = false;
    this.#opener.hidden = true;
    this.#input.value = localTime(this.#at);
    this.#history.bar.open();
    this.#input.focus();
  }

  /** Shows the first line that was printed at a time or later, or else the last. */
  async #goTo(value: string): Promise<void> {
    const time = new Date(value).getTime();
    if (!(time >= 0)) return this.#history.bar.say("This is not a time.");
    const { lines } = await this.#fetchLines({ at: time }, 1);
    const [line] = lines;
    if (line === undefined) return this.#history.bar.say("No line is in the history yet.");
    await this.#history.reveal(line.line, []);
    const isEarlier = typeof line.at === "number" && line.at < time;
    this.#say(line, isEarlier ? "Nothing came later. " : "");
    this.#next.focus({ preventScroll: true }); // a keyboard reads on from here
  }
}

/** A time as the field takes it: the clock's own, without a zone. */
function localTime(time: number): string {
  const date = new Date(time);
  const local = new Date(time - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}
