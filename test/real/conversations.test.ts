import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, realpathSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { ConversationsAnswer, type Entry, TranscriptPage } from "../../src/types.ts";
import { claudeEnv, type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { runners, startRunner } from "../support/runner.ts";
import { until } from "../support/until.ts";

/** No question in the way. */
const ALLOWED = [
  ...[
    "--settings",
    JSON.stringify({ permissions: { allow: ["EnterWorktree", "ExitWorktree", "Read"] } }),
  ],
];

describe("a conversation of the real Claude Code", () => {
  let server: HomeServer;
  let claude: RealClaude | undefined;
  let id = "";
  beforeAll(async () => {
    server = await startHomeServer();
    const work = join(server.home.dir, "work");
    mkdirSync(work, { recursive: true });
    const git = (...args: string[]) => {
      const { exitCode, stderr } = Bun.spawnSync(["git", ...args], {
        cwd: work,
        env: server.home.env,
      });
      expect([exitCode, exitCode === 0 ? "" : stderr.toString()]).toEqual([0, ""]);
    };
    git("init", "-q");
    git(
      "-c",
      "user.name=me",
      "-c",
      "user.email=me@x.test",
      "commit",
      "-q",
      "--allow-empty",
      "-m",
      "begin",
    );
  }, 60_000);
  afterEach(async () => {
    await claude?.quit();
    claude = undefined;
  });
  afterAll(async () => {
    await server.stop();
  });
  const start = async (args: string[] = [], ready?: string): Promise<RealClaude> => {
    const known = new Set((await server.phone.sessions()).map((session) => session.id));
    claude = await startRealClaude(server, args, {}, ready);
    id = (
      await until("the session is there", async () =>
        (await server.phone.sessions()).find((session) => !known.has(session.id)),
      )
    ).id;
    return claude;
  };
  const entries = async (): Promise<Entry[]> => {
    const page = await server.phone.get(
      TranscriptPage,
      "GET",
      `/api/sessions/${id}/transcript?limit=200`,
    );
    expect(page.entries.map(({ n }) => n)).toEqual(Array.from({ length: page.next }, (_, n) => n));
    return page.entries.map(({ entry }) => entry);
  };
  const words = (entry: Entry | undefined) =>
    entry?.kind === "tool" ? `${entry.tool} ${entry.input}` : (entry?.text ?? "");
  const said = (text: string) =>
    until(
      `the conversation has ${text}`,
      async () => (await entries()).find((entry) => words(entry).includes(text)),
      20_000,
    );
  const times = async (text: string) =>
    (await entries()).filter((entry) => words(entry) === text).length;

  const toBox = () => claude?.tty.sees(/\n❯\s*\n─/);
  /** What the phone could resume in a folder. */
  const toResume = async (cwd: string) => {
    const [runner] = await runners(server);
    const { conversations } = await server.phone.get(
      ConversationsAnswer,
      "GET",
      `/api/runners/${runner?.id}/conversations?cwd=${encodeURIComponent(cwd)}`,
    );
    return conversations;
  };

  test("goes on where it was as it enters and leaves a worktree, and says no turn twice", async () => {
    const claude = await start(ALLOWED);
    await claude.say("long 3");
    await said("Line 3 of a long answer.");
    await claude.say("tool: EnterWorktree");
    await said("Created worktree");
    await claude.say("long 4");
    await said("Line 4 of a long answer.");
    await claude.say('tool: ExitWorktree :: {"action":"keep"}');
    await said("Exited worktree");
    await claude.say("long 5");
    await said("Line 5 of a long answer.");
    for (const text of ["long 3", "tool: EnterWorktree", "long 4", "long 5"])
      expect([text, await times(text)]).toEqual([text, 1]);
  }, 120_000);

  test("goes on where it was in another folder, and can be resumed from the phone there", async () => {
    const other = join(realpathSync(server.home.dir), "other folder");
    mkdirSync(other);
    const claude = await start();
    await claude.say("long 3");
    await said("Line 3 of a long answer.");
    await toBox();
    claude.tty.type(`/cd ${other}`);
    await claude.tty.sees("other folder");
    claude.tty.type("\r");
    await claude.tty.sees("Yes, move here");
    const asked = await server.phone.prompt(20_000);
    expect(asked.view).toMatch(/No, stay put.*Yes, move here/);
    expect((await server.phone.approve(asked, [{ options: [1] }])).status).toBe(200);
    await until("it has moved", () => !claude.tty.text().includes("Enter to confirm"));
    await claude.say("long 4");
    await said("Line 4 of a long answer.");
    for (const text of ["long 3", "long 4"]) expect([text, await times(text)]).toEqual([text, 1]);
    await claude.quit();
    const env = claudeEnv(server.home, claude.api);
    const runner = await startRunner(server, [realpathSync(server.home.dir)], env);
    const found = await toResume(other);
    expect(found.map(({ title }) => title)).toEqual([expect.stringContaining("long 3")]);
    await runner.end();
  }, 120_000);

  test("folds away what was taken back", async () => {
    const claude = await start();
    for (const text of ["long 3", "long 4"]) {
      await claude.say(text);
      await said(`Line ${text.slice(-1)} of a long answer.`);
    }
    await toBox();
    claude.tty.type("/rewind");
    await claude.tty.sees("/rewind");
    await Bun.sleep(500); // the list of commands comes up
    claude.tty.type("\r");
    await claude.tty.sees("Restore the code");
    claude.tty.type("\x1b[A");
    await claude.tty.sees(/❯\slong 4/);
    claude.tty.type("\r");
    await claude.tty.sees("1. Restore conversation");
    await Bun.sleep(500); // keys just after a dialog is drawn are lost
    claude.tty.type("1");
    await claude.tty.sees(/❯\slong 4\s*\n─/);
    claude.tty.type("\x15");
    await claude.say("long 6");
    await said("Line 6 of a long answer.");
    const all = await entries();
    const noted = all.findIndex((entry) => entry.kind === "note" && entry.back !== undefined);
    const back = all[noted];
    const from = back?.kind === "note" ? (back.back ?? 0) : 0;
    expect(words(all[from])).toBe("long 4");
    expect(all.findIndex((entry) => words(entry) === "long 3")).toBeLessThan(from);
    expect(all.findIndex((entry) => words(entry) === "long 6")).toBeGreaterThan(noted);
  }, 120_000);

  test("begins with a tag of Claude's own: a person typed it, and it is shown", async () => {
    const claude = await start();
    for (const text of [
      "<system-reminder> is what I want explained",
      "<task-notification>a</task-notification> is what I see",
      "<local-command-stdout>odd</local-command-stdout>",
    ]) {
      await claude.say(text);
      await until("it is shown as the user's", async () =>
        (await entries()).some((entry) => entry.kind === "user" && entry.text === text),
      );
      await claude.tty.sees(/\n❯\s*\n─/);
    }
  }, 120_000);

  test("keeps the words beside a picture of several megabytes", async () => {
    const claude = await start(ALLOWED);
    writeFileSync(join(claude.work, "noise.png"), noise(1100));
    await claude.say(`tool: Read :: {"file_path":"${join(claude.work, "noise.png")}"}`);
    await said("Done.");
    await claude.say("long 4");
    await said("Line 4 of a long answer.");
    const all = await entries();
    expect(all.map(({ kind }) => kind)).toEqual([
      "user",
      "tool",
      "result",
      "assistant",
      "user",
      "assistant",
    ]);
    expect(words(all[2])).toMatch(/image|picture/i);
    expect(words(all[2]).length).toBeLessThan(10_000);
  }, 120_000);

  test("is found to be resumed though its first message is huge", async () => {
    const claude = await start();
    const huge = `a very long story ${"word ".repeat(8000)}`;
    const typed = await server.phone.json("POST", `/api/sessions/${id}/input`, {
      ...{ stream: "huge", seq: 0, text: huge, paste: true, enter: true },
    });
    expect(typed.status).toBe(200);
    await said("You said: ");
    const [first] = await entries();
    expect(first).toMatchObject({
      kind: "user",
      text: expect.stringMatching(/^a very long story/),
    });
    await claude.quit();
    const env = claudeEnv(server.home, claude.api);
    const runner = await startRunner(server, [realpathSync(server.home.dir)], env);
    const found = await toResume(realpathSync(claude.work));
    expect(found.some(({ title }) => title.startsWith("a very long story"))).toBe(true);
    await runner.end();
  }, 120_000);

  test("is read where the folder of all projects, or of one, is a link to another disk", async () => {
    const config = join(server.home.dir, ".claude");
    const move = (name: string, to: string) => {
      renameSync(join(config, name), join(server.home.dir, to));
      symlinkSync(join(server.home.dir, to), join(config, name));
    };
    const folder = realpathSync(join(server.home.dir, "work")).replaceAll(/[^A-Za-z0-9]/g, "-");
    move(`projects/${folder}`, "one project");
    let claude = await start();
    await claude.say("long 3");
    await said("Line 3 of a long answer.");
    await claude.quit();
    move("projects", "all projects");
    claude = await start();
    await claude.say("long 4");
    await said("Line 4 of a long answer.");
  }, 120_000);
});

/** A picture that no format makes smaller, as a PNG of `side` by `side` pixels. */
function noise(side: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(8);
    out.writeUInt32BE(data.length);
    out.writeUInt32BE(Bun.hash.crc32(body), 4);
    return Buffer.concat([out.subarray(0, 4), body, out.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side);
  header.writeUInt32BE(side, 4);
  header.set([8, 2], 8);
  const rows = Buffer.alloc(side * (1 + side * 3));
  for (let at = 0; at < rows.length; at += 65_536)
    crypto.getRandomValues(rows.subarray(at, at + 65_536));
  for (let y = 0; y < side; y++) rows[y * (1 + side * 3)] = 0;
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows, { level: 0 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
