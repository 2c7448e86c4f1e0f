import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { conversationsOf, foldersUsed } from "../../src/runner/conversations.ts";
import { ConversationsAnswer, LIMITS } from "../../src/types.ts";

let dir: string;
let config: string;
let work: string;
beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "conversations-test-")));
  config = join(dir, "claude");
  work = join(dir, "work.of/mine");
  mkdirSync(work, { recursive: true });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let count = 0;
const said = (content: unknown, cwd = work, type = "user") =>
  JSON.stringify({
    type,
    message: { role: type, content },
    cwd,
    timestamp: "2026-11-21T08:00:00Z",
  });
/** Writes a transcript as Claude Code keeps it, so many minutes old; the answer is its id. */
function write(lines: string[], minutes: number, cwd = work): string {
  const folder = join(config, "projects", cwd.replace(/[^a-zA-Z0-9]/g, "-"));
  const id = `00000000-0000-4000-8000-${String(++count).padStart(12, "0")}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${id}.jsonl`), lines.map((line) => `${line}\n`).join(""));
  const at = Date.now() / 1000 - minutes * 60;
  utimesSync(join(folder, `${id}.jsonl`), at, at);
  return id;
}
const titles = async (cwd = work) => (await conversationsOf(config, cwd)).map(({ title }) => title);

test("a folder without any has none", async () => {
  expect(await conversationsOf(config, work)).toEqual([]);
  expect(await foldersUsed(config, [dir])).toEqual([]);
});

test("conversations are named by what was said first, or by their title, the newest first, in one line and without secrets", async () => {
  const first = write(
    [JSON.stringify({ type: "mode" }), "no JSON", said("Mend\n\tthe  door\u0007"), said("now")],
    30,
  );
  write(
    [said("first words"), JSON.stringify({ type: "ai-title", aiTitle: "Paint the fence" })],
    20,
  );
  write([JSON.stringify({ type: "custom-title", customTitle: "My own" }), said("x")], 10);
  write([said("use sk-ant-api03-abcdefghij1234567890")], 5);
  write([said([{ type: "text", text: "a".repeat(1000) }])], 4);
  expect(await titles()).toEqual([
    `${"a".repeat(LIMITS.titleChars - 1)}…`,
    expect.stringMatching(/^use •+$/),
    "My own",
    "Paint the fence",
    "Mend the door",
  ]);
  const last = (await conversationsOf(config, work)).at(-1);
  expect(last?.id).toBe(first);
  expect(Math.abs((last?.at ?? 0) - (Date.now() - 30 * 60_000))).toBeLessThan(60_000);
});

test("a time that can't be is no reason for the server to hang up", async () => {
  const cwd = join(dir, "work.of/other");
  mkdirSync(cwd);
  const id = write([said("hi", cwd)], 1, cwd);
  const folder = join(config, "projects", cwd.replace(/[^a-zA-Z0-9]/g, "-"));
  Bun.spawnSync(["touch", "-t", "194601010000", join(folder, `${id}.jsonl`)]);
  const conversations = await conversationsOf(config, cwd);
  expect(v.parse(ConversationsAnswer, { conversations }).conversations).toEqual([
    { id, at: 0, title: "hi" },
  ]);
  rmSync(folder, { recursive: true });
  rmSync(cwd, { recursive: true });
});

test("left out are those of other folders of the same name, those in which nobody spoke, and other files", async () => {
  const before = await titles();
  write([said("of another", work.replace("work.of", "work-of"))], 1);
  write([JSON.stringify({ type: "mode", cwd: work })], 1);
  const folder = join(config, "projects", work.replace(/[^a-zA-Z0-9]/g, "-"));
  writeFileSync(join(folder, "agent-1.jsonl"), said("a subagent"));
  writeFileSync(join(folder, "notes.txt"), said("notes"));
  Bun.spawnSync(["mkfifo", join(folder, "00000000-0000-4000-8000-999999999999.jsonl")]);
  expect(await titles()).toEqual(before);
});

test("of a huge one the beginning and the end are read, and no more", async () => {
  const huge = join(dir, "huge");
  mkdirSync(huge);
  const filler = Array.from({ length: 5000 }, () => said("filler", huge, "assistant"));
  write(
    [
      said("begin", huge),
      ...filler,
      JSON.stringify({ type: "ai-title", aiTitle: "In the middle" }),
      ...filler,
    ],
    2,
    huge,
  );
  write(
    [said("begin", huge), ...filler, JSON.stringify({ type: "ai-title", aiTitle: "At the end" })],
    1,
    huge,
  );
  expect(await titles(huge)).toEqual(["At the end", "begin"]);
});

test("a name that Claude Code has cut is found", async () => {
  const long = join(dir, "x".repeat(120), "y".repeat(120));
  mkdirSync(long, { recursive: true });
  const name = `${long.replace(/[^a-zA-Z0-9]/g, "-").slice(0, 200)}-abc123`;
  mkdirSync(join(config, "projects", name));
  writeFileSync(
    join(config, "projects", name, "00000000-0000-4000-8000-aaaaaaaaaaaa.jsonl"),
    said("far down", long),
  );
  expect(await titles(long)).toEqual(["far down"]);
});

test("folders used of late are those inside the roots that are still there, the newest first", async () => {
  const gone = join(dir, "gone");
  write([said("x", gone)], 0, gone);
  write([said("x", "/")], 0, "/");
  const newest = join(dir, "newest");
  mkdirSync(newest);
  write([said("x", newest)], 0, newest);
  const found = await foldersUsed(config, [dir]);
  expect(found).not.toContain(gone);
  expect(found).not.toContain("/");
  expect(found.indexOf(newest)).toBeLessThan(found.indexOf(work));
  expect(await foldersUsed(config, [join(dir, "work.of")])).toEqual([work]);
});

test("of a folder that others write to, no link is followed", async () => {
  const inside = join(dir, "inside");
  const folder = join(inside, "projects", "-workspace");
  mkdirSync(folder, { recursive: true });
  const line = (text: string) =>
    `${JSON.stringify({ type: "user", cwd: "/workspace", message: { role: "user", content: text } })}\n`;
  const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}.jsonl`;
  writeFileSync(join(folder, id(1)), line("its own"));
  writeFileSync(join(dir, "secret.jsonl"), line("a secret"));
  symlinkSync(join(dir, "secret.jsonl"), join(folder, id(2)));
  const found = async () =>
    (await conversationsOf(inside, "/workspace", true)).map(({ title }) => title);
  expect(await found()).toEqual(["its own"]);
  mkdirSync(join(dir, "elsewhere"));
  writeFileSync(join(dir, "elsewhere", id(3)), line("another secret"));
  rmSync(folder, { recursive: true });
  symlinkSync(join(dir, "elsewhere"), folder);
  expect(await found()).toEqual([]);
});

test("one that is open in a claude is not offered a second time", async () => {
  const cwd = join(dir, "open");
  mkdirSync(cwd);
  const id = write([said("still at it", cwd)], 0, cwd);
  const listed = join(config, "sessions", `${process.pid}.json`);
  mkdirSync(join(config, "sessions"), { recursive: true });
  writeFileSync(listed, JSON.stringify({ sessionId: id, status: "busy" }));
  expect(await titles(cwd)).toEqual([]);
  rmSync(listed);
  writeFileSync(join(config, "sessions", "99999999.json"), JSON.stringify({ sessionId: id })); // left by one that was killed
  expect(await titles(cwd)).toEqual(["still at it"]);
});

test("one is found however it begins: a huge message, an image alone, no title; and in the folder that it moved to", async () => {
  const place = join(dir, "begins");
  const moved = join(dir, "moved");
  for (const folder of [place, moved]) mkdirSync(folder);
  const image = { type: "image", source: { type: "base64", data: "iVBOR".repeat(200_000) } };
  write([said(`huge ${"x".repeat(300_000)}`, place), said("second", place)], 4, place);
  write([said([image, { type: "text", text: "see this" }], place)], 3, place);
  write([said([image], place), said("It is a cat.", place, "assistant")], 2, place);
  write([JSON.stringify({ type: "mode" })], 1, place); // nobody said anything
  const id = write(
    [said("begun here", place), JSON.stringify({ type: "relocated", relocatedCwd: moved })],
    1,
    moved,
  );
  expect((await titles(place)).map((title) => title.slice(0, 30))).toEqual([
    "A conversation without a title",
    "see this",
    `huge ${"x".repeat(25)}`,
  ]);
  expect(await conversationsOf(config, moved)).toMatchObject([{ id, title: "begun here" }]);
});
