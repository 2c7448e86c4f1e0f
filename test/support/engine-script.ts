/** What a test names on a page: a CSS selector, or what a person would call it, in `within` where that is given. */
export type Target =
  | string
  | { role: Role; name?: string | RegExp; within?: string }
  | { text: string | RegExp; within?: string }
  | { label: string | RegExp; within?: string };

export type Role = keyof typeof ROLES;

/** Elements that have a role without saying so. */
const ROLES = {
  alert: "",
  alertdialog: "",
  button: "button, summary, input[type=submit], input[type=button]",
  checkbox: "input[type=checkbox]",
  combobox: "select",
  dialog: "dialog",
  heading: "h1, h2, h3, h4, h5, h6",
  link: "a[href]",
  listitem: "li",
  radio: "input[type=radio]",
  status: "output",
  tab: "",
  textbox: "textarea, input:not([type]), input[type=text], input[type=search], input[type=email]",
} as const;

/** A target as data for a page's script: a RegExp does not travel as JSON. */
export function describe(target: Target): Record<string, unknown> {
  if (typeof target === "string") return { css: target };
  const name = "text" in target ? target.text : "label" in target ? target.label : target.name;
  const words =
    name instanceof RegExp ? { source: name.source, flags: name.flags.replace("g", "") } : name;
  const kind =
    "text" in target
      ? { by: "text" }
      : "label" in target
        ? { by: "label" }
        : {
            by: "role",
            css: [`[role=${target.role}]`, ROLES[target.role]]
              .filter((part) => part !== "")
              .join(", "),
          };
  return { ...kind, words, within: target.within };
}

/**
 * Finds the elements of a described target that can be seen, in the order of the page. It runs in every engine alike, so no
 * engine's own idea of a name counts. A name is `aria-label`, a label's text or the element's text; a string is the whole name.
 */
export const FIND = `((target) => {
  const tidy = (text) => (text ?? "").replace(/\\s+/g, " ").trim();
  const { words } = target;
  const says = (text) =>
    words === undefined || (typeof words === "string" ? tidy(text) === tidy(words) : new RegExp(words.source, words.flags).test(tidy(text)));
  const seen = (element) => {
    const { width, height } = element.getBoundingClientRect();
    return width > 0 && height > 0 && getComputedStyle(element).visibility === "visible";
  };
  const byId = (ids) => ids.split(/\\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
  const labels = (element) => {
    if (element.hasAttribute("aria-labelledby")) return byId(element.getAttribute("aria-labelledby"));
    if (element.hasAttribute("aria-label")) return element.getAttribute("aria-label");
    return [...(element.labels ?? [])].map((label) => label.textContent).join(" ") || element.getAttribute("placeholder") || "";
  };
  const own = (element) => labels(element) || element.textContent || element.value || element.title || "";
  const roots = target.within === undefined ? [document] : [...document.querySelectorAll(target.within)];
  const all = (css) => [...new Set(roots.flatMap((root) => [...root.querySelectorAll(css)]))].filter(seen);
  if (target.by === "label") return all("input, textarea, select, [aria-label]").filter((element) => says(labels(element)));
  if (target.by === "role") return all(target.css).filter((element) => says(own(element)));
  if (target.by !== "text") return all(target.css);
  const found = all("*").filter((element) => says(element.textContent));
  return found.filter((element) => !found.some((other) => other !== element && element.contains(other)));
})`;

/** Where a tap on the first of the elements lands: its middle, once it is in view and nothing covers it; otherwise why not. */
export const POINT = `(async (target) => {
  const element = ${FIND}(target)[0];
  if (element === undefined) return { why: "it is not on the page" };
  if (element.disabled) return { why: "it is disabled" };
  element.scrollIntoView({ block: "nearest", inline: "nearest" });
  const place = () => element.getBoundingClientRect();
  const before = place();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { left, top, width, height } = place();
  if (left !== before.left || top !== before.top) return { why: "it moves" };
  const x = Math.round(left + width / 2), y = Math.round(top + height / 2);
  const hit = document.elementFromPoint(x, y);
  const label = element.labels?.[0];
  if (hit !== null && (element.contains(hit) || label?.contains(hit))) return { x, y };
  return { why: "it is covered by " + (hit?.outerHTML.slice(0, 120) ?? "nothing: it is out of view") };
})`;

/** Replaces a field's text as typing does: with the events of input, at once. */
export const FILL = `((target, text) => {
  const element = ${FIND}(target)[0];
  if (element === undefined) return "it is not on the page";
  if (element.disabled) return "it is disabled";
  element.focus();
  element.select();
  const done = text === "" ? document.execCommand("delete") : document.execCommand("insertText", false, text);
  if (element.value === text) return "";
  if (done && element.maxLength > 0 && element.value === text.slice(0, element.maxLength)) return "";
  const prototype = element instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
  Object.getOwnPropertyDescriptor(prototype.prototype, "value").set.call(element, text);
  element.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertText", data: text }));
  return "";
})`;

/** A finger's way as events that no device sent, for engines without a touch screen: what is not prevented scrolls. */
export const SWIPE = `(async (points) => {
  const start = points[0];
  const element = document.elementFromPoint(start.x, start.y) ?? document.body;
  const fire = (name, { x, y }, touching) => {
    const touch = { identifier: 1, target: element, clientX: x, clientY: y, pageX: x + scrollX, pageY: y + scrollY };
    const event = new Event(name, { bubbles: true, cancelable: true, composed: true });
    Object.defineProperties(event, {
      touches: { value: touching ? [touch] : [] }, targetTouches: { value: touching ? [touch] : [] }, changedTouches: { value: [touch] },
    });
    const pointer = { touchstart: "pointerdown", touchmove: "pointermove", touchend: "pointerup" }[name];
    const details = { bubbles: true, cancelable: true, pointerType: "touch", pointerId: 2, isPrimary: true, clientX: x, clientY: y };
    element.dispatchEvent(new PointerEvent(pointer, details));
    return element.dispatchEvent(event);
  };
  const scroll = (dx, dy) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(at);
      const wide = /auto|scroll/.test(overflowX) && at.scrollWidth > at.clientWidth && dx !== 0;
      const tall = /auto|scroll/.test(overflowY) && at.scrollHeight > at.clientHeight && dy !== 0;
      if (wide || tall) return at.scrollBy({ left: dx, top: dy, behavior: "instant" });
    }
    window.scrollBy({ left: dx, top: dy, behavior: "instant" });
  };
  fire("touchstart", start, true);
  let last = start;
  for (const point of points.slice(1)) {
    if (fire("touchmove", point, true)) scroll(last.x - point.x, last.y - point.y);
    last = point;
    await new Promise((resolve) => setTimeout(resolve, 16));
  }
  fire("touchend", last, false);
})`;

/** Runs an expression, or a function with arguments, and brings the value back as JSON with whatever was thrown. */
export const asScript = (expression: string, args: readonly unknown[]) => `(async () => {
  try {
    const made = (${expression});
    const value = await (typeof made === "function" ? made(...${JSON.stringify(args)}) : made);
    return JSON.stringify({ value });
  } catch (error) {
    return JSON.stringify({ thrown: String(error?.stack ?? error) + " " + String(error) });
  }
})()`;
