import { existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** What the operating system refused, by the path that it is about, and what to do. */
export function explainSystemError(error: Error): string {
  const code = "code" in error ? String(error.code) : "";
  const path = "path" in error && typeof error.path === "string" ? error.path : undefined;
  if (path === undefined) return error.message;
  switch (code) {
    case "EACCES":
    case "EPERM":
      return `${path} can't be used: ${denial(path)}`;
    case "EROFS":
      return `${path} can't be written: it is on a read-only file system`;
    case "ENOSPC":
    case "EDQUOT":
      return `${path} can't be written: the disk is full`;
    case "ENOENT":
      return `${path} does not exist`;
    case "ENOTDIR":
      return `${path} can't be used: something on the way to it is no folder`;
    case "EISDIR":
      return `${path} is a folder, not a file`;
    default:
      return error.message;
  }
}

/** Why this user is refused a path: whose it is, with what mode, and the command that gives it away. */
export function denial(path: string): string {
  const own = process.getuid?.() ?? 0;
  const there = reachable(resolve(path));
  const { uid, gid, mode } = statSync(there);
  if (uid !== own)
    return `${there} belongs to uid ${uid}, and this runs as uid ${own}; \`chown -R ${own}:${process.getgid?.() ?? own} ${there}\` (of a bind mount: on the container's host) gives it to this user`;
  const rights = (mode & 0o7777).toString(8);
  return `the mode of ${there} is ${rights} (uid ${uid}, gid ${gid}); \`chmod u+rwX ${there}\` changes that`;
}

/** The path itself, or the folder nearest to it of which anything can be told. */
function reachable(path: string): string {
  return existsSync(path) || path === "/" ? path : reachable(dirname(path));
}
