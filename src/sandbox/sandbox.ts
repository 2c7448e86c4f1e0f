import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomNonce } from "../auth.ts";
import { TOKEN_VARIABLE } from "../runner/hooks.ts";
import { ownCommand, StartError } from "../runner/program.ts";
import type { Program } from "../runner/wrap.ts";
import { allowList } from "./allow-list.ts";
import { containerArgs } from "./container.ts";
import { listen, listenForEgress, passOn } from "./egress.ts";
import { dockerPath, ensureImage, type ImageChoice, sandboxTrouble } from "./engine.ts";
import filter from "./filter.pl" with { type: "text" };
import { identityOf, isInRepository } from "./git.ts";
import {
  firstSession,
  give,
  INSIDE,
  makeHome,
  ownerOf,
  pathOutside,
  sandboxHome,
  skipLogin,
} from "./home.ts";
import inside from "./inside.mjs" with { type: "text" };
import { takeRepository } from "./new-repository.ts";
import { guarded, isWithin, makePlaceholders, missing, projectFolder } from "./project.ts";
import {
  alone,
  clearAway,
  overlapping,
  type Record,
  readRecords,
  sweep,
  unguarded,
  writeRecord,
} from "./records.ts";
import { SandboxReport } from "./report.ts";

/** What a person chose to let into a sandbox. */
export interface SandboxChoice extends ImageChoice {
  /** The repository may be written to, but for where git takes programs from. */
  git: boolean;
  /** Environment variables, by name. */
  pass: readonly string[];
  /** Places that may be reached besides Claude's own: `HOST` or `HOST:PORT`. */
  hosts: readonly string[];
}

export interface SandboxOptions extends SandboxChoice {
  /** The sandboxes' own folder. */
  data: string;
  /** Folders that must not come into a sandbox: not within the project, and `within`: nor the project within them. */
  keepOut: { holds: readonly string[]; within: readonly string[] };
  /** The program has a terminal. */
  tty: boolean;
  /** Told what takes long. */
  say(text: string): void;
}

/** A container to be, for one session. */
export interface Sandbox {
  /** Claude's own folder and that of its status files, as they are out here. */
  readonly configDir: string;
  readonly statusDir: string;
  /** Writes claude's settings down; the answer is where claude finds them. */
  settings(text: string): string;
  /** The pid of this session's claude, as its status file is named. */
  program(): number | undefined;
  /** A path inside as it is out here. */
  outside(path: string): string;
  /** The docker command that runs a program in here; `hooks` is the port of their listener. */
  enclose(program: Program, hooks?: number): Program;
  /** Whether the program came to be started at all. */
  readonly begun: boolean;
  /** What people are to hear of it. */
  readonly report: SandboxReport;
  /** Ends whatever still runs, and leaves nothing behind. */
  end(): Promise<void>;
}

/** Hooks' connections, and those of whoever passes on and waits for our end: the program's parent alone. */
const HOOK_CONNECTIONS = 64;
const ALIVE_CONNECTIONS = 4;
/** Variables that are a login. */
const LOGIN: ReadonlySet<string> = new Set(["CLAUDE_CODE_OAUTH_TOKEN"]);
/** A shell that waits on a pipe, and takes the sandbox away where this process dies without a word. */
const GUARD = `trap '' INT QUIT TERM HUP; read -r word; [ "$word" = done ] && exit 0; exec "$@" </dev/null`;

/** Makes everything ready for a container around a project. Throws a `StartError` that says why there can be none. */
export async function openSandbox(
  cwd: string,
  { git, pass, hosts, image, dockerfile, data, keepOut, tty, say }: SandboxOptions,
): Promise<Sandbox> {
  const list = allowed(hosts);
  const misnamed = pass.find((name) => !/^[A-Za-z_]\w*$/.test(name));
  if (misnamed !== undefined)
    throw new StartError(
      `${misnamed} is no name of a variable: its value is taken from the environment, and never said`,
      126,
    );
  const trouble = await sandboxTrouble();
  if (trouble !== undefined) throw new StartError(trouble, 126);
  const project = projectFolder(cwd, {
    holds: [...keepOut.holds, tmpdir()],
    within: [...keepOut.within, data],
  });
  if (
    dockerfile !== undefined &&
    existsSync(dockerfile) &&
    isWithin(realpathSync(dockerfile), project)
  )
    throw new StartError(
      `${dockerfile} lies in the project, where it could be changed from inside: put the sandbox's Dockerfile elsewhere`,
      126,
    );
  const built = await ensureImage(say, { image, dockerfile });
  for (const name of pass)
    if (process.env[name] === undefined)
      say(`${name} is not set here, so nothing of that name is passed`);

  const owner = ownerOf(project);
  const name = `claude-remote-${randomNonce()
    .replaceAll(/[^a-z0-9]/gi, "")
    .toLowerCase()
    .slice(0, 16)}`;
  const dir = mkdtempSync(join(tmpdir(), "claude-remote-")); // 0700: nobody else gets to the sockets in it
  const guard = Bun.spawn(
    ["/bin/sh", "-c", GUARD, "claude-remote", ...ownCommand(), "__sweep", data],
    {
      cwd: "/",
      detached: true,
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
    },
  );
  guard.unref();
  const home = sandboxHome(data, project);
  let all: ReturnType<typeof guarded> = [];
  const { record, forget } = await alone(data, async () => {
    await sweep(data);
    const { live, left } = readRecords(data);
    const running = [...live, ...left]; // what could not be swept may still run
    const other = overlapping(project, running);
    if (other !== undefined)
      throw new StartError(
        `a sandbox runs in ${other.project}, which this folder shares: end it first`,
        126,
      );
    all = guarded(project, git);
    const loose = unguarded(project, all, running);
    if (loose !== undefined)
      throw new StartError(
        `a sandbox that runs in ${project} may write to ${loose.path}, which is to be guarded now: end it first`,
        126,
      );
    const shared = running
      .filter((record) => record.project === project)
      .flatMap(({ placeholders }) => placeholders.map(({ path }) => path));
    const absent = missing(project, all);
    const placeholders = all
      .filter((part) => absent.includes(part) || shared.includes(part.path))
      .map(({ path, otherwise }) => ({ path, otherwise }));
    const record: Record = {
      name,
      project,
      dir,
      guarded: all.map(({ path, writable = false }) => ({ path, writable })),
      placeholders,
    };
    const forget = writeRecord(data, record);
    try {
      makeHome(home, owner);
      if (pass.some((name) => LOGIN.has(name) && process.env[name] !== undefined))
        skipLogin(home, owner);
      makePlaceholders(project, absent);
    } catch (error) {
      if (await clearAway(record, running)) forget();
      throw error;
    }
    return { record, forget };
  }).catch((error: unknown) => {
    rmSync(dir, { recursive: true, force: true });
    guard.stdin.end();
    throw error;
  });

  const report = new SandboxReport(project);
  const [ours, status] = [join(dir, "in"), join(dir, "status")];
  for (const folder of [ours, status]) mkdirSync(folder);
  chmodSync(ours, 0o755);
  give(status, owner);
  // git could not begin a repository in a folder that can't be written to
  const repository = git && !isInRepository(project) ? join(dir, "git") : undefined;
  if (repository !== undefined) {
    mkdirSync(repository, { mode: 0o755 });
    give(repository, owner);
  }
  const write = (name: string, text: string) => {
    writeFileSync(join(ours, name), text);
    chmodSync(join(ours, name), 0o644); // another user may be at work in there
    return `${INSIDE.ours}/${name}`;
  };
  write("filter.pl", filter);
  write("inside.mjs", inside);
  // what stands in the project for us alone is nothing to be committed
  write("ignore", record.placeholders.map(({ path }) => `/${path}\n`).join(""));
  let hooksPort = 0;
  const servers: Server[] = [];
  let begun = false;
  const bound = async (socket: string, open: (path: string) => Promise<Server>) => {
    servers.push(await open(join(ours, socket)));
    chmodSync(join(ours, socket), 0o666);
  };
  const takeOver = () => {
    if (repository === undefined) return;
    try {
      const outcome = takeRepository(repository, project, owner);
      if (outcome === "taken")
        say(`the repository that was made in the sandbox is ${join(project, ".git")} now`);
      if (outcome === "refused")
        say(`the repository that was made in the sandbox is given up: ${project} has another`);
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      say(`the repository that was made in the sandbox could not be kept: ${error.message}`);
    }
  };
  const end = async () => {
    for (const server of servers) server.close();
    await alone(data, async () => {
      const { live } = readRecords(data);
      const others = live.filter((other) => other.name !== name);
      if (await clearAway(record, others, takeOver)) forget();
      else
        say(
          `docker did not remove the container ${name}: the next sandbox here tries again, or you do: docker rm --force ${name}`,
        );
    });
    guard.stdin.write("done\n");
    guard.stdin.end();
  };
  try {
    await bound("proxy.sock", (path) =>
      listenForEgress(path, list, { onRefused: (place) => report.refuse(place) }),
    );
    await bound("hooks.sock", (path) => passOn(path, HOOK_CONNECTIONS, () => hooksPort));
    await bound("alive.sock", (path) =>
      listen(path, ALIVE_CONNECTIONS, (client) => {
        begun = true;
        client.resume();
      }),
    );
  } catch (error) {
    await end();
    throw error;
  }
  return {
    configDir: home.config,
    statusDir: status,
    report,
    settings: (text) => write("settings.json", text),
    program: () => firstSession(status),
    outside: (path) => pathOutside(path, project, home),
    enclose(program, hooks = 0) {
      hooksPort = hooks;
      if (!program.hooks || hooks === 0) report.asked(); // nobody would tell when it is
      const passed = hooks === 0 ? pass : [...pass, TOKEN_VARIABLE];
      const inner = [program.command, ...(program.before ?? []), ...program.args];
      const args = containerArgs({
        name,
        image: built,
        project,
        guarded: all,
        home,
        ours,
        status,
        owner,
        identity: git ? identityOf(project) : {},
        repository,
        pass: passed,
        hooks,
        tty,
        program: inner,
      });
      return { ...program, command: dockerPath(), before: [], args, cwd: "/" };
    },
    get begun() {
      return begun;
    },
    end,
  };
}

function allowed(hosts: readonly string[]) {
  try {
    return allowList(hosts);
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error), 126);
  }
}
