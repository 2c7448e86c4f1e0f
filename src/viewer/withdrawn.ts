import type { Prompt, Withdrawal } from "../types.ts";

const WORDS: Record<Withdrawal, string> = {
  unknown: "The dialog is gone from the terminal. What was decided is not known yet.",
  allowed_by_hook: "A hook on the machine approved this.",
  denied_by_hook: "A hook on the machine rejected this.",
  no_answer: "Claude went on without an answer.",
};

/** What became of a prompt that no person answered, in words for people; undefined where nothing more is known than that. */
export function withdrawnWords({ state, why }: Pick<Prompt, "state" | "why">): string | undefined {
  return state === "withdrawn" && why !== undefined ? WORDS[why] : undefined;
}
