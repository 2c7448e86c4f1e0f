import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toBase64url } from "../../src/auth.ts";
import { savePairing } from "../../src/runner/pairing.ts";
import { emptyHome, SELF } from "../support/home.ts";
import { type Phone, pairDevice, phoneOf } from "../support/phone.ts";
import { until } from "../support/until.ts";

const home = emptyHome();
afterAll(() => home.remove());
const mode = (path: string) => statSync(path).mode & 0o777;
let folders = 0;
const folder = (its: number) => {
  const dir = join(home.dir, `folder-${++folders}`);
  mkdirSync(dir);
  chmodSync(dir, its);
  return dir;
};

/** Runs a command under a umask that keeps nothing from anybody. */
function spawn(argv: string[]) {
  return Bun.spawn(["sh", "-c", 'umask 0; exec "$@"', "sh", ...SELF, ...argv], {
    env: home.env,
    cwd: home.dir,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}
async function cli(argv: string[]) {
  const child = spawn(argv);
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}
/** A server until it is ended; `said` is what it has written. */
async function withServer(
  argv: string[],
  act: (said: () => string, origin: string) => Promise<void>,
) {
  const child = spawn(["server", "--port", "0", ...argv]);
  let said = "";
  void (async () => {
    for await (const chunk of child.stderr) said += new TextDecoder().decode(chunk);
  })();
  try {
    const origin = await until(
      "the server is up",
      () => /listens on (\S+)/.exec(said)?.[1],
      20_000,
    );
    await act(() => said, origin);
  } finally {
    child.kill("SIGTERM");
    await child.exited;
  }
}

describe("files of the server", () => {
  test("are this user's alone, locks too, whatever the umask is and the folder was", async () => {
    for (const its of [0o755, 0o775, 0o711, 0o700]) {
      const data = folder(its);
      await withServer(["--data", data], async () => {
        expect(mode(data)).toBe(0o700);
        expect(readdirSync(data)).toContain("server.lock");
        for (const name of readdirSync(data))
          expect([name, mode(join(data, name))]).toEqual([name, 0o600]);
      });
    }
  }, 60_000);

  test("that were open before are closed", async () => {
    const data = folder(0o700);
    await withServer(["--data", data], async () => undefined);
    for (const name of readdirSync(data)) chmodSync(join(data, name), 0o644);
    chmodSync(data, 0o755);
    await withServer(["--data", data], async () => {
      expect(mode(data)).toBe(0o700);
      for (const name of ["claude-remote.db", "server.lock", "server.json"])
        expect([name, mode(join(data, name))]).toEqual([name, 0o600]);
    });
  }, 60_000);

  test.each(["server --port 0", "pair", "server restore x.backup"])(
    "go into no folder that is open and holds somebody else's, nor one that all may write to: %s",
    async (words) => {
      writeFileSync(join(home.dir, "x.backup"), "x");
      const others = folder(0o755);
      writeFileSync(join(others, "notes.txt"), "mine");
      const everybodys = folder(0o777);
      writeFileSync(join(everybodys, "claude-remote.db"), "");
      for (const data of [others, everybodys]) {
        const before = [mode(data), readdirSync(data)];
        const { code, err } = await cli([...words.split(" "), "--data", data]);
        expect([code, err]).toEqual([1, expect.stringContaining("is open to other users")]);
        expect([mode(data), readdirSync(data)]).toEqual(before);
      }
    },
    60_000,
  );
});

describe("a link where a pairing can be recorded", () => {
  test("stands in no log, as text or JSON; the terminal and `pair --data` have it, and are told what it is worth", async () => {
    for (const form of [[], ["--log", "json"]]) {
      const data = folder(0o700);
      const child = spawn(["server", "--port", "0", "--data", data, "--insecure-lan", ...form]);
      let said = "";
      void (async () => {
        for await (const chunk of child.stderr) said += new TextDecoder().decode(chunk);
      })();
      await until(
        "it is up",
        () => /listens on|"started"/.test(said) && readdirSync(data).includes("server.json"),
        20_000,
      );
      const { out } = await cli(["pair", "--data", data]);
      expect(out).toContain("#pair=");
      child.kill("SIGTERM");
      await child.exited;
      expect(said).not.toContain("#pair=");
      if (form.length === 0) {
        expect(said).toContain("pair --data");
        expect(said).toContain("even a used one, has that device's key");
      }
    }
  }, 60_000);
});

describe("a backup that is put back", () => {
  let machine: Phone;
  let lost: Phone;
  const backup = join(home.dir, "before.backup");
  const secrets = (phone: Phone) => [phone.device, phone.secret] as const;

  test("into an empty folder names whom it lets in, and says that one that was locked out since is among them", async () => {
    const data = folder(0o700);
    await withServer(["--data", data], async (said, origin) => {
      const link = await until("it prints a link", () => /#pair=\S+/.exec(said())?.[0]);
      machine = await pairDevice(`${origin}/${link}`, "machine", "laptop");
      lost = await pairDevice(
        `${origin}/${new URL(await machine.mint("viewer")).hash}`,
        "viewer",
        "lost\u00a0phone",
      );
      expect((await cli(["server", "backup", backup, "--data", data])).code).toBe(0);
      await machine.request("DELETE", `/api/devices/${lost.device}`);
      expect((await lost.request("GET", "/api/sessions")).status).toBe(401);
    });
    const beside = await cli(["server", "restore", backup, "--data", data]);
    expect(beside.err).toContain(machine.device);
    expect(beside.err).not.toContain(lost.device); // what is replaced knows of it
    expect(beside.err).not.toContain("is let in again");

    const empty = folder(0o700);
    const restored = await cli(["server", "restore", backup, "--data", empty]);
    expect(restored.code).toBe(0);
    expect(restored.err).toMatch(new RegExp(`${machine.device}  machine  laptop`));
    expect(restored.err).toMatch(new RegExp(`${lost.device}  viewer   lostU\\+00A0phone`));
    expect(restored.err).toContain("is let in again");
    expect(restored.err).toContain("--only-this-host");
    await withServer(["--data", empty], async (_, origin) => {
      expect((await phoneOf(origin, ...secrets(lost)).request("GET", "/api/sessions")).status).toBe(
        200,
      );
    });
  }, 60_000);

  test("can be kept for this host's device alone; the others are in the audit as locked out", async () => {
    savePairing(join(home.dir, ".config/claude-remote/pairing.json"), {
      server: "http://127.0.0.1:1",
      device: machine.device,
      secret: toBase64url(machine.secret),
    });
    const data = folder(0o700);
    const restored = await cli(["server", "restore", backup, "--data", data, "--only-this-host"]);
    expect(restored.err).toContain(machine.device);
    expect(restored.err).not.toContain(lost.device);
    await withServer(["--data", data], async (_, origin) => {
      expect((await phoneOf(origin, ...secrets(lost)).request("GET", "/api/sessions")).status).toBe(
        401,
      );
      const mine = phoneOf(origin, ...secrets(machine));
      expect((await mine.request("GET", "/api/sessions")).status).toBe(200);
      expect(await (await mine.request("GET", "/api/audit")).text()).toContain('"action":"revoke"');
    });
  }, 60_000);

  test("of a host that is not in it lets nobody in, and says so", async () => {
    savePairing(join(home.dir, ".config/claude-remote/pairing.json"), {
      server: "http://127.0.0.1:1",
      device: "dev_other",
      secret: toBase64url(machine.secret),
    });
    const data = folder(0o700);
    const restored = await cli(["server", "restore", backup, "--data", data, "--only-this-host"]);
    expect(restored.err).toContain("lets no device in");
    await withServer(["--data", data], async (_, origin) => {
      for (const phone of [lost, machine])
        expect(
          (await phoneOf(origin, ...secrets(phone)).request("GET", "/api/sessions")).status,
        ).toBe(401);
    });
  }, 60_000);
});
