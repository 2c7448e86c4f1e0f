import { constants, copyFileSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { readFileAt } from "../runner/real-file.ts";
import { give, type Owner } from "./home.ts";

/** What of a repository is data and no order to git: commits and files, names for commits, what is staged. */
const DATA = [
  /^HEAD$/,
  /^index$/,
  /^packed-refs$/,
  /^objects\/[0-9a-f]{2}\/[0-9a-f]{38}$/,
  /^objects\/pack\/pack-[0-9a-f]{40}\.(?:pack|idx|rev)$/,
  /^(?:refs|logs)\//,
];
const FOLDERS = /^(?:objects(?:\/(?:[0-9a-f]{2}|pack))?|(?:refs|logs)(?:\/.+)?)$/;
/** What `HEAD` may hold. */
const HEAD = /^ref: refs\/heads\/[\w./-]{1,200}\n$/;
const HEAD_BYTES = 300;

/**
 * Takes a repository that was made inside over into the project: git makes one out here, with settings and hooks of its own, and commits are
 * copied into it. Called once nothing runs inside any more. `refused` where the project has got one of its own meanwhile.
 */
export function takeRepository(
  made: string,
  project: string,
  owner: Owner,
): "none" | "taken" | "refused" {
  const head = readFileAt(join(made, "HEAD"), 0, HEAD_BYTES).toString("latin1");
  const git = Bun.which("git", { PATH: process.env.PATH ?? "", cwd: "/" });
  const target = join(project, ".git");
  if (
    !HEAD.test(head) ||
    git === null ||
    lstatSync(target, { throwIfNoEntry: false }) !== undefined
  )
    return "refused";
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_"));
  const begun = Bun.spawnSync([git, "init", "--quiet", project], {
    cwd: "/",
    env: Object.fromEntries(kept),
    stdio: ["ignore", "ignore", "ignore"],
  });
  if (begun.exitCode !== 0) return "refused";
  const folders = [""];
  for (const folder of folders)
    for (const entry of readdirSync(join(made, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (FOLDERS.test(path)) folders.push(path);
      } else if (entry.isFile() && DATA.some((name) => name.test(path))) {
        mkdirSync(dirname(join(target, path)), { recursive: true });
        copyFileSync(join(made, path), join(target, path), constants.COPYFILE_FICLONE);
      }
    }
  giveAll(target, owner);
  return "taken";
}

function giveAll(path: string, owner: Owner): void {
  give(path, owner);
  if (lstatSync(path).isDirectory())
    for (const name of readdirSync(path)) giveAll(join(path, name), owner);
}
