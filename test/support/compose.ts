import { resolve } from "node:path";

const root = resolve(import.meta.dir, "../..");

/** Why nothing can be tried in containers here; undefined where it can. An engine is whatever `docker` finds, by DOCKER_HOST or its own socket. */
export function lacksEngine(images: readonly string[]): string | undefined {
  const run = (...argv: string[]) =>
    Bun.which(argv[0] ?? "") === null
      ? undefined
      : Bun.spawnSync(argv, { stdout: "pipe", stderr: "pipe", timeout: 20_000 });
  if (run("docker", "version", "--format", "{{.Server.Version}}")?.exitCode !== 0)
    return "no Docker engine answers";
  const missing = images.filter(
    (image) => run("docker", "image", "inspect", image)?.exitCode !== 0,
  );
  if (missing.length > 0) return `the engine has no ${missing.join(", ")}`;
  return composeCommand() === undefined
    ? "neither docker compose nor docker-compose is installed"
    : undefined;
}

function composeCommand(): string[] | undefined {
  const v2 = ["docker", "compose"];
  if (Bun.spawnSync([...v2, "version"], { stdout: "ignore", stderr: "ignore" }).exitCode === 0)
    return v2;
  return Bun.which("docker-compose") === null ? undefined : ["docker-compose"];
}

/** compose.yml as a project of its own; the environment says how. */
export function openProject(name: string, env: Record<string, string>) {
  const spawn = async (argv: string[], stdin: Blob = new Blob([])) => {
    const { PATH, HOME, DOCKER_HOST } = process.env;
    const child = Bun.spawn(argv, {
      cwd: root,
      env: { PATH, HOME, DOCKER_HOST, ...env },
      stdin,
      stdout: "pipe",
      stderr: "pipe",
    });
    const [code, bytes, err] = await Promise.all([
      child.exited,
      new Response(child.stdout).bytes(),
      new Response(child.stderr).text(),
    ]);
    return { code, bytes, out: new TextDecoder().decode(bytes).trim(), err };
  };
  const strictly = async (argv: string[], stdin?: Blob) => {
    const result = await spawn(argv, stdin);
    if (result.code !== 0)
      throw new Error(`${argv.join(" ")}: ${result.code}\n${result.out}\n${result.err}`);
    return result;
  };
  return {
    env,
    compose: (argv: string[], stdin?: Blob) =>
      strictly([...(composeCommand() ?? []), "-p", name, ...argv], stdin),
    docker: (...argv: string[]) => strictly(["docker", ...argv]),
    /** Runs it whether or not it works. */
    tries: (argv: string[]) => spawn([...(composeCommand() ?? []), "-p", name, ...argv]),
    async logs(service: string): Promise<string> {
      return (
        await strictly([...(composeCommand() ?? []), "-p", name, "logs", "--no-color", service])
      ).out;
    },
    /** The id of a service's container. */
    async container(service: string): Promise<string> {
      return (await strictly([...(composeCommand() ?? []), "-p", name, "ps", "-q", service])).out;
    },
  };
}
