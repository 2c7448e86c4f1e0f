import { existsSync } from "node:fs";
import { dirname, isAbsolute, join, normalize, relative, resolve } from "node:path";

/** Git must not turn away from somebody else's project, nor run what its configuration names to look after files. */
const CAREFUL = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false"];
/** How long git may take, in ms. */
const GIT_MS = 10_000;

/**
 * Where, below a project but outside its `.git`, git takes orders from: the folder of hooks that the configuration names, files
 * that it includes, and the `.git` of submodules, into which `git status` looks; of one that is not checked out, its whole folder. Nothing where there is no git to ask.
 */
export function gitTakesFrom(project: string): string[] {
  if (Bun.which("git", { PATH: process.env.PATH ?? "", cwd: "/" }) === null) return [];
  const [top = ""] = ask(project, ["rev-parse", "--show-toplevel"], "\n");
  const [hooks] = ask(project, ["config", "--type=path", "--get", "core.hooksPath"], "\n");
  const origins = ask(project, ["config", "--list", "--show-origin", "--name-only", "-z"], "\0").flatMap((word) =>
    word.startsWith("file:") ? [word.slice("file:".length)] : [],
  );
  const modules = ask(project, ["ls-files", "--stage", "-z"], "\0").flatMap((line) => /^160000 \w+ \d\t(.+)$/s.exec(line)?.[1] ?? []);
  const places = [
    ...(hooks === undefined || top === "" ? [] : [resolve(top, hooks)]),
    ...new Set(origins.map((origin) => resolve(project, origin))),
    ...modules.map((module) => join(project, module, existsSync(join(project, module, ".git")) ? ".git" : "")),
  ];
  const within = places.map((place) => relative(project, normalize(place)));
  return [...new Set(within)].filter((path) => path !== "" && !path.startsWith("..") && !isAbsolute(path) && path !== ".git" && !path.startsWith(".git/"));
}

/** The folders on the way to a path, from the top. */
export function foldersTo(path: string): string[] {
  const folder = dirname(path);
  return folder === "." ? [] : [...foldersTo(folder), folder];
}

/** What git prints, in parts; nothing where it is no repository, or git has nothing to say. */
function ask(cwd: string, args: readonly string[], separator: string): string[] {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_")));
  const asked = Bun.spawnSync(["git", ...CAREFUL, ...args], { cwd, env, stdin: "ignore", stderr: "ignore", timeout: GIT_MS });
  if (asked.exitCode !== 0) return [];
  return asked.stdout
    .toString()
    .split(separator)
    .filter((part) => part !== "");
}
