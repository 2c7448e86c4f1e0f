import { hiddenSign, type VisibleOptions, visibleParts } from "../src/visible-text.ts";
import { el } from "./dom.ts";

/** Three marks on one base, or more, may reach out of their line: such a cluster gets a box of its own. */
const STACKS = /(\P{M}[\p{Mn}\p{Me}]{3,})/u;

/** Text for a person to judge, as the page draws it: hidden characters stand as code points, marked. */
export function visibleText(text: string, options?: VisibleOptions): (Node | string)[] {
  return visibleParts(text, options).flatMap(({ text, hidden }): (Node | string)[] =>
    hidden === undefined
      ? inLine(text)
      : [el("span", { class: "unseen", text: hiddenSign(hidden), attrs: { title: hidden } })],
  );
}

/** The same for a name or a sentence, where some scripts need joiners. */
export const visibleProse = (text: string) => visibleText(text, { prose: true });

function inLine(text: string): (Node | string)[] {
  return text
    .split(STACKS)
    .flatMap((piece, i) =>
      piece === "" ? [] : i % 2 === 0 ? [piece] : [el("span", { class: "stack", text: piece })],
    );
}

/** A path for a person: each part has its own direction of reading, and turns no other around. */
export function visiblePath(path: string): (Node | string)[] {
  return path
    .split("/")
    .flatMap((part, i) => [
      ...(i > 0 ? ["/"] : []),
      ...(part === "" ? [] : [el("bdi", {}, ...visibleText(part))]),
    ]);
}
