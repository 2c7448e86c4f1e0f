import { expect, test } from "bun:test";
import { decidedWords } from "../src/hub/decided.ts";
import { makePrompt } from "./support/dashboard.ts";

const questions = [
  { question: "Which?", options: [{ label: "SQLite" }, { label: "Postgres" }] },
  { question: "What else?", options: [{ label: "Dark" }, { label: "Search" }] },
];
const always = [{ says: "ever", writes: "allow Bash(make *) → this session" }];

test.each([
  ["nothing but the decision", {}, {}, ""],
  ["words with a no", {}, { message: "not now" }, "not now"],
  ["a rule for good", { always }, { always: 0 }, "allow Bash(make *) → this session"],
  [
    "answers, by what was shown",
    { tool: "AskUserQuestion", input: { questions } },
    { answers: [{ options: [1] }, { options: [0, 1], text: "and fast" }] },
    "Postgres · Dark · Search · words of their own",
  ],
  [
    "an option on the screen",
    {
      tool: "Screen",
      input: {
        above: "Trust?",
        options: [{ label: "No" }, { label: "Yes, I trust" }],
        selected: 0,
        below: "",
      },
    },
    { answers: [{ options: [1] }] },
    "Yes, I trust",
  ],
  [
    "a plan that was edited",
    { tool: "ExitPlanMode", input: { plan: "x" } },
    { plan: "y" },
    "as edited",
  ],
  ["a form", { tool: "Elicitation" }, { fields: ["secret"] }, "with a form that was filled in"],
  ["no question at all", { tool: "Screen" }, { dismiss: true as const }, "as no question"],
  [
    "a number that was never offered",
    { tool: "AskUserQuestion", input: { questions } },
    { answers: [{ options: [7] }], always: 3 },
    "option 8",
  ],
])("the audit tells of a decision: %s", (_, view, given, words) => {
  expect(decidedWords(makePrompt("s", "p", view), given)).toBe(words);
});

test("a prompt that can't be read leaves no words of its own", () => {
  expect(
    decidedWords(
      { ...makePrompt("s", "p", {}), view: "{" },
      { always: 0, message: "x".repeat(9000) },
    ),
  ).toHaveLength(4096);
});
