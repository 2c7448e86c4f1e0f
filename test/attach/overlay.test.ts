import { expect, test } from "bun:test";
import * as v from "valibot";
import type { Client } from "../../src/attach/client.ts";
import { openQuestion } from "../../src/attach/overlay.ts";
import { Prompt } from "../../src/types.ts";

/** A command that waits for an answer, read to its end by somebody who has paused. */
async function open() {
  const sent: string[] = [];
  const client: Client = {
    device: "d",
    send: () => Promise.reject(new Error("not used")),
    call: (_schema, _method, target) => {
      sent.push(target);
      return new Promise(() => undefined);
    },
  };
  const view = JSON.stringify({
    tool: "Bash",
    input: { command: "rm -rf build" },
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
  question.draw(80, 24);
  await Bun.sleep(450);
  return { sent, type: (text: string) => question.typed({ kind: "text", text }) };
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
