import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { makeCertificate } from "./support/certificate.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

const home = emptyHome();
afterAll(home.remove);
/** Somebody else, and root that may not pass over the rights of files. */
const OTHER = 4321;
const bound = [
  ...["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-net_bind_service"],
];
const isRoot = process.getuid?.() === 0 && Bun.which("setpriv") !== null;

async function run(argv: readonly string[], env: Record<string, string | undefined> = home.env) {
  const child = Bun.spawn([...argv], {
    env,
    cwd: home.dir,
    stdin: "ignore",
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
const cli = (...argv: string[]) => run([...SELF, ...argv]);
/** Gives a path to somebody else. */
function others(path: string, isFolder = true): string {
  if (isFolder) mkdirSync(path, { recursive: true });
  chmodSync(path, isFolder ? 0o700 : 0o600);
  chownSync(path, OTHER, OTHER);
  return path;
}

describe.skipIf(!isRoot)(
  "what belongs to somebody else is named, with its owner and the way out",
  () => {
    const { cert, key } = isRoot ? makeCertificate(home.dir) : { cert: "", key: "" };
    test.each([
      ["the data folder", () => [others(join(home.dir, "theirs")), "--data"]],
      [
        "the data folder that everybody may read, as a bind mount is",
        () => {
          const path = others(join(home.dir, "mount"));
          chmodSync(path, 0o755);
          return [path, "--data"];
        },
      ],
      [
        "the folder around it",
        () => [join(others(join(home.dir, "around")), "data"), "--data", join(home.dir, "around")],
      ],
      [
        "the database",
        () => {
          const data = join(home.dir, "mine");
          mkdirSync(data, { mode: 0o700 });
          const file = join(data, "claude-remote.db");
          writeFileSync(file, "");
          others(file, false);
          return [data, "--data", file];
        },
      ],
    ])("%s", async (_, make) => {
      const [path = "", flag = "", named = path] = make();
      const { code, err } = await run([...bound, ...SELF, "server", "--port", "0", flag, path]);
      expect(code).toBe(1);
      for (const words of [named, `uid ${OTHER}`, "uid 0", `chown -R 0:0 ${named}`])
        expect(err).toContain(words);
      expect(err).not.toContain("port");
    });

    test("the TLS key", async () => {
      others(key, false);
      const argv = ["server", "--port", "0", "--data", join(home.dir, "tls")];
      const { code, err } = await run([
        ...[...bound, ...SELF, ...argv],
        ...["--tls-cert", cert, "--tls-key", key],
      ]);
      expect(code).toBe(1);
      expect(err).toContain(`${key} can't be used: ${key} belongs to uid ${OTHER}`);
      expect(err).not.toContain("port");
    });

    test("HOME, and the configuration in it; claude runs all the same", async () => {
      const dir = others(join(home.dir, "their-home"));
      const env = { ...home.env, HOME: dir, CLAUDE_REMOTE_EMBEDDED: "1" };
      const { code, err } = await run([...bound, ...SELF, "pair"], env);
      expect([code, err]).toEqual([1, expect.stringContaining(`${dir} belongs to uid ${OTHER}`)]);
      const argv = [...bound, ...SELF, "run", "--command", "sh", "--", "-c", "echo runs; exit 5"];
      const tty = openTty(argv, { env, cwd: "/", cols: 300 });
      expect(await tty.exited).toEqual({ code: 5 });
      expect(tty.text()).toContain("runs");
      expect(tty.text()).toContain(`${dir} belongs to uid ${OTHER}`);

      const config = join(home.dir, ".config/claude-remote/config.toml");
      mkdirSync(dirname(config), { recursive: true });
      writeFileSync(config, "");
      others(config, false);
      expect((await run([...bound, ...SELF, "server", "status"])).err).toContain(
        `${config} belongs`,
      );
      const alone = openTty(argv, { env: home.env, cwd: "/", cols: 300 });
      expect(await alone.exited).toEqual({ code: 5 });
      chownSync(config, 0, 0);
    }, 30_000);

    test("a port below 1024 is still told as a port", async () => {
      const argv = ["server", "--port", "81", "--data", join(home.dir, "low")];
      expect((await run([...bound, ...SELF, ...argv])).err).toContain("port 81 can't be used");
    });

    test("a user without HOME and without an entry among the system's users is told to set HOME", async () => {
      const { HOME: _, ...env } = home.env;
      const program = join(home.dir, "program"); // where Bun lies may be closed to others
      copyFileSync(SELF[0], program);
      for (const path of [home.dir, program]) chmodSync(path, 0o755);
      const as = ["setpriv", `--reuid=${OTHER}`, `--regid=${OTHER}`, "--clear-groups"];
      const nobody = (...argv: string[]) =>
        run([...as, program, ...SELF.slice(1), ...argv], { ...env, TMPDIR: "/tmp" });
      const { code, err } = await nobody("server", "status");
      expect([code, err]).toEqual([2, expect.stringContaining("HOME is not set")]);
      expect(err).toContain(`uid ${OTHER}`);
      expect(await nobody("run", "--command", "echo", "--", "runs")).toMatchObject({
        out: "runs\n",
      });
    }, 30_000);
  },
);

describe("a mistake in config.toml is told with its line", () => {
  test.each([
    ["a value that is missing", "port = 7200\n\nhost =\n", 3],
    ["an array that never ends", '# roots\nroots = [\n  "a",\n', 2],
    ["a name that there is none of", "port = 7200\n\n\nprot = 7200\n", 4],
    ["a value of the wrong kind", "# one\nkeep_days = true\n", 2],
    ["a key that comes twice", "port = 1\nhost = 'x'\nport = 2\n", 3],
  ])("%s", async (_, text, line) => {
    const config = join(home.dir, ".config/claude-remote/config.toml");
    mkdirSync(dirname(config), { recursive: true });
    writeFileSync(config, text);
    const { code, err } = await cli("server", "status");
    writeFileSync(config, "");
    expect(code).toBe(2);
    expect(err).toContain(`${config}, line ${line}`);
  });
});

describe("restore", () => {
  const data = join(home.dir, "restored");
  const server = async () => {
    const child = Bun.spawn([...SELF, "server", "--port", "0", "--data", data], {
      env: home.env,
      stdin: "ignore",
      stderr: "ignore",
    });
    await until("it is up", () => existsSync(join(data, "server.json")));
    child.kill();
    await child.exited;
  };

  test("names a damaged backup by its own path, and changes nothing; without --data it says which data it is about", async () => {
    await server();
    const good = join(home.dir, "good.db");
    expect((await cli("server", "backup", good, "--data", data)).code).toBe(0);
    const bytes = readFileSync(good);
    const damaged = join(home.dir, "damaged.db");
    const noise = join(home.dir, "noise.db");
    const newer = join(home.dir, "newer.db");
    writeFileSync(damaged, bytes.subarray(0, bytes.length >> 1));
    writeFileSync(noise, "no database at all ".repeat(1000));
    const later = Buffer.from(bytes);
    later.writeUInt32BE(999, 60); // PRAGMA user_version
    writeFileSync(newer, later);
    const names = readdirSync(data).sort();
    for (const file of [damaged, noise, newer]) {
      const { code, err } = await cli("server", "restore", file, "--data", data);
      expect(code).toBe(1);
      expect(err).toContain(file);
      expect(err).toContain("nothing was changed");
      expect(err).not.toContain("restore.part");
      expect(err).not.toContain("This replaces");
    }
    expect(readdirSync(data).sort()).toEqual(names);

    const { HOME = "" } = home.env;
    const usual = join(HOME, ".local/share/claude-remote");
    expect(await cli("server", "restore", good)).toMatchObject({
      code: 0,
      err: expect.stringContaining(`This replaces the data in ${usual}`),
    });
  }, 40_000);

  test.skipIf(!isRoot)(
    "leaves what it writes to the folder's owner",
    async () => {
      const good = join(home.dir, "again.db");
      expect((await cli("server", "backup", good, "--data", data)).code).toBe(0);
      for (const name of [".", ...readdirSync(data)]) chownSync(join(data, name), OTHER, OTHER);
      expect((await cli("server", "restore", good, "--data", data)).code).toBe(0);
      for (const name of readdirSync(data))
        expect([name, statSync(join(data, name)).uid]).toEqual([name, OTHER]);
    },
    30_000,
  );
});
