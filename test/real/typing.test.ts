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
  session = (await until("the session is shown", async () => (await server.phone.sessions())[0]))
    .id;
}, 60_000);
afterAll(async () => {
  await claude.quit();
  await server.stop();
});
const type = (input: object) =>
  server.phone.json("POST", `/api/sessions/${session}/input`, { stream: "page", ...input });

test("what is typed on the phone is said to Claude, once, however often it is sent", async () => {
  const said = { seq: 1, text: "long 3", paste: true, enter: true };
  expect(await type(said)).toEqual({ status: 200, body: { applied: 1 } });
  expect(await type(said)).toEqual({ status: 200, body: { applied: 1 } });
  await claude.tty.sees("Line 3 of a long answer.");
  await Bun.sleep(500);
  expect(claude.tty.text().match(/Line 3 of/g)?.length).toBe(1);
}, 30_000);

test("an open question takes no text and no Enter, so that nothing typed can approve it", async () => {
  expect(
    (await type({ seq: 2, text: "run: touch typed.txt", paste: true, enter: true })).status,
  ).toBe(200);
  const prompt = await server.phone.prompt();
  await claude.tty.sees("Do you want to proceed?");
  for (const input of [
    { text: "hello", enter: true },
    { enter: true },
    { keys: ["Enter"] },
    { text: "1" },
    { keys: ["Tab"] },
    { keys: ["BTab"] },
  ])
    expect(await type({ seq: 3, ...input })).toMatchObject({
      status: 409,
      body: { error: { code: "asked" }, applied: 2 },
    });
  await Bun.sleep(500);
  expect(existsSync(join(claude.work, "typed.txt"))).toBe(false);
  expect((await type({ seq: 3, keys: ["Escape"] })).status).toBe(200); // a No, as at the desk
  await until("the question is gone", async () =>
    (await server.phone.prompts()).every(({ id }) => id !== prompt.id),
  );
  expect(existsSync(join(claude.work, "typed.txt"))).toBe(false);
}, 40_000);

test("a shell command needs to be meant", async () => {
  await claude.tty.sees("manual mode on");
  const refused = await until("the question is over for the runner, too", async () => {
    const answer = await type({ seq: 4, text: "!touch shell.txt", paste: true, enter: true });
    return !JSON.stringify(answer).includes('"asked"') && answer;
  });
  expect(refused).toMatchObject({ status: 409, body: { error: { code: "shell" } } });
  expect(
    (await type({ seq: 4, text: "!touch shell.txt", paste: true, enter: true, shell: true }))
      .status,
  ).toBe(200);
  await until("it has run", () => existsSync(join(claude.work, "shell.txt")));
}, 30_000);

test("a phone takes the terminal's size over, Claude draws for it, and the first key at the desk brings the desk's size back", async () => {
  const size = async () => {
    const { body } = await server.phone.json("GET", `/api/sessions/${session}`);
    return (body as { screen: { cols: number; rows: number } }).screen;
  };
  expect(await size()).toMatchObject({ cols: 100, rows: 30 });
  expect(
    (await server.phone.json("POST", `/api/sessions/${session}/resize`, { cols: 45, rows: 40 }))
      .status,
  ).toBe(200);
  await until("it is drawn for the phone", async () => (await size()).cols === 45);
  claude.tty.type("\x1b[<35;10;5M"); // the mouse only passes over the desk
  await Bun.sleep(300);
  expect((await size()).cols).toBe(45);
  claude.tty.type("x");
  await until("the desk has its size", async () => (await size()).cols === 100);
  await claude.tty.sees(/❯\sx/);
  claude.tty.type("\x7f");
  await until("what was typed at the desk is gone", () => !/❯\sx/.test(claude.tty.text()));
  for (const bad of [{}, { cols: 0, rows: 5 }, { cols: 45 }, { cols: 5000, rows: 5 }])
    expect((await server.phone.json("POST", `/api/sessions/${session}/resize`, bad)).status).toBe(
      400,
    );
}, 30_000);

let seq = 6;
test("the wheel scrolls inside Claude's own full screen", async () => {
  expect((await type({ seq: 5, text: "long 60", paste: true, enter: true })).status).toBe(200);
  await claude.tty.sees("Line 60 of a long answer.");
  expect(claude.tty.text()).not.toContain("Line 20 of a long answer.");
  // as a finger does it: Claude takes a whole burst in the other direction for a bounce, and now and then a single turn
  const turn = async (key: string, until: string) => {
    for (let i = 0; i < 60 && !claude.tty.text().includes(until); i++) {
      expect((await type({ seq: seq++, keys: [key, key] })).status).toBe(200);
      await Bun.sleep(50);
    }
    await claude.tty.sees(until);
  };
  await turn("WheelUp", "Line 20 of a long answer.");
  await turn("WheelDown", "Line 60 of a long answer.");
}, 40_000);

test("bounds and forms are kept, and nobody types into what is over or unknown", async () => {
  for (const bad of [
    {},
    { seq: -1, text: "x" },
    { seq: 5, text: "two\nlines" },
    { seq: 5, keys: ["F99"] },
    { seq: 5, text: "x".repeat(50_000) },
  ])
    expect((await type(bad)).status).toBe(400);
  expect(
    (
      await server.phone.json("POST", "/api/sessions/s_none/input", {
        stream: "x",
        seq: 1,
        text: "x",
      })
    ).status,
  ).toBe(404);
  expect((await type({ seq: 99, text: "x" })).body).toMatchObject({
    error: { code: "order" },
    applied: seq - 1,
  });
});

test("a session is ended from the phone, and says how it ended", async () => {
  expect(
    (await server.phone.json("POST", `/api/sessions/${session}/stop`, { signal: "SIGSTOP" }))
      .status,
  ).toBe(400);
  expect((await server.phone.json("POST", `/api/sessions/${session}/stop`, {})).status).toBe(200);
  expect(await claude.tty.exited).toMatchObject({ code: 143 });
  const ended = await until("the exit is known", async () =>
    (await server.phone.sessions()).find(({ status }) => status === "ended"),
  );
  expect(ended.exit?.code).toBe(143);
  expect((await server.phone.json("POST", `/api/sessions/${session}/stop`, {})).status).toBe(410);
}, 30_000);
