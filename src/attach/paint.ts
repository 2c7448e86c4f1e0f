import { parseRow, ROW_STYLE } from "../row.ts";
import type { TerminalColours } from "../runner/colours.ts";
import {
  contrast,
  differClearly,
  isLight,
  LEAST_CONTRAST,
  parseColour,
  type Rgb,
  readable,
} from "../viewer/contrast.ts";

/**
 * How rows are painted on this terminal. `ours`: with its own colours, and what a program has chosen itself is kept readable on
 * its ground, as far as that is known. `theirs`: the session's terminal has a ground that differs clearly from this one's, so
 * every cell gets that one's colours.
 */
export type Paint = { reversed: boolean } & (
  | { way: "ours"; exact: true }
  | { way: "ours"; exact: false; ground?: Rgb | undefined; ink?: Rgb | undefined }
  | { way: "theirs"; ground: Rgb; ink: Rgb }
);

/** Every colour as the program has chosen it. */
export const EXACT: Paint = { way: "ours", exact: true, reversed: false };

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];
const inkFor = (ground: Rgb): Rgb => (isLight(ground) ? BLACK : WHITE);

/** How a screen with these colours is painted on a terminal with those. */
export function paintFor(
  screen: TerminalColours & { reverse?: boolean | undefined },
  terminal: TerminalColours,
): Paint {
  const reversed = screen.reverse === true;
  const [theirs, ours] = [parseColour(screen.ground), parseColour(terminal.ground)];
  if (theirs === undefined || ours === undefined) {
    const ink = parseColour(terminal.ink) ?? (ours && inkFor(ours));
    return { way: "ours", exact: false, reversed, ground: ours, ink };
  }
  if (!differClearly(theirs, ours)) return { way: "ours", exact: true, reversed };
  const ink = parseColour(screen.ink) ?? inkFor(theirs);
  return { way: "theirs", reversed, ground: theirs, ink: readable(ink, theirs) };
}

/** SGR (ECMA-48, xterm's ctlseqs). */
const ATTRIBUTES: Record<string, number> = { b: 1, d: 2, i: 3, s: 9, h: 8, o: 53 };
const INVERSE = 7;
/** The kinds of underlines of SGR 4. A terminal that does not know them passes over them, so a plain one goes before. */
const UNDERLINES: Record<string, number> = { u: 1, U: 2, c: 3, t: 4, k: 5 };
/** Dim text may have half the contrast, as it is meant to stand back. */
const DIM_PART = 2;
/** The first colours of the palette are the terminal's own: what they look like is not known. */
const OWN_COLOURS = 16;

/** The sequences that begin a run of this style; empty where there is nothing to say. A style that is not of its form is none. */
export function sgr(style: string, paint: Paint): string {
  const [, letters = "", text, ground, line] = ROW_STYLE.exec(style) ?? [];
  const underline = [...letters].flatMap((letter) => UNDERLINES[letter] ?? [])[0];
  const codes = [
    ...[...letters].flatMap((letter) => ATTRIBUTES[letter] ?? []),
    ...(underline === undefined ? [] : [4]),
    ...colours(text, ground, letters.includes("v") !== paint.reversed, letters, paint),
  ];
  let out = codes.length === 0 ? "" : `\x1b[${codes.join(";")}m`;
  if (underline === undefined) return out;
  if (underline > 1) out += `\x1b[4:${underline}m`;
  const own = parseColour(line);
  if (own !== undefined)
    out += line?.startsWith("#") ? `\x1b[58:2::${own.join(":")}m` : `\x1b[58:5:${line}m`;
  return out;
}

/** Whether a row has a colour that is not the terminal's own: whether that can be read depends on the ground. */
export const hasChosenColour = (payload: string): boolean =>
  parseRow(payload).some(({ style }) =>
    ROW_STYLE.exec(style)
      ?.slice(2)
      .some((code) => code !== undefined && !isOwn(code)),
  );

type Codes = (number | string)[];

function colours(
  text: string | undefined,
  ground: string | undefined,
  inverse: boolean,
  letters: string,
  paint: Paint,
): Codes {
  const asTheyAre = (): Codes => [
    ...(inverse ? [INVERSE] : []),
    ...colour(text, 30),
    ...colour(ground, 40),
  ];
  if (paint.way === "ours" && paint.exact) return asTheyAre();
  const least = letters.includes("d") ? LEAST_CONTRAST / DIM_PART : LEAST_CONTRAST;
  const chosen = [parseColour(text), parseColour(ground)];
  const shown = [chosen[0] ?? paint.ink, chosen[1] ?? paint.ground];
  const [over, under] = inverse ? shown.toReversed() : shown;
  const hasOwn = isOwn(text) || isOwn(ground);
  if (over === undefined || under === undefined) return asTheyAre();
  // on its own ground a colour that the program names is as it should be; its palette may be another than ours
  if (paint.way === "theirs")
    return [...rgb(hasOwn ? readable(over, under, least) : over, 30), ...rgb(under, 40)];
  const isChosen = chosen.some((colour) => colour !== undefined);
  if (!isChosen || hasOwn || contrast(over, under) >= least) return asTheyAre();
  const bare = !inverse && ground === undefined;
  return [...rgb(readable(over, under, least), 30), ...(bare ? [] : rgb(under, 40))];
}

const isOwn = (code: string | undefined) => code !== undefined && Number(code) < OWN_COLOURS;

const rgb = (colour: Rgb, base: number): Codes => [base + 8, 2, ...colour];

/** A palette index or #rrggbb; `base` is 30 for text, 40 for its ground. */
function colour(code: string | undefined, base: number): Codes {
  const value = parseColour(code);
  if (code === undefined || value === undefined) return [];
  if (code.startsWith("#")) return rgb(value, base);
  const index = Number(code);
  return index < 8 ? [base + index] : index < 16 ? [base + 52 + index] : [base + 8, 5, index];
}
