import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import { type Answers, isShallow, LIMITS, type Prompt, Questions, type View } from "../types.ts";
import { alwaysChoices } from "./always.ts";
import type { HookDecision, PermissionRequest, PermissionUpdate } from "./hooks.ts";
import type { Decide } from "./ledger.ts";
import { OPAQUE_NOTE } from "./masking/decision.ts";
import { maskInput, maskSecrets } from "./secrets.ts";

/** Tools whose question a plain allow does not answer. */
const KINDS: Record<string, Prompt["kind"]> = { AskUserQuestion: "question", ExitPlanMode: "plan" };
export const kindOf = ({ tool_name }: PermissionRequest): Prompt["kind"] =>
  KINDS[tool_name] ?? "permission";

/** A permission request as it is shown. */
interface Question {
  event: PermissionRequest;
  view: View;
  /** What the view's `always` would tell Claude. */
  updates: PermissionUpdate[];
}
/** What Claude is told, and what that said in words for people. */
interface Reply {
  decision: HookDecision;
  said?: string | undefined;
}

/** A no with words lets Claude go on and read them; without words it stops the turn, as No at the desk does. */
function rejection(message: string | undefined): HookDecision {
  const said = message?.trim() ?? "";
  const refusal = "The user doesn't want to proceed with this tool use. The tool use was rejected.";
  if (said === "") return { behavior: "deny", message: refusal, interrupt: true };
  return { behavior: "deny", message: `${refusal} The user said:\n${said}` };
}

/** What AskUserQuestion asks; undefined where an answer could be taken for another: two of the same words, or a comma where several may be chosen. */
function askedBy(input: Record<string, unknown>): Questions | undefined {
  const parsed = v.safeParse(Questions, input);
  const questions = parsed.success ? parsed.output.questions : [];
  const differ = (words: string[]) => new Set(words).size === words.length && !words.includes("");
  const clear = questions.every(
    ({ options, multiSelect }) =>
      differ(options.map(({ label }) => label.trim())) &&
      !(multiSelect && options.some(({ label }) => label.includes(", "))),
  );
  return questions.length > 0 && clear && differ(questions.map(({ question }) => question))
    ? questions
    : undefined;
}

const MANUAL: PermissionUpdate = { type: "setMode", mode: "default", destination: "session" };

/** What Claude is told for a decision: bound to what Claude asked, not to what was masked of it; undefined where what came along does not fit what was asked. */
export function hookReply(
  { event, view, updates }: Question,
  { action, message, answers, always, plan }: Decide,
): Reply | undefined {
  if (action === "reject") return { decision: rejection(message), said: message };
  const kind = kindOf(event);
  if (kind === "question") return answered(event.tool_input, answers);
  const update = always === undefined ? undefined : updates[always];
  if (always !== undefined && update === undefined) return undefined;
  if (plan !== undefined && (kind !== "plan" || view.masked === true)) return undefined; // dots would be written into it
  return {
    decision: {
      behavior: "allow",
      // a plan is approved by its echo (measured: a plain allow does nothing)
      ...(kind === "plan"
        ? { updatedInput: { ...event.tool_input, ...(plan === undefined ? {} : { plan }) } }
        : {}),
      // without a mode Claude would go back to the one before the plan, which may have been to accept edits (measured with 2.1.328)
      ...(update !== undefined
        ? { updatedPermissions: [update] }
        : kind === "plan"
          ? { updatedPermissions: [MANUAL] }
          : {}),
    },
    said: plan === undefined ? undefined : "with a plan that was edited",
  };
}

/**
 * Claude's questions with a person's answers, as Claude takes them back (measured with 2.1.328: by the question's own words,
 * several choices with commas); undefined where not every question is answered by what it offers.
 */
function answered(input: Record<string, unknown>, answers: Answers | undefined): Reply | undefined {
  const questions = askedBy(input) ?? [];
  if (answers?.length !== questions.length) return undefined;
  const given: [question: string, answer: string][] = [];
  for (const [i, { question, multiSelect, options }] of questions.entries()) {
    const { options: chosen = [], text = "" } = answers[i] ?? {};
    const words = [
      ...chosen.map((number) => options[number]?.label),
      ...(text.trim() === "" ? [] : [text.trim()]),
    ];
    if (
      words.length === 0 ||
      words.includes(undefined) ||
      new Set(chosen).size < chosen.length ||
      (words.length > 1 && !multiSelect)
    )
      return undefined;
    given.push([question, words.join(", ")]);
  }
  const said = maskSecrets(given.map(([, answer]) => answer).join(" · ")).slice(
    0,
    LIMITS.messageChars,
  );
  return {
    decision: { behavior: "allow", updatedInput: { ...input, answers: Object.fromEntries(given) } },
    said,
  };
}

/** What a person is shown of a permission request, and what the choices of its `always` would tell Claude. */
export function permissionView(
  event: PermissionRequest,
  host: string,
): { view: View; updates: PermissionUpdate[] } {
  const shownOnly =
    event.tool_name === "AskUserQuestion" && askedBy(event.tool_input) === undefined;
  const always =
    event.tool_name === "AskUserQuestion" ? { shown: [], updates: [] } : alwaysChoices(event);
  // masking takes a time that grows with the size: what could not be shown anyway is not masked as a whole
  const fits =
    isShallow(event.tool_input, LIMITS.viewDepth) &&
    JSON.stringify(event.tool_input).length <= LIMITS.viewChars;
  const { input, opaque } = fits ? maskInput(event.tool_input) : { input: {}, opaque: false };
  const base: View = {
    tool: event.tool_name,
    input,
    ...(!fits || isDeepStrictEqual(input, event.tool_input) ? {} : { masked: true }),
    cwd: event.cwd,
    host,
    ...(event.agent_id === undefined ? {} : { agent: event.agent_type ?? "subagent" }),
    actions: shownOnly || opaque ? ["reject"] : ["approve", "reject"],
    ...(always.shown.length === 0 ? {} : { always: always.shown }),
    ...(shownOnly
      ? { note: "Answer this at the desk; from here it can only be turned down." }
      : {}),
    ...(opaque
      ? {
          note: OPAQUE_NOTE,
        }
      : {}),
  };
  if (fits && JSON.stringify(base).length <= LIMITS.viewChars)
    return { view: base, updates: always.updates };
  // what can't be shown whole can't be approved from afar
  const start = JSON.stringify(event.tool_input).slice(0, LIMITS.viewChars / 4);
  const part = maskSecrets(start, true);
  const { always: _, ...rest } = base;
  const view: View = {
    ...rest,
    input: { part },
    ...(part === start ? {} : { masked: true }),
    actions: ["reject"],
    note: "Too much to be shown whole, so it can only be approved at the desk.",
  };
  return { view, updates: [] };
}
