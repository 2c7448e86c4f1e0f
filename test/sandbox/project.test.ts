import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { containerArgs } from "../../src/sandbox/container.ts";
import { IMAGE } from "../../src/sandbox/engine.ts";
import { takenFrom } from "../../src/sandbox/git.ts";
import { firstSession, INSIDE, pathOutside, sandboxHome } from "../../src/sandbox/home.ts";
import {
  guarded,
  makePlaceholders,
  missing,
  projectFolder,
  removePlaceholders,
} from "../../src/sandbox/project.ts";
import { everythingIn } from "../support/sandbox.ts";

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "project-test-")));
});
afterEach(() => rmSync(dir, { recursive: true }));
const git = (...args: string[]) =>
  expect(
    Bun.spawnSync(
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
      { cwd: dir },
    ).exitCode,
  ).toBe(0);
const paths = (all: { path: string; writable?: boolean }[]) =>
  all.map(({ path, writable }) => (writable ? `${path} rw` : path)).toSorted();

describe("what is guarded in a project", () => {
  test("the whole of .git, and what names programs to a claude outside, whether or not they are there", () => {
    expect(paths(guarded(dir, false))).toEqual([".claude", ".git", ".mcp.json"]);
    expect(paths(guarded(dir, true))).toEqual([".claude", ".git", ".mcp.json"]); // no repository to be written to
  });

  test("in a repository that may be written to, where git takes programs from", () => {
    git("init", "-q");
    const inGit = [
      "commondir",
      "config",
      "config.worktree",
      "hooks",
      "info",
      "modules",
      "worktrees",
    ].map((name) => `.git/${name}`);
    expect(paths(guarded(dir, true))).toEqual([".claude", ".git rw", ...inGit, ".mcp.json"]);
  });

  test("hooks and settings that lie among the project's files, and submodules, each with the way there", () => {
    git("init", "-q");
    git("init", "-q", "lib");
    git("-C", "lib", "commit", "-q", "--allow-empty", "-m", "x");
    git("submodule", "add", "-q", "./lib", "third/lib");
    git("submodule", "add", "-q", "./lib", "empty");
    rmSync(join(dir, "empty"), { recursive: true });
    git("config", "core.hooksPath", ".husky/_");
    writeFileSync(join(dir, "git.conf"), "[alias]\nx = status\n");
    git("config", "include.path", "../git.conf");
    expect(paths(takenFrom(dir))).toEqual([
      ".husky",
      "empty",
      "git.conf",
      "lib/.git",
      "third/lib/.git",
    ]);
    const all = guarded(dir, false);
    expect(paths(all)).toEqual([
      ".claude",
      ".git",
      ".husky",
      ".mcp.json",
      "empty",
      "git.conf",
      "lib rw",
      "lib/.git",
      "third rw",
      "third/lib rw",
      "third/lib/.git",
    ]);
    const depths = all.map(({ path }) => path.split("/").length);
    expect(depths).toEqual(depths.toSorted());
  });

  test("hooks outside the project, or within .git, are nothing more to be guarded", () => {
    git("init", "-q");
    for (const path of ["/etc/hooks", "../hooks", ".git/other", "."]) {
      git("config", "core.hooksPath", path);
      expect(takenFrom(dir)).toEqual([]);
    }
  });

  test("hooks that are the project's own files by their names are more than can be guarded", () => {
    git("init", "-q");
    git("config", "core.hooksPath", ".");
    expect(() => guarded(dir, false)).toThrow("any file in it may be a hook");
  });

  /** Writes files, by their paths; the ones that begin with #! can be run. */
  const put = (files: Record<string, string>) => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
    }
  };

  test("what hooks run beside themselves, wherever their folder is", () => {
    for (const [hooksPath, around] of [
      [".husky/_", ".husky"],
      [".config/husky/_", ".config/husky"],
      ["tools/git/hooks", "tools/git"],
    ] as const) {
      git("init", "-q");
      git("config", "core.hooksPath", hooksPath);
      expect(paths(takenFrom(dir))).toEqual([around]);
    }
    git("config", "core.hooksPath", ".githooks");
    expect(paths(takenFrom(dir))).toEqual([".githooks"]);
  });

  test("the configuration of hook managers, and what would take its place", () => {
    git("init", "-q");
    expect(takenFrom(dir)).toEqual([]);
    put({
      ".git/hooks/pre-commit":
        "#!/bin/sh\nexec pre-commit hook-impl --config=.pre-commit-config.yaml",
    });
    expect(paths(takenFrom(dir))).toContain(".pre-commit-config.yaml"); // nothing there yet
    rmSync(join(dir, ".git/hooks/pre-commit"));
    put({ ".pre-commit-config.yaml": "repos: []\n", ".lefthook.toml": "" });
    expect(paths(takenFrom(dir))).toEqual([".lefthook.toml", ".pre-commit-config.yaml"]);
    put({ ".git/hooks/pre-push": '#!/bin/sh\ncall_lefthook run "pre-push" "$@"' });
    const all = takenFrom(dir);
    expect(all).toContainEqual({
      path: "lefthook.yml", // goes before the one that is there
      otherwise: {
        text: 'extends:\n  - ".lefthook.toml"\n',
        unless: expect.arrayContaining([".lefthook.yml", "lefthook.yaml", "lefthook.toml"]),
      },
    });
    expect(paths(all)).toContain("lefthook-local.yml");
    put({ "lefthook.yml": "" });
    expect(paths(takenFrom(dir))).toEqual([
      ".lefthook.toml",
      ".pre-commit-config.yaml",
      "lefthook-local.yml",
      "lefthook.yml",
    ]);
  });

  test("a placeholder stays where it keeps what was written beside it meanwhile from being read", () => {
    git("init", "-q");
    put({ ".git/hooks/pre-push": "#!/bin/sh\nlefthook run pre-push", "lefthook.yml": "" });
    const absent = missing(dir, guarded(dir, false));
    for (const [written, left] of [
      ["other.yml", []],
      [".lefthook-local.toml", ["lefthook-local.yml"]],
      [".config/lefthook-local.yml", ["lefthook-local.yml"]],
    ] as const) {
      makePlaceholders(dir, absent);
      put({ [written]: "" });
      removePlaceholders(dir, absent);
      const names = readdirSync(dir).filter((name) => /^lefthook-/.test(name));
      expect([written, names]).toEqual([written, [...left]]);
      for (const path of [written, ...left]) rmSync(join(dir, path));
    }
  });

  test("programs of the project that hooks, managers and git's configuration name, and those that these name", () => {
    git("init", "-q");
    put({
      ".git/hooks/pre-commit": `#!/bin/sh
        ROOT=$(git rev-parse --show-toplevel)
        "$ROOT/scripts/check.sh" --staged package.json
        [ -x ./scripts/mine ] && ./scripts/mine
        test -f yarn.lock && . "$HOME/.profile"`,
      "scripts/check.sh": '#!/bin/sh\n. "$(dirname "$0")/lib.sh"\npython tools/check.py\n',
      "scripts/lib.sh": "true\n",
      "scripts/free.sh": "#!/bin/sh\n",
      "tools/check.py": "",
      "tools/clean": "#!/bin/sh\n",
      "lint/more.yml": "pre-commit:\n  commands:\n    x:\n      run: node lint/x.mjs\n",
      "lint/x.mjs": "",
      "lefthook.yml":
        "extends:\n  - lint/more.yml\nrc: ./.lefthookrc\npre-push:\n  files: package.json\n",
      "package.json": "{}",
    });
    git("config", "filter.x.clean", "./tools/clean %f");
    expect(paths(takenFrom(dir))).toEqual([
      ".lefthookrc",
      "lefthook.yml",
      "lint/more.yml",
      "lint/x.mjs",
      "scripts/check.sh",
      "scripts/lib.sh",
      "scripts/mine",
      "tools/check.py",
      "tools/clean",
    ]);
  });

  test("the hooks of a repository within the project likewise", () => {
    git("init", "-q");
    git("init", "-q", "lib");
    git("-C", "lib", "config", "core.hooksPath", ".husky/_");
    put({ "lib/.git/hooks/x": "", "lib/lefthook.yml": "" });
    expect(paths(takenFrom(dir))).toEqual(["lib/.git", "lib/.husky", "lib/lefthook.yml"]);
  });

  test("what a repository that is still to be begun would run, as the person's own settings have it", () => {
    const home = mkdtempSync(join(tmpdir(), "home-test-"));
    const template = mkdtempSync(join(tmpdir(), "template-test-"));
    mkdirSync(join(template, "hooks"));
    writeFileSync(
      join(template, "hooks/pre-commit"),
      "#!/bin/sh\nexec prek run\n./tools/check.sh\n",
    );
    put({ "tools/check.sh": "" });
    const taken = (text: string) => {
      writeFileSync(join(home, ".gitconfig"), text);
      const ask = `import { takenFrom } from "${join(import.meta.dir, "../../src/sandbox/git.ts")}"; console.log(JSON.stringify(takenFrom(${JSON.stringify(dir)}).map(({ path }) => path).toSorted()))`;
      const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: "/nowhere" };
      return JSON.parse(Bun.spawnSync([process.execPath, "-e", ask], { env }).stdout.toString());
    };
    expect(taken("")).toEqual([]);
    expect(taken("[core]\n\thooksPath = .githooks\n")).toEqual([".githooks"]);
    expect(taken(`[init]\n\ttemplateDir = ${template}\n`)).toEqual([
      ".pre-commit-config.yaml",
      ".pre-commit-config.yml",
      "prek.toml",
      "tools/check.sh",
    ]);
    for (const folder of [home, template]) rmSync(folder, { recursive: true });
  });

  test("a text that was written to take for ever takes no longer than another", () => {
    git("init", "-q");
    for (const part of ["$(", "$0", "${", "`$0", "$($0", "../", ". a/", "x: ${0"]) {
      put({ ".git/hooks/pre-commit": `#!/bin/sh\n$(${part.repeat((256 * 1024) / part.length)}` });
      expect(takenFrom(dir).length).toBeLessThan(10);
    }
  });

  test("what a claude that is started in a folder of it takes orders from", () => {
    put({
      "web/.claude/settings.json": "{}",
      "web/app/.mcp.json": "{}",
      "node_modules/x/.claude/settings.json": "{}",
      ".claude/settings.json": "{}",
    });
    expect(paths(takenFrom(dir))).toEqual(["web/.claude", "web/app/.mcp.json"]);
    expect(paths(guarded(dir, false))).toEqual([
      ".claude",
      ".git",
      ".mcp.json",
      "web rw",
      "web/.claude",
      "web/app rw",
      "web/app/.mcp.json",
    ]);
  });

  test("a Python environment that a hook runs in is guarded as a whole; node's modules never are", () => {
    git("init", "-q");
    put({
      ".venv/pyvenv.cfg": "",
      ".venv/lib/site.py": "",
      "node_modules/x/run.js": "",
      ".git/hooks/pre-commit": `#!${dir}/.venv/bin/python\nnode node_modules/x/run.js`,
    });
    mkdirSync(join(dir, ".venv/bin"));
    symlinkSync("/usr/bin/python3", join(dir, ".venv/bin/python"));
    expect(paths(takenFrom(dir))).toEqual([".venv"]);
  });

  test("every other repository: submodules of submodules, worktrees, clones, and one whose folder has another name", () => {
    git("init", "-q", "--separate-git-dir", ".bare");
    for (const name of ["deep", "lib"]) git("init", "-q", name);
    for (const name of ["deep", "lib", "."])
      git("-C", name, "commit", "-q", "--allow-empty", "-m", "x");
    git("-C", "lib", "submodule", "add", "-q", "../deep", "in/deep");
    git("-C", "lib", "commit", "-qm", "x");
    git("submodule", "add", "-q", "./lib", "third/lib");
    git("submodule", "update", "-q", "--init", "--recursive");
    git("worktree", "add", "-q", "trees/other");
    const found = [
      ".bare",
      "deep/.git",
      "lib/.git",
      "lib/in/deep/.git",
      "third/lib/.git",
      "third/lib/in/deep/.git",
      "trees/other/.git",
    ];
    expect(paths(takenFrom(dir))).toEqual(found);
  });

  test("what the configuration would include were it there, and what hooks and settings are links to", () => {
    git("init", "-q");
    git("config", "include.path", "../.gitconfig");
    git("config", "includeIf.onbranch:other.path", "../conf/other.conf");
    mkdirSync(join(dir, ".claude"));
    mkdirSync(join(dir, "scripts"));
    writeFileSync(join(dir, "scripts/pre-commit"), "#!/bin/sh\n");
    symlinkSync("../../scripts/pre-commit", join(dir, ".git/hooks/pre-commit"));
    symlinkSync("../claude.json", join(dir, ".claude/settings.json"));
    const all = guarded(dir, false);
    expect(paths(all)).toEqual([
      ".claude",
      ".git",
      ".gitconfig",
      ".mcp.json",
      "claude.json",
      "conf rw",
      "conf/other.conf",
      "scripts rw",
      "scripts/pre-commit",
    ]);
    const before = everythingIn(dir);
    makePlaceholders(dir, all);
    git("status");
    removePlaceholders(dir, all);
    expect(everythingIn(dir)).toEqual({ ...before, "": everythingIn(dir)[""] ?? "" });
  });

  test("nothing within what is guarded becomes writable, as it would on the way to a submodule in there", () => {
    git("init", "-q");
    git("init", "-q", "lib");
    git("-C", "lib", "commit", "-q", "--allow-empty", "-m", "x");
    git("submodule", "add", "-q", "./lib", ".claude/skills");
    git("config", "core.hooksPath", ".claude/hooks/git");
    expect(paths(guarded(dir, false))).toEqual([
      ".claude",
      ".git",
      ".mcp.json",
      "lib rw",
      "lib/.git",
    ]);
  });

  test("git runs nothing out here for a project that wants it to: not to fetch what it lacks, nor a git of the project's own", () => {
    git("init", "-q");
    const touch = (name: string) => `touch ${join(dir, name)}`;
    for (const name of ["in", "out"]) {
      mkdirSync(join(dir, name));
      writeFileSync(join(dir, name, "file"), name);
    }
    git("add", "-A");
    git("commit", "-qm", "x");
    git("sparse-checkout", "init", "--cone", "--sparse-index");
    git("sparse-checkout", "set", "in");
    const tree = Bun.spawnSync(["git", "rev-parse", "HEAD:out"], { cwd: dir })
      .stdout.toString()
      .trim();
    rmSync(join(dir, ".git/objects", tree.slice(0, 2), tree.slice(2)));
    const orders = {
      "core.repositoryformatversion": "1",
      "extensions.partialClone": "origin",
      "remote.origin.promisor": "true",
      "protocol.ext.allow": "always",
    };
    for (const [name, value] of Object.entries({
      ...orders,
      "remote.origin.url": `ext::sh -c ${touch("FETCHED").replace(" ", "% ")}`,
      "core.fsmonitor": touch("LOOKED"),
    }))
      git("config", name, value);
    mkdirSync(join(dir, "bin"));
    writeFileSync(join(dir, "bin/git"), `#!/bin/sh\n${touch("RAN")}\n`, { mode: 0o755 });
    const ask = `import { takenFrom } from "${join(import.meta.dir, "../../src/sandbox/git.ts")}"; takenFrom(${JSON.stringify(dir)})`;
    const { exitCode } = Bun.spawnSync([process.execPath, "-e", ask], {
      cwd: dir,
      env: { ...process.env, PATH: `./bin:${process.env.PATH}` },
    });
    expect(exitCode).toBe(0);
    expect(readdirSync(dir).filter((name) => /^[A-Z]+$/.test(name))).toEqual([]);
  });

  test("a link in such a place is refused", () => {
    for (const name of [".git", ".claude", ".mcp.json"]) {
      symlinkSync("/etc", join(dir, name));
      expect(() => guarded(dir, false)).toThrow(`${join(dir, name)} is a link or worse`);
      rmSync(join(dir, name));
    }
    git("init", "-q");
    git("config", "core.hooksPath", "my/hooks");
    symlinkSync("/etc", join(dir, "my"));
    expect(() => guarded(dir, false)).toThrow("my is a link or worse");
  });

  test("what is put there meanwhile goes again, unless it has become something else", () => {
    git("init", "-q");
    const before = everythingIn(dir);
    const all = guarded(dir, true);
    const absent = missing(dir, all);
    expect(paths(absent)).toEqual([
      ".claude",
      ".git/commondir",
      ".git/config.worktree",
      ".git/modules",
      ".git/worktrees",
      ".mcp.json",
    ]);
    makePlaceholders(dir, absent);
    expect(missing(dir, all)).toEqual([]);
    git("status");
    removePlaceholders(dir, absent);
    expect(everythingIn(dir)).toEqual(before);
    makePlaceholders(dir, absent);
    writeFileSync(join(dir, ".mcp.json"), '{"mcpServers":{"mine":{}}}');
    writeFileSync(join(dir, ".claude/settings.json"), "{}");
    rmSync(join(dir, ".git/commondir"));
    removePlaceholders(dir, absent);
    expect(readdirSync(dir).toSorted()).toEqual([".claude", ".git", ".mcp.json"]);
  });
});

test("a project folder is its real path, and neither holds nor lies in what must stay out", () => {
  const [held, within] = [join(dir, "home"), join(dir, "home/data")];
  for (const path of ["home/data/x", "home/project", "homely"])
    mkdirSync(join(dir, path), { recursive: true });
  symlinkSync(join(dir, "home/project"), join(dir, "short"));
  symlinkSync(dir, join(dir, "home/around"));
  const keepOut = { holds: [held, join(dir, "not/there")], within: [within] };
  expect(projectFolder(join(dir, "short"), keepOut)).toBe(join(dir, "home/project"));
  expect(projectFolder(join(dir, "homely"), keepOut)).toBe(join(dir, "homely"));
  for (const path of ["", "home", "home/data", "home/data/x", "home/around"])
    expect(() => projectFolder(join(dir, path), keepOut)).toThrow(
      "is no project folder for a sandbox",
    );
});

test("paths inside are told as they are out here; whatever else is left as it is", () => {
  const home = sandboxHome("/data", "/src/my project");
  expect(home.config).toMatch(/^\/data\/homes\/my_project-[0-9a-f]{16}\/claude$/);
  const out = (path: string) => pathOutside(path, "/src/my project", home);
  expect(out("/workspace")).toBe("/src/my project");
  expect(out("/workspace/a/../b")).toBe("/src/my project/b");
  expect(out("/home/claude/.claude/projects/-workspace/x.jsonl")).toBe(
    `${home.config}/projects/-workspace/x.jsonl`,
  );
  expect(out("/home/claude/x")).toBe(`${home.home}/x`);
  for (const path of [
    "/workspace/../etc/passwd",
    "/workspacex",
    "/home/claude/../../root/.claude/x",
    "relative",
    "/etc/passwd",
    "",
  ])
    expect(out(path)).toBe(path);
});

test("the first claude that told its status is the session's own; of a folder full of them a part is looked at", () => {
  expect(firstSession(dir)).toBeUndefined();
  for (const name of ["12.json", "9.json", "9.key", "x.json", "-1.json", "123456789.json"])
    writeFileSync(join(dir, name), "");
  expect(firstSession(dir)).toBe(9);
  expect(firstSession(join(dir, "9.json"))).toBeUndefined(); // what can't be read says nothing
});

test("the docker command holds names of variables, never values, and any path", () => {
  const [image, ...rest] = [IMAGE, "bash"];
  const args = containerArgs({
    ...{
      name: "n",
      project: '/a,b "c"',
      guarded: [{ path: ".git", otherwise: "folder" }],
      home: sandboxHome("/d", "/p"),
      ours: "/o",
      status: "/s",
      owner: { uid: 1, gid: 2 },
    },
    ...{ pass: ["ANTHROPIC_API_KEY"], hooks: 4711, tty: true, program: rest },
  });
  expect(args).toContain(
    '"type=bind","source=/a,b ""c""/.git","target=/workspace/.git","readonly"',
  );
  expect(args.slice(args.indexOf(image))).toEqual([
    image,
    "perl",
    `${INSIDE.ours}/filter.pl`,
    "tini",
    "--",
    "node",
    `${INSIDE.ours}/inside.mjs`,
    "61080",
    "4711",
    "bash",
  ]);
  expect(args[args.indexOf("ANTHROPIC_API_KEY") - 1]).toBe("--env");
  const line = args.join(" ");
  for (const part of [
    "--user 1:2",
    "--cap-drop ALL",
    "--security-opt no-new-privileges",
    "--read-only",
    "--network none",
    "--ipc private",
    "--memory-swap 4g",
    "--pids-limit 512",
    "--pull never",
  ])
    expect(line).toContain(part);
  expect(line).not.toContain("privileged");
});
