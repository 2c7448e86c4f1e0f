import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { emptyHome } from "../support/home.ts";
import {
  containers,
  ENGINE,
  everythingIn,
  NO_SANDBOX,
  runInside,
  sandboxesOf,
} from "../support/sandbox.ts";
import { until } from "../support/until.ts";

const SECRET = `secret-${crypto.randomUUID()}`;

/** What a process has in its environment; nothing where it is gone, or another's. */
function environment(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error) return "";
    throw error;
  }
}

/** Programs in the sandbox try to get out; each test compares what is outside, before and after. */
describe.skipIf(NO_SANDBOX !== "")(`from inside a sandbox${NO_SANDBOX}`, () => {
  const home = emptyHome();
  const work = join(home.dir, "work");
  const git = (...args: string[]) => {
    const ran = Bun.spawnSync(
      [
        "git",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "protocol.file.allow=always",
        ...args,
      ],
      { cwd: work, env: { ...home.env } },
    );
    if (!ran.success) throw new Error(ran.stderr.toString());
    return ran.stdout.toString();
  };
  let host: Server;
  let knocks = 0;
  beforeAll(async () => {
    writeFileSync(join(home.dir, "secret.txt"), SECRET);
    mkdirSync(join(home.dir, ".ssh"));
    writeFileSync(join(home.dir, ".ssh/id_ed25519"), SECRET);
    mkdirSync(join(home.dir, ".claude/projects/x"), { recursive: true });
    writeFileSync(join(home.dir, ".claude/.credentials.json"), SECRET);
    const lib = mkdtempSync(join(home.dir, "lib-"));
    Bun.spawnSync(["git", "init", "-q", lib]);
    Bun.spawnSync([
      "git",
      "-C",
      lib,
      "-c",
      "user.name=a",
      "-c",
      "user.email=a@b",
      "commit",
      "-q",
      "--allow-empty",
      "-m",
      "x",
    ]);
    git("init", "-q");
    git("submodule", "add", "-q", lib, "third/lib");
    git("config", "core.hooksPath", ".husky/_");
    git("commit", "-q", "--no-verify", "-m", "x");
    host = createServer((socket) => {
      knocks++;
      socket.end(SECRET);
    });
    await new Promise<void>((resolve) => host.listen(0, "0.0.0.0", resolve));
  });
  afterAll(() => {
    host.close();
    home.remove();
  });

  const onRecord = () => {
    const folder = join(sandboxesOf(home), "running");
    return existsSync(folder)
      ? readdirSync(folder).flatMap((name) =>
          name.endsWith(".json") ? [name.slice(0, -".json".length)] : [],
        )
      : [];
  };

  /** Runs it, and sees to it that nothing outside is another for it: the project, but for `left`, containers, networks, temporary folders. */
  async function attempt(
    script: string,
    options: { flags?: string[]; env?: Record<string, string>; left?: string[] } = {},
  ) {
    const outside = async () => ({
      project: Object.fromEntries(
        Object.entries(everythingIn(work)).filter(
          ([path]) =>
            !(options.left ?? []).some((left) => path === left || path.startsWith(`${left}/`)),
        ),
      ),
      networks: Bun.spawnSync(["docker", "network", "ls", "--format", "{{.Name}}"])
        .stdout.toString()
        .includes("claude-remote"),
      temporary: readdirSync(join(home.dir, "tmp")),
      secret: everythingIn(join(home.dir, ".ssh")),
    });
    const before = await outside();
    const child = runInside(home, work, script, options.flags, options.env);
    // told apart from other people's by what is on record here
    const name = await Promise.race([
      until("the container is on record", () => onRecord()[0], 590_000),
      child.then(() => ""),
    ]);
    const ran = await child;
    expect(name).toStartWith("claude-remote-");
    expect(await containers()).not.toContain(name);
    expect(onRecord()).toEqual([]);
    expect(await outside()).toEqual(before);
    return ran;
  }

  test("the project is there, and can be written to", async () => {
    const { code, out } = await attempt("pwd; ls -A; echo new > made.txt; cat made.txt; exit 3", {
      left: ["made.txt"],
    });
    expect(out).toStartWith("/workspace\n");
    expect(out).toEndWith("new\n");
    expect(code).toBe(3);
    rmSync(join(work, "made.txt"));
  }, 600_000);

  test("nothing of the host's home is to be seen, nor its environment, nor the engine", async () => {
    const { out } = await attempt(
      `cat ${home.dir}/secret.txt ${home.dir}/.ssh/id_ed25519; ls -la ${home.dir} /root /home/*; cat /proc/1/root${home.dir}/secret.txt
       grep -rs "${SECRET.slice(0, 20)}" /home /root /mnt /media /srv /opt /var /run /tmp /etc /workspace; env
       find / -name docker.sock -o -name containerd.sock 2>/dev/null; cat /proc/1/environ | tr '\\0' '\\n'; cat /proc/mounts`,
      { env: { AWS_SECRET_ACCESS_KEY: SECRET, MY_TOKEN: SECRET } },
    );
    expect(out).not.toContain(SECRET);
    expect(out).not.toContain(home.dir);
    expect(out).not.toContain(".sock\n");
    expect(out).toContain("HOME=/home/claude");
  }, 60_000);

  test("a variable is let in where it is named, and its value stands in no command line", async () => {
    const script = "env; sleep 1";
    const child = attempt(script, {
      flags: ["--sandbox-pass", "MY_TOKEN"],
      env: { MY_TOKEN: SECRET, OTHER: SECRET },
    });
    let over = false;
    void child.finally(() => (over = true));
    let lines = "";
    for (; !over; await Bun.sleep(50))
      lines += Bun.spawnSync(["ps", "-eww", "-o", "args"]).stdout.toString();
    const { out } = await child;
    expect(out).toContain(`MY_TOKEN=${SECRET}`);
    expect(out).not.toContain("OTHER=");
    expect(lines).toContain("docker run");
    expect(lines).not.toContain(SECRET);
  }, 60_000);

  test("no address is reached but the listed ones: not by TCP, not by name, not through the proxy, not the host", async () => {
    const { port } = host.address() as { port: number };
    const before = knocks;
    const { out, err } = await attempt(
      `tcp() { timeout 3 bash -c "exec 3<>/dev/tcp/$1/$2 && cat <&3" && echo "REACHED $1"; }
       tcp 1.1.1.1 443; tcp 172.17.0.1 ${port}; tcp 127.0.0.1 ${port}; tcp 169.254.169.254 80; tcp ::1 ${port}
       timeout 5 getent hosts example.com && echo RESOLVED
       for place in http://127.0.0.1:${port}/ http://localhost:${port}/ http://172.17.0.1:${port}/ http://host.docker.internal:${port}/ https://example.com/ http://169.254.169.254/; do
         curl -sS -m 5 -o /dev/null -w "%{http_code} %{http_connect}\\n" --noproxy none "$place"; done
       perl -e 'for my $f (0 .. 45) { print "FAMILY $f." if grep { socket(my $s, $f, $_, 0) } 1 .. 5 } my $p = pack("x120"); print "URING." if syscall(425, 8, $p) >= 0'; echo
       grep -h ^Seccomp_filters: /proc/[0-9]*/status | sort -u; ls /sys/class/net; cat /proc/net/route`,
    );
    expect(out).not.toContain("REACHED");
    expect(out).not.toContain("RESOLVED");
    expect(out).not.toContain("URING");
    expect([...out.matchAll(/FAMILY (\d+)/g)].map(([, family]) => Number(family))).toEqual([
      1, 2, 10, 16,
    ]); // local, IP, IPv6, netlink
    expect(out).toContain("Seccomp_filters:\t2\n"); // the engine's and ours, also before the first process
    expect(out.match(/^Seccomp_filters/gm)).toHaveLength(1);
    expect(out + err).not.toContain(SECRET);
    expect(out.match(/^(403 000|000 403)$/gm)).toHaveLength(6);
    expect(out).toMatch(/^lo$/m);
    expect(out).not.toMatch(/^(eth|en|veth)/m);
    expect(knocks).toBe(before);
  }, 90_000);

  test("a listed place is reached", async () => {
    const api = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("listed") });
    const { out } = await attempt(`curl -sS -m 5 http://localhost:${api.port}/`, {
      flags: ["--sandbox-host", `localhost:${api.port}`],
    });
    api.stop(true);
    expect(out).toBe("listed");
  }, 60_000);

  /** Tries whatever could put something else where programs outside look for orders, and tells what worked. */
  const ORDERS = `
    const fs = require("node:fs"), { execFileSync } = require("node:child_process");
    const told = (what, act) => { try { act(); console.log(what); } catch {} };
    const files = [".git/hooks/pre-commit", ".git/config", ".git/config.worktree", ".git/commondir", ".git/info/attributes", ".git/modules/third/lib/config", ".git/modules/x",
      ".git/worktrees/x", ".claude/settings.json", ".claude/settings.local.json", ".mcp.json", ".husky/_/pre-commit", "third/lib/.git"];
    for (const path of files) {
      told("WROTE " + path, () => fs.writeFileSync(path, "#!/bin/sh\ntouch /workspace/pwned\n"));
      told("CUT " + path, () => fs.truncateSync(path, 0));
    }
    fs.writeFileSync("mine", "x");
    for (const path of [".git", ".git/hooks", ".git/config", ".git/commondir", ".git/info", ".git/modules", ".git/worktrees", ".claude", ".mcp.json", ".husky", ".husky/_", "third", "third/lib", "third/lib/.git"]) {
      told("MOVED " + path, () => fs.renameSync(path, "aside"));
      told("REPLACED " + path, () => fs.renameSync("mine", path));
      told("REMOVED " + path, () => fs.unlinkSync(path));
      told("REMOVED " + path, () => fs.rmdirSync(path));
      told("LINKED " + path, () => fs.symlinkSync("/etc", path));
      told("HARD " + path, () => fs.linkSync(path, "hard"));
    }
    fs.unlinkSync("mine");
    for (const [command, ...args] of [["git", "config", "core.fsmonitor", "touch /workspace/pwned"], ["umount", ".git"], ["umount", "-l", ".git"], ["mount", "-o", "remount,rw", ".git"],
      ["mount", "--bind", "/tmp", ".git"], ["chmod", "777", ".git/config"], ["git", "worktree", "add", "other"]])
      told("RAN " + command + " " + args.join(" "), () => execFileSync(command, args, { stdio: "ignore" }));`;
  const orders = `node -e '${ORDERS.replaceAll("\n", " ")}'`;

  test("nothing that programs outside take orders from can be written, moved, removed or put in place", async () => {
    const { out, err } = await attempt(`${orders}; git status --short; git log --oneline | wc -l`);
    expect([out, err]).toEqual(["1\n", ""]);
    expect(git("status", "--short")).toBe("");
  }, 60_000);

  test("nor where the repository may be written to: a commit can be made, and that is all", async () => {
    const commit =
      "echo x > committed.txt; git add -A && git -c user.name=c -c user.email=c@d commit -qm inside && git log --oneline | wc -l";
    const before = everythingIn(join(work, ".git"));
    const { out } = await attempt(`${orders}; ${commit}`, {
      flags: ["--sandbox-git"],
      left: ["", ".git", "committed.txt"],
    });
    expect(out).toBe("2\n");
    const after = everythingIn(join(work, ".git"));
    const changed = Object.keys({ ...before, ...after }).filter(
      (path) => before[path] !== after[path] && !/^(objects|refs|logs)(\/|$)/.test(path),
    );
    expect(changed.toSorted()).toEqual(["COMMIT_EDITMSG", "index"]);
    expect(git("status", "--short")).toBe("");
    expect(git("log", "--format=%s", "-1")).toBe("inside\n");
    expect(existsSync(join(work, "pwned"))).toBe(false);
  }, 60_000);

  test("what is written inside is not run by the next commit outside, whatever brings the hooks", async () => {
    const pwned = join(home.dir, "pwned");
    const husky =
      '#!/usr/bin/env sh\nn=$(basename "$0")\ns=$(dirname "$(dirname "$0")")/$n\n[ ! -f "$s" ] && exit 0\nsh -e "$s" "$@"\n';
    /** Stands for a manager that takes what it runs from its configuration, if there is one. */
    const reads = (name: string, file: string) =>
      `#!/bin/sh\n# ${name}\n[ -f ${file} ] && sed -n 's/^run: //p' ${file} | sh\nexit 0\n`;
    for (const [hooksPath, files, write] of [
      [
        ".husky/_",
        { ".husky/_/pre-commit": husky, ".husky/pre-commit": "true\n" },
        ".husky/pre-commit",
      ],
      [".husky/_", { ".husky/_/pre-commit": husky }, ".husky/pre-commit"],
      ["dev/hooks/_", { "dev/hooks/_/commit-msg": husky }, "dev/hooks/commit-msg"],
      ["", { ".git/hooks/pre-commit": reads("lefthook", "lefthook.yml") }, "lefthook.yml"],
      [
        "",
        { ".git/hooks/pre-commit": reads("lefthook", "lefthook-local.yml") },
        "lefthook-local.yml",
      ],
      [
        "",
        { ".git/hooks/post-commit": reads("pre-commit", ".pre-commit-config.yaml") },
        ".pre-commit-config.yaml",
      ],
      [
        "",
        { ".git/hooks/pre-commit": "#!/bin/sh\n./ci/check\n", "ci/check": "#!/bin/sh\n" },
        "ci/check",
      ],
      [
        "",
        { ".git/hooks/pre-commit": "#!/bin/sh\n[ -x ./ci/mine.sh ] && ./ci/mine.sh\nexit 0\n" },
        "ci/mine.sh",
      ],
    ] as const) {
      const project = mkdtempSync(join(home.dir, "hooked-"));
      const out = (...args: string[]) =>
        Bun.spawnSync(["git", "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
          cwd: project,
          env: { ...home.env },
        });
      out("init", "-q");
      if (hooksPath !== "") out("config", "core.hooksPath", hooksPath);
      for (const [path, text] of Object.entries<string>(files)) {
        mkdirSync(dirname(join(project, path)), { recursive: true });
        writeFileSync(join(project, path), text, { mode: 0o755 });
      }
      const order = `#!/bin/sh\nrun: touch ${pwned}\ntouch ${pwned}\n`;
      const ran = await runInside(
        home,
        project,
        `mkdir -p "$(dirname ${write})"; mv ${write} aside; rm -rf "$(dirname ${write})"; mkdir -p "$(dirname ${write})"; printf '${order.replaceAll("\n", "\\n")}' > ${write} && chmod +x ${write} && echo WROTE; echo y > mine.txt`,
        ["--sandbox-git"],
      );
      expect([write, ran.out]).toEqual([write, ""]);
      out("add", "mine.txt");
      expect([write, out("commit", "-qm", "x").exitCode]).toEqual([write, 0]);
      expect([write, existsSync(pwned)]).toEqual([write, false]);
    }
  }, 200_000);

  test("where there is no repository one can be made inside; commits come out, settings and hooks don't", async () => {
    const project = mkdtempSync(join(home.dir, "new-"));
    const pwned = join(home.dir, "pwned");
    writeFileSync(
      join(home.dir, ".gitconfig"),
      "[user]\n\tname = Ada Lovelace\n\temail = ada@example.com\n",
    );
    const order = `printf '#!/bin/sh\\ntouch ${pwned}\\n'`;
    const { out, err } = await runInside(
      home,
      project,
      `git init -q -b trunk && echo x > a.txt && git add a.txt && git commit -qm first && git log --format='%an <%ae>'
       git config core.fsmonitor 'touch ${pwned}'; git config alias.st '!touch ${pwned}'; mkdir -p .git/hooks .git/info; ${order} > .git/hooks/post-index-change; chmod +x .git/hooks/post-index-change
       echo '* filter=x' > .git/info/attributes; ln -s /etc/passwd .git/refs/heads/link; echo /etc > .git/objects/info/alternates; mkdir -p .git/modules/x; echo . > .git/commondir`,
      ["--sandbox-git"],
    );
    rmSync(join(home.dir, ".gitconfig"));
    expect(out).toBe("Ada Lovelace <ada@example.com>\n");
    expect(err).toContain(`is ${join(project, ".git")} now`);
    const outside = (...args: string[]) =>
      Bun.spawnSync(["git", ...args], { cwd: project, env: { ...home.env } }).stdout.toString();
    expect(outside("log", "--format=%s", "trunk")).toBe("first\n");
    expect(outside("branch")).toBe("* trunk\n");
    expect(outside("status", "--short")).toBe("");
    expect(outside("st")).toBe("");
    expect(existsSync(pwned)).toBe(false);
    for (const path of [
      "commondir",
      "objects/info/alternates",
      "info/attributes",
      "modules",
      "refs/heads/link",
    ])
      expect([path, existsSync(join(project, ".git", path))]).toEqual([path, false]);
    expect(outside("config", "--list", "--local")).not.toContain(pwned);
  }, 60_000);

  test("where none was made inside, or none may be, there is none afterwards", async () => {
    const project = mkdtempSync(join(home.dir, "none-"));
    expect((await runInside(home, project, "echo x > a.txt", ["--sandbox-git"])).code).toBe(0);
    expect((await runInside(home, project, "git init -q; echo $?")).out).toBe("128\n");
    expect(readdirSync(project)).toEqual(["a.txt"]);
  }, 60_000);

  test("there are no privileges, and none to be had", async () => {
    const { out, err } = await attempt(
      `grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
       su -c id root </dev/null; mount -t tmpfs x /mnt && echo MOUNTED; unshare -Ur id && echo UNSHARED; unshare -m true && echo UNSHARED
       chroot / true && echo CHROOTED; mknod /tmp/disk b 254 0 && echo NODE; ls /dev; chown 1:1 /workspace && echo OWNED
       (echo 1 > /proc/sys/kernel/core_pattern) && echo SYSCTL; (echo x > /sys/kernel/uevent_helper) && echo SYSFS; (echo b > /proc/sysrq-trigger) && echo SYSRQ
       (echo x > /etc/x) && echo ROOT; (echo x > /usr/bin/x) && echo ROOT; dmesg 2>/dev/null | head -1; hostname x && echo RENAMED; date -s 2000-01-01 && echo CLOCK
       cat /proc/kcore | head -c 10 | wc -c; python3 -c 1; nsenter -t 1 -m true && echo ENTERED; find / -xdev -perm -4000 -user root -exec {} --help \\; >/dev/null 2>&1; id -u; ulimit -c`,
    );
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(out).toContain(`${set}:\t0000000000000000`);
    expect(out).toContain("NoNewPrivs:\t1");
    expect(out).toContain("Seccomp:\t2");
    expect(
      out.match(
        /^(MOUNTED|UNSHARED|CHROOTED|NODE|OWNED|SYSCTL|SYSFS|SYSRQ|ROOT|RENAMED|CLOCK|ENTERED)$/gm,
      ),
    ).toBeNull();
    expect(out).not.toMatch(/^(vd|sd|nvme|kmsg|mem$)/m);
    expect(err).toContain("Read-only file system");
  }, 60_000);

  test("a fork bomb goes off inside its bound, and the host has its processes", async () => {
    const mark = `BOMB=${crypto.randomUUID()}`; // in the environment of all that it makes
    const mine = () =>
      readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && environment(pid).includes(mark))
        .length;
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, mine());
    }, 100);
    const script = "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 2; echo over; exit 5";
    const { code } = await attempt(script, {
      flags: ["--sandbox-pass", "BOMB"],
      env: { BOMB: mark.slice("BOMB=".length) },
    });
    clearInterval(timer);
    expect([5, 137, 143, 254, 1]).toContain(code);
    expect(most).toBeGreaterThan(100);
    expect(most).toBeLessThan(600);
    await until("nothing of it is left", () => mine() === 0);
  }, 90_000);

  test("memory and room in /tmp have their bounds", async () => {
    const { out } = await attempt(
      `head -c 700m /dev/zero > /tmp/full 2>/dev/null || echo "full at $(stat -c %s /tmp/full)"; rm /tmp/full
       node -e 'const all = []; for (let i = 0; i < 60; i++) all.push(Buffer.alloc(1 << 27, 1)); console.log("ALLOCATED")'; echo "node: $?"; nproc; ulimit -n`,
    );
    expect(out).toContain(`full at ${512 * 1024 * 1024}`);
    expect(out).not.toContain("ALLOCATED");
    expect(out).toContain("node: 137");
    expect(out).toEndWith("4096\n");
  }, 90_000);

  test("the sockets that lead out can't be taken away, nor another put in their place", async () => {
    const { out } = await attempt(
      `cd /run/claude-remote && ls; rm -f *.sock && echo REMOVED; touch x && echo WROTE; echo x >> inside.mjs && echo WROTE; echo x >> settings.json && echo WROTE`,
    );
    expect(out).toBe("alive.sock\nfilter.pl\nhooks.sock\nignore\ninside.mjs\nproxy.sock\n");
  }, 60_000);

  test("what is outside can be run by nobody but the wrapper: no folder that would lead around it is taken", async () => {
    const refused = async (cwd: string, env: Record<string, string> = {}) => {
      const { code, err, out } = await runInside(
        { ...home, env: { ...home.env, ...env } },
        cwd,
        "echo IN",
      );
      expect([cwd, code, out]).toEqual([cwd, 126, ""]);
      return err;
    };
    expect(await refused(home.dir)).toContain("must stay out of it");
    for (const around of [
      "/",
      join(home.dir, ".."),
      join(home.dir, ".ssh"),
      join(home.dir, ".claude"),
      join(home.dir, ".claude/projects"),
      join(home.dir, ".local/share"),
      "/etc",
    ])
      await refused(around);
    expect(await refused(join(home.dir, ".local/share/claude-remote/sandbox/homes"))).toContain(
      "it lies in",
    );
    mkdirSync(join(home.dir, "linked"));
    Bun.spawnSync(["ln", "-s", join(home.dir, ".ssh"), join(home.dir, "linked/.claude")]);
    expect(await refused(join(home.dir, "linked"))).toContain("is a link or worse");
  }, 60_000);

  test("without an engine that is said, and nothing is run", async () => {
    for (const [env, words] of [
      [{ DOCKER_HOST: "unix:///nowhere/docker.sock" }, "needs a Docker engine that runs"],
      [{ DOCKER_HOST: "tcp://127.0.0.1:1" }, "DOCKER_HOST leads elsewhere"],
      [{ PATH: join(home.dir, ".tools") }, "there is no docker command here"],
    ] as const) {
      const { code, out, err } = await runInside(home, work, "echo IN; touch ran.txt", [], {
        ...ENGINE,
        ...env,
      });
      expect([words, code, out]).toEqual([words, 126, ""]);
      expect(err).toContain(words);
    }
    expect(existsSync(join(work, "ran.txt"))).toBe(false);
  }, 60_000);
});
