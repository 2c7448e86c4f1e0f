import { webAddress } from "../src/viewer/web-address.ts";
import { el } from "./dom.ts";
import { visibleProse, visibleText } from "./visible.ts";

/** Quotes and lists within each other are drawn to this depth; what is deeper stays as it was written. */
const DEPTH = 5;

const FENCE = /^( {0,3})(`{3,}|~{3,})(|[^`~][^`]*)$/;
const HEADING = /^ {0,3}(#{1,6}) (.*)$/;
const RULE = /^ {0,3}(?:-{3,}|\*{3,}|_{3,})\s*$/;
const QUOTE = /^ {0,3}> ?/;
const TASK = /^\[([ xX])\](?: |$)(.*)$/s;
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
    const [, margin = "", fence = "", info = ""] = FENCE.exec(line) ?? [];
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
      const body = lines.slice(at + 1, end).map((other) => withoutIndent(other, margin.length));
      add(code(body, info.trim()), end + 1);
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
      add(table(line, lines[at + 1] ?? "", lines.slice(at + 2, end)), end);
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
const withoutIndent = (line: string, most: number) => line.slice(Math.min(most, indentOf(line)));

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
      ...lines.slice(next + 1, end).map((other) => withoutIndent(other, all.length)),
    ];
    const [, state = "", task = ""] = TASK.exec(own[0] ?? "") ?? [];
    if (state !== "") own[0] = task;
    const parts = blocks(own, depth - 1);
    if (state !== "") {
      const box = taskBox(state !== " ");
      if (parts[0]?.tagName === "P") parts[0].prepend(box, " ");
      else parts.unshift(el("p", {}, box));
    }
    items.push(
      el(
        "li",
        {
          ...(state === "" ? {} : { class: "task" }),
          attrs: { dir: "auto", ...(numbered ? { value: String(Number.parseInt(mark, 10)) } : {}) },
        },
        ...parts,
      ),
    );
    next = end;
  }
  return { element: el(numbered ? "ol" : "ul", {}, ...items), next };
}

/** Whether a task is done, as a box that can't be ticked. */
function taskBox(done: boolean): HTMLElement {
  const box = el("input", {
    attrs: { type: "checkbox", disabled: "", "aria-label": done ? "Done" : "Not done" },
  });
  box.toggleAttribute("checked", done);
  return box;
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

/** The cells of a table's line; a pipe after a backslash is a part of its cell. */
function cells(line: string): string[] {
  const inner = line.trim().replace(/^\|/, "");
  const made: string[] = [];
  let start = 0;
  for (let at = 0; at <= inner.length; at++) {
    if (inner.charAt(at) === "\\") at++;
    else if (at === inner.length || inner.charAt(at) === "|") {
      made.push(inner.slice(start, at).replaceAll("\\|", "|").trim());
      start = at + 1;
    }
  }
  if (start <= inner.length) made.push(inner.slice(start).replaceAll("\\|", "|").trim());
  if (made.length > 1 && made.at(-1) === "") made.pop(); // after the last pipe
  return made;
}

/** To which side a column is aligned, as the line under the head says. */
function sideOf(rule: string): string | undefined {
  if (!rule.endsWith(":")) return rule.startsWith(":") ? "left" : undefined;
  return rule.startsWith(":") ? "center" : "right";
}

/** A table that scrolls sideways where it is wider than its place. */
function table(head: string, rule: string, lines: readonly string[]): HTMLElement {
  const sides = cells(rule).map(sideOf);
  const row = (line: string, tag: "th" | "td") => {
    const texts = cells(line);
    while (texts.length < sides.length) texts.push("");
    const made = texts.map((text, column) => {
      const side = sides[column];
      const attrs = { dir: "auto", ...(side === undefined ? {} : { "data-side": side }) };
      return el(tag, { attrs }, ...inline(text));
    });
    return el("tr", {}, ...made);
  };
  const whole = el(
    "table",
    {},
    el("thead", {}, row(head, "th")),
    el("tbody", {}, ...lines.map((line) => row(line, "td"))),
  );
  const attrs = { tabindex: "0", role: "group", "aria-label": "Table" };
  return el("div", { class: "wide-table", attrs }, whole);
}

const MARKS = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "s"],
  ["*", "em"],
  ["_", "em"],
] as const;
const LINK = /\[([^[\]\n]{1,500})\]\(([^\s()<>]{1,2000})(?: +"[^"\n]{0,200}")?\)/y;
const IMAGE = /!\[([^[\]\n]{0,500})\]\(([^\s()<>]{1,2000})(?: +"[^"\n]{0,200}")?\)/y;
/** An image that is a link: what the link is for is said by the image. */
const LINKED_IMAGE = /\[!\[([^[\]\n]{0,500})\]\([^\s()<>]{1,2000}\)\]\(([^\s()<>]{1,2000})\)/y;
const ADDRESS = /https?:\/\/[^\s<>"`|\\]{1,2000}/y;
/** Of an image's address that is no link so much is shown, in UTF-16 units: it may be the image itself. */
const TARGET_CHARS = 100;
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
    } else if (char === "!" && text.charAt(i + 1) === "[") {
      const [all = "", alt = "", target = ""] = at(IMAGE, i) ?? [];
      if (all !== "") next = add(i, i + all.length, image(alt, target));
    } else if (char === "[" && text.charAt(i + 1) === "!") {
      const [all = "", alt = "", target = ""] = at(LINKED_IMAGE, i) ?? [];
      if (all !== "") next = add(i, i + all.length, image(alt, target));
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

/** An image is not loaded: nobody is told that it is read here. It is named, with a link where there is one to follow. */
function image(alt: string, target: string): HTMLElement {
  const label = alt.trim() === "" ? target : alt;
  const shown = target.length > TARGET_CHARS ? `${target.slice(0, TARGET_CHARS)}…` : target;
  const leads = el("span", { class: "leads" }, ...visibleText(` (${shown})`));
  const made = link(label, target) ?? [...visibleProse(alt), leads];
  return el("span", { class: "image" }, el("span", { class: "kind", text: "Image: " }), ...made);
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
