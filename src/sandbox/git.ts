import { existsSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import type { Guarded } from "./project.ts";

/** Git must not turn away from somebody else's project, nor run what its configuration names to look after files. */
const CAREFUL = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false"];
/** Nor fetch what a repository says that it lacks: its own configuration would tell by which program. */
const NO_FETCHING = { GIT_ALLOW_PROTOCOL: "none", GIT_NO_LAZY_FETCH: "1" };
/** How long git may take, in ms. */
const GIT_MS = 10_000;
/** So many folders of a project are looked through for repositories, the nearest first. */
const FOLDERS = 50_000;

/**
 * Where, below a project but outside its `.git`, programs outside take orders from by way of git, or of a link: a repository that lies
 * elsewhere in the project; the folder of hooks; files that the configuration includes, there or not; what git's, the hooks' and Claude's
 * own folders have links to; the `.git` of each other repository in there, as `git status` and shells' prompts look into those; of a
 * submodule that is not checked out, its whole folder.
 */
export function takenFrom(project: string): Guarded[] {
  const git = Bun.which("git", { PATH: process.env.PATH ?? "", cwd: "/" }); // never the project's own, by a relative PATH
  const ask = (args: readonly string[], separator: string) =>
    git === null ? [] : answers(git, project, args, separator);
  const own = ask(["rev-parse", "--absolute-git-dir", "--git-common-dir"], "\n").map((path) =>
    resolve(project, path),
  );
  const [top = project] = ask(["rev-parse", "--show-toplevel"], "\n");
  const hooks = ask(["config", "--type=path", "--get", "core.hooksPath"], "\n").map((path) =>
    resolve(top, path),
  );
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
      : resolve(project, dirname(origin), word.slice(word.indexOf("\n") + 1));
  });
  const linked = [
    join(project, ".claude"),
    ...own,
    ...own.map((path) => join(path, "hooks")),
    ...hooks,
  ].flatMap(linksIn);
  const folders = [
    ...[...own, ...hooks, ...repositoriesIn(project)],
    ...modules.map((module) =>
      join(project, module, existsSync(join(project, module, ".git")) ? ".git" : ""),
    ),
  ];
  const places: Guarded[] = [
    ...[...included, ...linked].map((path): Guarded => ({ path, otherwise: { text: "" } })),
    ...folders.map((path): Guarded => ({ path, otherwise: "folder" })),
  ];
  const within = places
    .map((place) => ({ ...place, path: relative(project, place.path) }))
    .filter(({ path }) => path !== "" && !/^\.(git|\.)(\/|$)/.test(path));
  return [...new Map(within.map((part) => [part.path, part])).values()];
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

/** Every `.git` below a project. */
function repositoriesIn(project: string): string[] {
  const found: string[] = [];
  const folders = [project];
  for (const folder of folders) {
    try {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name);
        if (entry.name === ".git") found.push(path);
        else if (entry.isDirectory() && entry.name !== "node_modules" && folders.length < FOLDERS)
          folders.push(path);
      }
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error; // not for us, or gone
    }
  }
  return found;
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
