import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rowText } from "../src/row.ts";
import type { Frame } from "../src/types.ts";
import { SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import type { EventReader } from "./support/phone.ts";
import { openTty, type Tty } from "./support/tty.ts";
import { until } from "./support/until.ts";

let server: HomeServer;
const ttys: Tty[] = [];
const streams: EventReader[] = [];
beforeAll(async () => {
  server = await startHomeServer();
}, 30_000);
afterAll(async () => {
  for (const stream of streams) stream.close();
  for (const tty of ttys) tty.pty.kill("SIGKILL");
  await server.stop();
});

/** A program that waits for a line before it goes on, wrapped, and a phone that looks on; `shown` is its screen as it is by now. */
async function show(
  script: string,
  { command = "sh", args = ["-c", `echo ready; read -r go; ${script}`], env = {} } = {},
) {
  const before = new Set((await server.phone.sessions()).map(({ id }) => id));
  const tty = openTty([...SELF, "run", "--command", command, "--", ...args], {
    env: { ...server.home.env, ...env },
    cwd: server.home.dir,
    silent: true,
  });
  ttys.push(tty);
  const id = await until(
    "the session is known",
    async () => (await server.phone.sessions()).find((one) => !before.has(one.id))?.id,
    20_000,
  );
  const stream = await server.phone.events(id);
  streams.push(stream);
  const frames = (): Frame[] =>
    stream.received.flatMap(({ event }) => (event.name === "screen" ? [event.data] : []));
  /** Each screen that the phone was ever shown, as text. */
  const screens = (): string[] => {
    const rows: string[] = [];
    return frames().map(({ lines }) => {
      for (const [y, row] of Object.entries(lines)) rows[Number(y)] = rowText(row);
      return rows.join("\n").trimEnd();
    });
  };
  let seen = 0;
  /** The newest frame, once the server has heard that it was drawn: it stays no more than two seconds ahead of that. */
  const newest = async (): Promise<Frame | undefined> => {
    const frame = frames().at(-1);
    if (frame !== undefined && frame.rev !== seen)
      await server.phone.request("POST", `/api/sessions/${id}/seen`, { rev: frame.rev });
    seen = frame?.rev ?? 0;
    return frame;
  };
  const frame = (what: string, match: (frame: Frame) => boolean) =>
    until(
      what,
      async () => {
        const last = await newest();
        return last !== undefined && match(last);
      },
      20_000,
    );
  const sees = (text: string) =>
    frame(`the phone sees ${text}`, () => screens().at(-1)?.includes(text) === true);
  return { tty, frames, screens, frame, sees };
}

describe("a synchronised update", () => {
  test("is never shown half drawn, however long it takes within a second", async () => {
    const { tty, screens, sees } = await show(
      `printf '\\033[2J\\033[Hpicture 0'; for i in 1 2 3 4 5; do
       printf '\\033[?2026h\\033[2J\\033[H'; sleep 0.2; printf 'pict'; sleep 0.1; printf "ure $i\\033[?2026l"; sleep 0.1
       done; printf '\\033[2;1Hthe end'; sleep 600`,
    );
    await sees("ready");
    tty.type("\r");
    await sees("the end");
    const drawn = screens().slice(screens().findIndex((text) => text.startsWith("picture")));
    for (const text of drawn) expect(text).toMatch(/^picture \d(\nthe end)?$/);
    expect(new Set(drawn).size).toBeGreaterThan(3); // and each is shown
  }, 60_000);

  test("is shown as far as it has come where the program does not end it", async () => {
    const { tty, frames, sees } = await show(
      "printf '\\033[?2026h\\033[2J\\033[Hnever ended'; sleep 600",
    );
    await sees("ready");
    tty.type("\r");
    await sees("never ended");
    expect(frames().length).toBeLessThan(10);
  }, 60_000);

  test("that a program begins before it ends is shown all the same", async () => {
    const { tty, sees } = await show("printf '\\033[?2026h\\033[2J\\033[Hlast words'");
    await sees("ready");
    tty.type("\r");
    await tty.exited;
    await sees("last words");
  }, 60_000);

  test("is shown whole also where the next one begins in the same breath", async () => {
    const { tty, screens, sees } = await show(
      `printf '\\033[2J\\033[Hpicture 0\\033[?2026h'; for i in 1 2 3 4 5 6 7 8; do
       printf "\\033[2J\\033[H"; sleep 0.1; printf "picture $i\\033[?2026l\\033[?2026h"; sleep 0.1
       done; printf '\\033[2J\\033[Hpicture 9\\nthe end\\033[?2026l'; sleep 600`,
    );
    await sees("ready");
    tty.type("\r");
    await sees("the end");
    const drawn = screens().slice(screens().findIndex((text) => text.startsWith("picture")));
    for (const text of drawn) expect(text).toMatch(/^picture \d(\nthe end)?$/);
    expect(new Set(drawn).size).toBeGreaterThan(5);
  }, 60_000);
});

describe("the echo", () => {
  const isSecret = ({ secret }: Frame) => secret === true;
  const isPlain = ({ secret }: Frame) => secret !== true;

  test.each([
    ["that bash reads", "bash", ["-c", "read -rsp Password: x; echo; echo got it; sleep 600"]],
    [
      "for which a program turns the echo off by itself",
      "sh",
      ["-c", "printf Password:; stty -echo; read -r x; stty echo; echo; echo got it; sleep 600"],
    ],
    [
      "that Python's getpass reads",
      "python3",
      [
        "-c",
        "import getpass,time; getpass.getpass('Password:'); print('got it', flush=True); time.sleep(600)",
      ],
    ],
    [
      "for which the echo goes long after the question came",
      "sh",
      [
        "-c",
        "printf Password:; sleep 3; stty -echo; read -r x; stty echo; echo; echo got it; sleep 600",
      ],
    ],
  ])(
    "is told to be off for a password %s, and on again after it",
    async (_, command, args) => {
      const { tty, frame, sees } = await show("", { command, args });
      await sees("Password:");
      await frame("the phone hears that it is a secret", isSecret);
      tty.type("hunter2\r");
      await sees("got it");
      await frame("the phone hears that it is none any more", isPlain);
    },
    60_000,
  );

  test.each([
    ["a shell's prompt", "bash", ["--norc", "-i"], "bash-"],
    ["an editor", "vi", ["-u", "NONE"], "~"],
    ["a program that reads keys", "sh", ["-c", "stty -echo -icanon; echo here; sleep 600"], "here"],
    ["a program that reads lines", "sh", ["-c", "echo here; read -r x"], "here"],
  ])(
    "is not told to be off by %s",
    async (_, command, args, sign) => {
      const { tty, frames, sees } = await show("", { command, args });
      await sees(sign);
      tty.type("x");
      await Bun.sleep(600); // the last look comes 250 ms after what was printed
      expect(frames().filter(isSecret)).toEqual([]);
    },
    60_000,
  );
});

describe("the terminal's colours", () => {
  const ground = (wanted: string | undefined) => (frame: Frame) => frame.ground === wanted;

  test("are known from the desk's answers, wherever reads cut them, and the program still gets each byte", async () => {
    const { tty, frames, frame, sees } = await show("", {
      command: "sh",
      args: [
        "-c",
        "stty raw -echo; echo ready; dd bs=1 count=50 2>/dev/null | od -An -c; sleep 600",
      ],
    });
    await sees("ready");
    expect(frames().at(-1)?.ground).toBeUndefined();
    const answer = "\x1b]10;rgb:1111/2222/3333\x1b\\\x1b]11;rgb:ffff/fafa/f0f0\x07";
    expect(answer.length).toBe(49);
    for (const char of answer.slice(0, 40)) {
      tty.type(char);
      await Bun.sleep(2);
    }
    tty.type(`${answer.slice(40)}x`);
    await frame("the phone knows the ground", ground("#fffaf0"));
    expect(frames().at(-1)?.ink).toBe("#112233");
    await sees("033   ]   1   0   ;   r   g   b");
    await sees("\\a   x");
  }, 60_000);

  test("are known from the environment, and what the program sets goes before", async () => {
    const { tty, frame, sees } = await show(
      "printf '\\033]11;#204060\\007'; read -r go; printf '\\033]111\\007'; sleep 600",
      { env: { COLORFGBG: "0;default;15" } },
    );
    await sees("ready");
    await frame("the phone knows the ground", ground("#ffffff"));
    tty.type("\r");
    await frame("the program has set it", ground("#204060"));
    tty.type("\r");
    await frame("the program has taken it back", ground("#ffffff"));
  }, 60_000);

  test("are exchanged for the whole screen while the program has it so", async () => {
    const { tty, frame, sees } = await show(
      "printf '\\033[?5h'; read -r go; printf '\\033[?5l'; sleep 600",
    );
    await sees("ready");
    tty.type("\r");
    await frame("it is reversed", ({ reverse }) => reverse === true);
    tty.type("\r");
    await frame("it is not any more", ({ reverse }) => reverse !== true);
  }, 60_000);
});
