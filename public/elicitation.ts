import * as v from "valibot";
import {
  Elicited,
  type Field,
  type FieldValues,
  LIMITS,
  type Prompt,
  textChars,
  type View,
} from "../src/types.ts";
import { webAddress } from "../src/viewer/web-address.ts";
import type { ApprovalForm } from "./approval.ts";
import { el } from "./dom.ts";
import { EXACT, grow, limit } from "./text-box.ts";
import { visibleName, visibleProse, visibleText } from "./visible.ts";

/** What an MCP server asks: a form with what it wants to know, or a page that it wants to be opened. */
export function elicitation(
  prompt: Prompt,
  view: View,
  onChange: () => void,
): ApprovalForm | undefined {
  const parsed = v.safeParse(Elicited, view.input);
  if (!parsed.success) return undefined;
  const { server, message, fields = [], url } = parsed.output;
  const open = view.actions.includes("approve");
  const inputs = fields.map((field, i) => fieldInput(field, `${prompt.id}-${i}`));
  const given = () => {
    const values = inputs.map(({ value }) => value());
    const total = textChars(values);
    tooMuch.textContent =
      total > LIMITS.formChars
        ? `Too long: all fields together may have ${LIMITS.formChars.toLocaleString()} characters, and have ${total.toLocaleString()}.`
        : "";
    return values.includes(undefined) || total > LIMITS.formChars
      ? undefined
      : values.filter((value) => value !== undefined);
  };
  const tooMuch = el("p", { class: "limit", attrs: { role: "status", "data-over": "true" } });
  const element = el(
    "div",
    { class: "questions elicited", on: { input: onChange, change: onChange } },
    el(
      "p",
      { class: "described" },
      "asked by the MCP server ",
      el("strong", {}, ...visibleName(server)),
    ),
    el("pre", { class: "content", attrs: { tabindex: "0" } }, ...visibleProse(message)),
    ...(url === undefined ? [] : pageParts(url, open)),
    ...inputs.map(({ element }) => element),
    tooMuch,
  );
  const isPage = url !== undefined;
  return {
    questions: element,
    covers: ["server", "message", "fields", "url"],
    more: [],
    label: () => (isPage ? "Done there" : "Send"),
    given() {
      if (isPage) return {};
      const values = given();
      return values === undefined ? undefined : { fields: values };
    },
    words: { reject: "Decline", rejecting: "Declining…", rejected: "Declined" },
  };
}

/** A page's whole address, its host set apart: that is what one looks at before one opens it. */
function pageParts(url: string, open: boolean): HTMLElement[] {
  const page = webAddress(url);
  if (page === undefined || !open) return [el("p", { class: "path" }, ...visibleText(url))];
  const at = page.href.indexOf(page.host, page.protocol.length);
  const said = el("span", { attrs: { role: "status" } });
  const copy = () => {
    const done =
      navigator.clipboard?.writeText(page.href) ??
      Promise.reject(new Error("plain HTTP has no clipboard"));
    done.then(
      () => (said.textContent = "Copied."),
      () =>
        (said.textContent =
          "This browser does not let the page copy. Hold the Open button to copy its link."),
    );
  };
  return [
    el(
      "p",
      { class: "path" },
      ...visibleText(page.href.slice(0, at)),
      el("strong", {}, ...visibleText(page.host)),
      ...visibleText(page.href.slice(at + page.host.length)),
    ),
    el(
      "div",
      { class: "ways" },
      el("a", {
        class: "button",
        text: "Open",
        attrs: { href: page.href, target: "_blank", rel: "noopener noreferrer" },
      }),
      el("button", { text: "Copy", attrs: { type: "button" }, on: { click: copy } }),
      said,
    ),
  ];
}

interface FieldInput {
  element: HTMLElement;
  /** What is filled in; null is left out, undefined can't be sent. */
  value(): FieldValues[number] | undefined;
}

const INPUT_TYPES = { email: "email", uri: "url", date: "date", "date-time": "text" } as const;

function fieldInput(field: Field, id: string): FieldInput {
  const { title, about, required, type, options, min, max, format } = field;
  const bounds =
    min === undefined
      ? max === undefined
        ? ""
        : `at most ${max}`
      : max === undefined
        ? `at least ${min}`
        : `${min} to ${max}`;
  const unit = type === "text" && bounds !== "" ? " characters" : "";
  const hints = [
    about,
    format === "date-time" ? "such as 2026-01-31T12:00:00Z" : undefined,
    bounds === "" ? undefined : bounds + unit,
    required ? undefined : "may be left out",
  ];
  const hint = hints.filter((part) => part !== undefined).join(" · ");
  const about_ =
    hint === "" ? [] : [el("span", { attrs: { id: `about-${id}` } }, ...visibleProse(hint))];
  const described = hint === "" ? {} : { "aria-describedby": `about-${id}` };
  const bound = (name: string, number: number | undefined) =>
    number === undefined ? {} : { [name]: String(number) };

  if (type === "one" || type === "several") {
    const preset = Array.isArray(field.value) ? field.value : [];
    const box = (checked: boolean) =>
      el("input", {
        attrs: { type: type === "one" ? "radio" : "checkbox", name: id },
        init: (input) => (input.checked = checked),
      });
    const boxes = options.map((_, i) => box(preset.includes(i)));
    const labels = options.map((label, i) =>
      el(
        "label",
        {},
        ...boxes.slice(i, i + 1),
        el("strong", { attrs: { dir: "auto" } }, ...visibleName(label)),
      ),
    );
    const none =
      type === "one" && !required
        ? [el("label", {}, box(preset.length === 0), el("strong", { text: "Leave it out" }))]
        : [];
    return {
      element: el(
        "fieldset",
        { class: "question", attrs: described },
        el("legend", {}, ...visibleName(title), ...about_),
        ...labels,
        ...none,
      ),
      value() {
        const chosen = boxes.flatMap((input, i) => (input.checked ? [i] : []));
        if (chosen.length === 0 && !required) return null;
        if (type === "one") return chosen.length === 1 ? chosen : undefined;
        return chosen.length >= (min ?? 0) && chosen.length <= (max ?? Infinity)
          ? chosen
          : undefined;
      },
    };
  }
  if (type === "boolean") {
    const box = el("input", {
      attrs: { type: "checkbox", ...described },
      init: (input) => (input.checked = field.value === true),
    });
    return {
      element: el(
        "div",
        { class: "question" },
        el("label", {}, box, el("strong", {}, ...visibleName(title)), ...about_),
      ),
      value: () => box.checked,
    };
  }
  const label = el(
    "label",
    { class: "field", attrs: { for: id } },
    ...visibleName(title),
    ...about_,
  );
  if (type === "text" && format === undefined) {
    const box = el("textarea", {
      attrs: { id, rows: "1", dir: "auto", ...EXACT, ...described },
      init: (made) => (made.value = field.value === undefined ? "" : String(field.value)),
    });
    box.required = required;
    grow(box);
    const size = limit(box, Math.min(max ?? LIMITS.messageChars, LIMITS.messageChars));
    return {
      element: el("div", { class: "question" }, label, box, size.note),
      value() {
        if (box.value.trim() === "") return required ? undefined : null;
        return size.fits() && [...box.value].length >= (min ?? 0) ? box.value : undefined;
      },
    };
  }
  const isNumber = type !== "text";
  const shape = isNumber
    ? {
        type: "number",
        step: type === "integer" ? "1" : "any",
        inputmode: type === "integer" ? "numeric" : "decimal",
        ...bound("min", min),
        ...bound("max", max),
      }
    : {
        type: format === undefined ? "text" : INPUT_TYPES[format],
        maxlength: String(Math.min(max ?? LIMITS.messageChars, LIMITS.messageChars)),
        ...bound("minlength", min),
        dir: "auto",
      };
  const input = el("input", {
    attrs: {
      id,
      ...EXACT,
      ...shape,
      ...described,
      ...(required ? { required: "" } : {}),
    },
    init: (made) => (made.value = field.value === undefined ? "" : String(field.value)),
  });
  return {
    element: el("div", { class: "question" }, label, input),
    value() {
      if (input.value.trim() === "" && !input.validity.badInput) return required ? undefined : null;
      const short = !isNumber && [...input.value].length < (min ?? 0); // browsers check only what was typed
      if (!input.validity.valid || short) return undefined;
      return isNumber ? Number(input.value) : input.value;
    },
  };
}
