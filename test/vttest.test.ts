import { afterAll, beforeAll, expect, test } from "bun:test";
import { Terminal } from "@xterm/headless";
import { rowText } from "../src/row.ts";
import { SessionDetail } from "../src/types.ts";
import { SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { openTty, type Tty } from "./support/tty.ts";
import { until } from "./support/until.ts";

// vttest (Debian has it) draws what a VT100 and its successors have to draw. A phone shows each of its screens as the bare emulator does.
const COLS = 80;
const ROWS = 24;
/** Some of its screens scroll slowly, in ms. */
const SCREEN_MS = 30_000;
/** What is typed comes back as so many bytes at most. */
const ECHO_BYTES = 8;
/** No menu has as many screens. */
const STEPS = 60;

let server: HomeServer;
const ttys: Tty[] = [];
beforeAll(async () => {
  server = await startHomeServer();
}, 30_000);
afterAll(async () => {
  for (const tty of ttys) tty.pty.kill("SIGKILL");
  await server.stop();
});

/** vttest in a session, what the phone shows of it, and what the bare emulator makes of the bytes that came to the desk. */
async function start() {
  const tty = openTty([...SELF, "run", "--command", "vttest"], {
    env: server.home.env,
    cwd: server.home.dir,
    cols: COLS,
    rows: ROWS,
  });
  ttys.push(tty);
  await tty.sees("Enter choice number");
  const { id } = await until("the session is known", async () =>
    (await server.phone.sessions()).find(({ status }) => status === "running"),
  );
  const term = new Terminal({ cols: COLS, rows: ROWS, allowProposedApi: true, logLevel: "off" });
  let fed = 0;
  const bare = async () => {
    const all = tty.bytes();
    const more = all.subarray(fed);
    fed = all.length;
    await new Promise<void>((resolve) => term.write(more, resolve));
    const { active } = term.buffer;
    return Array.from({ length: ROWS }, (_, y) =>
      (active.getLine(active.baseY + y)?.translateToString(true) ?? "").trimEnd(),
    );
  };
  const phone = async () => {
    const { screen } = await server.phone.get(SessionDetail, "GET", `/api/sessions/${id}`);
    return Array.from({ length: ROWS }, (_, y) => rowText(screen?.lines[y] ?? "").trimEnd());
  };
  /** Waits until both show the same, with `wanted` on it; resolves with that. */
  const same = async (what: string, wanted: RegExp) => {
    let seen: [string[], string[]] = [[], []];
    await until(
      `${what} is the same on the phone`,
      async () => {
        seen = [await phone(), await bare()];
        return wanted.test(seen[1].join("\n")) && seen[0].join("\n") === seen[1].join("\n");
      },
      SCREEN_MS,
    ).catch(() => expect(seen[0]).toEqual(seen[1]));
    return seen[1].join("\n");
  };
  const close = async () => {
    tty.pty.kill("SIGKILL");
    await tty.exited;
  };
  return { tty, same, close };
}

test.skipIf(Bun.which("vttest") === null).each([
  ["cursor movements", "1"],
  ["screen features", "2"],
  ["character sets", "3"],
  ["inserting and deleting", "8"],
])(
  "vttest's %s look on the phone as in the emulator that draws them",
  async (name, choice) => {
    const { tty, same, close } = await start();
    /** Types that, and waits until the next screen is there. */
    const next = async (typed: string) => {
      const before = tty.bytes().length;
      tty.type(typed);
      await until("it goes on", () => tty.bytes().length > before + ECHO_BYTES, SCREEN_MS);
      return same(`what follows ${JSON.stringify(typed)} in ${name}`, /RETURN|choice number/i);
    };
    let text = await same("the menu", /Enter choice number/);
    const isMainMenu = () => text.includes("Choose test type");
    // while it still waits for answers of the terminal it takes what is typed for them
    for (let tries = 0; tries < 10 && isMainMenu(); tries++) text = await next(`${choice}\r`);
    let screens = 0;
    // RETURN leads to the next screen, 0 out of a menu below the main one
    for (; screens < STEPS && !isMainMenu(); screens++)
      text = await next(text.includes("Enter choice number") ? "0\r" : "\r");
    expect(screens).toBeGreaterThan(0);
    expect(screens).toBeLessThan(STEPS);
    await close();
  },
  180_000,
);
