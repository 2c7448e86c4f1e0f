import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type FreshHome, freshHome } from "./support/embedded.ts";
import { SELF } from "./support/home.ts";
import { type Phone, pairDevice } from "./support/phone.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

const LINK = /http:\/\/127\.0\.0\.1:\d+\/#pair=[\w-]{22}/;

let home: FreshHome;
beforeAll(() => {
  home = freshHome();
});
afterAll(() => home.remove());

/** Taps through what the demo asks, as a newcomer would; resolves once the turn has finished. */
async function tapThrough(phone: Phone): Promise<void> {
  const permission = await phone.prompt();
  expect(permission.kind).toBe("permission");
  expect(permission.view).toContain("bun test checkout");
  const events = await phone.events();
  await events.next("hello");
  expect((await phone.approve(permission)).body).toEqual({ state: "sent" });
  await events.next(
    "prompt_response",
    (data) => data.id === permission.id && data.answer?.receipt === "applied",
  );
  const question = await phone.prompt();
  expect(question.kind).toBe("question");
  expect((await phone.approve(question, [{ options: [0] }])).body).toEqual({ state: "sent" });
  events.close();
}
const screenText = async (phone: Phone, session: string) =>
  JSON.stringify(
    ((await phone.json("GET", `/api/sessions/${session}`)).body as { screen: { lines: object } })
      .screen.lines,
  );

describe("the demo at a terminal", () => {
  test("shows the link and how a phone gets there, starts once somebody has paired, and is answered from there", async () => {
    const tty = openTty([...SELF, "demo"], { env: home.env, cwd: home.dir, rows: 60, cols: 100 });
    await tty.sees("Enter starts");
    expect(tty.text()).toContain("can't reach this server");
    expect(tty.text()).not.toMatch(/[█▀▄]{10}/); // a QR code that leads nowhere
    const phone = await pairDevice(LINK.exec(Buffer.from(tty.bytes()).toString())?.[0] ?? "");
    await tty.sees("no AI; nothing is run"); // pairing starts it as well
    await tapThrough(phone);
    await tty.sees("Done: wait for the event");
    expect(tty.text()).toContain("Allowed by PermissionRequest hook");
    tty.type("\x03");
    expect(await tty.exited).toEqual({ code: 0 });
    expect(home.seat()).toBeDefined(); // the dashboard stays
    await until("the exit is known", async () =>
      (await phone.sessions()).every(({ status }) => status === "ended"),
    );
  }, 40_000);

  test("shows a QR code where a phone can follow it, Enter starts it, Ctrl-D leaves", async () => {
    const other = freshHome();
    const env = { ...other.env, CLAUDE_REMOTE_PUBLIC_URL: "https://home.example" };
    const tty = openTty([...SELF, "demo"], { env, cwd: other.dir });
    await tty.sees("Enter starts", 20_000);
    await tty.sees(/[█▀▄]{10}/);
    tty.type("\r");
    await tty.sees("❯ 1. Yes");
    tty.type("\x03");
    expect(await tty.exited).toEqual({ code: 0 });
    const left = openTty([...SELF, "demo"], {
      env: { ...env, CLAUDE_REMOTE_PORT: undefined },
      cwd: other.dir,
    });
    await left.sees("Enter starts", 20_000);
    left.type("\x04");
    expect(await left.exited).toMatchObject({ code: 130 });
    other.remove();
  }, 40_000);

  test("somebody is paired already: it starts at once, and can be answered at the desk", async () => {
    const tty = openTty([...SELF, "demo"], { env: home.env, cwd: home.dir });
    await tty.sees("❯ 1. Yes");
    tty.type("\x1b[B");
    await tty.sees("❯ 2. No");
    tty.type("\r");
    await tty.sees("Nothing was changed");
    const machine = home.machine();
    await until("the phone knows who answered", async () => {
      const session = (await machine.sessions()).find(({ status }) => status === "running");
      return session !== undefined && session.pending === 0;
    });
    tty.type("\x03");
    await tty.exited;
  }, 40_000);
});

describe("without a terminal", () => {
  test("the demo prints the link, plays on a screen that only phones see, ends on SIGTERM, and leaves nothing behind", async () => {
    await home.cli("server", "stop");
    const log = join(home.dir, "demo.log");
    const child = Bun.spawn([...SELF, "demo"], {
      env: home.env,
      cwd: home.dir,
      stdin: "ignore",
      stdout: Bun.file(log),
      stderr: Bun.file(log),
    });
    const link = await until(
      "it prints the link",
      () => existsSync(log) && LINK.exec(readFileSync(log, "utf8"))?.[0],
      20_000,
    );
    const phone = await pairDevice(link);
    await tapThrough(phone);
    const session = (await phone.sessions()).find(({ status }) => status === "running");
    expect(session).toMatchObject({ command: expect.stringContaining("demo"), hooks: "on" });
    await until("it has finished", async () =>
      (await screenText(phone, session?.id ?? "")).includes("Done: wait for the event"),
    );
    child.kill("SIGTERM");
    expect(await child.exited).toBe(143);
    expect(home.seat()).toBeUndefined();
    expect(readFileSync(log, "utf8").match(/#pair=/g)?.length).toBe(1); // no secret twice
  }, 40_000);
});

describe("the README's first command, in a copy of this repository with nothing set up", () => {
  const root = resolve(import.meta.dir, "..");
  const copy = () => join(home.dir, "copy");
  const [first] =
    readFileSync(join(root, "README.md"), "utf8").match(/npx -y bun@\S+ run start/) ?? [];
  afterEach(() => home.cli("server", "stop").then(() => undefined));

  beforeAll(() => {
    const files = Bun.spawnSync(["git", "ls-files", "-co", "--exclude-standard"], { cwd: root })
      .stdout.toString()
      .trim()
      .split("\n");
    for (const file of files.filter((name) => existsSync(join(root, name)))) {
      mkdirSync(dirname(join(copy(), file)), { recursive: true });
      cpSync(join(root, file), join(copy(), file));
    }
  });

  test("installs, starts the server, prints the link and runs the demo, as there is no claude here", async () => {
    const log = join(home.dir, "start.log");
    const env = { ...home.env, npm_config_cache: process.env.npm_config_cache };
    const child = Bun.spawn((first ?? "").split(" "), {
      env,
      cwd: copy(),
      stdin: "ignore",
      stdout: Bun.file(log),
      stderr: Bun.file(log),
    });
    const text = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
    const link = await until("it prints the link", () => LINK.exec(text())?.[0], 120_000).catch(
      (error: Error) => {
        throw new Error(`${error.message}; it says:\n${text()}`);
      },
    );
    expect(text()).toContain("Claude Code is not installed here, so a scripted demo stands in");
    await tapThrough(await pairDevice(link));
    child.kill("SIGTERM"); // npx alone, as a supervisor would
    await child.exited;
    await until("all of it has gone", () => home.seat() === undefined, 20_000);
    expect(existsSync(join(copy(), "node_modules/typescript"))).toBe(false); // what only development needs is left out
  }, 180_000);

  test("with claude and a terminal it wraps that claude, not one of this project's own tools", async () => {
    const bin = join(home.dir, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "claude"), '#!/bin/sh\necho "the real one: $#"; sleep 1\n');
    chmodSync(join(bin, "claude"), 0o755);
    const own = join(copy(), "node_modules/.bin");
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, "claude"), "#!/bin/sh\necho a tool of this project\n");
    chmodSync(join(own, "claude"), 0o755);
    const tty = openTty(["sh", "-c", first ?? ""], {
      env: { ...home.env, PATH: `${home.env.PATH}:${bin}` },
      cwd: copy(),
      rows: 60,
      cols: 100,
    });
    await tty.sees(/Enter starts claude|the real one/, 60_000);
    tty.type("\r");
    await tty.sees("the real one: 2"); // --settings FILE
    expect(await tty.exited).toEqual({ code: 0 });
  }, 90_000);
});
