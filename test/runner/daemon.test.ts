import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { toBase64url } from "../../src/auth.ts";
import { loadPairing, savePairing } from "../../src/runner/pairing.ts";
import { processesOf } from "../../src/runner/processes.ts";
import { Started } from "../../src/types.ts";
import { SELF } from "../support/home.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { pairDevice } from "../support/phone.ts";
import {
  processesIn,
  type Runner,
  runners,
  spawnRunner,
  startRunner,
  startSession,
} from "../support/runner.ts";
import { openTty, type Tty } from "../support/tty.ts";
import { until } from "../support/until.ts";

/** Stands in for Claude Code: tells what it was started with, and waits; `deaf` in its folder has it ignore signals, `restless` start one program after the other, `hopping` one that does nothing but start the next and go, for half a minute at most. */
const CLAUDE = `#!/bin/sh
env > env.txt; pwd -P > cwd.txt; for arg; do echo "$arg"; done > args.txt; ps -o sid= -p $$ > sid.txt
[ -e deaf ] && trap '' TERM INT HUP
[ -e restless ] && while :; do sleep 60 & sleep 0.004; done &
[ -e hopping ] && perl -e 'use POSIX; $SIG{CHLD} = $SIG{TERM} = "IGNORE"; my $end = time + 30; while (time < $end) { exit if fork; setsid; select undef, undef, undef, 0.002 }'
echo run >> runs.txt; echo ready; while :; do sleep 0.1; done
`;

let server: HomeServer;
let work: string;
let env: Record<string, string | undefined>;
let runner: Runner | undefined;
let before: string[];
let count = 0;
beforeAll(async () => {
  server = await startHomeServer();
  work = realpathSync(join(server.home.dir, "work"));
  mkdirSync(join(server.home.dir, "bin"));
  writeFileSync(join(server.home.dir, "bin/claude"), CLAUDE, { mode: 0o755 });
  env = { PATH: `${join(server.home.dir, "bin")}:${server.home.env.PATH}` };
  before = processesIn(server);
}, 30_000);
afterEach(async () => {
  runner?.process.kill("SIGTERM");
  runner?.process.kill("SIGTERM"); // at once
  await runner?.process.exited;
  runner = undefined;
  await until(
    "no process is left",
    () => processesIn(server).every((line) => before.includes(line)),
    15_000,
  );
}, 20_000);
afterAll(async () => {
  for (const line of processesIn(server))
    if (!before.includes(line)) process.kill(Number.parseInt(line, 10), "SIGKILL"); // after a failure
  await server.stop();
});

/** A new folder below the root. */
function folder(): string {
  const path = join(work, `folder ${++count}`);
  mkdirSync(path);
  return path;
}
const read = (path: string, name: string) =>
  existsSync(join(path, name)) ? readFileSync(join(path, name), "utf8") : "";
const ready = (path: string) => until("claude runs", () => read(path, "runs.txt") !== "");
const post = async (request: object) =>
  server.phone.json("POST", `/api/runners/${(await runners(server))[0]?.id}/sessions`, request);
const refusal = async (request: object) => {
  const { status, body } = await post(request);
  expect(status).toBe(409);
  return v.parse(v.object({ error: v.object({ message: v.string() }) }), body).error.message;
};
/** Where the runner keeps its sessions, and the process of one. */
const place = () => join(server.home.dir, ".local/state/claude-remote/runner/sessions");
const processOf = (id: string): number =>
  JSON.parse(readFileSync(join(place(), id, "record.json"), "utf8")).pid;
const session = async (id: string) =>
  (await server.phone.sessions()).find((other) => other.id === id);
const ended = (id: string, ms = 15_000) =>
  until("it is over", async () => (await session(id))?.status === "ended" && session(id), ms);

describe("what a session is given", () => {
  test("its folder, its arguments as they are, a terminal and a process session of its own, and nothing of ours", async () => {
    runner = await startRunner(server, [work], {
      ...env,
      TERM: "dumb",
      TERM_PROGRAM: "ghostty",
      CLAUDE_REMOTE_CLAUDE: "claude",
      KEPT: "yes",
    });
    const cwd = folder();
    const args = ["--name", "a b; $(touch no) 'x'", "--model", "opus"];
    const id = await startSession(server, { cwd, args, cols: 60, rows: 20 });
    await ready(cwd);
    expect(read(cwd, "cwd.txt")).toBe(`${cwd}\n`);
    expect(read(cwd, "args.txt").split("\n").slice(2, -1)).toEqual(args); // after --settings
    const given = read(cwd, "env.txt");
    expect(given).toContain("KEPT=yes\n");
    expect(given).toContain("TERM=xterm-256color\n");
    expect(given).toContain(`PWD=${cwd}\n`);
    expect(given).not.toContain("TERM_PROGRAM");
    expect(given).not.toContain("CLAUDE_REMOTE_CLAUDE");
    expect(Number(read(cwd, "sid.txt"))).not.toBe(runner.process.pid);
    expect(await session(id)).toMatchObject({
      cwd,
      args,
      desk: false,
      sandbox: false,
      status: "running",
    });
    const runs = await until(
      "its folder is among the recent ones",
      async () => (await runners(server))[0]?.recent.includes(cwd) && (await runners(server)),
    );
    expect(runs[0]?.roots).toEqual([work]);
  }, 30_000);

  test("not a folder that has become another since it was looked at", async () => {
    const pairing = loadPairing(join(server.home.dir, ".config/claude-remote/pairing.json"));
    const cwd = folder();
    rmSync(cwd, { recursive: true });
    symlinkSync(server.home.dir, cwd);
    const spec = {
      session: "s_swapped",
      dir: join(server.home.dir, "swapped"),
      cwd,
      command: "claude",
      args: [],
      sandbox: false,
      cols: 80,
      rows: 24,
      pairing,
    };
    const child = Bun.spawn([...SELF, "__session"], {
      env: { ...server.home.env, ...env },
      cwd: work,
      stdin: new Blob([JSON.stringify(spec)]),
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await child.exited).toBe(126);
    expect(await new Response(child.stderr).text()).toContain("leads elsewhere by now");
    expect(existsSync(join(server.home.dir, "env.txt"))).toBe(false);
  }, 20_000);
});

describe("the same start", () => {
  test("twice at once, again, after its end and after the runner's, is one session", async () => {
    runner = await startRunner(server, [work], env);
    const cwd = folder();
    const request = { id: "once", cwd };
    const [first, second] = await Promise.all([
      startSession(server, request),
      startSession(server, request),
    ]);
    expect(second).toBe(first);
    await ready(cwd);
    expect(await startSession(server, request)).toBe(first);
    await runner.end("SIGKILL");
    runner = await startRunner(server, [work], env);
    expect(await startSession(server, request)).toBe(first);
    await server.phone.json("POST", `/api/sessions/${first}/stop`, {});
    await ended(first);
    expect(await startSession(server, request)).toBe(first);
    expect(read(cwd, "runs.txt")).toBe("run\n");
    expect(await startSession(server, { id: "another", cwd })).not.toBe(first);
  }, 60_000);

  test("is tried anew where it was refused", async () => {
    runner = await startRunner(server, [work], env);
    const cwd = join(work, "made later");
    expect(await refusal({ id: "later", cwd })).toContain("not there");
    mkdirSync(cwd);
    await startSession(server, { id: "later", cwd });
    await ready(cwd);
  }, 30_000);
});

describe("a start is refused in words", () => {
  test("outside the roots, for what is no folder, and without a sandbox where one is asked for", async () => {
    runner = await startRunner(server, [work], { ...env, DOCKER_HOST: "unix:///nowhere" });
    symlinkSync(server.home.dir, join(work, "out"));
    expect(await refusal({ cwd: server.home.dir })).toContain(
      `outside the folders that this runner may work in: ${work}`,
    );
    expect(await refusal({ cwd: join(work, "..") })).toContain("outside");
    expect(await refusal({ cwd: join(work, "out") })).toContain("outside");
    writeFileSync(join(work, "file"), "");
    expect(await refusal({ cwd: join(work, "file") })).toContain("not a folder");
    expect(await refusal({ cwd: work, sandbox: true })).toContain("sandbox");
    expect((await refusal({ cwd: `/${"x/".repeat(2000)}` })).length).toBeLessThanOrEqual(1000);
  }, 30_000);

  test("for a conversation of another folder, which claude would take from there", async () => {
    const [cwd, other] = [folder(), folder()];
    const id = "45f03d5e-d5ab-4b06-8106-431cf6143791";
    const kept = join(server.home.dir, ".claude/projects", other.replace(/[^a-zA-Z0-9]/g, "-"));
    mkdirSync(kept, { recursive: true });
    writeFileSync(
      join(kept, `${id}.jsonl`),
      JSON.stringify({ type: "user", cwd: other, message: { content: "of my own" } }),
    );
    runner = await startRunner(server, [work], env);
    expect(await refusal({ cwd, args: ["--resume", id] })).toContain(`conversations of ${cwd}`);
    await startSession(server, { cwd: other, args: ["--resume", id] });
    await ready(other);
  }, 30_000);

  test("where Claude Code is not installed", async () => {
    runner = await startRunner(server, [work], {
      CLAUDE_REMOTE_CLAUDE: "claude-that-is-not-there",
    });
    expect(await refusal({ cwd: work })).toContain("claude-that-is-not-there: command not found");
  }, 30_000);

  test("where too many are asked for within a minute", async () => {
    runner = await startRunner(server, [work], env);
    const cwd = folder();
    for (let i = 0; i < 10; i++) await startSession(server, { cwd });
    expect(await refusal({ cwd })).toContain("within a minute");
  }, 60_000);

  test("where the disk is full", async () => {
    const full = Bun.which("sh") ?? "/bin/sh";
    runner = spawnRunner(server, [work], env, [full, "-c", 'ulimit -f 0; exec "$@"', "sh"]);
    await until(
      "it is there",
      async () => runner?.said().includes("connected to") && (await runners(server))[0]?.online,
      20_000,
    );
    const cwd = folder();
    expect(await refusal({ cwd })).toMatch(/can't start a session: EFBIG/);
    expect(read(cwd, "runs.txt")).toBe("");
  }, 30_000);
});

test("with a full disk, too, the server hears of a session that had to be killed with its process", async () => {
  runner = await startRunner(server, [work], env);
  const cwd = folder();
  const id = await startSession(server, { cwd });
  await ready(cwd);
  await runner.end("SIGKILL");
  runner = spawnRunner(server, [work], env, [
    Bun.which("sh") ?? "/bin/sh",
    "-c",
    'ulimit -f 0; exec "$@"',
    "sh",
  ]);
  await until(
    "it is there",
    async () => (await runners(server))[0]?.online && runner?.said().includes("is taken over"),
  );
  process.kill(processOf(id), "SIGSTOP");
  expect(
    (await server.phone.json("POST", `/api/sessions/${id}/stop`, { signal: "SIGKILL" })).status,
  ).toBe(200);
  expect((await ended(id))?.exit).toEqual({ code: -1, lost: true });
}, 40_000);

describe("a program that ignores every signal", () => {
  const deaf = async () => {
    const cwd = folder();
    writeFileSync(join(cwd, "deaf"), "");
    const id = await startSession(server, { cwd });
    await ready(cwd);
    return id;
  };

  test("is killed from the phone", async () => {
    runner = await startRunner(server, [work], env);
    const id = await deaf();
    for (const signal of ["SIGINT", "SIGTERM"])
      expect((await server.phone.json("POST", `/api/sessions/${id}/stop`, { signal })).status).toBe(
        200,
      );
    await Bun.sleep(500);
    expect((await session(id))?.status).toBe("running");
    expect(
      (await server.phone.json("POST", `/api/sessions/${id}/stop`, { signal: "SIGKILL" })).status,
    ).toBe(200);
    expect((await ended(id))?.exit).toEqual({ code: 137, signal: "SIGKILL" });
  }, 30_000);

  test("is killed in the end where the runner is told to end", async () => {
    runner = await startRunner(server, [work], env);
    const id = await deaf();
    expect(await runner.end()).toBe(0);
    expect((await ended(id))?.exit).toEqual({ code: 137, signal: "SIGKILL" });
  }, 30_000);

  test("is killed at once where it is told twice", async () => {
    runner = await startRunner(server, [work], env);
    const id = await deaf();
    const began = performance.now();
    runner.process.kill("SIGINT");
    await until("it has heard", () => runner?.said().includes("once more"));
    expect(await runner.end("SIGINT")).toBe(0);
    expect(performance.now() - began).toBeLessThan(9000); // before the ten seconds of an end in order
    expect((await ended(id))?.exit).toEqual({ code: 137, signal: "SIGKILL" });
  }, 30_000);
});

test("of a session that is lost nothing is left, though it goes on starting programs until it is killed", async () => {
  runner = await startRunner(server, [work], env);
  const cwd = folder();
  for (const name of ["deaf", "restless"]) writeFileSync(join(cwd, name), "");
  const id = await startSession(server, { cwd });
  await ready(cwd);
  process.kill(processOf(id), "SIGKILL");
  await until(
    "the runner is through",
    async () => (await session(id))?.status === "ended" && [...processesOf(id)].length === 0,
    20_000,
  );
}, 30_000);

test.skipIf(Bun.which("perl") === null)(
  "nor of one whose programs hop from process to process",
  async () => {
    runner = await startRunner(server, [work], env);
    const cwd = folder();
    writeFileSync(join(cwd, "hopping"), "");
    const id = await startSession(server, { cwd });
    await ready(cwd);
    const hops = new Set<number>();
    await until("it hops", () => {
      for (const pid of processesOf(id)) hops.add(pid);
      return hops.size > 20;
    });
    process.kill(processOf(id), "SIGKILL");
    await until("the session is over", async () => (await session(id))?.status === "ended");
    let quiet = 0;
    await until(
      "nothing runs for a while",
      () => {
        quiet = processesOf(id).next().done === true ? quiet + 1 : 0;
        return quiet === 50;
      },
      20_000,
    );
  },
  60_000,
);

test("while the server is away sessions go on, and what was lost meanwhile is told", async () => {
  runner = await startRunner(server, [work], env);
  const [stays, goes] = [folder(), folder()];
  const [a, b] = [
    await startSession(server, { cwd: stays }),
    await startSession(server, { cwd: goes }),
  ];
  await Promise.all([ready(stays), ready(goes)]);
  await server.restart("SIGKILL", async () => {
    process.kill(processOf(b), "SIGKILL");
    await until("the runner has noticed", () => runner?.said().includes(`${b} in ${goes} is lost`));
  });
  before = [...before, ...processesIn(server).filter((line) => line.includes(" server "))];
  expect((await ended(b, 20_000))?.exit).toEqual({ code: -1, lost: true });
  await until("the other is there", async () => (await session(a))?.status === "running", 20_000);
  await until("the runner too", async () => (await runners(server))[0]?.online, 20_000);
}, 60_000);

test("what can't be read of a session that is lost, or be told, holds nothing up: neither an end nor the next start", async () => {
  runner = await startRunner(server, [work], env);
  const cwd = folder();
  const id = await startSession(server, { cwd });
  await ready(cwd);
  const pid = processOf(id);
  rmSync(join(place(), id, "session.json"));
  mkdirSync(join(place(), id, "session.json"));
  mkdirSync(join(place(), "s_odd/record.json"), { recursive: true });
  process.kill(pid, "SIGKILL");
  await until("the runner has noticed", () => runner?.said().includes(`${id} in ${cwd} is lost`));
  expect(await runner.end()).toBe(0);
  runner = await startRunner(server, [work], env);
  await until("the odd one is told", () => runner?.said().includes("s_odd: EISDIR"));
  rmSync(join(place(), "s_odd"), { recursive: true });
  rmSync(join(place(), id), { recursive: true });
}, 60_000);

test.each([
  ["Ctrl-C ends the sessions in order", (tty: Tty) => tty.type("\x03")],
  ["so does closing it", (tty: Tty) => tty.pty.kill("SIGHUP")],
])(
  "at a terminal %s, and none of them hears of it otherwise",
  async (_, end) => {
    const tty = openTty([...SELF, "runner", "--root", work], {
      env: { ...server.home.env, ...env },
      cwd: work,
    });
    await tty.sees("connected to");
    await until("it is there", async () => (await runners(server))[0]?.online);
    const cwd = folder();
    const id = await startSession(server, { cwd });
    await ready(cwd);
    end(tty);
    expect((await tty.exited).code).toBe(0);
    expect((await ended(id))?.exit).toEqual({ code: 143, signal: "SIGTERM" });
  },
  30_000,
);

test("a machine that may only run sessions starts them too, and its dashboard is another's", async () => {
  const other = await pairDevice(
    `${server.origin}/${new URL(await server.phone.mint("runner")).hash}`,
    "runner",
    "build box",
  );
  const elsewhere = {
    XDG_CONFIG_HOME: join(server.home.dir, "box"),
    XDG_STATE_HOME: join(server.home.dir, "box-state"),
  };
  savePairing(join(elsewhere.XDG_CONFIG_HOME, "claude-remote/pairing.json"), {
    server: server.origin,
    device: other.device,
    secret: toBase64url(other.secret),
  });
  runner = spawnRunner(server, [work], { ...env, ...elsewhere });
  await until("it is there", async () =>
    (await runners(server)).find(({ id, online }) => id === other.device && online),
  );
  const cwd = folder();
  const { session: id } = await server.phone.get(
    Started,
    "POST",
    `/api/runners/${other.device}/sessions`,
    { cwd },
  );
  await ready(cwd);
  expect((await session(id))?.runner).toBe(other.device);
}, 30_000);

describe("the command line", () => {
  const cli = async (args: string[], more: Record<string, string | undefined> = {}) => {
    const child = Bun.spawn([...SELF, "runner", ...args], {
      env: { ...server.home.env, ...env, ...more },
      cwd: work,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [code, out, err] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect(out).toBe("");
    return { code, err };
  };

  test("asks for roots, and for such that are folders", async () => {
    expect(await cli([])).toMatchObject({ code: 2, err: expect.stringContaining("--root ~/src") });
    expect(await cli(["--root", "nothing"])).toMatchObject({
      code: 2,
      err: expect.stringContaining(`${join(work, "nothing")} is not there`),
    });
    expect(await cli(["--root", "/", "more"])).toMatchObject({ code: 2 });
  }, 20_000);

  test("says where nothing is paired", async () => {
    const { code, err } = await cli(["--root", "."], {
      XDG_CONFIG_HOME: join(server.home.dir, "elsewhere"),
    });
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringContaining("not paired yet"),
    });
  }, 20_000);

  test("takes a root that is a link for what it leads to", async () => {
    const link = join(server.home.dir, "link");
    symlinkSync(work, link);
    runner = await startRunner(server, [`${link}/`], env);
    expect((await runners(server))[0]?.roots).toEqual([work]);
    const cwd = folder();
    const id = await startSession(server, { cwd: cwd.replace(work, link) });
    expect((await session(id))?.cwd).toBe(cwd);
  }, 20_000);

  test("takes roots from the environment, and lets one runner work here at a time", async () => {
    runner = await startRunner(server, [], { ...env, CLAUDE_REMOTE_ROOTS: `${work}:~/bin` });
    expect((await runners(server))[0]?.roots).toEqual([
      work,
      realpathSync(join(server.home.dir, "bin")),
    ]);
    expect(await cli(["--root", "."])).toMatchObject({
      code: 1,
      err: expect.stringContaining("works here already"),
    });
  }, 20_000);
});
