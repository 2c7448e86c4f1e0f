import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadPairing } from "../src/runner/pairing.ts";
import { makeCertificate } from "./support/certificate.ts";
import { type FreshHome, freshHome } from "./support/embedded.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { startHomeServer } from "./support/home-server.ts";
import { pairDevice } from "./support/phone.ts";
import { openTty, type Tty } from "./support/tty.ts";
import { until } from "./support/until.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function fresh(): FreshHome {
  const home = freshHome();
  ends.push(home.remove);
  return home;
}
const configure = (home: Pick<FreshHome, "dir">, text: string) => {
  mkdirSync(join(home.dir, ".config/claude-remote"), { recursive: true });
  writeFileSync(join(home.dir, ".config/claude-remote/config.toml"), text);
};
function wrap(home: Pick<FreshHome, "dir" | "env">, script: string): Tty {
  const argv = [...SELF, "run", "--command", "sh", "--", "-c", script];
  const tty = openTty(argv, { env: home.env, cwd: home.dir, cols: 200 });
  ends.push(async () => {
    tty.pty.kill("SIGKILL");
    await tty.exited;
  });
  return tty;
}
const running = async (home: FreshHome) =>
  (await home.machine().sessions()).filter(({ status }) => status === "running").length;
function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  probe.stop(true);
  return probe.port;
}
const pairingIn = (home: Pick<FreshHome, "dir">) =>
  loadPairing(join(home.dir, ".config/claude-remote/pairing.json"));

describe("a server in the background that is told something else", () => {
  test("listens on another port, and this machine follows: its commands, and a session that runs", async () => {
    const home = fresh();
    const tty = wrap(home, "echo runs; sleep 600");
    await tty.sees("runs");
    await until("it is shown", async () => (await running(home)) === 1);
    const port = freePort();
    home.env.CLAUDE_REMOTE_PORT = String(port);
    expect(await home.cli("pair")).toMatchObject({
      code: 0,
      out: expect.stringContaining(`http://127.0.0.1:${port}/#pair=`),
    });
    expect(home.seat()?.port).toBe(port);
    expect(await home.cli("devices")).toMatchObject({
      code: 0,
      out: expect.stringContaining("(this machine)"),
    });
    await until("the session is back", async () => (await running(home)) === 1, 30_000);
  }, 60_000);

  test.each([
    ["a certificate", ""],
    ["a certificate and a public URL", 'public_url = "https://home.example:7443"\n'],
  ])(
    "speaks HTTPS with %s, and this machine follows",
    async (_, more) => {
      const home = fresh();
      expect((await home.cli("pair")).code).toBe(0);
      const { device } = home.machine();
      makeCertificate(home.dir);
      configure(home, `tls_cert = "~/cert.pem"\ntls_key = "~/key.pem"\n${more}`);
      const paired = await home.cli("pair");
      expect(paired.code).toBe(0);
      expect(paired.out).toContain(
        more === "" ? "https://127.0.0.1" : "https://home.example:7443/",
      );
      expect(pairingIn(home)).toMatchObject({
        device,
        server: `https://127.0.0.1:${home.seat()?.port}`,
      });
      const tty = wrap(home, "echo over tls; read x; exit 3");
      await tty.sees("over tls");
      const listed = () => home.cli("attach", "--list");
      await until("it is shown", async () => (await listed()).out.includes("over tls"), 30_000);
      tty.type("\r");
      expect(await tty.exited).toEqual({ code: 3 });
      expect(tty.text()).not.toContain("claude-remote: not");
    },
    60_000,
  );

  test.each([
    ["keep_days", "keep_days = 3\n", "keep_days = 4\n"],
    ["keep_mb", "keep_mb = 300\n", "keep_mb = 400\n"],
    ["trusted_proxies", 'trusted_proxies = "10.0.0.1"\n', 'trusted_proxies = "10.0.0.2"\n'],
    ["log", 'log = "json"\n', 'log = "text"\n'],
    ["host", 'host = "127.0.0.2"\n', 'host = "127.0.0.1"\n'],
    [
      "push_contact",
      'push_contact = "mailto:a@b.example"\n',
      'push_contact = "mailto:c@b.example"\n',
    ],
  ])(
    "starts anew with %s, once for each change, and not again",
    async (_, one, other) => {
      const home = fresh();
      const pids = new Set<number | undefined>();
      for (const text of ["", one, other]) {
        configure(home, text);
        for (let again = 0; again < 2; again++) {
          expect((await home.cli("pair")).code).toBe(0);
          pids.add(home.seat()?.pid);
        }
      }
      expect(pids.size).toBe(3);
    },
    60_000,
  );

  test("is not stopped for a port that it can't have", async () => {
    const home = fresh();
    await home.cli("pair");
    const { pid } = home.seat() ?? {};
    const taken = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: () => undefined },
    });
    ends.push(() => taken.stop(true));
    home.env.CLAUDE_REMOTE_PORT = String(taken.port);
    expect(await home.cli("pair")).toMatchObject({
      code: 1,
      err: expect.stringContaining(`port ${taken.port} is taken by another program`),
    });
    expect(home.seat()?.pid).toBe(pid ?? 0);
  }, 30_000);
});

describe("where somebody else's server has this machine's port", () => {
  test("every command says so, and what to set; none speaks of being locked out", async () => {
    const home = fresh();
    await home.cli("pair");
    await home.cli("server", "stop");
    const other = fresh();
    other.env.CLAUDE_REMOTE_PORT = home.env.CLAUDE_REMOTE_PORT;
    await other.cli("pair");
    expect(other.seat()?.port).toBe(Number(home.env.CLAUDE_REMOTE_PORT));

    const words = `port ${home.env.CLAUDE_REMOTE_PORT} belongs to another user's server`;
    for (const argv of [["pair"], ["devices"], ["attach", "--list"], ["server"]])
      expect(await home.cli(...argv)).toMatchObject({
        code: 1,
        err: expect.stringMatching(new RegExp(`${words}[^]*set \`port\` to another`)),
      });
    const checked = await home.cli("check");
    expect(checked.code).toBe(1);
    const tty = wrap(home, "echo runs; sleep 2; exit 4");
    expect(await tty.exited).toEqual({ code: 4 });
    for (const text of [checked.out, tty.text()]) {
      expect(text.replace(/\s+/g, " ")).toContain(words);
      expect(text).not.toContain("locked");
    }
    expect(tty.text().match(/claude-remote:/g)?.length).toBe(2); // at the start and at the end
  }, 60_000);
});

describe("a home server that has moved", () => {
  test("is told of at the start and the end of a session, and its link keeps sessions and history", async () => {
    const home = emptyHome();
    ends.push(home.remove);
    const start = async (port: number) => {
      const child = Bun.spawn(
        [...SELF, "server", "--port", String(port), "--data", join(home.dir, "data")],
        { env: home.env, stdin: "ignore", stdout: "ignore", stderr: Bun.file(log(port)) },
      );
      await until("it is up", () => existsSync(log(port)) && said(port).includes("listens on"));
      return child;
    };
    const log = (port: number) => join(home.dir, `${port}.log`);
    const said = (port: number) => readFileSync(log(port), "utf8");
    const cli = async (...argv: string[]) => {
      const child = Bun.spawn([...SELF, ...argv], {
        env: home.env,
        cwd: home.dir,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, err] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      return { code: await child.exited, out, err };
    };
    const [from, to] = [freePort(), freePort()];
    const before = await start(from);
    ends.push(() => before.kill("SIGKILL"));
    const first = await until("a link", () => /http\S+#pair=\S+/.exec(said(from))?.[0]);
    expect((await cli("pair", first)).code).toBe(0);
    const device = pairingIn(home)?.device;
    const tty = wrap(home, "seq 100; read x; echo goes on; sleep 600");
    await until("it is shown", async () => (await cli("attach", "--list")).out.includes("seq 100"));

    before.kill("SIGTERM");
    await before.exited;
    const after = await start(to);
    ends.push(() => after.kill("SIGKILL"));
    const lost = wrap(home, "echo alone; exit 6");
    expect(await lost.exited).toEqual({ code: 6 });
    const words = lost.text().replace(/\s+/g, " ");
    expect(words.match(/claude-remote: not shown on the phone:/g)?.length).toBe(2);
    expect(words).toContain(`nothing listens at http://127.0.0.1:${from}`);
    expect(words).toContain("`claude-remote pair LINK`");

    const link = (await cli("pair", "--data", join(home.dir, "data"))).out.trim();
    expect(await cli("pair", link)).toMatchObject({ code: 0 });
    expect(pairingIn(home)).toMatchObject({ device, server: `http://127.0.0.1:${to}` });
    const phone = await pairDevice(
      (await cli("pair", "--data", join(home.dir, "data"), "--kind", "viewer")).out.trim(),
      "viewer",
      "phone",
    );
    await until(
      "the session that ran on is there again, and the one that ended meanwhile",
      async () => {
        const sessions = await phone.sessions();
        return (
          sessions.some(
            ({ command, status }) => command.includes("seq 100") && status === "running",
          ) &&
          sessions.some(({ command, status }) => command.includes("alone") && status === "ended")
        );
      },
      40_000,
    );
    tty.type("\r");
    await tty.sees("goes on");
  }, 90_000);

  test("a machine that was locked out is told so at the start and the end of a session", async () => {
    const server = await startHomeServer();
    ends.push(() => server.stop());
    const own = pairingIn(server.home)?.device;
    expect((await server.phone.request("DELETE", `/api/devices/${own}`)).status).toBe(200);
    const tty = wrap(server.home, "echo unseen; exit 2");
    expect(await tty.exited).toEqual({ code: 2 });
    const text = tty.text().replace(/\s+/g, " ");
    expect(text.split("not shown on the phone: the server does not know this machine").length).toBe(
      3,
    );
    expect(text).toContain("waits here for 30 days");
  }, 40_000);

  test("another server's link pairs anew", async () => {
    const [one, other] = [fresh(), fresh()];
    await one.cli("pair");
    await other.cli("pair");
    const link = async (home: FreshHome) =>
      (await home.cli("pair", "--kind", "machine")).out.trim();
    const machine = emptyHome();
    ends.push(machine.remove);
    const pair = async (given: string) =>
      Bun.spawn([...SELF, "pair", given], { env: machine.env, stderr: "ignore" }).exited;
    expect(await pair(await link(one))).toBe(0);
    const before = pairingIn(machine);
    expect(await pair(await link(other))).toBe(0);
    expect(pairingIn(machine)?.device).not.toBe(before?.device ?? "");
    rmSync(join(machine.dir, ".config"), { recursive: true });
  }, 40_000);
});
