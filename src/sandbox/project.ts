import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { StartError } from "../runner/program.ts";
import { foldersTo, hooksAreFiles, takenFrom } from "./git.ts";

/** A part of the project that is read-only inside, because programs outside take orders from it. */
export interface Guarded {
  /** Below the project. */
  path: string;
  /**
   * What stands there while a session runs, where the project has nothing: a folder, or a file with this text. It stays afterwards where one
   * of the files `unless`, in the same folder, has come to be, as these would be read in its place.
   */
  otherwise: "folder" | { text: string; unless?: string[] | undefined };
  writable?: boolean;
}

/** Claude's own, and MCP's: they name programs that a claude outside would run. */
const ALWAYS: readonly Guarded[] = [
  { path: ".claude", otherwise: "folder" },
  { path: ".mcp.json", otherwise: { text: '{"mcpServers":{}}\n' } },
];
/** Where git takes programs from, below a `.git` that is writable itself; a mount point, so that it can't be put elsewhere. `commondir` would lead to another one. */
const IN_GIT: readonly Guarded[] = [
  { path: ".git", otherwise: "folder", writable: true },
  { path: ".git/hooks", otherwise: "folder" },
  { path: ".git/info", otherwise: "folder" },
  { path: ".git/modules", otherwise: "folder" },
  { path: ".git/worktrees", otherwise: "folder" },
  { path: ".git/config", otherwise: { text: "" } },
  { path: ".git/config.worktree", otherwise: { text: "" } },
  { path: ".git/commondir", otherwise: { text: ".\n" } },
];

/** What is guarded in a project. `git`: its repository may be written to. Throws a `StartError` where a link could lead out of it. */
export function guarded(project: string, git: boolean): Guarded[] {
  const writable =
    git &&
    kindOf(join(project, ".git")) === "folder" &&
    kindOf(join(project, ".git/HEAD")) === "file";
  if (hooksAreFiles(project))
    throw new StartError(
      `core.hooksPath names ${project} itself, so any file in it may be a hook of git's: no sandbox is put around such a project`,
      126,
    );
  const elsewhere = takenFrom(project).flatMap((part): Guarded[] => [
    // each folder on the way is a mount point too, as it could otherwise be put aside with all that is below it
    ...foldersTo(part.path).map(
      (folder): Guarded => ({ path: folder, otherwise: "folder", writable: true }),
    ),
    part,
  ]);
  const parts = [
    ...ALWAYS,
    ...(writable ? IN_GIT : [{ path: ".git", otherwise: "folder" as const }]),
    ...elsewhere,
  ];
  // guarded by one, on the way to another: guarded; and folders come before what is in them
  const each = [
    ...new Map(
      parts
        .toSorted((one, other) => Number(other.writable ?? false) - Number(one.writable ?? false))
        .map((part) => [part.path, part]),
    ).values(),
  ];
  // what lies within a guarded one is guarded; a mount of its own there would make the way to it writable
  const all = each.filter(
    ({ path }) =>
      !each.some(
        (part) => part.path !== path && part.writable !== true && isWithin(path, part.path),
      ),
  );
  all.sort((one, other) => one.path.split("/").length - other.path.split("/").length);
  for (const { path } of all) {
    const kind = kindOf(join(project, path));
    if (kind === "other")
      throw new StartError(
        `${join(project, path)} is a link or worse: no sandbox is put around a project whose ${path} could lead elsewhere`,
        126,
      );
  }
  return all;
}

/** What has to be made before it can be guarded. */
export function missing(project: string, all: readonly Guarded[]): Guarded[] {
  return all.filter(({ path }) => kindOf(join(project, path)) === "nothing");
}

export function makePlaceholders(project: string, all: readonly Guarded[]): void {
  for (const { path, otherwise } of all) {
    if (kindOf(join(project, path)) !== "nothing") continue;
    if (otherwise === "folder") mkdirSync(join(project, path));
    else writeFileSync(join(project, path), otherwise.text, { flag: "wx" });
  }
}

/** Takes placeholders away again; what has become something else meanwhile stays, and what keeps something else from being read. */
export function removePlaceholders(project: string, all: readonly Guarded[]): void {
  for (const { path, otherwise } of all.toReversed()) {
    const place = join(project, path);
    try {
      if (otherwise === "folder") rmdirSync(place);
      else if (otherwise.unless?.some((name) => existsSync(join(place, "..", name)))) continue;
      else if (
        lstatSync(place).size === otherwise.text.length &&
        kindOf(place) === "file" &&
        readFileSync(place, "utf8") === otherwise.text
      )
        unlinkSync(place);
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error; // gone, or filled by now
    }
  }
}

/** The project's real path. Throws a `StartError` where it holds, or is part of, what must stay out of a sandbox. */
export function projectFolder(
  cwd: string,
  keepOut: { holds: readonly string[]; within: readonly string[] },
): string {
  const project = realpathSync(cwd);
  const real = (path: string) => {
    try {
      return realpathSync(path);
    } catch (error) {
      if (error instanceof Error && "code" in error) return path; // not there (yet)
      throw error;
    }
  };
  const held = [...keepOut.holds, ...keepOut.within]
    .map(real)
    .find((path) => isWithin(path, project));
  if (held !== undefined)
    throw new StartError(
      `${project} is no project folder for a sandbox: ${held === project ? "it" : held} must stay out of it. Start in a folder that holds the project alone`,
      126,
    );
  const around = keepOut.within.map(real).find((path) => isWithin(project, path));
  if (around !== undefined)
    throw new StartError(
      `${project} is no project folder for a sandbox: it lies in ${around}`,
      126,
    );
  return project;
}

/** Whether a path is a folder, or below it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

function kindOf(path: string): "nothing" | "folder" | "file" | "other" {
  try {
    const stat = lstatSync(path);
    return stat.isDirectory() ? "folder" : stat.isFile() ? "file" : "other";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "nothing";
    throw error;
  }
}
