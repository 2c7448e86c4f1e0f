import { type Answers, LIMITS, type Questions } from "../src/types.ts";
import { el } from "./dom.ts";
import { grow, limit } from "./text-box.ts";
import { visibleProse, visibleText } from "./visible.ts";

/** A prompt's questions as a form: options by touch, or words of one's own. */
export interface QuestionForm {
  element: HTMLElement;
  /** What was answered, in the order of the questions; undefined while something is open. */
  answers(): Answers | undefined;
}

/** `name` keeps the form's groups apart from others on the page; `onChange` comes with each change. */
export function questionForm(
  questions: Questions,
  name: string,
  onChange: () => void,
): QuestionForm {
  const parts = questions.map(({ question, multiSelect, options }, i) => {
    const type = multiSelect ? "checkbox" : "radio";
    const own = el("textarea", {
      attrs: {
        rows: "1",
        dir: "auto",
        placeholder: "Something else",
        "aria-label": "Something else",
        autocomplete: "off",
      },
    });
    const measure = grow(own);
    const size = limit(own, LIMITS.messageChars);
    const boxes = options.map(() => el("input", { attrs: { type, name: `${name}-${i}` } }));
    const labels = options.map(({ label, description, preview }, n) =>
      el(
        "label",
        {},
        ...boxes.slice(n, n + 1),
        el("strong", { attrs: { dir: "auto" } }, ...visibleProse(label)),
        ...(description === undefined
          ? []
          : [el("span", { attrs: { dir: "auto" } }, ...visibleProse(description))]),
        ...(preview === undefined ? [] : [el("pre", {}, ...visibleText(preview))]),
      ),
    );
    // one answer where one is asked for: words take the choice back, a choice the words
    own.addEventListener("input", () => {
      if (!multiSelect && own.value.trim() !== "") for (const box of boxes) box.checked = false;
    });
    for (const box of boxes)
      box.addEventListener("change", () => {
        if (multiSelect) return;
        own.value = "";
        measure();
        size.check();
      });
    return {
      element: el(
        "fieldset",
        { class: "question" },
        el("legend", { attrs: { dir: "auto" } }, ...visibleProse(question)),
        ...labels,
        own,
        size.note,
      ),
      fits: size.fits,
      answer: () => {
        const said = own.value.trim();
        return {
          options: boxes.flatMap((box, n) => (box.checked ? [n] : [])),
          ...(said === "" ? {} : { text: said }),
        };
      },
    };
  });
  return {
    element: el(
      "div",
      { class: "questions", on: { input: onChange, change: onChange } },
      ...parts.map(({ element }) => element),
    ),
    answers() {
      const all = parts.map(({ answer }) => answer());
      return parts.every(({ fits }) => fits()) &&
        all.every(({ options, text }) => options.length > 0 || text !== undefined)
        ? all
        : undefined;
    },
  };
}
