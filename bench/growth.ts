import { Database } from "bun:sqlite";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { databaseFile } from "../src/db.ts";
import { type Entry, type Prompt, SearchAnswer } from "../src/types.ts";
import { randomFrom } from "../test/support/random.ts";
import { until } from "../test/support/until.ts";
import type { Place } from "./place.ts";
import { openStage, type Played } from "./stage.ts";
import type { Row } from "./table.ts";

/**
 * An hour with Claude, as assumed here: a turn every two minutes, each with what was asked, a thought, three texts and six tools (code that is read,
 * edited or run), a permission in every third turn, and sixty lines that scroll off (in the classic renderer; the full-screen one leaves no history).
 */
const HOUR = {
  turns: 30,
  asked: 200,
  thought: 500,
  texts: 3,
  text: 600,
  tools: 6,
  input: 600,
  result: 2500,
  view: 1000,
  lines: 60,
} as const;
/** So much of a month somebody works with it, in hours, and what the server keeps unless told otherwise (`keep_mb`), in MB. */
const MONTH_H = 30 * 8;
const KEPT_MB = 2000;

/** What the database grows by in an hour of use: history, conversation, prompts and the index over them. */
export async function growth(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  const hours = quick ? 2 : 8;
  const stage = await openStage(place);
  const write = openWriter();
  const before = usedMb(stage.dir);
  let told = 0;
  let last: Played | undefined;
  for (let hour = 0; hour < hours; hour++) {
    last?.close();
    last = await stage.play(`hour_${hour}`);
    last.draw();
    for (let turn = 0; turn < HOUR.turns; turn++) told += tellTurn(last, turn, write);
  }
  const entries = HOUR.turns * (2 + HOUR.texts + 2 * HOUR.tools);
  const tail = `/api/sessions/${last?.id}/transcript?limit=1`;
  await until(
    "all is stored",
    async () => JSON.stringify(await stage.phone.json("GET", tail)).includes(`"next":${entries}`),
    30_000,
  );
  await until(
    "all is indexed",
    async () => !(await stage.phone.get(SearchAnswer, "GET", "/api/search?q=session")).partial,
    60_000,
  );
  const grown = (usedMb(stage.dir) - before) / hours;
  last?.close();
  await stage.close();
  return [
    {
      name: "database: an hour of use",
      unit: "MB",
      ours: grown,
      reference: told / 1e6 / hours,
      against: `the text itself: ${HOUR.turns} turns of ${HOUR.tools} tools each`,
      judged: "itself",
    },
    {
      name: `database: a month of ${MONTH_H} hours`,
      unit: "MB",
      ours: grown * MONTH_H,
      reference: KEPT_MB,
      against: "what is kept unless told otherwise (keep_mb)",
      judged: "itself",
    },
  ];
}

/** One turn, told as a runner tells it; the answer is how many bytes of text that was. */
function tellTurn(session: Played, turn: number, write: (chars: number) => string): number {
  let told = 0;
  const text = (chars: number) => {
    const words = write(chars);
    told += Buffer.byteLength(words);
    return words;
  };
  const at = Date.now();
  const entries: Entry[] = [
    { kind: "user", at, text: text(HOUR.asked) },
    { kind: "thinking", at, text: text(HOUR.thought) },
  ];
  for (let i = 0; i < HOUR.texts; i++)
    entries.push({ kind: "assistant", at, text: text(HOUR.text) });
  for (let i = 0; i < HOUR.tools; i++) {
    const id = `toolu_${turn}_${i}`;
    entries.push(
      { kind: "tool", at, id, tool: "Bash", input: JSON.stringify({ command: text(HOUR.input) }) },
      { kind: "result", at, id, text: text(HOUR.result), error: false },
    );
  }
  const next = (turn + 1) * entries.length;
  session.send({
    type: "transcript",
    session: session.id,
    entries,
    next,
    file: 0,
    at: next * 1000,
  });
  session.print(Array.from({ length: HOUR.lines }, () => text(70).replaceAll("\n", " ")));
  if (turn % 3 === 0) {
    const view = JSON.stringify({
      tool: "Bash",
      input: { command: text(HOUR.view) },
      cwd: "/home/me/project",
      host: "box",
      actions: ["approve", "reject"],
    });
    const prompt: Prompt = {
      id: `p_${session.id}_${turn}`,
      session: session.id,
      kind: "permission",
      state: "pending",
      created_at: at,
      view,
    };
    session.send({ type: "prompt", prompt });
    session.send({
      type: "prompt",
      prompt: { ...prompt, state: "answered", answer: { by: "desk", decision: "approve", at } },
    });
  }
  return told;
}

/** Text with the words of a real program: pieces of our own source, drawn by a fixed seed. */
function openWriter(): (chars: number) => string {
  const root = resolve(import.meta.dir, "../src");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  const source = files.map((file) => readFileSync(join(root, file), "utf8")).join("\n");
  const random = randomFrom(1);
  return (chars) => {
    const from = random.int(0, source.length - chars);
    return source.slice(from, from + chars).toWellFormed();
  };
}

/** What a database's content takes, also what is still in its write-ahead log, in MB. */
function usedMb(dir: string): number {
  const db = new Database(databaseFile(dir), { readonly: true });
  const pragma = (name: string) =>
    db.query<Record<string, number>, []>(`PRAGMA ${name}`).get()?.[name] ?? 0;
  const bytes = (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
  db.close();
  return bytes / 1e6;
}
