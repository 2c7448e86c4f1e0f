import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { openAsking } from "../../src/runner/asking.ts";
import { isOpen, LIMITS, type Prompt, type SessionInfo } from "../../src/types.ts";
import { until } from "../support/until.ts";

let asking: ReturnType<typeof openAsking>;
let activity: SessionInfo["activity"];
let prompts: Map<string, Prompt>;
let calls: Socket[];
beforeEach(() => {
  prompts = new Map();
  calls = [];
  activity = "busy";
  asking = openAsking({
    ...{ session: "s_x", cwd: "/x", isClaude: true, configDir: "/nowhere", outside: undefined },
    screen: () => undefined,
    activity: () => activity,
    pastes: () => false,
    heard: () => true,
    write: () => undefined,
    onChange: (prompt) => void prompts.set(prompt.id, prompt),
    onHurry: () => undefined,
    onHook: () => undefined,
  });
});
afterEach(async () => {
  for (const socket of calls) socket.destroy();
  await asking.end();
});

/** Calls the hook, as whatever has the token can: each by a connection of its own (`fetch` has 256 at once). */
function call(event: object): Promise<string> {
  const token = Object.values(asking.hooks?.env ?? {})[0];
  const port = asking.hooks?.port ?? 0;
  const body = JSON.stringify({
    ...{ session_id: "x", transcript_path: "/nowhere/x.jsonl", cwd: "/x" },
    ...event,
  });
  const socket = connect(port, "127.0.0.1");
  calls.push(socket);
  return new Promise((resolve) => {
    let answer = "";
    socket.on("data", (part) => {
      answer += part.toString("latin1");
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", () => resolve(answer));
    socket.write(
      `POST /hook HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}
const question = (command: string, more: object = {}) => ({
  hook_event_name: "PermissionRequest",
  tool_name: "Bash",
  tool_input: { command },
  ...more,
});
/** Resolves once what was sent before has been read. */
const isRead = () => call({ hook_event_name: "Notification", message: "x" });
const waitBegins = () => {
  activity = "waiting";
  asking.activityChanged(activity);
};
const shown = (words: string) =>
  [...prompts.values()].filter((prompt) => isOpen(prompt) && prompt.view.includes(words));
const REAL = "rm -rf /really/asked";

describe("what Claude really asks is shown, however much was made up before", () => {
  test.each([
    ["130 small ones", 130, 10],
    ["700 small ones, more than a second's", 700, 10],
    ["60 large ones, which fill what a session may have open", 60, 200_000],
    ["6 of 8 MB, which fill what is remembered", 6, 7_500_000],
  ])(
    "in the middle of a turn: %s",
    async (_, count, chars) => {
      for (let i = 0; i < count; i++) void call(question(`forged ${i} ${"x".repeat(chars)}`));
      await isRead();
      void call(question(REAL));
      await isRead(); // the status comes a little later than the hook
      waitBegins();
      await until("it is shown", () => shown(REAL).length === 1, 10_000);
      expect([...prompts.values()].filter(isOpen).length).toBeLessThanOrEqual(LIMITS.openPrompts);
    },
    30_000,
  );

  test("where the status comes before the hook, too", async () => {
    for (let i = 0; i < 400; i++) void call(question(`forged ${i}`));
    await isRead();
    waitBegins();
    void call(question(REAL));
    await until("it is shown", () => shown(REAL).length === 1, 10_000);
  }, 30_000);

  test("and stays, while more is made up: questions that come later take no place of it", async () => {
    void call(question(REAL));
    waitBegins();
    await until("it is shown", () => shown(REAL).length === 1);
    for (const chars of [10, 200_000])
      for (let i = 0; i < 150; i++) void call(question(`forged ${i} ${"x".repeat(chars)}`));
    await Bun.sleep(2500);
    expect(shown(REAL).length).toBe(1);
    expect([...prompts.values()].filter(isOpen).length).toBeLessThanOrEqual(LIMITS.openPrompts);
  }, 30_000);

  test("again and again: each of ten questions in a minute, with a hundred forged ones between", async () => {
    for (let turn = 0; turn < 10; turn++) {
      for (let i = 0; i < 100; i++) void call(question(`forged ${turn} ${i}`));
      const command = `${REAL} ${turn}.`;
      const asked = call(question(command));
      await isRead();
      waitBegins();
      await until("it is shown", () => shown(command).length === 1, 10_000);
      const [prompt] = shown(command);
      expect(
        asking.ledger.decide({
          type: "decide",
          decision: "d",
          prompt: prompt?.id ?? "",
          action: "reject",
          device: "dev",
          name: "p",
        }),
      ).toBe("sent");
      expect(await asked).toContain("deny");
      activity = "busy";
      asking.activityChanged(activity);
    }
  }, 60_000);
});

describe("an event that somebody made up takes away nothing that Claude's status says it waits for", () => {
  test.each([
    ["that the turn is over", { hook_event_name: "Stop" }],
    ["that it failed", { hook_event_name: "StopFailure", error: "x" }],
    ["that somebody said something", { hook_event_name: "UserPromptSubmit", prompt: "x" }],
    ["that the session is over", { hook_event_name: "SessionEnd" }],
    [
      "that the tool has run",
      { hook_event_name: "PostToolUse", tool_name: "Bash", tool_input: { command: REAL } },
    ],
  ])("%s", async (_, event) => {
    void call(question(REAL));
    waitBegins();
    await until("it is shown", () => shown(REAL).length === 1);
    expect(await call(event)).toStartWith("HTTP/1.1 200");
    await Bun.sleep(400); // longer than the status may be behind
    expect(shown(REAL).length).toBe(1);
  });

  test("once Claude no longer waits, the same is believed", async () => {
    void call(question(REAL));
    waitBegins();
    await until("it is shown", () => shown(REAL).length === 1);
    activity = "busy";
    await call({ hook_event_name: "Stop" });
    await until("it is gone", () => shown(REAL).length === 0);
  });
});

test("what was made up is bounded by the minute, and answered without a decision", async () => {
  const answers: string[] = [];
  for (let i = 0; i < 250; i++)
    void call(question(`forged ${i}`)).then((answer) => answers.push(answer));
  await until("the others are turned away", () => answers.length >= 200, 15_000);
  expect(
    answers.filter((answer) => !answer.startsWith("HTTP/1.1 200") || !answer.endsWith("\r\n\r\n")),
  ).toEqual([]);
  expect(prompts.size).toBeLessThanOrEqual(120);
}, 30_000);
