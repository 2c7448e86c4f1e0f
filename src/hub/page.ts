import { readFileSync } from "node:fs";
import { join } from "node:path";

const PUBLIC = join(import.meta.dir, "../../public");
const AS_THEY_ARE = [
  "index.html",
  "app.css",
  "icon.svg",
  "icon-192.png",
  "icon-512.png",
  "icon-180.png",
  "manifest.webmanifest",
];

/**
 * The page's files as they go to browsers, those of pictures in base64: its modules bundled into one script, the service worker's into another,
 * which knows the files by name and content. In the single binary `.ci/build.ts` puts the result in this module's place.
 */
export async function pageFiles(): Promise<Record<string, string>> {
  const asTheyAre = AS_THEY_ARE.map((name) => [
    name,
    readFileSync(join(PUBLIC, name), name.endsWith(".png") ? "base64" : "utf8"),
  ]);
  const files: Record<string, string> = {
    "app.js": await bundle("app.ts"),
    ...Object.fromEntries(asTheyAre),
  };
  const paths = Object.keys(files).map((name) => (name === "index.html" ? "/" : `/${name}`));
  const version = new Bun.CryptoHasher("sha256")
    .update(JSON.stringify(files))
    .digest("hex")
    .slice(0, 16);
  return {
    ...files,
    "worker.js": await bundle("worker.ts", {
      SHELL_FILES: JSON.stringify(paths),
      SHELL_VERSION: JSON.stringify(version),
    }),
  };
}

async function bundle(name: string, define: Record<string, string> = {}): Promise<string> {
  // not the present folder's tsconfig
  const build = await Bun.build({
    entrypoints: [join(PUBLIC, name)],
    target: "browser",
    format: name === "worker.ts" ? "iife" : "esm",
    minify: true,
    tsconfig: "/dev/null",
    define,
  });
  const script = await build.outputs[0]?.text();
  if (script === undefined)
    throw new Error(`the dashboard could not be bundled: ${build.logs.join("; ")}`);
  return script;
}
