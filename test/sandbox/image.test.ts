import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureImage, IMAGE, type ImageState, imageTrouble } from "../../src/sandbox/engine.ts";
import { until } from "../support/until.ts";

const dir = mkdtempSync(join(tmpdir(), "image-test-"));
const path = process.env.PATH;
afterAll(() => {
  process.env.PATH = path;
  rmSync(dir, { recursive: true, force: true });
});

test("who starts a sandbox from afar is told that its image is being built, or why it can't be, and it is built once", async () => {
  // an engine whose builds wait for a word
  const script = `#!/bin/sh\ncd "${dir}"\ncase "$1" in\nimage) [ -e image ] ;;\nbuild) echo build >> builds; while [ ! -e go ]; do sleep 0.02; done; [ ! -e broken ] && touch image ;;\nesac\n`;
  writeFileSync(join(dir, "docker"), script, { mode: 0o755 });
  process.env.PATH = `${dir}:${path}`;
  const said: string[] = [];
  const ask = () => imageTrouble((text) => void said.push(text));
  const builds = () =>
    existsSync(join(dir, "builds"))
      ? readFileSync(join(dir, "builds"), "utf8").length / "build\n".length
      : 0;

  writeFileSync(join(dir, "broken"), "");
  expect(await ask()).toContain("is being built");
  await until("it is built", () => builds() === 1);
  expect(await ask()).toContain("is being built");
  writeFileSync(join(dir, "go"), "");
  await until("it has failed", () => said.length === 2);
  expect(await ask()).toContain("could not be built");
  rmSync(join(dir, "broken"));
  expect(await ask()).toContain("is being built"); // tried again
  await until("it is there", () => existsSync(join(dir, "image")));
  await until("that is known", async () => (await ask()) === undefined);
  expect(builds()).toBe(2);
});

describe("an image of one's own", () => {
  /** An engine that has the images whose names stand in `images`, each with its layers, and whose builds print what `words` has. */
  const engine = (images: Record<string, string[]>, words = "") => {
    const known = Object.entries(images).map(
      ([name, layers]) => `${name}) echo '${JSON.stringify(layers)}' ;;`,
    );
    const script = `#!/bin/sh
cd "${dir}"
for last; do :; done
case "$1" in
image) case "$last" in ${known.join("\n")} *) grep -qx "$last" built ;; esac ;;
build) cat > dockerfile; printf '${words}'; while [ ! -e go ]; do sleep 0.02; done; printf '%s\\n' "$@" >> built ;;
esac
`;
    for (const name of ["built", "go"]) writeFileSync(join(dir, name), "");
    writeFileSync(join(dir, "docker"), script, { mode: 0o755 });
    process.env.PATH = `${dir}:${path}`;
  };
  const quiet = () => undefined;

  test("is what it is, where it builds on ours; otherwise that is said", async () => {
    engine({ [IMAGE]: ["a", "b"], mine: ["a", "b", "c"], other: ["a", "x", "c"], less: ["a"] });
    expect(await ensureImage(quiet)).toBe(IMAGE);
    expect(await ensureImage(quiet, { image: "mine" })).toBe("mine");
    for (const image of ["other", "less"])
      expect(ensureImage(quiet, { image })).rejects.toThrow(
        `${image} does not build on the sandbox's image`,
      );
    expect(ensureImage(quiet, { image: "none" })).rejects.toThrow("has no image none");
    expect(ensureImage(quiet, { image: "mine", dockerfile: "/x" })).rejects.toThrow("give one");
  });

  test("is built of a Dockerfile that begins with ours, once, and again when that changes", async () => {
    engine({ [IMAGE]: ["a"] });
    const file = join(dir, "Dockerfile");
    const build = (text: string) => {
      writeFileSync(file, text);
      return ensureImage(quiet, { dockerfile: file });
    };
    const first = await build(
      "# mine\nFROM claude-remote-sandbox\nRUN apt-get install -y python3\n",
    );
    expect(readFileSync(join(dir, "dockerfile"), "utf8")).toBe(
      `# mine\nFROM ${IMAGE}\nRUN apt-get install -y python3\n`,
    );
    rmSync(join(dir, "dockerfile"));
    expect(await ensureImage(quiet, { dockerfile: file })).toBe(first);
    expect(existsSync(join(dir, "dockerfile"))).toBe(false);
    expect(await build("FROM claude-remote-sandbox:latest\nRUN true\n")).not.toBe(first);
    for (const text of ["FROM debian\n", "FROM claude-remote-sandbox-not\n", "RUN x\n", ""])
      expect(build(text)).rejects.toThrow("has to begin with the line FROM claude-remote-sandbox");
    expect(ensureImage(quiet, { dockerfile: join(dir, "none") })).rejects.toThrow("can't be read");
  });

  test("tells from afar how far its build has come, as either of docker's builders says it, and that it is there", async () => {
    for (const [words, step] of [
      ["Step 1/4 : FROM x\\nStep 3/4 : RUN y\\n", "step 3 of 4"],
      ["#1 [internal] load\\n#5 [2/5] RUN y\\n", "step 2 of 5"],
    ] as const) {
      engine({ [IMAGE]: ["a"] }, words);
      rmSync(join(dir, "go"));
      const file = join(dir, "Dockerfile");
      writeFileSync(file, `FROM claude-remote-sandbox\nRUN ${step}\n`);
      const states: ImageState[] = [];
      const ask = () => imageTrouble(quiet, { dockerfile: file }, (state) => states.push(state));
      expect(await ask()).toContain("is being built");
      await until("it has come so far", () =>
        states.some((state) => state.state === "building" && state.step === step),
      );
      expect(await ask()).toContain(`is being built (${step})`);
      writeFileSync(join(dir, "go"), "");
      await until("it is told to be there", () => states.at(-1)?.state === "ready");
      await until("that is known", async () => (await ask()) === undefined);
    }
  });
});
