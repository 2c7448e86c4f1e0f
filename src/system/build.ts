import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

/** Compiled into one executable, or run from source. */
const compiled = Bun.main.startsWith("/$bunfs/");

/** Which program this is, and a fingerprint of its files: after `git pull` the same program has another one. */
export function ownBuild(): { program: string; build: string } {
  const root = resolve(import.meta.dir, "../..");
  const files = compiled
    ? [process.execPath]
    : [
        ...filesBelow(join(root, "src")),
        ...filesBelow(join(root, "public")),
        join(root, "package.json"),
      ];
  const hasher = new Bun.CryptoHasher("sha256");
  for (const file of files.sort()) {
    const found = statSync(file, { throwIfNoEntry: false }); // gone meanwhile: then the next look sees another build
    if (found !== undefined) hasher.update(`${file} ${found.size} ${found.mtimeMs}\n`);
  }
  return {
    program: compiled ? process.execPath : root,
    build: hasher.digest("hex").slice(0, 16),
  };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
