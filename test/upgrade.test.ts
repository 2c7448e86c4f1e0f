import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { databaseFile, MIGRATIONS, openDatabase } from "../src/db.ts";
import { startServer } from "../src/server.ts";
import { OutputPage, parseEvent } from "../src/types.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { pairDevice, phoneOf } from "./support/phone.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { until } from "./support/until.ts";

const home = emptyHome();
afterAll(() => home.remove());
const folder = (name: string) => {
  const dir = join(home.dir, name);
  mkdirSync(dir);
  return dir;
};
async function cli(argv: string[], stdin: Blob = new Blob([])) {
  const child = Bun.spawn([...SELF, ...argv], {
    env: home.env,
    cwd: home.dir,
    stdin,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}

/** A database as a release with that schema left it, with a device, a session and a line of its history. */
function older(dir: string, version: number): void {
  const db = new Database(databaseFile(dir), { create: true });
  for (const sql of MIGRATIONS.slice(0, version)) db.run(sql);
  db.run(`PRAGMA user_version = ${version}`);
  db.run(
    "INSERT INTO devices (id, name, kind, secret, created_at) VALUES ('dev_old', 'laptop', 'machine', ?, 1)",
    [new Uint8Array(32).fill(7)],
  );
  db.run(
    "INSERT INTO sessions (id, device_id, host, cwd, command, status, hooks, activity, started_at, ended_at, next_line) VALUES ('s_old', 'dev_old', 'box', '/x', 'claude', 'ended', 'on', 'idle', 1, 2, 1)",
  );
  db.run(
    "INSERT INTO output_log (session_id, generation, line, row) VALUES ('s_old', 0, 0, 'a line of old')",
  );
  db.run(
    "INSERT INTO prompts (id, session_id, kind, state, view, created_at) VALUES ('p_old', 's_old', 'permission', 'withdrawn', '{}', 1)",
  );
  db.run("INSERT INTO audit (at, action, subject) VALUES (1, 'pair', 'dev_old')");
  db.close();
}
const versions = MIGRATIONS.map((_, i) => i + 1);

describe("an upgrade", () => {
  test.each(versions)(
    "takes a database of schema %p on, with all that is in it",
    async (version) => {
      const data = folder(`schema-${version}`);
      older(data, version);
      const server = await startServer({
        host: "127.0.0.1",
        port: 0,
        data,
        insecureLan: false,
        log: () => undefined,
      });
      const machine = phoneOf(server.origin, "dev_old", new Uint8Array(32).fill(7));
      expect(await machine.sessions()).toMatchObject([
        { id: "s_old", status: "ended", desk: true },
      ]);
      expect(
        await (await machine.request("GET", "/api/sessions/s_old/output")).json(),
      ).toMatchObject({ lines: [{ row: "a line of old" }] });
      expect((await machine.request("GET", "/api/audit")).status).toBe(200);
      await until("the search finds what was there", async () =>
        JSON.stringify(await (await machine.request("GET", "/api/search?q=old")).json()).includes(
          "s_old",
        ),
      );
      await server.stop();
      const db = new Database(databaseFile(data));
      expect(db.query("PRAGMA user_version").get()).toEqual({ user_version: MIGRATIONS.length });
      expect(db.query("PRAGMA foreign_key_check").all()).toEqual([]);
      db.close();
    },
  );

  test("ends in the schema that a new database has", () => {
    const schema = (dir: string) => {
      const db = openDatabase(dir);
      const rows = db.query("SELECT type, name, sql FROM sqlite_master ORDER BY name").all();
      db.close();
      return rows;
    };
    expect(schema(join(home.dir, "schema-1"))).toEqual(schema(folder("new")));
  });

  test("of a laptop alone leaves `attach` with a server that does not know of full disks: what the stream begins with is read", () => {
    const { event } = parseEvent('id: e:0\nevent: hello\ndata: {"stream":"st_1","insecure":false}');
    expect(event).toEqual({
      name: "hello",
      data: { stream: "st_1", insecure: false, disk_full: false },
    });
  });

  test("of claude-remote that was taken back finds a database it does not know: server, backup, restore and pair say so and change nothing", async () => {
    const data = folder("newer");
    older(data, MIGRATIONS.length);
    const db = new Database(databaseFile(data));
    db.run(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    db.close();
    const before = readFileSync(databaseFile(data));
    const target = folder("target");
    for (const argv of [
      ["server", "--port", "0", "--data", data],
      ["server", "backup", join(home.dir, "newer.backup"), "--data", data],
      ["server", "restore", databaseFile(data), "--data", target],
      ["pair", "--data", data],
    ]) {
      const { code, err } = await cli(argv);
      expect([code, err]).toEqual([
        1,
        expect.stringMatching(/was written by a newer claude-remote .*: update claude-remote\n$/),
      ]);
    }
    expect(readFileSync(databaseFile(data))).toEqual(before);
    expect(existsSync(join(home.dir, "newer.backup"))).toBe(false);
    expect(readdirSync(target).filter((name) => name.includes(".db"))).toEqual([]);
  }, 20_000);
});

describe("a backup", () => {
  let server: HomeServer;
  const file = join(home.dir, "home.backup");
  const data = () => join(server.home.dir, "data");
  const lines = (from: number, count: number) => ({
    op: "append",
    generation: 0,
    from,
    lines: Array.from({ length: count }, (_, i) => `line ${from + i}`),
  });

  test("of a server that writes all the while is whole, for its user alone, and restores with devices, sessions and history", async () => {
    server = await startHomeServer();
    const machine = await pairDevice(await server.machine.mint("machine"), "machine", "box");
    const stolen = await pairDevice(await server.phone.mint("viewer"), "viewer", "stolen");
    const socket = await openSocket(server.origin, machine);
    socket.send(hello);
    socket.send({ type: "session", session: sessionInfo("s_1"), first: 1, prompts: [] });
    await socket.next("resume");
    let seq = 0;
    let writing = true;
    const writer = (async () => {
      while (writing) {
        socket.send({ type: "output", session: "s_1", seq: ++seq, op: lines((seq - 1) * 50, 50) });
        await socket.next("ack");
      }
    })();
    await until("something is stored", () => seq > 5);
    const made = await cli(["server", "backup", file, "--data", data()]);
    const during = seq;
    writing = false;
    await writer;
    expect([made.code, made.err]).toEqual([0, expect.stringContaining("keys of all devices")]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(during).toBeGreaterThan(5);

    // afterwards: more history, a phone that is locked out, a device that is let in
    socket.send({ type: "output", session: "s_1", seq: ++seq, op: lines((seq - 1) * 50, 50) });
    await socket.next("ack");
    socket.close();
    await server.phone.request("DELETE", `/api/devices/${stolen.device}`);
    const later = await pairDevice(await server.phone.mint("viewer"), "viewer", "later");

    const refused = await cli(["server", "restore", file, "--data", data()]);
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringContaining("another claude-remote server"),
    ]);

    await server.restart("SIGTERM", async () => {
      const restored = await cli(["server", "restore", file, "--data", data()]);
      expect([restored.code, restored.err]).toEqual([
        0,
        expect.stringMatching(/What was there is before-restore-\S+\.db/),
      ]);
      expect(statSync(databaseFile(data())).mode & 0o777).toBe(0o600);
    });
    expect((await server.phone.sessions()).map(({ id }) => id)).toEqual(["s_1"]);
    const page = await server.phone.get(OutputPage, "GET", "/api/sessions/s_1/output?limit=1000");
    expect(page.lines.length % 50).toBe(0);
    expect(page.lines.at(-1)?.row).toBe(`line ${page.next - 1}`);
    expect(page.next).toBeLessThan(seq * 50);
    expect((await stolen.request("GET", "/api/sessions")).status).toBe(401);
    expect((await later.request("GET", "/api/sessions")).status).toBe(401);

    // the runner goes on from where the restored server is, so nothing it still has is lost
    const again = await openSocket(server.origin, machine);
    again.send(hello);
    again.send({ type: "session", session: sessionInfo("s_1"), first: 1, prompts: [] });
    expect(await again.next("resume")).toMatchObject({ seq: page.next / 50 });
    again.close();
    await until("what is restored is found", async () =>
      JSON.stringify(
        await (await server.phone.request("GET", "/api/search?q=line")).json(),
      ).includes('"s_1"'),
    );
  }, 60_000);

  test("goes through a pipe both ways", async () => {
    const piped = await cli(["server", "backup", "-", "--data", data()]);
    expect(piped.code).toBe(0);
    const target = folder("piped");
    expect(
      await cli(["server", "restore", "-", "--data", target], new Blob([piped.out])),
    ).toMatchObject({ code: 0 });
    const db = openDatabase(target);
    expect(db.query("SELECT id FROM sessions").all()).toEqual([{ id: "s_1" }]);
    expect(db.query("SELECT * FROM pairing_codes").all()).toEqual([]);
    db.close();
    expect(statSync(databaseFile(target)).mode & 0o777).toBe(0o600);
  }, 20_000);

  test("goes into no file that somebody has put where it is made, and through no link", async () => {
    const dir = folder("shared");
    const to = join(dir, "b.db");
    writeFileSync(join(dir, "theirs"), "theirs", { mode: 0o644 });
    symlinkSync(join(dir, "theirs"), `${to}.part`);
    expect(await cli(["server", "backup", to, "--data", data()])).toMatchObject({ code: 0 });
    expect(readFileSync(join(dir, "theirs"), "utf8")).toBe("theirs");
    expect([lstatSync(to).isFile(), lstatSync(to).mode & 0o777]).toEqual([true, 0o600]);
    expect(readdirSync(dir).toSorted()).toEqual(["b.db", "b.db.part", "theirs"]);
  }, 20_000);

  test("does not overwrite another file, and nothing but a backup is restored", async () => {
    expect(await cli(["server", "backup", file, "--data", data()])).toMatchObject({
      code: 1,
      err: expect.stringContaining("exists already"),
    });
    expect(
      await cli(["server", "backup", join(home.dir, "x"), "--data", join(home.dir, "nowhere")]),
    ).toMatchObject({
      code: 1,
      err: expect.stringContaining("no database"),
    });
    expect(await cli(["server", "backup"])).toMatchObject({ code: 2 });
    const whole = readFileSync(file);
    const target = folder("kept");
    openDatabase(target).close();
    const bad: [string, Uint8Array][] = [
      ["noise", new Uint8Array(10_000).fill(65)],
      ["empty", new Uint8Array()],
      ["cut", whole.subarray(0, whole.length - 20_000)],
    ];
    for (const [name, bytes] of bad) {
      writeFileSync(join(home.dir, name), bytes);
      const before = readdirSync(target).sort();
      const { code, err } = await cli([
        "server",
        "restore",
        join(home.dir, name),
        "--data",
        target,
      ]);
      expect([code, err]).toEqual([1, expect.stringMatching(/damaged/)]);
      expect(readdirSync(target).sort()).toEqual(
        before.includes("server.lock") ? before : [...before, "server.lock"].sort(),
      );
    }
    await server.stop();
  }, 30_000);
});
