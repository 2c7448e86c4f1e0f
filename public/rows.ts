import { el } from "./dom.ts";

/** A stretch of a row in one style. */
export interface Run {
  text: string;
  /** See src/runner/rows.ts: letters for attributes, then f and g with a colour. */
  style: string;
}

const STYLE = /^([bdiuvshw]*)(?:f(\d{1,3}|#[0-9a-f]{6}))?(?:g(\d{1,3}|#[0-9a-f]{6}))?$/;
const CLASSES: Record<string, string> = { b: "bold", d: "dim", i: "italic", u: "under", v: "inverse", s: "strike", h: "hidden", w: "wide" };

/** Takes a row's payload apart; whatever is not of that form is plain text. */
export function parseRow(payload: string): Run[] {
  const at = payload.indexOf("\n");
  if (at < 0) return payload === "" ? [] : [{ text: payload, style: "" }];
  const text = payload.slice(0, at);
  const runs: Run[] = [];
  let start = 0;
  for (const part of payload.slice(at + 1).split(" ")) {
    const length = Number.parseInt(part, 10);
    if (!(length > 0)) break;
    runs.push({ text: text.slice(start, start + length), style: part.slice(String(length).length) });
    start += length;
  }
  if (start < text.length) runs.push({ text: text.slice(start), style: "" });
  return runs;
}

/** Draws a row as text spans into `row`. */
export function drawRow(row: HTMLElement, payload: string): void {
  row.replaceChildren(...parseRow(payload).flatMap(drawRun));
}

const segmenter = new Intl.Segmenter();

function drawRun({ text, style }: Run): (Node | string)[] {
  const match = STYLE.exec(style);
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
  return letters.includes("w") ? [...segmenter.segment(text)].map(({ segment }) => make(segment)) : [make(text)];
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

/** The text of a row alone. */
export function rowText(payload: string): string {
  return payload.split("\n", 1)[0] ?? "";
}
