import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { emptyHome, SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { openTty, type Tty } from "./support/tty.ts";
import { until } from "./support/until.ts";

let server: HomeServer;
const ttys: Tty[] = [];
beforeAll(async () => {
  server = await startHomeServer();
}, 30_000);
afterAll(async () => {
  for (const tty of ttys) tty.pty.kill("SIGKILL");
  await server.stop();
});

const quoted = (argv: readonly string[]) =>
  argv.map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(" ");
const wrapped = (script: string) => [...SELF, "run", "--command", "sh", "--", "-c", script];

/** A shell at the desk runs `argv`; then it reads a line. */
function shellAround(argv: readonly string[], env = server.home.env): Tty {
  const script = `${quoted(argv)}; stty -a | grep -o -- '-*icanon'; read -r line; echo "shell got <$line>"`;
  const tty = openTty(["sh", "-c", script], { env, cwd: env.HOME ?? "/" });
  ttys.push(tty);
  return tty;
}
const sessionOf = (mark: string) =>
  until("the session is known", async () =>
    (await server.phone.sessions()).find(
      ({ command, status }) => command.includes(mark) && status === "running",
    ),
  );

describe("a program that is killed while it has the whole terminal", () => {
  const takesAll =
    "printf '\\033[?1049h\\033[?1000h\\033[?1003h\\033[?1006h\\033[?1004h\\033[?2004h\\033[?25l\\033[?1h\\033=\\033[2;5r\\033[31mdrawn'";
  /** A mouse that moves for as long as the terminal reports it. */
  const moveMouse = (tty: Tty) => {
    const timer = setInterval(() => {
      if (tty.screen.modes().wheel === "sgr") tty.type("\x1b[<35;20;10M");
    }, 5);
    return () => clearInterval(timer);
  };
  const expectClean = async (tty: Tty) => {
    await tty.sees(/(^|\s)icanon/); // the shell goes on, on its own screen
    const { about, modes } = { about: tty.screen.whole(), modes: tty.screen.modes() };
    expect(about.full).toBeUndefined();
    expect(about.cursor.visible).toBe(true);
    expect(modes).toMatchObject({
      applicationCursor: false,
      bracketedPaste: false,
      wheel: "none",
    });
    expect(tty.text()).not.toContain("drawn");
    tty.type("typed\r");
    await tty.sees("shell got <typed>");
    const row = Object.values(tty.screen.whole().lines).find((line) => line.includes("shell got"));
    expect(row).toBe("shell got <typed>"); // in no colour of the program's
  };

  test.each(["SIGKILL", "SIGTERM"] as const)(
    "leaves no mode on after %s from the phone",
    async (signal) => {
      const tty = shellAround(wrapped(`echo before; ${takesAll}; exec sleep 9${signal.length}`));
      await tty.sees("drawn");
      const { id } = await sessionOf("033[?1003h");
      const rest = moveMouse(tty);
      const { status } = await server.phone.request("POST", `/api/sessions/${id}/stop`, { signal });
      expect(status).toBe(200);
      await expectClean(tty);
      rest();
      expect(tty.text()).toContain("before");
    },
    30_000,
  );

  test.each(["SEGV", "ABRT", "KILL"])(
    "leaves no mode on after SIG%s, also where no server is",
    async (signal) => {
      const home = emptyHome();
      const tty = shellAround(wrapped(`${takesAll}; sleep 1; kill -${signal} $$`), home.env);
      await tty.sees("drawn");
      const rest = moveMouse(tty);
      await expectClean(tty);
      rest();
      home.remove();
    },
    30_000,
  );

  test("is given nothing that it did not need", async () => {
    const script = "echo plain; kill -KILL $$";
    const bare = openTty(["sh", "-c", script], { silent: true });
    const through = openTty(wrapped(script), {
      env: server.home.env,
      cwd: server.home.dir,
      silent: true,
    });
    await bare.exited;
    expect((await through.exited).code).toBe(137);
    expect(Buffer.from(through.bytes()).toString()).toBe(Buffer.from(bare.bytes()).toString());
  }, 30_000);

  test("and one that ends by itself leaves the terminal as it wanted it", async () => {
    const script = "printf '\\033[?2004h\\033[?25lleft on'; exit 3";
    const through = openTty(wrapped(script), {
      env: server.home.env,
      cwd: server.home.dir,
      silent: true,
    });
    expect(await through.exited).toEqual({ code: 3 });
    expect(Buffer.from(through.bytes()).toString()).toBe("\x1b[?2004h\x1b[?25lleft on");
  }, 30_000);
});
