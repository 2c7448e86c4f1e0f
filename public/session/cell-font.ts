import { el } from "../dom.ts";

/** A run's letters that change the shape of its glyphs: bold, italic, both or none. */
export type Face = "" | "b" | "i" | "bi";

/** A size of type, and how wide its cells are, both in CSS pixels. */
export interface Type {
  size: number;
  cell: number;
}

/** A cluster of one code point is measured so often in a row, a cell so often: the layout rounds once for all. */
const REPEATED = 16;
const CELLS = 64;
/** Clusters whose widths are remembered; a program can print more than a million. */
const REMEMBERED = 4000;
/** What the browser watches for another font: digits, and signs that come from different fonts. */
const WATCHED = "0Mi⎿⏺─│●❯⠋✻漢";
/** Sizes are tried in steps, in CSS pixels: browsers round finer ones. Of two that are so near, either is as good. */
const SIZE_STEP_PX = 1 / 16;
const NEAR_PX = 0.5;
/** Chromium and WebKit lay out in 64ths of a CSS pixel; a difference that is not worth a smaller type. */
const LAYOUT_UNITS = 64;
const SAME_UNIT = 0.02;
/** A width that differs by so much between two sizes is another, in cells. */
const ANOTHER = 0.004;

/**
 * How wide the terminal's font draws clusters, in cells. Where the font lacks a glyph the browser takes
 * another font, whose glyphs have any width; and some browsers round widths to whole pixels. So they are measured
 * on the page, in the terminal's own font and size: no other way is exact in all browsers.
 */
export class CellFont {
  /** Stands in the scroller, out of sight. */
  readonly element = el("div", { class: "probe", attrs: { "aria-hidden": "true" } });
  readonly #watched = el("span", { text: WATCHED });
  readonly #onChange: () => void;
  /** The type that there is, with the width of a cell as it was measured. */
  #type: Type | undefined;
  /** Widths in cells, by face and cluster. */
  #widths = new Map<string, { face: Face; cluster: string; width: number }>();

  /** `onChange` is called when widths became others: the rows have to be drawn anew. */
  constructor(onChange: () => void, onFont: () => void) {
    this.#onChange = onChange;
    this.element.append(this.#watched);
    let watched = 0;
    new ResizeObserver(() => {
      const { width } = this.#watched.getBoundingClientRect();
      if (width === 0 || width === watched) return;
      watched = width;
      onFont();
      this.#measureAgain();
    }).observe(this.#watched);
  }

  /** Whether anything could be measured yet. */
  get isMeasured(): boolean {
    return this.#type !== undefined;
  }

  /** How many cells wide a cluster is drawn; undefined where that is not known. */
  width(cluster: string, face: Face): number | undefined {
    return this.#widths.get(face + cluster)?.width;
  }

  /** Measures the clusters that are not known yet, all at once. */
  learn(clusters: Iterable<string>, face: Face): void {
    if (this.#type === undefined) return;
    const unknown = [...new Set(clusters)].filter((cluster) => !this.#widths.has(face + cluster));
    if (unknown.length === 0) return;
    if (this.#widths.size + unknown.length > REMEMBERED) this.#widths.clear();
    this.#measure(unknown.slice(0, REMEMBERED), face, this.#type);
  }

  /**
   * Takes the largest type, from `least` to `most` pixels, whose cells are at most `room` pixels wide. Of those that are
   * nearly as large it is the one whose cells are the nearest to whole layout units: what browsers round
   * for each piece of a row then adds up to nothing that is seen.
   */
  choose(least: number, most: number, room: number): Type | undefined {
    const lowest = Math.floor(least / SIZE_STEP_PX);
    const sizes = Array.from(
      { length: Math.max(1, Math.floor(most / SIZE_STEP_PX) - lowest + 1) },
      (_, i) => (lowest + i) * SIZE_STEP_PX,
    );
    const zeros = "0".repeat(CELLS);
    const types = this.#widthsOf(sizes.map((px) => ({ text: zeros, px }))).map((width, i) => ({
      size: sizes[i] ?? 0,
      cell: width / CELLS,
    }));
    const [smallest] = types;
    if (smallest === undefined || smallest.cell === 0) return undefined;
    const largest = types.findLast(({ cell }) => cell <= room) ?? smallest;
    const near = types.filter(({ size }) => size <= largest.size && size > largest.size - NEAR_PX);
    const off = ({ cell }: Type) => Math.abs(Math.round(cell * LAYOUT_UNITS) - cell * LAYOUT_UNITS);
    const best = near.reduceRight(
      (best, type) => (off(type) < off(best) - SAME_UNIT ? type : best),
      largest,
    );
    const cell = Math.ceil(best.cell * LAYOUT_UNITS - 0.5) / LAYOUT_UNITS;
    const before = this.#type;
    this.#type = best;
    if (before === undefined) this.#onChange();
    else if (before.size !== best.size || before.cell !== best.cell) this.#measureAgain();
    return { size: best.size, cell };
  }

  /** Measures all that is known once more, in another font or size. */
  #measureAgain(): void {
    if (this.#type === undefined) return;
    const before = this.#widths;
    this.#widths = new Map();
    for (const face of ["", "b", "i", "bi"] as const) {
      const known = [...before.values()].filter((known) => known.face === face);
      if (known.length > 0)
        this.#measure(
          known.map(({ cluster }) => cluster),
          face,
          this.#type,
        );
    }
    const changed = [...before].some(
      ([key, { width }]) => Math.abs((this.#widths.get(key)?.width ?? 0) - width) > ANOTHER,
    );
    if (changed) this.#onChange();
    else this.#widths = before;
  }

  /** What is once in a run, such as the overhang of slanted glyphs, is no character's: so two runs are compared. */
  #measure(clusters: string[], face: Face, { size: px, cell }: Type): void {
    const counts = clusters.map((cluster) => (isSingle(cluster) ? REPEATED : 1));
    const widths = this.#widthsOf(
      clusters.flatMap((cluster, i) => [
        { text: cluster.repeat(2 * (counts[i] ?? 1)), px },
        { text: cluster.repeat(counts[i] ?? 1), px },
      ]),
      face,
    );
    for (const [i, cluster] of clusters.entries()) {
      const [two = 0, one = 0] = widths.slice(2 * i, 2 * i + 2);
      const width = (two - one) / (counts[i] ?? 1) / cell;
      this.#widths.set(face + cluster, { face, cluster, width });
    }
  }

  /** The widths of texts, in CSS pixels. */
  #widthsOf(texts: { text: string; px: number }[], face: Face = ""): number[] {
    const names = [...face].map((letter) => (letter === "b" ? "bold" : "italic")).join(" ");
    const spans = texts.map(({ text, px }) => {
      const span = el("span", { text, class: names });
      span.style.fontSize = `${px}px`;
      return span;
    });
    this.element.append(...spans);
    const widths = spans.map((span) => span.getBoundingClientRect().width);
    for (const span of spans) span.remove();
    return widths;
  }
}

/** Whether a cluster is one code point. */
const isSingle = (cluster: string): boolean =>
  cluster.length === 1 || (cluster.length === 2 && (cluster.codePointAt(0) ?? 0) > 0xffff);
