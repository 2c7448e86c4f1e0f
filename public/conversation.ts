import type { TranscriptPage, ViewerEvents } from "../src/types.ts";
import { el } from "./dom.ts";
import { guarded } from "./known.ts";
import { EntryViews } from "./session/entry-view.ts";
import { FoundWords } from "./session/found-words.ts";
import type { PageRange } from "./session/page-range.ts";

/** Entries fetched at first, and when one reads on in either direction; the most that stay on the page. */
const FIRST_ENTRIES = 60;
const MORE_ENTRIES = 150;
const KEPT_ENTRIES = 1000;
/** Entries fetched before one that was found, and from it on. */
const AROUND_ENTRIES = 30;
/** A reader this near the end is kept there, and this near to where the entries on the page end gets more, in CSS pixels. */
const END_PX = 60;
const AHEAD_PX = 600;

type Fetch = (range: PageRange, limit: number) => Promise<TranscriptPage>;
type Entries = TranscriptPage["entries"];

/** Which entries are on the page: from `first`, before `next`. */
type Shown =
  | { state: "empty" }
  /** The newest, with what comes appended. */
  | { state: "following"; first: number; next: number }
  /** Some in the middle: scrolling pages both ways. */
  | { state: "apart"; first: number; next: number };

/** What was searched for: an entry, and the words in it. */
interface Sought {
  n: number;
  words: readonly string[];
}

/** A session's conversation: what was said as text, tools folded with their results. Opens at the end, or where something was found. */
export class Conversation {
  readonly element: HTMLElement;
  readonly #older = el("button", {
    class: "older",
    text: "Earlier",
    attrs: { type: "button" },
    on: { click: () => guarded(() => this.#loadOlder())() },
  });
  readonly #empty = el("p", {
    class: "nothing",
    text: "No conversation yet. What is said to Claude shows here.",
  });
  readonly #entries = el("div", {
    class: "entries",
    attrs: { role: "log", "aria-label": "Conversation" },
  });
  readonly #lost = el("p", { class: "nothing", attrs: { role: "status" } });
  readonly #scroller = el(
    "section",
    { class: "talk", attrs: { tabindex: "0", "aria-label": "Conversation" } },
    el("h2", { class: "spoken", text: "Conversation" }),
    this.#older,
    this.#empty,
    this.#entries,
    this.#lost,
  );
  readonly #fresh = el("button", {
    class: "fresh",
    attrs: { type: "button" },
    on: { click: () => this.#toEnd() },
  });
  readonly #fetchPage: Fetch;

  #shown: Shown = { state: "empty" };
  #views = new EntryViews();
  /** Where the conversation ends, as far as we know. */
  #end = 0;
  #visible = false;
  #refreshing: Promise<void> | undefined;
  #paging = false;
  /** Whether the reader is at the end, as of the last scroll. */
  #atEnd = true;
  /** Where the page itself has scrolled to: an event that says so is not the reader's doing. */
  #placed = -1;
  /** What to open at, until that is done. */
  #sought: Sought | undefined;
  #found: FoundWords | undefined;

  /** With `sought` it opens there. */
  constructor(fetchPage: Fetch, sought?: Sought) {
    this.#fetchPage = fetchPage;
    this.#sought = sought;
    this.element = el("div", { class: "talks" }, this.#scroller, this.#fresh);
    this.#older.hidden = this.#fresh.hidden = this.#empty.hidden = this.#lost.hidden = true;
    this.#scroller.addEventListener("scroll", () => this.#onScroll());
    new ResizeObserver(() => this.#atEnd && this.#scrollToEnd()).observe(this.#scroller);
  }

  /** Takes where the conversation ends now, with what is new if it came along. */
  event({ from, next: end, entries: grown }: ViewerEvents["transcript"]): Promise<void> {
    this.#end = end;
    if (this.#shown.state !== "empty" && end < this.#shown.next) this.#clear(); // the server has lost some of it
    const shown = this.#shown;
    if (!this.#visible || this.#refreshing !== undefined) return Promise.resolve();
    if (shown.state === "apart") this.#drawEnds();
    if (shown.state === "apart" || (shown.state !== "empty" && end === shown.next))
      return Promise.resolve();
    if (grown === undefined || shown.state === "empty" || from > shown.next) return this.refresh();
    this.#append(
      grown.map((entry, i) => ({ n: from + i, entry })),
      end,
    );
    return Promise.resolve();
  }

  /** Shows or hides it; it is fetched only once somebody looks. */
  show(on: boolean): Promise<void> {
    this.#visible = on;
    if (on && this.#atEnd) this.#scrollToEnd();
    return this.refresh();
  }

  /** Fetches what is lacking: around what was sought, or at the end. */
  refresh(): Promise<void> {
    if (!this.#visible) return Promise.resolve();
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    if (this.#sought !== undefined) await this.#openAt(this.#sought);
    else if (this.#shown.state !== "apart") await this.#fetchEnd();
    this.#drawEnds();
    if (this.#scroller.scrollHeight <= this.#scroller.clientHeight) await this.#loadOlder();
  }

  /** Fetches what is lacking at the end; afresh where that is too much. */
  async #fetchEnd(): Promise<void> {
    for (;;) {
      const limit = this.#shown.state === "empty" ? FIRST_ENTRIES : MORE_ENTRIES;
      const page = await this.#fetchPage("newest", limit);
      const start = page.entries[0]?.n ?? page.next;
      const shown = this.#shown;
      if (shown.state === "empty" || start > shown.next || page.next < shown.next) {
        this.#replace([], start, start);
        this.#atEnd = true;
      }
      this.#append(page.entries, page.next);
      this.#end = Math.max(this.#end, page.next);
      if (page.next >= this.#end || !this.#visible) return;
    }
  }

  /** Opens where something was found: fetches the entries around it alone. */
  async #openAt({ n, words }: Sought): Promise<void> {
    const [later, earlier] = await Promise.all([
      this.#fetchPage({ from: n }, AROUND_ENTRIES),
      n === 0 ? undefined : this.#fetchPage({ before: n }, AROUND_ENTRIES),
    ]);
    this.#sought = undefined;
    this.#end = Math.max(this.#end, later.next);
    if (n >= later.next || later.entries.length === 0) {
      await this.#fetchEnd();
      this.#lost.textContent = "What was found is no longer in this conversation.";
      this.#lost.hidden = false;
      return this.#scrollToEnd();
    }
    const entries = [...(earlier?.entries ?? []), ...later.entries];
    this.#atEnd = false;
    this.#replace(entries, entries[0]?.n ?? n, (later.entries.at(-1)?.n ?? n) + 1);
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))); // cards take their room first
    this.#markFound(n, words);
  }

  #markFound(n: number, words: readonly string[]): void {
    const article = this.#views.articleOf(n);
    if (article === undefined) return;
    this.#views.reveal(n);
    const details = article.querySelector("details");
    if (details !== null) {
      details.open = true;
      details.dispatchEvent(new Event("toggle")); // what is inside is made now
    }
    this.#found = new FoundWords([article], words);
    article.tabIndex = -1;
    article.focus({ preventScroll: true }); // read from here, and scrolled by keys
    const place = (this.#found.first ?? article).getBoundingClientRect();
    const view = this.#scroller.getBoundingClientRect();
    const height = Math.min(place.height, view.height);
    this.#atEnd = false;
    this.#scrollTo(this.#scroller.scrollTop + place.top + height / 2 - view.top - view.height / 2);
    this.#found.first?.scrollIntoView({ block: "nearest" }); // in a box that scrolls by itself
    this.#placed = this.#scroller.scrollTop;
  }

  #onScroll(): void {
    if (!this.#visible || Math.abs(this.#scroller.scrollTop - this.#placed) < 1) return;
    this.#placed = -1;
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const below = scrollHeight - scrollTop - clientHeight;
    this.#atEnd = this.#shown.state === "following" && below < END_PX;
    if (this.#atEnd) this.#fresh.hidden = true;
    if (this.#shown.state === "apart" && below < AHEAD_PX) guarded(() => this.#loadLater())();
    else if (scrollTop < AHEAD_PX) guarded(() => this.#loadOlder())();
  }

  #scrollTo(top: number): void {
    this.#scroller.scrollTop = top;
    this.#placed = this.#scroller.scrollTop;
  }

  #scrollToEnd(): void {
    this.#atEnd = true;
    this.#fresh.hidden = true;
    this.#scrollTo(this.#scroller.scrollHeight);
  }

  /** Leads to the newest, whatever was read. */
  #toEnd(): void {
    this.#found?.clear();
    this.#found = undefined;
    if (this.#shown.state !== "apart") return this.#scrollToEnd();
    this.#shown = { state: "empty" };
    this.#atEnd = true;
    guarded(() => this.refresh())();
  }

  async #loadOlder(): Promise<void> {
    const start = this.#shown;
    if (this.#paging || start.state === "empty" || start.first === 0) return;
    const before = start.first;
    const page = await this.#page({ before });
    const shown = this.#shown;
    if (shown.state === "empty" || shown.first !== before) return; // the entries are others now
    this.#entries.setAttribute("aria-busy", "true"); // what came before is not news
    this.#keepPlace(() => {
      this.#entries.prepend(...this.#drawAll(page.entries));
      this.#shown = { ...shown, first: page.entries[0]?.n ?? 0 };
      this.#trim("end");
    });
    this.#entries.removeAttribute("aria-busy");
    this.#drawEnds();
  }

  async #loadLater(): Promise<void> {
    const start = this.#shown;
    if (this.#paging || start.state !== "apart") return;
    const from = start.next;
    const page = await this.#page({ from });
    const shown = this.#shown;
    if (shown.state !== "apart" || shown.next !== from) return; // the entries are others now
    this.#entries.setAttribute("aria-busy", "true");
    this.#keepPlace(() => {
      this.#entries.append(...this.#drawAll(page.entries));
      const next = page.entries.length === 0 ? page.next : (page.entries.at(-1)?.n ?? from) + 1;
      this.#end = Math.max(this.#end, page.next);
      this.#shown = { ...shown, state: next < this.#end ? "apart" : "following", next };
      this.#trim("start");
    });
    this.#entries.removeAttribute("aria-busy");
    this.#drawEnds();
  }

  async #page(range: PageRange): Promise<TranscriptPage> {
    this.#paging = true;
    return this.#fetchPage(range, MORE_ENTRIES).finally(() => (this.#paging = false));
  }

  /** Changes the entries while the one at the top of the view stays where it is. */
  #keepPlace(change: () => void): void {
    const { top } = this.#scroller.getBoundingClientRect();
    const anchor = [...this.#entries.children].find(
      (child) => child.getBoundingClientRect().bottom > top,
    );
    const before = anchor?.getBoundingClientRect().top ?? 0;
    change();
    const moved = anchor?.isConnected ? anchor.getBoundingClientRect().top - before : 0;
    if (Math.abs(moved) >= 1) this.#scrollTo(this.#scroller.scrollTop + moved);
  }

  #drawAll(entries: Entries): HTMLElement[] {
    return entries.flatMap(({ n, entry }) => this.#views.draw(n, entry));
  }

  /** Shows these entries instead of all others. */
  #replace(entries: Entries, first: number, next: number): void {
    this.#clear();
    this.#entries.setAttribute("aria-busy", "true"); // what was said before is not news
    this.#entries.replaceChildren(...this.#drawAll(entries));
    this.#entries.removeAttribute("aria-busy");
    this.#shown = { state: next < this.#end ? "apart" : "following", first, next };
    this.#scrollTo(this.#scroller.scrollTop);
  }

  #clear(): void {
    this.#found?.clear();
    this.#found = undefined;
    this.#lost.hidden = true;
    this.#views = new EntryViews();
    this.#shown = { state: "empty" };
  }

  /** Entries come at the end, which is before `next` now. */
  #append(entries: Entries, next: number): void {
    const shown = this.#shown;
    if (shown.state === "empty") return;
    const fresh = entries.filter(({ n }) => n >= shown.next);
    if (!this.#atEnd && this.#entries.childElementCount + fresh.length > KEPT_ENTRIES) {
      this.#shown = { ...shown, state: "apart" }; // the reader keeps what is there
      return this.#drawEnds();
    }
    const added = this.#drawAll(fresh);
    this.#entries.append(...added);
    this.#shown = { ...shown, state: "following", next: Math.max(next, shown.next) };
    if (!this.#atEnd && added.length > 0) this.#fresh.hidden = false;
    if (!this.#atEnd) return;
    this.#trim("start");
    this.#scrollToEnd();
  }

  /** Takes entries away at one side, where there are too many. */
  #trim(side: "start" | "end"): void {
    const shown = this.#shown;
    if (shown.state === "empty" || this.#entries.childElementCount <= KEPT_ENTRIES) return;
    while (this.#entries.childElementCount > KEPT_ENTRIES) {
      const child =
        side === "start" ? this.#entries.firstElementChild : this.#entries.lastElementChild;
      if (side === "end" && child instanceof HTMLElement)
        this.#shown = { ...shown, state: "apart", next: Number(child.dataset.n) };
      child?.remove();
    }
    const top = this.#entries.firstElementChild;
    if (side === "start" && top instanceof HTMLElement)
      this.#shown = { ...shown, first: Math.max(shown.first, Number(top.dataset.n)) };
    if (this.#shown.state !== "empty") this.#views.keep(this.#shown.first, this.#shown.next);
  }

  /** Says what there is before and after the entries on the page. */
  #drawEnds(): void {
    const shown = this.#shown;
    this.#older.hidden = shown.state === "empty" || shown.first === 0;
    this.#empty.hidden = shown.state === "empty" || shown.next > 0;
    this.#fresh.textContent = shown.state === "apart" ? "Newest ↓" : "New below ↓";
    if (shown.state === "apart") this.#fresh.hidden = false;
    else if (this.#atEnd) this.#fresh.hidden = true;
  }
}
