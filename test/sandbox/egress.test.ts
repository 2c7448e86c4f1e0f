import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { allowList, findPlace, isPublic } from "../../src/sandbox/allow-list.ts";
import { serverAsked } from "../../src/sandbox/client-hello.ts";
import { listenForEgress, passOn } from "../../src/sandbox/egress.ts";

describe("the list of places", () => {
  test("holds Claude's own, and what is listed: with port 443 unless told otherwise", () => {
    const list = allowList(["registry.npmjs.org", "Localhost:8080"]);
    expect(findPlace(list, "api.anthropic.com", 443)).toMatchObject({ near: false });
    expect(findPlace(list, "API.Anthropic.com", 443)).toBeDefined();
    expect(findPlace(list, "registry.npmjs.org", 443)).toBeDefined();
    expect(findPlace(list, "localhost", 8080)).toMatchObject({ near: true });
  });

  test("knows exact names and ports alone", () => {
    const list = allowList(["example.com", "127.0.0.1:80"]);
    for (const [host, port] of [
      ["api.anthropic.com", 80],
      ["api.anthropic.com.", 443],
      ["evil.api.anthropic.com", 443],
      ["api.anthropic.com.evil.example", 443],
      ["xapi.anthropic.com", 443],
      ["www.example.com", 443],
      ["2130706433", 80],
      ["0x7f.1", 80],
      ["127.1", 80],
      ["localhost", 80],
      ["", 443],
    ] as const)
      expect([host, findPlace(list, host, port)]).toEqual([host, undefined]);
  });

  test("a mistake in it is named", () => {
    for (const wrong of [
      "",
      "*.example.com",
      "https://example.com",
      "user@example.com",
      "example.com:0",
      "example.com:70000",
      "a b",
      "example.com:",
      "[::1]:80",
      "-x",
      "x\n",
    ])
      expect(() => allowList([wrong])).toThrow("no place that a sandbox can be let out to");
  });

  test("addresses of this machine and its networks are told from public ones", () => {
    for (const address of ["1.1.1.1", "172.32.0.1", "2606:4700::1111"])
      expect([address, isPublic(address)]).toEqual([address, true]);
    const near =
      "127.0.0.1 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 198.18.0.1";
    const near6 =
      ":: ::1 fe80::1 fc00::1 fd00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:1.1.1.1 64:ff9b::7f00:1 2002:7f00:1:: 2001::1 nonsense";
    for (const address of [...near.split(" "), ...near6.split(" ")])
      expect([address, isPublic(address)]).toEqual([address, false]);
  });

  test("so are those that are given out to the public, and that this machine or its network has", () => {
    const has = (address: string, family: "IPv4" | "IPv6", cidr: string | null) => ({
      net: [{ address, family, cidr, netmask: "", mac: "", internal: false, scopeid: 0 }],
    });
    const four = has("203.0.113.7", "IPv4", "203.0.113.7/29");
    for (const [address, far] of [
      ["203.0.113.7", false],
      ["203.0.113.1", false],
      ["203.0.113.9", true],
    ] as const)
      expect([address, isPublic(address, four)]).toEqual([address, far]);
    const six = has("2a02:8071:1::5", "IPv6", "2a02:8071:1::5/64");
    for (const [address, far] of [
      ["2a02:8071:1::5", false],
      ["2a02:8071:1:0:aaaa::1", false],
      ["2a02:8071:2::5", true],
    ] as const)
      expect([address, isPublic(address, six)]).toEqual([address, far]);
    expect(isPublic("203.0.113.7", has("203.0.113.7", "IPv4", null))).toBe(false);
  });
});

/** A network namespace of its own, with a public address: not everybody may make one. */
const NO_NAMESPACE =
  Bun.spawnSync(["unshare", "-n", "ip", "link", "set", "lo", "up"], { stderr: "ignore" })
    .exitCode === 0
    ? ""
    : " (skipped: no network namespace can be made here)";

test.skipIf(NO_NAMESPACE !== "")(
  `a listed host that leads to this machine's own public address, or to its network, is refused unless it is listed with its port${NO_NAMESPACE}`,
  () => {
    const from = (module: string) =>
      JSON.stringify(join(import.meta.dir, "../../src/sandbox", module));
    const script = `
      import { connect } from "node:net"; import { mkdtempSync } from "node:fs";
      import { allowList } from ${from("allow-list.ts")}; import { listenForEgress } from ${from("egress.ts")};
      const serve = (hostname) => Bun.serve({ hostname, port: 8080, fetch: () => new Response("REACHED") });
      for (const address of ["203.0.113.7", "2001:db8:5::7", "198.51.100.20", "192.88.99.9"]) serve(address);
      const dir = mkdtempSync("/tmp/egress-own-");
      const ask = async (entry, host) => {
        const path = dir + "/" + Math.random();
        const refused = [];
        const list = allowList([entry]).map((place) => ({ ...place, port: 8080 }));
        const server = await listenForEgress(path, list, { onRefused: (place) => refused.push(place) });
        const raw = await new Promise((resolve) => {
          let all = "";
          const client = connect(path, () => client.write("GET http://" + host + ":8080/ HTTP/1.1\\r\\n\\r\\n"));
          client.on("data", (data) => (all += data)); client.on("close", () => resolve(all)); client.on("end", () => client.end());
        });
        server.close();
        return [raw.includes("REACHED"), refused.at(-1) ?? null];
      };
      const said = [];
      for (const host of ["203.0.113.7", "six.example", "198.51.100.20", "192.88.99.9"])
        said.push(await ask(host, host), await ask(host + ":8080", host));
      console.log(JSON.stringify(said)); process.exit();`;
    const hosts = join(mkdtempSync(join(tmpdir(), "egress-hosts-")), "hosts");
    writeFileSync(hosts, "2001:db8:5::7 six.example\n");
    const setUp = `ip link set lo up; ip addr add 203.0.113.7/32 dev lo; ip addr add 2001:db8:5::7/128 dev lo nodad
      ip link add net0 type veth peer name net1 && ip link set net0 up && ip link set net1 up && ip addr add 198.51.100.1/24 dev net0; ip addr add 198.51.100.20/32 dev lo; ip route add local 192.88.99.0/24 dev lo
      mount --bind ${hosts} /etc/hosts; exec "$@"`;
    const { stdout, stderr } = Bun.spawnSync(
      ["unshare", "-n", "-m", "sh", "-c", setUp, "sh", process.execPath, "-e", script],
      { stderr: "pipe" },
    );
    expect([stdout.toString(), stderr.toString()]).toEqual([
      `${JSON.stringify([
        [false, "203.0.113.7:8080"],
        [true, null],
        [false, "six.example:8080"],
        [true, null],
        [false, "198.51.100.20:8080"],
        [true, null],
        [false, "192.88.99.9:8080"],
        [true, null],
      ])}\n`,
      "",
    ]);
  },
  60_000,
);

describe("the way out", () => {
  const dir = mkdtempSync(join(tmpdir(), "egress-test-"));
  const path = join(dir, "proxy.sock");
  const requests: { url: string; host: string; headers: string[]; body: string }[] = [];
  const api = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { host } = new URL(request.url);
      requests.push({
        url: request.url,
        host: request.headers.get("host") ?? host,
        headers: [...request.headers.keys()],
        body: await request.text(),
      });
      return new Response("here I am");
    },
  });
  /** Says what it hears, back. */
  const echo = createServer(
    (socket) => void socket.on("error", () => undefined).pipe(socket),
  ).listen(0, "127.0.0.1");
  const portOf = (server: Server) => (server.address() as { port: number }).port;
  let egress: Server;
  let tls: Server;
  beforeAll(async () => {
    const list = allowList([
      `localhost:${api.port}`,
      `localhost:${portOf(echo)}`,
      "localhost",
      "localhost:1",
    ]);
    egress = await listenForEgress(path, list);
    tls = await listenForEgress(join(dir, "tls.sock"), list, { https: portOf(echo) });
  });
  afterAll(() => {
    for (const server of [egress, tls, echo]) server.close();
    api.stop(true);
    rmSync(dir, { recursive: true });
  });

  /** Says something to the proxy, and hears it out. */
  const say = (text: string | Buffer, socket = path, more?: (data: string) => string | undefined) =>
    new Promise<string>((resolve) => {
      let heard = "";
      const client = connect(socket, () => void client.write(text));
      client.on("data", (data) => {
        heard += data.toString("latin1");
        const next = more?.(heard);
        if (next !== undefined) client.write(next);
      });
      client.on("error", () => undefined);
      client.on("end", () => client.end());
      client.on("close", () => resolve(heard));
    });

  test("a listed place is reached by a plain request, and by CONNECT", async () => {
    const plain = await say(
      `GET http://localhost:${api.port}/x?y=1 HTTP/1.1\r\nHost: localhost:${api.port}\r\nProxy-Connection: keep-alive\r\nX-Mine: 1\r\n\r\n`,
    );
    expect(plain).toStartWith("HTTP/1.1 200");
    expect(plain).toEndWith("here I am");
    expect(requests.at(-1)).toMatchObject({
      url: `http://localhost:${api.port}/x?y=1`,
      host: `localhost:${api.port}`,
    });
    expect(requests.at(-1)?.headers).toContain("x-mine");
    expect(requests.at(-1)?.headers).not.toContain("proxy-connection");
    let asked = false;
    const tunnel = await say(
      `CONNECT localhost:${api.port} HTTP/1.1\r\nHost: x\r\n\r\n`,
      path,
      () => {
        if (asked) return undefined;
        asked = true;
        return `POST /tunnel HTTP/1.1\r\nHost: localhost:${api.port}\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc`;
      },
    );
    expect(tunnel).toStartWith("HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200");
    expect(requests.at(-1)).toMatchObject({ body: "abc" });
  });

  test("a body that comes with its header arrives whole", async () => {
    const body = "x".repeat(300_000);
    await say(
      `POST http://localhost:${api.port}/ HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(requests.at(-1)?.body).toBe(body);
  });

  test("anything else is refused, in words", async () => {
    const before = requests.length;
    for (const target of [
      "example.com:443",
      `127.0.0.1:${api.port}`,
      `[::1]:${api.port}`,
      `localhost.:${api.port}`,
      "api.anthropic.com.:443",
      "api.anthropic.com:80",
      "169.254.169.254:80",
    ]) {
      const refused = await say(`CONNECT ${target} HTTP/1.1\r\n\r\n`);
      expect([target, refused.split("\r\n")[0]]).toEqual([
        target,
        expect.stringMatching(/^HTTP\/1\.1 40[03] /),
      ]);
    }
    expect(await say("CONNECT Example.com:443 HTTP/1.1\r\n\r\n")).toContain(
      "`--sandbox-host Example.com` puts it there",
    );
    expect(requests.length).toBe(before);
  });

  test("tricks with who is meant get nowhere", async () => {
    const before = requests.length;
    const here = `localhost:${api.port}`;
    for (const request of [
      `GET http://${here}@example.com/ HTTP/1.1`,
      `GET http://user:pass@${here}/ HTTP/1.1`,
      `GET http://example.com#@${here}/ HTTP/1.1`,
      `GET http://example.com\\@${here}/ HTTP/1.1`,
      `GET http://${here}.example.com/ HTTP/1.1`,
      `GET https://${here}/ HTTP/1.1`,
      `GET ftp://${here}/ HTTP/1.1`,
      `GET //${here}/ HTTP/1.1`,
      `GET / HTTP/1.1\r\nHost: ${here}`,
      `CONNECT user@${here} HTTP/1.1`,
      `CONNECT ${here}/ HTTP/1.1`,
      `CONNECT http://${here} HTTP/1.1`,
      `CONNECT ${here}:443 HTTP/1.1`,
      `CONNECT  ${here} HTTP/1.1`,
      `CONNECT ${here} HTTP/1.1 HTTP/1.1`,
      `GET http://${here}/ HTTP/1.1\r\n folded: header`,
      `GET http://${here}/ HTTP/1.1\nHost: x`,
      `GET http://${here}/\x00 HTTP/1.1`,
      `GET http://${here}/ HTTP/1.1\r\nX: a\x00b`,
      `connect ${here} HTTP/1.1`,
    ]) {
      const refused = await say(`${request}\r\n\r\n`);
      expect([request, refused.split("\r\n")[0]]).toEqual([
        request,
        expect.stringMatching(/^HTTP\/1\.1 40[03] /),
      ]);
    }
    expect(requests.length).toBe(before);
  });

  test("the Host that is told on is that of the place, and a second request in the same breath goes nowhere else", async () => {
    const before = requests.length;
    const here = `localhost:${api.port}`;
    const heard = await say(
      `GET http://${here}/one HTTP/1.1\r\nHost: example.com\r\n\r\nGET http://example.com/two HTTP/1.1\r\nHost: example.com\r\n\r\n`,
    );
    expect(heard.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
    expect(requests.slice(before).map(({ url }) => url)).toEqual([`http://${here}/one`]);
  });

  test("a listed name that leads to this machine is reached only where it is listed with its port", async () => {
    const refused = await say("CONNECT localhost:443 HTTP/1.1\r\n\r\n");
    expect(refused).toStartWith("HTTP/1.1 403");
    expect(refused).toContain("leads to this machine or its network");
    expect(await say("CONNECT localhost:1 HTTP/1.1\r\n\r\n")).toStartWith("HTTP/1.1 502");
  });

  test("a header without an end is cut off, and so is one that stops", async () => {
    expect(
      await say(`GET http://localhost:${api.port}/ HTTP/1.1\r\nX: ${"x".repeat(40_000)}`),
    ).toStartWith("HTTP/1.1 400");
    const half = await new Promise<string>((resolve) => {
      let heard = "";
      const client = connect({ path, allowHalfOpen: true }, () => client.end("CONNECT local"));
      client.on("data", (data) => {
        heard += data;
      });
      client.on("close", () => resolve(heard));
    });
    expect(half).toStartWith("HTTP/1.1 400");
  });

  test("a hook that waits for a person is passed on without a limit of time; whatever goes out has one", async () => {
    const socket = join(dir, "hooks.sock");
    const hooks = await passOn(socket, 4, () => portOf(echo));
    const limits = spyOn(Socket.prototype, "setTimeout");
    const echoed = (path: string, first: string) =>
      new Promise<void>((resolve) => {
        const client = connect(path, () => void client.write(first));
        client.on("data", (data) => {
          if (!data.includes("asks")) return void client.write("asks");
          client.destroy();
          resolve();
        });
      });
    await echoed(socket, "asks");
    expect(limits).not.toHaveBeenCalled();
    await echoed(path, `CONNECT localhost:${portOf(echo)} HTTP/1.1\r\n\r\n`);
    expect(limits).toHaveBeenCalledTimes(2);
    limits.mockRestore();
    hooks.close();
  });

  test("no more than so many connections are open at once", async () => {
    const clients = Array.from({ length: 200 }, () => connect(path));
    let closed = 0;
    for (const client of clients) client.on("error", () => undefined).on("close", () => closed++);
    while (closed < 72) await Bun.sleep(10);
    for (const client of clients) client.destroy();
    while (closed < 200) await Bun.sleep(10);
    expect(await say(`CONNECT nobody.example:443 HTTP/1.1\r\n\r\n`)).toStartWith("HTTP/1.1 403");
  });

  describe("TLS", () => {
    /** The first bytes of a real handshake for this name. */
    const hello = (servername: string) =>
      new Promise<Buffer>((resolve) => {
        const server = createServer((socket) =>
          socket.once("data", (data) => {
            socket.destroy();
            server.close();
            resolve(Buffer.from(data));
          }),
        ).listen(0, "127.0.0.1", () => {
          connectTls({ port: portOf(server), host: "127.0.0.1", servername }).on(
            "error",
            () => undefined,
          );
        });
      });
    const through = async (first: Buffer | string) => {
      const heard = await new Promise<string>((resolve) => {
        let text = "";
        let sent = false;
        const client = connect(
          join(dir, "tls.sock"),
          () => void client.write(`CONNECT localhost:${portOf(echo)} HTTP/1.1\r\n\r\n`),
        );
        client.on("data", (data) => {
          text += data.toString("latin1");
          if (sent && text.includes(Buffer.from(first).toString("latin1"))) client.destroy();
          if (!sent) client.write(first);
          sent = true;
        });
        client.on("error", () => undefined);
        client.on("end", () => client.end());
        client.on("close", () => resolve(text));
      });
      return heard.replace("HTTP/1.1 200 Connection established\r\n\r\n", "");
    };

    test("the server that a handshake asks for is read, in whatever pieces it comes", async () => {
      const bytes = await hello("api.anthropic.com");
      expect(serverAsked(bytes)).toBe("api.anthropic.com");
      for (let end = 0; end < bytes.length; end += 7)
        expect(serverAsked(bytes.subarray(0, end))).toBeUndefined();
    });

    test("what is no handshake, or a broken one, asks for nobody", async () => {
      const bytes = await hello("api.anthropic.com");
      expect(serverAsked(Buffer.from("GET / HTTP/1.1\r\n"))).toBe("");
      for (let at = 5; at < bytes.length; at++) {
        const broken = Buffer.from(bytes);
        broken[at] = 0xff;
        expect(serverAsked(broken)).toBeString();
      }
      const hidden = Buffer.from(bytes);
      const versions = Buffer.from("002b0005040304", "hex"); // supported_versions (RFC 8446), with what it says first: two bytes alone may be part of a key
      expect(hidden.includes(versions)).toBe(true);
      hidden.writeUInt16BE(0xfe0d, hidden.indexOf(versions)); // becomes an encrypted name
      expect(serverAsked(hidden)).toBe("");
    });

    test("two names are none, and plain HTTP does not get to where TLS is spoken", async () => {
      const bytes = await hello("a.example");
      const at = bytes.indexOf("a.example") - 9;
      const twice = Buffer.concat([bytes, bytes.subarray(at, at + 18)]);
      twice.writeUInt16BE(twice.length - 5, 3);
      twice.writeUIntBE(twice.length - 9, 6, 3);
      expect([serverAsked(bytes), serverAsked(twice)]).toEqual(["a.example", ""]);
      const plain = await say(
        `GET http://localhost:${portOf(echo)}/ HTTP/1.1\r\n\r\n`,
        join(dir, "tls.sock"),
      );
      expect(plain).toStartWith("HTTP/1.1 400");
    });

    test("one that asks for another server than CONNECT did does not get through", async () => {
      const same = await hello("localhost");
      expect(await through(same)).toBe(same.toString("latin1"));
      expect(await through(await hello("evil.example"))).toBe("");
      expect(await through("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")).toBe("");
    });
  });
});
