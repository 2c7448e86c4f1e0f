import { readdirSync, readFileSync } from "node:fs";
import * as v from "valibot";
import { RunnerInfo, Started } from "../../src/types.ts";
import { SELF } from "./home.ts";
import type { HomeServer } from "./home-server.ts";
import { until } from "./until.ts";

/** `claude-remote runner` as a process of its own. */
export interface Runner {
  process: Bun.Subprocess;
  /** What it has said on stderr. */
  said(): string;
  end(signal?: NodeJS.Signals): Promise<number>;
}

const Runners = v.object({ runners: v.array(RunnerInfo) });
export const runners = async ({ phone }: HomeServer) =>
  (await phone.get(Runners, "GET", "/api/runners")).runners;

/** Starts one, and resolves once the server shows it. */
export async function startRunner(
  server: HomeServer,
  roots: string[],
  env: Record<string, string | undefined> = {},
): Promise<Runner> {
  const runner = spawnRunner(server, roots, env);
  await until(
    "the runner is there",
    async () => {
      if (runner.process.exitCode !== null)
        throw new Error(`the runner has ended: ${runner.said()}`);
      return (
        runner.said().includes("connected to") &&
        (await runners(server)).some(({ online }) => online)
      );
    },
    20_000,
  );
  return runner;
}

export function spawnRunner(
  server: Pick<HomeServer, "home">,
  roots: string[],
  env: Record<string, string | undefined> = {},
  through: string[] = [],
): Runner {
  const child = Bun.spawn(
    [...through, ...SELF, "runner", ...roots.flatMap((root) => ["--root", root])],
    {
      env: { ...server.home.env, ...env },
      cwd: server.home.dir,
      stdin: "ignore",
      stdout: "inherit",
      stderr: "pipe",
    },
  );
  let said = "";
  void (async () => {
    for await (const chunk of child.stderr) said += new TextDecoder().decode(chunk);
  })();
  return {
    process: child,
    said: () => said,
    end(signal = "SIGTERM") {
      child.kill(signal);
      return child.exited;
    },
  };
}

/** Has a session started from the phone; resolves with its id. */
export async function startSession(server: HomeServer, request: object): Promise<string> {
  const [runner] = await runners(server);
  return (await server.phone.get(Started, "POST", `/api/runners/${runner?.id}/sessions`, request))
    .session;
}

/** Every process below this home, as Linux tells: whatever has the home in its environment. */
export function processesIn({ home }: Pick<HomeServer, "home">): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      if (
        !/^\d+$/.test(pid) ||
        !readFileSync(`/proc/${pid}/environ`, "utf8").includes(`HOME=${home.dir}\0`)
      )
        return [];
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      if (/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2))) return [];
      return [
        `${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()}`,
      ];
    } catch (error) {
      if (error instanceof Error && "code" in error) return []; // gone meanwhile
      throw error;
    }
  });
}
