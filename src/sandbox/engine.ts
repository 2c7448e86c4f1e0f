import * as v from "valibot";
import { findProgram, StartError } from "../runner/program.ts";
import { parseJson } from "../types.ts";
import dockerfile from "./Dockerfile" with { type: "text" };

/** How long the engine may take to say how it is, and to remove a container, in ms. */
const ANSWER_MS = 10_000;
const REMOVE_MS = 30_000;
/** One that is being removed is looked for again after so long, in ms. */
const AGAIN_MS = 100;

/** The image's name says what it was built from. */
export const IMAGE = `claude-remote-sandbox:${new Bun.CryptoHasher("sha256").update(dockerfile).digest("hex").slice(0, 12)}`;

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

const hasImage = async () =>
  (await docker(["image", "inspect", "--format", "{{.Id}}", IMAGE], ANSWER_MS)).code === 0;

/** Builds the image unless it is there; `say` is told before that, and docker's own words go to stderr. Throws a `StartError`. */
export async function ensureImage(say: (text: string) => void): Promise<void> {
  if (await hasImage()) return;
  say("building the sandbox's image, which takes some minutes the first time");
  const build = Bun.spawn([dockerPath(), "build", "--tag", IMAGE, "-"], {
    cwd: "/",
    stdin: new TextEncoder().encode(dockerfile),
    stdout: 2,
    stderr: 2,
  });
  const code = await build.exited;
  if (code !== 0)
    throw new StartError(
      `the sandbox's image could not be built (docker's exit code ${code}, its words are above)`,
      126,
    );
}

let building: Promise<void> | undefined;
let failed: string | undefined;

/** Why there is no image as yet, in words for somebody who does not want to wait for it: it is built meanwhile. */
export async function imageTrouble(say: (text: string) => void): Promise<string | undefined> {
  if (building === undefined && (await hasImage())) return undefined;
  const trouble = failed;
  failed = undefined; // told once, and tried again
  if (trouble !== undefined) return trouble;
  building ??= ensureImage(say)
    .catch((error: unknown) => {
      if (!(error instanceof Error)) throw error;
      failed = error.message; // whatever it is: nobody waits for it who could hear of it otherwise
      say(error.message);
    })
    .finally(() => {
      building = undefined;
    });
  return "the sandbox's image is being built, once, which takes some minutes: start it again then";
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
