/** A colour as red, green and blue, 0 to 255 each. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** Text needs this ratio to its ground to be readable (WCAG 2.2, 1.4.3). */
export const LEAST_CONTRAST = 4.5;
/** A ground is light where black text has more contrast on it than white text: at this relative luminance. */
const MIDDLE_LUMINANCE = 0.179;
/** Two grounds differ clearly above this ratio. */
const CLEAR_CONTRAST = 2;
/** Halvings of the way to black or white; the last is finer than a step of a channel. */
const HALVINGS = 9;

/** xterm's first 16 colours, for whoever has no theme of its own. */
export const XTERM_COLOURS: readonly Rgb[] = [
  [0, 0, 0],
  [205, 0, 0],
  [0, 205, 0],
  [205, 205, 0],
  [0, 0, 238],
  [205, 0, 205],
  [0, 205, 205],
  [229, 229, 229],
  [127, 127, 127],
  [255, 0, 0],
  [0, 255, 0],
  [255, 255, 0],
  [92, 92, 255],
  [255, 0, 255],
  [0, 255, 255],
  [255, 255, 255],
];

/** A colour of a row (see row.ts), #rrggbb or a palette index, whose first 16 are `first`; undefined where it is neither. */
export function parseColour(
  code: string | undefined,
  first: readonly Rgb[] = XTERM_COLOURS,
): Rgb | undefined {
  if (code === undefined) return undefined;
  if (/^#[0-9a-f]{6}$/i.test(code)) {
    const value = Number.parseInt(code.slice(1), 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  }
  return /^\d{1,3}$/.test(code) ? paletteColour(Number(code), first) : undefined;
}

/** A colour of the 256: the first 16, a 6×6×6 cube, 24 greys (xterm's 256colres.h). */
export function paletteColour(
  index: number,
  first: readonly Rgb[] = XTERM_COLOURS,
): Rgb | undefined {
  if (index < 16) return first[index];
  if (index > 255) return undefined;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [grey, grey, grey];
  }
  const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
  const cube = index - 16;
  return [level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)];
}

/** The same as #rrggbb. */
export function toHex(colour: Rgb): string {
  return `#${colour.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** Relative luminance, 0 (black) to 1 (white) (WCAG 2.2). */
export function luminance([red, green, blue]: Rgb): number {
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

function linear(part: number): number {
  const value = part / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** The contrast ratio of two colours, 1 (the same) to 21 (black and white) (WCAG 2.2). */
export function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a) + 0.05, luminance(b) + 0.05];
  return Math.max(x, y) / Math.min(x, y);
}

/** Whether text on this ground is to be dark. */
export const isLight = (ground: Rgb): boolean => luminance(ground) > MIDDLE_LUMINANCE;

/** Whether what was drawn for one ground looks wrong on the other. */
export const differClearly = (a: Rgb, b: Rgb): boolean =>
  isLight(a) !== isLight(b) || contrast(a, b) > CLEAR_CONTRAST;

/**
 * The text's colour, moved towards black or white just so far that it has the least contrast with its ground, as terminals'
 * "minimum contrast" does. It stays on its side of the ground where there is room for that.
 */
export function readable(text: Rgb, ground: Rgb, least = LEAST_CONTRAST): Rgb {
  if (contrast(text, ground) >= least) return text;
  const black: Rgb = [0, 0, 0];
  const white: Rgb = [255, 255, 255];
  const [near, far] = luminance(text) > luminance(ground) ? [white, black] : [black, white];
  const end = contrast(near, ground) >= least || !(contrast(far, ground) >= least) ? near : far;
  if (contrast(end, ground) < least)
    return contrast(black, ground) > contrast(white, ground) ? black : white;
  let [low, high] = [0, 1];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (contrast(mixed(text, end, middle), ground) >= least) high = middle;
    else low = middle;
  }
  return mixed(text, end, high);
}

/** So much of the way from one colour to the other. */
export function mixed(from: Rgb, to: Rgb, part: number): Rgb {
  const channel = (i: 0 | 1 | 2) => Math.round(from[i] + (to[i] - from[i]) * part);
  return [channel(0), channel(1), channel(2)];
}
