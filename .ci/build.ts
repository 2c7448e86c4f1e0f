/**
 * `bun run build [TARGET …]`: one executable a platform in `dist/`, with the dashboard and the PTY library inside, the
 * manual page, and SHA256SUMS beside them. Targets: linux-x64 linux-arm64 darwin-x64 darwin-arm64; all of them unless named; `here` is this machine's.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { version } from "../package.json";
import { manual } from "../src/commands/man.ts";
import { pageFiles } from "../src/hub/page.ts";

const TARGETS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];
const root = resolve(import.meta.dir, "..");
const dist = join(root, "dist");
const wanted = process.argv
  .slice(2)
  .map((name) => (name === "here" ? `${process.platform}-${process.arch}` : name));
const unknown = wanted.filter((name) => !TARGETS.includes(name));
if (unknown.length > 0) {
  process.stderr.write(
    `There is no target ${unknown.join(", ")}; there are: ${TARGETS.join(", ")}, here\n`,
  );
  process.exit(2);
}

const page = JSON.stringify(await pageFiles());
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
for (const target of wanted.length > 0 ? wanted : TARGETS) {
  const [os = "", arch = ""] = target.split("-");
  const result = await Bun.build({
    entrypoints: [join(root, "src/cli.ts")],
    minify: { whitespace: true, syntax: true },
    target: "bun",
    format: "esm",
    bytecode: true, // starts in half the time
    // bun-pty chooses its library by these; they are known here, so only that one is taken along
    define: { "process.platform": JSON.stringify(os), "process.arch": JSON.stringify(arch) },
    plugins: [
      {
        name: "the page, built beforehand",
        setup(build) {
          build.onLoad({ filter: /src\/hub\/page\.ts$/ }, () => ({
            contents: `export async function pageFiles() { return ${page}; }`,
            loader: "js",
          }));
        },
      },
    ],
    compile: {
      target: `bun-${os as "linux"}-${arch as "x64"}`,
      outfile: join(dist, `claude-remote-${target}`),
      // a project's folder must not change what runs: its .env and bunfig.toml are for its own programs
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  });
  if (!result.success) throw new AggregateError(result.logs, `${target} could not be built`);
}

writeFileSync(join(dist, "claude-remote.1"), manual());
const sums = readdirSync(dist)
  .sort()
  .map(async (name) => {
    const bytes = await Bun.file(join(dist, name)).bytes();
    process.stdout.write(`dist/${name}  ${(bytes.length / 1e6).toFixed(1)} MB\n`);
    return `${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}  ${name}\n`;
  });
writeFileSync(join(dist, "SHA256SUMS"), (await Promise.all(sums)).join(""));
process.stdout.write(`claude-remote ${version}: checksums in dist/SHA256SUMS\n`);
