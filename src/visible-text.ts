/**
 * Which characters a person cannot see, or which change how others are read. One rule for the page,
 * notifications, `attach` and the command line, so that nothing that is judged reads as something
 * else. It goes by Unicode properties; no DOM and no Bun here.
 */

/** A stretch of text as it is, or a character that has to be shown by its code point ("U+202E"). */
export type VisiblePart = { text: string; hidden?: never } | { hidden: string; text?: never };

export interface VisibleOptions {
  /** Hidden characters that stay all the same. A line feed by default. */
  keep?: string;
  /**
   * The text is a name or a sentence and not something that a machine runs: ZWJ and ZWNJ stay where
   * the spelling of a script needs them.
   */
  prose?: boolean;
}

/** A base carries at most this many marks above and below it. Ordinary spelling needs up to four. */
const MARKS = 4;

/**
 * Controls, format, lone surrogates, private use, unassigned; separators and blanks but for the
 * space; what a renderer may ignore. The code points at the end are blank by their names in the
 * standard, though no property says so.
 */
const HIDDEN =
  /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\p{Variation_Selector}\u2800\ufffc\u{13441}\u{13442}\u{16fe4}\u{1d159}]/u;
const MARK = /\p{M}/u;
const STACKING_MARK = /[\p{Mn}\p{Me}]/u;

/** One emoji: with a variation selector only where its default form is text (UTS #51). */
const EMOJI =
  "(?:(?!\\p{Emoji_Presentation})(?=\\p{Emoji})\\p{Extended_Pictographic}\\ufe0f|(?!\\p{Cn})\\p{Extended_Pictographic}\\p{Emoji_Modifier}?)";
/** The only tag sequences that fonts draw: the flags of England, Scotland and Wales. */
const TAG_FLAGS = ["gbeng", "gbsct", "gbwls"]
  .map((name) =>
    [...name]
      .map((letter) => `\\u{${(0xe0000 + (letter.codePointAt(0) ?? 0)).toString(16)}}`)
      .join(""),
  )
  .join("|");
/** Plain text up to its last character, a whole emoji, a keycap, a flag; else, captured, one code point. */
const TOKEN = new RegExp(
  `[ -~]+(?=[ -~])|[#*0-9]\\ufe0f\\u20e3|\\u{1f3f4}(?:${TAG_FLAGS})\\u{e007f}|${EMOJI}(?:\\u200d${EMOJI})*|([^])`,
  "gu",
);

/** Scripts whose letters join, and which use ZWNJ to keep two of them apart. */
const CURSIVE = "[\\p{scx=Arab}\\p{scx=Syrc}\\p{scx=Mong}\\p{scx=Nkoo}\\p{scx=Adlm}\\p{scx=Rohg}]";
/** Scripts that choose the form of a conjunct by ZWJ and ZWNJ. */
const INDIC = `[${["Deva", "Beng", "Guru", "Gujr", "Orya", "Taml", "Telu", "Knda", "Mlym", "Sinh"]
  .map((script) => `\\p{scx=${script}}`)
  .join("")}]`;
const LETTER = "(?=[\\p{L}\\p{M}])";
/** A joiner between its two neighbours, where spelling needs it. */
const SPELLED = new RegExp(
  `^(?:${LETTER}${CURSIVE}\\u200c(?=\\p{L})${CURSIVE}|${LETTER}${INDIC}[\\u200c\\u200d]${LETTER}${INDIC})$`,
  "u",
);
const PLAIN = /^[ -~\n]*$/;

/** Text for a person to judge, in parts. All of it is there; what is hidden is a part of its own. */
export function visibleParts(
  text: string,
  { keep = "\n", prose = false }: VisibleOptions = {},
): VisiblePart[] {
  if (text === "") return [];
  if (PLAIN.test(text) && (keep.includes("\n") || !text.includes("\n"))) return [{ text }];
  const parts: VisiblePart[] = [];
  let plain = "";
  let previous = "";
  /** How many marks the last base carries; undefined where there is no base that could carry any. */
  let marks: number | undefined;
  for (const match of text.matchAll(TOKEN)) {
    const [token, single] = match;
    let hidden = false;
    if (single === undefined) marks = token.endsWith(" ") ? undefined : 0;
    else if (HIDDEN.test(single)) {
      const next = text.codePointAt(match.index + single.length);
      const spelled =
        prose && next !== undefined && SPELLED.test(previous + single + String.fromCodePoint(next));
      hidden = !spelled && !keep.includes(single);
      if (!spelled) marks = undefined;
    } else if (MARK.test(single)) {
      if (marks !== undefined && STACKING_MARK.test(single)) marks++;
      hidden = marks === undefined || marks > MARKS;
      if (hidden) marks = undefined; // so that no later mark stands on what is drawn for this one
    } else marks = single === " " ? undefined : 0;
    previous = token;
    if (!hidden) {
      plain += token;
      continue;
    }
    if (plain !== "") parts.push({ text: plain });
    plain = "";
    parts.push({ hidden: codePointName(token) });
  }
  if (plain !== "") parts.push({ text: plain });
  return parts;
}

/** The same as plain text, for places that have no way to set the hidden parts off. */
export function visibleString(text: string, options?: VisibleOptions): string {
  return visibleParts(text, options)
    .map(({ text, hidden }) => text ?? hiddenSign(hidden))
    .join("");
}

/** A name on one line: of a session, a machine, a device. */
export const visibleName = (name: string): string => visibleString(name, { keep: "", prose: true });

/** How a hidden part is drawn: a tab by its arrow, all others by their code point. */
export const hiddenSign = (hidden: string): string => (hidden === "U+0009" ? "⇥" : hidden);

const codePointName = (char: string) =>
  `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
