import { describe, expect, test } from "bun:test";
import { sha256hex } from "../../src/auth.ts";
import type { Outcome } from "../../src/runner/evidence.ts";
import { HookEvent, type PermissionRequest } from "../../src/runner/hooks.ts";
import { openLedger } from "../../src/runner/ledger.ts";
import { openPrompts, type PromptsOptions } from "../../src/runner/prompts.ts";
import { type Answers, LIMITS, type Prompt, parseEvent, parseJson, View } from "../../src/types.ts";
import { expectParsed } from "../support/phone.ts";
import { until } from "../support/until.ts";

function open(dialogOpen = true, more: Partial<PromptsOptions> = {}) {
  const seen: Prompt[] = [];
  const ledger = openLedger({
    session: "s_1",
    onChange: (prompt) => seen.push(prompt),
    onHurry: () => undefined,
  });
  const hooked = openPrompts({
    ledger,
    host: "box",
    dialogOpen: () => dialogOpen,
    watch: () => () => true,
    ...more,
  });
  const prompts = { ...hooked, ...ledger };
  const ask = (input: object, agent?: string, tool = "Bash", session = "x") => {
    const event: PermissionRequest = {
      hook_event_name: "PermissionRequest",
      session_id: session,
      transcript_path: "/x",
      cwd: "/x",
      tool_name: tool,
      tool_input: { ...input },
      ...(agent === undefined ? {} : { agent_id: agent }),
    };
    const abort = new AbortController();
    const decision = prompts.ask(event, abort.signal);
    return { event, decision, abort, prompt: seen.at(-1) as Prompt };
  };
  const approve = ({ id, view }: Prompt, answers?: Answers) =>
    prompts.decide({
      type: "decide",
      decision: "d",
      prompt: id,
      action: "approve",
      shown: sha256hex(view),
      device: "dev",
      name: "phone",
      ...(answers && { answers }),
    });
  const state = (id: string) => prompts.get(id)?.state;
  return { prompts, ask, approve, state, seen };
}
const ran = ({ event }: { event: PermissionRequest }) => ({
  ...event,
  hook_event_name: "PostToolUse" as const,
});

describe("a prompt", () => {
  test("is claimed once: the second decision finds it answered, and the hook is told the first", async () => {
    const { ask, approve, prompts } = open();
    const asked = ask({ command: "true" });
    expect(approve(asked.prompt)).toBe("sent");
    expect(approve(asked.prompt)).toBe("answered");
    expect(await asked.decision).toEqual({ behavior: "allow" });
    expect(
      prompts.decide({
        type: "decide",
        decision: "d",
        prompt: "p_none",
        action: "reject",
        device: "dev",
        name: "phone",
      }),
    ).toBe("gone");
  });

  test("that would be too much beside those that are open is left to the desk at once; what is settled makes room", async () => {
    const { ask, prompts } = open();
    const content = "x".repeat(8 * 1024 * 1024);
    const some = [1, 2, 3].map((i) => ask({ file_path: `/${i}`, content }, undefined, "Write"));
    expect(await ask({ file_path: "/4", content }, undefined, "Write").decision).toBeUndefined();
    for (const { prompt, decision } of some) {
      expect(
        prompts.decide({
          type: "decide",
          decision: "d",
          prompt: prompt.id,
          action: "reject",
          device: "dev",
          name: "phone",
        }),
      ).toBe("sent");
      expect(await decision).toMatchObject({ behavior: "deny" });
    }
    const next = ask({ command: "true", description: content.slice(0, content.length / 2) });
    expect(
      prompts.decide({
        type: "decide",
        decision: "d",
        prompt: next.prompt.id,
        action: "reject",
        device: "dev",
        name: "phone",
      }),
    ).toBe("sent");
    expect(await next.decision).toMatchObject({ behavior: "deny" });
  });

  test("whose dialog is gone is unknown until the transcript tells what became of it", async () => {
    let outcome: Outcome | undefined;
    let waits = true;
    const { ask, prompts, seen } = open(true, {
      dialogOpen: () => waits,
      outcome: () => () => outcome,
      isWritten: () => true,
    });
    const went = async (found: Outcome) => {
      outcome = undefined;
      waits = true;
      const { prompt, decision } = ask({ command: String(seen.length) });
      prompts.dialog(true);
      waits = false;
      prompts.dialog(false);
      expect(await decision).toBeUndefined();
      expect(prompts.get(prompt.id)).toMatchObject({ state: "withdrawn", why: "unknown" });
      outcome = found;
      return until("that is known", () => {
        const now = prompts.get(prompt.id);
        return now?.why !== "unknown" && now;
      });
    };
    expect(await went({ decision: "reject", by: "hook" })).toMatchObject({ why: "denied_by_hook" });
    expect(await went({ decision: "approve", by: "hook" })).toMatchObject({
      state: "withdrawn",
      why: "allowed_by_hook",
    });
    expect(await went({ decision: "none" })).toMatchObject({
      state: "withdrawn",
      why: "no_answer",
    });
    const desk = await went({ decision: "approve", by: "person" });
    expect(desk).toMatchObject({ state: "answered", answer: { by: "desk", decision: "approve" } });
    expect(desk.why).toBeUndefined();
  });

  test("that went away while nobody touched a key was not approved at the desk; with a key it was, unless a no is written down", async () => {
    let waits = true;
    const { ask, prompts } = open(true, { dialogOpen: () => waits, isWritten: () => true });
    const gone = async (pressed: boolean) => {
      waits = true;
      const { prompt } = ask({ command: String(pressed) });
      prompts.dialog(true);
      if (pressed) prompts.typed();
      waits = false;
      prompts.dialog(false);
      await until("it is gone", () => prompts.get(prompt.id)?.state !== "pending");
      return prompts.get(prompt.id);
    };
    expect(await gone(false)).toMatchObject({ state: "withdrawn", why: "unknown" });
    expect(await gone(true)).toMatchObject({ state: "answered", answer: { by: "desk" } });
  });

  test("whose dialog was there before its hook came goes with it all the same", async () => {
    let waits = true;
    const { ask, prompts } = open(true, { dialogOpen: () => waits });
    const { prompt } = ask({ command: "tail -f log" });
    prompts.typed();
    waits = false;
    prompts.dialog(false);
    await until("it is gone", () => prompts.get(prompt.id)?.state !== "pending");
    expect(prompts.get(prompt.id)).toMatchObject({ state: "answered", answer: { by: "desk" } });
  });

  test("of another session says whose it is, and is touched by that session's events alone", async () => {
    const { ask, prompts, state } = open(true, {
      whose: (session) => (session === "x" ? { own: true } : { own: false, name: "fix it" }),
    });
    const own = ask({ command: "a" });
    const other = ask({ command: "b" }, undefined, "Bash", "y");
    expect(JSON.parse(other.prompt.view).asker).toBe("fix it");
    expect(JSON.parse(own.prompt.view).asker).toBeUndefined();
    const stop = { hook_event_name: "Stop" as const, transcript_path: "/x", cwd: "/x" };
    prompts.note({ ...stop, session_id: "z" });
    prompts.dialog(true);
    expect([state(own.prompt.id), state(other.prompt.id)]).toEqual(["pending", "pending"]);
    prompts.note({ ...stop, session_id: "y" });
    expect([state(own.prompt.id), state(other.prompt.id)]).toEqual(["pending", "withdrawn"]);
    expect(prompts.waits()).toBe(true);
    prompts.note({ ...stop, session_id: "x" });
    expect(state(own.prompt.id)).toBe("withdrawn");
  });

  test("of another session keeps no key from the one that is shown", () => {
    const { ask, prompts } = open(true, { whose: () => ({ own: false, name: "other" }) });
    ask({ command: "a" });
    expect([prompts.list().length, prompts.waits()]).toEqual([1, false]);
  });

  test("is not approved by what was shown of another", () => {
    const { ask, approve } = open();
    const asked = ask({ command: "true" });
    expect(approve({ ...asked.prompt, view: "{}" })).toBe("changed");
  });

  test("is answered with words that reach Claude as they are, and everybody else without their secrets", async () => {
    const { ask, approve, seen } = open();
    const token = `ghp_${"a1B2c3D4".repeat(4)}`;
    const asked = ask(
      { questions: [{ question: "Which token?", options: [{ label: "None" }] }] },
      undefined,
      "AskUserQuestion",
    );
    expect(approve(asked.prompt, [{ options: [], text: `use ${token}` }])).toBe("sent");
    expect(await asked.decision).toMatchObject({
      behavior: "allow",
      updatedInput: { answers: { "Which token?": `use ${token}` } },
    });
    const told = seen
      .map(({ answer }) => answer?.message)
      .filter((message) => message !== undefined);
    expect(told.length).toBeGreaterThan(0);
    for (const message of told) expect(message).toBe(`use ${"•".repeat(token.length)}`);
  });

  test("whose connection Claude closed was turned down at the desk", async () => {
    const { ask, approve, prompts } = open();
    const asked = ask({ command: "true" });
    asked.abort.abort();
    expect(approve(asked.prompt)).toBe("gone");
    await until("it is settled", () => prompts.get(asked.prompt.id)?.answer?.decision === "reject");
  });

  test("stays open when the same call of another agent, or one approved before, has run", async () => {
    const { ask, approve, state, prompts } = open();
    const first = ask({ command: "make" }, "a");
    const second = ask({ command: "make" }, "a");
    const other = ask({ command: "make" }, "b");
    approve(first.prompt);
    prompts.note(ran(first));
    expect([state(second.prompt.id), state(other.prompt.id)]).toEqual(["pending", "pending"]);
    prompts.note(ran(second)); // nobody approved it from afar, so the desk did
    expect([state(second.prompt.id), state(other.prompt.id)]).toEqual(["answered", "pending"]);
  });

  test("of a subagent that is held back is let go by whoever types at the desk, others stay", async () => {
    const { ask, prompts, state } = open(false);
    const [main, held] = [ask({ command: "a" }), ask({ command: "b" }, "agent")];
    prompts.typed();
    expect(await held.decision).toBeUndefined();
    expect([state(main.prompt.id), state(held.prompt.id)]).toEqual(["pending", "withdrawn"]);
    const shown = ask({ command: "c" }, "agent");
    prompts.dialog(true); // its dialog is there: it is not in the background
    prompts.typed();
    expect(state(shown.prompt.id)).toBe("pending");
  });

  test("that is open is always listed, however many came after; the list fits one message", () => {
    const { ask, approve, prompts } = open();
    const waiting = ask({ command: "wait" });
    for (let i = 0; i < 150; i++) approve(ask({ command: `${i} ${"x".repeat(20_000)}` }).prompt);
    const list = prompts.list();
    expect(list.map(({ id }) => id)).toContain(waiting.prompt.id);
    expect(list.reduce((sum, { view }) => sum + view.length, 0)).toBeLessThanOrEqual(
      LIMITS.viewsChars,
    );
  });

  test("more than one message could carry is left to the desk", async () => {
    const { ask, seen } = open();
    for (let i = 0; i < 3; i++) ask({ command: "x".repeat(250_000) });
    const before = seen.length;
    expect(await ask({ command: "x".repeat(250_000) }).decision).toBeUndefined();
    expect(seen.length).toBe(before);
  });

  test("too long or too deep to be shown whole can only be turned down from afar", () => {
    const { ask, approve } = open();
    const deep = JSON.parse(`${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`);
    for (const input of [{ command: "x".repeat(300_000) }, deep]) {
      const { prompt } = ask(input);
      expect(parseJson(View, prompt.view)?.actions).toEqual(["reject"]);
      expect(approve(prompt)).toBe("refused");
    }
  });
});

test("every key of a tool's input is shown, also those that objects have of themselves", () => {
  const input = '{"a":1,"constructor":"rm -rf","prototype":2,"__proto__":"x"}';
  const event = `{"hook_event_name":"PermissionRequest","session_id":"x","transcript_path":"/x","cwd":"/x","tool_name":"t","tool_input":${input}}`;
  const parsed = expectParsed(HookEvent, event);
  const keys = parsed.hook_event_name === "PermissionRequest" ? Object.keys(parsed.tool_input) : [];
  expect(keys.sort()).toEqual(["__proto__", "a", "constructor", "prototype"]);
  const view = expectParsed(
    View,
    `{"tool":"t","input":${input},"cwd":"/","host":"h","actions":[]}`,
  );
  expect(Object.keys(view.input).sort()).toEqual(["__proto__", "a", "constructor", "prototype"]);
});

test("line separators in a message do not break the stream apart", () => {
  const data = {
    session: "s",
    rev: 1,
    cols: 2,
    rows: 1,
    cursor: { x: 0, y: 0, visible: true },
    title: "a\u2028b\u2029c",
    lines: { 0: "\u2028" },
  };
  expect(parseEvent(`id: e:1\nevent: screen\ndata: ${JSON.stringify(data)}`)).toEqual({
    id: "e:1",
    event: { name: "screen", data },
  });
});

describe("questions", () => {
  const one = { question: "Which?", options: [{ label: "A" }, { label: "B" }] };
  const several = {
    question: "What else?",
    multiSelect: true,
    options: [{ label: "C" }, { label: "D" }],
  };
  const input = { questions: [one, several], kept: true };

  test("are answered in their own words, each by what it offers or by words of one's own", async () => {
    const { ask, approve, prompts } = open();
    const asked = ask(input, undefined, "AskUserQuestion");
    expect(approve(asked.prompt, [{ options: [1] }, { options: [0, 1], text: " and E " }])).toBe(
      "sent",
    );
    expect(await asked.decision).toEqual({
      behavior: "allow",
      updatedInput: { ...input, answers: { "Which?": "B", "What else?": "C, D, and E" } },
    });
    expect(prompts.get(asked.prompt.id)?.answer?.message).toBe("B · C, D, and E");
  });

  test.each([
    ["nothing", undefined],
    ["too few", [{ options: [0] }]],
    ["too many", [{ options: [0] }, { options: [0] }, { options: [0] }]],
    ["an option that is not there", [{ options: [2] }, { options: [0] }]],
    ["two where one is asked for", [{ options: [0, 1] }, { options: [0] }]],
    ["one and words where one is asked for", [{ options: [0], text: "x" }, { options: [0] }]],
    ["the same twice", [{ options: [0] }, { options: [1, 1] }]],
    ["nothing but blanks", [{ options: [0] }, { options: [], text: "  " }]],
  ])("are not answered by %s", (_, answers) => {
    const { ask, approve, state } = open();
    const asked = ask(input, undefined, "AskUserQuestion");
    expect(approve(asked.prompt, answers)).toBe("refused");
    expect(state(asked.prompt.id)).toBe("pending");
  });

  test.each([[{ questions: [one, one] }], [{ questions: [] }], [{ questions: "x" }], [{}]])(
    "that could not be told apart, or can't be read, are left to the desk: %p",
    (odd) => {
      const { ask } = open();
      const view = expectParsed(View, ask(odd, undefined, "AskUserQuestion").prompt.view);
      expect(view.actions).toEqual(["reject"]);
      expect(view.note).toContain("at the desk");
    },
  );
});
