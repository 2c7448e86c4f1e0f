import { readFileSync } from "node:fs";
import * as v from "valibot";
import { findProgram, StartError } from "../runner/program.ts";
import { parseJson } from "../types.ts";
import dockerfile from "./Dockerfile" with { type: "text" };

/** How long the engine may take to say how it is, and to remove a container, in ms. */
const ANSWER_MS = 10_000;
const REMOVE_MS = 30_000;
/** One that is being removed is looked for again after so long, in ms. */
const AGAIN_MS = 100;

const hashOf = (text: string) =>
  new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 12);
/** The image's name says what it was built from; the other one is what people's own Dockerfiles begin with. */
export const IMAGE = `claude-remote-sandbox:${hashOf(dockerfile)}`;
const LATEST = "claude-remote-sandbox:latest";
const OWN_FROM = /^FROM\s+claude-remote-sandbox(?::latest)?(?=\s*$)/im;
/** How the two builders of Docker tell how far they have come: `Step 2/7 : …`, `#6 [2/5] RUN …`. */
const STEP = /(?:^Step (\d+)\/(\d+) :|^#\d+ \[(?:[\w-]+ )?(\d+)\/(\d+)\])/gm;

/** What `docker info` tells, as far as the sandbox's promises hang on it. */
const Info = v.object({
  OSType: v.optional(v.string(), ""),
  OperatingSystem: v.optional(v.string(), ""),
  SecurityOptions: v.optional(v.nullable(v.array(v.string())), []),
  MemoryLimit: v.optional(v.boolean(), false),
  PidsLimit: v.optional(v.boolean(), false),
  ServerErrors: v.optional(v.nullable(v.array(v.string())), []),
});

/** The docker command, found outside the present folder. Throws a `StartError`. */
export function dockerPath(): string {
  return findProgram("docker", "/", process.env.PATH ?? "");
}

/** Why no sandbox can be had on this machine, in words; undefined where one can. */
export async function sandboxTrouble(): Promise<string | undefined> {
  if (process.platform !== "linux")
    return "the sandbox needs Linux: elsewhere containers run in a virtual machine, which the sockets that lead out of the sandbox don't cross";
  const elsewhere = /^(?!unix:)[a-z]+:/.test(process.env.DOCKER_HOST ?? "");
  if (elsewhere)
    return "the sandbox needs a Docker engine on this very machine, and DOCKER_HOST leads elsewhere";
  let told: Awaited<ReturnType<typeof docker>>;
  try {
    told = await docker(["info", "--format", "{{json .}}"], ANSWER_MS);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return "the sandbox needs Docker, and there is no docker command here: see https://docs.docker.com/engine/install";
  }
  const info = parseJson(Info, told.out);
  if (told.code !== 0 || info === undefined || (info.ServerErrors ?? []).length > 0) {
    const words =
      [...(info?.ServerErrors ?? []), ...told.err.split("\n")].find((line) => line.trim() !== "") ??
      "it does not answer";
    return `the sandbox needs a Docker engine that runs, and that you may use: ${words.trim().slice(0, 300)}`;
  }
  const options = info.SecurityOptions ?? [];
  const has = (name: string) => options.some((option) => option.split(",")[0] === `name=${name}`);
  if (info.OSType !== "linux" || info.OperatingSystem.includes("Docker Desktop"))
    return "the sandbox needs Docker Engine on this machine itself: Docker Desktop runs containers in a virtual machine, which the sockets that lead out of the sandbox don't cross";
  if (has("rootless") || has("userns"))
    return "the sandbox does not work with an engine that gives containers other user ids (rootless, userns-remap): the project would be out of their reach";
  if (!has("seccomp"))
    return "this Docker engine has no seccomp, without which a container is no sandbox";
  if (!info.MemoryLimit || !info.PidsLimit)
    return "this Docker engine can't limit memory and processes (no such control groups), without which a container is no sandbox";
  return undefined;
}

/** What sandboxes run in: ours, or an image that a person made on top of it, or the Dockerfile of one. */
export interface ImageChoice {
  image?: string | undefined;
  dockerfile?: string | undefined;
}

/** Hears how far a build has come: "step 2 of 7". */
type OnStep = (step: string) => void;

const hasImage = async (image: string) =>
  (await docker(["image", "inspect", "--format", "{{.Id}}", image], ANSWER_MS)).code === 0;

/** A person's Dockerfile, on top of this very image of ours, and the name of what it makes. Throws a `StartError`. */
function ownBuild(file: string): { image: string; text: string } {
  let written: string;
  try {
    written = readFileSync(file, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new StartError(`the sandbox's Dockerfile can't be read: ${error.message}`, 126);
  }
  const text = written.replace(OWN_FROM, `FROM ${IMAGE}`);
  if (text === written)
    throw new StartError(
      `${file} does not build on the sandbox's image: it has to begin with the line FROM claude-remote-sandbox`,
      126,
    );
  return { image: `claude-remote-sandbox:own-${hashOf(text)}`, text };
}

/** The image of a choice, built where it is missing and can be; `say` is told before that, and docker's own words go to stderr. Throws a `StartError`. */
export async function ensureImage(
  say: (text: string) => void,
  { image, dockerfile: file }: ImageChoice = {},
  onStep: OnStep = () => undefined,
): Promise<string> {
  if (image !== undefined && file !== undefined)
    throw new StartError("sandbox_image and sandbox_dockerfile can't both be: give one", 126);
  if (!(await hasImage(IMAGE))) {
    say("building the sandbox's image, which takes some minutes the first time");
    await build([IMAGE, LATEST], dockerfile, onStep);
  }
  if (file !== undefined) {
    const own = ownBuild(file);
    if (!(await hasImage(own.image))) {
      say(`building the sandbox's image of ${file}, which takes a while the first time`);
      await build([own.image], own.text, onStep);
    }
    return own.image;
  }
  if (image === undefined) return IMAGE;
  const [layers, ours] = await Promise.all([layersOf(image), layersOf(IMAGE)]);
  if (layers === undefined)
    throw new StartError(`this Docker engine has no image ${image}: build it, or pull it`, 126);
  if (ours?.every((layer, i) => layers[i] === layer) !== true)
    throw new StartError(
      `${image} does not build on the sandbox's image, or on that of another version: begin its Dockerfile with FROM claude-remote-sandbox, and build it again`,
      126,
    );
  return image;
}

/** What an image is made of, from the bottom; undefined where there is none. */
async function layersOf(image: string): Promise<string[] | undefined> {
  const told = await docker(
    ["image", "inspect", "--format", "{{json .RootFS.Layers}}", image],
    ANSWER_MS,
  );
  return told.code === 0 ? parseJson(v.array(v.string()), told.out) : undefined;
}

/** Builds an image of a Dockerfile alone, without a folder around it. */
async function build(tags: readonly string[], text: string, onStep: OnStep): Promise<void> {
  const child = Bun.spawn([dockerPath(), "build", ...tags.flatMap((tag) => ["--tag", tag]), "-"], {
    cwd: "/",
    stdin: new TextEncoder().encode(text),
    stdout: "pipe",
    stderr: "pipe",
  });
  const follow = async (output: ReadableStream<Uint8Array>) => {
    for await (const chunk of output) {
      process.stderr.write(chunk);
      const step = [...Buffer.from(chunk).toString("latin1").matchAll(STEP)].at(-1);
      if (step !== undefined) onStep(`step ${step[1] ?? step[3]} of ${step[2] ?? step[4]}`);
    }
  };
  const [code] = await Promise.all([child.exited, follow(child.stdout), follow(child.stderr)]);
  if (code !== 0)
    throw new StartError(
      `the sandbox's image could not be built (docker's exit code ${code}, its words are above)`,
      126,
    );
}

/** How it is with an image that is built for whoever starts sandboxes from afar. */
export type ImageState =
  | { state: "building"; step: string }
  | { state: "ready" }
  | { state: "failed"; why: string };

let building: { over: Promise<void>; step: string } | undefined;
let failed: string | undefined;

/** Why there is no image as yet, in words for somebody who does not want to wait for it: it is built meanwhile, of which `onState` hears. */
export async function imageTrouble(
  say: (text: string) => void,
  choice: ImageChoice = {},
  onState: (state: ImageState) => void = () => undefined,
): Promise<string | undefined> {
  if (building === undefined && (await isReady(choice))) return undefined;
  const trouble = failed;
  failed = undefined; // told once, and tried again
  if (trouble !== undefined) return trouble;
  if (building === undefined) {
    const now = { over: Promise.resolve(), step: "" };
    building = now;
    onState({ state: "building", step: "" });
    const onStep = (step: string) => {
      now.step = step;
      onState({ state: "building", step });
    };
    now.over = ensureImage(say, choice, onStep)
      .then(() => onState({ state: "ready" }))
      .catch((error: unknown) => {
        if (!(error instanceof Error)) throw error;
        failed = error.message; // whatever it is: nobody waits for it who could hear of it otherwise
        onState({ state: "failed", why: error.message });
        say(error.message);
      })
      .finally(() => {
        building = undefined;
      });
  }
  const step = building.step === "" ? "" : ` (${building.step})`;
  return `the sandbox's image is being built${step}, once, which takes some minutes: start it again then`;
}

/** Whether nothing has to be built. What is wrong with a person's own image is told by whoever builds. */
async function isReady({ image, dockerfile: file }: ImageChoice): Promise<boolean> {
  if (!(await hasImage(IMAGE))) return false;
  try {
    return file === undefined ? true : await hasImage(ownBuild(file).image);
  } catch (error) {
    if (error instanceof StartError) return image !== undefined; // to be told by the build that fails
    throw error;
  }
}

/** Ends and removes a container; false where it may still be there. */
export async function removeContainer(name: string): Promise<boolean> {
  for (const until = performance.now() + REMOVE_MS; ; await Bun.sleep(AGAIN_MS)) {
    const { code, err } = await docker(["rm", "--force", "--volumes", name], REMOVE_MS);
    if (code === 0 || /no such container/i.test(err)) return true;
    if (!/already in progress/i.test(err) || performance.now() > until) return false; // by itself, as its program is over, or by another of us
  }
}

async function docker(
  args: readonly string[],
  ms: number,
): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([dockerPath(), ...args], {
    cwd: "/",
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: ms,
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}
