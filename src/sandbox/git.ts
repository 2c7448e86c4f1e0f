import { existsSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { readByManagers } from "./hook-managers.ts";
import { namedPrograms, textOf, textsIn } from "./named-programs.ts";
import { type Guarded, isWithin } from "./project.ts";

/** Git must not turn away from somebody else's project, nor run what its configuration names to look after files. */
const CAREFUL = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false"];
/** Nor fetch what a repository says that it lacks: its own configuration would tell by which program. */
const NO_FETCHING = { GIT_ALLOW_PROTOCOL: "none", GIT_NO_LAZY_FETCH: "1" };
/** How long git may take, in ms. */
const GIT_MS = 10_000;
/** So many folders of a project are looked through for repositories, the nearest first. */
const FOLDERS = 50_000;
/** So many repositories of a project are asked for what they take from its files, the nearest first. */
const REPOSITORIES = 200;

/** Settings that name commands by their values, among all others: whatever is a program's path in there. */
const SETTINGS = ["config", "--list", "-z"];

/**
 * Where, below a project but outside its `.git`, programs outside take orders from by way of git, or of a link: a repository that lies
 * elsewhere in the project; the folder of hooks, and the one around it; what hook managers read; programs of the project that hooks or
 * git's configuration name; files that the configuration includes, there or not; what git's, the hooks' and Claude's own folders have links
 * to; `.claude` and `.mcp.json` in folders of it; the `.git` of each other repository in there, as `git status` and shells' prompts look into those, and the same of its own; of a
 * submodule that is not checked out, its whole folder.
 */
export function takenFrom(project: string): Guarded[] {
  const git = findGit();
  const { repositories, claudes } = ordersBelow(project);
  const tops = [project, ...repositories.map((path) => dirname(path))].slice(0, REPOSITORIES);
  const places: Guarded[] = [
    ...[...repositories, ...claudes].map((path): Guarded => ({ path, otherwise: "folder" })),
    ...linksIn(join(project, ".claude")).map(
      (path): Guarded => ({ path, otherwise: { text: "" } }),
    ),
    ...[...new Set(tops)].flatMap((top) =>
      git === null
        ? []
        : takenByRepository(project, (args, by) => answers(git, top, args, by), top),
    ),
  ];
  const within = places
    .map((place) => ({ ...place, path: relative(project, place.path) }))
    .filter(({ path }) => path !== "" && !/^\.(git|claude|mcp\.json|\.)(\/|$)/.test(path));
  const each = [...new Map(within.map((part) => [part.path, part])).values()];
  return each.filter(
    ({ path }) => !each.some((part) => part.path !== path && isWithin(path, part.path)),
  );
}

/** Asks git in one repository; the answer is in parts. */
type Ask = (args: readonly string[], separator: string) => string[];

function takenByRepository(project: string, ask: Ask, cwd: string): Guarded[] {
  const own = ask(["rev-parse", "--absolute-git-dir", "--git-common-dir"], "\n").map((path) =>
    resolve(cwd, path),
  );
  const [top = cwd] = ask(["rev-parse", "--show-toplevel"], "\n");
  const hooks = configuredHooks(ask, top);
  const modules = ask(["ls-files", "--stage", "-z"], "\0").flatMap(
    (line) => /^160000 \w+ \d\t(.+)$/s.exec(line)?.[1] ?? [],
  );
  const included = ask(
    ["config", "--show-origin", "--type=path", "-z", "--get-regexp", "^include(if\\..*)?\\.path$"],
    "\0",
  ).flatMap((word, at, words) => {
    const [, origin] = /^file:(.*)$/s.exec(words[at - 1] ?? "") ?? [];
    return origin === undefined
      ? []
      : resolve(cwd, dirname(origin), word.slice(word.indexOf("\n") + 1));
  });
  // Husky sets .husky/_, whose scripts run those beside it
  const around = hooks
    .map((path) => dirname(path))
    .filter((path) => path !== top && path !== project && isWithin(path, project));
  // a repository that is still to be begun gets its hooks from there
  const template =
    own.length > 0
      ? []
      : ask(["config", "--type=path", "--get", "init.templateDir"], "\n").map((path) =>
          resolve(cwd, path),
        );
  const hookFolders =
    hooks.length > 0
      ? [...hooks, ...around]
      : [...own, ...template].map((path) => join(path, "hooks"));
  const linked = [...own, ...own.map((path) => join(path, "hooks")), ...hooks, ...around].flatMap(
    linksIn,
  );
  const settings = ask(SETTINGS, "\0").map((text) => ({ text, folder: top }));
  const hookTexts = hookFolders.flatMap(textsIn);
  const managed = readByManagers(
    top,
    [...hookTexts, ...settings].map(({ text }) => text).join("\n"),
  );
  const managedTexts = managed.flatMap(({ path, otherwise }) =>
    otherwise === "folder" ? textsIn(path) : { text: textOf(path), folder: dirname(path) },
  );
  return [
    ...[...included, ...linked].map((path): Guarded => ({ path, otherwise: { text: "" } })),
    ...[
      ...own,
      ...hooks,
      ...around,
      ...modules.map((module) =>
        join(cwd, module, existsSync(join(cwd, module, ".git")) ? ".git" : ""),
      ),
    ].map((path): Guarded => ({ path, otherwise: "folder" })),
    ...managed,
    ...namedPrograms(project, top, [...hookTexts, ...settings], managedTexts),
  ];
}

/** Whether git would run a project's own files, by their names, as hooks. */
export function hooksAreFiles(project: string): boolean {
  const git = findGit();
  if (git === null) return false;
  const ask: Ask = (args, separator) => answers(git, project, args, separator);
  const [top = project] = ask(["rev-parse", "--show-toplevel"], "\n");
  return configuredHooks(ask, top).includes(project);
}

/** Never the project's own, by a relative PATH. */
const findGit = () => Bun.which("git", { PATH: process.env.PATH ?? "", cwd: "/" });

/** Whose commits are made in a folder, as git is set out here. */
export function identityOf(project: string): Record<string, string> {
  const git = findGit();
  if (git === null) return {};
  return Object.fromEntries(
    ["user.name", "user.email"].flatMap((key) => {
      const [value] = answers(git, project, ["config", "--get", key], "\n");
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

/** Whether a folder is part of a repository, its own or one around it. */
export function isInRepository(project: string): boolean {
  const git = findGit();
  return git !== null && answers(git, project, ["rev-parse", "--git-dir"], "\n").length > 0;
}

/** The folder of hooks that a configuration names. */
function configuredHooks(ask: Ask, top: string): string[] {
  return ask(["config", "--type=path", "--get", "core.hooksPath"], "\n").map((path) =>
    resolve(top, path),
  );
}

/** What links in a folder lead to; nothing where there is none. */
function linksIn(folder: string): string[] {
  try {
    const real = realpathSync(folder);
    return readdirSync(real, { withFileTypes: true }).flatMap((entry) =>
      entry.isSymbolicLink() ? resolve(real, readlinkSync(join(real, entry.name))) : [],
    );
  } catch (error) {
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}

/** Every `.git` below a project, and what names programs to a claude that is started in a folder of it. */
function ordersBelow(project: string): { repositories: string[]; claudes: string[] } {
  const repositories: string[] = [];
  const claudes: string[] = [];
  const folders = [project];
  for (const folder of folders) {
    try {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name);
        if (entry.name === ".git") repositories.push(path);
        else if (/^\.(?:claude|mcp\.json)$/.test(entry.name) && !entry.isSymbolicLink())
          claudes.push(path);
        else if (entry.isDirectory() && entry.name !== "node_modules" && folders.length < FOLDERS)
          folders.push(path);
      }
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error; // not for us, or gone
    }
  }
  return { repositories, claudes };
}

/** The folders on the way to a path, from the top. */
export function foldersTo(path: string): string[] {
  const folder = dirname(path);
  return folder === "." ? [] : [...foldersTo(folder), folder];
}

/** What git prints, in parts; nothing where it is no repository, or git has nothing to say. */
function answers(git: string, cwd: string, args: readonly string[], separator: string): string[] {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_"));
  const env = { ...Object.fromEntries(kept), ...NO_FETCHING };
  const asked = Bun.spawnSync([git, ...CAREFUL, ...args], {
    cwd,
    env,
    stdin: "ignore",
    stderr: "ignore",
    timeout: GIT_MS,
  });
  if (asked.exitCode !== 0) return [];
  return asked.stdout
    .toString()
    .split(separator)
    .filter((part) => part !== "");
}
