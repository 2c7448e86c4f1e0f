import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Prompt, parseJson, ScreenQuestion, View } from "../src/types.ts";
import { SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { openTty, type Tty } from "./support/tty.ts";
import { until } from "./support/until.ts";

let server: HomeServer;
let tty: Tty | undefined;
beforeAll(async () => {
  server = await startHomeServer();
}, 60_000);
afterEach(async () => {
  tty?.pty.kill("SIGTERM");
  await tty?.exited;
});
afterAll(() => server.stop());

const start = (...argv: [string, ...string[]]) => {
  tty = openTty([...SELF, "run", "--command", argv[0], "--", ...argv.slice(1)], {
    env: server.home.env,
    cwd: server.home.dir,
  });
  return tty;
};
const menu = (...args: string[]) =>
  start(process.execPath, join(import.meta.dir, "support/menu.ts"), ...args);
const shell = (script: string) => start("sh", "-c", script);

const labels = (prompt: Prompt) =>
  parseJson(ScreenQuestion, JSON.stringify(parseJson(View, prompt.view)?.input))?.options.map(
    ({ label }) => label,
  );
const choose = (prompt: Prompt, option: number) =>
  server.phone.approve(prompt, [{ options: [option] }]);
const reject = (prompt: Prompt, body: object) =>
  server.phone.json("POST", `/api/prompts/${prompt.id}/reject`, body);
let streams = 0;
const type = (prompt: Prompt, typed: object) =>
  server.phone.json("POST", `/api/sessions/${prompt.session}/input`, {
    stream: `i_${++streams}`,
    seq: 1,
    ...typed,
  });
const receipt = (prompt: Prompt) =>
  until("it is confirmed", async () => {
    const { body } = await choose(prompt, 0);
    return JSON.stringify(body).includes('"sent"') ? undefined : body;
  });

describe("a list that a program shows", () => {
  test("is a question on the phone, and what is chosen there is chosen with keys", async () => {
    const { sees } = menu("honest", "one", "two", "three");
    const prompt = await server.phone.prompt();
    expect(prompt.kind).toBe("screen");
    expect(labels(prompt)).toEqual(["one", "two", "three"]);
    expect(parseJson(View, prompt.view)?.actions).toEqual(["approve"]); // Escape means nothing here
    expect((await reject(prompt, {})).status).toBe(409);
    expect((await choose(prompt, 3)).status).toBe(409);
    expect((await choose(prompt, 2)).body).toEqual({ state: "sent" });
    await sees("chose three");
    expect(await receipt(prompt)).toEqual({ state: "applied" });
  }, 30_000);

  test("takes no other keys meanwhile, but for those that only look around", async () => {
    const { sees, text } = menu("honest", "one", "two");
    const prompt = await server.phone.prompt();
    for (const typed of [
      { text: "x" },
      { enter: true },
      { keys: ["Enter"] },
      { keys: ["Down", "Tab"] },
    ])
      expect(await type(prompt, typed)).toMatchObject({
        status: 409,
        body: { error: { code: "asked" } },
      });
    expect((await type(prompt, { keys: ["Down"] })).status).toBe(200);
    await sees("❯ two");
    expect((await server.phone.prompts()).map(({ id }) => id)).toEqual([prompt.id]); // the same question, wherever its cursor
    expect((await choose(prompt, 0)).status).toBe(200);
    await sees("chose one");
    expect(text()).not.toContain("x");
  }, 30_000);

  test("that turns into another question on the way is not answered", async () => {
    const { sees, text } = menu("swaps", "keep", "delete");
    const prompt = await server.phone.prompt();
    expect(await choose(prompt, 1)).toMatchObject({
      status: 409,
      body: { error: { code: "changed" } },
    });
    await sees("Delete it?");
    const next = await server.phone.prompt();
    expect(text()).not.toContain("chose");
    expect((await server.phone.prompts()).map(({ id }) => id)).toEqual([next.id]);
    expect((await choose(prompt, 1)).status).toBe(410);
  }, 30_000);

  test("whose cursor does not go where it should is left alone", async () => {
    const { text } = menu("stubborn", "keep", "delete");
    const prompt = await server.phone.prompt();
    expect(await choose(prompt, 1)).toMatchObject({
      status: 409,
      body: { error: { code: "refused" } },
    });
    expect(text()).toContain("❯ keep");
    expect((await choose(prompt, 0)).status).toBe(200);
  }, 30_000);

  test("two answers at once: the first is taken, the second is told so", async () => {
    const { sees } = menu("honest", "one", "two", "three");
    const prompt = await server.phone.prompt();
    const [first, second] = await Promise.all([
      choose(prompt, 2),
      Bun.sleep(30).then(() => reject(prompt, { dismiss: true })),
    ]);
    expect([first.status, second.status]).toEqual([200, 409]);
    await sees("chose three");
  }, 30_000);

  test("is not answered while another key is on its way, whoever pressed it", async () => {
    for (const press of [
      (prompt: Prompt) => type(prompt, { keys: ["Down"] }),
      async () => tty?.type("\x1b[B"),
    ]) {
      const { sees } = menu("slow", "one", "two", "three");
      const prompt = await server.phone.prompt();
      await press(prompt);
      expect((await choose(prompt, 0)).status).toBe(200);
      await sees("chose one");
    }
  }, 30_000);

  test("changes or goes when the desk acts, and then nobody is asked", async () => {
    const desk = menu("honest", "one", "two");
    const prompt = await server.phone.prompt();
    desk.type("q");
    const other = await server.phone.prompt();
    expect((await server.phone.prompts()).map(({ id }) => id)).toEqual([other.id]);
    desk.type("\r");
    await until("it is withdrawn", async () => (await server.phone.prompts()).length === 0);
    expect((await choose(prompt, 0)).status).toBe(410);
  }, 30_000);

  test("that is no question is sent away, and the keys are free", async () => {
    const { sees } = menu("honest", "one", "two");
    const prompt = await server.phone.prompt();
    expect((await reject(prompt, { dismiss: true })).status).toBe(200);
    expect(await server.phone.prompts()).toEqual([]);
    await Bun.sleep(800);
    expect(await server.phone.prompts()).toEqual([]); // it does not come back while it stands there
    expect((await type(prompt, { enter: true })).status).toBe(200);
    await sees("chose one");
  }, 30_000);
});

describe("yes or no", () => {
  test("is typed as a word with Enter, where the program waits for a line", async () => {
    const { sees } = shell(
      'printf "Proceed? [y/N] "; read answer; echo "said <$answer>"; read wait',
    );
    const prompt = await server.phone.prompt();
    expect(labels(prompt)).toEqual(["y", "n"]);
    expect((await choose(prompt, 0)).body).toEqual({ state: "sent" });
    await sees("said <y>");
    expect(await receipt(prompt)).toEqual({ state: "applied" });
  }, 30_000);

  test("that takes a letter at once gets no Enter, which would answer what comes next", async () => {
    const { sees, text } = start(
      "bash",
      "-c",
      'read -n1 -p "Proceed? [y/N] " a; echo; echo "said <$a>"; read -p "Wipe the disk? " b; echo "next <$b>"',
    );
    const prompt = await server.phone.prompt();
    expect((await choose(prompt, 0)).status).toBe(200);
    await sees("said <y>");
    await Bun.sleep(500);
    expect(text()).not.toContain("next");
  }, 30_000);

  test("that shows nothing of what is typed is left as it was: the word does not wait there for the desk's next Enter", async () => {
    const { sees, type } = shell(
      'stty -echo; printf "Wipe it? [y/N] "; read answer; echo "said <$answer>"; read wait',
    );
    const prompt = await server.phone.prompt();
    expect(await choose(prompt, 0)).toMatchObject({
      status: 409,
      body: { error: { code: "refused" } },
    });
    type("\r");
    await sees("said <>");
  }, 30_000);
});
