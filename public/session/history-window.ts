import type { OutputPage, ViewerEvents } from "../../src/types.ts";
import { el } from "../dom.ts";
import { guarded } from "../known.ts";
import { FoundWords, hasAll } from "./found-words.ts";
import type { PageRange } from "./page-range.ts";
import { ReadingBar } from "./reading-bar.ts";
import type { RowView } from "./row-view.ts";

/** Lines of history fetched at once (as many come with the stream), and the most that stay on the page. */
export const PAGE_LINES = 100;
const KEPT_LINES = 5000;
/** Lines fetched before a line that was found, and as many from it on. */
const AROUND_LINES = 150;
/** The server finds words together that stand this close, in lines. */
const NEAR_LINES = 40;
/** A reader near the bottom is kept there, in CSS pixels. */
const BOTTOM_PX = 40;
/** A reader this near to where the lines on the page end gets more of them, in CSS pixels. */
const AHEAD_PX = 400;

type OutputEvent = ViewerEvents["output"];
export type FetchLines = (range: PageRange, limit: number) => Promise<OutputPage>;

/** Numbered lines of one generation: from `first`, before `next`. */
interface Span {
  generation: number;
  first: number;
  next: number;
}

/** Which lines are on the page. */
type Shown =
  | { state: "empty" }
  /** The newest, with what comes appended. */
  | ({ state: "following" } & Span)
  /** Those that a reader keeps while newer ones come, which are shown once the reader is at the bottom. */
  | ({ state: "behind" } & Span)
  /** Some in the middle of a history that ends before `end`: scrolling pages both ways. */
  | ({ state: "apart"; end: number } & Span);

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
  /** Leads to the lines of a time. */
  readonly times = el("button", {
    class: "older",
    text: "Go to a time",
    attrs: { type: "button" },
    init: (b) => (b.hidden = true),
  });
  /** What a reader of older lines is told, and the way back to the newest. */
  readonly bar = new ReadingBar(() => this.#toNewest());
  /** Stands after the last row where lines follow that are not on the page. */
  readonly #later = el("div", { class: "nothing" });

  /** What scrolls; it has `older`, `times`, `element` and `bar` in it. */
  readonly #scroller: HTMLElement;
  readonly #fetchLines: FetchLines;
  readonly #rows: RowView;
  #shown: Shown = { state: "empty" };
  #reload: Reload = { state: "idle" };
  #paging = false;
  /** Whether the reader was at the bottom at the last scroll: a smaller window alone does not move them away. */
  #atBottom = true;
  /** Where the page itself has scrolled to: an event that says so is not the reader's doing. */
  #placed = -1;
  #found: FoundWords | undefined;

  constructor(scroller: HTMLElement, fetchLines: FetchLines, rows: RowView) {
    this.#scroller = scroller;
    this.#rows = rows;
    this.#fetchLines = fetchLines;
    scroller.addEventListener("scroll", () => this.#onScroll());
    rows.onRelease(() => {
      if (this.#atBottom && this.#shown.state === "behind") guarded(() => this.reload())();
    });
  }

  /** Changes what is in the scroller: a reader at the bottom stays there, others keep what they look at. */
  keepBottom(change: () => void): void {
    if (!this.#atBottom) return this.#keepPlace(change, this.#topRow());
    change();
    this.#scrollTo(this.#scroller.scrollHeight);
  }

  /** Takes an event about the history; with `afresh` nothing that came before it counts. Resolves once the lines are on the page. */
  async output(event: OutputEvent, afresh: boolean): Promise<void> {
    const { from, next, lines } = event;
    const shown = this.#shown;
    if (this.#reload.state === "fetching") this.#reload.meanwhile.push({ event, afresh });
    const known = shown.state !== "empty" && event.generation === shown.generation;
    if (known && shown.state === "apart") return this.#outputApart(shown, event);
    if (!afresh && lines === undefined && known && next === shown.next) return;
    const follows =
      !afresh &&
      lines !== undefined &&
      shown.state === "following" &&
      known &&
      from <= shown.next &&
      from >= shown.first &&
      (this.#atBottom || next - shown.first <= KEPT_LINES);
    if (!follows && known && this.#isHeld()) return this.#leaveReader(shown, next);
    if (afresh && lines !== undefined)
      return this.#takeNewest({
        ...event,
        lines: lines.map((row, i) => ({ line: from + i, row })),
      });
    if (!follows) return this.reload();
    this.keepBottom(() => this.#splice(shown, from, next, lines));
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

  /** Shows a line of history in its place, with the words marked that were looked for. */
  async reveal(number: number, words: readonly string[]): Promise<void> {
    const shown = this.#shown;
    const here = shown.state !== "empty" && number >= shown.first && number < shown.next;
    if (!here) await this.#loadAround(number);
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))); // the type's size follows the room that cards leave
    this.#markFound(number, words);
  }

  /** Marks a line that is on the page, where it stands, and says something of it. */
  point(number: number, words: string): void {
    const row = this.#row(number);
    if (row === undefined) return;
    this.#forgetFound();
    const line = this.#rows.lineOf(row);
    this.#found = new FoundWords(line, []);
    this.bar.say(words, line.map((part) => part.textContent).join(""), true);
    row.scrollIntoView({ block: "nearest" });
  }

  /** The number of the line before or after one, as far as it is on the page; a wrapped line is one. */
  besides(number: number, way: -1 | 1): number | undefined {
    const row = this.#row(number);
    if (row === undefined) return undefined;
    const line = this.#rows.lineOf(row).filter((part) => this.element.contains(part));
    let next = way < 0 ? line[0]?.previousElementSibling : line.at(-1)?.nextElementSibling;
    while (next instanceof HTMLElement && !next.matches(".row"))
      next = way < 0 ? next.previousElementSibling : next.nextElementSibling;
    if (!(next instanceof HTMLElement)) return undefined;
    return Number(this.#rows.lineOf(next)[0]?.dataset.line);
  }

  #row(number: number): HTMLElement | undefined {
    return this.element.querySelector<HTMLElement>(`.row[data-line="${number}"]`) ?? undefined;
  }

  #onScroll(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    if (Math.abs(scrollTop - this.#placed) < 1) return;
    this.#placed = -1;
    this.#atBottom = scrollHeight - scrollTop - clientHeight < BOTTOM_PX;
    const { state } = this.#shown;
    if (state === "behind" && this.#atBottom) return guarded(() => this.reload())();
    if (state !== "apart") return;
    const { bottom } = this.#scroller.getBoundingClientRect();
    if (this.#later.getBoundingClientRect().top < bottom + AHEAD_PX)
      guarded(() => this.#loadLater())();
    else if (!this.older.hidden && scrollTop < AHEAD_PX) guarded(() => this.#loadOlder())();
  }

  /** Scrolls where the page wants it: that pages nothing. */
  #scrollTo(top: number): void {
    this.#scroller.scrollTop = top;
    this.#placed = this.#scroller.scrollTop;
  }

  /** The first row that is in view, or what stands after the history. */
  #topRow(): Element | null {
    const { top } = this.#scroller.getBoundingClientRect();
    const rows = this.element.children;
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((rows[middle]?.getBoundingClientRect().bottom ?? 0) <= top) low = middle + 1;
      else high = middle;
    }
    return rows[low] ?? this.element.nextElementSibling;
  }

  /** Changes what is in the scroller while this element stays where it is. */
  #keepPlace(change: () => void, anchor: Element | null): void {
    const before = anchor?.getBoundingClientRect().top ?? 0;
    change();
    const moved = anchor?.isConnected ? anchor.getBoundingClientRect().top - before : 0;
    if (Math.abs(moved) >= 1) this.#scrollTo(this.#scroller.scrollTop + moved);
  }

  async #loadOlder(): Promise<void> {
    const start = this.#shown;
    if (this.#paging || start.state === "empty") return;
    const { generation, first: before } = start;
    const page = await this.#page({ before }, PAGE_LINES);
    const shown = this.#shown;
    if (shown.state === "empty" || page.generation !== generation) return;
    if (generation !== shown.generation || before !== shown.first) return; // the lines are others now
    const first = firstOf(page, before, PAGE_LINES);
    this.#keepPlace(() => {
      this.element.prepend(...this.#drawLines(page.lines, first, before));
      shown.first = first;
      this.#trimEnd(shown);
      this.#drawEnds();
    }, this.#topRow());
  }

  async #loadLater(): Promise<void> {
    const start = this.#shown;
    if (this.#paging || start.state !== "apart") return;
    const { generation, next: from } = start;
    const page = await this.#page({ from }, PAGE_LINES);
    const shown = this.#shown;
    if (shown.state !== "apart" || page.generation !== generation) return;
    if (generation !== shown.generation || from !== shown.next) return; // the lines are others now
    const whole = page.lines.length < PAGE_LINES;
    const next = whole ? Math.max(from, page.next) : (page.lines.at(-1)?.line ?? from) + 1;
    const rows = this.#drawLines(page.lines, from, next);
    this.#keepPlace(() => {
      this.#append(rows);
      this.#shown = { ...shown, next, end: Math.max(shown.end, page.next) };
      if (next >= shown.end) this.#shown = { ...shown, state: "following", next };
      this.#trimStart();
      this.#drawEnds();
    }, rows[0]?.previousElementSibling ?? this.#lastRow());
  }

  async #page(range: PageRange, limit: number): Promise<OutputPage> {
    this.#paging = true;
    return this.#fetchLines(range, limit).finally(() => (this.#paging = false));
  }

  /** Shows the lines around one, instead of all others. */
  async #loadAround(number: number): Promise<void> {
    const before = number + AROUND_LINES;
    const page = await this.#fetchLines({ before }, 2 * AROUND_LINES);
    const { generation } = page;
    const first = firstOf(page, Math.min(before, page.next), 2 * AROUND_LINES);
    if (number < page.next && (page.lines.at(-1)?.line ?? -1) < number) {
      // it was lost: says how many lines were, from the last before to the next that is there
      const after = await this.#fetchLines({ from: number }, AROUND_LINES);
      if (after.generation !== generation) return;
      page.lines.push(...after.lines);
    }
    const last = page.lines.at(-1)?.line ?? -1;
    const next = last < number ? page.next : last + 1;
    const shown = this.#shown;
    if (shown.state !== "empty" && generation < shown.generation) return; // it has begun anew since
    if (number >= page.next) return; // it is shorter now
    const known = shown.state === "apart" ? shown.end : shown.state === "empty" ? 0 : shown.next;
    const end = Math.max(page.next, known);
    this.#atBottom = false;
    this.#shown =
      next < end
        ? { state: "apart", generation, first, next, end }
        : { state: "following", generation, first, next };
    this.#forgetFound();
    this.element.replaceChildren(...this.#drawLines(page.lines, first, next));
    this.#drawEnds();
    this.#scrollTo(this.#scroller.scrollTop);
  }

  /** Marks a line that was found, in the middle of the view, and says where it is. */
  #markFound(number: number, words: readonly string[]): void {
    this.#forgetFound();
    const shown = this.#shown;
    const row = this.element.querySelector<HTMLElement>(`.row[data-line="${number}"]`);
    if (row === null || shown.state === "empty") {
      const here = shown.state !== "empty" && number >= shown.first && number < shown.next;
      this.bar.say(
        here
          ? "The line that was found was lost."
          : "The line that was found is no longer there: the history has begun anew since.",
      );
      if (here) this.#center(this.#gapAt(number));
      return;
    }
    const line = this.#rows.lineOf(row);
    const text = line.map((part) => part.textContent).join("");
    const near = hasAll(text, words) ? line : this.#near(number);
    this.#found = new FoundWords(near, words);
    for (const part of near) part.classList.toggle("found", line.includes(part));
    const mark = this.#found.first;
    const total = shown.state === "apart" ? shown.end : shown.next;
    if (words.length > 0 && mark === undefined) {
      this.#forgetFound();
      this.bar.say("What was found no longer stands here: the history has begun anew since.");
    } else this.bar.say(`Line ${many(number + 1)} of ${many(total)}`, text);
    this.#center(row);
    if (mark !== undefined) this.#bringAcross(mark);
    this.#scroller.focus({ preventScroll: true }); // its keys scroll from here
  }

  /** The rows that were looked through together with a line: of several words, some may stand in others. */
  #near(number: number): HTMLElement[] {
    return [...this.element.querySelectorAll<HTMLElement>(".row")].filter(
      ({ dataset }) => Math.abs(Number(dataset.line) - number) < NEAR_LINES,
    );
  }

  #gapAt(number: number): HTMLElement | undefined {
    return [...this.element.querySelectorAll<HTMLElement>(".gap")].findLast(
      ({ dataset }) => Number(dataset.line) <= number,
    );
  }

  #center(row: HTMLElement | undefined): void {
    if (row === undefined) return;
    this.#atBottom = false;
    const [own, view] = [row.getBoundingClientRect(), this.#scroller.getBoundingClientRect()];
    const off = own.top + own.height / 2 - view.top - view.height / 2;
    this.#scrollTo(this.#scroller.scrollTop + off);
  }

  #bringAcross(mark: HTMLElement): void {
    const [own, view] = [mark.getBoundingClientRect(), this.#scroller.getBoundingClientRect()];
    if (own.right > view.right || own.left < view.left)
      this.#scroller.scrollLeft += own.left - view.left - view.width / 3;
  }

  #forgetFound(): void {
    this.#found?.clear();
    this.#found = undefined;
  }

  /** Shows the newest lines, whatever was read. */
  #toNewest(): void {
    this.#forgetFound();
    this.bar.say("");
    this.#atBottom = true;
    if (this.#shown.state === "apart") this.#shown = { ...this.#shown, state: "behind" };
    if (this.#shown.state === "behind") guarded(() => this.reload())();
    else this.keepBottom(() => this.#drawEnds());
  }

  /** Shows the newest lines instead of all others. */
  #takeNewest({ generation, next, lines }: OutputPage): void {
    const first = firstOf({ lines }, next, PAGE_LINES);
    const old = this.#shown;
    const lost = old.state === "apart" || old.state === "behind" || this.#found !== undefined;
    if (old.state !== "empty" && old.generation !== generation && lost)
      this.bar.say("The lines that you read are gone: the history has begun anew.");
    this.#forgetFound();
    this.#shown = { state: "following", generation, first, next };
    this.keepBottom(() => {
      this.element.replaceChildren(...this.#drawLines(lines, first, next));
      this.#drawEnds();
    });
  }

  /** Changes where the history ends for a reader in the middle of it. */
  async #outputApart(shown: Extract<Shown, { state: "apart" }>, event: OutputEvent): Promise<void> {
    const { from, next, lines } = event;
    if (Math.min(from, next) <= shown.first) return this.#reloadAll();
    this.#keepPlace(() => {
      if (lines !== undefined && from <= shown.next && from > shown.first)
        return this.#splice(shown, from, next, lines);
      const known = Math.min(shown.next, from);
      if (known < shown.next) this.#cutFrom(known);
      const span = { ...shown, next: known };
      this.#shown = next > known ? { ...span, end: next } : { ...span, state: "following" };
      if (next > shown.end) this.bar.tellNew();
      this.#drawEnds();
    }, this.#topRow());
  }

  /** Nothing of what is shown is left: the newest lines come instead. */
  #reloadAll(): Promise<void> {
    this.#shown = { state: "empty" };
    this.bar.say("The lines that you read are gone.");
    return this.reload();
  }

  /** Whether somebody reads or has selected lines that are on the page: they are not exchanged. */
  #isHeld(): boolean {
    return !this.#atBottom || this.#rows.isSelected(this.element);
  }

  /** A reader of older lines keeps them, or a flood of output would take them away every second. */
  #leaveReader(shown: Exclude<Shown, { state: "empty" }>, end: number): void {
    if (shown.state === "apart") this.#shown = { ...shown, end: Math.max(shown.next, end) };
    else if (shown.state === "behind" || end !== shown.next)
      this.#shown = { ...shown, state: "behind" };
    this.#drawEnds();
  }

  async #loadNewest(): Promise<void> {
    let meanwhile: { event: OutputEvent; afresh: boolean }[] = [];
    try {
      const page = await this.#fetchLines("newest", PAGE_LINES);
      const shown = this.#shown;
      const known = shown.state !== "empty" && page.generation === shown.generation;
      if (known && (shown.state === "apart" || this.#isHeld())) this.#leaveReader(shown, page.next);
      else this.#takeNewest(page);
    } finally {
      if (this.#reload.state === "fetching") ({ meanwhile } = this.#reload);
      this.#reload = { state: "idle" };
    }
    await Promise.all(meanwhile.map(({ event, afresh }) => this.output(event, afresh)));
  }

  /** Lines from `from` on are these now, and the history ends with them. */
  #splice(shown: Exclude<Shown, { state: "empty" }>, from: number, next: number, rows: string[]) {
    this.#cutFrom(from);
    this.#append(rows.map((row, i) => this.#drawLine(from + i, row)));
    const { generation, first } = shown;
    this.#shown = { state: "following", generation, first, next };
    this.#trimStart();
    this.#drawEnds();
  }

  #lastRow(): Element | null {
    const last = this.element.lastElementChild;
    return last === this.#later ? last.previousElementSibling : last;
  }

  #append(rows: readonly HTMLElement[]): void {
    if (this.#later.isConnected) this.#later.before(...rows);
    else this.element.append(...rows);
  }

  /** Takes away the rows from a number on. */
  #cutFrom(number: number): void {
    for (let last = this.#lastRow(); last instanceof HTMLElement; last = this.#lastRow()) {
      const line = Number(last.dataset.line);
      if (line < number) {
        if (last.matches(".gap")) last.replaceWith(...gap(line, number));
        break;
      }
      last.remove();
    }
  }

  #trimEnd(shown: Exclude<Shown, { state: "empty" }>): void {
    let next = shown.next;
    while (this.element.childElementCount > KEPT_LINES) {
      const last = this.#lastRow();
      if (!(last instanceof HTMLElement)) break;
      next = Number(last.dataset.line);
      last.remove();
    }
    const end = shown.state === "apart" ? shown.end : shown.next;
    if (next < shown.next) this.#shown = { ...shown, state: "apart", next, end };
  }

  #trimStart(): void {
    if (this.#shown.state === "empty" || this.element.childElementCount <= KEPT_LINES) return;
    while (this.element.childElementCount > KEPT_LINES) {
      const [first] = this.element.children;
      if (first instanceof HTMLElement && this.#rows.isSelected(first)) break;
      first?.remove();
    }
    const [row] = this.element.children;
    if (row instanceof HTMLElement) this.#shown.first = Number(row.dataset.line);
  }

  /** Says what there is before and after the rows on the page. */
  #drawEnds(): void {
    const shown = this.#shown;
    this.older.hidden = shown.state === "empty" || shown.first === 0;
    this.times.hidden = shown.state === "empty" || this.element.childElementCount === 0;
    this.bar.show(shown.state === "apart" || shown.state === "behind");
    if (shown.state === "apart") {
      const left = shown.end - shown.next;
      this.#later.textContent = left === 1 ? "1 more line" : `${many(left)} more lines`;
      this.element.append(this.#later);
    } else if (shown.state === "behind") {
      this.#later.textContent = "More lines came: they are shown once you are at the bottom";
      this.element.append(this.#later);
    } else this.#later.remove();
  }

  #drawLine(number: number, payload: string): HTMLElement {
    const row = el("div", { class: "row", attrs: { "data-line": String(number) } });
    this.#rows.draw(row, payload);
    return row;
  }

  /** Lines numbered from `from` to `to`, with the places marked where some are missing. */
  #drawLines(lines: OutputPage["lines"], from: number, to: number): HTMLElement[] {
    let number = from;
    const rows = lines
      .filter(({ line }) => line >= from && line < to)
      .flatMap(({ line, row }) => {
        const missing = gap(number, line);
        number = line + 1;
        return [...missing, this.#drawLine(line, row)];
      });
    return [...rows, ...gap(number, to)];
  }
}

const many = (number: number) => number.toLocaleString("en");

/** Where lines are missing, from a number to another. */
function gap(from: number, to: number): HTMLElement[] {
  if (to <= from) return [];
  const text = to - from === 1 ? "1 line was lost" : `${to - from} lines were lost`;
  return [el("div", { class: "gap", text, attrs: { "data-line": String(from) } })];
}

/** The first number of a page of lines before another: with fewer lines than asked, there are none before. */
function firstOf({ lines }: Pick<OutputPage, "lines">, before: number, limit: number): number {
  return lines.length < limit ? 0 : (lines[0]?.line ?? before);
}
