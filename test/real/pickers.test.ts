import { afterAll, beforeAll, expect, test } from "bun:test";
import { parseJson, ScreenQuestion, View } from "../../src/types.ts";
import { type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { until } from "../support/until.ts";

const TALKS = ["the oldest talk", "1st of all: a list", "the newest talk"];

let server: HomeServer;
let claude: RealClaude;
let session: string;
beforeAll(async () => {
  server = await startHomeServer();
  claude = await startRealClaude(server);
  for (const talk of TALKS) {
    await claude.say(talk);
    await claude.tty.sees(new RegExp(`❯\\s${talk}[^]*✻`));
    await clear();
  }
  session = (await until("the session is shown", async () => (await server.phone.sessions())[0]))
    .id;
}, 90_000);
afterAll(async () => {
  await claude.quit();
  await server.stop();
});

async function clear() {
  await claude.say("/clear");
  await claude.tty.sees(/❯\s\/clear\s*\n[^●✻]*\n❯\s*\n─/);
}

async function picker() {
  await claude.say("/resume");
  await claude.tty.sees("Resume session");
  const prompt = await server.phone.prompt();
  const asked = parseJson(
    ScreenQuestion,
    JSON.stringify(parseJson(View, prompt.view)?.input ?? null),
  );
  return { prompt, labels: asked?.options.map(({ label }) => label) ?? [] };
}

test("a conversation is one option, with what is said of it, however the cursor stands", async () => {
  const { prompt, labels } = await picker();
  expect(labels.map((label) => label.replace(/ (?:now|\d+ \w+ ago) .*$/, ""))).toEqual(
    TALKS.toReversed(),
  );
  for (const label of labels) expect(label).toMatch(/(?:ago|now) · .*KB$/);
  claude.tty.type("\x1b[B");
  await claude.tty.sees(/❯\s1st of all/);
  await Bun.sleep(1000);
  expect((await server.phone.prompts()).map(({ id }) => id)).toEqual([prompt.id]);
  expect((await server.phone.approve(prompt, [{ options: [2] }])).status).toBe(200);
  await claude.tty.sees(new RegExp(`❯\\s${TALKS[0]}[^]*●`));
  await until("nothing is asked", async () => (await server.phone.prompts()).length === 0);
}, 60_000);

test("said to be no question, it does not come back with each arrow key, and keys go to it", async () => {
  await clear();
  const { prompt } = await picker();
  const dismissed = await server.phone.json("POST", `/api/prompts/${prompt.id}/reject`, {
    dismiss: true,
  });
  expect(dismissed.status).toBe(200);
  for (const [seq, keys] of [["Down"], ["Down"], ["Up"], ["Up"], ["Up"]].entries())
    await until("the key went through", async () => {
      const typed = await server.phone.json("POST", `/api/sessions/${session}/input`, {
        stream: "arrows",
        seq: seq + 1,
        keys,
      });
      await Bun.sleep(700); // longer than a question has to stand still
      return typed.status === 200;
    });
  expect(await server.phone.prompts()).toEqual([]);
  // the first Escape may only leave the field for a search
  await until("the picker is gone", async () => {
    if (!/Resume session/.test(claude.tty.text())) return true;
    claude.tty.type("\x1b");
    await Bun.sleep(700);
    return false;
  });
  const again = await picker();
  expect(again.prompt.id).not.toBe(prompt.id);
}, 60_000);
