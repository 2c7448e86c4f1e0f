import { chownSync, lstatSync, mkdirSync, opendirSync, statSync, writeFileSync } from "node:fs";
import { basename, join, posix } from "node:path";
import { StartError } from "../runner/program.ts";

/** Where things are inside the container. */
export const INSIDE = {
  project: "/workspace",
  home: "/home/claude",
  config: "/home/claude/.claude",
  sessions: "/home/claude/.claude/sessions",
  ours: "/run/claude-remote",
} as const;
/** Of a folder that is written to inside so many entries are looked at. */
const ENTRIES = 100;

/** A project's home inside its sandboxes: kept from one to the next, so that a login lasts. Everything in it is written by whatever runs there. */
export interface SandboxHome {
  home: string;
  /** Claude's own folder; its real path, as nothing inside can put another in its place. */
  config: string;
}

/** Where that is kept; `data` is the sandboxes' folder. */
export function sandboxHome(data: string, project: string): SandboxHome {
  const name = basename(project)
    .replaceAll(/[^\w.-]/g, "_")
    .slice(0, 40);
  const dir = join(
    data,
    "homes",
    `${name}-${new Bun.CryptoHasher("sha256").update(project).digest("hex").slice(0, 16)}`,
  );
  return { home: join(dir, "home"), config: join(dir, "claude") };
}

/**
 * Makes what is missing of it. The folders for other mounts are made before anything runs inside, and are mount points in
 * every sandbox, so none of them can be replaced from there.
 */
export function makeHome({ home, config }: SandboxHome, owner: Owner): void {
  mkdirSync(join(home, ".."), { recursive: true, mode: 0o700 });
  for (const dir of [home, config, join(home, ".claude"), join(config, "sessions")]) {
    const made = lstatSync(dir, { throwIfNoEntry: false });
    if (made?.isDirectory()) continue;
    if (made !== undefined)
      throw new StartError(
        `${dir} is no folder: remove ${join(home, "..")}, and the sandbox begins with a new home`,
        126,
      );
    mkdirSync(dir, { mode: 0o700 });
    give(dir, owner);
  }
}

/** Spares a new home Claude's first questions, a login among them, where a token is let in: with these alone it asks for no login. */
export function skipLogin({ config }: SandboxHome, owner: Owner): void {
  const file = join(config, ".claude.json");
  if (lstatSync(file, { throwIfNoEntry: false }) !== undefined) return;
  writeFileSync(file, JSON.stringify({ hasCompletedOnboarding: true }), {
    flag: "wx",
    mode: 0o600,
  });
  give(file, owner);
}

export interface Owner {
  uid: number;
  gid: number;
}

/** Whose programs run inside: the project's owner's where we could be anybody, otherwise our own. */
export function ownerOf(project: string): Owner {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  return uid === 0 ? statSync(project) : { uid, gid };
}

/** Gives a folder that we have just made to whoever works inside. */
export function give(dir: string, { uid, gid }: Owner): void {
  if (process.getuid?.() === 0) chownSync(dir, uid, gid);
}

/** A path inside as it is out here, whether or not anything is there. */
export function pathOutside(path: string, project: string, { home, config }: SandboxHome): string {
  const plain = posix.normalize(path);
  for (const [inside, outside] of [
    [INSIDE.project, project],
    [INSIDE.config, config],
    [INSIDE.home, home],
  ] as const) {
    if (plain === inside) return outside;
    if (plain.startsWith(`${inside}/`)) return outside + plain.slice(inside.length);
  }
  return path;
}

/** The pid, inside, of the first claude that has written a status file there. */
export function firstSession(dir: string): number | undefined {
  const pids: number[] = [];
  try {
    const folder = opendirSync(dir);
    try {
      for (let read = 0; read < ENTRIES; read++) {
        const name = folder.readSync()?.name;
        if (name === undefined) break;
        if (/^\d{1,8}\.json$/.test(name)) pids.push(Number.parseInt(name, 10));
      }
    } finally {
      folder.closeSync();
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error; // whoever is in there can take the right to read it away
  }
  return pids.length === 0 ? undefined : Math.min(...pids);
}
