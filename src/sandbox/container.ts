import { availableParallelism } from "node:os";
import { join } from "node:path";
import { IMAGE } from "./engine.ts";
import { INSIDE, type Owner, type SandboxHome } from "./home.ts";
import type { Guarded } from "./project.ts";

/** What a sandbox may use: memory (no swap), processors, processes, open files of one process, room in /tmp. */
const LIMITS = { memory: "4g", cpus: 2, pids: 512, files: 4096, tmp: "512m" };
/** Local port of the way out; the hooks' one is the listener's own, so that their address is the same in and out. */
export const PROXY_PORT = 61_080;
/** Keys that leave a container alone: docker holds the first one back until the next comes, so it is one that nobody types. */
const DETACH_KEYS = "ctrl-^,ctrl-_,ctrl-^,ctrl-_,ctrl-^";
/** What a program needs to know of the terminal that it draws on. */
const TERMINAL = ["TERM", "COLORTERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TZ"];

export interface Container {
  name: string;
  /** What it runs in; ours where none is given. */
  image?: string;
  project: string;
  guarded: readonly Guarded[];
  home: SandboxHome;
  /** With sockets, settings and the program that goes before the wrapped one. */
  ours: string;
  /** For the status file of this session's claude. */
  status: string;
  owner: Owner;
  /** Whose commits are made inside, as git's own settings. */
  identity?: Record<string, string>;
  /** What stands for the `.git` of a project that has none, where one may be made. */
  repository?: string | undefined;
  /** Variables that a person lets in, by name. */
  pass: readonly string[];
  /** Where the hooks' listener is; 0 where there is none. */
  hooks: number;
  tty: boolean;
  program: readonly string[];
}

/** The docker command's arguments. Values of variables are never among them, but for our own, which are no secrets. */
export function containerArgs({
  name,
  image = IMAGE,
  project,
  guarded,
  home,
  ours,
  status,
  owner,
  identity = {},
  repository,
  pass,
  hooks,
  tty,
  program,
}: Container): string[] {
  const proxy = `http://127.0.0.1:${PROXY_PORT}`;
  const own = {
    HOME: INSIDE.home,
    CLAUDE_CONFIG_DIR: INSIDE.config,
    LANG: "C.UTF-8",
    CLAUDE_CODE_FULL_SIGN_IN_LINK: "1", // as outside: the phone is shown the whole link
    CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: "1", // claude would ask for github.com at each start
    // not what looks for a lock in a repository that can't be written to
    GIT_OPTIONAL_LOCKS: "0",
    ...gitSettings({ "core.excludesFile": `${INSIDE.ours}/ignore`, ...identity }),
    ...Object.fromEntries(
      ["HTTP_PROXY", "HTTPS_PROXY"].flatMap((variable) => both(variable, proxy)),
    ),
    ...Object.fromEntries(both("NO_PROXY", "127.0.0.1")),
    // docker would fill in what the user's own settings say of proxies
    ...Object.fromEntries(["ALL_PROXY", "FTP_PROXY"].flatMap((variable) => both(variable, ""))),
  };
  return [
    ...[
      "run",
      "--rm",
      "--interactive",
      ...(tty ? ["--tty"] : []),
      "--pull",
      "never",
      // nothing that an image brings along runs before the filter, or beside it
      "--entrypoint",
      "",
      "--no-healthcheck",
      "--log-driver",
      "none",
      "--detach-keys",
      DETACH_KEYS,
    ],
    ...[
      "--name",
      name,
      "--hostname",
      "sandbox",
      "--label",
      "claude-remote",
      "--label",
      `claude-remote.wrapper=${process.pid}`,
      "--user",
      `${owner.uid}:${owner.gid}`,
    ],
    ...[
      "--cap-drop",
      "ALL",
      "--security-opt",
      "no-new-privileges",
      "--read-only",
      "--ipc",
      "private",
      "--network",
      "none",
    ],
    // executable: claude unpacks libraries of its own there; what could be run from it could be run from the home as well
    ...["--tmpfs", `/tmp:rw,exec,nosuid,nodev,size=${LIMITS.tmp}`],
    ...[
      "--memory",
      LIMITS.memory,
      "--memory-swap",
      LIMITS.memory,
      "--cpus",
      String(Math.min(LIMITS.cpus, availableParallelism())),
      "--pids-limit",
      String(LIMITS.pids),
    ],
    ...[
      "--ulimit",
      `nofile=${LIMITS.files}:${LIMITS.files}`,
      "--ulimit",
      "core=0:0",
      "--workdir",
      INSIDE.project,
    ],
    ...mount(project, INSIDE.project, false),
    ...guarded.flatMap(({ path, writable }) =>
      path === ".git" && repository !== undefined
        ? mount(repository, `${INSIDE.project}/.git`, false)
        : mount(join(project, path), `${INSIDE.project}/${path}`, writable !== true),
    ),
    ...mount(home.home, INSIDE.home, false),
    ...mount(home.config, INSIDE.config, false),
    ...mount(status, INSIDE.sessions, false),
    ...mount(ours, INSIDE.ours, true),
    ...[...TERMINAL, ...pass].flatMap((variable) => ["--env", variable]),
    ...Object.entries(own).flatMap(([variable, value]) => ["--env", `${variable}=${value}`]),
    // an init of our own instead of the engine's, as nothing is to run inside without the filter
    ...[
      image,
      "perl",
      `${INSIDE.ours}/filter.pl`,
      "tini",
      "--",
      "node",
      `${INSIDE.ours}/inside.mjs`,
      String(PROXY_PORT),
      String(hooks),
      ...program,
    ],
  ];
}

/** Settings for git, as variables. */
function gitSettings(settings: Record<string, string>): Record<string, string> {
  const all = Object.entries(settings);
  return {
    GIT_CONFIG_COUNT: String(all.length),
    ...Object.fromEntries(
      all.flatMap(([key, value], n) => [
        [`GIT_CONFIG_KEY_${n}`, key],
        [`GIT_CONFIG_VALUE_${n}`, value],
      ]),
    ),
  };
}

const both = (variable: string, value: string): [string, string][] => [
  [variable, value],
  [variable.toLowerCase(), value],
];

/** A bind mount, in the quoted form in which any path can be said; docker makes nothing where there is no source. */
function mount(source: string, target: string, readonly: boolean): string[] {
  const fields = [
    "type=bind",
    `source=${source}`,
    `target=${target}`,
    ...(readonly ? ["readonly"] : []),
  ];
  return ["--mount", fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(",")];
}
