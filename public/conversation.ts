import {
  type Entry,
  parseJson,
  ToolInput,
  type TranscriptPage,
  type ViewerEvents,
} from "../src/types.ts";
import { el } from "./dom.ts";
import { isolated } from "./fault.ts";
import { formatted } from "./formatted.ts";
import { inputParts } from "./input.ts";
import { visibleName, visibleProse, visibleText } from "./visible.ts";

/** Entries fetched at first, and when one reads backwards; the most that stay on the page while one follows the end. */
const FIRST_ENTRIES = 60;
const MORE_ENTRIES = 150;
const KEPT_ENTRIES = 1000;
/** What was found is looked for so many entries back. */
const REVEAL_ENTRIES = 5000;
/** A reader this near the end is kept there, and this near the beginning gets what came before, in CSS pixels. */
const END_PX = 60;
const AHEAD_PX = 600;
/** One line of what a tool is to do, in UTF-16 units. */
const LINE_CHARS = 200;

type Result = Extract<Entry, { kind: "result" }>;
type Fetch = (before: number | undefined, limit: number) => Promise<TranscriptPage>;

/** A session's conversation: what was said as text, tools folded with their results. Opens at the end, loads backwards, follows what is new. */
export function openConversation(fetchPage: Fetch) {
  const older = el("button", {
    class: "older",
    text: "Earlier",
    attrs: { type: "button" },
    on: { click: () => void loadOlder() },
  });
  const heading = el("h2", { class: "spoken", text: "Conversation" });
  const empty = el("p", {
    class: "nothing",
    text: "No conversation yet. What is said to Claude shows here.",
  });
  const entries = el("div", {
    class: "entries",
    attrs: { role: "log", "aria-label": "Conversation" },
  });
  const scroller = el(
    "section",
    { class: "talk", attrs: { tabindex: "0", "aria-label": "Conversation" } },
    heading,
    older,
    empty,
    entries,
  );
  const fresh = el("button", {
    class: "fresh",
    text: "New below ↓",
    attrs: { type: "button" },
    on: { click: () => toEnd() },
  });
  const element = el("div", { class: "talks" }, scroller, fresh);
  older.hidden = fresh.hidden = empty.hidden = true;
  const tools = new Map<string, (result: Result) => void>();
  const results = new Map<string, Result>();
  const alone = new Map<string, HTMLElement>(); // results whose tool is further back
  let first = 0; // number of the first entry on the page
  let next = 0; // number after the last
  let told = 0; // where the conversation ends, as far as we know
  let shown = false;
  let refreshing = false;
  let loading = false;

  let stuck = true; // at the end, as of the last scroll
  const toEnd = () => {
    stuck = true;
    fresh.hidden = true;
    scroller.scrollTop = scroller.scrollHeight;
  };
  scroller.addEventListener("scroll", () => {
    if (!shown) return;
    stuck = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < END_PX;
    if (stuck) fresh.hidden = true;
    if (scroller.scrollTop < AHEAD_PX) void loadOlder();
  });
  new ResizeObserver(() => stuck && toEnd()).observe(scroller);

  const draw = (n: number, entry: Entry): HTMLElement[] => {
    const article = (kind: string, ...parts: (Node | string)[]) =>
      el("article", { class: `entry ${kind}`, attrs: { "data-n": String(n) } }, ...parts);
    switch (entry.kind) {
      case "user":
        return [
          article(
            "user",
            el("span", { class: "spoken", text: "You:" }),
            el("p", { class: "verbatim", attrs: { dir: "auto" } }, ...visibleProse(entry.text)),
          ),
        ];
      case "assistant":
        return [article("assistant", ...formatted(entry.text))];
      case "note":
        return [article("note", el("p", { attrs: { dir: "auto" } }, ...visibleProse(entry.text)))];
      case "thinking":
        return [
          article(
            "thinking",
            fold([el("strong", { text: "Thinking" })], () => formatted(entry.text)).details,
          ),
        ];
      case "tool": {
        const { details, setResult } = toolFold(entry);
        tools.set(entry.id, setResult);
        alone.get(entry.id)?.remove();
        alone.delete(entry.id);
        const result = results.get(entry.id);
        if (result !== undefined) setResult(result);
        return [article("tool", details)];
      }
      case "result": {
        results.set(entry.id, entry);
        const setResult = tools.get(entry.id);
        setResult?.(entry);
        if (setResult !== undefined) return [];
        const element = article(
          "tool",
          fold([el("strong", { text: "Result" })], () => [resultPart(entry)]).details,
        );
        alone.set(entry.id, element);
        return [element];
      }
      default:
        return entry satisfies never;
    }
  };
  const drawAll = (page: TranscriptPage["entries"]) =>
    page.flatMap(({ n, entry }) => isolated(() => draw(n, entry), [unshown(n)]));

  const append = (page: TranscriptPage["entries"]) => {
    const added = drawAll(page.filter(({ n }) => n >= next));
    entries.append(...added);
    if (!stuck && added.length > 0) fresh.hidden = false;
    if (!stuck) return;
    while (entries.childElementCount > KEPT_ENTRIES) entries.firstElementChild?.remove();
    for (const map of [tools, results, alone])
      for (const [oldest] of map) if (map.size > KEPT_ENTRIES) map.delete(oldest);
    const top = entries.firstElementChild;
    if (top instanceof HTMLElement) first = Math.max(first, Number(top.dataset.n));
    toEnd();
  };

  /** Fetches what is lacking at the end; afresh where that is too much. */
  const refresh = async () => {
    if (refreshing || !shown) return;
    refreshing = true;
    try {
      do {
        const page = await fetchPage(undefined, next === 0 ? FIRST_ENTRIES : MORE_ENTRIES);
        const start = page.entries[0]?.n ?? page.next;
        if (next === 0 || start > next || page.next < next) {
          for (const map of [tools, results, alone]) map.clear();
          entries.replaceChildren();
          first = next = start;
          stuck = true;
        }
        append(page.entries);
        next = page.next;
        told = Math.max(told, next);
      } while (next < told && shown);
    } finally {
      refreshing = false;
    }
    older.hidden = first === 0;
    empty.hidden = next > 0;
    if (scroller.scrollHeight <= scroller.clientHeight) void loadOlder();
  };

  const loadOlder = async () => {
    if (loading || first === 0) return;
    loading = true;
    try {
      const page = await fetchPage(first, MORE_ENTRIES);
      entries.setAttribute("aria-busy", "true"); // what came before is not news
      const { scrollHeight, scrollTop } = scroller;
      entries.prepend(...drawAll(page.entries));
      first = page.entries[0]?.n ?? 0;
      older.hidden = first === 0;
      scroller.scrollTop = scrollTop + scroller.scrollHeight - scrollHeight; // what was in view stays there
      entries.removeAttribute("aria-busy");
    } finally {
      loading = false;
    }
  };

  return {
    element,

    /** Where the conversation ends now, with what is new if it came along. */
    event({ from, next: end, entries: grown }: ViewerEvents["transcript"]): Promise<void> {
      told = end;
      if (end < next) next = 0; // the server has lost some of it
      if (!shown || refreshing || end === next) return Promise.resolve();
      if (grown === undefined || from > next || next === 0) return refresh();
      append(grown.map((entry, i) => ({ n: from + i, entry })));
      next = end;
      return Promise.resolve();
    },

    /** Shows or hides it; it is fetched only once somebody looks. */
    show(on: boolean): Promise<void> {
      shown = on;
      if (on && stuck) toEnd();
      return refresh();
    },

    refresh,

    /** Scrolls to an entry, loading backwards to it. */
    async reveal(n: number): Promise<void> {
      await refresh();
      stuck = false;
      for (
        let before = -1;
        first > n && next - first < REVEAL_ENTRIES && first !== before && !loading;
      ) {
        before = first;
        await loadOlder();
      }
      const found = [...entries.children].findLast(
        (child) => child instanceof HTMLElement && Number(child.dataset.n) <= n,
      );
      found?.querySelector("details")?.setAttribute("open", "");
      found?.classList.add("found");
      found?.scrollIntoView({ block: "center" });
    },
  };
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
