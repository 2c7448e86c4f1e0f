import { parseRow, ROW_STYLE, type Run } from "../src/row.ts";
import { el } from "./dom.ts";

const CLASSES: Record<string, string> = {
  b: "bold",
  d: "dim",
  i: "italic",
  u: "under",
  v: "inverse",
  s: "strike",
  h: "hidden",
  w: "wide",
};

/** Draws a row as text spans into `row`. */
export function drawRow(row: HTMLElement, payload: string): void {
  row.replaceChildren(...parseRow(payload).flatMap(drawRun));
}

const segmenter = new Intl.Segmenter();

function drawRun({ text, style }: Run): (Node | string)[] {
  const match = ROW_STYLE.exec(style);
  if (match === null || style === "") return [text];
  const [, letters = "", ground, back] = match;
  const inverse = letters.includes("v");
  const fg = colour(ground) ?? (inverse ? "var(--term-fg)" : undefined);
  const bg = colour(back) ?? (inverse ? "var(--term-bg)" : undefined);
  const make = (part: string) =>
    el("span", {
      class: [...letters].map((letter) => CLASSES[letter]).join(" "),
      text: part,
      init: (span) => {
        span.style.color = (inverse ? bg : fg) ?? "";
        span.style.backgroundColor = (inverse ? fg : bg) ?? "";
      },
    });
  // each wide character has a box of two cells, whatever the font says
  return letters.includes("w")
    ? [...segmenter.segment(text)].map(({ segment }) => make(segment))
    : [make(text)];
}

/** A palette index or #rrggbb as CSS: 16 colours of the theme, a 6×6×6 cube, 24 greys. */
export function colour(code: string | undefined): string | undefined {
  if (code === undefined || code.startsWith("#")) return code;
  const index = Number(code);
  if (index < 16) return `var(--c${index})`;
  if (index > 255) return undefined;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
  const cube = index - 16;
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}
