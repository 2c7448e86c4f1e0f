import { readFileSync } from "node:fs";
import { join } from "node:path";

const PUBLIC = join(import.meta.dir, "../../public");

/** The page's files as they go to browsers: its modules bundled into one script. In the single binary `.ci/build.ts` puts the result in this module's place. */
export async function pageFiles(): Promise<Record<string, string>> {
  const build = await Bun.build({ entrypoints: [join(PUBLIC, "app.ts")], target: "browser", minify: true, tsconfig: "/dev/null" }); // not the present folder's
  const script = await build.outputs[0]?.text();
  if (script === undefined) throw new Error(`the dashboard could not be bundled: ${build.logs.join("; ")}`);
  const asTheyAre = ["index.html", "app.css", "icon.svg"].map((name) => [name, readFileSync(join(PUBLIC, name), "utf8")]);
  return { "app.js": script, ...Object.fromEntries(asTheyAre) };
}
