import { rowText } from "../src/row.ts";
import type { Frame, OutputPage, ViewerEvents } from "../src/types.ts";
import { el } from "./dom.ts";
import { drawRow } from "./rows.ts";
import { HistoryWindow } from "./session/history-window.ts";
import { openWheel } from "./wheel.ts";

/** Type that can be read on a phone, in CSS pixels. */
const READABLE_PX = 13;
/** A row's height, as in app.css. */
const ROW_EM = 1.2;
/** The spoken log lags behind the screen, in ms. */
const SPOKEN_MS = 2000;

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
  const screen = el("div", { class: "screen" });
  const cursor = el("span", { class: "cursor", attrs: { "aria-hidden": "true" } });
  const live = el("div", { class: "live" }, screen, cursor);
  const text = el("div", { class: "terminal", attrs: { "aria-hidden": "true" } }, live);
  const spoken = el("div", { class: "spoken", attrs: { role: "log", "aria-label": "Terminal" } });
  const element = el(
    "section",
    { class: "scroller", attrs: { tabindex: "0", "aria-label": "Terminal" } },
    text,
    spoken,
  );
  const history = new HistoryWindow(element, fetchLines);
  element.prepend(history.older);
  text.prepend(history.element);
  const payloads: string[] = [];
  let speak: ReturnType<typeof setTimeout> | undefined;
  let cols = 80;
  let full = false;
  openWheel(element, () => full, turn);

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
  new ResizeObserver(() => history.keepBottom(fit)).observe(element);

  return {
    element,
    isEmpty: () => text.textContent.trim() === "",

    /** How many columns and rows fit in type that can be read. */
    capacity() {
      const { width, height } = room();
      return capacityOf(width, height);
    },

    draw(frame: Frame): void {
      history.keepBottom(() => {
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

    /** Takes an event about the history. */
    output: (event: ViewerEvents["output"], afresh: boolean) => history.output(event, afresh),

    /** Fetches the newest lines of the history. */
    reload: () => history.reload(),

    /** Resolves once what is being fetched is there. */
    loaded: () => history.loaded(),

    /** Scrolls to a line of history. */
    reveal: (number: number) => history.reveal(number),
  };
}
