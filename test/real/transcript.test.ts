import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { programPid } from "../../src/runner/program.ts";
import { type Entry, SearchAnswer, TranscriptPage } from "../../src/types.ts";
import { type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { until } from "../support/until.ts";

const SECRET = "sk-ant-api03-abcdefghij1234567890";

describe("the conversation of the real Claude Code", () => {
  let server: HomeServer;
  let claude: RealClaude;
  let id: string;
  beforeAll(async () => {
    server = await startHomeServer();
    claude = await startRealClaude(server);
    id = (await until("the session is there", async () => (await server.phone.sessions())[0])).id;
  }, 60_000);
  afterAll(async () => {
    expect(claude.api.complaints).toEqual([]);
    await server.stop();
  });
  const entries = async (): Promise<Entry[]> => {
    const page = await server.phone.get(
      TranscriptPage,
      "GET",
      `/api/sessions/${id}/transcript?limit=200`,
    );
    expect(page.entries.map(({ n }) => n)).toEqual(Array.from({ length: page.next }, (_, n) => n)); // nothing lost, nothing doubled
    return page.entries.map(({ entry }) => entry);
  };
  const words = (entry: Entry) =>
    entry.kind === "tool" ? `${entry.tool} ${entry.input}` : entry.text;
  const said = (text: string) =>
    until(`the conversation has ${text}`, async () =>
      (await entries()).find((entry) => words(entry).includes(text)),
    );

  test("a turn appears live: what was said, the tool, its result, the answer, with secrets dotted out", async () => {
    const events = await server.phone.events(id);
    await claude.say(`run: echo one two three four five six seven eight nine ${SECRET}`);
    await events.next(
      "transcript",
      ({ entries }) => entries?.some((entry) => words(entry) === "Done.") === true,
    );
    const all = await entries();
    expect(all.map(({ kind }) => kind)).toEqual([
      "user",
      "assistant",
      "tool",
      "result",
      "assistant",
    ]);
    const [, , tool, result] = all;
    expect(
      tool?.kind === "tool" && result?.kind === "result" && tool.id === result.id && !result.error,
    ).toBe(true);
    expect(all.filter((entry) => words(entry).includes("five six seven")).length).toBe(3);
    const text = JSON.stringify(all);
    expect(text).not.toContain("abcdefghij");
    expect(text).toContain("•".repeat(20));
    events.close();
  }, 40_000);

  test("what is said while the server is away is there when it is back, once", async () => {
    await server.restart("SIGKILL", async () => {
      await claude.say("long 3");
      await claude.tty.sees("Line 3 of a long answer.");
    });
    await said("Line 3 of a long answer.");
    expect((await entries()).filter((entry) => words(entry) === "long 3").length).toBe(1);
  }, 60_000);

  test("a conversation that is cleared goes on in the same view", async () => {
    claude.tty.type("/clear\r");
    await until(
      "the screen is cleared",
      () => !claude.tty.text().includes("Line 3 of a long answer."),
    );
    await Bun.sleep(1500); // Claude takes no paste while it clears
    await claude.say("long 2");
    await said("Another conversation begins here.");
    await until("the new turn is there", async () =>
      (await entries()).findLast((entry) => words(entry) === "long 2"),
    );
    expect((await entries()).some((entry) => words(entry).includes("seven eight nine"))).toBe(true);
  }, 40_000);

  test("it is found by its words", async () => {
    const { results } = await server.phone.get(SearchAnswer, "GET", "/api/search?q=seven+eig");
    expect(
      results.some(
        ({ session, kind, snippet }) =>
          session === id &&
          kind === "conversation" &&
          snippet.some(({ text, hit }) => hit && text === "seven"),
      ),
    ).toBe(true);
  }, 20_000);

  test("what comes last arrives before the exit, also where the server is away", async () => {
    await server.restart("SIGTERM", async () => {
      await claude.say("long 4");
      await claude.tty.sees("Line 4 of a long answer.");
      await claude.quit();
    });
    await until(
      "the session has ended",
      async () =>
        (await server.phone.sessions()).find((session) => session.id === id)?.status === "ended",
      30_000,
    );
    expect(
      (await entries()).some((entry) => words(entry).includes("Line 4 of a long answer.")),
    ).toBe(true);
  }, 60_000);

  test("where claude-remote itself is killed with the server away, the guard that is left hands on what was said", async () => {
    claude = await startRealClaude(server);
    id = (
      await until("the session is there", async () =>
        (await server.phone.sessions()).find(({ status }) => status === "running"),
      )
    ).id;
    await claude.say("long 6");
    await said("Line 6 of a long answer.");
    await server.restart("SIGTERM", async () => {
      await claude.say("long 7");
      await claude.tty.sees("Line 7 of a long answer.");
      process.kill(programPid(claude.tty.pty.holder) ?? 0, "SIGKILL");
      await claude.tty.exited;
    });
    await until(
      "the session is known to be lost",
      async () => (await server.phone.sessions()).find((session) => session.id === id)?.exit?.lost,
      30_000,
    );
    expect(
      (await entries()).filter((entry) => words(entry).includes("Line 7 of a long answer.")).length,
    ).toBe(1);
    claude.api.stop();
  }, 60_000);

  test("one that is taken up again is there from the start, before anything is said", async () => {
    claude = await startRealClaude(server, ["--continue"], {}, "Line 7 of a long answer.");
    id = (
      await until("the session is there", async () =>
        (await server.phone.sessions()).find(({ status }) => status === "running"),
      )
    ).id;
    await said("Line 7 of a long answer.");
    await claude.say("long 8");
    await said("Line 8 of a long answer.");
    await claude.quit();
  }, 60_000);
});
