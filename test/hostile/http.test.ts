import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { deviceKeys, randomNonce, signRequest } from "../../src/auth.ts";
import { LIMITS } from "../../src/types.ts";
import { makePrompt } from "../support/dashboard.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { attack, oddText, patience } from "../support/hostile.ts";
import { type Phone, pairDevice } from "../support/phone.ts";
import { hello, openSocket, sessionInfo } from "../support/runner-socket.ts";
import { until } from "../support/until.ts";

/** The server as a process of its own: what it takes of memory is its own. */
let server: HomeServer;
let host: string;
let runner: Phone;
const open: Socket[] = [];
let served = 0;
let beat: ReturnType<typeof setInterval>;
let trouble: unknown;
beforeAll(async () => {
  server = await startHomeServer();
  host = new URL(server.origin).host;
  runner = await pairDevice(await server.phone.mint("runner"), "runner", "a box"); // now: those who fail too often are not let in for a while
  // somebody who looks on all the while, and is answered each time
  beat = setInterval(() => {
    server.phone.sessions().then(
      () => served++,
      (error: unknown) => {
        trouble ??= error;
      },
    );
  }, 100);
}, 30_000);
afterAll(async () => {
  clearInterval(beat);
  for (const socket of open) socket.destroy();
  await server.stop();
});

/** The good client is served now, and has been all along. */
async function expectServed() {
  const before = served;
  await until("the good client is answered", () => served > before + 1);
  expect(trouble).toBeUndefined();
}
const memory = () =>
  Number(
    /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.process().pid}/status`, "utf8"))?.[1],
  ) / 1024; // MB

function dial(): Socket {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  open.push(socket);
  return socket;
}
/** Sends bytes as they are; resolves with all that comes until the server closes, or it is enough, or with what came within so many ms. */
function exchange(
  bytes: string | Uint8Array,
  ms = 1500,
  enough: (text: string) => boolean = () => false,
): Promise<{ text: string; closed: boolean }> {
  return new Promise((resolve) => {
    const socket = dial();
    let text = "";
    const done = (closed: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, closed });
    };
    const timer = setTimeout(() => done(false), ms);
    socket.on("data", (part) => {
      text += part.toString("latin1");
      if (enough(text)) done(false);
    });
    socket.on("close", () => done(true));
    socket.write(bytes);
  });
}
const answered = (text: string) => text.includes("\r\n\r\n");
const status = ({ text }: { text: string }) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
function signature(
  phone: Phone,
  method: string,
  target: string,
  body = "",
  nonce = randomNonce(),
): string {
  return signRequest(deviceKeys(phone.secret), {
    method,
    host,
    target,
    body,
    device: phone.device,
    ts: Math.floor(Date.now() / 1000),
    nonce,
  });
}

test("requests that come a byte at a time, or never end, keep nobody else waiting and take no memory", async () => {
  const before = memory();
  const slow = Array.from({ length: 300 }, (_, i) => {
    const socket = dial();
    const starts = [
      "GET /api/sessions HTTP/1.1\r\nHost: x\r\nX-A: ",
      `POST /api/pair HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 60000\r\n\r\n{`,
      `POST /api/pair HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab`,
    ];
    socket.write(starts[i % 3] ?? "");
    return socket;
  });
  const drip = setInterval(() => {
    for (const socket of slow) if (!socket.destroyed) socket.write("a");
  }, 50);
  await Bun.sleep(2500);
  await expectServed();
  clearInterval(drip);
  for (const socket of slow) socket.destroy();
  expect(memory() - before).toBeLessThan(60);
}, 20_000);

test("a thousand connections that say nothing are held, and the next is served", async () => {
  const idle = Array.from({ length: 1000 }, dial);
  await until("they stand", () =>
    idle.every((socket) => socket.readyState === "open" || socket.destroyed),
  );
  await expectServed();
  for (const socket of idle) socket.destroy();
}, 20_000);

test("headers and addresses without end are refused, and so are bodies", async () => {
  const huge = "a".repeat(1024 * 1024);
  for (const request of [
    `GET /${huge} HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${host}\r\nX: ${huge}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${host}\r\n${"X: y\r\n".repeat(50_000)}\r\n`,
    `GET / HTTP/1.1\r\nHost: ${huge}\r\n\r\n`,
    `${huge} / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  ]) {
    const answer = await exchange(request, 10_000);
    expect([0, 400, 405, 413, 414, 431]).toContain(status(answer));
    expect(answer.closed).toBe(true);
  }
  const before = memory();
  for (const length of ["70000", "4294967296", "9007199254740993", "99999999999999999999"]) {
    const answer = await exchange(
      `POST /api/pair HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${length}\r\n\r\n${"x".repeat(70_000)}`,
    );
    expect([0, 400, 413]).toContain(status(answer));
  }
  const chunked = await exchange(
    `POST /api/pair HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n${`ffff\r\n${"x".repeat(0xffff)}\r\n`.repeat(200)}0\r\n\r\n`,
    3000,
  );
  expect([0, 400, 413]).toContain(status(chunked));
  expect(memory() - before).toBeLessThan(60);
  await expectServed();
}, 30_000);

test("what is compressed is taken as the bytes that came: nothing is inflated, in bodies or on sockets", async () => {
  const bomb = Bun.gzipSync(new Uint8Array(50 * 1024 * 1024));
  expect(bomb.length).toBeLessThan(LIMITS.bodyBytes);
  const before = memory();
  for (let i = 0; i < 20; i++) {
    const response = await fetch(`${server.origin}/api/pair`, {
      method: "POST",
      body: bomb,
      headers: { "content-encoding": "gzip", "content-type": "application/json" },
    });
    expect(response.status).toBe(400);
  }
  expect(memory() - before).toBeLessThan(60);
  const upgrade = await exchange(
    `GET /ws HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${signature(server.phone, "GET", "/ws")}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n`,
    10_000,
    answered,
  );
  expect(status(upgrade)).toBe(403); // a phone has no business there
  await expectServed();
}, 20_000);

test(
  "whatever a path is made to look like, it reads no file and passes no gate",
  async () => {
    const paths = [
      "/..%2f..%2fetc%2fpasswd",
      "/%2e%2e/%2e%2e/etc/passwd",
      "/....//etc/passwd",
      "//etc/passwd",
      "/\\..\\etc\\passwd",
      "/app.js%00.html",
      "/app.js/../api/sessions",
      "/%61pi/sessions",
      "/API/sessions",
      "/api/sessions/",
      "/api//sessions",
      "/api/./sessions",
      "/healthz/../api/sessions",
      "/;/api/sessions",
      "/api/sessions;x=.js",
      "/api/sessions?/app.js",
      "/api/sessions#/app.js",
      "/package.json",
      "/src/server.ts",
      "/.git/config",
      "/worker.js/../../package.json",
      `http://${host}/api/sessions`,
      "http://evil.example/api/sessions",
      "http://evil.example/app.js/../api/sessions",
      "*",
      "api/sessions",
      "/\u0000",
      "/\xff\xfe",
      "?",
      "/api/pair/../sessions",
    ];
    for (const path of paths) {
      for (const method of ["GET", "HEAD", "POST", "OPTIONS", "TRACE", "CONNECT", "get"]) {
        const answer = await exchange(
          Buffer.from(
            `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
            "latin1",
          ),
          400,
        );
        expect(answer.text, `${method} ${path}`).not.toMatch(
          /root:|"sessions"|dependencies|\[core\]|startServer/,
        );
        expect([0, 400, 401, 403, 404, 405, 429, 501, 505], `${method} ${path}`).toContain(
          status(answer),
        );
      }
    }
    await attack(40, async (random) => {
      const answer = await exchange(
        Buffer.from(
          `GET /${oddText(random).slice(0, 3000)} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
          "utf8",
        ),
        400,
      );
      expect([0, 200, 400, 401, 404, 414, 421, 429, 431, 505]).toContain(status(answer));
    });
    await expectServed();
  },
  patience(60_000),
);

test("a request that hides another in it is one request, or none", async () => {
  const hidden = `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  for (const headers of [
    `Content-Length: 5\r\nTransfer-Encoding: chunked`,
    `Transfer-Encoding: chunked\r\nContent-Length: ${hidden.length + 5}`,
    `Content-Length: 0\r\nContent-Length: ${hidden.length}`,
    `Transfer-Encoding: xchunked\r\nContent-Length: 5`,
    `Transfer-Encoding : chunked`,
    `Transfer-Encoding: chunked, identity`,
    `Content-Length: +5`,
    `Content-Length: 5 5`,
    `X: y\n\nTransfer-Encoding: chunked`,
  ]) {
    const answer = await exchange(
      `POST /api/pair HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n\r\n0\r\n\r\n${hidden}`,
      600,
    );
    // both are answered only where the first, by its own words, ended before the second
    expect(
      answer.text.includes('{"ok":true}') &&
        answer.text.includes("200 OK") &&
        !answer.text.startsWith("HTTP/1.1 4"),
      headers,
    ).toBe(false);
  }
  await expectServed();
}, 20_000);

test("signed requests count once, in any order, for this name and this site alone", async () => {
  const { phone } = server;
  const ask = (authorization: string, more = "") =>
    exchange(
      `GET /api/sessions HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\nAuthorization: ${authorization}\r\n\r\n`,
      10_000,
      answered,
    );
  const many = Array.from({ length: 20 }, () => signature(phone, "GET", "/api/sessions"));
  const answers = await Promise.all([...many].reverse().map((authorization) => ask(authorization)));
  expect(answers.map(status)).toEqual(many.map(() => 200)); // whichever came first
  for (const again of await Promise.all(many.map((authorization) => ask(authorization))))
    expect([401, 429]).toContain(status(again));
  const twice = signature(phone, "GET", "/api/sessions");
  expect(
    (await Promise.all(Array.from({ length: 10 }, () => ask(twice)))).filter(
      (answer) => status(answer) === 200,
    ).length,
  ).toBe(1);
  expect(
    status(
      await ask(
        signature(phone, "GET", "/api/sessions"),
        `Authorization: ${signature(phone, "GET", "/api/devices")}\r\n`,
      ),
    ),
  ).not.toBe(200);
  for (const wrong of [
    `Origin: http://evil.example\r\n`,
    `Origin: null\r\n`,
    `Origin: ${server.origin}.evil.example\r\n`,
    `Origin: ${server.origin}/\r\n`,
  ])
    expect(status(await ask(signature(phone, "GET", "/api/sessions"), wrong))).toBe(403);
  for (const name of [
    `evil.example`,
    `${host}.evil.example`,
    `${host}@evil.example`,
    `evil.example#${host}`,
    `${host},evil.example`,
    ` `,
    `[::1]:${server.port}x`,
  ])
    expect([400, 421], name).toContain(
      status(
        await exchange(
          `GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`,
          10_000,
          answered,
        ),
      ),
    );
  expect([400, 421]).toContain(
    status(
      await exchange(
        `GET / HTTP/1.1\r\nHost: ${host}\r\nHost: evil.example\r\nConnection: close\r\n\r\n`,
        10_000,
        answered,
      ),
    ),
  );
  expect([0, 400, 421]).toContain(status(await exchange(`GET / HTTP/1.1\r\n\r\n`)));
  await expectServed();
}, 30_000);

test("frames of absurd size, in a thousand pieces, unmasked or compressed end their own socket alone", async () => {
  const frame = (first: number, length: number | bigint, masked = true) => {
    const bytes = Buffer.alloc(14);
    bytes[0] = first;
    bytes[1] = 127 | (masked ? 0x80 : 0);
    bytes.writeBigUInt64BE(BigInt(length), 2);
    return bytes;
  };
  const small = (first: number, size: number, masked = true) =>
    Buffer.concat([
      Buffer.from([first, 126 | (masked ? 0x80 : 0), size >> 8, size & 255]),
      Buffer.alloc((masked ? 4 : 0) + size),
    ]);
  const before = memory();
  for (const attackFrames of [
    [frame(0x82, 2n ** 63n)],
    [frame(0x82, 2n ** 40n)],
    [frame(0x82, LIMITS.messageBytes + 1), Buffer.alloc(1024 * 1024)],
    [small(0x02, 60_000), ...Array<Buffer>(200).fill(small(0x00, 60_000))], // fragments that never end
    [small(0x02, 0), ...Array<Buffer>(20_000).fill(small(0x00, 0)), small(0x80, 1)],
    [small(0xc2, 100)], // compressed, which was never agreed
    [small(0x82, 100, false)],
    [small(0x83, 10)],
    [small(0x09, 200)], // a ping in pieces
    [small(0x80, 10)], // goes on with nothing
  ]) {
    const socket = dial();
    let closed = false;
    let greeted = false;
    socket.on("close", () => {
      closed = true;
    });
    socket.on("data", (part) => {
      greeted ||= part.includes("hello");
      if (part.includes("101"))
        expect(part.toString("latin1").toLowerCase()).not.toContain("permessage-deflate");
    });
    socket.write(
      `GET /ws HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${signature(runner, "GET", "/ws")}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n`,
    );
    await until("it stands", () => greeted);
    for (const part of attackFrames) if (!closed) socket.write(part);
    await until("it is closed", () => closed, 15_000);
  }
  expect(memory() - before).toBeLessThan(80);
  await expectServed();
}, 60_000);

test(
  "streams resume from any word at all, and a phone that never reads costs so much and no more",
  async () => {
    await attack(30, async (random) => {
      const id = oddText(random)
        .replace(/[^\x20-\x7e]/g, "?")
        .slice(0, 2000); // what a header can carry
      const stream = await server.phone.events(undefined, id === "" ? "x" : id);
      await stream.next("hello");
      stream.close();
    });
    const socket = await openSocket(server.origin, runner);
    socket.send(hello);
    socket.send({ type: "session", session: sessionInfo("s_talks"), first: 1, prompts: [] });
    await socket.next("resume");
    const deaf = Array.from({ length: 5 }, () => dial());
    for (const one of deaf) {
      one.pause();
      one.write(
        `GET /events?session=s_talks HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${signature(server.phone, "GET", "/events?session=s_talks")}\r\n\r\n`,
      );
    }
    const before = memory();
    // one asked and gone after the other, as a program inside could have them; then more than there may be at once
    for (let i = 0; i < 300; i++) {
      const prompt = makePrompt("s_talks", `p_${i}`, { input: { command: "x".repeat(200_000) } });
      socket.send({ type: "prompt", prompt });
      if (i < 250) socket.send({ type: "prompt", prompt: { ...prompt, state: "withdrawn" } });
      if (i % 10 === 0) await Bun.sleep(5);
    }
    socket.send({
      type: "output",
      session: "s_talks",
      seq: 1,
      op: { op: "append", generation: 0, from: 0, lines: ["x"] },
    });
    await until(
      "all of it is taken",
      async () =>
        JSON.stringify(
          (await server.phone.json("GET", "/api/sessions/s_talks/output")).body,
        ).includes('"next":1'),
      40_000,
    );
    await socket.next("ack");
    expect((await server.phone.prompts()).length).toBe(3);
    expect(memory() - before).toBeLessThan(120); // 60; all of it would be 200
    socket.close();
    await expectServed();
  },
  patience(60_000),
);

test("a runner that leaves out a million million lines keeps the search busy for no time", async () => {
  const socket = await openSocket(server.origin, runner);
  socket.send(hello);
  socket.send({ type: "session", session: sessionInfo("s_leaps"), first: 1, prompts: [] });
  socket.send({
    type: "output",
    session: "s_leaps",
    seq: 1,
    op: { op: "append", generation: 0, from: 0, lines: ["before the leap"] },
  });
  socket.send({
    type: "output",
    session: "s_leaps",
    seq: 2,
    op: { op: "append", generation: 0, from: LIMITS.line, lines: ["pineapple"] },
  });
  await socket.next("ack");
  const found = await until("it is found", async () => {
    const { body } = await server.phone.json("GET", "/api/search?q=pineapple");
    return JSON.stringify(body).includes("s_leaps") && body;
  });
  expect(found).toMatchObject({
    partial: false,
    results: [{ session: "s_leaps", place: LIMITS.line }],
  });
  socket.close();
}, 20_000);
