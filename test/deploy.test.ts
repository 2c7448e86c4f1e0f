import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBase64url } from "../src/auth.ts";
import { pairWith } from "../src/runner/pairing.ts";
import { OutputPage } from "../src/types.ts";
import { lacksEngine, openProject } from "./support/compose.ts";
import { emptyHome } from "./support/home.ts";
import { type Phone, pairDevice, phoneOf } from "./support/phone.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { until } from "./support/until.ts";

const lacking = lacksEngine(["oven/bun:1", "debian:bookworm-slim", "caddy:2"]);
const skipped = lacking === undefined ? "" : ` (skipped: ${lacking})`;

/** Ports that nobody has at the moment. */
const [port, httpPort, httpsPort] = [0, 0, 0].map(() => {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  probe.stop(true);
  return String(probe.port);
});
const name = `claude-remote-test-${process.pid}`;
const image = `${name}:latest`;
const plain = {
  PORT: `${port}`,
  IMAGE: image,
  HTTP_PORT: `${httpPort}`,
  HTTPS_PORT: `${httpsPort}`,
};
const home = emptyHome();
afterAll(() => home.remove());

/** What the log says, once it says that. */
const logged = (project: ReturnType<typeof openProject>, service: string, what: RegExp) =>
  until(
    `the log of ${service} has ${what}`,
    async () => what.exec(await project.logs(service))?.[0],
    30_000,
  );

describe.skipIf(lacking !== undefined)(`docker compose up${skipped}`, () => {
  const project = openProject(name, plain);
  const { compose, docker } = project;
  let machine: Phone;
  const origin = `http://127.0.0.1:${port}`;
  const isHealthy = async () =>
    (
      await docker(
        "inspect",
        "--format",
        "{{.State.Health.Status}}",
        await project.container("server"),
      )
    ).out === "healthy";
  const isUp = () => until("the server answers", async () => fetch(`${origin}/healthz`).then((response) => response.ok, () => false), 30_000); // biome-ignore format: one line
  const kept = async () => {
    expect(await machine.sessions()).toMatchObject([{ id: "s_kept", status: "ended" }]);
    expect(await machine.get(OutputPage, "GET", "/api/sessions/s_kept/output")).toMatchObject({
      lines: [{ row: "a line that is kept" }],
    });
  };

  beforeAll(async () => {
    await compose(["build"]);
    await compose(["up", "-d"]);
  }, 600_000);
  afterAll(async () => {
    await project.tries(["down", "-v"]);
    await docker("rmi", "-f", image);
  }, 60_000);

  test("prints a link in its log that pairs a machine from the host's own loopback", async () => {
    const link = await logged(project, "server", /http:\S+#pair=\S+/);
    expect(link).toStartWith(`${origin}/#pair=`);
    const paired = await pairWith(link, "machine", "the host");
    machine = phoneOf(
      paired.server,
      paired.device,
      fromBase64url(paired.secret) ?? new Uint8Array(),
    );
    expect((await fetch(origin)).headers.get("content-type")).toContain("text/html");
    expect((await fetch(`http://localhost:${port}/`)).status).toBe(200);

    const socket = await openSocket(origin, machine);
    socket.send(hello);
    socket.send({ type: "session", session: sessionInfo("s_kept"), first: 1, prompts: [] });
    await socket.next("resume");
    socket.send({
      type: "output",
      session: "s_kept",
      seq: 1,
      op: { op: "append", generation: 0, from: 0, lines: ["a line that is kept"] },
    });
    await socket.next("ack");
    socket.send({ type: "exit", session: "s_kept", exit: { code: 0 }, ended_at: Date.now() });
    await socket.next("ended");
    socket.close();
    await kept();
  }, 60_000);

  test("is published on loopback alone, and answers to no other name", async () => {
    const ports = (
      await docker(
        "inspect",
        "--format",
        "{{json .HostConfig.PortBindings}}",
        await project.container("server"),
      )
    ).out;
    expect(JSON.parse(ports)).toEqual({ "7200/tcp": [{ HostIp: "127.0.0.1", HostPort: port }] });
    const address = (
      await docker(
        "inspect",
        "--format",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        await project.container("server"),
      )
    ).out;
    for (const host of [`${address}:7200`, "home.example"])
      expect((await fetch(origin, { headers: { host } })).status).toBe(421);
  }, 30_000);

  test("runs without root, capabilities or a root that can be written, and calls itself healthy", async () => {
    const exec = (...argv: string[]) => compose(["exec", "-T", "server", ...argv]);
    expect((await exec("id", "-u")).out).toBe("7200");
    expect((await exec("stat", "-c", "%u %a", "/data", "/data/claude-remote.db")).out).toBe(
      "7200 700\n7200 600",
    );
    const status = (await exec("cat", "/proc/1/status")).out;
    expect(status).toMatch(/^CapBnd:\s0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s1$/m);
    const written = await project.tries(["exec", "-T", "server", "touch", "/usr/local/bin/x"]);
    expect([written.code === 0, written.err + written.out]).toEqual([
      false,
      expect.stringContaining("Read-only"),
    ]);
    await until("the health check has passed", isHealthy, 60_000);
  }, 90_000);

  test("keeps everything over a restart, and over down and up", async () => {
    await compose(["restart"]);
    await isUp();
    await kept();
    await compose(["stop"]);
    expect(
      (
        await docker(
          "inspect",
          "--format",
          "{{.State.ExitCode}}",
          (
            await docker("ps", "-aq", "--filter", `name=${name}`)
          ).out,
        )
      ).out,
    ).toBe("0");
    await compose(["down"]);
    await compose(["up", "-d"]);
    await isUp();
    await kept();
    expect(await project.logs("server")).not.toContain("#pair=");
  }, 90_000);

  test("never tells a phone to open loopback, and says what it takes instead", async () => {
    const log = await project.logs("server");
    expect(log).not.toContain("your phone");
    expect(log).toContain("No phone can reach it yet: that takes PUBLIC_URL");
  }, 30_000);

  test("names a folder of root's that is mounted as its data, its owner and the way out", async () => {
    const folder = mkdtempSync(join(tmpdir(), "root-owned-"));
    chmodSync(folder, 0o700);
    const published = ["-e", "CLAUDE_REMOTE_PUBLISHED=127.0.0.1:7200"];
    const run = ["run", "--rm", "-v", `${folder}:/data`, ...published, image];
    const refused = await docker(...run).catch((error: Error) => error.message);
    rmSync(folder, { recursive: true });
    expect(refused).toContain("/data belongs to uid 0, and this runs as uid 7200");
    expect(refused).toContain("chown -R 7200:7200 /data");
  }, 60_000);

  test("a code for one more device is minted inside, and a backup travels through a pipe and back", async () => {
    const link = (
      await compose(["exec", "-T", "server", "claude-remote", "pair", "--data", "/data"])
    ).out;
    const phone = await pairDevice(link, "viewer", "phone");
    const { bytes } = await compose([
      "exec",
      "-T",
      "server",
      "claude-remote",
      "server",
      "backup",
      "-",
    ]);
    await machine.request("DELETE", `/api/devices/${phone.device}`);
    await compose(["stop", "server"]);
    await compose(["run", "--rm", "-T", "server", "server", "restore", "-"], new Blob([bytes]));
    await compose(["up", "-d"]);
    await isUp();
    await kept();
    expect((await phone.request("GET", "/api/sessions")).status).toBe(401); // it stays locked out
  }, 90_000);

  describe("with the profile caddy and its own CA", () => {
    const publicUrl = `https://localhost:${httpsPort}`;
    const behind = openProject(name, {
      ...plain,
      COMPOSE_PROFILES: "caddy",
      PUBLIC_URL: publicUrl,
      CADDY_ISSUER: "internal",
      LOG: "json",
    });
    let ca = "";

    beforeAll(async () => {
      await behind.compose(["up", "-d"]);
      ca = await until(
        "Caddy has made its CA",
        async () => {
          const { code, out } = await behind.tries([
            "exec",
            "-T",
            "caddy",
            "cat",
            "/data/caddy/pki/authorities/local/root.crt",
          ]);
          return code === 0 && out.includes("BEGIN") ? `${out}\n` : undefined;
        },
        30_000,
      );
      const answers = () => fetch(`${publicUrl}/healthz`, { tls: { ca } }).then((response) => response.ok, () => false); // biome-ignore format: one line
      await until("it answers over HTTPS", answers, 30_000);
    }, 120_000);

    test("a phone pairs over HTTPS, and its stream of events comes through at once", async () => {
      const link = (
        await behind.compose([
          "exec",
          "-T",
          "server",
          "claude-remote",
          "pair",
          "--data",
          "/data",
          "--kind",
          "viewer",
        ])
      ).out;
      expect(link).toStartWith(`${publicUrl}/#pair=`);
      const phone = await pairDevice(link, "viewer", "phone", ca);
      const events = await phone.events();
      const socket = await openSocket(origin, machine);
      socket.send(hello);
      socket.send({ type: "session", session: sessionInfo("s_live"), first: 1, prompts: [] });
      // a proxy that holds back would wait for its buffer to fill
      expect(await events.next("session_start", ({ id }) => id === "s_live")).toMatchObject({
        host: "box",
      });
      events.close();
      socket.close();
    }, 60_000);

    test("whoever guesses is counted by their own address, and can't choose it", async () => {
      const caddy = (
        await docker(
          "inspect",
          "--format",
          "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
          await behind.container("caddy"),
        )
      ).out;
      const guess = (times: number) =>
        docker(
          "run",
          "--rm",
          "--network",
          `${name}_default`,
          "oven/bun:1",
          "bun",
          "-e",
          GUESS,
          `https://${caddy}:${httpsPort}`,
          `localhost:${httpsPort}`,
          String(times),
        );
      const guesser = (await guess(70)).out.split(" ");
      expect(guesser.slice(1, 61)).toEqual(Array.from({ length: 60 }, () => "403"));
      expect(guesser.at(-1)).toBe("429");
      // the same address may be given to the next container, so the first still holds it
      const log = (await behind.logs("server"))
        .split("\n")
        .map((line) => line.slice(line.indexOf("{")));
      const limited = log.flatMap((line) =>
        line.includes('"rate_limited"') ? [JSON.parse(line)] : [],
      );
      expect(limited).toMatchObject([{ level: "warn", address: guesser[0] }]);
      expect(limited[0].address).not.toBe(caddy);
      expect(await behind.logs("server")).not.toContain("203.0.113");
      expect(
        (await fetch(`${publicUrl}/api/pair`, { method: "POST", body: PAIR, tls: { ca } })).status,
      ).toBe(403);
    }, 60_000);
  });
});

const PAIR = JSON.stringify({
  code_id: "0".repeat(32),
  kind: "viewer",
  name: "guess",
  nonce: "y".repeat(22),
  mac: "z".repeat(43),
});
/** Guesses from a container of its own, each time under another invented address; prints its real one and the answers. */
const GUESS = `
const [url, host, times] = process.argv.slice(-3);
const answers = [];
for (let i = 0; i < Number(times); i++) {
  const headers = { host, "x-forwarded-for": "203.0.113." + i };
  answers.push((await fetch(url + "/api/pair", { method: "POST", headers, body: ${JSON.stringify(PAIR)}, tls: { rejectUnauthorized: false, serverName: "localhost" } })).status);
}
const address = Object.values(require("os").networkInterfaces()).flat().find(({ internal }) => !internal).address;
console.log([address, ...answers].join(" "));`;

describe("the units", () => {
  const noSystemd =
    Bun.which("systemd-analyze") === null ? " (skipped: systemd-analyze is not installed)" : "";
  const analyze = (...argv: string[]) => {
    const ran = Bun.spawnSync(["systemd-analyze", ...argv], {
      env: { ...process.env, XDG_RUNTIME_DIR: home.dir, SYSTEMD_COLORS: "0" },
      stdout: "pipe",
      stderr: "pipe",
    });
    return { code: ran.exitCode, said: ran.stdout.toString() + ran.stderr.toString() };
  };
  /** A unit with a program that is there. */
  const unit = async (role: string) => {
    const file = join(home.dir, `claude-remote-${role}.service`);
    const text = await Bun.file(
      join(import.meta.dir, `../docs/systemd/claude-remote-${role}.service`),
    ).text();
    await Bun.write(file, text.replaceAll("/usr/local/bin/claude-remote", process.execPath));
    return file;
  };

  test.skipIf(noSystemd !== "")(
    `are understood by systemd, and the server's is held to what it needs${noSystemd}`,
    async () => {
      expect(analyze("verify", await unit("server"))).toEqual({ code: 0, said: "" });
      expect(analyze("--user", "verify", await unit("runner"))).toEqual({ code: 0, said: "" });
      expect(
        analyze("security", "--offline=true", "--threshold=20", await unit("server")),
      ).toMatchObject({ code: 0 }); // 2.0 of 10
    },
  );
});

describe("the compose file", () => {
  test("names the profiles, and each mounts a file that is there", async () => {
    const root = join(import.meta.dir, "..");
    const text = await Bun.file(join(root, "compose.yml")).text();
    const parsed = Bun.YAML.parse(text) as {
      services: Record<string, { profiles?: string[]; volumes: string[] }>;
    };
    expect(
      Object.entries(parsed.services).map(([service, { profiles }]) => [service, profiles]),
    ).toEqual([
      ["server", undefined],
      ["caddy", ["caddy"]],
      ["tailscale", ["tailscale"]],
    ]);
    const mounted = Object.values(parsed.services).flatMap(({ volumes }) =>
      volumes
        .filter((volume) => volume.startsWith("./"))
        .map((volume) => volume.split(":")[0] ?? ""),
    );
    for (const file of mounted) expect(await Bun.file(join(root, file)).exists()).toBe(true);
    expect(
      JSON.parse(await Bun.file(join(root, "docs/tailscale-serve.json")).text()),
    ).toMatchObject({ TCP: { 443: { HTTPS: true } } });
  });
});
