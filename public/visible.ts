import { hiddenSign, type VisibleOptions, visibleParts } from "../src/visible-text.ts";
import { el } from "./dom.ts";

/** Three marks on one base, or more, may reach out of their line: such a cluster gets a box of its own. */
const STACK = "\\P{M}[\\p{Mn}\\p{Me}]{3,}";
/** A word of letters and digits that run from right to left: the blocks that the Unicode Character Database gives to these. */
const RIGHT_TO_LEFT =
  "(?:[\\u0590-\\u08ff\\ufb1d-\\ufdff\\ufe70-\\ufefc\\u{10800}-\\u{10fff}\\u{1e800}-\\u{1efff}]\\p{M}*)+";
const STACKS = new RegExp(`(${STACK})`, "u");
const WORDS_AND_STACKS = new RegExp(`(${RIGHT_TO_LEFT}|${STACK})`, "u");

/**
 * Text for a person to judge, as the page draws it. Hidden characters stand as code points, marked.
 * What a machine reads (not `prose`) keeps the order of its words: a word that runs from right to
 * left is isolated, so that two of them do not change places and turn no sign around.
 */
export function visibleText(text: string, options: VisibleOptions = {}): (Node | string)[] {
  return visibleParts(text, options).flatMap(({ text, hidden }): (Node | string)[] =>
    hidden === undefined
      ? inLine(text, options.prose === true)
      : [el("span", { class: "unseen", text: hiddenSign(hidden), attrs: { title: hidden } })],
  );
}

/** The same for sentences, where some scripts need joiners. */
export const visibleProse = (text: string) => visibleText(text, { prose: true });

/** The same for a name, which stands on one line: of a folder, a machine, a device, a session. */
export const visibleName = (text: string) => visibleText(text, { keep: "", prose: true });

/** Puts words into an element: ours, but they may quote something from elsewhere. */
export const setWords = (element: Element, words: string): void =>
  element.replaceChildren(...visibleName(words));

/** A path for a person, on one line. */
export const visiblePath = (path: string) => visibleText(path, { keep: "" });

/** Our own words with a name from elsewhere between them, which has its own direction of reading. */
export const bdi = (name: string) => el("bdi", {}, ...visibleName(name));

function inLine(text: string, prose: boolean): (Node | string)[] {
  if (/^[\0-\u02ff]*$/.test(text)) return [text];
  return text.split(prose ? STACKS : WORDS_AND_STACKS).flatMap((piece, i): (Node | string)[] => {
    if (piece === "") return [];
    if (i % 2 === 0) return [piece];
    const stack = STACKS.test(piece);
    return [el(stack ? "span" : "bdi", stack ? { class: "stack", text: piece } : { text: piece })];
  });
}
