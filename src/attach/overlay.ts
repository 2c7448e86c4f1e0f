import * as v from "valibot";
import { sha256hex } from "../auth.ts";
import { type Answers, LIMITS, type Prompt } from "../types.ts";
import { type Client, RequestError } from "./client.ts";
import type { Typed } from "./keys.ts";
import { type Block, openPager, visibleLine } from "./pager.ts";
import { askedOf } from "./question.ts";

/** No answer is taken before nobody has typed for so long: whoever goes on typing has not read it, in ms. */
const ARM_MS = 400;
/** On less than this nothing can be read, let alone answered: columns and rows. */
const LEAST = { cols: 20, rows: 4 };
const Receipt = v.object({ state: v.string() });

/** What lies over the session's screen for a while. */
export interface Overlay {
  /** The prompt that it shows, if any, as it was drawn: an approval signs this view of it. */
  prompt: Pick<Prompt, "id" | "view"> | undefined;
  draw(
    cols: number,
    rows: number,
  ): { lines: string[]; cursor: { x: number; y: number } | undefined };
  typed(typed: Typed): void;
  /** What it shows may have been old for a while: it takes no answer at once. */
  arm(): void;
}

const title = (text: string, cols: number) => `\x1b[1m${visibleLine(text, cols)}\x1b[22m`;

/** Text to be read; Esc, q or Enter leads back. */
export function openText(heading: string, blocks: readonly Block[], onClose: () => void): Overlay {
  const pager = openPager(blocks);
  return {
    prompt: undefined,
    draw(cols, rows) {
      const page = pager.page(cols, rows - 3);
      return {
        lines: [
          title(heading, cols),
          "",
          ...page,
          ...Array<string>(Math.max(0, rows - 3 - page.length)).fill(""),
          `\x1b[2mEsc goes back  ${pager.place()}\x1b[22m`,
        ],
        cursor: undefined,
      };
    },
    typed(typed) {
      for (const key of keysOf(typed))
        if (!pager.turn(key) && /^(?:Escape|Enter|q)$/.test(key)) return onClose();
    },
    arm: () => undefined,
  };
}

/** A key's name, or the characters of what was written one by one; what is pasted is no answer. */
const keysOf = (typed: Typed): string[] =>
  typed.kind === "key" ? [typed.key] : typed.kind === "text" ? [...typed.text] : [""];

export interface QuestionEvents {
  /** Whether what is shown is what is, and somebody is there to take an answer. */
  live(): boolean;
  /** How an answer fares. */
  say(words: string): void;
  /** Back to the session's screen. */
  close(): void;
}

/** A prompt, whole, and its answers. */
export function openQuestion(
  client: Client,
  prompt: Prompt,
  { live, say, close }: QuestionEvents,
): Overlay {
  const asked = askedOf(prompt);
  const pager = openPager(asked.blocks);
  const picks: { options: number[]; text?: string }[] = asked.choices.map(() => ({ options: [] }));
  let at = 0; // the choice that is open
  let digits = "";
  /** What is being written, and what for. */
  let line: { for: "reject" | "own"; text: string } | undefined;
  let hint = "";
  let typedAt = performance.now();
  let armed = false;

  const decide = (action: "approve" | "reject", body: object, words: string) => {
    if (!live()) {
      hint = "not while the session is away";
      return;
    }
    say(words);
    close();
    armed = false; // one answer: what was typed with it is none
    client.call(Receipt, "POST", `/api/prompts/${prompt.id}/${action}`, body).then(
      () => undefined, // the stream tells what came of it
      (error: unknown) => {
        if (!(error instanceof RequestError)) throw error;
        say(
          error.status === 0
            ? "No answer came: this may or may not have arrived. Ctrl-] a shows whether it still waits."
            : error.message,
        );
      },
    );
  };
  const approve = () => {
    if (!pager.ended) hint = "read it to its end first (Space)";
    else
      decide(
        "approve",
        {
          shown: sha256hex(prompt.view),
          ...(picks.length === 0 ? {} : { answers: picks satisfies Answers }),
        },
        picks.length === 0 ? "Approving…" : "Answering…",
      );
  };
  /** Turns to the next choice; after the last all of them are sent. */
  const next = () => {
    const pick = picks[at];
    if (pick === undefined || (pick.options.length === 0 && pick.text === undefined))
      hint = "choose first";
    else if (at + 1 < picks.length && pager.ended) at++;
    else approve();
    digits = "";
  };
  const choose = (digit: string) => {
    const choice = asked.choices[at];
    const pick = picks[at];
    if (choice === undefined || pick === undefined) return;
    const index = [digits + digit, digit]
      .map((number) => choice.numbers.indexOf(Number(number)))
      .find((found) => found >= 0);
    if (index === undefined) return;
    digits = choice.several ? "" : String(choice.numbers[index]);
    if (!choice.several) {
      pick.options = [index];
      delete pick.text;
    } else if (pick.options.includes(index))
      pick.options = pick.options.filter((other) => other !== index);
    else pick.options = [...pick.options, index].sort((a, b) => a - b);
  };

  const write = (written: { for: "reject" | "own"; text: string }, typed: Typed) => {
    const key = typed.kind === "key" ? typed.key : undefined;
    if (key === undefined && typed.kind !== "key")
      written.text = (written.text + typed.text.replaceAll("\n", " ")).slice(
        0,
        LIMITS.messageChars,
      );
    else if (key === "BSpace") written.text = [...written.text].slice(0, -1).join("");
    else if (key === "C-u") written.text = "";
    else if (key === "Escape" || key === "C-c") line = undefined;
    else if (key === "Enter") {
      line = undefined;
      const said = written.text.trim();
      if (written.for === "reject")
        return decide("reject", said === "" ? {} : { message: said }, "Rejecting…");
      const pick = picks[at];
      if (pick === undefined || said === "") return;
      pick.text = said;
      if (asked.choices[at]?.several !== true) pick.options = [];
      next();
    }
  };

  const press = (key: string) => {
    if (pager.turn(key)) return;
    if (key === "Escape") return close();
    if (key === "y" && asked.yes && picks.length === 0) return approve();
    if (key === "n" && asked.words) line = { for: "reject", text: "" };
    else if (key === "n" && asked.no !== undefined)
      decide("reject", {}, asked.no === "decline" ? "Declining…" : "Pressing Esc…");
    else if (key === "d" && asked.dismiss) decide("reject", { dismiss: true }, "");
    else if (asked.yes && key === "t" && asked.choices[at]?.own === true)
      line = { for: "own", text: "" };
    else if (asked.yes && key === "Enter") next();
    else if (asked.yes && /^\d$/.test(key)) choose(key);
    else if (asked.yes) armed = false; // this was meant for something else, and so is what is typed with it
  };

  const help = (): string => {
    const choice = asked.yes ? asked.choices[at] : undefined;
    const pick = picks[at];
    const chosen =
      choice === undefined
        ? []
        : (pick?.options ?? []).map((i) => `${choice.numbers[i]}. ${choice.labels[i]}`);
    const which = asked.choices.length > 1 ? `question ${at + 1}: ` : "";
    const parts = [
      ...(hint === "" ? [] : [hint]),
      ...(choice === undefined
        ? []
        : chosen.length > 0
          ? [
              `Enter: ${which}“${[...chosen, ...(pick?.text === undefined ? [] : [pick.text])].join(", ")}”`,
            ]
          : [`${which}a number chooses`]),
      ...(choice?.own === true ? ["t own words"] : []),
      ...(asked.yes && picks.length === 0
        ? [pager.ended ? "y approve" : "y approve, at the end"]
        : []),
      ...(asked.no === undefined ? [] : [`n ${asked.no}`]),
      ...(asked.dismiss ? ["d no question"] : []),
      "Esc back",
      ...(pager.place() === "" ? [] : [`Space ${pager.place()}`]),
    ];
    return parts.join(" · ");
  };

  return {
    prompt: { id: prompt.id, view: prompt.view },
    draw(cols, rows) {
      if (cols < LEAST.cols || rows < LEAST.rows)
        return {
          lines: [visibleLine("Too small: Claude asks", cols), ...Array<string>(rows - 1).fill("")],
          cursor: undefined,
        };
      const page = pager.page(cols, rows - 3);
      const blank = Array<string>(Math.max(0, rows - 3 - page.length)).fill("");
      if (line === undefined)
        return {
          lines: [
            title(asked.title, cols),
            "",
            ...page,
            ...blank,
            `\x1b[1m${visibleLine(help(), cols)}\x1b[22m`,
          ],
          cursor: undefined,
        };
      const label =
        line.for === "reject" ? "Reject, saying (Esc back): " : "Your answer (Esc back): ";
      const room = Math.max(1, cols - label.length - 1);
      const end = /^[ -~]*$/.test(line.text)
        ? line.text.slice(-room)
        : [...line.text].slice(-Math.ceil(room / 2)).join(""); // of what may be wide
      const written = label + visibleLine(end, room);
      return {
        lines: [title(asked.title, cols), "", ...page, ...blank, written],
        cursor: { x: Math.min(cols - 1, Bun.stringWidth(written)), y: rows - 1 },
      };
    },
    typed(typed) {
      hint = "";
      const now = performance.now();
      armed ||= now - typedAt >= ARM_MS;
      typedAt = now;
      if (line !== undefined) return write(line, typed);
      for (const key of keysOf(typed)) {
        if (armed || key === "Escape") press(key);
        else pager.turn(key);
        if (line !== undefined) return; // what follows was typed before anybody saw where it goes
      }
    },
    arm() {
      armed = false;
      typedAt = performance.now();
    },
  };
}
