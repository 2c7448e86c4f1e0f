import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readSeat } from "../src/hub/seat.ts";
import { type FreshHome, freshHome } from "./support/embedded.ts";
import { SELF } from "./support/home.ts";
import { processesIn } from "./support/runner.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

const homes: FreshHome[] = [];
function fresh(): FreshHome {
  const home = freshHome();
  homes.push(home);
  return home;
}
afterEach(() => {
  for (const home of homes.splice(0)) home.remove();
});
const wrap = (home: FreshHome, script: string) =>
  openTty([...SELF, "run", "--command", "sh", "--", "-c", script], {
    env: home.env,
    cwd: home.dir,
  });
const running = async (home: FreshHome) =>
  (await home.machine().sessions()).filter(({ status }) => status === "running").length;

describe("with nothing configured", () => {
  test("the first session starts a server that outlives it, pairs itself, and says in one line where the dashboard is", async () => {
    const home = fresh();
    const tty = wrap(home, "echo runs; sleep 1; exit 3");
    await tty.sees("runs");
    expect(tty.text().match(/claude-remote:.*/g)?.length).toBe(1);
    expect(tty.text().replace(/\s+/g, " ")).toContain(
      `your dashboard is at http://127.0.0.1:${home.env.CLAUDE_REMOTE_PORT}`,
    );
    expect(await tty.exited).toEqual({ code: 3 });
    await until(
      "the exit is known",
      async () => (await home.machine().sessions())[0]?.exit?.code === 3,
    );
    expect(home.seat()).toMatchObject({ url: `http://127.0.0.1:${home.env.CLAUDE_REMOTE_PORT}` });
    expect(statSync(join(home.dir, ".config/claude-remote/pairing.json")).mode & 0o777).toBe(0o600);
    for (const dir of [home.data, join(home.dir, ".local/state/claude-remote")])
      expect(statSync(dir).mode & 0o777).toBe(0o700);

    const again = wrap(home, "echo again");
    expect(await again.exited).toEqual({ code: 0 });
    expect(again.text()).not.toContain("claude-remote:"); // said once
  }, 30_000);

  test("`server status` tells of it and `server stop` ends it; nothing is left of its seat", async () => {
    const home = fresh();
    expect(await home.cli("server", "status")).toMatchObject({
      code: 1,
      out: expect.stringContaining("No server is running"),
    });
    expect(await wrap(home, "true").exited).toEqual({ code: 0 });
    const pid = home.seat()?.pid;
    expect(await home.cli("server", "status")).toMatchObject({
      code: 0,
      out: expect.stringContaining(`process ${pid}`),
    });
    expect(JSON.parse((await home.cli("server", "status", "--json")).out)).toMatchObject({
      running: true,
      pid,
    });
    expect(await home.cli("server")).toMatchObject({
      code: 1,
      err: expect.stringContaining(`process ${pid}`),
    });
    expect(await home.cli("server", "stop")).toMatchObject({
      code: 0,
      err: expect.stringContaining("has ended"),
    });
    expect(home.seat()).toBeUndefined();
    expect(existsSync(join(home.data, "server.json"))).toBe(false);
    expect(await home.cli("server", "stop")).toMatchObject({
      code: 0,
      err: "No server is running here.\n",
    });
  }, 30_000);

  test("a server that takes leave just while somebody looks is none", async () => {
    const home = fresh();
    mkdirSync(home.data, { recursive: true });
    const seat = {
      pid: process.pid,
      url: "x",
      port: 1,
      origin: "x",
      version: "x",
      protocol: 1,
      started_at: 1,
    };
    const script = `import { rmSync } from "node:fs";
      import { takeSeat } from ${JSON.stringify(join(import.meta.dir, "../src/hub/seat.ts"))};
      const data = ${JSON.stringify(home.data)};
      const seat = takeSeat(data);
      console.log("here");
      for (;;) { seat.announce(${JSON.stringify(seat)}); rmSync(data + "/server.json"); }`;
    const other = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
    await other.stdout.getReader().read();
    try {
      expect(Array.from({ length: 3000 }, () => readSeat(home.data))).toContain(undefined);
    } finally {
      other.kill("SIGKILL");
      await other.exited;
    }
  }, 30_000);

  test("sessions that begin all at once share one server and one pairing", async () => {
    const home = fresh();
    const ttys = Array.from({ length: 5 }, () => wrap(home, "echo runs; sleep 60"));
    await Promise.all(ttys.map((tty) => tty.sees("runs")));
    await until("all five are shown", async () => (await running(home)) === 5);
    expect((await home.cli("devices")).out.trim().split("\n").length).toBe(1);
    for (const tty of ttys) tty.pty.kill("SIGKILL");
    await Promise.all(ttys.map((tty) => tty.exited));
  }, 40_000);

  test("ten race to start it where a killed one left lock and seat, and it is killed again meanwhile: there is one server, with all of them", async () => {
    const home = fresh();
    expect(await wrap(home, "true").exited).toEqual({ code: 0 });
    const left = home.seat();
    process.kill(left?.pid ?? 0, "SIGKILL");
    await until("it is dead", () => home.seat() === undefined);
    expect(existsSync(join(home.data, "server.json"))).toBe(true); // names a process that may be somebody else's by now
    writeFileSync(join(home.data, "server.json"), JSON.stringify({ ...left, pid: process.pid }));
    // one that dies while it has the right to start a server
    const holder = `import { takeLock } from ${JSON.stringify(join(import.meta.dir, "../src/hub/seat.ts"))}; const held = takeLock(${JSON.stringify(join(home.data, "start.lock"))}, 1000) ?? process.exit(1); console.log("has it"); setInterval(() => held, 1000);`;
    const starting = Bun.spawn([process.execPath, "-e", holder], { stdout: "pipe" });
    await starting.stdout.getReader().read();

    const ttys = Array.from({ length: 10 }, () => wrap(home, "echo runs; read x; exit 4"));
    try {
      await Promise.all(ttys.map((tty) => tty.sees("runs", 40_000))); // none waits for a server it is paired with
      expect(home.seat()).toBeUndefined();
      starting.kill("SIGKILL");
      const first = await until("a server is there", () => home.seat()?.pid, 30_000);
      process.kill(first, "SIGKILL");
      await until("there is another", () => ![first, undefined].includes(home.seat()?.pid), 30_000);
      await until(
        "all ten are shown",
        async () => (await running(home).catch(() => 0)) === 10,
        30_000,
      );
      expect(home.seat()?.url).toBe(left?.url ?? "");
      expect((await home.cli("devices")).out.trim().split("\n").length).toBe(1);
      const servers = () =>
        processesIn({ home: { ...home, remove: () => undefined } }).filter((line) =>
          line.includes(" server --in-background"),
        );
      await until("there is one server", () => servers().length === 1);
      for (const tty of ttys) tty.type("\r");
      for (const tty of ttys) expect(await tty.exited).toEqual({ code: 4 });
      for (const tty of ttys) expect(tty.text()).not.toContain("claude-remote:"); // none had anything to complain of
    } finally {
      starting.kill("SIGKILL");
      for (const tty of ttys) tty.pty.kill("SIGKILL");
    }
  }, 120_000);

  test("a server that was killed comes back on its port with the next session, and the one that ran on is there again", async () => {
    const home = fresh();
    const first = wrap(home, "echo first; sleep 60");
    await first.sees("first");
    await until("it is shown", async () => (await running(home)) === 1);
    const before = home.seat();
    process.kill(before?.pid ?? 0, "SIGKILL");
    const second = wrap(home, "echo second; sleep 60");
    await second.sees("second");
    await until(
      "a server is there again",
      () => ![before?.pid, undefined].includes(home.seat()?.pid),
      20_000,
    );
    expect(home.seat()?.url).toBe(before?.url ?? "");
    await until("both sessions are shown", async () => (await running(home)) === 2, 20_000);
    for (const tty of [first, second]) tty.pty.kill("SIGKILL");
    await Promise.all([first.exited, second.exited]);
  }, 40_000);

  test("a server that was killed is brought back by a session that runs; one that was stopped is not", async () => {
    const home = fresh();
    const tty = wrap(home, "echo runs; sleep 60");
    await tty.sees("runs");
    await until("it is shown", async () => (await running(home)) === 1);
    const killed = home.seat()?.pid ?? 0;
    process.kill(killed, "SIGKILL");
    await until(
      "a server is there again",
      () => ![killed, undefined].includes(home.seat()?.pid),
      20_000,
    );
    await until("the session is shown again", async () => (await running(home)) === 1, 20_000);
    await Bun.sleep(500); // a session that has just begun would start it for itself
    await home.cli("server", "stop");
    await Bun.sleep(3000);
    expect(home.seat()).toBeUndefined();
    tty.pty.kill("SIGKILL");
    await tty.exited;
  }, 60_000);

  test("a relative data folder, a proxy in the environment and an empty HOME do no harm", async () => {
    const home = fresh();
    Object.assign(home.env, {
      CLAUDE_REMOTE_DATA: "mine",
      HTTP_PROXY: "http://127.0.0.1:9",
      http_proxy: "http://127.0.0.1:9",
      ANTHROPIC_API_KEY: "sk-secret",
    });
    expect((await home.cli("pair")).code).toBe(0);
    const { data, pid } = JSON.parse((await home.cli("server", "status", "--json")).out);
    expect(data).toBe(join(home.dir, "mine"));
    if (process.platform === "linux")
      expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("sk-secret"); // it lives long
    await home.cli("server", "stop");
    writeFileSync(join(home.dir, "evil"), "#!/bin/sh\necho evil\n", { mode: 0o755 });
    mkdirSync(join(home.dir, ".config/claude-remote"), { recursive: true });
    writeFileSync(join(home.dir, ".config/claude-remote/config.toml"), 'claude = "./evil"\n');
    home.env.HOME = "";
    expect((await home.cli("-p", "x")).out).not.toContain("evil");
  }, 30_000);

  test("an older server is asked to restart, and live sessions reconnect", async () => {
    const home = fresh();
    const tty = wrap(home, "echo lives on; sleep 60");
    await tty.sees("lives on");
    await until("it is shown", async () => (await running(home)) === 1);
    const old = home.seat();
    const file = join(home.data, "server.json");
    writeFileSync(
      file,
      JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), version: "0.0.1" }),
    );
    expect((await home.cli("devices")).code).toBe(0);
    expect(home.seat()?.pid).not.toBe(old?.pid ?? 0);
    await until("the session is back", async () => (await running(home)) === 1, 20_000);
    tty.pty.kill("SIGKILL");
    await tty.exited;
  }, 40_000);

  test("a server started by hand on the same data is used, not replaced", async () => {
    const home = fresh();
    const server = Bun.spawn([...SELF, "server", "--port", "0"], {
      env: home.env,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    await until("it is up", () => home.seat() !== undefined);
    const tty = wrap(home, "echo runs; sleep 60");
    await until(
      "the session is shown",
      async () =>
        existsSync(join(home.dir, ".config/claude-remote/pairing.json")) &&
        (await running(home)) === 1,
    );
    expect(home.seat()?.pid).toBe(server.pid);
    tty.pty.kill("SIGKILL");
    await tty.exited;
    server.kill();
    await server.exited;
  }, 30_000);

  test("a server that has lost its data is paired with anew; a machine that was revoked stays locked out", async () => {
    const home = fresh();
    expect(await wrap(home, "true").exited).toEqual({ code: 0 });
    const before = home.machine().device;
    await home.cli("server", "stop");
    rmSync(home.data, { recursive: true });
    expect((await home.cli("devices")).code).toBe(0);
    const after = home.machine().device;
    expect(after).not.toBe(before);

    expect((await home.machine().request("DELETE", `/api/devices/${after}`)).status).toBe(200);
    const unseen = wrap(home, "sleep 3; exit 5");
    expect(await unseen.exited).toEqual({ code: 5 });
    expect(unseen.text().replace(/\s+/g, " ")).toContain(
      "the server does not know this machine, or has locked it out",
    );
    await home.cli("server", "stop");
    expect(await home.cli("devices")).toMatchObject({
      code: 1,
      err: expect.stringContaining("revoked"),
    });
    expect((await home.cli("pair")).code).toBe(0); // whoever owns the server's files may
    expect((await home.cli("devices")).code).toBe(0);
  }, 60_000);

  test("where no server can be started, claude starts all the same and the reason is said", async () => {
    const home = fresh();
    const taken = Bun.listen({
      hostname: "127.0.0.1",
      port: Number(home.env.CLAUDE_REMOTE_PORT),
      socket: { data: () => undefined },
    });
    const tty = wrap(home, "echo runs; exit 4");
    expect(await tty.exited).toEqual({ code: 4 });
    expect(tty.text()).toContain("is taken");
    expect(tty.text()).toContain("runs");
    taken.stop(true);
  }, 20_000);

  test("switched off, or without a terminal, nothing is started", async () => {
    const home = fresh();
    expect(await home.cli("run", "--command", "echo", "--", "hi")).toEqual({
      code: 0,
      out: "hi\n",
      err: "",
    });
    expect(existsSync(home.data)).toBe(false);
    mkdirSync(join(home.dir, ".config/claude-remote"), { recursive: true });
    writeFileSync(join(home.dir, ".config/claude-remote/config.toml"), "embedded = false\n");
    expect(await wrap(home, "true").exited).toEqual({ code: 0 });
    expect(existsSync(home.data)).toBe(false);
  }, 20_000);
});

describe("`pair`", () => {
  test("starts the server, says that a phone can't reach it, and what to write where", async () => {
    const home = fresh();
    const shown = await home.cli("pair");
    expect(shown).toMatchObject({
      code: 0,
      out: expect.stringContaining(`http://127.0.0.1:${home.env.CLAUDE_REMOTE_PORT}/#pair=`),
    });
    for (const words of [
      "can't reach this server",
      join(home.dir, ".config/claude-remote/config.toml"),
      "insecure_lan = true",
      "public_url = ",
    ])
      expect(shown.err).toContain(words);
  }, 20_000);

  test("restarts the server once more is asked of it, keeps that, and says whether the new address answers", async () => {
    const home = fresh();
    await home.cli("pair");
    const before = home.seat()?.pid;
    writeFileSync(join(home.dir, ".config/claude-remote/config.toml"), "insecure_lan = true\n");
    const lan = await home.cli("pair");
    expect(home.seat()?.pid).not.toBe(before ?? 0);
    if (home.seat()?.origin.includes("127.0.0.1") === false)
      expect(lan.err).toContain("not encrypted");
    const kept = home.seat()?.pid;
    rmSync(join(home.dir, ".config/claude-remote/config.toml"));
    await home.cli("pair");
    expect(home.seat()?.pid).toBe(kept ?? 0); // a phone may be connected that way
    writeFileSync(
      join(home.dir, ".config/claude-remote/config.toml"),
      'public_url = "home.example"\n',
    );
    expect(await home.cli("pair")).toMatchObject({
      code: 1,
      err: expect.stringContaining("--public-url home.example: give an origin"),
    });
    expect(home.seat()?.pid).toBe(kept ?? 0); // nothing is stopped for a mistake
    writeFileSync(
      join(home.dir, ".config/claude-remote/config.toml"),
      'public_url = "https://nowhere.invalid"\n',
    );
    expect(await home.cli("pair")).toMatchObject({
      out: expect.stringContaining("https://nowhere.invalid/#pair="),
      err: expect.stringContaining("does not answer from here"),
    });
  }, 60_000);
});
