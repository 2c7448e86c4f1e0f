import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sha256hex } from "../../src/auth.ts";
import { openLedger } from "../../src/runner/ledger.ts";
import { openScreen } from "../../src/runner/screen.ts";
import { followScreen } from "../../src/runner/screen-questions.ts";
import type { Prompt, SessionInfo } from "../../src/types.ts";
import { until } from "../support/until.ts";

const dialog = (name: string) =>
  readFileSync(join(import.meta.dir, `../fixtures/dialogs/${name}-80x24.raw`));
const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** A screen that is painted by hand, and what is read off it; a key clears it. */
function watch(isClaude: boolean) {
  const state = { activity: "unknown" as SessionInfo["activity"], pastes: false, hookDue: false };
  const told: Prompt[] = [];
  const paint = async (bytes: string | Uint8Array) => {
    screen.feed(
      typeof bytes === "string" ? new TextEncoder().encode(`\x1b[2J\x1b[H${bytes}`) : bytes,
    );
    await screen.settled();
  };
  const ledger = openLedger({
    session: "s",
    onChange(prompt) {
      told.push(prompt);
      questions.changed();
    },
    onHurry: () => undefined,
  });
  const screen = openScreen({
    cols: 80,
    rows: 24,
    onChange: () => questions.changed(),
    onHold: () => undefined,
    onHistory: () => undefined,
  });
  const questions = followScreen({
    ...{ ledger, host: "box", cwd: "/x", isClaude },
    screen: () => screen,
    activity: () => state.activity,
    pastes: () => state.pastes,
    hookDue: () => state.hookDue,
    write: () => void paint("done"),
  });
  open.push(questions, { close: () => screen.dispose() });
  const pending = () => ledger.list().find((prompt) => prompt.state === "pending");
  const decide = (prompt: Prompt, how: object) =>
    ledger.decide({
      type: "decide",
      decision: "d",
      prompt: prompt.id,
      action: "approve",
      shown: sha256hex(prompt.view),
      device: "dev",
      name: "phone",
      ...how,
    });
  const become = (activity: SessionInfo["activity"]) => {
    state.activity = activity;
    questions.changed();
  };
  return {
    state,
    told,
    paint,
    questions,
    become,
    decide,
    next: () => until("a question", pending),
    pending,
    ledger,
  };
}

describe("what is read off the screen", () => {
  test("is told without secrets, also when it was chosen", async () => {
    const { paint, next, decide, told } = watch(false);
    await paint("Which key?\r\n❯ sk-ant-api03-abcdefghijklmnop123456\r\n  another\x1b[?25l");
    expect(await decide(await next(), { answers: [{ options: [0] }] })).toBe("sent");
    expect(told.at(-1)?.answer?.message).toBe("•".repeat(35));
    expect(JSON.stringify(told)).not.toContain("abcdefghij");
  });

  test("is no second card where a hook that tells more comes a little later, and one where none comes", async () => {
    const { state, become, paint, ledger, next, pending } = watch(true);
    state.hookDue = true;
    become("waiting");
    await paint(dialog("bash-permission"));
    await Bun.sleep(1500);
    expect(pending()).toBeUndefined();
    const view = { tool: "Bash", input: {}, cwd: "/x", host: "box", actions: [] };
    const asked = ledger.open("permission", view, { take: () => "gone", release: () => undefined });
    await Bun.sleep(2500);
    expect(ledger.list().map(({ kind }) => kind)).toEqual(["permission"]);
    if (asked !== undefined) ledger.withdraw(asked);
    expect((await next()).kind).toBe("screen");
  });

  test("is a question also where the screen names a login page and its code: what is typed must not answer it", async () => {
    const { state, become, paint, questions, next } = watch(true);
    state.pastes = true;
    become("waiting");
    await paint(dialog("login-url"));
    expect(questions.asked()).toBe(false); // the code can be typed
    await paint("\x1bc");
    await paint(dialog("bash-permission"));
    expect(questions.asked()).toBe(true);
    expect((await next()).view).toContain("Yes");
  });

  test("was no question once: what Claude waits for in a later turn is one again", async () => {
    const { become, paint, questions, next, decide, pending } = watch(true);
    const form = `${"─".repeat(80)}\r\nA form\r\n`;
    become("waiting");
    await paint(form);
    expect(await decide(await next(), { action: "reject", dismiss: true })).toBe("sent");
    expect(questions.asked()).toBe(false);
    await Bun.sleep(300);
    become("busy");
    await Bun.sleep(300);
    become("waiting");
    expect(questions.asked()).toBe(true);
    await paint(`${form}Another one`);
    expect((await next()).view).toContain("Another one");
    expect(pending()).toBeDefined();
  });
});
