import { afterAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  decisionApplied,
  distrustOf,
  outcomeOf,
  transcriptOf,
  transcriptRoots,
  trustedTranscript,
} from "../../src/runner/evidence.ts";

const recorded = (name: string) => join(import.meta.dir, "../fixtures/transcripts", name);
const denied = {
  name: "Bash",
  input: { command: "touch denied.txt", description: "Run the requested command" },
};

/** What a transcript of these lines tells of a call. */
function told(lines: object[], call: { name: string; input: Record<string, unknown> }) {
  const dir = mkdtempSync(join(tmpdir(), "evidence-test-"));
  try {
    const path = join(dir, "a.jsonl");
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return outcomeOf(path, 0, call);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
const use = (id: string, input: object, name = "Bash") => ({
  type: "assistant",
  message: { content: [{ type: "tool_use", id, name, input }] },
});
const result = (id: string, more: object = {}) => ({
  type: "user",
  message: { content: [{ type: "tool_result", tool_use_id: id, content: "" }] },
  ...more,
});
const call = { name: "Bash", input: { command: "make" } };

describe("what Claude's transcript tells of a question that was not answered from afar", () => {
  test("a hook of the user's own rejected it, as the real Claude Code wrote", () => {
    const path = recorded("denied-by-hook.jsonl");
    expect(outcomeOf(path, 0, denied)).toEqual({ decision: "reject", by: "hook" });
    expect(decisionApplied(path, 0, denied, "approve")).toBe(false);
    expect(outcomeOf(path, 0, { name: "Bash", input: { command: "ls" } })).toBeUndefined();
  });

  test("Claude went on without an answer, as the real Claude Code wrote", () => {
    const path = recorded("no-answer.jsonl");
    const input = readFileSync(path, "utf8").match(/"input":(\{"questions":.*?\})\}\]/)?.[1];
    const { questions } = JSON.parse(input ?? "");
    expect(outcomeOf(path, 0, { name: "AskUserQuestion", input: { questions } })).toEqual({
      decision: "none",
    });
  });

  test("somebody at the desk said yes, yes for good, or no", () => {
    const decided = (source: string, more: object = {}) =>
      told([use("t", call.input), result("t", { permissionDecision: { source }, ...more })], call);
    expect(decided("user_temporary")).toEqual({ decision: "approve", by: "person" });
    expect(decided("user_permanent")).toEqual({ decision: "approve", by: "person" });
    expect(decided("user_reject", { toolDenialKind: "user-rejected" })).toEqual({
      decision: "reject",
      by: "person",
    });
    expect(
      told([use("t", call.input), result("t", { toolDenialKind: "interrupted" })], call),
    ).toEqual({ decision: "reject", by: "person" });
  });

  test("a rule that was added meanwhile is nobody's answer, and a word that is not known is none either", () => {
    for (const source of ["config", "something-new"])
      expect(
        told([use("t", call.input), result("t", { permissionDecision: { source } })], call),
      ).toEqual({ decision: "approve", by: "other" });
  });

  test("nothing, while there is no result; and nothing by the result of another call, or in what was sent to the model", () => {
    expect(told([use("t", call.input)], call)).toBeUndefined();
    expect(told([use("t", call.input), result("u")], call)).toBeUndefined();
    expect(
      told([use("t", call.input), { ...result("t"), type: "api-request-blob" }], call),
    ).toBeUndefined();
    // the plan is added on the way to the hook
    const plan = { name: "ExitPlanMode", input: { plan: "# Plan" } };
    expect(told([use("t", {}, "ExitPlanMode"), result("t")], plan)?.decision).toBe("approve");
  });
});

describe("a transcript's place", () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "evidence-place-")));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const id = "11111111-2222-4333-8444-555555555555";
  let homes = 0;
  /** A home with Claude's folder in it, and somewhere else to lead to. */
  const home = () => {
    const base = join(dir, String(homes++));
    const [config, elsewhere] = [join(base, ".claude"), join(base, "elsewhere")];
    for (const folder of [config, elsewhere]) mkdirSync(folder, { recursive: true });
    return { config, elsewhere };
  };

  test("may be in a folder that is a link, or in a project's that is one, from the start", () => {
    const first = home();
    symlinkSync(first.elsewhere, join(first.config, "projects"));
    mkdirSync(join(first.elsewhere, "p"));
    writeFileSync(join(first.elsewhere, "p", `${id}.jsonl`), "");
    const path = join(first.config, "projects", "p", `${id}.jsonl`);
    expect(trustedTranscript(path, first.config, transcriptRoots(first.config))).toBe(
      join(first.elsewhere, "p", `${id}.jsonl`),
    );
    expect(
      trustedTranscript(path, first.config, transcriptRoots(first.config, true)),
    ).toBeUndefined();

    const second = home();
    mkdirSync(join(second.config, "projects"));
    const roots = transcriptRoots(second.config);
    symlinkSync(second.elsewhere, join(second.config, "projects", "p"));
    writeFileSync(join(second.elsewhere, `${id}.jsonl`), "");
    const linked = join(second.config, "projects", "p", `${id}.jsonl`);
    expect(trustedTranscript(linked, second.config, transcriptRoots(second.config))).toBeDefined();
    // a link that was made later may lead anywhere
    expect(trustedTranscript(linked, second.config, roots)).toBeUndefined();
    expect(distrustOf(linked, second.config, roots)).toContain("elsewhere");
    expect(distrustOf(join(dir, "nowhere.jsonl"), second.config, roots)).toBeUndefined();
  });

  test("is found by the conversation's id in whatever folder it is by now; of two the one that was written last counts", () => {
    const { config } = home();
    expect(transcriptOf(id, config)).toBe("");
    const paths = ["a", "b", "c"].map((name) => {
      mkdirSync(join(config, "projects", name), { recursive: true });
      return join(config, "projects", name, `${id}.jsonl`);
    });
    const [a = "", b = "", c = ""] = paths;
    for (const [path, at] of [
      [b, 100],
      [a, 200],
      [c, 50],
    ] as const) {
      writeFileSync(path, "");
      utimesSync(path, at, at);
    }
    expect(transcriptOf(id, config)).toBe(a);
    utimesSync(c, 300, 300);
    expect(transcriptOf(id, config)).toBe(c);
    expect(transcriptOf("../../etc/passwd", config)).toBe("");
  });
});
