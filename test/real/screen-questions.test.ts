import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Prompt, parseJson, ScreenQuestion, View } from "../../src/types.ts";
import { startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { until } from "../support/until.ts";

const SIZES = [
  [80, 24],
  [120, 40],
  [45, 30],
] as const;

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
async function home(): Promise<HomeServer> {
  const server = await startHomeServer();
  ends.push(server.stop);
  return server;
}
const real: typeof startRealClaude = async (...given) => {
  const claude = await startRealClaude(...given);
  ends.push(claude.quit);
  return claude;
};

/** A screen question with its options; fails where it is of another kind. */
function read(prompt: Prompt) {
  const view = parseJson(View, prompt.view);
  expect({ kind: prompt.kind, view: prompt.view }).toMatchObject({ kind: "screen" });
  const asked = parseJson(ScreenQuestion, JSON.stringify(view?.input));
  return {
    view,
    above: asked?.above ?? "",
    labels: asked?.options.map(({ label }) => label) ?? [],
  };
}

const choose = (server: HomeServer, prompt: Prompt, option: number) =>
  server.phone.approve(prompt, [{ options: [option] }]);

/** What became of it once that is certain. */
const settled = (server: HomeServer) => async (prompt: Prompt) => {
  const { body } = await until("it is confirmed", async () => {
    const again = await choose(server, prompt, 0);
    return JSON.stringify(again.body).includes("sent") ? undefined : again;
  });
  return body;
};

describe.each(SIZES)("on a screen of %i columns and %i rows", (cols, rows) => {
  const size = { cols, rows };

  test("the trust dialog and the question about a key are answered from the phone, the safe choice being the first", async () => {
    const server = await home();
    const unsettled = { projects: {}, customApiKeyResponses: { approved: [], rejected: [] } };
    const claude = await real(server, [], {}, "trust this folder", { ...size, unsettled });
    const trust = await server.phone.prompt();
    const asked = read(trust);
    expect(asked.labels).toEqual(["No, exit", "Yes, I trust this folder"]);
    expect(asked.above).toContain("Accessing workspace");
    expect((await choose(server, trust, 2)).status).toBe(409);
    expect((await server.phone.approve(trust)).status).toBe(409);
    expect(
      await server.phone.code("POST", `/api/sessions/${trust.session}/input`, {
        stream: "i_1",
        seq: 1,
        keys: ["Enter"],
      }),
    ).toEqual([409, "asked"]);
    expect(await choose(server, trust, 1)).toEqual({ status: 200, body: { state: "sent" } });
    const key = await server.phone.prompt();
    expect(read(key)).toMatchObject({
      labels: ["Yes", "No (recommended)"],
      above: expect.stringContaining("ANTHROPIC_API_KEY: sk-ant-...•"),
    });
    expect(await settled(server)(trust)).toEqual({ state: "applied" });
    expect((await choose(server, key, 0)).status).toBe(200);
    await claude.tty.sees("manual mode on");
    expect(await server.phone.prompts()).toEqual([]);
  }, 60_000);

  test("trust that is refused on the phone ends claude, and nothing was trusted", async () => {
    const server = await home();
    const claude = await real(server, [], {}, "trust this folder", {
      ...size,
      unsettled: { projects: {} },
    });
    const trust = await server.phone.prompt();
    expect((await choose(server, trust, 0)).body).toEqual({ state: "sent" });
    expect((await claude.tty.exited).code).toBe(1);
    await until(
      "the session has ended",
      async () => (await server.phone.sessions())[0]?.status === "ended",
    );
  }, 60_000);

  test("where auto mode can't check, its own question and each command after it are answered from the phone", async () => {
    const server = await home();
    const claude = await real(server, ["--permission-mode", "auto"], {}, "auto mode on", size);
    await claude.say("run: touch back.txt; curl :9 | sh");
    let cannot = await server.phone.prompt();
    if (rows < 36 && cols < 60) {
      // Claude cuts its own last lines off here: nothing can be chosen before there is room for them
      expect(parseJson(View, cannot.view)).toMatchObject({
        actions: ["reject"],
        note: expect.stringContaining("taller"),
      });
      claude.tty.resize(cols, 45);
      cannot = await server.phone.prompt();
    }
    const first = read(cannot);
    expect(first.above.replace(/\s+/g, " ")).toContain(
      "Auto mode can't check actions in this session",
    );
    expect(first.labels.map((label) => label.split(" ").slice(0, 3).join(" "))).toEqual([
      "Enter to stay",
      "shift+Tab to leave",
    ]);
    expect((await choose(server, cannot, 0)).body).toEqual({ state: "sent" });
    const command = await server.phone.prompt();
    expect(read(command)).toMatchObject({
      labels: ["No", "Yes"],
      above: expect.stringContaining("touch back.txt"),
    });
    expect(existsSync(join(claude.work, "back.txt"))).toBe(false);
    expect((await choose(server, command, 1)).body).toEqual({ state: "sent" });
    await until("the command ran", () => existsSync(join(claude.work, "back.txt")));
    expect(await settled(server)(command)).toEqual({ state: "applied" });
    await claude.tty.sees("Done.");
    await claude.say("run: touch never.txt; curl :9 | sh");
    const again = await server.phone.prompt();
    expect((await server.phone.json("POST", `/api/prompts/${again.id}/reject`, {})).body).toEqual({
      state: "sent",
    });
    await claude.tty.sees("Interrupted");
    expect(existsSync(join(claude.work, "never.txt"))).toBe(false);
  }, 60_000);

  test("a subagent in the background is let go after a few seconds, and then its dialog is answered from the phone", async () => {
    const server = await home();
    const claude = await real(server, [], {}, "manual mode on", size);
    await claude.say("background: run: touch sub.txt");
    const hook = await server.phone.prompt();
    expect(hook.kind).toBe("permission");
    await claude.tty.sees("Do you want to proceed?"); // it waits for the hook: held for a person, it would never come
    const asked = await server.phone.prompt();
    expect(read(asked).labels[0]).toBe("Yes");
    expect((await server.phone.prompts()).map(({ id }) => id)).toEqual([asked.id]);
    expect((await choose(server, asked, 0)).body).toEqual({ state: "sent" });
    await until("it ran", () => existsSync(join(claude.work, "sub.txt")));
    expect(await settled(server)(asked)).toEqual({ state: "applied" });
  }, 60_000);

  test("what an MCP server asks is a form on the phone, checked before it is sent, and a page to be opened", async () => {
    const server = await home();
    const config = join(server.home.dir, "mcp.json");
    writeFileSync(
      config,
      JSON.stringify({
        mcpServers: {
          asks: {
            command: process.execPath,
            args: [join(import.meta.dir, "../support/mcp-asks.ts")],
          },
        },
      }),
    );
    const claude = await real(
      server,
      ["--mcp-config", config, "--allowedTools", "mcp__asks__form,mcp__asks__page"],
      {},
      "manual mode on",
      size,
    );
    const told = (text: string) =>
      until(`Claude was told ${text}`, () =>
        claude.api.results.some((result) => result.text.replaceAll("\\", "").includes(text)),
      );
    await claude.say("tool: mcp__asks__form");
    const form = await server.phone.prompt();
    expect(form.kind).toBe("elicitation");
    const fill = (...fields: unknown[]) => server.phone.approve(form, undefined, { fields });
    for (const wrong of [
      [],
      ["x", 3, null, [1]],
      ["rc 1", 10, null, [1]],
      ["rc 1", 3, null, null],
      ["rc 1", 3, null, [2]],
      ["rc 1", 3, "yes", [1]],
    ])
      expect((await fill(...wrong)).status).toBe(409);
    expect((await fill("rc 1", 4, true, [1])).body).toEqual({ state: "sent" });
    await told('{"action":"accept","content":{"name":"rc 1","count":4,"sure":true,"env":"prod"}}');
    await claude.tty.sees("Done.");

    await claude.say("tool: mcp__asks__page");
    const page = await server.phone.prompt();
    expect(parseJson(View, page.view)?.input).toMatchObject({
      server: "asks",
      message: "Please sign in",
      url: "https://example.com/sign-in?x=1",
    });
    await server.phone.json("POST", `/api/prompts/${page.id}/reject`, {});
    await told('{"action":"decline"}');

    await claude.say("tool: mcp__asks__page");
    const held = await server.phone.prompt();
    claude.tty.type("\x1b[I"); // the terminal has the focus: that is not typing
    await Bun.sleep(300);
    expect((await server.phone.prompts()).map(({ id }) => id)).toEqual([held.id]);
    claude.tty.type("x");
    const dialog = await server.phone.prompt();
    expect(read(dialog)).toMatchObject({
      labels: ["Accept", "Decline"],
      above: expect.stringContaining("example.com"),
    });
    expect((await choose(server, dialog, 1)).body).toEqual({ state: "sent" });
    await until(
      "it was declined",
      () => claude.api.results.filter(({ text }) => text.includes("decline")).length === 2,
    );
  }, 60_000);
});

test("what a hook tells of is never asked a second time off the screen, whoever answers it", async () => {
  const server = await home();
  const claude = await real(server);
  const events = await server.phone.events();
  await events.next("hello");
  for (const [script, kind] of [
    ["run: touch once.txt", "permission"],
    ["ask", "question"],
    ["write: once.md :: text", "permission"],
  ] as const) {
    await claude.say(script);
    const prompt = await server.phone.prompt();
    expect(prompt.kind).toBe(kind);
    await Bun.sleep(2500); // longer than a list has to stand still
    expect((await server.phone.prompts()).map(({ id }) => id)).toEqual([prompt.id]);
    if (script === "ask") expect((await choose(server, prompt, 0)).status).toBe(200);
    else claude.tty.type("1");
    await until("it is settled", async () => (await server.phone.prompts()).length === 0);
  }
  await Bun.sleep(1500);
  expect(events.received.filter(({ event }) => event.name === "prompt").length).toBe(3);
  events.close();
}, 60_000);

test("with hooks switched off every dialog is a screen question", async () => {
  const server = await home();
  const claude = await real(server, ["--settings", '{"disableAllHooks":true}']);
  await claude.say("run: touch off.txt");
  const command = await server.phone.prompt();
  expect(read(command)).toMatchObject({ above: expect.stringContaining("touch off.txt") });
  expect((await choose(server, command, 0)).body).toEqual({ state: "sent" });
  await until("it ran", () => existsSync(join(claude.work, "off.txt")));
  await claude.tty.sees("Done.");
  await claude.say("ask");
  const question = await server.phone.prompt();
  expect(read(question).labels).toEqual([
    "SQLite a single file, no server",
    "PostgreSQL a server; scales further",
    "Type something.",
    "Chat about this",
  ]);
  expect((await choose(server, question, 1)).body).toEqual({ state: "sent" });
  await until("Claude was told", () =>
    claude.api.results.some(({ text }) => text.includes("PostgreSQL")),
  );
  await claude.say("ask");
  const words = await server.phone.prompt();
  expect((await choose(server, words, 2)).status).toBe(410); // there the cursor is in a field: it can't be told what Enter would do
  const field = await server.phone.prompt();
  expect(parseJson(View, field.view)).toMatchObject({
    actions: ["reject"],
    note: expect.stringContaining("at the desk"),
  });
  const type = (seq: number, typed: object) =>
    server.phone.json("POST", `/api/sessions/${field.session}/input`, {
      stream: "i_w",
      seq,
      ...typed,
    });
  expect((await type(1, { text: "MySQL", enter: true })).status).toBe(409);
  await server.phone.json("POST", `/api/prompts/${field.id}/reject`, { dismiss: true });
  expect((await type(1, { text: "MySQL" })).status).toBe(200);
  await claude.tty.sees("MySQL");
  expect((await type(2, { enter: true })).status).toBe(200);
  await until("Claude was told", () =>
    claude.api.results.some(({ text }) => text.includes("MySQL")),
  );
}, 60_000);
