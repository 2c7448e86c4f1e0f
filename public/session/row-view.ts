import { goesOn, rowText } from "../../src/row.ts";
import { drawRow, type Look } from "../rows.ts";
import { CellFont } from "./cell-font.ts";
import { type Ground, Palette } from "./palette.ts";
import { type Link, linksOf, mayLink } from "./row-links.ts";
import { isSelected, selectionIn, textOf } from "./row-selection.ts";

/** A line is followed over so many rows, in each direction. */
const LINE_ROWS = 64;

/** A row on the page: its newest payload, and what is drawn of it. */
interface Row {
  payload: string;
  drawn: string | undefined;
  links: readonly Link[];
}

/**
 * Draws the rows of one terminal, in its history and on its screen, and draws them anew when the font or the
 * colours become others. A row with selected text stays as it is until the selection ends.
 */
export class RowView {
  readonly font = new CellFont(
    () => this.#redrawAll(),
    () => this.#refit(),
  );
  readonly #text: HTMLElement;
  readonly #look: Look;
  readonly #rows = new WeakMap<Node, Row>();
  /** Rows that are to be drawn once nothing in them is selected. */
  readonly #held = new Set<HTMLElement>();
  #released: () => void = () => undefined;
  #refit: () => void = () => undefined;

  /** `scroller` has the colours; `text`, in it, has all rows. */
  constructor(scroller: HTMLElement, text: HTMLElement) {
    this.#text = text;
    this.#look = { font: this.font, palette: new Palette(scroller) };
    document.addEventListener("selectionchange", this.#onSelection);
    document.addEventListener("copy", this.#onCopy);
  }

  close(): void {
    document.removeEventListener("selectionchange", this.#onSelection);
    document.removeEventListener("copy", this.#onCopy);
  }

  /** `act` is called when rows that were selected no longer are. */
  onRelease(act: () => void): void {
    const before = this.#released;
    this.#released = () => {
      before();
      act();
    };
  }

  /** `act` is called when cells have another width. */
  onFont(act: () => void): void {
    this.#refit = act;
  }

  /** Whether a row has to stay on the page as it is: a person has selected text in it. */
  isSelected(row: HTMLElement): boolean {
    const selected = isSelected(row);
    if (selected) this.#held.add(row);
    return selected;
  }

  /** Draws a row, now or when it may change. */
  draw(row: HTMLElement, payload: string): void {
    const known = this.#rows.get(row);
    if (known?.payload === payload && known.drawn === payload) return;
    const text = rowText(payload);
    const links = mayLink(text) ? (linksOf([text])[0] ?? []) : [];
    this.#rows.set(row, { payload, drawn: known?.drawn, links });
    this.#paint(row);
  }

  /** Finds the links that reach over several rows, in lines that these rows are part of. */
  link(rows: Iterable<HTMLElement>): void {
    const done = new Set<HTMLElement>();
    for (const row of rows)
      for (const start of [row, this.#next(row)]) {
        if (start === undefined || done.has(start)) continue;
        const line = this.lineOf(start);
        for (const part of line) done.add(part);
        const texts = line.map((part) => rowText(this.#rows.get(part)?.payload ?? ""));
        if (!texts.some(mayLink) && !line.some((part) => this.#rows.get(part)?.links.length))
          continue;
        for (const [i, links] of linksOf(texts).entries()) this.#relink(line[i], links);
      }
  }

  /** Takes over the ground that the program draws on; returns whether it is another. */
  takeGround(ground: Ground): void {
    if (this.#look.palette.take(ground)) this.#redrawAll();
  }

  /** The rows of the line that this one is part of: each but the last goes on in the next. */
  lineOf(row: HTMLElement): HTMLElement[] {
    const line = [row];
    for (let before = this.#previous(row); before !== undefined && this.#goesOn(before); ) {
      if (line.unshift(before) > LINE_ROWS) break;
      before = this.#previous(before);
    }
    for (let at: HTMLElement | undefined = row; at !== undefined && this.#goesOn(at); ) {
      at = this.#next(at);
      if (at !== undefined && line.push(at) > 2 * LINE_ROWS) break;
    }
    return line;
  }

  #goesOn(row: HTMLElement): boolean {
    const payload = this.#rows.get(row)?.payload;
    return payload !== undefined && goesOn(payload);
  }

  #relink(element: HTMLElement | undefined, links: readonly Link[]): void {
    const row = element && this.#rows.get(element);
    if (element === undefined || row === undefined || isSame(row.links, links)) return;
    row.links = links;
    this.#paint(element);
  }

  #paint(element: HTMLElement): void {
    this.#held.delete(element);
    const row = this.#rows.get(element);
    if (row === undefined || (row.drawn !== undefined && this.isSelected(element))) return;
    row.drawn = row.payload;
    drawRow(element, row.payload, this.#look, row.links);
  }

  #redrawAll(): void {
    for (const row of this.#text.querySelectorAll<HTMLElement>(".row")) this.#paint(row);
  }

  readonly #onSelection = (): void => {
    if (this.#held.size === 0) return;
    for (const row of [...this.#held]) if (!isSelected(row)) this.#paint(row);
    if (this.#held.size === 0) this.#released();
  };

  readonly #onCopy = (event: ClipboardEvent): void => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement)
      return;
    const range = selectionIn(this.#text);
    if (range === undefined || event.clipboardData === null) return;
    const rows = this.#text.querySelectorAll<HTMLElement>(".row, .gap");
    const text = textOf(range, rows, (row) => goesOn(this.#rows.get(row)?.drawn ?? ""));
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  };

  /** The row before this one; the screen's first comes after the last of the history. */
  #previous(row: HTMLElement): HTMLElement | undefined {
    const before = row.previousElementSibling;
    if (before instanceof HTMLElement) return before;
    return row.parentElement?.classList.contains("screen") === true
      ? (this.#text.querySelector<HTMLElement>(".history > :last-child") ?? undefined)
      : undefined;
  }

  #next(row: HTMLElement): HTMLElement | undefined {
    const after = row.nextElementSibling;
    if (after instanceof HTMLElement) return after;
    return row.parentElement?.classList.contains("history") === true
      ? (this.#text.querySelector<HTMLElement>(".screen > :first-child") ?? undefined)
      : undefined;
  }
}

const isSame = (a: readonly Link[], b: readonly Link[]): boolean =>
  a.length === b.length &&
  a.every(
    ({ start, end, href }, i) => b[i]?.start === start && b[i]?.end === end && b[i]?.href === href,
  );
