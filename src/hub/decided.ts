import * as v from "valibot";
import {
  type Approval,
  LIMITS,
  type Prompt,
  parseJson,
  Questions,
  ScreenQuestion,
  View,
} from "../types.ts";

/** What goes along with a decision, in words for the audit, which is kept for good: a rule, what was chosen, why not. What somebody answers in words of their own may be a secret. */
export function decidedWords(
  { view: text }: Prompt,
  {
    message,
    always,
    answers,
    plan,
    fields,
    dismiss,
  }: { message?: string | undefined; dismiss?: true | undefined } & Approval,
): string {
  const view = parseJson(View, text);
  const screen = v.safeParse(ScreenQuestion, view?.input);
  const asked = v.safeParse(Questions, view?.input);
  const chosen = (answers ?? []).flatMap(({ options, text: own }, i) => {
    const labels = screen.success
      ? screen.output.options
      : asked.success
        ? (asked.output.questions[i]?.options ?? [])
        : [];
    return [
      ...options.map((number) => labels[number]?.label ?? `option ${number + 1}`),
      ...(own === undefined ? [] : ["words of their own"]),
    ];
  });
  return [
    message,
    always === undefined ? undefined : view?.always?.[always]?.writes,
    ...chosen,
    plan === undefined ? undefined : "as edited",
    fields === undefined ? undefined : "with a form that was filled in",
    dismiss === true ? "as no question" : undefined,
  ]
    .filter((part) => part !== undefined)
    .join(" · ")
    .slice(0, LIMITS.messageChars);
}
