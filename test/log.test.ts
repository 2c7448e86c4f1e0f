import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { openClients } from "../src/hub/clients.ts";
import { describeError, openLog } from "../src/hub/log.ts";
import { OptionError } from "../src/hub/origins.ts";
import { startServer } from "../src/server.ts";
import { parseJson } from "../src/types.ts";
import { SELF } from "./support/home.ts";
import { startHomeServer } from "./support/home-server.ts";
import { pairDevice } from "./support/phone.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

const dir = mkdtempSync(join(tmpdir(), "log-test-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const Line = v.looseObject({
  at: v.pipe(v.string(), v.isoTimestamp()),
  level: v.picklist(["info", "warn", "error"]),
  event: v.string(),
});

describe("a line of the log", () => {
  const lines = (form: "text" | "json", ...fields: Parameters<ReturnType<typeof openLog>>) => {
    const written: string[] = [];
    openLog(form, (line) => written.push(line))(...fields);
    return written.join("\n");
  };

  test("is one JSON object, or words for people; what others chose can't break it or make it long", () => {
    const name = `Evil\n2026-01-01 paired "admin"\x1b[2J\u009b2J\u202e${"x".repeat(1000)}`;
    const json = lines("json", "info", "paired", {
      device: "dev_1",
      name,
      port: 7,
      nothing: undefined,
    });
    expect(json.includes("\n")).toBe(false);
    expect(parseJson(Line, json)).toEqual({
      at: expect.any(String),
      level: "info",
      event: "paired",
      device: "dev_1",
      name: name.slice(0, 200),
      port: 7,
    });
    const text = lines("text", "warn", "rate_limited", { address: "203.0.113.9", name });
    expect(text).toMatch(
      /^\S+Z warn rate limited address=203\.0\.113\.9 name="Evil\\n2026-01-01 paired \\"admin\\"/,
    );
    for (const control of ["\n", "\x1b", "\u009b", "\u202e"]) expect(text).not.toContain(control);
  });

  test("of an error has its place, and its message only where that is about the disk", () => {
    expect(describeError(new TypeError("the private words"))).toMatch(
      /^TypeError at .*log\.test\.ts/,
    );
    expect(
      describeError(Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" })),
    ).toBe("SQLITE_FULL: database or disk is full");
    expect(
      describeError(
        Object.assign(new Error('fts5: syntax error near "words"'), { code: "SQLITE_ERROR" }),
      ),
    ).not.toContain("words");
  });
});

describe("the address of a client", () => {
  const peers: [trusted: string, peer: string, forwarded: string | null, address: string][] = [
    ["", "198.51.100.1", "203.0.113.5", "198.51.100.1"],
    ["10.0.0.2", "198.51.100.1", "203.0.113.5", "198.51.100.1"],
    ["10.0.0.2", "10.0.0.2", null, "10.0.0.2"],
    ["10.0.0.2", "10.0.0.2", "203.0.113.5", "203.0.113.5"],
    ["10.0.0.2", "10.0.0.2", "192.0.2.66, 203.0.113.5", "203.0.113.5"],
    [
      "10.0.0.0/8 192.0.2.0/24",
      "10.9.9.9",
      "1.1.1.1, 203.0.113.5, 192.0.2.7,10.1.1.1",
      "203.0.113.5",
    ],
    ["10.0.0.0/8", "10.9.9.9", "10.1.1.1, 10.2.2.2", "10.1.1.1"],
    ["10.0.0.2", "10.0.0.2", "203.0.113.5, nonsense", "10.0.0.2"],
    ["10.0.0.2", "10.0.0.2", "", "10.0.0.2"],
    ["10.0.0.2", "::ffff:10.0.0.2", "203.0.113.5:4711", "203.0.113.5"],
    ["fd00::/8, ::1", "fd00::2", "[2001:db8::7]:443", "2001:db8::7"],
    ["caddy", "172.18.0.3", "203.0.113.5", "203.0.113.5"],
    ["caddy", "172.18.0.4", "203.0.113.5", "172.18.0.4"],
  ];
  test.each(peers)(
    "with %p trusted: %s, forwarded for %p, is %s",
    async (trusted, peer, forwarded, address) => {
      const find = async (name: string) => (name === "caddy" ? ["172.18.0.3"] : []);
      expect(await openClients(trusted, find)(peer, forwarded)).toBe(address);
    },
  );

  test("names are looked up seldom, however often somebody asks", async () => {
    let asked = 0;
    const clients = openClients("proxy.lan", async () => [String(asked++)]);
    for (let i = 0; i < 50; i++) await clients("198.51.100.1", "203.0.113.5");
    expect(asked).toBe(1);
  });

  test.each(["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::/129", "a b/8", "300.1.1.1", "*"])(
    "%p is none",
    (trusted) => {
      expect(() => openClients(trusted)).toThrow(OptionError);
    },
  );

  const guess = async (trustedProxies: string | undefined, forwarded: (i: number) => string) => {
    const server = await startServer({
      host: "127.0.0.1",
      port: 0,
      data: join(dir, crypto.randomUUID()),
      insecureLan: false,
      trustedProxies,
      log: () => undefined,
    });
    const body = JSON.stringify({
      code_id: "0".repeat(32),
      kind: "viewer",
      name: "x",
      nonce: "a".repeat(22),
      mac: "b".repeat(43),
    });
    const statuses: number[] = [];
    for (let i = 0; i < 70; i++) {
      statuses.push(
        (
          await fetch(`${server.origin}/api/pair`, {
            method: "POST",
            body,
            headers: { "x-forwarded-for": forwarded(i) },
          })
        ).status,
      );
    }
    await server.stop();
    return statuses.at(-1);
  };
  test("counts in the limit of guesses: behind a known proxy each client by itself, and nobody by what they claim", async () => {
    expect(await guess(undefined, (i) => `203.0.113.${i}`)).toBe(429);
    expect(await guess("10.0.0.0/8", (i) => `203.0.113.${i}`)).toBe(429);
    expect(await guess("127.0.0.1", (i) => `203.0.113.${i}`)).toBe(403);
    expect(await guess("127.0.0.1", (i) => `203.0.113.${i}, 198.51.100.1`)).toBe(429);
  });
});

test("a whole run leaves events in the log, and nothing of what was typed, shown, asked or kept secret", async () => {
  const server = await startHomeServer({ env: { CLAUDE_REMOTE_TRUSTED_PROXIES: "127.0.0.1" } });
  const secrets = [
    "hunter2-words-of-the-screen",
    "typed-words-7",
    "private-command-8",
    "private-folder-9",
    "searched-words-10",
    "title-words-11",
  ];
  const machine = await pairDevice(await server.machine.mint("machine"), "machine", "box");
  const tty = openTty(
    [...SELF, "run", "--command", "sh", "--", "-c", `echo ${secrets[0]}; read line; exit 3`],
    { env: server.home.env, cwd: server.home.dir },
  );
  await tty.sees(secrets[0] ?? "");
  const session = await until(
    "the session is there",
    async () => (await server.phone.sessions())[0]?.id,
  );
  tty.type(`${secrets[1]}\r`);
  await tty.exited;
  const socket = await openSocket(server.origin, machine);
  socket.send(hello);
  const prompt = {
    id: "p_1",
    session: "s_1",
    kind: "permission",
    state: "pending",
    created_at: 1,
    view: JSON.stringify({
      tool: "Bash",
      input: { command: secrets[2] },
      cwd: "/",
      host: "x",
      actions: [],
    }),
  };
  socket.send({
    type: "session",
    session: {
      ...sessionInfo("s_1"),
      cwd: `/home/${secrets[3]}`,
      command: secrets[2],
      title: secrets[5],
    },
    first: 1,
    prompts: [prompt],
  });
  await socket.next("resume");
  await server.phone.request("GET", `/api/search?q=${secrets[4]}%22%20AND`);
  await server.phone.request("POST", "/api/prompts/p_1/approve", `{"shown": "${secrets[2]}"`);
  await fetch(`${server.origin}/api/sessions?${secrets[4]}`, {
    headers: { authorization: `CR1 device=${secrets[2]}`, "x-forwarded-for": "203.0.113.77" },
  });
  await fetch(`${server.origin}/`, { headers: { host: "evil.example" } });
  socket.send({ type: "nonsense", words: secrets[2] });
  expect(await socket.closed()).toBe(4400);
  await server.phone.request("DELETE", `/api/devices/${machine.device}`);
  for (const event of [
    /Z paired device=\S+ kind=viewer name="test phone" address=127\.0\.0\.1\n/,
    new RegExp(`Z session start session=${session} device=`),
    new RegExp(`Z session end session=${session} code=3\n`),
    /Z warn refused address=203\.0\.113\.77 reason=unauthorized\n/,
    /Z warn wrong host host=evil\.example\n/,
    /Z warn unreadable message device=/,
    new RegExp(`Z revoked device=${machine.device} by=${server.phone.device}\n`),
  ])
    await until(`the log has ${event}`, () => event.test(server.log()));
  const before = server.log();

  Object.assign(server.home.env, { CLAUDE_REMOTE_LOG: "json" });
  let after = "";
  server.process().kill("SIGTERM");
  await server.process().exited;
  const again = Bun.spawn(
    [...SELF, "server", "--port", String(server.port), "--data", join(server.home.dir, "data")],
    {
      env: server.home.env,
      stdin: "ignore",
      stderr: "pipe",
    },
  );
  const decoder = new TextDecoder();
  const reading = (async () => {
    for await (const chunk of again.stderr) after += decoder.decode(chunk);
  })();
  await until("it is up", () => after.includes("started"));
  again.kill("SIGTERM");
  expect(await again.exited).toBe(0);
  await reading;
  const lines = after
    .trim()
    .split("\n")
    .map((line) => parseJson(Line, line));
  expect(lines).toMatchObject([{ event: "started", origin: server.origin }, { event: "stopped" }]);

  const all = before + after;
  for (const secret of [
    ...secrets,
    Buffer.from(machine.secret).toString("base64url"),
    Buffer.from(server.phone.secret).toString("base64url"),
  ])
    expect(all).not.toContain(secret);
  expect(all.match(/#pair=/g)).toHaveLength(1); // the first link; it was used up
  await server.stop();
}, 30_000);
