import { rowText } from "../src/row.ts";
import type { Frame, OutputPage, ViewerEvents } from "../src/types.ts";
import { el } from "./dom.ts";
import { guarded } from "./known.ts";
import { drawRow } from "./rows.ts";
import { openWheel } from "./wheel.ts";

/** Lines of history fetched at once (as many come with the stream), and the most that stay on the page. */
export const PAGE_LINES = 100;
const KEPT_LINES = 5000;
/** A reader near the bottom is kept there, in CSS pixels. */
const BOTTOM_PX = 40;
/** Type that can be read on a phone, in CSS pixels. */
const READABLE_PX = 13;
/** A row's height, as in app.css. */
const ROW_EM = 1.2;
/** The spoken log lags behind the screen, in ms. */
const SPOKEN_MS = 2000;
/** A line that was found is looked for so far back, in so large steps. */
const REVEAL_LINES = 5000;
const REVEAL_STEP = 1000;

/** How many columns and rows of type that can be read fit in so much room, in CSS pixels. */
export const capacityOf = (width: number, height: number) => ({
  cols: Math.floor(width / READABLE_PX / 0.602),
  rows: Math.floor(height / READABLE_PX / ROW_EM),
});

/** The screen of a session with its history above, in one scrolling column of text; `turn` takes what is for the wheel of a program that has the whole screen. */
export function openTerminal(
  fetchLines: (before: number, limit: number) => Promise<OutputPage>,
  turn: (up: boolean, steps: number) => void,
) {
  const older = el("button", {
    class: "older",
    text: "Earlier lines",
    attrs: { type: "button" },
    on: { click: () => guarded(loadOlder)() },
    init: (b) => (b.hidden = true),
  });
  const history = el("div", { class: "history" });
  const screen = el("div", { class: "screen" });
  const cursor = el("span", { class: "cursor", attrs: { "aria-hidden": "true" } });
  const text = el(
    "div",
    { class: "terminal", attrs: { "aria-hidden": "true" } },
    history,
    el("div", { class: "live" }, screen, cursor),
  );
  const spoken = el("div", { class: "spoken", attrs: { role: "log", "aria-label": "Terminal" } });
  const element = el(
    "section",
    { class: "scroller", attrs: { tabindex: "0", "aria-label": "Terminal" } },
    older,
    text,
    spoken,
  );
  const payloads: string[] = [];
  let first = 0; // number of the first line of history on the page
  let next = 0; // number after the last
  let generation = -1;
  let loading = false;
  let behind = false; // more has come than who reads older lines is shown
  let speak: ReturnType<typeof setTimeout> | undefined;
  let cols = 80;
  let full = false;
  openWheel(element, () => full, turn);

  const atBottom = () =>
    element.scrollHeight - element.scrollTop - element.clientHeight < BOTTOM_PX;
  let stuck = true; // as of the last scroll: a smaller window alone does not take the reader from the bottom
  element.addEventListener("scroll", () => {
    stuck = atBottom();
    if (stuck && behind) guarded(reload)();
  });
  const keepBottom = (change: () => void) => {
    change();
    if (stuck) element.scrollTop = element.scrollHeight;
  };

  /** What there is for text, in CSS pixels. */
  const room = () => {
    const padding = 2 * Number.parseFloat(getComputedStyle(element).paddingLeft);
    return { width: element.clientWidth - padding, height: element.clientHeight - padding };
  };
  /** The largest type in which all columns fit, and the rows where that leaves it legible; beyond that the terminal pans. */
  const fit = () => {
    const { width, height } = room();
    const byHeight = Math.max(11, height / screen.childElementCount / ROW_EM);
    const size = Math.max(7, Math.min(18, byHeight, width / cols / 0.602));
    text.style.fontSize = `${size.toFixed(2)}px`;
    text.style.minWidth = `${cols}ch`; // its place in the middle does not depend on what stands there
  };
  new ResizeObserver(() => keepBottom(fit)).observe(element);

  const line = (number: number, payload: string) =>
    el("div", {
      class: "row",
      attrs: { "data-line": String(number) },
      init: (row) => drawRow(row, payload),
    });

  /** Lines numbered from `from` to `to`, with the places marked where some are missing. */
  const linesOf = (page: Pick<OutputPage, "lines">, from: number, to: number): HTMLElement[] => {
    let number = from;
    const upTo = (at: number) => {
      const lost = at - number;
      number = at;
      return lost > 0
        ? [
            el("div", {
              class: "gap",
              text: lost === 1 ? "1 line was lost" : `${lost} lines were lost`,
            }),
          ]
        : [];
    };
    const lines = page.lines.flatMap(({ line: at, row }) => {
      const gap = upTo(at);
      number++;
      return [...gap, line(at, row)];
    });
    return [...lines, ...upTo(to)];
  };

  const loadOlder = async (limit = PAGE_LINES) => {
    if (loading) return;
    loading = true;
    const before = first;
    const page = await fetchLines(before, limit).finally(() => (loading = false));
    if (page.generation !== generation || before !== first) return; // all is another since
    const height = element.scrollHeight;
    const from = page.lines[0]?.line ?? first;
    history.prepend(...linesOf(page, from, first));
    first = page.lines.length === 0 ? 0 : from;
    older.hidden = first === 0;
    element.scrollTop += element.scrollHeight - height; // what was in view stays there
  };

  /** The newest lines, afresh. */
  const takeNewest = (page: OutputPage) => {
    generation = page.generation;
    next = page.next;
    behind = false;
    first = page.lines[0]?.line ?? page.next;
    keepBottom(() => {
      history.replaceChildren(...linesOf(page, first, next));
      older.hidden = first === 0;
    });
  };

  /** Who reads older lines keeps them, or a flood would take them away every second: what came since is there at the bottom. */
  const leaveReader = (end: number) => {
    if (!behind && end !== next)
      history.append(
        el("div", {
          class: "nothing",
          text: "More lines came: they are shown once you are at the bottom",
        }),
      );
    behind = true;
  };

  let reloading: Promise<void> | undefined;
  let meanwhile: [event: ViewerEvents["output"], afresh: boolean][] = []; // told during a reload: may be newer than what that brings
  /** Fetches them: after a new generation, or more than could be sent along. */
  const reload = (): Promise<void> => {
    reloading ??= loadNewest();
    return reloading;
  };
  const loadNewest = async () => {
    meanwhile = [];
    try {
      const page = await fetchLines(Number.MAX_SAFE_INTEGER, PAGE_LINES);
      if (stuck || page.generation !== generation) takeNewest(page);
      else leaveReader(page.next);
    } finally {
      reloading = undefined;
    }
    await Promise.all(meanwhile.map(([event, afresh]) => output(event, afresh)));
  };

  /** What is told of the history; with `afresh` nothing that was told before counts. Resolves once it is there. */
  const output = async (event: ViewerEvents["output"], afresh: boolean): Promise<void> => {
    const { from, lines } = event;
    if (reloading !== undefined) meanwhile.push([event, afresh]);
    const known = event.generation === generation;
    if (!afresh && lines === undefined && known && event.next === next) return;
    const follows =
      !afresh && lines !== undefined && known && from <= next && from >= first && !behind;
    if (!follows && known && !stuck) return leaveReader(event.next);
    if (afresh && lines !== undefined)
      return takeNewest({ ...event, lines: lines.map((row, i) => ({ line: from + i, row })) });
    if (!follows) return reload();
    keepBottom(() => {
      for (let number = next - 1; number >= from; number--) history.lastElementChild?.remove();
      history.append(...lines.map((row, i) => line(from + i, row)));
      next = event.next;
      while (history.childElementCount > KEPT_LINES) {
        history.firstElementChild?.remove();
        first++;
        older.hidden = false;
      }
    });
  };

  return {
    element,
    isEmpty: () => text.textContent.trim() === "",

    /** How many columns and rows fit in type that can be read. */
    capacity() {
      const { width, height } = room();
      return capacityOf(width, height);
    },

    draw(frame: Frame): void {
      keepBottom(() => {
        const resized = frame.cols !== cols || frame.rows !== screen.childElementCount;
        cols = frame.cols;
        full = frame.full === true;
        while (screen.childElementCount > frame.rows) screen.lastElementChild?.remove();
        while (screen.childElementCount < frame.rows) screen.append(el("div", { class: "row" }));
        if (resized) fit();
        payloads.length = frame.rows;
        for (const [y, payload] of Object.entries(frame.lines)) {
          const row = screen.children[Number(y)];
          if (!(row instanceof HTMLElement)) continue;
          payloads[Number(y)] = payload;
          drawRow(row, payload);
        }
        // what is empty below is not shown: the newest line belongs at the bottom, in sight
        const used = Math.max(
          payloads.findLastIndex((payload) => payload !== undefined && payload !== ""),
          frame.cursor.visible ? frame.cursor.y : 0,
        );
        for (const [y, row] of [...screen.children].entries())
          row.toggleAttribute("hidden", y > used);
        cursor.hidden = !frame.cursor.visible;
        cursor.style.top = `${frame.cursor.y * ROW_EM}em`; // in its own unit: the type's size changes with the room that there is
        cursor.style.left = `${frame.cursor.x}ch`;
      });
      if (speak !== undefined) return;
      speak = setTimeout(() => {
        speak = undefined;
        spoken.textContent = payloads
          .map((payload) => rowText(payload ?? ""))
          .filter((row) => row.trim() !== "")
          .join("\n");
      }, SPOKEN_MS);
    },

    output,

    reload,

    /** Resolves once what is being fetched is there. */
    loaded: () => reloading ?? Promise.resolve(),

    /** Scrolls to a line of history, loading backwards to it. */
    async reveal(number: number): Promise<void> {
      stuck = false;
      for (let before = -1; first > number && next - first < REVEAL_LINES && first !== before; ) {
        before = first;
        await loadOlder(REVEAL_STEP);
      }
      await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))); // the type's size follows the room that cards leave
      stuck = false;
      const found = history.querySelector(`[data-line="${number}"]`);
      found?.classList.add("found");
      found?.scrollIntoView({ block: "center" });
    },
  };
}
