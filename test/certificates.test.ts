import { afterEach, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { makeCertificate } from "./support/certificate.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server as a process of its own. */
async function start(argv: readonly string[], home = freshHome()) {
  const log = join(home.dir, `server-${Math.random().toString(36).slice(2)}.log`);
  const child = Bun.spawn(
    [...SELF, "server", "--port", "0", "--data", join(home.dir, "data"), ...argv],
    { env: home.env, cwd: home.dir, stdin: "ignore", stderr: Bun.file(log) },
  );
  ends.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  const said = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
  await until("it is up", () => /listens on|"started"/.test(said()) || child.exitCode !== null);
  const port = Number(/(?:listens on|listens":")\D*[\d.]+:(\d+)/.exec(said())?.[1]);
  return { home, child, said, port };
}
function freshHome() {
  const home = emptyHome();
  ends.push(home.remove);
  return home;
}
/** For whom the certificate is that a server shows. */
const shown = (port: number) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? "");
      socket.destroy();
    });
    socket.on("error", reject);
  });

describe("a server with a certificate of its own", () => {
  test.each([
    ["DNS:home.example", "home.example"],
    ["DNS:localhost,DNS:*.box.lan,DNS:Box.lan,IP:192.0.2.7", "box.lan"],
    ["IP:127.0.0.1,IP:192.0.2.7", "192.0.2.7"],
  ])(
    "takes its name from one for %s, and says what to open",
    async (names, name) => {
      const home = freshHome();
      const { cert, key } = makeCertificate(home.dir, names);
      const { port, said } = await start(["--tls-cert", cert, "--tls-key", key], home);
      await until("its link is there", () => said().includes("#pair="));
      expect(said()).toContain(`The dashboard is at https://${name}:${port}`);
      expect(said()).toContain(`Open https://${name}:${port} on the phone`);
      expect(said()).toContain("--host 0.0.0.0");
      expect(said()).toContain(`https://${name}:${port}/#pair=`);
      const health = await fetch(`https://127.0.0.1:${port}/healthz`, {
        headers: { host: `${name}:${port}` },
        tls: { rejectUnauthorized: false },
      });
      expect(health.status).toBe(200);
    },
    30_000,
  );

  test("keeps to a public URL that it was told", async () => {
    const home = freshHome();
    const { cert, key } = makeCertificate(home.dir, "DNS:home.example");
    const files = ["--tls-cert", cert, "--tls-key", key];
    const { said } = await start([...files, "--public-url", "https://other.example"], home);
    expect(said()).toContain("The dashboard is at https://other.example\n");
  }, 30_000);

  test.each(["[]", '["--published", "127.0.0.1:7300", "--host", "0.0.0.0"]'])(
    "never sends a phone to loopback (%s)",
    async (argv) => {
      const { said } = await start(JSON.parse(argv));
      await until("its link is there", () => said().includes("#pair="));
      expect(said()).toContain("in a browser on this very machine");
      expect(said()).toContain("No phone can reach it yet");
      expect(said()).not.toContain("on your phone");
    },
    30_000,
  );

  test("with one for loopback alone, neither", async () => {
    const home = freshHome();
    const { cert, key } = makeCertificate(home.dir);
    const { said } = await start(["--tls-cert", cert, "--tls-key", key], home);
    await until("its link is there", () => said().includes("#pair="));
    expect(said()).toContain("its certificate names this machine alone");
    expect(said()).not.toContain("on your phone");
  }, 30_000);

  test("refuses a key of another certificate, and what is none, by its name", async () => {
    const home = freshHome();
    const [one, other] = ["one", "other"].map((name) => {
      mkdirSync(join(home.dir, name));
      return makeCertificate(join(home.dir, name));
    });
    for (const [cert = "", key = "", words] of [
      [one?.cert, other?.key, `--tls-key ${other?.key} is not the key of`],
      [one?.key, one?.key, `--tls-cert ${one?.key} can't be read`],
      [one?.cert, one?.cert, `--tls-key ${one?.cert} can't be read`],
    ]) {
      const { child, said } = await start(["--tls-cert", cert, "--tls-key", key], home);
      expect(await child.exited).toBe(2);
      expect(said()).toContain(words ?? "");
    }
  }, 30_000);

  test("takes up one that was renewed, file by file, and keeps its connections", async () => {
    const home = freshHome();
    const { cert, key } = makeCertificate(home.dir, "DNS:one.example");
    const { port, said } = await start(["--tls-cert", cert, "--tls-key", key], home);
    expect(await shown(port)).toBe("DNS:one.example");
    const held = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
    await new Promise((resolve) => held.once("secureConnect", resolve));
    let closed = false;
    held.on("close", () => {
      closed = true;
    });

    mkdirSync(join(home.dir, "new"));
    const renewed = makeCertificate(join(home.dir, "new"), "DNS:two.example");
    copyFileSync(renewed.cert, cert);
    await until("half of it is refused", () => said().includes("certificate refused"), 20_000);
    expect(await shown(port)).toBe("DNS:one.example");
    copyFileSync(renewed.key, key);
    await until("it is taken up", async () => (await shown(port)) === "DNS:two.example", 20_000);
    expect(closed).toBe(false);
    held.destroy();
    expect(JSON.parse(readFileSync(join(home.dir, "data/server.json"), "utf8")).origin).toBe(
      `https://two.example:${port}`,
    );
  }, 60_000);
});

describe("SIGHUP", () => {
  const configure = (home: { dir: string }, text: string) => {
    mkdirSync(join(home.dir, ".config/claude-remote"), { recursive: true });
    writeFileSync(join(home.dir, ".config/claude-remote/config.toml"), text);
  };
  const seat = (home: { dir: string }) =>
    JSON.parse(readFileSync(join(home.dir, "data/server.json"), "utf8"));
  const origin = (home: { dir: string }) => {
    const file = join(home.dir, "data/server.json");
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).origin : undefined;
  };

  test("takes up what config.toml says by now, in the same process; a mistake in it changes nothing", async () => {
    const home = freshHome();
    configure(home, 'public_url = "https://one.example"\n');
    const { child, said } = await start([], home);
    expect(seat(home).origin).toBe("https://one.example");
    configure(home, 'public_url = "https://two.example"\n');
    child.kill("SIGHUP");
    await until("it has another name", () => origin(home) === "https://two.example");
    expect(seat(home).pid).toBe(child.pid);

    for (const bad of [
      'public_url = "two"\n',
      'keep_days = "x"\n',
      'tls_cert = "/none"\ntls_key = "/none"\n',
    ]) {
      const before = said().length;
      configure(home, bad);
      child.kill("SIGHUP");
      await until("it says so", () => said().slice(before).includes("reload refused"));
      expect(seat(home).origin).toBe("https://two.example");
    }
    const health = await fetch(`${seat(home).url}/healthz`);
    expect(health.status).toBe(200);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  }, 60_000);

  test("a flag goes on winning over the file", async () => {
    const home = freshHome();
    const { child, said } = await start(["--public-url", "https://flag.example"], home);
    configure(home, 'public_url = "https://file.example"\n');
    child.kill("SIGHUP");
    await until("it has reloaded", () => said().includes("reloaded"));
    expect(origin(home)).toBe("https://flag.example");
  }, 30_000);

  test("of a terminal that is closed ends the server that runs in it", async () => {
    const home = freshHome();
    const argv = [...SELF, "server", "--port", "0", "--data", join(home.dir, "data")];
    const tty = openTty(argv, { env: home.env, cwd: home.dir });
    await tty.sees("#pair=");
    const { pid } = seat(home);
    process.kill(pid, "SIGHUP"); // from somebody else
    await until("it has reloaded", () => tty.text().includes("reloaded"));
    tty.pty.kill("SIGHUP");
    expect(seat(home).pid).toBe(pid);
    process.kill(tty.pty.holder, "SIGKILL"); // the terminal's own leader: it hangs up
    await until("it has ended", () => !existsSync(join(home.dir, "data/server.json")), 20_000);
  }, 40_000);
});
