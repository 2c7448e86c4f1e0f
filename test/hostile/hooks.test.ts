import { afterEach, beforeEach, expect, test } from "bun:test";
import { connect } from "node:net";
import { sha256hex } from "../../src/auth.ts";
import { openAsking } from "../../src/runner/asking.ts";
import { HookEvent } from "../../src/runner/hooks.ts";
import { isOpen, type Prompt, parseJson } from "../../src/types.ts";
import {
  attack,
  damaged,
  mutated,
  oddText,
  patience,
  type Random,
  watchUnhandled,
} from "../support/hostile.ts";
import { until } from "../support/until.ts";

const unhandled = watchUnhandled();

let asking: ReturnType<typeof openAsking>;
let url: string;
let authorization: string;
let prompts: Map<string, Prompt>;
let pressed: string;
const open = () => [...prompts.values()].filter(isOpen);
beforeEach(() => {
  prompts = new Map();
  pressed = "";
  asking = openAsking({
    ...{ session: "s_x", cwd: "/x", isClaude: true, configDir: "/nowhere", outside: undefined },
    screen: () => undefined,
    activity: () => "waiting",
    pastes: () => false,
    heard: () => true,
    write(data) {
      pressed += data;
    },
    onChange: (prompt) => void prompts.set(prompt.id, prompt),
    onHurry: () => undefined,
    onHook: () => undefined,
  });
  url = `http://127.0.0.1:${asking.hooks?.port}/hook`;
  authorization = `Bearer ${Object.values(asking.hooks?.env ?? {})[0]}`;
});
afterEach(async () => {
  await asking.end();
  expect(pressed).toBe(""); // a hook never becomes a key
  expect(unhandled).toEqual([]);
});

const common = { session_id: "x", transcript_path: "/nowhere/x.jsonl", cwd: "/x" };
const tool = { tool_name: "Bash", tool_input: { command: "ls" }, agent_id: "a", agent_type: "t" };
type Samples = {
  [Name in HookEvent["hook_event_name"]]: Extract<HookEvent, { hook_event_name: Name }> | object;
};
/** One body for each event that is known: one without fails the typecheck. */
const SAMPLES: Samples = {
  PermissionRequest: {
    ...common,
    ...tool,
    permission_suggestions: [
      {
        type: "addRules",
        behavior: "allow",
        destination: "localSettings",
        rules: [{ toolName: "Bash", ruleContent: "ls" }],
      },
    ],
  },
  Elicitation: {
    ...common,
    mcp_server_name: "s",
    message: "fill in",
    mode: "form",
    requested_schema: {
      type: "object",
      properties: { a: { type: "string", pattern: "(a+)+$", default: "x" } },
      required: ["a"],
    },
  },
  PostToolUse: { ...common, ...tool },
  PostToolUseFailure: { ...common, ...tool },
  UserPromptSubmit: common,
  SessionEnd: common,
  Stop: { ...common, last_assistant_message: "done" },
  StopFailure: { ...common, error: "no" },
  Notification: { ...common, notification_type: "idle_prompt", message: "waiting" },
};
const NAMES = Object.keys(SAMPLES) as (keyof Samples)[];
const body = (name: keyof Samples, more: object = {}) => ({
  hook_event_name: name,
  ...SAMPLES[name],
  ...more,
});

/** Calls the hook; the answer, or undefined once it has waited for so long, as Claude would for a person. */
async function call(
  sent: string | Uint8Array,
  headers: Record<string, string> = {},
  ms = 30,
): Promise<{ status: number; text: string } | undefined> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), ms);
  try {
    const response = await fetch(url, {
      method: "POST",
      body: sent,
      headers: { authorization, ...headers },
      signal: abort.signal,
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Claude asks, somebody approves, and Claude is told. */
async function expectWorks() {
  await Bun.sleep(1000 - (performance.now() % 1000)); // the bound counts by seconds: a whole one is ours
  await until(
    "the bound of a second is over",
    async () => (await call(JSON.stringify(body("Notification")), {}, 2000))?.status === 200,
  );
  const known = new Set(prompts.keys());
  const command = `echo ${Math.random()}`;
  const asked = call(
    JSON.stringify(body("PermissionRequest", { tool_input: { command }, agent_id: undefined })),
    {},
    5000,
  );
  const prompt = await until("it is shown", () =>
    open().find(({ id, view }) => !known.has(id) && view.includes(command)),
  );
  expect(
    asking.ledger.decide({
      type: "decide",
      decision: "d",
      prompt: prompt.id,
      action: "approve",
      shown: sha256hex("something else"),
      device: "dev",
      name: "p",
    }),
  ).toBe("changed");
  expect(
    await asking.ledger.decide({
      type: "decide",
      decision: "d",
      prompt: prompt.id,
      action: "approve",
      shown: sha256hex(prompt.view),
      device: "dev",
      name: "p",
    }),
  ).toBe("sent");
  expect(JSON.parse((await asked)?.text ?? "")).toEqual({
    hookSpecificOutput: { hookEventName: "PermissionRequest", decision: { behavior: "allow" } },
  });
}

function sent(random: Random): string | Uint8Array {
  const name = random.pick(NAMES);
  const whole = body(
    name,
    random.int(0, 3) === 0
      ? { tool_name: random.pick(["AskUserQuestion", "ExitPlanMode", "Write", oddText(random)]) }
      : {},
  );
  return random.int(0, 4) === 0
    ? new Uint8Array(damaged(random, JSON.stringify(whole)))
    : JSON.stringify(mutated(random, whole));
}

test(
  "events of every kind, changed in every way, approve nothing that nobody approved, and Claude is served after them",
  async () => {
    await attack(150, async (random) => {
      const answer = await call(sent(random), {}, 15);
      if (answer === undefined) return; // it waits for a person
      expect([200, 400, 413, 429, 500]).toContain(answer.status);
      expect(answer.text).toBe(""); // no decision: the dialog at the desk stays
      for (const prompt of open())
        if (random.int(0, 2) === 0)
          asking.ledger.decide({
            type: "decide",
            decision: "d",
            prompt: prompt.id,
            action: "approve",
            shown: sha256hex(oddText(random)),
            device: "dev",
            name: "p",
          });
    });
    expect([...prompts.values()].filter(({ answer }) => answer?.by === "viewer")).toEqual([]);
    await expectWorks();
  },
  patience(30_000),
);

test("nobody without the token, or from a web page, is heard", async () => {
  const event = JSON.stringify(body("PermissionRequest"));
  for (const headers of [
    { authorization: "" },
    { authorization: authorization.slice(0, -1) },
    { authorization: `${authorization}x` },
    { authorization: authorization.toLowerCase() },
    { authorization: authorization.replace("Bearer ", "Basic ") },
    { authorization: `Bearer ${"x".repeat(8000)}` },
    { origin: "http://evil.example" },
    { origin: "null" },
    { host: "localhost" },
    { host: "evil.example" },
  ]) {
    expect(
      (await call(event, headers as Record<string, string>, 10_000))?.status,
      JSON.stringify(headers),
    ).toBe(403);
  }
  expect(prompts.size).toBe(0);
  await expectWorks();
}, 20_000);

test("bodies that are huge, deep, slow, or of another kind are turned away or waited for, and nobody else waits", async () => {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(
    `POST /hook HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: ${authorization}\r\nContent-Length: 100\r\n\r\n{`,
  ); // and no more
  expect((await call(new Uint8Array(9 * 1024 * 1024), {}, 5000))?.status).toBeOneOf([
    413,
    500,
    undefined,
  ]);
  for (const deep of [
    `${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}`,
    `${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}`,
  ]) {
    for (const name of NAMES) {
      const event = JSON.stringify(body(name))
        .replace('"command":"ls"', `"command":${deep}`)
        .replace('"default":"x"', `"default":${deep}`)
        .replace(/\}$/, `,"other":${deep}}`);
      const answer = await call(event, {}, 500);
      // one that can't be shown is declined from afar at most, so it waits: the desk has its dialog
      if (answer !== undefined)
        expect([answer.text, [200, 400, 429, 500].includes(answer.status)]).toEqual(["", true]);
    }
  }
  for (const prompt of open()) expect(JSON.parse(prompt.view).actions).not.toContain("approve");
  for (const type of [
    "text/html",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
  ])
    expect(
      (await call(JSON.stringify(body("Stop")), { "content-type": type }, 10_000))?.status,
    ).toBe(200);
  expect(
    (
      await call(
        Bun.gzipSync(new TextEncoder().encode(JSON.stringify(body("Stop")))),
        { "content-encoding": "gzip" },
        10_000,
      )
    )?.status,
  ).toBe(400);
  await expectWorks();
  socket.destroy();
}, 60_000);

test("a flood, many at once and one behind the other on a connection, leaves Claude its dialogs and its turn", async () => {
  const events = Array.from({ length: 300 }, (_, i) =>
    JSON.stringify(body("PermissionRequest", { tool_input: { command: `flood ${i}` } })),
  );
  const answers = await Promise.all(events.map((event) => call(event, {}, 1500)));
  for (const answer of answers)
    if (answer !== undefined)
      expect([answer.text, [200, 429].includes(answer.status)]).toEqual(["", true]);
  expect(open().length).toBeLessThanOrEqual(50);
  const event = JSON.stringify(body("Stop"));
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  let came = "";
  socket.on("data", (part) => {
    came += part.toString("latin1");
  });
  await until("the second is over", async () => (await call(event, {}, 2000))?.status === 200);
  const request = `POST /hook HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: ${authorization}\r\nContent-Length: ${event.length}\r\n\r\n${event}`;
  socket.write(request.repeat(20));
  await until("each is answered", () => came.split("HTTP/1.1 ").length > 20);
  expect(came).not.toContain("allow");
  socket.destroy();
  expect(parseJson(HookEvent, event)).toBeDefined();
}, 30_000);
