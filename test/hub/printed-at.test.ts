import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../../src/db.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { OutputPage } from "../../src/types.ts";
import { SELF } from "../support/home.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { type Phone, pairDevice } from "../support/phone.ts";
import { hello, openSocket, sessionInfo } from "../support/runner-socket.ts";
import { openTty, type Tty } from "../support/tty.ts";
import { until } from "../support/until.ts";

const HOUR = 3_600_000;

describe("when a line was printed", () => {
  let data: string;
  let server: RunningServer;
  let machine: Phone;
  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), "printed-at-test-"));
    server = await startServer({
      host: "127.0.0.1",
      port: 0,
      data,
      insecureLan: false,
      log: () => undefined,
    });
    machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  });
  afterAll(async () => {
    await server.stop();
    rmSync(data, { recursive: true, force: true });
  });
  /** A session that began two hours ago, whose runner the test plays. */
  const play = async (id: string) => {
    const socket = await openSocket(server.origin, machine);
    socket.send(hello);
    const session = { ...sessionInfo(id), started_at: Date.now() - 2 * HOUR };
    socket.send({ type: "session", session, first: 1, prompts: [] });
    await socket.next("resume");
    let seq = 0;
    let next = 0;
    return {
      close: () => socket.close(),
      /** Appends lines, with or without a time. */
      async append(count: number, time: object = {}) {
        const lines = Array.from({ length: count }, (_, i) => `line ${next + i}`);
        const op = { op: "append", generation: 0, from: next, lines, ...time };
        socket.send({ type: "output", session: id, seq: ++seq, op });
        next += count;
        expect((await socket.next("ack")).seq).toBe(seq);
      },
      skip(count: number) {
        next += count;
      },
    };
  };
  const page = (id: string, query: string) =>
    machine.get(OutputPage, "GET", `/api/sessions/${id}/output?${query}`);
  const times = async (id: string) => (await page(id, "limit=1000")).lines.map(({ at }) => at);

  test("is what its runner says with it", async () => {
    const { append, close } = await play("said");
    const [first, second] = [Date.now() - HOUR, Date.now() - 1000];
    await append(2, { at: first });
    await append(1, { at: second });
    expect(await times("said")).toEqual([first, first, second]);
    close();
  });

  test.each([
    ["nothing", {}],
    ["a number below zero", { at: -1 }],
    ["a fraction", { at: Date.now() - HOUR + 0.5 }],
    ["seconds", { at: Math.floor(Date.now() / 1000) }],
    ["a time that is yet to come", { at: Date.now() + HOUR }],
    ["a time before its session began", { at: Date.now() - 3 * HOUR }],
    ["more than a number can hold", { at: 1e300 }],
    ["a word", { at: "yesterday" }],
    ["null", { at: null }],
    ["a list", { at: [1] }],
  ])("is when it came, where its runner says %s", async (what, time) => {
    const id = `when-${what.replaceAll(" ", "-")}`;
    const { append, close } = await play(id);
    const before = Date.now();
    await append(2, time);
    const stored = await times(id);
    expect(stored).toHaveLength(2);
    for (const at of stored) {
      expect(at).toBeGreaterThanOrEqual(before);
      expect(at).toBeLessThanOrEqual(Date.now());
    }
    close();
  });

  test("leads to the line: the first that was printed then or later, over gaps, the last one where none was", async () => {
    const { append, skip, close } = await play("jump");
    const start = Date.now() - HOUR;
    const minute = (n: number) => start + n * 60_000;
    for (let n = 0; n < 30; n++) {
      await append(10, { at: minute(n) });
      if (n % 7 === 3) skip(25);
    }
    const { lines: all } = await page("jump", "limit=1000");
    for (const time of [0, minute(-5), minute(0), minute(3), minute(3) + 1, minute(17.5)]) {
      const wanted = all.filter(({ at }) => (at ?? 0) >= time);
      expect((await page("jump", `at=${time}&limit=12`)).lines).toEqual(wanted.slice(0, 12));
    }
    expect((await page("jump", `at=${minute(40)}&limit=2`)).lines).toEqual(all.slice(-2));
    expect((await machine.request("GET", "/api/sessions/jump/output?at=soon")).status).toBe(400);
    expect((await machine.request("GET", "/api/sessions/jump/output?at=-1")).status).toBe(400);
    expect((await machine.request("GET", "/api/sessions/jump/transcript?at=1")).status).toBe(400);
    close();
  });

  test("is unknown of lines that were stored before times were kept, and a time leads past them", async () => {
    const { append, close } = await play("older");
    await append(5);
    const db = openDatabase(data);
    db.run("UPDATE output_log SET timestamp = NULL WHERE session_id = 'older'");
    db.close();
    const at = Date.now() - 1000;
    await append(2, { at });
    expect(await times("older")).toEqual([null, null, null, null, null, at, at]);
    const found = await page("older", `at=${at - HOUR}&limit=1`);
    expect(found.lines).toEqual([{ line: 5, row: "line 5", at }]);
    close();
  });

  test("stands in the column of that name, and each line has an id", async () => {
    const { append, close } = await play("named");
    const at = Date.now() - HOUR;
    await append(2, { at });
    const db = openDatabase(data);
    const rows = db
      .query(
        "SELECT id, session_id, timestamp, line FROM output_log WHERE session_id = 'named' ORDER BY id",
      )
      .all();
    const plan = readFileSync(join(import.meta.dir, "../../docs/plan.md"), "utf8");
    for (const table of ["devices", "sessions", "prompts", "output_log"]) {
      const columns = new RegExp(`\`${table}\\(([^)]*)\\)\``).exec(plan)?.[1]?.split(", ");
      expect(columns?.length).toBeGreaterThan(3);
      db.query(`SELECT ${columns} FROM ${table} LIMIT 1`).all();
    }
    db.close();
    expect(rows).toEqual([
      { id: "named/0/0", session_id: "named", timestamp: at, line: "line 0" },
      { id: "named/0/1", session_id: "named", timestamp: at, line: "line 1" },
    ]);
    close();
  });
});

describe("the lines of a wrapped program", () => {
  let server: HomeServer;
  const ttys: Tty[] = [];
  beforeAll(async () => {
    server = await startHomeServer();
  }, 30_000);
  afterAll(async () => {
    for (const tty of ttys) tty.pty.kill("SIGKILL");
    await server.stop();
  });
  const page = (id: string) =>
    server.phone.get(OutputPage, "GET", `/api/sessions/${id}/output?limit=1000`);
  /** Prints so many numbered lines whenever Return is pressed. */
  const start = async (counts: number[], rows: number) => {
    const script = join(server.home.dir, `print-${counts.join("-")}`);
    const steps = counts.map(
      (count, i) =>
        `read -r x; i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo s${i} $i ${"-".repeat(40)}; done`,
    );
    writeFileSync(script, `${steps.join("\n")}\necho all; read -r x\n`);
    const tty = openTty([...SELF, "run", "--command", "sh", "--", script], {
      env: server.home.env,
      cwd: server.home.dir,
      rows,
    });
    ttys.push(tty);
    const id = await until(
      "the session is known",
      async () =>
        (await server.phone.sessions()).find(({ command }) => command.includes(script))?.id,
      20_000,
    );
    return { tty, id };
  };

  test("keep the time when they were printed, though they scroll off later", async () => {
    const { tty, id } = await start([12, 40], 20);
    await Bun.sleep(50); // what is printed at once is as of one time
    const began = Date.now();
    tty.type("\r");
    await tty.sees("s0 12");
    const shown = Date.now();
    expect((await page(id)).lines).toEqual([]);
    await Bun.sleep(2500); // a time that can be told from the next
    const later = Date.now();
    tty.type("\r");
    await tty.sees("s1 40");
    const { lines } = await until("they are stored", async () => {
      const now = await page(id);
      return now.lines.length > 30 && now;
    });
    const of = (step: string) =>
      lines.filter(({ row }) => row.startsWith(step)).map(({ at }) => at ?? 0);
    expect(of("s0")).toHaveLength(12);
    for (const at of of("s0")) {
      expect(at).toBeGreaterThanOrEqual(began - 1000);
      expect(at).toBeLessThanOrEqual(shown + 1000);
    }
    for (const at of of("s1")) expect(at).toBeGreaterThanOrEqual(later);
  }, 60_000);

  test("have it where they waited for the server, in memory and on disk", async () => {
    const { tty, id } = await start([60_000, 40], 10);
    let ended = 0;
    await server.restart("SIGTERM", async () => {
      tty.type("\r");
      await tty.sees("s0 60000", 60_000);
      ended = Date.now();
      await Bun.sleep(2500);
    });
    const back = Date.now();
    await until("they are stored", async () => (await page(id)).next === 60_000 - 8, 60_000);
    const { lines } = await page(id);
    expect(lines.at(-1)?.at ?? 0).toBeLessThanOrEqual(ended + 1000);
    expect(back).toBeGreaterThan(ended + 1000);
  }, 180_000);
});
