import { expect, test } from "bun:test";
import * as v from "valibot";
import type { Client } from "../../src/attach/client.ts";
import { openQuestion } from "../../src/attach/overlay.ts";
import { sha256hex } from "../../src/auth.ts";
import { Prompt } from "../../src/types.ts";

/** A command that waits for an answer, on a terminal of some size, before somebody who has paused. */
async function open(command = "rm -rf build", cols = 80, rows = 24) {
  const sent: string[] = [];
  const signed: unknown[] = [];
  const client: Client = {
    device: "d",
    send: () => Promise.reject(new Error("not used")),
    call: (_schema, _method, target, body) => {
      sent.push(target);
      signed.push(body);
      return new Promise(() => undefined);
    },
  };
  const view = JSON.stringify({
    tool: "Bash",
    input: { command },
    cwd: "/w",
    host: "h",
    actions: ["approve", "reject"],
  });
  const prompt = v.parse(Prompt, {
    id: "p_1",
    session: "s_1",
    kind: "permission",
    view,
    state: "pending",
    created_at: 1,
  });
  const question = openQuestion(client, prompt, {
    live: () => true,
    say: () => undefined,
    close: () => undefined,
  });
  question.draw(cols, rows);
  await Bun.sleep(450);
  return {
    sent,
    signed,
    view,
    prompt: question.prompt,
    type: (text: string) => question.typed({ kind: "text", text }),
    press: (key: string) => question.typed({ kind: "key", key }),
    lines: (cols: number, rows: number) => question.draw(cols, rows).lines.join("\n"),
  };
}

test("y approves once somebody has had time to read", async () => {
  const { sent, type } = await open();
  type("y");
  expect(sent).toEqual(["/api/prompts/p_1/approve"]);
});

test("a word that somebody goes on with is no answer, though it has the letter of one", async () => {
  const { sent, type } = await open();
  for (const char of "try") type(char);
  type("anyway");
  expect(sent).toEqual([]);
});

test("what comes with an answer is no second one", async () => {
  const { sent, type } = await open();
  type("yydy");
  expect(sent).toEqual(["/api/prompts/p_1/approve"]);
});

const LONG = [...Array.from({ length: 40 }, (_, i) => `echo ${i}`), "rm -rf /"].join("\n");

test("y approves nothing before the end was in sight, however it is turned to", async () => {
  for (const way of [["End"], ["PageDown", "PageDown", "PageDown", "PageDown"]]) {
    const { sent, signed, view, prompt, type, press, lines } = await open(LONG, 60, 16);
    type("y");
    expect(sent).toEqual([]);
    expect(lines(60, 16)).toContain("read it to its end first");
    expect(lines(60, 16)).not.toContain("rm -rf /");
    for (const key of way) {
      press(key);
      lines(60, 16);
    }
    expect(lines(60, 16)).toContain("rm -rf /");
    type("y");
    expect(sent).toEqual(["/api/prompts/p_1/approve"]);
    expect(signed).toEqual([{ shown: sha256hex(view) }]); // of what was drawn
    expect(prompt).toEqual({ id: "p_1", view });
  }
});

test("a terminal that gets narrower, or too small to read, brings no end into sight", async () => {
  const { sent, type, lines } = await open(`echo ${"x".repeat(600)}; rm -rf /`, 80, 9);
  expect(lines(40, 9)).not.toContain("rm -rf /");
  lines(12, 3); // nothing can be read on that
  type("y");
  expect(sent).toEqual([]);
  expect(lines(80, 30)).toContain("rm -rf /");
  type("y");
  expect(sent).toEqual(["/api/prompts/p_1/approve"]);
});

test("every blank that is no space stands as its code point", async () => {
  const { lines } = await open("rm\u2800-rf\u3164/\u034f\u{e0041}");
  expect(lines(80, 24)).toContain("rm\x1b[7mU+2800\x1b[27m-rf\x1b[7mU+3164\x1b[27m/");
  expect(lines(80, 24)).toContain("\x1b[7mU+034F\x1b[27m\x1b[7mU+E0041\x1b[27m");
});
