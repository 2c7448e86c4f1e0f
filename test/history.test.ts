import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { printedLines } from "../src/hub/history-lines.ts";
import { rowText } from "../src/row.ts";
import { OutputPage, SessionDetail } from "../src/types.ts";
import { SELF } from "./support/home.ts";
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

/** Wraps a shell script; resolves once the server knows the session. */
async function wrapScript(
  script: string,
  size: { cols?: number; rows?: number } = {},
): Promise<{ tty: Tty; id(): Promise<string> }> {
  const tty = openTty([...SELF, "run", "--command", "sh", "--", "-c", script], {
    env: server.home.env,
    cwd: server.home.dir,
    ...size,
  });
  ttys.push(tty);
  const id = () =>
    until(
      "the session is known",
      async () =>
        (await server.phone.sessions()).find(
          (session) => session.command.includes(script.slice(0, 60)) && session.status !== "ended",
        )?.id,
      20_000,
    );
  return { tty, id };
}
const page = (id: string, query = "limit=1000") =>
  server.phone.get(OutputPage, "GET", `/api/sessions/${id}/output?${query}`);
async function allLines(id: string): Promise<string[]> {
  const lines: string[] = [];
  for (let before = Number.MAX_SAFE_INTEGER; ; ) {
    const part = await page(id, `limit=500&before=${before}`);
    lines.unshift(...part.lines.map(({ row }) => row));
    const first = part.lines[0]?.line;
    if (first === undefined || first === 0) return lines;
    before = first;
  }
}
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i}`);

describe("history on the server", () => {
  test("survives a server that is killed again and again while lines come", async () => {
    const { tty, id } = await wrapScript(
      "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); [ $((i%10)) = 0 ] && sleep 0.01; done; sleep 600",
    );
    const session = await id();
    for (let round = 0; round < 4; round++) {
      await Bun.sleep(250);
      await server.restart("SIGKILL");
    }
    await tty.sees("line 2999", 30_000);
    const lines = await until(
      "all is stored",
      async () => (await page(session)).next === 3000 - 23 && allLines(session),
      20_000,
    );
    expect(lines).toEqual(numbered(0, 3000 - 23));
  }, 90_000);

  test("a session that began while the server was away is there when it comes up, whole", async () => {
    let wrapped: Awaited<ReturnType<typeof wrapScript>> | undefined;
    await server.restart("SIGTERM", async () => {
      const started = performance.now();
      wrapped = await wrapScript(
        "echo away; i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; sleep 600",
      );
      await wrapped.tty.sees("line 499");
      expect(performance.now() - started).toBeLessThan(9000); // it does not wait ten seconds for the server
    });
    const session = (await wrapped?.id()) ?? "";
    const lines = await until(
      "all is stored",
      async () => (await page(session)).next === 478 && allLines(session),
      20_000,
    );
    expect(lines).toEqual(["away", ...numbered(0, 477)]);
    const { screen } = await server.phone.get(SessionDetail, "GET", `/api/sessions/${session}`);
    expect(screen?.lines[22]).toBe("line 499");
  }, 60_000);

  test("a session that began and ended while the server was away is there when it comes up, with its exit", async () => {
    await server.restart("SIGTERM", async () => {
      const { tty } = await wrapScript(
        "echo gone; i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done; exit 9",
      );
      expect(await tty.exited).toEqual({ code: 9 });
    });
    const session = await until(
      "it is there",
      async () =>
        (await server.phone.sessions()).find(
          ({ command, status }) => command.includes("echo gone") && status === "ended",
        ),
      30_000,
    );
    expect(session.exit).toEqual({ code: 9 });
    expect(await allLines(session.id)).toEqual(["gone", ...numbered(0, 30_000 - 23)]);
    const { screen } = await server.phone.get(SessionDetail, "GET", `/api/sessions/${session.id}`);
    expect(screen?.lines[22]).toBe("line 29999");
    await until(
      "nothing of it is left here",
      () =>
        !readdirSync(server.home.env.TMPDIR ?? "").some((name) =>
          name.startsWith("claude-remote-rest-"),
        ),
    );
  }, 60_000);

  test("follows a cleared scrollback into a new generation, and keeps the old one stored", async () => {
    const { tty, id } = await wrapScript(
      "i=0; while [ $i -lt 60 ]; do echo old $i; i=$((i+1)); done; read -r x; printf '\\033[2J\\033[3J\\033[H'; i=0; while [ $i -lt 30 ]; do echo new $i; i=$((i+1)); done; sleep 600",
    );
    const session = await id();
    await until("the old lines are stored", async () => (await page(session)).next === 37);
    tty.type("\r");
    const fresh = await until("the new generation is stored", async () => {
      const now = await page(session);
      return now.generation === 1 && now.next === 7 && now;
    });
    expect(fresh.lines[0]).toEqual({ line: 0, row: "new 0" });
    const db = new Database(join(server.home.dir, "data/claude-remote.db"), { readonly: true });
    const old = db
      .query<{ n: number }, [string]>(
        "SELECT count(*) AS n FROM output_log WHERE session_id = ? AND generation = 0",
      )
      .get(session);
    db.close();
    expect(old?.n).toBeGreaterThanOrEqual(37);
  }, 30_000);

  test("follows a terminal that is made narrower and taller, with nothing lost or doubled", async () => {
    const { tty, id } = await wrapScript(
      "i=0; while [ $i -lt 50 ]; do echo wrap $i 012345678901234567890123456789; i=$((i+1)); done; sleep 600",
    );
    const session = await id();
    await until("the lines are stored", async () => (await page(session)).next === 27);
    tty.resize(30, 24);
    await until("they are rewrapped", async () => (await page(session)).next > 60);
    tty.resize(80, 40);
    const lines = await until(
      "they are whole again",
      async () => (await page(session)).next === 11 && allLines(session),
    );
    expect(lines).toEqual(
      Array.from({ length: 11 }, (_, i) => `wrap ${i} 012345678901234567890123456789`),
    );
  }, 30_000);

  test("a phone that fits the terminal to itself and gives it back, and a narrower desk, lose no line", async () => {
    const { tty, id } = await wrapScript(
      "i=0; while [ $i -lt 5000 ]; do echo wide $i 0123456789012345678901234567890123456789012345678901234567890123456789; i=$((i+1)); done; printf 'not ended yet 0123456789012345678901234567890123456789'; read -r x; echo now; sleep 600",
      { cols: 120, rows: 30 },
    );
    const session = await id();
    const printed = (count: number) =>
      Array.from({ length: count }, (_, i) => `wide ${i} ${"0123456789".repeat(7)}`);
    const fit = async (cols: number | null, rows?: number) => {
      const answer = await server.phone.request("POST", `/api/sessions/${session}/resize`, {
        cols,
        rows,
      });
      expect(answer.status).toBe(200);
    };
    const lines = async () =>
      printedLines((await allLines(session)).map((row, line) => ({ line, row }))).map(({ rows }) =>
        rows.join(""),
      );
    await until(
      "they are stored",
      async () => (await page(session, "limit=1")).next === 4971,
      40_000,
    );
    /** The rows become so many, and hold every line that is not on the screen any more. */
    const stored = async (what: string, rows: (next: number) => boolean) => {
      const now = await until(
        what,
        async () => {
          const { next } = await page(session, "limit=1");
          const found = rows(next) ? await lines() : [];
          return found.length >= 4971 && found;
        },
        20_000,
      );
      const wanted = printed(now.length);
      expect(wanted.at(-1)).toStartWith(now.at(-1) ?? ""); // it may go on in the first row of the screen
      expect(now.slice(0, -1)).toEqual(wanted.slice(0, -1));
    };
    await fit(45, 30);
    await stored("they are rewrapped for the phone", (next) => next > 6000);
    await fit(null);
    await stored("they are as before", (next) => next === 4971);
    tty.resize(60, 30);
    await stored("they are rewrapped for the desk", (next) => next > 6000);
    tty.resize(120, 30);
    await stored("they are as before again", (next) => next === 4971);
    tty.type("\r");
    await tty.sees("now");
    const { screen } = await until("the phone sees it", async () => {
      const detail = await server.phone.get(SessionDetail, "GET", `/api/sessions/${session}`);
      return JSON.stringify(detail.screen).includes("now") && detail;
    });
    expect(Object.values(screen?.lines ?? {}).map(rowText)).toContain(
      `not ended yet ${"0123456789".repeat(4)}`,
    );
  }, 90_000);

  test("an ended session keeps its last screen, its history and its true exit", async () => {
    const { tty, id } = await wrapScript("seq 100; read -r x; kill -SEGV $$");
    const session = await id();
    await until("it is stored", async () => (await page(session)).next === 77);
    tty.type("\r");
    expect(await tty.exited).toEqual({ code: 139, signal: "SIGSEGV" });
    const detail = await until("it has ended", async () => {
      const now = await server.phone.get(SessionDetail, "GET", `/api/sessions/${session}`);
      return now.session.status === "ended" && now;
    });
    expect(detail.session.exit).toEqual({ code: 139, signal: "SIGSEGV" });
    await server.restart("SIGKILL");
    const after = await server.phone.get(SessionDetail, "GET", `/api/sessions/${session}`);
    expect(after.screen?.lines[20]).toBe("99");
    expect((await allLines(session)).length).toBeGreaterThanOrEqual(77);
  }, 30_000);

  test("the viewer's stream carries new lines while they are few, and says where history ends when they are many", async () => {
    const { tty, id } = await wrapScript(
      "seq 30; read -r x; echo slow; read -r x; seq 200000; read -r x; sleep 600",
    );
    const session = await id();
    const events = await server.phone.events(session);
    const acknowledging = setInterval(
      () =>
        void server.phone.request("POST", `/api/sessions/${session}/seen`, {
          rev: Number.MAX_SAFE_INTEGER,
        }),
      200,
    );
    await events.next("screen");
    tty.type("\r");
    await events.next("output", (event) => event.lines !== undefined && event.lines.length > 0);
    const began = performance.now();
    tty.type("\r");
    await tty.sees("200000", 30_000);
    await events.next("output", (event) => event.lines === undefined && event.next > 1000, 30_000); // too many: where they end, and no more
    clearInterval(acknowledging);
    await until(
      "all is stored",
      async () => (await page(session, "limit=1")).next > 200_000,
      30_000,
    );
    const sent = events.received.reduce((sum, { event }) => sum + JSON.stringify(event).length, 0);
    expect(sent).toBeLessThan(Math.min(1_000_000, 200_000 + 45 * (performance.now() - began))); // of 1.3 MB: what is paced grows with the time it takes
    events.close();
  }, 60_000);
});

test("a full disk is told, loses nothing that was acknowledged, and heals", async () => {
  // a file size limit stands in for the disk: SQLite gets the same error
  const limited = await startHomeServer();
  const file = join(limited.home.dir, "limited.sh");
  writeFileSync(file, `trap '' XFSZ\nulimit -f 1200\nexec "$@"\n`);
  await limited.restart("SIGTERM");
  limited.process().kill("SIGKILL");
  await limited.process().exited;
  const args = [
    ...SELF,
    "server",
    "--port",
    String(limited.port),
    "--data",
    join(limited.home.dir, "data"),
  ];
  const small = Bun.spawn(["sh", file, ...args], {
    env: limited.home.env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(join(limited.home.dir, "log")),
  });
  await until(
    "it is up",
    async () => (await fetch(`${limited.origin}/healthz`).catch(() => undefined))?.ok,
    20_000,
  );
  const tty = openTty([...SELF, "run", "--command", "sh", "--", "-c", "seq 60000; sleep 600"], {
    env: limited.home.env,
    cwd: limited.home.dir,
  });
  ttys.push(tty);
  await until(
    "the disk is full",
    () => /store failed .*history/.test(readFileSync(join(limited.home.dir, "log"), "utf8")),
    30_000,
  );
  expect((await fetch(`${limited.origin}/healthz`)).ok).toBe(true);
  const [session] = await limited.phone.sessions(); // reading goes on
  // a small write may still fit; one that does not is said to be the disk's fault
  expect([200, 507]).toContain(
    (await limited.phone.request("POST", "/api/devices/code", { kind: "viewer" })).status,
  );
  const stored = (await limited.phone.get(OutputPage, "GET", `/api/sessions/${session?.id}/output`))
    .next;
  expect(stored).toBeLessThan(59_000);
  small.kill("SIGKILL");
  await small.exited;
  await limited.restart("SIGKILL"); // with room again
  await until(
    "the rest has come",
    async () =>
      (await limited.phone.get(OutputPage, "GET", `/api/sessions/${session?.id}/output?limit=1`))
        .next ===
      60_001 - 24,
    40_000,
  );
  const count = new Database(join(limited.home.dir, "data/claude-remote.db"), { readonly: true });
  const row = count
    .query<{ n: number; last: number }, []>(
      "SELECT count(*) AS n, max(line) AS last FROM output_log",
    )
    .get();
  count.close();
  expect(row).toEqual({ n: 60_001 - 24, last: 60_000 - 24 });
  tty.pty.kill("SIGKILL");
  await limited.stop();
}, 120_000);
