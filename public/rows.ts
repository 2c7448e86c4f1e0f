import { parseRow, ROW_STYLE, type Run } from "../src/row.ts";
import type { CellFont, Face } from "./session/cell-font.ts";
import { type Piece, piecesOf, SPILLS } from "./session/cells.ts";
import { type Paint, Palette, type RunStyle } from "./session/palette.ts";
import type { Link } from "./session/row-links.ts";

/** How a run's letters are drawn; colours, `v` and `d` are the palette's. */
const CLASSES: Record<string, string> = { b: "bold", i: "italic", h: "hidden" };
const UNDERLINES: Record<string, string> = {
  u: "under",
  U: "double",
  c: "curly",
  t: "dotted",
  k: "dashed",
};
const LINES: Record<string, string> = { s: "strike", o: "over" };
/** What pictures are made of: block elements, and those for legacy computing. */
const PICTURE = /^[\u2580-\u259f\u{1fb00}-\u{1fbaf} ]+$/u;

/** The font and the colours that rows are drawn with. */
export interface Look {
  font: CellFont | undefined;
  palette: Palette;
}
/** On no page: nothing is measured, and colours are the style sheet's. */
const NO_PAGE: Look = { font: undefined, palette: new Palette(undefined) };

/** Draws a row as text spans into `row`, whose text is the payload's. */
export function drawRow(
  row: HTMLElement,
  payload: string,
  look: Look = NO_PAGE,
  links: readonly Link[] = [],
): void {
  row.replaceChildren(
    ...runsOf(payload, links).flatMap(({ link, ...run }) => {
      const nodes = drawRun(run, look);
      return link === undefined ? nodes : [anchor(link, nodes)];
    }),
  );
}

/** The runs of a row, cut where links begin and end. */
function runsOf(payload: string, links: readonly Link[]): (Run & { link?: Link })[] {
  const runs = parseRow(payload);
  if (links.length === 0) return runs;
  const cut: (Run & { link?: Link })[] = [];
  let start = 0;
  for (const { text, style } of runs) {
    const end = start + text.length;
    let at = start;
    for (const link of links) {
      if (link.end <= at || link.start >= end) continue;
      if (style.includes("j") && (link.start > start || link.end < end)) continue;
      const [from, to] = [Math.max(at, link.start), Math.min(end, link.end)];
      if (from > at) cut.push({ text: text.slice(at - start, from - start), style });
      cut.push({ text: text.slice(from - start, to - start), style, link });
      at = to;
    }
    if (at < end) cut.push({ text: text.slice(at - start), style });
    start = end;
  }
  return cut;
}

/** A link to another page; the terminal is hidden from screen readers, so that it has no tab stop. */
function anchor({ href }: Link, nodes: (Node | string)[]): HTMLElement {
  const link = document.createElement("a");
  link.className = "link";
  link.href = href;
  link.title = href;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.tabIndex = -1;
  link.draggable = false; // text is selected, not dragged
  link.append(...nodes);
  return link;
}

function drawRun({ text, style }: Run, look: Look): (Node | string)[] {
  const match = ROW_STYLE.exec(style);
  const [, letters = "", fore, back, line] = match ?? [];
  const face: Face = `${letters.includes("b") ? "b" : ""}${letters.includes("i") ? "i" : ""}`;
  const pieces = piecesOf(text, letters.includes("w"), letters.includes("j"), face, look.font);
  if (match === null || style === "") return pieces.map(drawPlain);
  const run: RunStyle = { letters, text: fore, ground: back, line };
  return [drawStyled(run, look.palette.paint(run, PICTURE.test(text)), pieces)];
}

/** A piece of a run that has no style. */
function drawPlain(piece: Piece): Node | string {
  return piece.kind === "text" && piece.spacing === 0 ? piece.text : drawPiece(piece);
}

/** A run in its style. Decorations are set on each piece: those of a parent do not reach into a box. */
function drawStyled({ letters }: RunStyle, paint: Paint, pieces: Piece[]) {
  const lines = classesOf(letters, LINES);
  const under = classesOf(letters, UNDERLINES);
  const decorate = (element: HTMLElement): HTMLElement => {
    // a line through or above the text is straight, whatever the line below is
    const [outer, inner] = lines.length > 0 ? [lines, under] : [under, []];
    const text =
      element.firstElementChild instanceof HTMLElement ? element.firstElementChild : element;
    text.classList.add(...outer);
    if (inner.length > 0) {
      const below = span(inner.join(" "), text.textContent);
      text.replaceChildren(below);
      below.style.textDecorationColor = paint.line ?? "";
    } else if (under.length > 0) text.style.textDecorationColor = paint.line ?? "";
    return element;
  };
  const isDecorated = lines.length + under.length > 0;
  const drawn = pieces.map((piece) =>
    piece.kind === "hidden" || !isDecorated ? drawPiece(piece) : decorate(drawPiece(piece)),
  );
  const [only] = drawn;
  const alone = drawn.length === 1 && pieces[0]?.kind !== "hidden";
  const element = alone && only !== undefined ? only : span("", "");
  if (element !== only) element.append(...drawn);
  element.classList.add(...classesOf(letters, CLASSES));
  if (paint.text !== undefined) element.style.color = paint.text;
  if (paint.ground !== undefined) {
    element.classList.add("ground");
    element.style.backgroundColor = paint.ground;
  }
  return element;
}

function drawPiece(piece: Piece): HTMLElement {
  switch (piece.kind) {
    case "text": {
      const element = span("", piece.text);
      if (piece.boxed === true) {
        element.className = "cell";
        element.style.width = cellsOf([...piece.text].length);
      }
      if (piece.spacing !== 0) element.style.letterSpacing = cellsOf(piece.spacing);
      return element;
    }
    case "box":
      return box(piece);
    case "hidden":
      return hidden(piece);
  }
}

/** Clusters in a box of their cells; glyphs that are wider are squeezed, as terminals do. */
function box({ text, cells, drawn }: Extract<Piece, { kind: "box" }>): HTMLElement {
  const element = span(cells === 2 ? "cell wide" : "cell", "");
  if (cells > 2) element.style.width = cellsOf(cells);
  if (drawn === undefined || drawn <= cells * SPILLS) element.textContent = text;
  else {
    const squeezed = span("squeezed", text);
    squeezed.style.transform = `scaleX(${(cells / drawn).toFixed(5)})`;
    element.append(squeezed);
  }
  return element;
}

/** The mark of a hidden character: it shifts nothing, and its title is the code point. */
function hidden({ text, name }: Extract<Piece, { kind: "hidden" }>): HTMLElement {
  const element = span("hidden-mark", text);
  element.title = name;
  return element;
}

function span(className: string, text: string): HTMLElement {
  const element = document.createElement("span");
  if (className !== "") element.className = className;
  element.textContent = text;
  return element;
}

const classesOf = (letters: string, names: Record<string, string>): string[] =>
  [...letters].flatMap((letter) => names[letter] ?? []);

const cellsOf = (cells: number): string => `calc(var(--cell) * ${cells.toFixed(5)})`;
