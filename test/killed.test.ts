import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { programPid } from "../src/runner/program.ts";
import { OutputPage, SessionDetail } from "../src/types.ts";
import { freshHome } from "./support/embedded.ts";
import { SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import type { EventReader, Phone } from "./support/phone.ts";
import { randomFrom } from "./support/random.ts";
import { processesIn, startRunner, startSession } from "./support/runner.ts";
import { openTty, type Tty } from "./support/tty.ts";
import { until } from "./support/until.ts";

// Processes are killed and stopped at random points: KILLED_ROUNDS=200 KILLED_SEED=7 bun test test/killed.test.ts
const ROUNDS = Number(process.env.KILLED_ROUNDS ?? 8);
const SEED = Number(process.env.KILLED_SEED ?? Date.now() % 1_000_000);
/** How long a process stands still, in ms: once in a while longer than either side waits for a sign of life. */
const STILL_MS = [100, 400, 1500, 1500, 2500, 7000];
const NUMBERS = [process.execPath, resolve(import.meta.dir, "support/numbers.ts")];

/** One way to have a session, with what can be done to the processes it consists of. */
interface Setup {
  phone(): Phone;
  home: HomeServer["home"];
  /** Where the program notes what it took. */
  work: string;
  id: string;
  /** Everything that was drawn at the desk, where there is one. */
  drawn?: (() => string) | undefined;
  /** Ways in which something goes wrong for a while, by name; the session lives on. */
  faults: Record<string, (still: number) => Promise<void>>;
  /** Processes whose death ends the session, by name, and how that is told. */
  deadly: Record<string, { pid(): number | undefined; exit: object }>;
  close(): Promise<void>;
}

const readPid = (work: string) =>
  existsSync(join(work, "pid")) ? Number(readFileSync(join(work, "pid"), "utf8")) : 0;
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      (error.code === "ESRCH" || error.code === "ENOENT")
    )
      return false;
    throw error;
  }
};
/** Kills one that may already be on its way out. */
function killed(pid: number): void {
  if (isAlive(pid)) process.kill(pid, "SIGKILL");
}
async function stand(
  pid: number | undefined,
  still: number,
  goOn?: () => Promise<unknown>,
): Promise<void> {
  if (pid === undefined) throw new Error("there is no such process");
  process.kill(pid, "SIGSTOP");
  await Bun.sleep(still);
  if (goOn === undefined) process.kill(pid, "SIGCONT");
  else await goOn();
}
const stands = (pid: number) => /^\d+ \(.*\) T/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
const children = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter((child) => child !== "")
    .map(Number);

/** What is done to a session at a desk, whatever server it has. */
function atDesk(
  tty: Tty,
  work: string,
): Pick<Setup, "drawn" | "deadly"> & { faults: Setup["faults"] } {
  const wrapper = programPid(tty.pty.holder) ?? 0;
  const holder = () => children(wrapper).find((child) => children(child).includes(readPid(work)));
  const guard = () => children(wrapper).find((child) => child !== holder());
  // as `fg` at a prompt: the shell that waits gives the terminal back, once it has noticed that it waits
  const back = () =>
    until("it goes on", () => {
      tty.pty.foreground();
      return !stands(wrapper) && !stands(readPid(work));
    });
  return {
    drawn: () => new TextDecoder().decode(tty.bytes()),
    faults: {
      "the wrapper stands still": (still) => stand(wrapper, still, back),
      "the program stands still": (still) => stand(readPid(work), still, back),
      "the guard stands still": (still) => stand(guard(), still),
    },
    deadly: {
      wrapper: { pid: () => wrapper, exit: { code: -1, lost: true } },
      program: { pid: () => readPid(work), exit: { code: 137, signal: "SIGKILL" } },
      holder: { pid: holder, exit: { code: 1 } }, // the PTY's library does not tell of what its own child died
    },
  };
}

const running = (phone: Phone) =>
  until(
    "the session runs",
    async () => (await phone.sessions()).find(({ status }) => status === "running")?.id,
    20_000,
  );

const SETUPS: Record<string, () => Promise<Setup>> = {
  async "at a desk, with a server of its own"() {
    const server = await startHomeServer();
    const work = join(server.home.dir, "work");
    const tty = openTty(
      [...SELF, "run", "--command", NUMBERS[0] ?? "", "--", ...NUMBERS.slice(1), work],
      { env: server.home.env, cwd: server.home.dir },
    );
    const id = await running(server.phone);
    const desk = atDesk(tty, work);
    return {
      ...desk,
      phone: () => server.phone,
      home: server.home,
      work,
      id,
      faults: {
        ...desk.faults,
        "the server is killed": (still) => server.restart("SIGKILL", () => Bun.sleep(still)),
        "the server is ended": (still) => server.restart("SIGTERM", () => Bun.sleep(still)),
        "the server stands still": (still) => stand(server.process().pid, still),
      },
      async close() {
        tty.pty.kill("SIGKILL");
        await server.stop();
      },
    };
  },

  async "at a desk, with the server in the background"() {
    const home = freshHome();
    const work = join(home.dir, "work");
    const tty = openTty(
      [...SELF, "run", "--command", NUMBERS[0] ?? "", "--", ...NUMBERS.slice(1), work],
      { env: home.env, cwd: home.dir },
    );
    await until(
      "a server is there",
      () =>
        home.seat() !== undefined &&
        existsSync(join(home.dir, ".config/claude-remote/pairing.json")),
      20_000,
    );
    const phone = home.machine();
    const id = await running(phone);
    const desk = atDesk(tty, work);
    const pid = () => until("a server is there", () => home.seat()?.pid, 30_000);
    return {
      ...desk,
      phone: () => phone,
      home: { ...home, remove: () => home.remove() },
      work,
      id,
      faults: {
        ...desk.faults,
        "the server is killed": async () => killed(await pid()), // the session brings it back
        "the server stands still": async (still) => {
          const stood = await pid();
          if (isAlive(stood)) await stand(stood, still);
        },
        "the server is killed standing still": async (still) => {
          const stood = await pid();
          if (isAlive(stood)) process.kill(stood, "SIGSTOP");
          await Bun.sleep(still);
          killed(stood);
        },
      },
      async close() {
        tty.pty.kill("SIGKILL");
        await tty.exited;
        home.remove();
      },
    };
  },

  async "started by a daemon"() {
    const server = await startHomeServer();
    const work = realpathSync(join(server.home.dir, "work"));
    const bin = join(server.home.dir, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "claude"), `#!/bin/sh\nexec ${NUMBERS.join(" ")} .\n`, { mode: 0o755 });
    const env = { PATH: `${bin}:${server.home.env.PATH}` };
    let runner = await startRunner(server, [work], env);
    const id = await startSession(server, { cwd: work });
    await running(server.phone);
    const session = () =>
      Number(
        JSON.parse(
          readFileSync(
            join(server.home.dir, ".local/state/claude-remote/runner/sessions", id, "record.json"),
            "utf8",
          ),
        ).pid,
      );
    return {
      phone: () => server.phone,
      home: server.home,
      work,
      id,
      faults: {
        "the server is killed": (still) => server.restart("SIGKILL", () => Bun.sleep(still)),
        "the server stands still": (still) => stand(server.process().pid, still),
        "the daemon stands still": (still) => stand(runner.process.pid, still),
        "the daemon is killed": async (still) => {
          await runner.end("SIGKILL");
          await Bun.sleep(still);
          runner = await startRunner(server, [work], env);
        },
        "the session's process stands still": (still) => stand(session(), still),
        "the program stands still": (still) => stand(readPid(work), still),
      },
      deadly: {
        "session's process": { pid: session, exit: { code: -1, lost: true } },
        program: { pid: () => readPid(work), exit: { code: 137, signal: "SIGKILL" } },
      },
      async close() {
        await runner.end("SIGTERM");
        await server.stop();
      },
    };
  },
};

/** Types words one after the other, each until it is known to be taken, as the page does. */
function typist(setup: Setup) {
  let said = 0;
  let stopped = false;
  const say = async (text: string) => {
    said++;
    for (;;) {
      const outcome = await setup
        .phone()
        .json("POST", `/api/sessions/${setup.id}/input`, {
          stream: "typist",
          seq: said,
          text,
          enter: true,
        })
        .catch(() => ({ status: 0, body: {} }));
      if (outcome.status === 200) return;
      if (![0, 503].includes(outcome.status))
        throw new Error(`${text} was refused: ${JSON.stringify(outcome)}`);
      await Bun.sleep(50);
    }
  };
  const work = (async () => {
    while (!stopped) {
      await say(`w${said + 1}`);
      await Bun.sleep(60);
    }
    await say("stop");
  })();
  return {
    async stop(): Promise<string[]> {
      stopped = true;
      await work;
      return [...Array.from({ length: said - 1 }, (_, i) => `w${i + 1}`), "stop"];
    },
  };
}

/** A phone that looks on; it is cut off and comes back. */
function onlooker(setup: Setup) {
  let stream: EventReader | undefined;
  return {
    async again(): Promise<void> {
      const last = stream?.received.at(-1)?.id;
      stream?.close();
      stream = undefined;
      stream = await setup
        .phone()
        .events(setup.id, last)
        .catch(() => undefined);
    },
    close: () => stream?.close(),
  };
}

async function historyOf({ phone, id }: Setup): Promise<string[]> {
  const lines: string[] = [];
  for (let before = Number.MAX_SAFE_INTEGER; ; ) {
    const page = await phone().get(
      OutputPage,
      "GET",
      `/api/sessions/${id}/output?limit=500&before=${before}`,
    );
    lines.unshift(...page.lines.map(({ row }) => row));
    const first = page.lines[0]?.line;
    if (first === undefined || first === 0) break;
    before = first;
  }
  const { screen } = await phone().get(SessionDetail, "GET", `/api/sessions/${id}`);
  return [
    ...lines,
    ...Array.from(
      { length: screen?.rows ?? 0 },
      (_, y) => (screen?.lines[y] ?? "").split("\n", 1)[0] ?? "",
    ),
  ];
}
/** The numbers or words that follow `word` on lines of their own. */
const after = (word: string, lines: readonly string[]) =>
  lines.flatMap((line) =>
    line.startsWith(`${word} `) ? [line.slice(word.length + 1).trimEnd()] : [],
  );

describe(`with processes killed and stopped at random points (seed ${SEED})`, () => {
  test.concurrent.each(Object.keys(SETUPS))(
    "a session %s loses and doubles nothing, and its end is told as it was",
    async (name) => {
      const random = randomFrom(SEED + name.length);
      const done: string[] = [];
      const setup = await (SETUPS[name] ?? (() => Promise.reject(new Error(name))))();
      try {
        await until("the program runs", () => readPid(setup.work) > 0);
        const typing = typist(setup);
        const looking = onlooker(setup);
        for (let round = 0; round < ROUNDS; round++) {
          const fault = random.pick(Object.keys(setup.faults));
          const still = random.pick(STILL_MS);
          done.push(`${fault}, ${still} ms`);
          if (random.int(0, 1) === 1) void looking.again();
          await setup.faults[fault]?.(still);
          await Bun.sleep(random.int(0, 600));
        }
        const typed = await typing.stop();
        looking.close();

        // once all is calm, everything is there: on the phone, with the program, and at the desk
        const session = () => setup.phone().sessions().then((all) => all.find(({ id }) => id === setup.id), () => undefined); // biome-ignore format: one thought
        await until("it is live", async () => (await session())?.status === "running", 30_000);
        let lines: string[] = [];
        const isWhole = async () => {
          lines = await historyOf(setup); // the screen may be ahead of the history: they are two requests
          return (
            after("last", lines).length > 0 &&
            after("line", lines).length >= Number(after("last", lines)[0])
          );
        };
        await until("everything is there", isWhole, 30_000).catch(() => undefined); // what is lacking is said below
        const last = Number(after("last", lines)[0]);
        const all = Array.from({ length: last }, (_, i) => String(i + 1));
        expect(after("line", lines)).toEqual(all);
        expect(after("took", lines)).toEqual(typed);
        expect(readFileSync(join(setup.work, "taken"), "utf8").trim().split("\n")).toEqual(typed);
        if (setup.drawn !== undefined)
          expect(after("line", setup.drawn().split(/\r?\n/))).toEqual(all);

        const [who, { pid, exit }] = random.pick(Object.entries(setup.deadly));
        done.push(`the ${who} dies`);
        const program = readPid(setup.work);
        process.kill(pid() ?? 0, "SIGKILL");
        const over = await until(
          "it is over",
          async () => (await session())?.status === "ended" && session(),
          20_000,
        );
        expect(over?.exit).toMatchObject(exit);
        await until("the program has ended with it", () => !isAlive(program), 10_000);
        expect((await historyOf(setup)).filter((line) => line.startsWith("line ")).length).toBe(
          last,
        );
        await setup.close();
        await until(
          "no process is left",
          () => processesIn({ home: setup.home }).length === 0,
          15_000,
        );
      } catch (error) {
        throw new Error(
          `${error instanceof Error ? error.stack : error}\nKILLED_SEED=${SEED}, ${name}: ${done.join("; ")}`,
        );
      } finally {
        await setup.close();
      }
    },
    60_000 + ROUNDS * 12_000,
  );
});
