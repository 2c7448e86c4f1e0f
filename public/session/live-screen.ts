import { goesOn, parseRow } from "../../src/row.ts";
import type { Frame } from "../../src/types.ts";
import { el } from "../dom.ts";
import type { RowView } from "./row-view.ts";

/** A row's height in units of the type's size, as in app.css. */
export const ROW_EM = 1.2;

/** The newest screen of a session, row by row, with its cursor. */
export class LiveScreen {
  readonly #screen = el("div", { class: "screen" });
  readonly #cursor = el("span", { class: "cursor", attrs: { "aria-hidden": "true" } });
  readonly element = el("div", { class: "live" }, this.#screen, this.#cursor);
  readonly #rows: RowView;
  /** The payloads of the rows; a hole where none came yet. */
  readonly #payloads: string[] = [];
  /** The last row that has to be seen. */
  #last = 0;
  cols = 80;
  /** How many rows the screen has. */
  rows = 0;
  /** A program has the whole screen and scrolls by itself. */
  full = false;

  constructor(rows: RowView) {
    this.#rows = rows;
    rows.onRelease(() => this.#trim());
  }

  /** Draws the rows that changed; returns whether the screen has another size. */
  draw(frame: Frame): boolean {
    const { cols, rows, cursor, lines } = frame;
    const resized = cols !== this.cols || rows !== this.rows;
    this.cols = cols;
    this.rows = rows;
    this.full = frame.full === true;
    this.#rows.takeGround(frame);
    while (this.#screen.childElementCount < rows) this.#screen.append(el("div", { class: "row" }));
    this.#payloads.length = rows;
    const elements = [...this.#screen.children];
    const changed: HTMLElement[] = [];
    for (const [y, payload] of Object.entries(lines)) {
      const row = elements[Number(y)];
      if (!(row instanceof HTMLElement) || Number(y) >= rows) continue;
      this.#payloads[Number(y)] = payload;
      this.#rows.draw(row, payload);
      changed.push(row);
    }
    this.#rows.link(changed);
    this.#last = Math.max(
      this.#payloads.findLastIndex((payload) => payload !== undefined && payload !== ""),
      cursor.visible ? cursor.y : 0,
    );
    this.#trim();
    this.#cursor.hidden = !cursor.visible;
    this.#cursor.style.top = `${cursor.y * ROW_EM}em`; // in its own unit: the type's size changes with the room that there is
    this.#cursor.style.left = `${cursor.x}ch`;
    return resized;
  }

  /** Nothing to be seen is on it. */
  isEmpty(): boolean {
    return this.#payloads.every((payload) => (payload ?? "").trim() === "");
  }

  /** What a screen reader says: whole lines, without what is concealed. */
  spokenText(): string {
    let text = "";
    for (const payload of this.#payloads)
      text += seenText(payload ?? "") + (goesOn(payload ?? "") ? "" : "\n");
    return text
      .split("\n")
      .filter((line) => line.trim() !== "")
      .join("\n");
  }

  /** Hides what is empty below, so that the newest line is at the bottom, in sight; but nothing that is selected. */
  #trim(): void {
    for (const [y, row] of [...this.#screen.children].entries()) {
      if (!(row instanceof HTMLElement)) continue;
      if (y <= this.#last) row.hidden = false;
      else if (this.#rows.isSelected(row)) continue;
      else if (y < this.rows) row.hidden = true;
      else row.remove();
    }
  }
}

/** A row's text without what is concealed (SGR 8). */
function seenText(payload: string): string {
  return parseRow(payload)
    .filter(({ style }) => !/^[a-zA-Z]*h/.test(style))
    .map(({ text }) => text)
    .join("");
}
