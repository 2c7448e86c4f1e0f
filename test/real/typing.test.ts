import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
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
  session = (await until("the session is shown", async () => (await server.phone.sessions())[0])).id;
}, 60_000);
afterAll(async () => {
  await claude.quit();
  await server.stop();
});
const type = (input: object) => server.phone.json("POST", `/api/sessions/${session}/input`, { stream: "page", ...input });

test("what is typed on the phone is said to Claude, once, however often it is sent", async () => {
  const said = { seq: 1, text: "long 3", paste: true, enter: true };
  expect(await type(said)).toEqual({ status: 200, body: { applied: 1 } });
  expect(await type(said)).toEqual({ status: 200, body: { applied: 1 } });
  await claude.tty.sees("Line 3 of a long answer.");
  await Bun.sleep(500);
  expect(claude.tty.text().match(/Line 3 of/g)?.length).toBe(1);
}, 30_000);

test("an open question takes no text and no Enter, so that nothing typed can approve it", async () => {
  expect((await type({ seq: 2, text: "run: touch typed.txt", paste: true, enter: true })).status).toBe(200);
  const prompt = await server.phone.prompt();
  await claude.tty.sees("Do you want to proceed?");
  for (const input of [{ text: "hello", enter: true }, { enter: true }, { keys: ["Enter"] }, { text: "1" }, { keys: ["Tab"] }, { keys: ["BTab"] }])
    expect(await type({ seq: 3, ...input })).toMatchObject({ status: 409, body: { error: { code: "asked" }, applied: 2 } });
  await Bun.sleep(500);
  expect(existsSync(join(claude.work, "typed.txt"))).toBe(false);
  expect((await type({ seq: 3, keys: ["Escape"] })).status).toBe(200); // a No, as at the desk
  await until("the question is gone", async () => (await server.phone.prompts()).every(({ id }) => id !== prompt.id));
  expect(existsSync(join(claude.work, "typed.txt"))).toBe(false);
}, 40_000);

test("a shell command needs to be meant", async () => {
  await claude.tty.sees("manual mode on");
  expect(await type({ seq: 4, text: "!touch shell.txt", paste: true, enter: true })).toMatchObject({ status: 409, body: { error: { code: "shell" } } });
  expect((await type({ seq: 4, text: "!touch shell.txt", paste: true, enter: true, shell: true })).status).toBe(200);
  await until("it has run", () => existsSync(join(claude.work, "shell.txt")));
}, 30_000);

test("bounds and forms are kept, and nobody types into what is over or unknown", async () => {
  for (const bad of [{}, { seq: -1, text: "x" }, { seq: 5, text: "two\nlines" }, { seq: 5, keys: ["F99"] }, { seq: 5, text: "x".repeat(50_000) }])
    expect((await type(bad)).status).toBe(400);
  expect((await server.phone.json("POST", "/api/sessions/s_none/input", { stream: "x", seq: 1, text: "x" })).status).toBe(404);
  expect((await type({ seq: 9, text: "x" })).body).toMatchObject({ error: { code: "order" }, applied: 4 });
});
