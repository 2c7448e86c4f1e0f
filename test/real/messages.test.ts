import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { until } from "../support/until.ts";

let server: HomeServer;
let claude: RealClaude;
let session: string;
beforeAll(async () => {
  server = await startHomeServer();
  claude = await startRealClaude(server);
  session = (await until("the session is shown", async () => (await server.phone.sessions())[0]))
    .id;
}, 60_000);
afterAll(async () => {
  await claude.quit();
  await server.stop();
});

let stream = 0;
/** What the composer sends; it is tried again as long as nobody knows what became of it. */
async function send(text: string, more: object = {}) {
  const input = { stream: `m${++stream}`, seq: 1, text, paste: true, enter: true, ...more };
  for (;;) {
    const answer = await server.phone.json("POST", `/api/sessions/${session}/input`, input);
    if (answer.status !== 503) return answer;
  }
}
const press = (...keys: string[]) =>
  server.phone.json("POST", `/api/sessions/${session}/input`, {
    stream: `k${++stream}`,
    seq: 1,
    keys,
  });
const taken = { status: 200, body: { applied: 1 } };
/** What people have said, as Claude wrote it down. */
function said(): string[] {
  const folder = join(server.home.dir, ".claude/projects");
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true }).map(String);
  return files
    .filter((file) => file.endsWith(".jsonl"))
    .flatMap((file) => readFileSync(join(folder, file), "utf8").split("\n"))
    .filter((line) => line !== "")
    .map((line): { type: string; message?: { content: unknown } } => JSON.parse(line))
    .flatMap(({ type, message }) =>
      type === "user" && typeof message?.content === "string" ? [message.content] : [],
    );
}
const box = () => {
  const rows = claude.tty.screen.plain();
  const rule = rows.findLastIndex((row) => /^─{10,}/.test(row));
  const top = rows.findLastIndex((row, y) => y < rule && /^─{10,}/.test(row));
  return rows
    .slice(top + 1, rule)
    .map((row) => row.replaceAll("\u00a0", " ").trimEnd())
    .join("\n");
};
const boxShows = (text: string) => until(`the box shows ${text}`, () => box() === text);
const atRest = () =>
  until("Claude is at rest", () => !claude.tty.text().includes("esc to interrupt"), 30_000);

test.each([
  ["five lines", "Please look at these:\n- one\n- two\n- three\n- four"],
  [
    "many lines with indented code",
    Array.from({ length: 40 }, (_, i) => `  if (x[${i}]) { y(); } // ${i}`).join("\n"),
  ],
  [
    "1,200 characters",
    Array.from({ length: 200 }, (_, i) => `word${i}`)
      .join(" ")
      .slice(0, 1200),
  ],
  ["signs and wide characters", `${"— “quoted” 日本語 😀 émigré; ".repeat(40)}end`],
  ["a backslash at the end", "what does this mean: C:\\"],
  ["a name that Claude completes", "look at @wor"],
  ["blank lines", "first\n\n\n\nlast"],
])(
  "%s reach the model as what a person typed",
  async (_, text) => {
    await atRest();
    expect(await send(text)).toEqual(taken);
    await until("it was said", () => said().some((other) => other.trimEnd() === text.trimEnd()));
    expect(said().join()).not.toContain("pasted_content");
  },
  60_000,
);

test("messages one right after the other stay as many, also while Claude is at work", async () => {
  await atRest();
  const messages = [
    "slow 3000 100 :: one two three",
    "second message",
    "third message",
    "fourth \\",
  ];
  const answers = await Promise.all(messages.map((text) => send(text)));
  expect(answers).toEqual(messages.map(() => taken));
  await atRest();
  await until("all were said", () => said().some((text) => text.startsWith("fourth")), 20_000);
  for (const text of messages)
    expect(said().filter((other) => other.trimEnd() === text)).toEqual([expect.anything()]);
}, 90_000);

test("what is half typed at the desk is not sent along, and stands there again afterwards", async () => {
  for (const draft of ["merge PR 10 only after the migration", "rm -rf build \\"]) {
    await atRest();
    claude.tty.type(draft);
    await boxShows(`❯ ${draft}`);
    expect(await send(`beside number ${draft.length}`)).toEqual(taken);
    await until("it was said alone", () => said().includes(`beside number ${draft.length}`));
    expect(said().join()).not.toContain(draft);
    await boxShows(`❯ ${draft}`);
    claude.tty.type("\x15");
    await until("the box is empty", () => box().trim() === "❯");
  }
}, 90_000);

test("a draft that can't be put aside, as another is already, is left alone, and the phone is told", async () => {
  await atRest();
  claude.tty.type("first draft");
  await boxShows("❯ first draft");
  claude.tty.type("\x13");
  await claude.tty.sees("draft stashed");
  claude.tty.type("second draft");
  await boxShows("❯ second draft");
  const before = said().length;
  expect(await send("hello")).toMatchObject({ status: 409, body: { error: { code: "draft" } } });
  expect(said().length).toBe(before);
  await boxShows("❯ second draft");
  claude.tty.type("\x15");
  await until("the box is empty", () => box().trim() === "❯");
  claude.tty.type("\x13");
  await boxShows("❯ first draft"); // nothing was lost
  claude.tty.type("\x15");
  await until("the box is empty", () => box().trim() === "❯");
}, 60_000);

test.each([
  ["!", () => claude.tty.type("!")],
  ["M-! at the desk", () => claude.tty.type("\x1b!")],
  ["M-! on the phone", async () => expect((await press("M-!")).status).toBe(200)],
])(
  "in a box left in shell mode by %s plain words are asked about before they run",
  async (name, enter) => {
    await atRest();
    await until("the box is empty", () => box().trim() === "❯");
    await Bun.sleep(2000); // two Escapes one soon after the other mean something else to Claude
    await enter();
    await until("it is in shell mode", () => box().trim() === "!").catch((error: Error) => {
      throw new Error(`${error.message}; it shows:\n${claude.tty.text()}`);
    });
    const file = `shell-${name.length}.txt`;
    expect(await send(`touch ${file}`)).toMatchObject({
      status: 409,
      body: { error: { code: "shell" } },
    });
    for (const input of [{ text: "touch", paste: true }, { keys: ["Enter"] }])
      expect(
        await server.phone.json("POST", `/api/sessions/${session}/input`, {
          stream: `s${++stream}`,
          seq: 1,
          ...input,
        }),
      ).toMatchObject({ status: 409, body: { error: { code: "shell" } } });
    expect(existsSync(join(claude.work, file))).toBe(false);
    expect(await send(`touch ${file}`, { shell: true })).toEqual(taken);
    await until("it has run", () => existsSync(join(claude.work, file)));
    // Claude answers to what came of it, and takes no keys before that
    await claude.tty.sees(`You said: <bash-input>touch ${file}</bash-input>`);
    await atRest();
  },
  60_000,
);

test("shell mode can be left from the phone", async () => {
  await atRest();
  claude.tty.type("!");
  await until("it is in shell mode", () => box().trim() === "!").catch((error: Error) => {
    throw new Error(`${error.message}; it shows:\n${claude.tty.text()}`);
  });
  await until("it was left", async () => {
    await press("BSpace");
    return box().trim() === "❯";
  });
  expect(await send("after all")).toEqual(taken);
}, 30_000);
