import { lutimesSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Makes a private folder and what is in it look used: systems sweep `/tmp` by the times of files. A folder that is gone is made again,
 * empty. What can't be touched, as on a full disk, stays as it is until the next time.
 */
export function keepFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const now = new Date();
    for (const path of [dir, ...readdirSync(dir).map((name) => join(dir, name))])
      lutimesSync(path, now, now);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}
