import * as v from "valibot";
import { sha256hex } from "../src/auth.ts";
import { isOpen, type Prompt, parseJson, View } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import { diffLines } from "./diff.ts";
import { el } from "./dom.ts";
import type { Identity } from "./keys.ts";
import { visibleText } from "./visible.ts";

/** Buttons take no tap for this long after a card appeared, so that nobody hits what was not there a moment ago, in ms. */
const ARM_MS = 400;
/** What is longer as JSON is not indented, in UTF-16 units. */
const INDENT_CHARS = 10_000;
/** A settled card stays for this long, in ms. */
const LINGER_MS = 6000;

const Receipt = v.object({ state: v.string() });

const TITLES: Record<string, string> = {
  Bash: "Run a command",
  Write: "Write a file",
  Edit: "Edit a file",
  Read: "Read a file",
  WebFetch: "Fetch a page",
  WebSearch: "Search the web",
  AskUserQuestion: "A question",
  ExitPlanMode: "Approve a plan",
};

export interface Card {
  element: HTMLElement;
  /** The prompt's newest state; true where this settled it, so that the card has shrunk. */
  update(prompt: Prompt): boolean;
  /** Takes no tap for a moment: what is under the thumb may have moved. */
  arm(): void;
  /** Whether it may be acted on: not while what is shown may be stale. */
  enable(live: boolean): void;
}

/** A card for one prompt: what Claude wants, whole, and the answers. `onGone` is called when it has had its time. */
export function promptCard(identity: Identity, first: Prompt, where: string, onGone: () => void): Card {
  let prompt = first;
  let live = true;
  let armed = false;
  let busy = false;
  const view = parseJson(View, first.view);
  const heading = el("h2", { text: TITLES[view?.tool ?? ""] ?? view?.tool ?? "Claude asks", attrs: { id: `title-${first.id}` } });
  const state = el("p", { class: "state", attrs: { role: "status" } });
  const message = el("textarea", {
    attrs: { rows: "2", placeholder: "Tell Claude what to do instead (optional)", "aria-label": "Message to Claude with the rejection" },
  });
  const approve = el("button", { class: "approve", text: "Approve", attrs: { type: "button" }, on: { click: () => void decide("approve") } });
  const reject = el("button", { class: "reject", text: "Reject", attrs: { type: "button" }, on: { click: () => void decide("reject") } });
  const actions = el("div", { class: "actions" }, reject, ...(view?.actions.includes("approve") ? [approve] : []));
  const details = el("details", { class: "why" }, el("summary", { text: "Add a message" }), message);
  const asker = view?.agent === undefined ? "" : ` · from the ${view.agent} agent`;
  const element = el(
    "article",
    { class: "card", attrs: { role: "alertdialog", "aria-labelledby": `title-${first.id}` } },
    heading,
    el("p", { class: "where", text: `${view === undefined ? "" : `${view.cwd} on ${view.host}`}${asker}${where === "" ? "" : ` · ${where}`}` }),
    ...(view === undefined ? [el("p", { class: "note", text: "This prompt can't be read. Answer it at the desk." })] : inputParts(view)),
    ...(view?.note === undefined ? [] : [el("p", { class: "note", text: view.note })]),
    details,
    actions,
    state,
  );

  async function decide(action: "approve" | "reject"): Promise<void> {
    if (!armed || busy || !live || !isOpen(prompt)) return;
    busy = true;
    state.textContent = action === "approve" ? "Approving…" : "Rejecting…";
    refresh();
    const said = message.value.trim();
    const body = action === "approve" ? { shown: sha256hex(prompt.view) } : said === "" ? {} : { message: said };
    try {
      await call(identity, Receipt, "POST", `/api/prompts/${prompt.id}/${action}`, body);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (isOpen(prompt)) state.textContent = error.message;
    } finally {
      busy = false;
      refresh();
    }
  }

  function refresh(): void {
    const off = !armed || busy || !live || !isOpen(prompt);
    for (const button of [approve, reject]) button.disabled = off;
    element.dataset.state = prompt.state;
  }

  let arming: ReturnType<typeof setTimeout> | undefined;
  function arm(): void {
    armed = false;
    clearTimeout(arming);
    arming = setTimeout(() => {
      armed = true;
      refresh();
    }, ARM_MS);
    refresh();
  }
  arm();

  return {
    element,
    arm,
    enable(on) {
      live = on;
      refresh();
    },
    update(next) {
      const wasOpen = isOpen(prompt);
      prompt = next;
      if (!isOpen(next)) {
        state.textContent = outcome(identity, next);
        element.dataset.receipt = next.answer?.receipt ?? "";
        actions.hidden = details.hidden = true;
        if (wasOpen) setTimeout(onGone, LINGER_MS);
      } else if (next.state === "sending" && !busy) state.textContent = "Being answered on another device…";
      else if (next.state === "pending" && !busy) state.textContent = "";
      refresh();
      return wasOpen && !isOpen(next);
    },
  };
}

/** What became of a prompt, in words. */
function outcome(identity: Identity, prompt: Prompt): string {
  const { answer } = prompt;
  if (prompt.state === "withdrawn") return "Claude no longer asks this.";
  if (prompt.state === "expired") return "The session ended before anybody answered.";
  if (answer === undefined) return "Answered.";
  const what = answer.decision === "approve" ? "Approved" : answer.decision === "reject" ? "Rejected" : "Answered";
  if (answer.by === "desk") return `${what} at the desk.`;
  const who = answer.device === identity.device ? "" : ` by ${answer.name ?? "another device"}`;
  const receipt = { applied: " — applied.", sent: " — sent…", unconfirmed: " — sent, but there is no sign that Claude took it. Look at the screen." };
  return `${what}${who}${answer.receipt === undefined ? "." : receipt[answer.receipt]}`;
}

function text(value: unknown): string {
  const plain = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return typeof value === "string" || plain.length > INDENT_CHARS ? plain : JSON.stringify(value, null, 2);
}

/** What the tool would do, whole: a command as text, an edit as a diff, a file's content, questions and plans as such. */
function inputParts(view: View): HTMLElement[] {
  const { tool, input } = view;
  if (tool === "Bash" && typeof input.command === "string") {
    const described = typeof input.description === "string" ? [el("p", { class: "described" }, ...visibleText(input.description))] : [];
    return [el("pre", { class: "command", attrs: { tabindex: "0" } }, ...visibleText(input.command)), ...described, ...rest(input, ["command", "description"])];
  }
  if (tool === "Edit" && typeof input.old_string === "string" && typeof input.new_string === "string") {
    const lines = diffLines(input.old_string, input.new_string).map(({ kind, text: line }) =>
      el("span", { class: `diff ${kind}`, attrs: { "data-sign": kind === "gone" ? "−" : kind === "new" ? "+" : " " } }, ...visibleText(line)),
    );
    return [
      path(input.file_path),
      el("pre", { class: "changes", attrs: { tabindex: "0" } }, ...lines),
      ...rest(input, ["file_path", "old_string", "new_string"], { replace_all: false }),
    ];
  }
  if (tool === "Write" && typeof input.content === "string") {
    return [path(input.file_path), el("pre", { class: "content", attrs: { tabindex: "0" } }, ...visibleText(input.content)), ...rest(input, ["file_path", "content"])];
  }
  if (tool === "ExitPlanMode" && typeof input.plan === "string") return [el("pre", { class: "content", attrs: { tabindex: "0" } }, ...visibleText(input.plan))];
  if (tool === "AskUserQuestion") {
    const asked = v.safeParse(Questions, input.questions);
    if (asked.success) return asked.output.map(question);
  }
  return rest(input, []);
}

const Questions = v.array(v.object({ question: v.string(), options: v.array(v.object({ label: v.string(), description: v.optional(v.string()) })) }));

function question({ question: asked, options }: v.InferOutput<typeof Questions>[number]): HTMLElement {
  const items = options.map(({ label, description }) =>
    el("li", {}, el("strong", {}, ...visibleText(label)), ...visibleText(description === undefined ? "" : ` — ${description}`)),
  );
  return el("div", { class: "question" }, el("p", {}, ...visibleText(asked)), el("ul", {}, ...items));
}

function path(file: unknown): HTMLElement {
  return el("p", { class: "path" }, ...visibleText(text(file)));
}

/** Whatever else the input holds: nothing that Claude would do goes unseen. */
function rest(input: Record<string, unknown>, shown: string[], dull: Record<string, unknown> = {}): HTMLElement[] {
  const left = Object.entries(input).filter(([name, value]) => !shown.includes(name) && dull[name] !== value);
  if (left.length === 0) return [];
  return [el("dl", {}, ...left.flatMap(([name, value]) => [el("dt", {}, ...visibleText(name)), el("dd", {}, ...visibleText(text(value)))]))];
}
