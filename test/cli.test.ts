import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkExposure, OptionError, ownOrigins, parsePublicUrl } from "../src/hub/origins.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

const home = emptyHome();
afterAll(() => home.remove());
async function cli(argv: string[], env: Record<string, string | undefined> = home.env, stdin = "") {
  const child = Bun.spawn([...SELF, ...argv], {
    env,
    cwd: home.dir,
    stdin: new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}

describe("the server command refuses what can't work, and says what to do", () => {
  const data = () => join(home.dir, `data-${Math.random().toString(36).slice(2)}`);

  test("a port that is taken", async () => {
    const taken = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const result = await cli(["server", "--port", String(taken.port), "--data", data()]);
    expect(result).toMatchObject({
      code: 1,
      err: expect.stringContaining(`port ${taken.port} is taken`),
    });
    await taken.stop(true);
  });

  test("a damaged database, one of a newer version, one that is locked, a folder that can't be made", async () => {
    const place = (name: string) => {
      const dir = join(home.dir, name);
      mkdirSync(dir);
      return { dir, file: join(dir, "claude-remote.db") };
    };
    const damaged = place("damaged");
    writeFileSync(
      damaged.file,
      "this is no database, but long enough to be read as one. ".repeat(100),
    );
    expect(await cli(["server", "--port", "0", "--data", damaged.dir])).toMatchObject({
      code: 1,
      err: expect.stringContaining("is damaged"),
    });

    const newer = place("newer");
    const future = new Database(newer.file);
    future.run("PRAGMA user_version = 999");
    future.close();
    expect(await cli(["server", "--port", "0", "--data", newer.dir])).toMatchObject({
      code: 1,
      err: expect.stringContaining("newer claude-remote"),
    });

    const locked = place("locked");
    const holder = new Database(locked.file);
    holder.run("CREATE TABLE t (x)");
    holder.run("BEGIN EXCLUSIVE");
    expect(await cli(["server", "--port", "0", "--data", locked.dir])).toMatchObject({
      code: 1,
      err: expect.stringContaining("is locked by another program"),
    });
    holder.close();

    writeFileSync(join(home.dir, "plain-file"), "");
    expect(
      (await cli(["server", "--port", "0", "--data", join(home.dir, "plain-file/below")])).code,
    ).toBe(1);
  }, 20_000);

  test.each([
    [["--port", "70000"], "--port"],
    [["--port", "x"], "--port"],
    [["--nonsense"], "nonsense"],
    [["stray"], "stray"],
    [["--tls-cert", "x"], "--tls-key"],
    [["--host", "0.0.0.0"], "--insecure-lan"],
    [["--host", "0.0.0.0", "--published", "0.0.0.0:7200"], "loopback"],
    [["--trusted-proxies", "10.0.0.0/99"], "10.0.0.0/99"],
    [["--log", "xml"], "json"],
    [["--public-url", "http://home.example"], "--insecure-lan"],
    [["--public-url", "https://home.example/path"], "origin"],
  ])("%p", async (argv, words) => {
    const result = await cli(["server", "--data", data(), ...argv]);
    expect(result).toMatchObject({ code: 2, err: expect.stringContaining(words) });
    expect(result.out).toBe("");
  });
});

test("each option is also an environment variable, and a flag wins over it", async () => {
  const log = join(home.dir, "env-server.log");
  const env = {
    ...home.env,
    CLAUDE_REMOTE_PORT: "0",
    CLAUDE_REMOTE_DATA: join(home.dir, "env-data"),
    CLAUDE_REMOTE_PUBLIC_URL: "https://env.example",
  };
  const child = Bun.spawn([...SELF, "server", "--public-url", "https://flag.example"], {
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(log),
  });
  const text = await until(
    "it is up",
    () => existsSync(log) && /https:\/\/\S+#pair=/.exec(readFileSync(log, "utf8"))?.[0],
  );
  expect(text).toStartWith("https://flag.example/#pair=");
  expect(existsSync(join(home.dir, "env-data/claude-remote.db"))).toBe(true);
  expect(statSync(join(home.dir, "env-data")).mode & 0o777).toBe(0o700);
  expect(statSync(join(home.dir, "env-data/claude-remote.db")).mode & 0o777).toBe(0o600);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
}, 20_000);

test("with a certificate it speaks HTTPS, and runners connect to it", async () => {
  const cert = join(home.dir, "cert.pem");
  const key = join(home.dir, "key.pem");
  Bun.spawnSync([
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=localhost",
    "-addext",
    "subjectAltName=DNS:localhost,IP:127.0.0.1",
    "-keyout",
    key,
    "-out",
    cert,
  ]);
  const secure = await startHomeServer({
    args: ["--tls-cert", cert, "--tls-key", key],
    env: { NODE_EXTRA_CA_CERTS: cert },
    ca: readFileSync(cert, "utf8"),
  });
  expect(secure.origin).toStartWith("https://127.0.0.1:");
  const tty = openTty([...SELF, "run", "--command", "sh", "--", "-c", "echo over tls; sleep 60"], {
    env: secure.home.env,
    cwd: secure.home.dir,
  });
  await until("the session is there", async () =>
    (await secure.phone.sessions()).some((session) => session.status === "running"),
  );
  tty.pty.kill("SIGKILL");
  await tty.exited;
  await secure.stop();
}, 30_000);

test("`server status` tells one that runs and answers from one that hangs, as a health check has to", async () => {
  const hanging = await startHomeServer();
  const status = () =>
    cli(["server", "status", "--json", "--data", join(hanging.home.dir, "data")]);
  expect(await status()).toMatchObject({ code: 0, out: expect.stringContaining('"answers":true') });
  hanging.process().kill("SIGSTOP");
  expect(await status()).toMatchObject({
    code: 1,
    out: expect.stringContaining('"running":true,"answers":false'),
  });
  hanging.process().kill("SIGCONT");
  expect((await status()).code).toBe(0);
  await hanging.stop();
  expect((await status()).code).toBe(1);
}, 40_000);

describe("where a server may listen and what it is called", () => {
  const loopback = { host: "127.0.0.1", port: 7200, tls: false, insecureLan: false };
  test("plain HTTP stays on this machine unless somebody said otherwise", () => {
    expect(() => checkExposure(loopback)).not.toThrow();
    for (const bad of [
      { host: "0.0.0.0" },
      { host: "192.168.1.5" },
      { publicUrl: "http://home.example" },
    ])
      expect(() => checkExposure({ ...loopback, ...bad })).toThrow(OptionError);
    for (const good of [
      { host: "0.0.0.0", insecureLan: true },
      { host: "0.0.0.0", tls: true },
      { host: "0.0.0.0", publicUrl: "https://home.example" },
    ]) {
      expect(() => checkExposure({ ...loopback, ...good })).not.toThrow();
    }
  });
  test("in a container it may listen everywhere, once it is told that its port is published on loopback; then it has loopback's names alone", () => {
    const inside = { ...loopback, host: "0.0.0.0" };
    for (const published of ["127.0.0.1:7300", "localhost:80", "[::1]:7200"])
      expect(() => checkExposure({ ...inside, published })).not.toThrow();
    for (const published of [
      "0.0.0.0:7200",
      "192.168.1.2:7200",
      "home.example:7200",
      "127.0.0.1",
      "127.0.0.1:x",
      "127.0.0.1:70000",
      "a@127.0.0.1:7200",
      "127.0.0.1:7200/x",
    ])
      expect(() => checkExposure({ ...inside, published })).toThrow(OptionError);
    expect(() =>
      checkExposure({ ...inside, published: "127.0.0.1:7200", publicUrl: "http://home.example" }),
    ).toThrow(OptionError);
    const near = (port: string) =>
      ["127.0.0.1", "localhost", "[::1]"].map((host) => `http://${host}${port}`);
    expect(ownOrigins({ ...inside, published: "127.0.0.1:7300" }, 7200)).toEqual([
      ...near(":7300"),
      ...near(":7200"),
    ]);
    expect(
      ownOrigins({ ...inside, published: "127.0.0.1:80", publicUrl: "https://home.example" }, 7200),
    ).toEqual(["https://home.example", ...near(""), ...near(":7200")]);
  });

  test("its names are exact, the public one first", () => {
    expect(ownOrigins({ ...loopback, publicUrl: "https://Home.Example" }, 7200)).toEqual([
      "https://home.example",
      "http://127.0.0.1:7200",
      "http://localhost:7200",
      "http://[::1]:7200",
    ]);
  });
  test.each([
    "home.example",
    "ftp://home.example",
    "https://user@home.example",
    "https://home.example/x",
    "https://home.example?x",
    "",
  ])("%p is no public URL", (url) => {
    expect(() => parsePublicUrl(url)).toThrow(OptionError);
  });
});

describe("pairing by command", () => {
  let server: HomeServer;
  beforeAll(async () => {
    server = await startHomeServer();
  }, 30_000);
  afterAll(() => server.stop());

  test("a link pairs this machine; the secret is in a file for this user alone and nowhere else", async () => {
    const link = `${server.origin}/${new URL(await server.machine.mint("machine")).hash}`;
    const paired = await cli(["pair", link]);
    expect(paired).toMatchObject({ code: 0, out: "" });
    const file = join(home.dir, ".config/claude-remote/pairing.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { secret } = JSON.parse(readFileSync(file, "utf8"));
    expect(paired.err + server.log()).not.toContain(secret);
    expect(await cli(["pair", link])).toMatchObject({
      code: 1,
      err: expect.stringContaining("This code was used"),
    });
    expect((await cli(["devices"])).out).toContain("(this machine)");
  }, 20_000);

  test("the link can be given at a prompt, out of sight of other users", async () => {
    const link = `${server.origin}/${new URL(await server.machine.mint("machine")).hash}`;
    expect((await cli(["pair", "-"], home.env, `${link}\n`)).code).toBe(0);
  }, 20_000);

  test("`pair` prints a link, and a QR code where there is somebody to see it; of loopback it says that no phone gets there", async () => {
    const plain = await cli(["pair"], server.home.env);
    expect(plain).toMatchObject({
      code: 0,
      out: expect.stringContaining("#pair="),
      err: expect.stringContaining("can't reach this server"),
    });
    const minted = openTty(
      [
        ...SELF,
        "pair",
        "--data",
        join(server.home.dir, "data"),
        "--public-url",
        "https://home.example",
      ],
      { env: server.home.env, rows: 50 },
    );
    await minted.sees("https://home.example/#pair=");
    expect(minted.text()).toMatch(/[█▀▄]{10}/);
    expect((await minted.exited).code).toBe(0);
  }, 20_000);

  test("the dashboard comes whole from wherever the server runs", async () => {
    const get = async (path: string) => (await fetch(server.origin + path)).text();
    expect(await get("/")).toContain('<main id="view"');
    for (const [path, words] of [
      ["/app.js", "/api/pair"],
      ["/app.css", "--ground"],
      ["/icon.svg", "<svg"],
    ] as const)
      expect(await get(path)).toContain(words);
  });

  test("a device can be locked out", async () => {
    const list = (await cli(["devices"], server.home.env)).out;
    const id = /(\S+) +viewer +test phone/.exec(list)?.[1] ?? "";
    expect((await cli(["devices", "revoke", id], server.home.env)).out).toContain("locked out");
    expect((await server.phone.request("GET", "/api/sessions")).status).toBe(401);
    expect(await cli(["devices", "revoke", "nobody"], server.home.env)).toMatchObject({
      code: 1,
      err: expect.stringContaining("no such device"),
    });
  }, 20_000);

  test("what can't work is said in words", async () => {
    const empty = { ...home.env, XDG_CONFIG_HOME: join(home.dir, "empty") };
    expect(await cli(["devices"], empty)).toMatchObject({
      code: 1,
      err: expect.stringContaining("not paired yet"),
    });
    expect(await cli(["pair", "nonsense"], empty)).toMatchObject({
      code: 1,
      err: expect.stringContaining("not a pairing link"),
    });
    expect(
      await cli(["pair", "http://127.0.0.1:9/#pair=AAECAwQFBgcICQoLDA0ODw"], empty),
    ).toMatchObject({ code: 1, err: expect.stringContaining("can't be reached") });
    mkdirSync(join(home.dir, "broken/claude-remote"), { recursive: true });
    writeFileSync(join(home.dir, "broken/claude-remote/pairing.json"), "{");
    expect(
      await cli(["devices"], { ...home.env, XDG_CONFIG_HOME: join(home.dir, "broken") }),
    ).toMatchObject({
      code: 1,
      err: expect.stringContaining("remove that file"),
    });
  }, 20_000);

  test("SIGTERM ends the server with 0 after it took leave of everybody", async () => {
    const child = server.process();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    await until(
      "the port is free",
      async () => (await fetch(server.origin).catch(() => undefined)) === undefined,
    );
  });
});
