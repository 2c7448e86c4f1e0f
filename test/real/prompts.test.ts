import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseJson, Questions, View } from "../../src/types.ts";
import { type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { until } from "../support/until.ts";

describe("the real Claude Code", () => {
  let server: HomeServer;
  let claude: RealClaude;
  beforeAll(async () => {
    server = await startHomeServer();
    claude = await startRealClaude(server);
  }, 60_000);
  afterAll(async () => {
    await claude.quit();
    expect(claude.api.complaints).toEqual([]);
    await server.stop();
  });
  const made = (name: string) => existsSync(join(claude.work, name));

  test("a command approved on the phone runs, and the phone is told that it was applied", async () => {
    const events = await server.phone.events();
    await claude.say("run: touch approved.txt");
    const prompt = await server.phone.prompt();
    const view = parseJson(View, prompt.view);
    expect(view).toMatchObject({
      tool: "Bash",
      input: { command: "touch approved.txt" },
      cwd: claude.work,
      actions: ["approve", "reject"],
    });
    expect(made("approved.txt")).toBe(false);
    expect(await server.phone.approve(prompt)).toEqual({ status: 200, body: { state: "sent" } });
    await until("the command ran", () => made("approved.txt"));
    const applied = await events.next(
      "prompt_response",
      (data) =>
        data.id === prompt.id && data.answer?.receipt !== "sent" && data.state === "answered",
    );
    expect(applied.answer).toMatchObject({
      by: "viewer",
      device: server.phone.device,
      decision: "approve",
      receipt: "applied",
    });
    await claude.tty.sees("Allowed by PermissionRequest hook");
    await claude.tty.sees("Done.");
    expect(await server.phone.approve(prompt)).toEqual({ status: 200, body: { state: "applied" } });
    events.close();
  }, 40_000);

  test("approved, a command that takes long is told as applied while it runs, also after a call that Claude refused by itself", async () => {
    const events = await server.phone.events();
    await claude.say("run: sleep 60");
    await until("Claude refused it", () =>
      claude.api.results.some(({ isError, text }) => isError && text.includes("sleep 60")),
    );
    await claude.say("run: touch long.txt; tail -f /dev/null");
    const prompt = await server.phone.prompt();
    // nobody answers before that is known, which takes its 50 ms
    await until(
      "Claude is seen to wait",
      async () =>
        (await server.phone.sessions()).find(({ id }) => id === prompt.session)?.activity ===
        "waiting",
    );
    expect((await server.phone.approve(prompt)).status).toBe(200);
    await until("it runs", () => made("long.txt"));
    const settled = await events.next(
      "prompt_response",
      (data) =>
        data.id === prompt.id && data.state === "answered" && data.answer?.receipt !== "sent",
    );
    expect(settled.answer?.receipt).toBe("applied");
    await claude.interrupt();
    events.close();
  }, 40_000);

  test("a command rejected with a message does not run, and Claude reads the message and goes on", async () => {
    const events = await server.phone.events();
    await claude.say("run: touch rejected.txt");
    const prompt = await server.phone.prompt();
    const rejected = await server.phone.json("POST", `/api/prompts/${prompt.id}/reject`, {
      message: "use the other folder",
    });
    expect(rejected).toEqual({ status: 200, body: { state: "sent" } });
    await until("Claude was told", () =>
      claude.api.results.some(
        (result) => result.isError && result.text.includes("use the other folder"),
      ),
    );
    const settled = await events.next(
      "prompt_response",
      (data) =>
        data.id === prompt.id && data.state === "answered" && data.answer?.receipt !== "sent",
    );
    expect(settled.answer).toMatchObject({
      decision: "reject",
      message: "use the other folder",
      receipt: "applied",
    });
    expect(made("rejected.txt")).toBe(false);
    events.close();
  }, 40_000);

  test("a rejection without words stops the turn, as No at the desk does", async () => {
    const events = await server.phone.events();
    await claude.say("run: touch stopped.txt");
    const prompt = await server.phone.prompt();
    await server.phone.json("POST", `/api/prompts/${prompt.id}/reject`, {});
    const settled = await events.next(
      "prompt_response",
      (data) =>
        data.id === prompt.id && data.state === "answered" && data.answer?.receipt !== "sent",
    );
    expect(settled.answer?.receipt).toBe("applied");
    await claude.tty.sees("Interrupted");
    expect(made("stopped.txt")).toBe(false);
    events.close();
  }, 40_000);

  test("answered at the desk with Yes, the card goes while the command goes on", async () => {
    const events = await server.phone.events();
    await claude.say("run: touch desk.txt; tail -f /dev/null");
    const prompt = await server.phone.prompt();
    await until(
      "Claude is seen to wait",
      async () =>
        (await server.phone.sessions()).find(({ id }) => id === prompt.session)?.activity ===
        "waiting",
    );
    await claude.tty.sees("Do you want to proceed?");
    await Bun.sleep(400); // Claude swallows keys just after the dialog is drawn
    claude.tty.type("1");
    await until("the command runs", () => made("desk.txt"));
    const settled = await events.next("prompt_response", (data) => data.id === prompt.id);
    expect(settled).toMatchObject({
      state: "answered",
      answer: { by: "desk", decision: "approve" },
    });
    expect((await server.phone.approve(prompt)).status).toBe(409);
    await claude.interrupt();
    events.close();
  }, 40_000);

  test("answered at the desk with Esc, the card goes, as a rejection", async () => {
    const events = await server.phone.events();
    await claude.say("run: touch escaped.txt");
    const prompt = await server.phone.prompt();
    await claude.tty.sees("Do you want to proceed?");
    await Bun.sleep(600);
    claude.tty.type("\x1b");
    const settled = await events.next("prompt_response", (data) => data.id === prompt.id);
    expect(settled).toMatchObject({
      state: "answered",
      answer: { by: "desk", decision: "reject" },
    });
    expect(made("escaped.txt")).toBe(false);
    events.close();
  }, 40_000);

  test("two prompts in a row are answered one by one, each by its own tap", async () => {
    await claude.say("par: touch first.txt ;; touch second.txt");
    const first = await server.phone.prompt();
    expect(first.view).toContain("touch first.txt");
    expect((await server.phone.approve(first)).status).toBe(200);
    const second = await server.phone.prompt();
    expect(second.view).toContain("touch second.txt");
    expect(made("second.txt")).toBe(false);
    expect((await server.phone.approve(second)).status).toBe(200);
    await until("both ran", () => made("first.txt") && made("second.txt"));
  }, 40_000);

  test("the server killed and started again while a prompt waits loses nothing", async () => {
    await claude.say("run: touch restarted.txt");
    const prompt = await server.phone.prompt();
    await server.restart("SIGKILL");
    await until(
      "the runner is back",
      async () => (await server.phone.sessions()).some((session) => session.status === "running"),
      20_000,
    );
    const again = (await server.phone.prompts()).find(({ id }) => id === prompt.id);
    expect(again).toEqual(prompt);
    expect((await server.phone.approve(prompt)).body).toEqual({ state: "sent" });
    await until("the command ran", () => made("restarted.txt"));
  }, 60_000);

  test("a phone that reconnects while a prompt waits sees it and can answer", async () => {
    const events = await server.phone.events();
    await claude.say("run: touch reconnected.txt");
    const prompt = await server.phone.prompt();
    const lastId = events.received.at(-1)?.id ?? "";
    events.close();
    const again = await server.phone.events(undefined, lastId);
    await again.next("hello");
    expect((await server.phone.prompts()).map(({ id }) => id)).toEqual([prompt.id]);
    await server.phone.approve(prompt);
    await until("the command ran", () => made("reconnected.txt"));
    await again.next(
      "prompt_response",
      (data) => data.id === prompt.id && data.answer?.receipt === "applied",
    );
    again.close();
  }, 40_000);

  test("a question is answered by the number of an option, turned down with words, and never by a bare approval", async () => {
    await claude.say("ask");
    const prompt = await server.phone.prompt();
    expect(prompt.kind).toBe("question");
    const view = parseJson(View, prompt.view);
    expect(view).toMatchObject({ tool: "AskUserQuestion", actions: ["approve", "reject"] });
    const [question] = parseJson(Questions, JSON.stringify(view?.input))?.questions ?? [];
    expect((await server.phone.approve(prompt)).status).toBe(409);
    expect((await server.phone.approve(prompt, [{ options: [99] }])).status).toBe(409);
    expect((await server.phone.approve(prompt, [{ options: [1] }])).status).toBe(200);
    const chosen = question?.options[1]?.label ?? "";
    await until("Claude was told", () =>
      claude.api.results.some((result) => result.text.includes(`"${chosen}"`)),
    );
    await claude.tty.sees("Done.");

    await claude.say("ask");
    const second = await server.phone.prompt();
    expect(
      (await server.phone.json("POST", `/api/prompts/${second.id}/reject`, { message: "later" }))
        .status,
    ).toBe(200);
    await until("Claude was told", () =>
      claude.api.results.some((result) => result.text.includes("later")),
    );
  }, 60_000);

  test("edits and files come whole", async () => {
    await claude.say("write: notes.txt :: one\\ntwo\\n");
    const write = await server.phone.prompt();
    expect(parseJson(View, write.view)?.input).toMatchObject({ content: "one\ntwo\n" });
    await server.phone.approve(write);
    await claude.tty.sees("Done.");
    await until("it is written", () => made("notes.txt"));
    await claude.say(`edit: ${join(claude.work, "notes.txt")} :: two => zwei`);
    const edit = await server.phone.prompt();
    expect(parseJson(View, edit.view)?.input).toMatchObject({
      old_string: "two",
      new_string: "zwei",
    });
    await server.phone.approve(edit);
    await until(
      "it is edited",
      async () => (await Bun.file(join(claude.work, "notes.txt")).text()) === "one\nzwei\n",
    );
  }, 60_000);
});

test("a plan is edited and approved from the phone, into accepting edits", async () => {
  const server = await startHomeServer();
  const claude = await startRealClaude(server, ["--permission-mode", "plan"], {}, "plan mode on");
  await claude.say("plan: x :: # The plan\\n\\n1. Do it");
  const prompt = await until(
    "the plan comes up",
    async () => (await server.phone.prompts()).find(({ kind }) => kind === "plan"),
    20_000,
  );
  const view = parseJson(View, prompt.view);
  expect(view).toMatchObject({
    tool: "ExitPlanMode",
    actions: ["approve", "reject"],
    always: [{ writes: "mode acceptEdits → this session" }],
  });
  const plan = String(view?.input.plan);
  expect(plan).toContain("The plan");
  expect((await server.phone.approve(prompt, undefined, { always: 1 })).status).toBe(409); // there is no second choice
  expect(
    (await server.phone.approve(prompt, undefined, { always: 0, plan: `${plan}\n2. Do it well` }))
      .status,
  ).toBe(200);
  await claude.tty.sees("2. Do it well");
  await claude.tty.sees("accept edits on");
  await claude.quit();
  await server.stop();
}, 60_000);

test("a plan that is approved as it is goes on by hand, whatever mode came before it", async () => {
  const server = await startHomeServer();
  const claude = await startRealClaude(server);
  claude.tty.type("\x1b[Z");
  await claude.tty.sees("accept edits on");
  claude.tty.type("\x1b[Z");
  await claude.tty.sees("plan mode on");
  await claude.say("plan: x :: # The plan\\n\\n1. Do it");
  const prompt = await until(
    "the plan comes up",
    async () => (await server.phone.prompts()).find(({ kind }) => kind === "plan"),
    20_000,
  );
  expect((await server.phone.approve(prompt)).status).toBe(200);
  await claude.tty.sees("manual mode on");
  expect(claude.tty.text()).not.toContain("accept edits on");
  await claude.quit();
  await server.stop();
}, 60_000);

test("an approval for good writes the rule that was shown, and the same call asks no more", async () => {
  const server = await startHomeServer();
  const claude = await startRealClaude(server);
  await claude.say("run: mkfifo one.pipe");
  const prompt = await server.phone.prompt();
  const always = parseJson(View, prompt.view)?.always ?? [];
  expect(always.map(({ writes }) => writes)).toEqual([
    expect.stringMatching(/^allow Bash\(mkfifo.*\) → this session$/),
    expect.stringMatching(
      /^allow Bash\(mkfifo.*\) → \.claude\/settings\.local\.json of this project$/,
    ),
  ]);
  expect((await server.phone.approve(prompt, undefined, { always: 1 })).status).toBe(200);
  await until("the command ran", () => existsSync(join(claude.work, "one.pipe")));
  await claude.tty.sees("Done.");
  const rule = /Bash\(.*\)/.exec(always[1]?.writes ?? "")?.[0] ?? "";
  await until("the rule is written", () =>
    existsSync(join(claude.work, ".claude/settings.local.json")),
  );
  expect(
    JSON.parse(readFileSync(join(claude.work, ".claude/settings.local.json"), "utf8")),
  ).toMatchObject({ permissions: { allow: [rule] } });
  await claude.say("run: rm one.pipe");
  await server.phone.approve(await server.phone.prompt());
  await until("it is gone", () => !existsSync(join(claude.work, "one.pipe")));
  await claude.say("run: mkfifo one.pipe");
  await until("it ran without a question", () => existsSync(join(claude.work, "one.pipe")));
  expect(await server.phone.prompts()).toEqual([]);
  await claude.quit();
  await server.stop();
}, 60_000);
