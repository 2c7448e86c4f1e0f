import * as v from "valibot";
import { type Approval, LIMITS, type Prompt, Questions, type View } from "../src/types.ts";
import { el } from "./dom.ts";
import { elicitation } from "./elicitation.ts";
import { questionForm } from "./questions.ts";
import { screenQuestion } from "./screen-question.ts";
import { EXACT, limit } from "./text-box.ts";
import { visibleName, visibleText } from "./visible.ts";

/** What an approval may bring along: the answers to questions, something for good, a plan that was edited. */
export interface ApprovalForm {
  /** Stands for the questions themselves, and shows these keys of the input. */
  questions: HTMLElement | undefined;
  covers?: string[];
  /** Behind a second step each. */
  more: HTMLElement[];
  /** What the button says. */
  label(): string;
  /** What goes along; undefined while a question is open. */
  given(): Approval | undefined;
  /** What a no is called here, where no words of one's own can go along. */
  words?: { reject: string; rejecting: string; rejected: string };
  /** What stands on the button that sends it away as nothing at all. */
  dismiss?: string;
}

/** The form of one prompt; `onChange` comes with each change, `onText` where a part of the text is another now, or counts now. */
export function approvalForm(
  prompt: Prompt,
  view: View | undefined,
  onChange: () => void,
  onText: (part: HTMLElement) => void,
): ApprovalForm {
  const other =
    view === undefined
      ? undefined
      : prompt.kind === "screen"
        ? screenQuestion(prompt, view, onChange)
        : prompt.kind === "elicitation"
          ? elicitation(prompt, view, onChange)
          : undefined;
  if (other !== undefined) return other;
  const asked = v.safeParse(
    Questions,
    prompt.kind === "question" && view?.actions.includes("approve") ? view.input : undefined,
  );
  const form = asked.success
    ? questionForm(asked.output.questions, prompt.id, onChange)
    : undefined;
  if (form !== undefined) {
    const given = () => {
      const answers = form.answers();
      return answers === undefined ? undefined : { answers };
    };
    return {
      questions: form.element,
      covers: ["questions"],
      more: [],
      label: () => "Answer",
      given,
    };
  }

  const radio = (init: (input: HTMLInputElement) => void = () => undefined) =>
    el("input", {
      attrs: { type: "radio", name: `always-${prompt.id}` },
      on: { change: ({ target }) => target instanceof HTMLElement && onText(labelOf(target)) },
      init,
    });
  const isPlan = prompt.kind === "plan";
  const once = radio((input) => (input.checked = true));
  const choices = (view?.always ?? []).map(({ says, writes }) => {
    const box = radio();
    return {
      box,
      label: el(
        "label",
        {},
        box,
        el("strong", {}, ...visibleName(says)),
        el("span", { class: "writes" }, ...visibleText(writes)),
      ),
    };
  });
  const always = el(
    "details",
    { class: "why" },
    el("summary", { text: isPlan ? "What comes after…" : "Approve for good…" }),
    el(
      "fieldset",
      { class: "question" },
      el(
        "label",
        {},
        once,
        el("strong", { text: isPlan ? "Ask before each edit" : "Only this once" }),
      ),
      ...choices.map(({ label }) => label),
    ),
  );
  const original =
    prompt.kind === "plan" && view?.masked !== true && typeof view?.input.plan === "string"
      ? view.input.plan
      : undefined;
  const plan = el("textarea", {
    class: "whole-text",
    attrs: { rows: "3", dir: "auto", "aria-label": "The plan", ...EXACT },
    on: {
      input() {
        showWhole(plan);
        onText(plan);
      },
    },
    init: (area) => (area.value = original ?? ""),
  });
  const size = limit(plan, LIMITS.planChars);
  const edit = el(
    "details",
    { class: "why", on: { toggle: () => showWhole(plan) } },
    el("summary", { text: "Edit the plan" }),
    plan,
    size.note,
  );
  const chosen = () => choices.findIndex(({ box }) => box.checked);
  const edited = () => original !== undefined && plan.value !== original;
  return {
    questions: undefined,
    more: [...(original === undefined ? [] : [edit]), ...(choices.length === 0 ? [] : [always])],
    label: () =>
      edited()
        ? "Approve as edited"
        : chosen() < 0
          ? "Approve"
          : isPlan
            ? "Approve, accept edits"
            : "Approve for good",
    given: () =>
      edited() && !size.fits()
        ? undefined
        : {
            ...(chosen() < 0 ? {} : { always: chosen() }),
            ...(edited() ? { plan: plan.value } : {}),
          },
  };
}

const labelOf = (input: HTMLElement) => input.closest("label") ?? input;

/** As high as its text: no part of that is hidden within. */
function showWhole(area: HTMLTextAreaElement): void {
  const box = area.closest(".asked");
  const top = box?.scrollTop ?? 0;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`;
  box?.scrollTo(0, top); // it was shorter for a moment
}
