import { Database } from "bun:sqlite";
import { join } from "node:path";
import * as v from "valibot";
import { sha256hex } from "../../src/auth.ts";
import { databaseFile } from "../../src/db.ts";
import {
  Answer,
  ApproveRequest,
  type Entry,
  InputRequest,
  parseJson,
  RejectRequest,
  View,
} from "../../src/types.ts";
import type { World } from "./world.ts";

/** How high the page draws a row. */
const ROW_EM = 1.2;

const short = (value: unknown) => JSON.stringify(value)?.slice(0, 300);
function compare(what: string, got: unknown, wanted: unknown): string[] {
  return JSON.stringify(got) === JSON.stringify(wanted)
    ? []
    : [`${what}: ${short(got)} instead of ${short(wanted)}`];
}
const textOf = (entry: Entry) =>
  entry.kind === "user" || entry.kind === "assistant" ? entry.text : "";

/** In what the viewers still differ from the program: to be empty once everything has healed. */
export function differences({
  house,
  program,
  page,
  follow,
  screen,
  fares,
  requests,
}: World): string[] {
  const whole = program.truth.whole();
  const rows = Object.values(whole.lines);
  const { x, y, visible } = whole.cursor;
  const { frame } = screen;
  const waiting = program.questions.filter(({ told }) => told === undefined).map(({ n }) => n);
  const asks = (view: string) => {
    const input = parseJson(View, view)?.input ?? {};
    return Number(/\d+/.exec(JSON.stringify(input))?.[0]);
  };
  const history = page.history();
  const numbers = history.map(({ line }) => line);
  const { log } = program;
  const first = numbers[0] ?? log.next;
  return [
    ...compare("dead connections of the runner", house.wire.dead("runner"), 0),
    ...compare("the session, to the page", page.status(), "running"),
    ...compare("requests on their way", requests.all.filter(({ over }) => !over).length, 0),
    ...[page.typing(), fares.typing].filter((words) => words.startsWith("Not sent yet")),
    ...compare("the page's screen", page.rows(), rows.map(page.drawn)),
    ...compare("the page's cursor", page.cursor(), visible ? `${x}ch ${y * ROW_EM}em` : "hidden"),
    ...compare("attach's screen", screen.payloads, rows),
    ...compare(
      "attach's cursor, size and title",
      frame && [frame.cursor, frame.cols, frame.rows, frame.title, frame.full],
      [whole.cursor, whole.cols, whole.rows, whole.title, whole.full],
    ),
    ...compare(
      "the page's lines above the screen",
      numbers,
      Array.from({ length: log.next - first }, (_, i) => first + i),
    ),
    ...compare(
      "what is in those lines",
      history.map(({ text }) => text),
      numbers.map((line) => page.drawn(log.lines.get(line) ?? "")),
    ),
    ...compare(
      "the questions on the page",
      page
        .prompts()
        .map((prompt) => asks(prompt.view))
        .sort(),
      [...waiting].sort(),
    ),
    ...compare("its cards", page.cards(), waiting.length),
    ...compare(
      "the questions in attach",
      follow
        .open()
        .map((prompt) => asks(prompt.view))
        .sort(),
      [...waiting].sort(),
    ),
  ];
}

/** The conversation as the page shows it, with the tab open. */
export function conversation({ program, page }: World): string[] {
  const wanted = program.entries.flatMap((entry, n) =>
    textOf(entry) === ""
      ? []
      : [{ n, text: `${entry.kind === "user" ? "You:" : ""}${textOf(entry)}` }],
  );
  const got = page
    .said()
    .filter(({ n }) => textOf(program.entries[n] ?? { kind: "note", at: 0, text: "" }) !== "");
  return compare("the conversation on the page", got, wanted);
}

const database = ({ house }: World) =>
  new Database(databaseFile(join(house.dir, "data")), { readonly: true });

/** Whether the server has the runner on a connection: what the page says of it may be old. */
export function standing(world: World): string[] {
  const db = database(world);
  const row = db
    .query<{ status: string }, [string]>("SELECT status FROM sessions WHERE id = ?")
    .get(world.session.id);
  db.close();
  return compare("the session, to the server", row?.status, "running");
}

/** What the server has stored, against what the program wrote. */
export function stored(world: World): string[] {
  const { program, session } = world;
  const db = database(world);
  try {
    const { log, entries } = program;
    const lines = db
      .query<{ line: number; row: string }, [string, number, number]>(
        "SELECT number AS line, line AS row FROM output_log WHERE session_id = ? AND generation = ? AND number < ? ORDER BY number",
      )
      .all(session.id, log.generation, log.next);
    const said = db
      .query<{ n: number; entry: string }, [string]>(
        "SELECT n, entry FROM transcript WHERE session_id = ? ORDER BY n",
      )
      .all(session.id);
    const timeless = (entry: object) => ({ ...entry, at: 0 });
    return [
      ...compare(
        "the stored history",
        lines,
        Array.from({ length: log.next }, (_, line) => ({ line, row: log.lines.get(line) })),
      ),
      ...compare(
        "the stored conversation",
        said.map(({ n, entry }) => ({ n, entry: timeless(JSON.parse(entry)) })),
        entries.map((entry, n) => ({ n, entry: timeless(entry) })),
      ),
    ];
  } finally {
    db.close();
  }
}

/** Each input that left a viewer came to the program once at most, in its stream's order, and those that were said to have come did. */
export function typed(
  { program, requests, fares }: World,
  drafts: readonly string[],
  attached: readonly string[],
): string[] {
  const wrong: string[] = [];
  const arrived = new Map<string, number>();
  for (const [i, token] of program.typed.entries()) {
    if (arrived.has(token)) wrong.push(`${token} was typed twice`);
    arrived.set(token, i);
  }
  const streams = new Map<string, Map<number, string>>();
  for (const { target, body, status, answer } of requests.all) {
    const input = target.endsWith("/input") ? parseJson(InputRequest, body) : undefined;
    if (input === undefined) continue;
    const inputs = streams.get(input.stream) ?? new Map<number, string>();
    const before = inputs.get(input.seq);
    if (before !== undefined && before !== input.text)
      wrong.push(`number ${input.seq} of a stream stood for two inputs`);
    inputs.set(input.seq, input.text ?? "");
    streams.set(input.stream, inputs);
    const applied = parseJson(v.object({ applied: v.number() }), answer)?.applied ?? -1;
    if (status === 200 && applied < input.seq)
      wrong.push(`${input.text} was answered with ${answer}`);
    if (status === 200)
      for (const token of (input.text ?? "").match(/<\w+>/g) ?? [])
        if (!arrived.has(token)) wrong.push(`${token} was said to be typed, and was not`);
  }
  for (const inputs of streams.values()) {
    const inOrder = [...inputs]
      .sort(([a], [b]) => a - b)
      .flatMap(([, text]) => text.match(/<\w+>/g) ?? []);
    const places = inOrder
      .map((token) => arrived.get(token))
      .filter((place) => place !== undefined);
    if (places.some((place, i) => i > 0 && place < (places[i - 1] ?? 0)))
      wrong.push(`out of order: ${short(inOrder)} came as ${short(program.typed)}`);
  }
  // what was taken is with the program, or was given back to whoever typed it
  const kept = drafts.join(" ");
  const sent = requests.all.flatMap(({ by, body }) =>
    by === "page" ? (body.match(/<page\d+>/g) ?? []) : [],
  );
  for (const token of new Set(sent))
    if (!arrived.has(token) && !kept.includes(token)) wrong.push(`${token} is lost`);
  if (!fares.dropped)
    for (const token of attached)
      if (!arrived.has(token)) wrong.push(`${token} is lost, and nobody was told`);
  return wrong;
}

const Refusal = v.object({ error: v.object({ code: v.string() }), answer: v.optional(Answer) });

/** What phones were told of their taps agrees with what the program was told, and nothing stale answered anything. */
export function answered(world: World): string[] {
  const { house, program, requests, heard, session } = world;
  const wrong: string[] = [];
  const db = database(world);
  const rows = db
    .query<{ id: string; state: string; view: string; response: string | null }, [string]>(
      "SELECT id, state, prompt_text AS view, response FROM prompts WHERE session_id = ?",
    )
    .all(session.id);
  db.close();
  const asked = new Set<number>();
  for (const { id, state, view, response } of rows) {
    const n = Number(/\d+/.exec(JSON.stringify(parseJson(View, view)?.input))?.[0]);
    if (asked.has(n)) wrong.push(`question ${n} was asked twice`);
    asked.add(n);
    const told = program.questions[n]?.told;
    const answer = response === null ? undefined : parseJson(Answer, response);
    const got = typeof told === "object" ? told : undefined;
    if (state === "pending" || state === "sending")
      wrong.push(`question ${n} is still open: ${state}, told ${short(told)}`);
    if (got !== undefined && (answer?.decision !== got.action || answer.by !== "viewer"))
      wrong.push(`question ${n}: the program was told ${short(got)}, and ${response} is on record`);
    if (got === undefined && answer?.by === "viewer" && answer.receipt === "applied")
      wrong.push(`question ${n}: nobody was told ${response}`);
    const device = { page: house.phone.device, attach: house.machine.device };
    let named = false;
    for (const { by, target, body, status, answer: text } of requests.all) {
      if (!target.startsWith(`/api/prompts/${id}/`)) continue;
      const action = target.endsWith("approve") ? "approve" : "reject";
      const approval = action === "approve" ? parseJson(ApproveRequest, body) : undefined;
      const words = approval?.answers?.[0]?.text ?? parseJson(RejectRequest, body)?.message ?? "";
      const fits = action === "reject" || approval?.shown === sha256hex(view);
      const mine =
        answer?.by === "viewer" && answer.device === device[by] && answer.decision === action;
      const code = parseJson(Refusal, text)?.error.code ?? "";
      const tookEffect =
        got !== undefined && words !== "" && new RegExp(`${words}$`).test(got.words);
      if (
        mine &&
        fits &&
        got?.action === action &&
        (words === "" || tookEffect || action === "approve")
      )
        named = true;
      if (tookEffect && !fits) wrong.push(`question ${n}: a stale tap answered it: ${body}`);
      if (
        tookEffect &&
        ["changed", "gone", "refused", "runner_away"].includes(code) &&
        !requests.all.some(
          (other) => other !== undefined && other.body === body && other.answer !== text,
        )
      )
        wrong.push(`question ${n}: ${words} was told ${code}, and answered it`);
      if (status === 200 && got !== undefined && !mine)
        wrong.push(
          `question ${n}: ${by} was told that ${action} was sent, and ${response} is on record`,
        );
      if (status === 200 && got === undefined && !(answer?.by === "viewer" && mine))
        wrong.push(
          `question ${n}: ${by} was told that ${action} was sent: ${short(told)}, ${response}`,
        );
    }
    if (got !== undefined && !named)
      wrong.push(
        `question ${n}: nobody tapped what the program was told: ${short(got)}, ${response}`,
      );
    // who has heard of an answer hears nothing else later; before that it may have to be guessed that it is no longer asked
    const news = heard.filter((told) => told.id === id).map((told) => told.answer ?? told.state);
    const first = news.findIndex((word) => word.includes(" by "));
    if (first >= 0 && new Set(news.slice(first)).size > 1)
      wrong.push(`question ${n} changed after it was answered: ${news.join(", ")}`);
  }
  return wrong;
}
