import { join, resolve } from "node:path";
import { SELF } from "../test/support/home.ts";
import { startHomeServer } from "../test/support/home-server.ts";
import type { Phone } from "../test/support/phone.ts";
import { processesIn } from "../test/support/runner.ts";
import { until } from "../test/support/until.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

/** How long what a session still has to store may take, in ms. */
const STORE_MS = 120_000;

/** A program in a terminal, wrapped, with its session as phones know it. */
export interface Wrapped extends Terminal {
  session: string;
}

/** What a wrapper from source can be made to load before itself, and its environment. */
export interface Inside {
  preload: string;
  env: Record<string, string>;
}

/** A home with a server, a phone and this machine paired, and the bare web terminal beside it: all processes of their own. */
export interface Place {
  dir: string;
  phone: Phone;
  serverPid: number;
  /** The reference for what goes over the network: see `bare-web.ts`. */
  web: { origin: string; pid: number };
  /** A shell's script in a terminal, bare. */
  bare(script: string): Terminal;
  /** The same, wrapped, or claude-remote with these arguments; resolves once the server knows the session. */
  wrapped(script: string, more?: Inside): Promise<Wrapped>;
  claudeRemote(args: readonly string[], env?: Record<string, string>): Promise<Wrapped>;
  /** A program on Bun, without a terminal. */
  bun(file: string, env: Record<string, string>): Bun.Subprocess;
  /** The command that wraps a script. */
  command(script: string): string[];
  env: Record<string, string | undefined>;
  /** Waits until nothing of sessions that have ended is still being stored. */
  quiet(): Promise<void>;
  /** What else is to be ended with it, and what is ended before. */
  alsoClose(end: () => Promise<void>): void;
  closeEarly(end: () => Promise<void>): Promise<void>;
  /** Ends everything, and removes the home. */
  close(): Promise<void>;
}

export async function openPlace(): Promise<Place> {
  const server = await startHomeServer();
  const { phone } = server;
  const { env, dir } = server.home;
  const cwd = join(dir, "work");
  const web = Bun.spawn([process.execPath, resolve(import.meta.dir, "bare-web.ts")], {
    env,
    cwd,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const terminals = new Set<Terminal>();
  const others = new Set<() => Promise<void>>();
  let closing: Promise<void> | undefined;

  const open = (argv: readonly string[], more: Record<string, string> = {}) => {
    const terminal = openTerminal(argv, { env: { ...env, ...more }, cwd });
    terminals.add(terminal);
    void terminal.exited.then(() => terminals.delete(terminal));
    return terminal;
  };
  const running = async () =>
    (await phone.sessions()).filter(({ status }) => status === "running").map(({ id }) => id);
  const withPreload = ([bun = "", ...args]: string[], preload: string) => [
    bun,
    "--preload",
    preload,
    ...args,
  ];
  const command = (script: string) => [...SELF, "run", "--command", "sh", "--", "-c", script];
  const withSession = async (start: () => Terminal): Promise<Wrapped> => {
    const before = await running();
    const terminal = start();
    const session = await until(
      "the server knows the session",
      async () => (await running()).find((id) => !before.includes(id)),
      20_000,
    );
    return { ...terminal, session };
  };

  const [line = ""] = new TextDecoder()
    .decode((await web.stdout.getReader().read()).value)
    .split("\n");
  return {
    dir,
    phone,
    serverPid: server.process().pid,
    web: { origin: `http://127.0.0.1:${line}`, pid: web.pid },
    env,
    command,
    bare: (script) => open(["sh", "-c", script]),
    wrapped: (script, inside) =>
      withSession(() =>
        open(
          inside === undefined ? command(script) : withPreload(command(script), inside.preload),
          inside?.env,
        ),
      ),
    bun: (file, more) =>
      Bun.spawn([process.execPath, file], {
        env: { ...env, ...more },
        cwd,
        stdin: "ignore",
        stdout: "ignore",
        stderr: "inherit",
      }),
    claudeRemote: (args, more) => withSession(() => open([...SELF, ...args], more)),
    quiet: async () =>
      void (await until(
        "all is stored",
        () => !processesIn(server).some((line) => line.includes("__deliver")),
        STORE_MS,
      )),
    alsoClose: (end) => void others.add(end),
    closeEarly: (end) => (others.delete(end) ? end() : Promise.resolve()),
    close: () => (closing ??= close()),
  };

  async function close(): Promise<void> {
    await Promise.all([
      ...[...terminals].map((terminal) => terminal.close()),
      ...[...others].map((end) => end()),
    ]);
    web.kill();
    await web.exited;
    const left = () => processesIn(server).map((line) => Number.parseInt(line, 10));
    const strays = left().filter((pid) => pid !== server.process().pid);
    for (const pid of strays) process.kill(pid, "SIGKILL"); // with our own home in their environment: nobody else's
    await server.stop();
  }
}
