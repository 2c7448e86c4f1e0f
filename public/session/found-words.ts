import { el } from "../dom.ts";

/** Text that is for screen readers, or that the page itself adds. */
const NOT_SEARCHED = ".spoken, .leads, .outcome";
/** A word does not go on from one of these to the next. */
const BLOCKS = "p, li, pre, td, th, h3, summary, dd, dt, blockquote, .diff, .verbatim";
/** Words that are marked, as many as the server looks for. */
const WORDS = 10;
/** So many places are marked in one line or entry: more says nothing more. */
const PLACES = 200;

/** The words of a search, as the server takes them apart. */
export function wordsOf(query: string): string[] {
  return query
    .split(/\s+/)
    .filter((word) => /[\p{L}\p{N}\p{Co}]/u.test(word))
    .slice(0, WORDS);
}

/** As the server compares: without case and accents. */
const folded = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** Where the words stand in a text, without overlaps, in order. */
export function placesOf(text: string, words: readonly string[]): [start: number, end: number][] {
  let plain = "";
  const origins: number[] = []; // of each unit of `plain`: where it comes from
  for (let at = 0; at < text.length; ) {
    const char = String.fromCodePoint(text.codePointAt(at) ?? 0);
    const part = folded(char);
    for (let i = 0; i < part.length; i++) origins.push(at);
    plain += part;
    at += char.length;
  }
  origins.push(text.length);
  const found = words.map(folded).flatMap((word) => {
    const places: [number, number][] = [];
    if (word === "") return places;
    for (let at = plain.indexOf(word); at >= 0; at = plain.indexOf(word, at + word.length)) {
      places.push([origins[at] ?? 0, origins[at + word.length] ?? text.length]);
      if (places.length === PLACES) break;
    }
    return places;
  });
  found.sort(([a, aEnd], [b, bEnd]) => a - b || bEnd - aEnd);
  let end = 0;
  return found.slice(0, PLACES).filter(([start, stop]) => {
    if (start < end) return false;
    end = stop;
    return true;
  });
}

/** Whether a text has all the words. */
export const hasAll = (text: string, words: readonly string[]) =>
  words.every((word) => folded(text).includes(folded(word)));

/**
 * Marks words in elements that are read as one text, such as the rows of a wrapped line, and keeps
 * them marked while what is in the elements is drawn anew.
 */
export class FoundWords {
  readonly #elements: readonly HTMLElement[];
  readonly #words: readonly string[];
  readonly #observer = new MutationObserver(() => this.#mark());

  constructor(elements: readonly HTMLElement[], words: readonly string[]) {
    this.#elements = elements;
    this.#words = words;
    for (const element of elements) element.classList.add("found");
    this.#mark();
  }

  /** The first mark, if any word stands here. */
  get first(): HTMLElement | undefined {
    for (const element of this.#elements) {
      const mark = element.querySelector<HTMLElement>("mark");
      if (mark !== null) return mark;
    }
    return undefined;
  }

  /** Takes the marks away. */
  clear(): void {
    this.#observer.disconnect();
    for (const element of this.#elements) {
      element.classList.remove("found");
      this.#unmark(element);
    }
  }

  #mark(): void {
    if (this.#words.length === 0) return;
    this.#observer.disconnect(); // our own changes are no news
    for (const element of this.#elements) this.#unmark(element);
    let text = "";
    let block: Element | null | undefined;
    const nodes: { node: Text; start: number }[] = [];
    for (const node of this.#elements.flatMap(textNodes)) {
      const own = node.parentElement?.closest(BLOCKS);
      if (nodes.length > 0 && own !== block) text += "\n";
      block = own;
      nodes.push({ node, start: text.length });
      text += node.data;
    }
    const places = placesOf(text, this.#words);
    // from the end: what stands before keeps its place
    for (const { node, start } of nodes.reverse())
      for (const [from, to] of places.slice().reverse()) {
        const [first, last] = [Math.max(0, from - start), Math.min(node.length, to - start)];
        if (first < last) markPart(node, first, last);
      }
    for (const element of this.#elements)
      this.#observer.observe(element, { childList: true, subtree: true, characterData: true });
  }

  #unmark(element: HTMLElement): void {
    for (const mark of element.querySelectorAll("mark")) mark.replaceWith(...mark.childNodes);
    element.normalize();
  }
}

function textNodes(root: HTMLElement): Text[] {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes: Text[] = [];
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode())
    if (node instanceof Text && node.parentElement?.closest(NOT_SEARCHED) === null)
      nodes.push(node);
  return nodes;
}

function markPart(node: Text, from: number, to: number): void {
  const part = node.splitText(from);
  part.splitText(to - from);
  const mark = el("mark");
  part.replaceWith(mark);
  mark.append(part);
}
