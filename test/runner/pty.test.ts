import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "bun-pty";
import * as v from "valibot";
import { programPid, StartError } from "../../src/runner/program.ts";
import { type Exit, type Pty, type PtyOptions, startPty } from "../../src/runner/pty.ts";
import { until } from "../support/until.ts";

/** Starts a program and collects what it writes. */
function start(argv: string[], options: Partial<PtyOptions> = {}) {
  const [command = "", ...args] = argv;
  const chunks: Uint8Array[] = [];
  let stops = 0;
  const exits: Exit[] = [];
  const pty: Pty = startPty({
    command,
    args,
    env: process.env,
    cwd: tmpdir(),
    cols: 80,
    rows: 24,
    onData: (bytes) => void chunks.push(bytes),
    onStop: () => void stops++,
    onExit: (exit) => void exits.push(exit),
    ...options,
  });
  const bytes = () => Buffer.concat(chunks);
  return {
    pty,
    bytes,
    exits,
    text: () => bytes().toString(),
    stops: () => stops,
    exit: () => until("the program ends", () => exits[0], 20_000),
  };
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});
function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "pty-test-"));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

describe("what bun-pty got wrong as shipped, row by row", () => {
  test("1: in a flood the event loop goes on, and a reader that pauses costs no memory", async () => {
    // what is worked on between two beats: others who take the processor keep us waiting, too
    const spent = () => (process.cpuUsage().user + process.cpuUsage().system) / 1000; // ms
    let gap = 0;
    let last = spent();
    const beat = setInterval(() => {
      gap = Math.max(gap, spent() - last);
      last = spent();
    }, 5);
    let received = 0;
    const flood = start(
      ["sh", "-c", "yes 0123456789012345678901234567890123456789 | head -c 60000000"],
      {
        onData: (bytes) => {
          received += bytes.length;
        },
      },
    );
    await until("it flows", () => received > 5_000_000);
    flood.pty.pause();
    await Bun.sleep(300);
    const before = received;
    const rss = process.memoryUsage.rss();
    await Bun.sleep(700);
    expect(received - before).toBeLessThan(256 * 1024);
    expect(process.memoryUsage.rss() - rss).toBeLessThan(16 * 1024 * 1024);
    flood.pty.resume();
    expect(await flood.exit()).toEqual({ code: 0 });
    clearInterval(beat);
    expect(received).toBe(60_000_000 + Math.floor(60_000_000 / 41)); // every line feed gets its carriage return
    expect(gap).toBeLessThan(2000); // as shipped: frozen for most of the flood
  }, 60_000);

  test("2: an echo after a pause comes sooner than the next tick of the poll as shipped", async () => {
    const cat = start(["sh", "-c", "stty raw -echo; echo ready; exec cat"]);
    await until("it reads", () => cat.text().includes("ready"));
    const before = cat.bytes().length;
    const echoes: number[] = [];
    const ticks: number[] = [];
    for (let i = 1; i <= 60; i++) {
      await Bun.sleep(40); // idle again
      const tick = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 8));
      ticks.push(performance.now() - tick);
      const from = performance.now();
      cat.pty.write("x");
      while (cat.bytes().length < before + i) await new Promise((resolve) => setImmediate(resolve));
      echoes.push(performance.now() - from);
    }
    cat.pty.kill("SIGKILL");
    await cat.exit();
    const median = (times: number[]) => times.sort((a, b) => a - b)[30] ?? 0;
    expect(cat.text().endsWith("x".repeat(60))).toBe(true);
    expect(median(echoes)).toBeLessThan(median(ticks)); // both measured in this very run
  }, 20_000);

  test("2: idle, it wakes up less often than the poll as shipped", async () => {
    // in a process of its own, where nothing else wakes up; the poll as shipped runs beside ours, in the same run
    const script = `
      import { startPty } from ${JSON.stringify(join(import.meta.dir, "../../src/runner/pty.ts"))};
      const nothing = () => undefined;
      const pty = startPty({ command: "sleep", args: ["30"], env: process.env, cwd: "/", cols: 80, rows: 24, onData: nothing, onStop: nothing, onExit: () => process.exit() });
      const wakeUps = async () => {
        const from = process.resourceUsage().voluntaryContextSwitches;
        await Bun.sleep(1500);
        return process.resourceUsage().voluntaryContextSwitches - from;
      };
      await Bun.sleep(800);
      const ours = await wakeUps();
      setInterval(nothing, 8);
      console.log(JSON.stringify([ours, await wakeUps()]));
      pty.kill("SIGKILL");`;
    const child = Bun.spawn([process.execPath, "--eval", script], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const [ours, both] = v.parse(
      v.tuple([v.number(), v.number()]),
      JSON.parse(await new Response(child.stdout).text()),
    );
    expect(await child.exited).toBe(0);
    expect(ours).toBeLessThan(both - ours);
  });

  test("3: the asked signal arrives, and the exit comes with its own status after the last output", async () => {
    const trap = start([
      "sh",
      "-c",
      "trap 'echo caught; exit 3' TERM; trap '' HUP; echo ready; while :; do sleep 0.05; done",
    ]);
    await until("it is ready", () => trap.text().includes("ready"));
    trap.pty.kill("SIGHUP");
    await Bun.sleep(200);
    expect(trap.exits).toEqual([]); // as shipped: reported as ended with 0
    trap.pty.kill("SIGTERM");
    expect(await trap.exit()).toEqual({ code: 3 });
    expect(trap.text()).toContain("caught");
  });

  test("4: a signal after the exit does nothing, and the exit is told once", async () => {
    const done = start(["true"]);
    await done.exit();
    done.pty.kill("SIGTERM");
    done.pty.write("nobody");
    done.pty.resize(10, 10);
    await Bun.sleep(50);
    expect(done.exits).toEqual([{ code: 0 }]);
  });

  test("5: death by a signal is told as such", async () => {
    for (const [signal, code] of [
      ["SIGKILL", 137],
      ["SIGTERM", 143],
      ["SIGSEGV", 139],
    ] as const) {
      const victim = start(["sh", "-c", "echo runs; exec sleep 30"]);
      await until("it runs", () => victim.text().includes("runs"));
      const pid = await until("it is found", () => programPid(victim.pty.holder));
      process.kill(pid, signal); // from elsewhere, as the kernel does when memory runs out
      expect(await victim.exit()).toEqual({ code, signal });
      expect(victim.text()).toBe("runs\r\n"); // no "Killed" of some shell on the screen
    }
  });

  test("6: a listener that throws does not end the reading", async () => {
    const errors: unknown[] = [];
    const original = console.error;
    console.error = (...args: unknown[]) => void errors.push(args);
    let calls = 0;
    const exits: unknown[] = [];
    const pty = spawn("/bin/sh", ["-c", "echo one; sleep 0.2; echo two"], { cwd: "/" });
    pty.onBytes(() => {
      calls++;
      throw new Error("listener");
    });
    pty.onExit((exit) => exits.push(exit));
    await until("it ends", () => exits.length > 0);
    console.error = original;
    expect(calls).toBeGreaterThanOrEqual(2);
    expect(errors.length).toBe(calls);
  });

  test.skipIf(process.platform !== "linux")(
    "7: after the exit no descriptor and no thread is left (counted in /proc)",
    async () => {
      await start(["true"]).exit();
      await Bun.sleep(200);
      const count = () => [
        readdirSync("/proc/self/fd").length,
        readdirSync("/proc/self/task").length,
      ];
      const before = count();
      for (let i = 0; i < 10; i++) await start(["true"]).exit();
      const after = await until(
        "all is given back",
        () => count().every((n, i) => n <= (before[i] ?? 0) + 2) && count(),
        5000,
      );
      expect(after.length).toBe(2);
    },
  );

  test("8: a directory that is not there is an error before anything starts", () => {
    const dir = folder();
    writeFileSync(join(dir, "file"), "");
    expect(() => start(["true"], { cwd: join(dir, "nowhere") })).toThrow(/nowhere does not exist/);
    expect(() => start(["true"], { cwd: join(dir, "file") })).toThrow(/not a directory/);
  });

  test("9: the program gets exactly the environment that was given", async () => {
    process.env.PTY_TEST_UNWANTED = "1";
    const env = start(["/usr/bin/env"], {
      env: { PATH: process.env.PATH, KEPT: "ä=1 'x'", GONE: undefined },
    });
    await env.exit();
    delete process.env.PTY_TEST_UNWANTED;
    const names = env
      .text()
      .split("\r\n")
      .filter((line) => line !== "");
    // PWD, OLDPWD and _ are the holding shell's own
    expect(names.filter((line) => !/^(PWD|OLDPWD|_|PATH|SHELL)=/.test(line)).sort()).toEqual([
      "KEPT=ä=1 'x'",
      "TERM=xterm-256color",
    ]);
  });

  test("10: TERM is set, unless one was given", async () => {
    const given = start(["sh", "-c", "echo $TERM"], {
      env: { PATH: process.env.PATH, TERM: "xterm-kitty" },
    });
    await given.exit();
    expect(given.text()).toBe("xterm-kitty\r\n");
  });

  test("11: bytes come unchanged: invalid UTF-8, byte order marks, characters cut in two", async () => {
    const raw = start([
      "sh",
      "-c",
      "stty -opost; printf '\\357\\273\\277\\377\\376\\200a\\342'; sleep 0.1; printf '\\202\\254'",
    ]);
    await raw.exit();
    expect([...raw.bytes()]).toEqual([0xef, 0xbb, 0xbf, 0xff, 0xfe, 0x80, 0x61, 0xe2, 0x82, 0xac]);
  });

  test("11: erasing takes a whole character, as IUTF8 is on", async () => {
    const cat = start(["sh", "-c", "stty -echo; echo ready; read -r x; printf '<%s>' \"$x\""]);
    await until("it reads", () => cat.text().includes("ready"));
    cat.pty.write("aé\x7f\r");
    await cat.exit();
    expect(cat.text()).toContain("<a>");
  });

  test("12: sizes out of range are refused, not wrapped", async () => {
    const size = start(["sh", "-c", "stty size; read -r x; stty size"]);
    await until("it says its size", () => size.text().includes("24 80"));
    for (const [cols, rows] of [
      [70000, 24],
      [0, 24],
      [80, -1],
      [80.5, 24],
      [Number.NaN, 24],
    ] as const) {
      expect(() => size.pty.resize(cols, rows)).toThrow(RangeError);
    }
    size.pty.resize(100, 30);
    size.pty.write("\r");
    await size.exit();
    expect(size.text()).toContain("30 100");
    expect(() => start(["true"], { cols: 70000 })).toThrow(StartError);
  });

  test("13: a program that can't be started is named, with the reason and a shell's exit code", () => {
    const dir = folder();
    writeFileSync(join(dir, "plain"), "");
    chmodSync(join(dir, "plain"), 0o644);
    const failure = (argv: string[]) => {
      try {
        start(argv);
      } catch (error) {
        return error instanceof StartError
          ? { code: error.exitCode, message: error.message }
          : error;
      }
      return undefined;
    };
    expect(failure(["no-such-program"])).toEqual({
      code: 127,
      message: "no-such-program: command not found",
    });
    expect(failure([join(dir, "plain")])).toMatchObject({
      code: 126,
      message: expect.stringContaining("not executable"),
    });
    expect(() => spawn("no-such-program", [], { cwd: "/" })).toThrow("no-such-program not found");
  });
});

test("quotes, line feeds and empty arguments arrive as they are", async () => {
  const args = ["", "a b", "it's", '"', "$HOME", "a\nb", "\\", "ü", "*"];
  const echo = start(["/usr/bin/printf", "<%s>", ...args]);
  await echo.exit();
  expect(echo.text()).toBe(
    args
      .map((arg) => `<${arg}>`)
      .join("")
      .replace("\n", "\r\n"),
  );
});

test("the tail of the output is never lost", async () => {
  for (let i = 0; i < 20; i++) {
    const tail = start(["sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; echo END"]);
    await tail.exit();
    expect(tail.bytes().length).toBe(300_005);
  }
}, 30_000);

test("held back at the very end, the tail still comes", async () => {
  const tail = start([
    "sh",
    "-c",
    "echo begin; sleep 0.2; head -c 20000 /dev/zero | tr '\\0' x; echo END",
  ]);
  await until("it begins", () => tail.text().includes("begin"));
  tail.pty.pause();
  await Bun.sleep(1000); // it has ended by then
  expect(tail.exits).toEqual([]);
  tail.pty.resume();
  expect(await tail.exit()).toEqual({ code: 0 });
  expect(tail.text().endsWith("xEND\r\n")).toBe(true);
});

test("somebody who keeps the terminal open does not keep the exit back", async () => {
  const program = start([
    "sh",
    "-c",
    "trap '' HUP; (while echo still; do sleep 0.05; done) & sleep 0.1; exit 4",
  ]);
  expect(await program.exit()).toEqual({ code: 4 });
});

test("a program that stops itself is noticed, and continues in the foreground", async () => {
  const cat = start(["sh", "-c", "echo runs; exec cat"]);
  await until("it runs", () => cat.text().includes("runs"));
  for (let round = 1; round <= 2; round++) {
    cat.pty.write("\x1a");
    await until("the stop is noticed", () => cat.stops() === round);
    cat.pty.foreground();
    cat.pty.write(`round ${round}\r`);
    await until("it reads again", () => cat.text().split(`round ${round}\r\n`).length === 3);
  }
  cat.pty.write("\x04");
  expect(await cat.exit()).toEqual({ code: 0 });
});

test("when this process is gone, the program is hung up on", async () => {
  const script = `import { startPty } from ${JSON.stringify(join(import.meta.dir, "../../src/runner/pty.ts"))};
    const pty = startPty({ command: "sleep", args: ["600"], env: process.env, cwd: "/", cols: 80, rows: 24, onData() {}, onStop() {}, onExit() {} });
    await Bun.sleep(300); console.log(pty.holder);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  const reader = child.stdout.getReader();
  const holder = Number(new TextDecoder().decode((await reader.read()).value));
  const program = await until("it runs", () => programPid(holder));
  child.kill("SIGKILL");
  await child.exited;
  const runs = () => {
    try {
      return !readFileSync(`/proc/${program}/stat`, "utf8").includes(") Z ");
    } catch (error) {
      if (error instanceof Error) return false;
      throw error;
    }
  };
  await until("the program is gone too", () => !runs(), 5000);
});

describe("off Linux, where bun-pty's own loop reads", () => {
  const library = { takeOver: false };
  test("output, exit codes, signals and sizes are the same", async () => {
    const script = "printf '\\377\\376'; stty size; read -r x; stty size; kill -TERM $$";
    const program = start(["sh", "-c", script], library);
    await until("it says its size", () => program.bytes().includes("24 80"));
    program.pty.resize(100, 30);
    program.pty.write("\r");
    expect(await program.exit()).toEqual({ code: 143, signal: "SIGTERM" });
    expect([...program.bytes().subarray(0, 2)]).toEqual([0xff, 0xfe]);
    expect(program.text()).toContain("30 100");
  });

  test("a flood is held back at its source", async () => {
    const flood = start(["yes"], library);
    await until("it flows", () => flood.bytes().length > 1_000_000);
    flood.pty.pause();
    let before = 0;
    await until("it stands still", async () => {
      before = flood.bytes().length;
      await Bun.sleep(200);
      return flood.bytes().length === before;
    });
    flood.pty.resume();
    await until("it flows again", () => flood.bytes().length > before);
    flood.pty.kill("SIGKILL");
    await flood.exit();
  });

  test("a program that stops itself is noticed and continued", async () => {
    const cat = start(["sh", "-c", "echo runs; exec cat"], library);
    await until("it runs", () => cat.text().includes("runs"));
    cat.pty.write("\x1a");
    await until("the stop is noticed", () => cat.stops() === 1);
    cat.pty.foreground();
    cat.pty.write("\x04");
    expect(await cat.exit()).toEqual({ code: 0 });
  });
});

test("many that start at once in one process all run", async () => {
  // the numbers of closed descriptors come back at once, as somebody else's
  const all = Array.from({ length: 20 }, (_, i) => start(["sh", "-c", `echo number ${i}`]));
  for (const [i, pty] of all.entries()) {
    expect(await pty.exit()).toEqual({ code: 0 });
    expect(pty.text()).toContain(`number ${i}`);
  }
}, 20_000);
