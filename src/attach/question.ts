import * as v from "valibot";
import { type Prompt, parseJson, Questions, ScreenQuestion, View } from "../types.ts";
import { withdrawnWords } from "../viewer/withdrawn.ts";
import { visibleName } from "../visible-text.ts";
import type { Block } from "./pager.ts";

/** One thing to choose. */
export interface Choice {
  /** What has to be typed for each option. */
  numbers: number[];
  labels: string[];
  several: boolean;
  /** Whether words of one's own will do. */
  own: boolean;
}

/** What a person is shown of a prompt, and what can be answered from here. */
export interface Asked {
  title: string;
  blocks: Block[];
  /** Approving takes a choice in each of these. */
  choices: Choice[];
  yes: boolean;
  /** What a no is called, where there is one. */
  no: string | undefined;
  /** Whether words can go along with it. */
  words: boolean;
  /** It may be no question at all. */
  dismiss: boolean;
}

const TITLES: Record<string, string> = {
  Bash: "Run a command?",
  Write: "Write a file?",
  Edit: "Edit a file?",
  Read: "Read a file?",
  WebFetch: "Fetch a page?",
  WebSearch: "Search the web?",
  AskUserQuestion: "A question",
  ExitPlanMode: "Approve a plan?",
  Elicitation: "A server asks",
  Screen: "A question on the screen",
};
/** What is longer as JSON is not indented, in UTF-16 units. */
const INDENT_CHARS = 10_000;
const ELSEWHERE = "This is answered on the dashboard, or at the desk.";

function plain(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return typeof value === "string" || text.length > INDENT_CHARS
    ? text
    : JSON.stringify(value, null, 2);
}

/** Whatever else the input holds: nothing that Claude would do goes unseen. */
function rest(input: Record<string, unknown>, ...shown: string[]): Block[] {
  const left = Object.entries(input).filter(([name]) => !shown.includes(name));
  return left.flatMap(([name, value]) => [
    { text: "" },
    { text: `${name}:` },
    { text: plain(value), sign: "  " },
  ]);
}

/** What the tool would do, whole. */
function inputBlocks({ tool, input }: View): Block[] {
  const text = (name: string): Block => ({ text: plain(input[name]) });
  if (tool === "Bash" && typeof input.command === "string")
    return [text("command"), ...rest(input, "command")];
  if (
    tool === "Edit" &&
    typeof input.old_string === "string" &&
    typeof input.new_string === "string"
  ) {
    const changes = [
      { text: input.old_string, sign: "- " },
      { text: input.new_string, sign: "+ " },
    ];
    return [
      text("file_path"),
      { text: "" },
      ...changes,
      ...rest(input, "file_path", "old_string", "new_string"),
    ];
  }
  if (tool === "Write" && typeof input.content === "string") {
    return [
      text("file_path"),
      { text: "" },
      { text: input.content, sign: "+ " },
      ...rest(input, "file_path", "content"),
    ];
  }
  if (tool === "ExitPlanMode" && typeof input.plan === "string")
    return [text("plan"), ...rest(input, "plan")];
  return rest(input).slice(1);
}

/** Options with their numbers before a bar that all their lines have, so that none can pass for another. */
const optionBlocks = (numbers: number[], texts: string[]): Block[] =>
  texts.map((text, i) => ({ text, sign: `${String(numbers[i]).padStart(3)} │ `, more: "    │ " }));

/** A question's options are numbered as they are on the screen, where all of them are. */
function screenChoice({ options }: ScreenQuestion): Choice {
  const theirs = options.flatMap(({ number }) => number ?? []);
  const numbers = new Set(theirs).size === options.length ? theirs : options.map((_, i) => i + 1);
  return { numbers, labels: options.map(({ label }) => label), several: false, own: false };
}

function choiceBlocks(
  prompt: Prompt,
  view: View,
): { blocks: Block[]; choices: Choice[] } | undefined {
  const screen = prompt.kind === "screen" ? v.safeParse(ScreenQuestion, view.input) : undefined;
  if (screen?.success === true) {
    const choice = screenChoice(screen.output);
    const { above, below, selected } = screen.output;
    const labels = choice.labels.map((label, i) =>
      i === selected ? `${label}  (highlighted there)` : label,
    );
    const note: Block = { text: "Read off the screen: any program can paint this.", style: "dim" };
    return {
      blocks: [
        note,
        { text: above },
        { text: "" },
        ...optionBlocks(choice.numbers, labels),
        { text: "" },
        { text: below },
      ],
      choices: [choice],
    };
  }
  const asked = prompt.kind === "question" ? v.safeParse(Questions, view.input) : undefined;
  if (asked?.success !== true) return undefined;
  const { questions } = asked.output;
  const choices = questions.map(({ options, multiSelect }) => ({
    numbers: options.map((_, i) => i + 1),
    labels: options.map(({ label }) => label),
    several: multiSelect,
    own: true,
  }));
  const blocks = questions.flatMap(({ question, options, multiSelect }, i): Block[] => [
    ...(questions.length === 1
      ? []
      : [{ text: `Question ${i + 1} of ${questions.length}`, style: "bold" as const }]),
    { text: question },
    ...(multiSelect ? [{ text: "several may be chosen", style: "dim" as const }] : []),
    ...optionBlocks(
      choices[i]?.numbers ?? [],
      options.map(({ label, description, preview }) =>
        [label, description, preview].filter((part) => part !== undefined).join("\n"),
      ),
    ),
    { text: "" },
  ]);
  return { blocks: [...blocks, ...rest(view.input, "questions")], choices };
}

/** Puts a prompt into words. */
export function askedOf(prompt: Prompt): Asked {
  const view = parseJson(View, prompt.view);
  const none = { choices: [], yes: false, no: undefined, words: false, dismiss: false };
  if (view === undefined)
    return {
      ...none,
      title: "Claude asks",
      blocks: [{ text: `This question can't be read here. ${ELSEWHERE}`, style: "dim" }],
    };
  const chosen = choiceBlocks(prompt, view);
  const buildable =
    prompt.kind === "elicitation" || (prompt.kind === "question" && chosen === undefined)
      ? undefined
      : (chosen?.choices ?? []);
  const asker = view.agent === undefined ? "" : ` · from the ${view.agent} agent`;
  const other =
    view.asker === undefined ? "" : ` · asked by another session: ${visibleName(view.asker)}`;
  const yes = view.actions.includes("approve") && buildable !== undefined;
  const note =
    view.note ??
    (view.masked === true
      ? "Dots stand for secrets, which stay on the machine."
      : yes || view.note !== undefined
        ? undefined
        : ELSEWHERE);
  const blocks: Block[] = [
    { text: `in ${view.cwd} on ${view.host}${asker}${other}` },
    ...(note === undefined ? [] : [{ text: note }]),
    { text: "" },
    ...(chosen?.blocks ?? inputBlocks(view)),
    ...(view.always === undefined || view.always.length === 0
      ? []
      : [
          { text: "" },
          {
            text: "For good it is approved on the dashboard, or at the desk.",
            style: "dim" as const,
          },
        ]),
  ];
  const no = !view.actions.includes("reject")
    ? undefined
    : prompt.kind === "screen"
      ? "press Esc"
      : prompt.kind === "elicitation"
        ? "decline"
        : "reject";
  return {
    title: (Object.hasOwn(TITLES, view.tool) ? TITLES[view.tool] : undefined) ?? view.tool,
    blocks,
    choices: buildable ?? [],
    yes,
    no,
    words: no === "reject",
    dismiss: prompt.kind === "screen",
  };
}

/** What became of a prompt, in words. `device` is this one. */
export function outcome(prompt: Prompt, device: string): string {
  const { answer, state, kind } = prompt;
  if (state === "withdrawn")
    return (
      withdrawnWords(prompt) ??
      (kind === "screen" ? "No longer asked on the screen." : "Claude no longer asks this.")
    );
  if (state === "expired" || answer === undefined)
    return state === "expired" ? "The session ended before anybody answered." : "Answered.";
  const said =
    (kind === "question" || kind === "screen") && answer.message !== undefined
      ? `Answered “${visibleName(answer.message)}”`
      : "Approved";
  const what =
    answer.decision === "approve"
      ? said
      : answer.decision === "reject"
        ? kind === "screen"
          ? "Esc was pressed"
          : "Rejected"
        : "Answered";
  if (answer.by === "desk") return `${what} at the desk.`;
  const who = answer.device === device ? "" : ` by ${visibleName(answer.name ?? "another device")}`;
  const receipt = {
    applied: ": applied.",
    sent: ": sent…",
    unconfirmed: ": sent, but there is no sign that Claude took it. Look at the screen.",
  };
  return `${what}${who}${answer.receipt === undefined ? "." : receipt[answer.receipt]}`;
}
