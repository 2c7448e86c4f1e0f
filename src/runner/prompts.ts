import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import { randomNonce, sha256hex } from "../auth.ts";
import { type Answer, type Answers, type Approval, type FromServer, isOpen, LIMITS, type Prompt, Questions, type View } from "../types.ts";
import { alwaysChoices } from "./always.ts";
import type { HookDecision, HookEvent, PermissionRequest, PermissionUpdate } from "./hooks.ts";
import { maskInput, maskSecrets } from "./secrets.ts";

/** After this long without evidence an answer is unconfirmed, in ms. */
const EVIDENCE_MS = 5000;
const LOOK_EVERY_MS = 50;
/** A subagent in the background is held back while its hook waits: after this long without a dialog it is let go, in ms. */
const BACKGROUND_GRACE_MS = 4000;
/** An answer at the desk shows in several places, not at the same time; so long one waits for the others, in ms. */
const SETTLE_MS = 150;
/** Settled prompts are remembered, so that a repeated decision gets the same answer. */
const REMEMBERED = 200;

/** Tools whose question a plain allow does not answer. */
const KINDS: Record<string, Prompt["kind"]> = { AskUserQuestion: "question", ExitPlanMode: "plan" };

type Decide = Extract<FromServer, { type: "decide" }>;
export type DecideResult = "sent" | "answered" | "gone" | "changed" | "refused";

interface Entry {
  prompt: Prompt;
  view: View;
  /** What the view's `always` would tell Claude. */
  updates: PermissionUpdate[];
  event: PermissionRequest;
  respond: (decision: HookDecision | undefined) => void;
  signal: AbortSignal;
  /** Claude was seen to wait since this came up. */
  waited: boolean;
  /** The tool was seen to have run. */
  done: boolean;
}

export interface PromptsOptions {
  session: string;
  host: string;
  /** Something about a prompt is new. */
  onChange(prompt: Prompt): void;
  /** Whether it matters now to see quickly what Claude does: a prompt waits, or an answer is not confirmed. */
  onHurry(hurry: boolean): void;
  /** Begins to look for evidence that a decision was applied; the returned function says whether it has been found. */
  watch(event: PermissionRequest, action: Decide["action"]): () => boolean;
  /** Whether Claude waits at a dialog; undefined where that can't be told. */
  dialogOpen(): boolean | undefined;
}

/** The prompts of one session. This side decides what becomes of each: it is claimed once, by whoever is first. */
export function openPrompts(options: PromptsOptions) {
  const entries = new Map<string, Entry>();
  let ended = false;
  let confirming = 0;

  const opened = () => [...entries.values()].filter(({ prompt }) => isOpen(prompt));

  const hurry = () => options.onHurry(confirming > 0 || opened().length > 0);

  const settle = (entry: Entry, state: Prompt["state"], answer?: Answer) => {
    entry.prompt = { ...entry.prompt, state, ...(answer === undefined ? {} : { answer }) };
    options.onChange(entry.prompt);
    hurry();
    for (const [id, old] of entries) {
      if (entries.size <= REMEMBERED) break;
      if (!isOpen(old.prompt)) entries.delete(id);
    }
  };

  const answeredAtDesk = (entry: Entry, decision: Answer["decision"]) => {
    if (!isOpen(entry.prompt)) return;
    settle(entry, "answered", { by: "desk", at: Date.now(), ...(decision === undefined ? {} : { decision }) });
    entry.respond(undefined);
  };

  const withdraw = (entry: Entry, state: "withdrawn" | "expired") => {
    if (!isOpen(entry.prompt)) return;
    settle(entry, state);
    entry.respond(undefined);
  };

  /** Sent becomes applied once there is evidence, or unconfirmed. */
  const confirm = async (entry: Entry, answer: Answer, found: () => boolean) => {
    const until = performance.now() + EVIDENCE_MS;
    let receipt: Answer["receipt"] = "unconfirmed";
    confirming++;
    while (receipt === "unconfirmed" && performance.now() < until && !ended) {
      await Bun.sleep(LOOK_EVERY_MS);
      if (found()) receipt = "applied";
    }
    confirming--;
    settle(entry, "answered", { ...answer, receipt });
  };

  return {
    /** A permission waits: shows it and resolves with what Claude is to be told. */
    ask(event: PermissionRequest, signal: AbortSignal): Promise<HookDecision | undefined> {
      if (opened().length >= LIMITS.openPrompts || ended) return Promise.resolve(undefined);
      const { view, text, updates } = makeView(event, options.host);
      const shown = opened().reduce((sum, { prompt }) => sum + prompt.view.length, text.length);
      if (shown > LIMITS.viewsChars) return Promise.resolve(undefined); // more than one message could carry: the desk answers
      return new Promise((respond) => {
        const id = `p_${randomNonce()}`;
        const kind = KINDS[event.tool_name] ?? "permission";
        const prompt: Prompt = { id, session: options.session, kind, state: "pending", created_at: Date.now(), view: text };
        const entry: Entry = { prompt, view, updates, event, respond, signal, waited: false, done: false };
        entries.set(id, entry);
        options.onChange(prompt);
        hurry();
        // No or Esc at the desk closes the connection at once; so does Claude's end, which is told apart by waiting for it
        signal.addEventListener("abort", () => setTimeout(() => answeredAtDesk(entry, "reject"), SETTLE_MS));
        if (event.agent_id !== undefined) {
          setTimeout(() => {
            if (options.dialogOpen() !== true && !entry.waited) withdraw(entry, "withdrawn");
          }, BACKGROUND_GRACE_MS);
        }
      });
    },

    /** A person decided from afar. Claims the prompt, answers the hook, and looks for evidence. */
    decide({ prompt: id, action, shown, message, device, name, ...approval }: Decide): DecideResult {
      const entry = entries.get(id);
      if (entry === undefined) return "gone";
      if (!isOpen(entry.prompt)) return entry.prompt.state === "answered" ? "answered" : "gone";
      if (entry.signal.aborted) return "gone";
      if (!entry.view.actions.includes(action)) return "refused";
      if (action === "approve" && shown !== sha256hex(entry.prompt.view)) return "changed";
      const reply = action === "reject" ? { decision: rejection(message), said: message } : approvalOf(entry, approval);
      if (reply === undefined) return "refused";
      const found = options.watch(entry.event, action);
      const answer: Answer = {
        by: "viewer",
        device,
        name,
        decision: action,
        at: Date.now(),
        receipt: "sent",
        ...(reply.said === undefined ? {} : { message: reply.said }),
      };
      entry.respond(reply.decision);
      void confirm(entry, answer, found);
      settle(entry, "answered", answer);
      return "sent";
    },

    /** Other hook events tell what became of prompts that were answered at the desk. */
    note(event: Exclude<HookEvent, PermissionRequest>): void {
      if (event.hook_event_name === "PostToolUse" || event.hook_event_name === "PostToolUseFailure") {
        const { tool_name, tool_input, agent_id } = event;
        const same = [...entries.values()].filter(
          (entry) => !entry.done && entry.event.tool_name === tool_name && entry.event.agent_id === agent_id && isDeepStrictEqual(entry.event.tool_input, tool_input),
        );
        // it may be the same call once more that ran, approved from afar before
        const ran = same.find(({ prompt }) => prompt.answer?.decision === "approve") ?? (same.length === 1 ? same[0] : undefined);
        if (ran === undefined) return;
        ran.done = true;
        answeredAtDesk(ran, "approve");
        return;
      }
      if (event.hook_event_name === "Notification") return;
      // the turn is over, so nothing of the main conversation can still wait; subagents go on by themselves
      const ends = event.hook_event_name === "SessionEnd";
      for (const entry of opened()) if (ends || entry.event.agent_id === undefined) withdraw(entry, "withdrawn");
    },

    /** Claude waits at a dialog, or no longer does. */
    dialog(isOpenNow: boolean): void {
      for (const entry of opened()) {
        if (isOpenNow) entry.waited = true;
        // a No would have closed the connection by then
        else if (entry.waited) setTimeout(() => options.dialogOpen() !== true && answeredAtDesk(entry, entry.signal.aborted ? "reject" : "approve"), SETTLE_MS);
      }
    },

    /** All that may still matter to the server, for a new connection: what is open, and the newest of the rest. */
    list(): Prompt[] {
      const all = [...entries.values()].map((entry) => entry.prompt).reverse();
      let room = LIMITS.viewsChars;
      const fits = (prompt: Prompt) => {
        room -= prompt.view.length;
        return room >= 0;
      };
      const settled = all.filter((prompt) => !isOpen(prompt)).slice(0, LIMITS.openPrompts);
      return [...all.filter(isOpen), ...settled].filter(fits).reverse();
    },

    get: (id: string) => entries.get(id)?.prompt,

    /** The session is over. */
    end(): void {
      ended = true;
      for (const entry of opened()) withdraw(entry, "expired");
    },
  };
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
    ({ options, multiSelect }) => differ(options.map(({ label }) => label.trim())) && !(multiSelect && options.some(({ label }) => label.includes(", "))),
  );
  return questions.length > 0 && clear && differ(questions.map(({ question }) => question)) ? questions : undefined;
}

/** What Claude is told for an approval: bound to what Claude asked, not to what was masked of it; undefined where what came along does not fit what was asked. */
function approvalOf({ event, prompt, view, updates }: Entry, { answers, always, plan }: Approval): { decision: HookDecision; said?: string | undefined } | undefined {
  if (prompt.kind === "question") return answered(event.tool_input, answers);
  const update = always === undefined ? undefined : updates[always];
  if (always !== undefined && update === undefined) return undefined;
  if (plan !== undefined && (prompt.kind !== "plan" || view.masked === true)) return undefined; // dots would be written into it
  return {
    decision: {
      behavior: "allow",
      // a plan is approved by its echo (measured: a plain allow does nothing)
      ...(prompt.kind === "plan" ? { updatedInput: { ...event.tool_input, ...(plan === undefined ? {} : { plan }) } } : {}),
      ...(update === undefined ? {} : { updatedPermissions: [update] }),
    },
    said: plan === undefined ? undefined : "with a plan that was edited",
  };
}

/**
 * Claude's questions with a person's answers, as Claude takes them back (measured with 2.1.328: by the question's own words,
 * several choices with commas); undefined where not every question is answered by what it offers.
 */
function answered(input: Record<string, unknown>, answers: Answers | undefined): { decision: HookDecision; said: string } | undefined {
  const questions = askedBy(input) ?? [];
  if (answers?.length !== questions.length) return undefined;
  const given: [question: string, answer: string][] = [];
  for (const [i, { question, multiSelect, options }] of questions.entries()) {
    const { options: chosen = [], text = "" } = answers[i] ?? {};
    const words = [...chosen.map((number) => options[number]?.label), ...(text.trim() === "" ? [] : [text.trim()])];
    if (words.length === 0 || words.includes(undefined) || new Set(chosen).size < chosen.length || (words.length > 1 && !multiSelect)) return undefined;
    given.push([question, words.join(", ")]);
  }
  const said = maskSecrets(given.map(([, answer]) => answer).join(" · ")).slice(0, LIMITS.messageChars);
  return { decision: { behavior: "allow", updatedInput: { ...input, answers: Object.fromEntries(given) } }, said };
}

/** Deeper than this, an input is not for eyes: indented, 60 kB can become 200 MB. */
const MAX_DEPTH = 50;
const isShallow = (value: unknown, depth: number): boolean =>
  typeof value !== "object" || value === null || (depth > 0 && Object.values(value).every((part) => isShallow(part, depth - 1)));

function makeView(event: PermissionRequest, host: string): { view: View; text: string; updates: PermissionUpdate[] } {
  const shownOnly = event.tool_name === "AskUserQuestion" && askedBy(event.tool_input) === undefined;
  const always = event.tool_name === "AskUserQuestion" ? { shown: [], updates: [] } : alwaysChoices(event);
  const shallow = isShallow(event.tool_input, MAX_DEPTH);
  const { input, opaque } = shallow ? maskInput(event.tool_input) : { input: {}, opaque: false };
  const base: View = {
    tool: event.tool_name,
    input,
    ...(isDeepStrictEqual(input, event.tool_input) ? {} : { masked: true }),
    cwd: event.cwd,
    host,
    ...(event.agent_id === undefined ? {} : { agent: event.agent_type ?? "subagent" }),
    actions: shownOnly || opaque ? ["reject"] : ["approve", "reject"],
    ...(always.shown.length === 0 ? {} : { always: always.shown }),
    ...(shownOnly ? { note: "Answer this at the desk; from here it can only be turned down." } : {}),
    ...(opaque ? { note: "Dots stand for secrets, and could hide part of a command: this can only be approved at the desk." } : {}),
  };
  const text = JSON.stringify(base);
  if (shallow && text.length <= LIMITS.viewChars) return { view: base, text, updates: always.updates };
  // what can't be shown whole can't be approved from afar
  const part = maskSecrets(JSON.stringify(event.tool_input).slice(0, LIMITS.viewChars / 4));
  const { always: _, ...rest } = base;
  const view: View = { ...rest, input: { part }, actions: ["reject"], note: "Too much to be shown whole, so it can only be approved at the desk." };
  return { view, text: JSON.stringify(view), updates: [] };
}
