import { webAddress } from "../src/viewer/web-address.ts";
import { el } from "./dom.ts";
import { visibleProse, visibleText } from "./visible.ts";

/** Quotes and lists within each other are drawn to this depth; what is deeper stays as it was written. */
const DEPTH = 5;

const FENCE = /^ {0,3}(`{3,}|~{3,})(|[^`~][^`]*)$/;
const HEADING = /^ {0,3}(#{1,6}) (.*)$/;
const RULE = /^ {0,3}(?:-{3,}|\*{3,}|_{3,})\s*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,12})([-*+]|\d{1,9}[.)])( {1,4})(?=\S)/;

/**
 * Text with the usual marks (a part of Markdown) as elements. Only ever text: HTML is shown as it is written, what can't be seen is
 * made visible, a link shows where it really leads. Takes a time that grows with the length alone.
 */
export function formatted(text: string): HTMLElement[] {
  return blocks(text.replaceAll("\r\n", "\n").split("\n"), DEPTH);
}

function blocks(lines: readonly string[], depth: number): HTMLElement[] {
  const made: HTMLElement[] = [];
  let plain: string[] = [];
  const flush = () => {
    if (plain.length > 0)
      made.push(el("p", { attrs: { dir: "auto" } }, ...inline(plain.join("\n"))));
    plain = [];
  };
  for (let at = 0; at < lines.length; ) {
    const before = at;
    const line = lines[at] ?? "";
    const [, fence = "", info = ""] = FENCE.exec(line) ?? [];
    const [, signs = "", title = ""] = HEADING.exec(line) ?? [];
    const add = (element: HTMLElement, next: number) => {
      flush();
      made.push(element);
      at = next;
    };
    if (line.trim() === "") {
      flush();
      at++;
    } else if (fence !== "") {
      const end = endOf(
        lines,
        at + 1,
        (other) =>
          other.trimStart().startsWith(fence) &&
          other.trim().replaceAll(fence.slice(0, 1), "") === "",
      );
      add(code(lines.slice(at + 1, end), info.trim()), end + 1);
    } else if (signs !== "")
      add(
        el("h3", { class: `level${signs.length}`, attrs: { dir: "auto" } }, ...inline(title)),
        at + 1,
      );
    else if (RULE.test(line)) add(el("hr"), at + 1);
    else if (depth > 0 && QUOTE.test(line)) {
      const end = endOf(lines, at, (other) => !QUOTE.test(other));
      const quoted = lines.slice(at, end).map((other) => other.replace(QUOTE, ""));
      add(el("blockquote", {}, ...blocks(quoted, depth - 1)), end);
    } else if (depth > 0 && ITEM.test(line)) {
      const { element, next } = list(lines, at, depth);
      add(element, next);
    } else if (line.includes("|") && isTableLine(lines[at + 1] ?? "")) {
      const end = endOf(lines, at + 2, (other) => !other.includes("|"));
      add(table([line, ...lines.slice(at + 2, end)]), end);
    }
    if (at === before) plain.push(lines[at++] ?? "");
  }
  flush();
  return made;
}

function endOf(lines: readonly string[], from: number, isEnd: (line: string) => boolean): number {
  let end = from;
  while (end < lines.length && !isEnd(lines[end] ?? "")) end++;
  return end;
}

const indentOf = (line: string) => line.length - line.trimStart().length;

/** The list that begins at line `at`, and the line after it; what is indented further than an item's sign belongs to the item. */
function list(
  lines: readonly string[],
  at: number,
  depth: number,
): { element: HTMLElement; next: number } {
  const [, indent = "", sign = ""] = ITEM.exec(lines[at] ?? "") ?? [];
  const numbered = /\d/.test(sign);
  const items: HTMLElement[] = [];
  let next = at;
  for (let line = lines[next] ?? ""; next < lines.length; line = lines[next] ?? "") {
    const [all = "", spaces = "", mark = ""] = ITEM.exec(line) ?? [];
    if (
      mark === "" ||
      /\d/.test(mark) !== numbered ||
      Math.abs(spaces.length - indent.length) > 1 ||
      RULE.test(line)
    )
      break;
    const end = endOf(
      lines,
      next + 1,
      (other) => other.trim() !== "" && indentOf(other) <= spaces.length,
    );
    const own = [
      line.slice(all.length),
      ...lines
        .slice(next + 1, end)
        .map((other) => other.slice(Math.min(all.length, indentOf(other)))),
    ];
    items.push(
      el(
        "li",
        {
          attrs: { dir: "auto", ...(numbered ? { value: String(Number.parseInt(mark, 10)) } : {}) },
        },
        ...blocks(own, depth - 1),
      ),
    );
    next = end;
  }
  return { element: el(numbered ? "ol" : "ul", {}, ...items), next };
}

/** Code as it is, with its language where one is named; a diff has its colours. */
function code(lines: readonly string[], language: string): HTMLElement {
  const sign = (line: string) =>
    line.startsWith("+") ? "new" : line.startsWith("-") ? "gone" : "same";
  const body =
    language === "diff"
      ? lines.map((line) =>
          el(
            "span",
            { class: `diff ${sign(line)}`, attrs: { "data-sign": "" } },
            ...visibleText(line),
          ),
        )
      : visibleText(lines.join("\n"));
  const label =
    language === "" ? [] : [el("span", { class: "language" }, ...visibleText(language))];
  return el("pre", { class: "code", attrs: { tabindex: "0" } }, ...label, el("code", {}, ...body));
}

const isTableLine = (line: string) =>
  line.includes("|") && line.includes("-") && /^[\s|:-]+$/.test(line);
const cells = (line: string) =>
  line
    .trim()
    .replace(/^\|/, "")
    .replace(/\|$/, "")
    .split("|")
    .map((cell) => cell.trim());

function table([head = "", ...rows]: readonly string[]): HTMLElement {
  const row = (line: string, tag: "th" | "td") =>
    el(
      "tr",
      {},
      ...cells(line).map((cell) => el(tag, { attrs: { dir: "auto" } }, ...inline(cell))),
    );
  const whole = el(
    "table",
    {},
    el("thead", {}, row(head, "th")),
    el("tbody", {}, ...rows.map((line) => row(line, "td"))),
  );
  return el("div", { class: "wide-table", attrs: { tabindex: "0" } }, whole);
}

const MARKS = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "s"],
  ["*", "em"],
  ["_", "em"],
] as const;
const LINK = /\[([^[\]\n]{1,500})\]\(([^\s()<>]{1,2000})\)/y;
const ADDRESS = /https?:\/\/[^\s<>"`|\\]{1,2000}/y;
const WORD = /[\p{L}\p{N}_]/u;

/** A stretch of text with emphasis, code and links; each kind of mark within another only once. */
function inline(text: string, open: readonly string[] = []): (Node | string)[] {
  const parts: (Node | string)[] = [];
  const hopeless = new Set<string>(); // has no end from here on, so it is looked for no more
  let written = 0;
  const add = (from: number, end: number, ...nodes: (Node | string)[]) => {
    parts.push(...visibleProse(text.slice(written, from)), ...nodes);
    written = end;
    return end;
  };
  const at = (pattern: RegExp, index: number) => {
    pattern.lastIndex = index;
    return pattern.exec(text);
  };
  for (let i = 0; i < text.length; ) {
    const char = text.charAt(i);
    let next = i + 1;
    if (char === "`") {
      const end = endOfRun(text, i);
      const run = text.slice(i, end);
      const close = hopeless.has(run) ? -1 : closingRun(text, run, end);
      if (close < 0) hopeless.add(run);
      next =
        close < 0
          ? end
          : add(i, close + run.length, el("code", {}, ...visibleText(text.slice(end, close))));
    } else if (char === "[") {
      const [all = "", label = "", target = ""] = at(LINK, i) ?? [];
      const made = all === "" ? undefined : link(label, target);
      if (made !== undefined) next = add(i, i + all.length, ...made);
    } else if (char === "h" && !WORD.test(text.charAt(i - 1))) {
      const address = at(ADDRESS, i)?.[0].replace(/[.,;:!?)\]'*_~]{1,20}$/, "") ?? "";
      const made = address === "" ? undefined : link(address, address);
      if (made !== undefined) next = add(i, i + address.length, ...made);
    } else if (char === "*" || char === "_" || char === "~") {
      for (const [mark, tag] of MARKS) {
        if (
          !text.startsWith(mark, i) ||
          open.includes(mark) ||
          hopeless.has(mark) ||
          !opens(text, i, mark)
        )
          continue;
        const close = closingMark(text, mark, i + mark.length);
        if (close < 0) hopeless.add(mark);
        else
          next = add(
            i,
            close + mark.length,
            el(tag, {}, ...inline(text.slice(i + mark.length, close), [...open, mark])),
          );
        break;
      }
      if (next === i + 1) next = endOfRun(text, i);
    }
    i = next;
  }
  add(text.length, text.length);
  return parts;
}

function endOfRun(text: string, from: number): number {
  let end = from;
  while (text.charAt(end) === text.charAt(from) && end < text.length) end++;
  return end;
}

/** Where a run of backticks of this very length stands again. */
function closingRun(text: string, run: string, from: number): number {
  for (let at = text.indexOf(run, from); at >= 0; ) {
    const end = endOfRun(text, at);
    if (end - at === run.length) return at;
    at = text.indexOf(run, end);
  }
  return -1;
}

/** A mark begins something where it stands before a word, and not within one: `2*3*4` and `snake_case` stay what they are. */
function opens(text: string, at: number, mark: string): boolean {
  const after = text.charAt(at + mark.length);
  return (
    /\S/.test(after) &&
    after !== mark.charAt(0) &&
    !WORD.test(text.charAt(at - 1)) &&
    text.charAt(at - 1) !== mark.charAt(0)
  );
}

function closingMark(text: string, mark: string, from: number): number {
  for (let at = text.indexOf(mark, from); at >= 0; at = text.indexOf(mark, endOfRun(text, at))) {
    const before = text.charAt(at - 1);
    if (
      at > from &&
      /\S/.test(before) &&
      endOfRun(text, at) === at + mark.length &&
      !WORD.test(text.charAt(at + mark.length))
    )
      return at;
  }
  return -1;
}

/** A link out of here, with where it really leads beside it, unless that is what it says; nothing but http and https is one. */
function link(label: string, target: string): (Node | string)[] | undefined {
  const url = webAddress(target);
  if (url === undefined) return undefined;
  const anchor = el(
    "a",
    { attrs: { href: url.href, rel: "noreferrer noopener", target: "_blank" } },
    ...visibleProse(label),
  );
  const same = label === url.href || `${label}/` === url.href;
  return same
    ? [anchor]
    : [anchor, el("span", { class: "leads" }, ...visibleText(` (${url.href})`))];
}
