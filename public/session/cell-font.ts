import { el } from "../dom.ts";

/** A run's letters that change the shape of its glyphs: bold, italic, both or none. */
export type Face = "" | "b" | "i" | "bi";

/** A cluster of one code point is measured so often in a row: the layout rounds once for all. */
const REPEATED = 16;
const CELLS = 64;
/** Sizes of type that are tried, downwards, in CSS pixels; browsers round finer ones. */
const SIZE_STEP_PX = 1 / 16;
const SIZES = 8;
/** Chromium and WebKit lay out in 64ths of a CSS pixel; a difference that is not worth a smaller type. */
const LAYOUT_UNITS = 64;
const SAME_UNIT = 0.02;
/** Clusters whose widths are remembered; a program can print more than a million. */
const REMEMBERED = 4000;
/** What the browser watches for another font: digits, and signs that come from different fonts. */
const WATCHED = "0Mi⎿⏺─│●❯⠋✻漢";

/**
 * How wide the terminal's font draws clusters, in cells. Where the font lacks a glyph the browser takes
 * another font, whose glyphs have any width. Widths are measured on the page, in the terminal's own
 * font: no other way is exact in all browsers.
 */
export class CellFont {
  /** Stands in the scroller, out of sight. */
  readonly element = el("div", { class: "probe", attrs: { "aria-hidden": "true" } });
  /** The width of a cell in units of the type's size; undefined until it could be measured. */
  cellEm: number | undefined;
  readonly #watched = el("span", { text: WATCHED });
  readonly #widths = new Map<string, number>();

  /** `onChange` is called when the font became another, and with it all widths. */
  constructor(onChange: () => void) {
    this.element.append(this.#watched);
    let width = 0;
    new ResizeObserver(() => {
      const now = this.#watched.getBoundingClientRect().width;
      if (now === 0 || now === width) return;
      const known = this.cellEm !== undefined && width !== 0;
      width = now;
      if (known || this.#measureCell()) {
        this.#widths.clear();
        this.#measureCell();
        onChange();
      }
    }).observe(this.#watched);
  }

  /**
   * The type whose cells have a width that browsers can lay out, at most this size, in CSS pixels: what they
   * round for each piece of a row adds up to nothing that is seen.
   */
  typeOf(size: number): { size: number; cell: number | undefined } {
    const largest = Math.floor(size / SIZE_STEP_PX) * SIZE_STEP_PX;
    const sizes = Array.from({ length: SIZES }, (_, i) => largest - i * SIZE_STEP_PX);
    const cells = this.#measure(
      sizes.map((px) => ({ text: "0".repeat(CELLS), px })),
      "",
    ).map((em, i) => (em * (sizes[i] ?? 0)) / CELLS);
    const types = sizes.map((size, i) => ({ size, cell: cells[i] ?? 0 }));
    const off = ({ cell }: { cell: number }) =>
      Math.abs(Math.round(cell * LAYOUT_UNITS) - cell * LAYOUT_UNITS);
    const best = types.reduce((best, type) => (off(type) < off(best) - SAME_UNIT ? type : best));
    if (best.cell === 0) return { size: largest, cell: undefined };
    return { size: best.size, cell: Math.ceil(best.cell * LAYOUT_UNITS - 0.5) / LAYOUT_UNITS };
  }

  /** How many cells wide a cluster is drawn; undefined where nothing can be measured. */
  width(cluster: string, face: Face): number | undefined {
    return this.#widths.get(face + cluster);
  }

  /** Measures the clusters that are not known yet, all at once. */
  learn(clusters: Iterable<string>, face: Face): void {
    const unknown = [...new Set(clusters)].filter((cluster) => !this.#widths.has(face + cluster));
    if (unknown.length === 0) return;
    if (this.cellEm === undefined && !this.#measureCell()) return;
    if (this.#widths.size + unknown.length > REMEMBERED) this.#widths.clear();
    const measured = unknown.slice(0, REMEMBERED);
    const counts = measured.map((cluster) => (isSingle(cluster) ? REPEATED : 1));
    const widths = this.#measure(
      measured.map((cluster, i) => ({ text: cluster.repeat(counts[i] ?? 1) })),
      face,
    );
    for (const [i, cluster] of measured.entries())
      this.#widths.set(face + cluster, (widths[i] ?? 0) / (counts[i] ?? 1) / (this.cellEm ?? 1));
  }

  #measureCell(): boolean {
    const [width = 0] = this.#measure([{ text: "0".repeat(CELLS) }], "");
    this.cellEm = width > 0 ? width / CELLS : undefined;
    return this.cellEm !== undefined;
  }

  /** The widths of texts in units of the type's size. */
  #measure(texts: { text: string; px?: number }[], face: Face): number[] {
    const size = Number.parseFloat(getComputedStyle(this.element).fontSize);
    const names = [...face].map((letter) => (letter === "b" ? "bold" : "italic"));
    const spans = texts.map(({ text, px = size }) => {
      const span = el("span", { text, class: names.join(" ") });
      span.style.fontSize = `${px}px`;
      return span;
    });
    this.element.append(...spans);
    const widths = spans.map(
      (span, i) => span.getBoundingClientRect().width / (texts[i]?.px ?? size),
    );
    for (const span of spans) span.remove();
    return widths;
  }
}

/** Whether a cluster is one code point. */
export const isSingle = (cluster: string): boolean =>
  cluster.length === 1 || (cluster.length === 2 && (cluster.codePointAt(0) ?? 0) > 0xffff);
