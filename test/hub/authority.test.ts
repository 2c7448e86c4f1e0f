import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { deviceKeys, randomNonce, signRequest } from "../../src/auth.ts";
import { databaseFile } from "../../src/db.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { AuditEntry, DeviceInfo } from "../../src/types.ts";
import { expectParsed, type Phone, pairDevice } from "../support/phone.ts";
import { hello, openSocket, sessionInfo } from "../support/runner-socket.ts";
import { until } from "../support/until.ts";

const DAY_MS = 86_400_000;

let data: string;
let server: RunningServer;
let machine: Phone;
let viewer: Phone;
const start = (options: { deviceDays?: number; wall?: () => number; port?: number } = {}) =>
  startServer({
    host: "127.0.0.1",
    port: 0,
    data,
    insecureLan: false,
    log: () => undefined,
    ...options,
  });
beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "authority-test-"));
  server = await start();
  machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  viewer = await pairDevice(await machine.mint("viewer"), "viewer", "phone");
});
afterAll(async () => {
  await server.stop();
  rmSync(data, { recursive: true, force: true });
});

const devices = async (as = machine) =>
  (await as.get(v.object({ devices: v.array(DeviceInfo) }), "GET", "/api/devices")).devices;
const audit = async () =>
  (await machine.get(v.object({ entries: v.array(AuditEntry) }), "GET", "/api/audit")).entries;
const minted = async (device: string) =>
  (await machine.json("DELETE", `/api/devices/${device}`)).body;
/** Says in the database that a device was last used so many days ago. */
function unusedFor(device: string, days: number): void {
  const db = new Database(databaseFile(data));
  const at = Date.now() - days * DAY_MS;
  db.run("UPDATE devices SET created_at = ?, last_seen_at = ? WHERE id = ?", [at, at, device]);
  db.close();
}

describe("what a device may let in", () => {
  test("a viewer makes no code for a machine, with nothing made on the way; a machine does", async () => {
    expect(await viewer.code("POST", "/api/devices/code", { kind: "machine" })).toEqual([
      403,
      "machines_only",
    ]);
    expect(
      (await audit()).some(({ action, device }) => action === "mint" && device === viewer.device),
    ).toBe(false);
    const other = await pairDevice(await machine.mint("machine"), "machine", "desktop");
    expect((await other.request("GET", "/ws")).status).toBe(426); // it may run sessions
  });

  test.each(["viewer", "runner"] as const)(
    "a code for a %s that a viewer made pairs as nothing more",
    async (kind) => {
      for (const more of (["viewer", "runner", "machine"] as const).filter(
        (other) => other !== kind,
      ))
        await expect(pairDevice(await viewer.mint(kind), more)).rejects.toThrow();
      const paired = await pairDevice(await viewer.mint(kind), kind, `a ${kind}`);
      const status = kind === "viewer" ? [200, 403] : [403, 426];
      expect((await paired.request("GET", "/api/sessions")).status).toBe(status[0] ?? 0);
      expect((await paired.request("GET", "/ws")).status).toBe(status[1] ?? 0);
    },
  );

  test("a runner's device mints, renames, revokes and admits nothing", async () => {
    const runner = await pairDevice(await machine.mint("runner"), "runner", "build box");
    for (const [method, target, body] of [
      ["POST", "/api/devices/code", { kind: "viewer" }],
      ["PATCH", `/api/devices/${runner.device}`, { name: "other" }],
      ["DELETE", `/api/devices/${viewer.device}`, undefined],
      ["POST", `/api/devices/${viewer.device}/admit`, {}],
    ] as const)
      expect(await runner.code(method, target, body)).toEqual([403, "forbidden"]);
  });

  test("a name changes no kind", async () => {
    const body = { name: "phone", kind: "machine" };
    expect((await viewer.request("PATCH", `/api/devices/${viewer.device}`, body)).status).toBe(200);
    expect((await devices()).find(({ id }) => id === viewer.device)?.kind).toBe("viewer");
  });
});

describe("revoking", () => {
  test("names all that a device has let in, through every level and through revoked ones", async () => {
    const chain = [await pairDevice(await viewer.mint("viewer"), "viewer", "thief")];
    for (const name of ["second", "third", "fourth"])
      chain.push(await pairDevice(await (chain.at(-1) ?? viewer).mint("viewer"), "viewer", name));
    const [thief, second, third, fourth] = chain.map(({ device }) => device);
    const beside = await pairDevice(await (chain[1] ?? viewer).mint("runner"), "runner", "beside");
    const named = (ids: unknown) =>
      v
        .parse(v.object({ minted: v.array(v.object({ id: v.string() })) }), ids)
        .minted.map(({ id }) => id)
        .sort();
    // one in between goes first, as somebody would who cleans up in the wrong order
    expect(named(await minted(second ?? ""))).toEqual(
      [third ?? "", fourth ?? "", beside.device].sort(),
    );
    expect(named(await minted(thief ?? ""))).toEqual(
      [third ?? "", fourth ?? "", beside.device].sort(),
    );
    expect(named(await minted(third ?? ""))).toEqual([fourth ?? ""]);
    expect(named(await minted(fourth ?? ""))).toEqual([]);
  });

  test("names none that somebody else let in, nor the device itself", async () => {
    const friend = await pairDevice(await machine.mint("viewer"), "viewer", "friend");
    await pairDevice(await machine.mint("viewer"), "viewer", "another");
    expect(await minted(friend.device)).toEqual({ minted: [] });
  });
});

describe("a device that nobody used", () => {
  test("for 90 days is locked out, requests, stream and socket, until another lets it in", async () => {
    const tablet = await pairDevice(await machine.mint("viewer"), "viewer", "tablet");
    const box = await pairDevice(await machine.mint("runner"), "runner", "box");
    for (const { device } of [tablet, box]) unusedFor(device, 91);
    for (const target of ["/api/sessions", "/events", "/api/devices"])
      expect(await tablet.code("GET", target)).toEqual([403, "unused"]);
    expect(await tablet.code("POST", "/api/devices/code", { kind: "viewer" })).toEqual([
      403,
      "unused",
    ]);
    expect(await tablet.code("POST", `/api/devices/${tablet.device}/admit`)).toEqual([
      403,
      "unused",
    ]);
    expect(await box.code("GET", "/ws")).toEqual([403, "unused"]);
    expect((await devices()).find(({ id }) => id === tablet.device)?.locked).toBe(true);

    expect((await viewer.request("POST", `/api/devices/${tablet.device}/admit`, {})).status).toBe(
      200,
    );
    expect((await tablet.request("GET", "/api/sessions")).status).toBe(200);
    expect((await devices()).find(({ id }) => id === tablet.device)?.locked).toBe(false);
    expect(
      (await audit()).some(
        ({ action, device, on }) =>
          action === "admit" && device === viewer.device && on === "tablet",
      ),
    ).toBe(true);
  });

  test("for 89 days is let in, and so is one that was used again meanwhile", async () => {
    const tablet = await pairDevice(await machine.mint("viewer"), "viewer", "tablet");
    unusedFor(tablet.device, 89);
    expect((await tablet.request("GET", "/api/sessions")).status).toBe(200);
  });

  test("as a machine is let in by a machine alone", async () => {
    const old = await pairDevice(await machine.mint("machine"), "machine", "old laptop");
    unusedFor(old.device, 400);
    const target = `/api/devices/${old.device}/admit`;
    expect(await viewer.code("POST", target)).toEqual([403, "machines_only"]);
    expect((await machine.request("POST", target, {})).status).toBe(200);
    expect((await old.request("GET", "/api/sessions")).status).toBe(200);
  });

  test("and was revoked is not let in; nor is there one to let in where nothing is locked", async () => {
    const lost = await pairDevice(await machine.mint("viewer"), "viewer", "lost");
    unusedFor(lost.device, 91);
    await machine.request("DELETE", `/api/devices/${lost.device}`);
    for (const id of [lost.device, viewer.device, "none"])
      expect(await machine.code("POST", `/api/devices/${id}/admit`)).toEqual([404, "not_found"]);
    expect((await lost.request("GET", "/api/sessions")).status).toBe(401);
  });

  test("is locked out by the days that the server was told", async () => {
    const tablet = await pairDevice(await machine.mint("viewer"), "viewer", "tablet");
    const again = async (options: Parameters<typeof start>[0]) => {
      const { port } = server;
      await server.stop();
      server = await start({ ...options, port });
    };
    unusedFor(tablet.device, 8);
    await again({ deviceDays: 7 });
    expect(await tablet.code("GET", "/api/sessions")).toEqual([403, "unused"]);
    await again({ deviceDays: 0 });
    expect((await tablet.request("GET", "/api/sessions")).status).toBe(200);
    await again({});
  });
});

test.each([3 * 365, -3 * 365])(
  "a clock that jumps by %p days locks nobody out, over a restart neither",
  async (days) => {
    const folder = mkdtempSync(join(tmpdir(), "authority-clock-"));
    let off = 0;
    const open = () =>
      startServer({
        host: "127.0.0.1",
        port: 0,
        data: folder,
        insecureLan: false,
        log: () => undefined,
        wall: () => Date.now() + off,
      });
    let jumping = await open();
    const laptop = await pairDevice(jumping.pairingLink(), "machine", "laptop");
    /** The first answer tells the server's time, the second is to a request that is signed by it. */
    const outcome = async () => {
      const send = (ts: number) =>
        fetch(`${jumping.origin}/api/sessions`, {
          headers: {
            authorization: signRequest(deviceKeys(laptop.secret), {
              method: "GET",
              host: new URL(jumping.origin).host,
              target: "/api/sessions",
              device: laptop.device,
              ts,
              nonce: randomNonce(),
            }),
          },
        });
      const { time } = expectParsed(v.object({ time: v.number() }), await (await send(1)).text());
      return (await send(time)).status;
    };
    off = days * DAY_MS;
    expect(await outcome()).toBe(200);
    await jumping.stop();
    jumping = await open();
    expect(await outcome()).toBe(200);
    off = 0;
    expect(await outcome()).toBe(200);
    await jumping.stop();
    rmSync(folder, { recursive: true, force: true });
  },
);

describe("typing is in the audit, without its words", () => {
  test("each stream's first input within a minute, every shell command, and who takes the size", async () => {
    const socket = await openSocket(server.origin, machine);
    socket.beat();
    socket.send(hello);
    socket.send({ type: "session", session: sessionInfo("s_typed"), first: 1, prompts: [] });
    await socket.next("resume");
    const type = async (body: object) => {
      const answered = viewer.request("POST", "/api/sessions/s_typed/input", body);
      const { input, seq } = await socket.next("input");
      socket.send({ type: "typed", input, result: "applied", seq });
      expect((await answered).status).toBe(200);
    };
    const secret = `hunter2${randomNonce()}`;
    for (const stream of ["one", "two"])
      for (let seq = 1; seq <= 3; seq++) await type({ stream, seq, text: secret });
    for (let seq = 4; seq <= 5; seq++)
      await type({ stream: "one", seq, text: `!${secret}`, enter: true, shell: true });
    for (const [cols, rows] of [
      [40, 20],
      [41, 20],
    ])
      expect(
        (await viewer.request("POST", "/api/sessions/s_typed/resize", { cols, rows })).status,
      ).toBe(200);
    await viewer.request("POST", "/api/sessions/s_typed/stop", { signal: "SIGINT" });
    const mine = (await audit()).filter(({ on }) => on === "/x");
    expect(mine.map(({ action }) => action).reverse()).toEqual([
      "type",
      "type",
      "shell",
      "shell",
      "resize",
      "stop",
    ]);
    expect(mine.every(({ device }) => device === viewer.device)).toBe(true);
    expect(JSON.stringify(await audit())).not.toContain("hunter2");
    socket.close();
  });

  test("not where nothing could be typed: the session is away, over or unknown", async () => {
    const before = (await audit())[0]?.id;
    await until("the runner is away", async () =>
      (await viewer.sessions()).every(({ status }) => status !== "running"),
    );
    for (const session of ["s_typed", "s_none"])
      await viewer.request("POST", `/api/sessions/${session}/input`, {
        stream: "x",
        seq: 1,
        text: "a",
      });
    expect((await audit())[0]?.id).toBe(before ?? 0);
  });
});

describe("pairing", () => {
  const pairingCode = () => server.pairingLink();
  test("goes on while a device that was locked out keeps asking", async () => {
    const laptop = await pairDevice(await machine.mint("machine"), "machine", "laptop of old");
    await machine.request("DELETE", `/api/devices/${laptop.device}`);
    let last = 0;
    for (let i = 0; i < 150; i++) last = (await laptop.request("GET", "/ws")).status;
    expect(last).toBe(429);
    expect((await pairDevice(pairingCode(), "machine", "laptop again")).device).toStartWith("dev_");
    for (let i = 0; i < 80; i++) await fetch(`${server.origin}/api/sessions`);
    expect((await pairDevice(pairingCode(), "viewer", "phone again")).device).toStartWith("dev_");
  });

  test("is closed to an address from which too many codes were wrong", async () => {
    let last = 0;
    for (let i = 0; i < 70; i++)
      last = (
        await fetch(`${server.origin}/api/pair`, {
          method: "POST",
          body: JSON.stringify({
            code_id: "0".repeat(32),
            kind: "viewer",
            name: "guess",
            nonce: randomNonce(),
            mac: "A".repeat(43),
          }),
        })
      ).status;
    expect(last).toBe(429);
    await expect(pairDevice(pairingCode(), "viewer")).rejects.toThrow();
    expect((await viewer.request("GET", "/api/sessions")).status).toBe(200); // who is paired goes on
  });
});
