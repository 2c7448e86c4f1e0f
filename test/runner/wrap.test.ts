import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { savePairing } from "../../src/runner/pairing.ts";
import { emptyHome, SELF } from "../support/home.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { openTty } from "../support/tty.ts";
import { until } from "../support/until.ts";

const captured = [
  "bash-permission-80x24",
  "streaming-80x24",
  "thinking-spinner-80x24",
  "edit-permission-80x24",
].map((name) => readFileSync(join(import.meta.dir, "../fixtures/screens", `${name}.raw`)));
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

const places: [
  string,
  () => Promise<{ env: Record<string, string | undefined>; stop(): Promise<void> }>,
][] = [
  [
    "with no server",
    async () => {
      const home = emptyHome();
      return { env: home.env, stop: async () => home.remove() };
    },
  ],
  [
    "with a server that can't be reached",
    async () => {
      const home = emptyHome();
      savePairing(join(home.dir, ".config/claude-remote/pairing.json"), {
        server: "http://127.0.0.1:9",
        device: "dev_x",
        secret: "A".repeat(43),
      });
      return { env: home.env, stop: async () => home.remove() };
    },
  ],
  [
    "connected to a server",
    async () => {
      const server: HomeServer = await startHomeServer();
      return { env: server.home.env, stop: () => server.stop() };
    },
  ],
];

/** What we say ourselves, in lines of their own before and after the program, of a session that nobody can see. */
const UNSEEN = String.raw`\x1b\[2mclaude-remote:\x1b\[22m not shown on the phone: http://127\.0\.0\.1:9 (?:(?!\x1b)[\s\S])*`;
const BEFORE = new RegExp(`^${UNSEEN}?sessions\\s+and\\s+history\\.\r\n`);
const AFTER = new RegExp(`${UNSEEN}30\\s+days\\.\r\n$`);

describe.each(places)("a wrapped program %s", (name, prepare) => {
  /** The program's own bytes. */
  const written = (tty: ReturnType<typeof openTty>) => {
    const bytes = Buffer.from(tty.bytes());
    if (!name.includes("can't be reached")) return bytes;
    const text = bytes.toString("latin1");
    expect(text).toMatch(AFTER);
    return Buffer.from(text.replace(BEFORE, "").replace(AFTER, ""), "latin1");
  };
  let place: Awaited<ReturnType<typeof prepare>>;
  beforeAll(async () => {
    place = await prepare();
  }, 30_000);
  afterAll(() => place.stop());
  const wrapped = (argv: string[]) => [
    ...SELF,
    "run",
    "--command",
    argv[0] ?? "",
    "--",
    ...argv.slice(1),
  ];
  const run = (argv: string[]) => openTty(argv, { env: place.env, cwd: place.env.HOME ?? "/" });

  test("draws at the desk what it draws without the wrapper, to the byte", async () => {
    const file = join(place.env.HOME ?? "/", "captured");
    writeFileSync(file, Buffer.concat([...captured, everyByte, ...captured]));
    const program = ["sh", "-c", `cat ${file}; stty raw -echo; cat ${file}`];
    // a terminal that answers no queries: answers would be echoed, each time elsewhere
    const silent = { env: place.env, cwd: place.env.HOME ?? "/", silent: true };
    const bare = openTty(program, silent);
    const through = openTty(wrapped(program), silent);
    expect(await bare.exited).toEqual({ code: 0 });
    expect(await through.exited).toEqual({ code: 0 });
    expect(Buffer.compare(written(through), bare.bytes())).toBe(0);
    expect(bare.bytes().length).toBeGreaterThan(2 * readFileSync(file).length - 1);
  }, 20_000);

  test("gets every byte that is typed: control characters, paste, kitty keys", async () => {
    const typed = Buffer.concat([
      everyByte,
      Buffer.from("\x1b[200~pasted\r\ntext\x1b[201~\x1b[97;5u\x1b[<0;10;10M"),
    ]);
    const tty = run(
      wrapped(["sh", "-c", `stty raw -echo; echo ready; head -c ${typed.length} | od -An -v -tx1`]),
    );
    await tty.sees("ready");
    tty.pty.write(new Uint8Array(typed));
    await tty.exited;
    const hex = written(tty).toString().split("ready")[1]?.replace(/\s/g, "");
    expect(hex).toBe(typed.toString("hex"));
  }, 20_000);

  test("follows the size of the terminal", async () => {
    const tty = run(
      wrapped([
        "sh",
        "-c",
        "trap 'stty size' WINCH; stty size; echo ready; while :; do sleep 0.05; done",
      ]),
    );
    await tty.sees("ready");
    await tty.sees("24 80");
    tty.resize(101, 31);
    await tty.sees("31 101");
    tty.pty.kill("SIGTERM");
    expect(await tty.exited).toEqual({ code: 143, signal: "SIGTERM" });
  }, 20_000);

  test("ends with its own exit code, or 128 + the signal", async () => {
    expect(await run(wrapped(["sh", "-c", "exit 37"])).exited).toEqual({ code: 37 });
    expect(await run(wrapped(["sh", "-c", "kill -KILL $$"])).exited).toEqual({
      code: 137,
      signal: "SIGKILL",
    });
  }, 20_000);

  test("is interrupted by Ctrl-C and stopped by Ctrl-Z, and goes on with fg", async () => {
    const script = join(place.env.HOME ?? "/", "script");
    writeFileSync(
      script,
      `set -m\n${wrapped(["sh", "-c", "echo ready; exec cat"])
        .map((arg) => `'${arg}'`)
        .join(
          " ",
        )}\necho "stopped $?"\nstty -a | grep -o '.icanon'\nfg >/dev/null\necho "ended $?"\n`,
    );
    const tty = run(["dash", script]);
    await tty.sees("ready"); // from here on the terminal is raw
    tty.type("x\r");
    await tty.sees(/x\s+x/);
    tty.type("\x1a");
    await tty.sees(/stopped 1\d\d/);
    await tty.sees(" icanon"); // the shell has its terminal back
    tty.type("again\r");
    await tty.sees(/again\s+again/);
    tty.type("\x03");
    await tty.sees("ended 130");
    await tty.exited;
  }, 30_000);

  test.each(["SIGTERM", "SIGHUP", "SIGKILL"] as const)(
    "leaves the terminal as it was after %s to the wrapper",
    async (signal) => {
      const script = join(place.env.HOME ?? "/", "script");
      const pidFile = join(place.env.HOME ?? "/", "pid");
      const through = join(place.env.HOME ?? "/", "through");
      rmSync(through, { force: true });
      const command = wrapped(["sh", "-c", "stty raw -echo; echo ready; exec sleep 60"])
        .map((arg) => `'${arg}'`)
        .join(" ");
      // in the foreground, with its pid known
      writeFileSync(
        script,
        `stty -g\nsh -c 'echo $$ >${pidFile}; exec ${command.replaceAll("'", "'\\''")}'\nwhile [ ! -e ${through} ]; do sleep 0.05; done\nstty -g\n`,
      );
      const tty = run(["dash", script]);
      await tty.sees("ready");
      process.kill(Number(readFileSync(pidFile, "utf8")), signal);
      // of a wrapper that can do nothing any more the guard sees to it, and draws what is left
      if (signal === "SIGKILL")
        await until("the guard is through", () => Buffer.from(tty.bytes()).includes("\x1b[?1049l"));
      writeFileSync(through, "");
      await tty.exited;
      const settings =
        Buffer.from(tty.bytes())
          .toString()
          .match(/[0-9a-f]+(:[0-9a-f]+){5,}/g) ?? [];
      expect(settings.length).toBe(2);
      expect(settings[1]).toBe(settings[0] ?? "");
    },
    20_000,
  );

  test("runs where nothing can be written, with its own exit code", async () => {
    const tty = openTty(wrapped(["sh", "-c", "echo runs; exit 3"]), {
      env: { ...place.env, TMPDIR: "/nonexistent" },
      cwd: place.env.HOME ?? "/",
    });
    expect(await tty.exited).toEqual({ code: 3 });
    await tty.sees("runs");
  });

  test("ends when its terminal is closed", async () => {
    const pidFile = join(place.env.HOME ?? "/", "inner");
    const tty = run(wrapped(["sh", "-c", `echo $$ >${pidFile}; echo ready; exec sleep 60`]));
    await tty.sees("ready");
    process.kill(tty.pty.holder, "SIGKILL"); // the terminal goes with its session's leader
    const inner = Number(readFileSync(pidFile, "utf8"));
    const alive = () => {
      try {
        return process.kill(inner, 0);
      } catch (error) {
        if (error instanceof Error) return false;
        throw error;
      }
    };
    await until("the program is gone", () => !alive(), 5000);
  }, 20_000);
});

describe("without a terminal", () => {
  const home = emptyHome();
  afterAll(() => home.remove());
  const run = (argv: string[], stdin: string) =>
    Bun.spawn([...SELF, ...argv], {
      env: home.env,
      cwd: home.dir,
      stdin: new Blob([stdin]),
      stdout: "pipe",
      stderr: "pipe",
    });

  test("the program has our own streams, and nothing is added", async () => {
    const child = run(
      ["run", "--command", "sh", "--", "-c", "cat; echo err >&2; exit 5"],
      "in\0out",
    );
    expect(await child.exited).toBe(5);
    expect(await new Response(child.stdout).text()).toBe("in\0out");
    expect(await new Response(child.stderr).text()).toBe("err\n");
  });

  test("a missing claude is said so, with how to get it, and 127", async () => {
    const child = Bun.spawn([...SELF, "-p", "hi"], {
      env: { ...home.env, PATH: "/nowhere" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await child.exited).toBe(127);
    expect(await new Response(child.stdout).text()).toBe("");
    expect(await new Response(child.stderr).text()).toContain(
      "npm install -g @anthropic-ai/claude-code",
    );
  });

  test("death by a signal is 128 + n", async () => {
    const child = run(["run", "--command", "sh", "--", "-c", "kill -TERM $$"], "");
    expect(await child.exited).toBe(143);
  });
});
