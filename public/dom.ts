/** Attributes and listeners of a new element; text only ever becomes text. */
type Props<Tag extends keyof HTMLElementTagNameMap> = {
  class?: string;
  text?: string;
  attrs?: Record<string, string>;
  on?: Partial<{ [Name in keyof HTMLElementEventMap]: (event: HTMLElementEventMap[Name]) => void }>;
  init?: (element: HTMLElementTagNameMap[Tag]) => void;
};

/** Makes an element. */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  props: Props<Tag> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  if (props.class !== undefined) element.className = props.class;
  if (props.text !== undefined) element.textContent = props.text;
  for (const [name, listener] of Object.entries(props.on ?? {}))
    element.addEventListener(name, listener as EventListener);
  element.append(...children);
  // last: with `dir` the browser looks through all the text again at each child that comes
  for (const [name, value] of Object.entries(props.attrs ?? {})) element.setAttribute(name, value);
  props.init?.(element);
  return element;
}

/** The element that the page is known to have. */
export function find<E extends Element>(selector: string, kind: new () => E): E {
  const element = document.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`the page has no ${selector}`);
}

/**
 * The one sign of this page, a terminal's cursor: filled where something waits for a person, hollow where all goes on without,
 * filling where Claude is at work, a line where it is over, broken where nothing is heard. Words always stand beside it.
 */
export type Mark = "you" | "free" | "busy" | "ended" | "away";

export function mark(kind: Mark): HTMLElement {
  return el("span", {
    class: "mark",
    attrs: { "aria-hidden": "true" },
    init: (span) => setMark(span, kind),
  });
}

/** One period of all that moves, in ms: whenever a sign appears, it keeps time with the others. */
const PERIOD_MS = 4400;

export function setMark(element: HTMLElement, kind: Mark): void {
  if (element.dataset.mark === kind) return;
  element.dataset.mark = kind;
  element.style.animationDelay = `-${Math.round(performance.now() % PERIOD_MS)}ms`;
}

/** What stands with a session that runs in a container. */
export const sandboxTag = () => el("span", { class: "tag", text: "sandbox" });

/** How long since, in words: "5 min", "3 h", "2 d"; empty where it is hardly a minute. */
export function since(time: number, now = Date.now()): string {
  const seconds = Math.max(0, (now - time) / 1000);
  if (seconds < 45) return "";
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** How long ago, in words. */
export function ago(time: number): string {
  const passed = since(time);
  return passed === "" ? "just now" : `${passed} ago`;
}

/** A moment as a clock says it, to the minute or the second, with its day and year where those are others. */
export function moment(time: number, to: "minute" | "second" = "minute"): string {
  const date = new Date(time);
  const now = new Date();
  return date.toLocaleString([], {
    hour: "2-digit",
    minute: "2-digit",
    ...(to === "second" ? { second: "2-digit" } : {}),
    ...(date.toDateString() === now.toDateString() ? {} : { day: "numeric", month: "short" }),
    ...(date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" }),
  });
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.replace(/\/+$/, "").split("/").pop() || path;
}
