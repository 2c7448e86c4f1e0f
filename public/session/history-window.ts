import type { OutputPage, ViewerEvents } from "../../src/types.ts";
import { el } from "../dom.ts";
import { guarded } from "../known.ts";
import type { RowView } from "./row-view.ts";

/** Lines of history fetched at once (as many come with the stream), and the most that stay on the page. */
export const PAGE_LINES = 100;
const KEPT_LINES = 5000;
/** A reader near the bottom is kept there, in CSS pixels. */
const BOTTOM_PX = 40;
/** A line that was found is looked for so far back, in so large steps. */
const REVEAL_LINES = 5000;
const REVEAL_STEP = 1000;

type OutputEvent = ViewerEvents["output"];
type FetchLines = (before: number, limit: number) => Promise<OutputPage>;

/** Numbered lines of one generation: from `first`, before `next`. */
interface Span {
  generation: number;
  first: number;
  next: number;
}

/**
 * Which lines are on the page: none yet; the newest ones, with what comes appended; or older ones
 * that a reader keeps, while newer ones exist that are not on the page.
 */
type Shown = { state: "empty" } | ({ state: "following" } & Span) | ({ state: "reading" } & Span);

/** Whether the newest lines are being fetched, and the events that came meanwhile: they may be newer. */
type Reload =
  | { state: "idle" }
  | {
      state: "fetching";
      done: Promise<void>;
      meanwhile: { event: OutputEvent; afresh: boolean }[];
    };

/** The lines of a session's history that are on the page, above its live screen. */
export class HistoryWindow {
  readonly element = el("div", { class: "history" });
  readonly older = el("button", {
    class: "older",
    text: "Earlier lines",
    attrs: { type: "button" },
    on: { click: () => guarded(() => this.#loadOlder())() },
    init: (b) => (b.hidden = true),
  });

  /** What scrolls; it has `older` and `element` in it. */
  readonly #scroller: HTMLElement;
  readonly #fetchLines: FetchLines;
  readonly #rows: RowView;
  #shown: Shown = { state: "empty" };
  #reload: Reload = { state: "idle" };
  #loadingOlder = false;
  /** Whether the reader was at the bottom at the last scroll: a smaller window alone does not move them away. */
  #atBottom = true;

  constructor(scroller: HTMLElement, fetchLines: FetchLines, rows: RowView) {
    this.#scroller = scroller;
    this.#rows = rows;
    this.#fetchLines = fetchLines;
    scroller.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = scroller;
      this.#atBottom = scrollHeight - scrollTop - clientHeight < BOTTOM_PX;
      if (this.#atBottom && this.#shown.state === "reading") guarded(() => this.reload())();
    });
  }

  /** Changes what is in the scroller; a reader at the bottom stays at the bottom. */
  keepBottom(change: () => void): void {
    change();
    if (this.#atBottom) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Takes an event about the history; with `afresh` nothing that came before it counts. Resolves once the lines are on the page. */
  async output(event: OutputEvent, afresh: boolean): Promise<void> {
    const { from, lines } = event;
    const shown = this.#shown;
    if (this.#reload.state === "fetching") this.#reload.meanwhile.push({ event, afresh });
    const known = shown.state !== "empty" && event.generation === shown.generation;
    if (!afresh && lines === undefined && known && event.next === shown.next) return;
    const follows =
      !afresh &&
      lines !== undefined &&
      shown.state === "following" &&
      known &&
      from <= shown.next &&
      from >= shown.first;
    if (!follows && known && !this.#atBottom) return this.#leaveReader(shown, event.next);
    if (afresh && lines !== undefined)
      return this.#takeNewest({
        ...event,
        lines: lines.map((row, i) => ({ line: from + i, row })),
      });
    if (!follows) return this.reload();
    this.keepBottom(() => {
      for (let number = shown.next - 1; number >= from; number--)
        this.element.lastElementChild?.remove();
      this.element.append(...lines.map((row, i) => drawLine(this.#rows, from + i, row)));
      shown.next = event.next;
      while (this.element.childElementCount > KEPT_LINES) {
        this.element.firstElementChild?.remove();
        shown.first++;
        this.older.hidden = false;
      }
    });
  }

  /** Fetches the newest lines: after a new generation, or when more came than could be sent along. */
  reload(): Promise<void> {
    if (this.#reload.state === "fetching") return this.#reload.done;
    const done = this.#loadNewest();
    this.#reload = { state: "fetching", done, meanwhile: [] };
    return done;
  }

  /** Resolves once what is being fetched is on the page. */
  loaded(): Promise<void> {
    return this.#reload.state === "fetching" ? this.#reload.done : Promise.resolve();
  }

  /** Scrolls to a line of history, loading backwards to it. */
  async reveal(number: number): Promise<void> {
    this.#atBottom = false;
    for (let before = -1; ; ) {
      const shown = this.#shown;
      if (shown.state === "empty" || shown.first <= number || shown.first === before) break;
      if (shown.next - shown.first >= REVEAL_LINES) break;
      before = shown.first;
      await this.#loadOlder(REVEAL_STEP);
    }
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))); // the type's size follows the room that cards leave
    this.#atBottom = false;
    const found = this.element.querySelector(`[data-line="${number}"]`);
    found?.classList.add("found");
    found?.scrollIntoView({ block: "center" });
  }

  async #loadOlder(limit = PAGE_LINES): Promise<void> {
    const shown = this.#shown;
    if (this.#loadingOlder || shown.state === "empty") return;
    this.#loadingOlder = true;
    const { generation, first: before } = shown;
    const page = await this.#fetchLines(before, limit).finally(() => (this.#loadingOlder = false));
    const now = this.#shown;
    if (now.state === "empty" || page.generation !== now.generation || before !== now.first) return; // the lines are others now
    if (generation !== now.generation) return;
    const height = this.#scroller.scrollHeight;
    const from = page.lines[0]?.line ?? before;
    this.element.prepend(...drawLines(this.#rows, page.lines, from, before));
    now.first = page.lines.length === 0 ? 0 : from;
    this.older.hidden = now.first === 0;
    this.#scroller.scrollTop += this.#scroller.scrollHeight - height; // what was in view stays there
  }

  /** Shows the newest lines instead of all others. */
  #takeNewest({ generation, next, lines }: OutputPage): void {
    const first = lines[0]?.line ?? next;
    this.#shown = { state: "following", generation, first, next };
    this.keepBottom(() => {
      this.element.replaceChildren(...drawLines(this.#rows, lines, first, next));
      this.older.hidden = first === 0;
    });
  }

  /** A reader of older lines keeps them, or a flood of output would take them away every second. */
  #leaveReader(shown: Exclude<Shown, { state: "empty" }>, end: number): void {
    if (shown.state === "following" && end !== shown.next)
      this.element.append(
        el("div", {
          class: "nothing",
          text: "More lines came: they are shown once you are at the bottom",
        }),
      );
    this.#shown = { ...shown, state: "reading" };
  }

  async #loadNewest(): Promise<void> {
    let meanwhile: { event: OutputEvent; afresh: boolean }[] = [];
    try {
      const page = await this.#fetchLines(Number.MAX_SAFE_INTEGER, PAGE_LINES);
      const shown = this.#shown;
      if (this.#atBottom || shown.state === "empty" || page.generation !== shown.generation)
        this.#takeNewest(page);
      else this.#leaveReader(shown, page.next);
    } finally {
      if (this.#reload.state === "fetching") ({ meanwhile } = this.#reload);
      this.#reload = { state: "idle" };
    }
    await Promise.all(meanwhile.map(({ event, afresh }) => this.output(event, afresh)));
  }
}

function drawLine(rows: RowView, number: number, payload: string): HTMLElement {
  return el("div", {
    class: "row",
    attrs: { "data-line": String(number) },
    init: (row) => rows.draw(row, payload),
  });
}

/** Lines numbered from `from` to `to`, with the places marked where some are missing. */
function drawLines(
  view: RowView,
  lines: OutputPage["lines"],
  from: number,
  to: number,
): HTMLElement[] {
  let number = from;
  const gapUpTo = (at: number) => {
    const lost = at - number;
    number = at;
    const text = lost === 1 ? "1 line was lost" : `${lost} lines were lost`;
    return lost > 0 ? [el("div", { class: "gap", text })] : [];
  };
  const rows = lines.flatMap(({ line, row }) => {
    const gap = gapUpTo(line);
    number++;
    return [...gap, drawLine(view, line, row)];
  });
  return [...rows, ...gapUpTo(to)];
}
