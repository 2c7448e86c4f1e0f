import type { Frame } from "../../src/types.ts";
import {
  isLight,
  mixed,
  parseColour,
  type Rgb,
  readable,
  toHex,
} from "../../src/viewer/contrast.ts";

/** So much of a dim text's colour is its ground's. */
const DIM = 0.35;
/** Styles whose colours are remembered; a program can print any number. */
const REMEMBERED = 2000;
/** Colours of the palette that a theme chooses; the others are the same everywhere. */
const THEME_COLOURS = 16;

/** What a program's terminal says about its colours. */
export type Ground = Pick<Frame, "ground" | "ink" | "reverse">;

/** A run's style, taken apart (see ROW_STYLE). */
export interface RunStyle {
  letters: string;
  text?: string | undefined;
  ground?: string | undefined;
  line?: string | undefined;
}

/** A run's colours as CSS; undefined where they are those of the terminal. */
export interface Paint {
  text: string | undefined;
  ground: string | undefined;
  line: string | undefined;
}

/** The colours of the style sheet on the ground that there is. */
interface Theme {
  ink: Rgb;
  ground: Rgb;
  colours: Rgb[];
}

/** A colour, and whether a program chose it for a ground that it knew. */
interface Colour {
  css: string;
  rgb: Rgb | undefined;
  exact: boolean;
}

/**
 * The colours of a terminal. Programs choose theirs for the ground of the terminal they run in: where it is known
 * the terminal here has it, too; where it is not, text is kept readable on the page's own.
 */
export class Palette {
  readonly #element: HTMLElement | undefined;
  #ground: Ground = {};
  #theme: Theme | undefined;
  readonly #paints = new Map<string, Paint>();

  constructor(element: HTMLElement | undefined) {
    this.#element = element;
  }

  /** Takes over the ground that a frame tells; returns whether it is another. */
  take({ ground, ink, reverse = false }: Ground): boolean {
    const now = this.#ground;
    if (now.ground === ground && now.ink === ink && (now.reverse ?? false) === reverse)
      return false;
    this.#ground = { ground, ink, reverse };
    this.#paints.clear();
    this.#theme = undefined;
    if (this.#element === undefined) return true;
    const { style, dataset } = this.#element;
    const own = parseColour(ground);
    dataset.ground = own !== undefined && isLight(own) ? "light" : "dark";
    setProperty(style, "--term-bg", ground);
    setProperty(style, "--term-fg", ground === undefined ? undefined : ink);
    if (!reverse) return true;
    const theme = this.#colours();
    if (theme === undefined) return true;
    dataset.ground = isLight(theme.ink) ? "light" : "dark";
    setProperty(style, "--term-bg", toHex(theme.ink));
    setProperty(style, "--term-fg", toHex(theme.ground));
    this.#theme = undefined;
    return true;
  }

  /**
   * The colours of a run with these letters and codes (see ROW_STYLE). A `picture` is made of block
   * elements: its colours are its content.
   */
  paint(style: RunStyle, picture: boolean): Paint {
    const { letters, text, ground, line } = style;
    const key = `${letters} ${text} ${ground} ${line} ${picture}`;
    const known = this.#paints.get(key);
    if (known !== undefined) return known;
    if (this.#paints.size > REMEMBERED) this.#paints.clear();
    const paint = this.#mix(style, picture);
    this.#paints.set(key, paint);
    return paint;
  }

  #mix({ letters, text, ground, line }: RunStyle, picture: boolean): Paint {
    const theme = this.#colours();
    const ink: Colour = { css: "var(--term-fg)", rgb: theme?.ink, exact: true };
    const back: Colour = { css: "var(--term-bg)", rgb: theme?.ground, exact: true };
    const inverse = letters.includes("v");
    const own = { text: this.#colour(text) ?? ink, ground: this.#colour(ground) ?? back };
    const [fore, behind] = inverse ? [own.ground, own.text] : [own.text, own.ground];
    const plain = own.text === ink && own.ground === back;
    let shown = fore;
    const keep = (colour: Colour): Colour => {
      if (plain || picture || colour.rgb === undefined || behind.rgb === undefined) return colour;
      if (fore.exact && behind.exact && this.#isKnown()) return colour;
      const moved = readable(colour.rgb, behind.rgb);
      return moved === colour.rgb ? colour : { css: toHex(moved), rgb: moved, exact: false };
    };
    shown = keep(shown);
    if (letters.includes("d") && shown.rgb !== undefined && behind.rgb !== undefined) {
      const rgb = mixed(shown.rgb, behind.rgb, DIM);
      shown = keep({ css: toHex(rgb), rgb, exact: false });
    }
    if (letters.includes("h")) shown = { css: "transparent", rgb: undefined, exact: true };
    return {
      text: shown === ink ? undefined : shown.css,
      ground: behind === back ? undefined : behind.css,
      line: line === undefined || letters.includes("h") ? undefined : this.#colour(line)?.css,
    };
  }

  #isKnown(): boolean {
    return this.#ground.ground !== undefined && this.#ground.reverse !== true;
  }

  /** A palette index or #rrggbb; the first 16 are the style sheet's own. */
  #colour(code: string | undefined): Colour | undefined {
    if (code === undefined) return undefined;
    const index = code.startsWith("#") ? undefined : Number(code);
    if (index !== undefined && index < THEME_COLOURS)
      return { css: `var(--c${index})`, rgb: this.#colours()?.colours[index], exact: false };
    const rgb = parseColour(code);
    return rgb === undefined ? undefined : { css: toHex(rgb), rgb, exact: true };
  }

  /** The style sheet's colours; undefined while there is none to be read. */
  #colours(): Theme | undefined {
    if (this.#theme !== undefined) return this.#theme;
    if (this.#element === undefined) return undefined;
    const style = getComputedStyle(this.#element);
    const read = (name: string) => parseColour(style.getPropertyValue(name).trim());
    const [ink, ground] = [read("--term-fg"), read("--term-bg")];
    const colours = Array.from({ length: THEME_COLOURS }, (_, i) => read(`--c${i}`)).filter(
      (colour) => colour !== undefined,
    );
    if (ink === undefined || ground === undefined || colours.length < THEME_COLOURS)
      return undefined;
    this.#theme = { ink, ground, colours };
    return this.#theme;
  }
}

function setProperty(style: CSSStyleDeclaration, name: string, value: string | undefined): void {
  if (value === undefined) style.removeProperty(name);
  else style.setProperty(name, value);
}
