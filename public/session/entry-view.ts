import { type Entry, parseJson, ToolInput } from "../../src/types.ts";
import { el } from "../dom.ts";
import { isolated } from "../fault.ts";
import { formatted } from "../formatted.ts";
import { inputParts } from "../input.ts";
import { visibleName, visibleProse, visibleText } from "../visible.ts";

/** One line of what a tool is to do, in UTF-16 units. */
const LINE_CHARS = 200;

type Result = Extract<Entry, { kind: "result" }>;

/** Draws the entries of a conversation: text as it was said, a tool folded, with its result inside. */
export class EntryViews {
  readonly #tools = new Map<
    string,
    { n: number; article: HTMLElement; setResult(result: Result): void }
  >();
  readonly #results = new Map<string, { n: number; result: Result }>();
  /** Results whose tool is further back. */
  readonly #alone = new Map<string, HTMLElement>();
  /** The article that each entry is in, by the entry's number. */
  readonly #articles = new Map<number, HTMLElement>();
  /** Entries that were taken back, from one number on and before another; folded away until somebody wants to see them. */
  readonly #takenBack: { from: number; before: number; button: HTMLElement; open: boolean }[] = [];

  /** An entry's article; none for a result that goes into the article of its tool. */
  draw(n: number, entry: Entry): HTMLElement[] {
    const article = isolated(() => this.#draw(n, entry), unshown(n));
    if (article !== undefined) this.#articles.set(n, article);
    if (entry.kind === "note" && entry.back !== undefined && entry.back < n)
      this.#foldAway(entry.back, n, article);
    if (article !== undefined) article.hidden = this.#isFolded(n);
    return article === undefined ? [] : [article];
  }

  /** The article that an entry is in. */
  articleOf(n: number): HTMLElement | undefined {
    return this.#articles.get(n);
  }

  /** Shows an entry that was folded away. */
  reveal(n: number): void {
    for (const part of this.#takenBack)
      if (!part.open && n >= part.from && n < part.before) part.button.click();
  }

  /** Folds entries away that were taken back; a button in `article` shows them. */
  #foldAway(from: number, before: number, article: HTMLElement | undefined): void {
    const button = el("button", {
      text: "Show what was taken back",
      attrs: { type: "button", "aria-expanded": "false" },
      on: {
        click: () => {
          part.open = !part.open;
          button.setAttribute("aria-expanded", String(part.open));
          button.textContent = part.open ? "Fold it away" : "Show what was taken back";
          this.#foldAll(part);
        },
      },
    });
    const part = { from, before, button, open: false };
    this.#takenBack.push(part);
    article?.append(button);
    this.#foldAll(part);
  }

  #foldAll({ from, before }: { from: number; before: number }): void {
    for (const [n, article] of this.#articles)
      if (n >= from && n < before) article.hidden = this.#isFolded(Number(article.dataset.n));
  }

  #isFolded(n: number): boolean {
    return this.#takenBack.some(({ from, before, open }) => !open && n >= from && n < before);
  }

  /** Forgets the entries outside of these numbers. */
  keep(first: number, next: number): void {
    const outside = (n: number) => n < first || n >= next;
    for (const [n] of this.#articles) if (outside(n)) this.#articles.delete(n);
    for (const [id, { n }] of this.#tools) if (outside(n)) this.#tools.delete(id);
    for (const [id, { n }] of this.#results)
      if (outside(n)) {
        this.#results.delete(id);
        this.#alone.delete(id);
      }
  }

  #draw(n: number, entry: Entry): HTMLElement | undefined {
    const article = (kind: string, ...parts: (Node | string)[]) =>
      el("article", { class: `entry ${kind}`, attrs: { "data-n": String(n) } }, ...parts);
    switch (entry.kind) {
      case "user":
        return article(
          "user",
          el("span", { class: "spoken", text: "You:" }),
          el("p", { class: "verbatim", attrs: { dir: "auto" } }, ...visibleProse(entry.text)),
        );
      case "assistant":
        return article("assistant", ...formatted(entry.text));
      case "note":
        return article("note", el("p", { attrs: { dir: "auto" } }, ...visibleProse(entry.text)));
      case "thinking":
        return article(
          "thinking",
          fold([el("strong", { text: "Thinking" })], () => formatted(entry.text)).details,
        );
      case "tool": {
        const { details, setResult } = toolFold(entry);
        const made = article("tool", details);
        this.#tools.set(entry.id, { n, article: made, setResult });
        this.#alone.get(entry.id)?.remove();
        this.#alone.delete(entry.id);
        const known = this.#results.get(entry.id);
        if (known !== undefined) {
          setResult(known.result);
          this.#articles.set(known.n, made);
        }
        return made;
      }
      case "result": {
        this.#results.set(entry.id, { n, result: entry });
        const tool = this.#tools.get(entry.id);
        tool?.setResult(entry);
        if (tool !== undefined) {
          this.#articles.set(n, tool.article);
          return undefined;
        }
        const made = article(
          "tool",
          fold([el("strong", { text: "Result" })], () => [resultPart(entry)]).details,
        );
        this.#alone.set(entry.id, made);
        return made;
      }
      default:
        return entry satisfies never;
    }
  }
}

/** Stands for an entry that could not be drawn. */
const unshown = (n: number) =>
  el(
    "article",
    { class: "entry note", attrs: { "data-n": String(n) } },
    el("p", { text: "This entry can't be shown here. The terminal on the machine has it." }),
  );

/** Something folded; what is inside is made when it is opened. */
function fold(summary: (Node | string)[], inside: () => HTMLElement[]) {
  const body = el("div", { class: "body" });
  const fill = () => void (details.open && body.replaceChildren(...inside()));
  const details: HTMLDetailsElement = el(
    "details",
    { on: { toggle: fill } },
    el("summary", {}, ...summary),
    body,
  );
  return { details, fill };
}

/** A tool's call in one line; inside, what it was to do and what came of it. */
function toolFold({ tool, input: json }: Extract<Entry, { kind: "tool" }>) {
  const input = parseJson(ToolInput, json) ?? {};
  let result: Result | undefined;
  const outcome = el("span", { class: "outcome", text: "…" });
  const line = el("span", { class: "line", attrs: { dir: "auto" } }, ...visibleText(lineOf(input)));
  const { details, fill } = fold([el("strong", {}, ...visibleName(tool)), line, outcome], () => [
    ...inputParts({ tool, input }),
    ...(result === undefined ? [] : [resultPart(result)]),
  ]);
  return {
    details,
    setResult(given: Result): void {
      result = given;
      outcome.textContent = given.error ? "failed" : "";
      details.dataset.error = String(given.error);
      fill();
    },
  };
}

function lineOf(input: Record<string, unknown>): string {
  const { command, file_path, pattern, url, query, description, prompt, plan } = input;
  const told = [
    command,
    file_path,
    pattern,
    url,
    query,
    description,
    prompt,
    plan,
    ...Object.values(input),
  ].find((value) => typeof value === "string");
  const [line = "", ...more] = String(told ?? "")
    .trim()
    .split("\n", 2);
  return line.length > LINE_CHARS || more.length > 0 ? `${line.slice(0, LINE_CHARS)} …` : line;
}

function resultPart({ text, error }: Result): HTMLElement {
  const said = text.trim() === "" ? "(nothing)" : text;
  return el(
    "pre",
    {
      class: error ? "result failed" : "result",
      attrs: { tabindex: "0", dir: "auto", "aria-label": error ? "Failed with" : "Result" },
    },
    ...visibleText(said, { keep: "\n\t", prose: true }),
  );
}
