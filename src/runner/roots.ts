import { opendir, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { LIMITS } from "../types.ts";

/** So many entries of a folder are looked at in search of what was typed. */
const LOOK_AT = 50_000;

/** Whether a name can be shown as it is, and comes back as it was. */
export const isShown = (path: string) =>
  path.length <= LIMITS.pathChars && !/[\p{C}\p{Zl}\p{Zp}\ufffd]/u.test(path);

/** A folder was asked for that can't be had; the message says why. */
export class FolderError extends Error {}

/** Whether a real path is a root or below one, segment by segment. */
export function isInside(roots: readonly string[], path: string): boolean {
  return roots.some(
    (root) => path === root || path.startsWith(root.endsWith("/") ? root : `${root}/`),
  );
}

/** The real path of a folder; undefined where there is none, or it is not for us. */
export async function realFolder(path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path);
    return (await stat(real)).isDirectory() ? real : undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/** What a typed path may mean: from the root of all, from home, or from one of the roots. */
function meant(roots: readonly string[], typed: string): string[] {
  if (typed.includes("\0")) return [];
  if (typed.startsWith("/")) return [typed];
  if (/^~(?:\/|$)/.test(typed)) return [`${homedir()}${typed.slice(1)}`];
  return roots.map((root) => `${root}/${typed}`);
}

/** The real path of a folder that a session may work in. Throws a `FolderError`. */
export async function allowedFolder(roots: readonly string[], typed: string): Promise<string> {
  let outside = false;
  for (const path of meant(roots, typed)) {
    const found = await realFolder(path);
    outside ||= found !== undefined;
    if (found === undefined || !isInside(roots, found)) continue;
    if (!isShown(found))
      throw new FolderError(
        "The folder's name has characters that can't be shown: sessions can't be started there from here.",
      );
    return found;
  }
  if (!outside) throw new FolderError(`${typed} is not there, or not a folder.`);
  throw new FolderError(
    `${typed} is outside the folders that this runner may work in: ${roots.join(", ")}.`,
  );
}

/** Folders inside the roots that begin with what was typed, sorted; after a slash those below. */
export async function completeFolder(roots: readonly string[], typed: string): Promise<string[]> {
  const paths = typed === "" ? ["/"] : meant(roots, typed);
  // what leads to a root is none of our business, but the root itself is
  const above = paths.flatMap((path) => roots.filter((root) => root.startsWith(path)));
  const below = await Promise.all(
    paths.map((path) =>
      foldersLike(
        roots,
        path.endsWith("/") ? path : dirname(path),
        path.endsWith("/") ? "" : basename(path),
      ),
    ),
  );
  return [...new Set([...above, ...below.flat()])]
    .filter(isShown)
    .sort(byName)
    .slice(0, LIMITS.folders);
}

const byName = (a: string, b: string) => a.localeCompare(b, "en");

/** The folders in `folder` whose name begins so, whatever its case; hidden ones only where that is asked for. */
async function foldersLike(
  roots: readonly string[],
  folder: string,
  beginning: string,
): Promise<string[]> {
  const real = await realFolder(folder);
  if (real === undefined || !isInside(roots, real)) return [];
  const found: string[] = [];
  try {
    let looked = 0;
    for await (const entry of await opendir(real)) {
      if (++looked > LOOK_AT || found.length > LIMITS.folders * 4) break;
      const { name } = entry;
      if (
        !name.toLowerCase().startsWith(beginning.toLowerCase()) ||
        (name.startsWith(".") && !beginning.startsWith("."))
      )
        continue;
      const target = entry.isSymbolicLink()
        ? await realFolder(join(real, name))
        : entry.isDirectory()
          ? join(real, name)
          : undefined;
      if (target !== undefined && isInside(roots, target)) found.push(join(real, name));
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error; // not for us, or removed meanwhile
  }
  return found;
}
