import type { Frame, ViewerEvents } from "../src/types.ts";
import { el } from "./dom.ts";
import { type FetchLines, HistoryWindow } from "./session/history-window.ts";
import { LineTime } from "./session/line-time.ts";
import { LiveScreen, ROW_EM } from "./session/live-screen.ts";
import { RowView } from "./session/row-view.ts";
import { openWheel } from "./wheel.ts";

/** Type that can be read on a phone, in CSS pixels. */
const READABLE_PX = 13;
/** Type is never smaller, nor larger; and so small only where all columns need it, not all rows. In CSS pixels. */
const SMALLEST_PX = 7;
const LARGEST_PX = 18;
const READABLE_LEAST_PX = 11;
/** A cell's width in units of the type's size, where it was not measured: that of most fonts. */
const CELL_EM = 0.602;
/** The spoken log lags behind the screen, in ms. */
const SPOKEN_MS = 2000;

/** How many columns and rows of type that can be read fit in so much room, in CSS pixels. */
export const capacityOf = (width: number, height: number) => ({
  cols: Math.floor(width / READABLE_PX / CELL_EM),
  rows: Math.floor(height / READABLE_PX / ROW_EM),
});

/** The screen of a session with its history above, in one scrolling column of text; `turn` takes what is for the wheel of a program that has the whole screen. */
export function openTerminal(fetchLines: FetchLines, turn: (up: boolean, steps: number) => void) {
  const text = el("div", { class: "terminal", attrs: { "aria-hidden": "true" } });
  const spoken = el("div", { class: "spoken", attrs: { role: "log", "aria-label": "Terminal" } });
  const element = el(
    "section",
    { class: "scroller", attrs: { tabindex: "0", "aria-label": "Terminal" } },
    text,
    spoken,
  );
  const rows = new RowView(element, text);
  const screen = new LiveScreen(rows);
  const history = new HistoryWindow(element, fetchLines, rows);
  element.prepend(el("div", { class: "ends" }, history.older, history.times));
  new LineTime(history, fetchLines);
  text.append(history.element, screen.element);
  element.append(history.bar.element, rows.font.element);
  let speak: ReturnType<typeof setTimeout> | undefined;
  openWheel(element, () => screen.full, turn);

  /** What there is for text, in CSS pixels. */
  const room = () => {
    const padding = 2 * Number.parseFloat(getComputedStyle(element).paddingLeft);
    return { width: element.clientWidth - padding, height: element.clientHeight - padding };
  };
  /** The largest type in which all columns fit, and the rows where that leaves it legible; beyond that the terminal pans. */
  const fit = () => {
    const { width, height } = room();
    const byHeight = Math.max(READABLE_LEAST_PX, height / screen.rows / ROW_EM);
    const most = Math.min(LARGEST_PX, byHeight);
    const type = rows.font.choose(SMALLEST_PX, most, width / screen.cols);
    const size = type?.size ?? Math.max(SMALLEST_PX, Math.min(most, width / screen.cols / CELL_EM));
    text.style.fontSize = `${size}px`;
    if (type !== undefined) text.style.setProperty("--cell", `${type.cell}px`);
    const tall = rows.font.stretch(ROW_EM);
    if (tall !== undefined)
      text.style.setProperty(
        "--tall",
        `translateY(${tall.shiftEm.toFixed(4)}em) scaleY(${tall.scale.toFixed(4)})`,
      );
    text.style.minWidth = `${screen.cols}ch`; // its place in the middle does not depend on what stands there
  };
  rows.onFont(() => history.keepBottom(fit));
  new ResizeObserver(() => history.keepBottom(fit)).observe(element);
  new MutationObserver((changes) =>
    rows.link(
      changes.flatMap(({ addedNodes }) =>
        [...addedNodes].filter((node) => node instanceof HTMLElement),
      ),
    ),
  ).observe(history.element, { childList: true });

  return {
    element,
    isEmpty: () => screen.isEmpty() && history.element.childElementCount === 0,

    /** How many columns and rows fit in type that can be read. */
    capacity() {
      const { width, height } = room();
      return capacityOf(width, height);
    },

    draw(frame: Frame): void {
      history.keepBottom(() => {
        if (screen.draw(frame)) fit();
      });
      if (speak !== undefined) return;
      speak = setTimeout(() => {
        speak = undefined;
        spoken.textContent = screen.spokenText();
      }, SPOKEN_MS);
    },

    /** Takes an event about the history. */
    output: (event: ViewerEvents["output"], afresh: boolean) => history.output(event, afresh),

    /** Fetches the newest lines of the history. */
    reload: () => history.reload(),

    /** Resolves once what is being fetched is there. */
    loaded: () => history.loaded(),

    /** Shows a line of history in its place, with these words marked. */
    reveal: (number: number, words: readonly string[]) => history.reveal(number, words),

    close: () => rows.close(),
  };
}
