import * as v from "valibot";
import { type Prompt, ScreenQuestion, type View } from "../src/types.ts";
import type { ApprovalForm } from "./approval.ts";
import { el } from "./dom.ts";
import { visibleText } from "./visible.ts";

/** A question that was read off the screen: its rows as they stand there, and its options. Choosing one and sending it are two steps. */
export function screenQuestion(
  prompt: Prompt,
  view: View,
  onChange: () => void,
): ApprovalForm | undefined {
  const parsed = v.safeParse(ScreenQuestion, view.input);
  if (!parsed.success) return undefined;
  const { above, options, selected, below } = parsed.output;
  const open = view.actions.includes("approve");
  const boxes = options.map(() =>
    el("input", {
      attrs: { type: "radio", name: `screen-${prompt.id}` },
      init: (box) => (box.disabled = !open),
    }),
  );
  const choices = options.map(({ label, number }, i) =>
    el(
      "label",
      {},
      ...boxes.slice(i, i + 1),
      el(
        "strong",
        { attrs: { dir: "auto" } },
        ...visibleText(`${number === undefined ? "" : `${number}. `}${label}`),
      ),
      ...(i === selected ? [el("span", { text: "highlighted there" })] : []),
    ),
  );
  const chosen = () => boxes.findIndex((box) => box.checked);
  const element = el(
    "div",
    { class: "questions", on: { change: onChange } },
    el("p", { class: "note", text: "Read off the screen: any program can paint this." }),
    ...(above === ""
      ? []
      : [el("pre", { class: "content", attrs: { tabindex: "0" } }, ...visibleText(above))]),
    ...(options.length === 0
      ? []
      : [
          el(
            "fieldset",
            { class: "question" },
            el("legend", { class: "unshown", text: "Options" }),
            ...choices,
          ),
        ]),
    ...(below === "" ? [] : [el("pre", { class: "below" }, ...visibleText(below))]),
  );
  return {
    questions: element,
    covers: ["above", "options", "selected", "below"],
    more: [],
    label: () => (chosen() < 0 ? "Choose one" : "Send the choice"),
    given: () => (chosen() < 0 ? undefined : { answers: [{ options: [chosen()] }] }),
    words: { reject: "Press Esc", rejecting: "Pressing Esc…", rejected: "Esc was pressed" },
    dismiss: "Not a question",
  };
}
