import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from "node:fs";

/**
 * Reading what a program beside us may replace at any time. No link is followed at the path's end, no pipe waited for, and with
 * `real`, the path as it was once resolved, the descriptor itself must lead there still: a folder on the way could have become a
 * link (Linux; elsewhere there is no sandbox, and whoever writes the file is our own user).
 */

/** A plain file's size; undefined where there is none, or it is not to be trusted. */
export function fileSize(path: string, real?: string): number | undefined {
  return withFile(path, real, (fd) => fstatSync(fd).size);
}

/** So many of its bytes, fewer at its end; none where it can't be read. */
export function readFileAt(path: string, at: number, bytes: number, real?: string): Buffer {
  const read = withFile(path, real, (fd) => {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readSync(fd, buffer, 0, bytes, at));
  });
  return read ?? Buffer.alloc(0);
}

function withFile<T>(
  path: string,
  real: string | undefined,
  use: (fd: number) => T,
): T | undefined {
  try {
    const fd = openSync(
      path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
    try {
      const trusted =
        real === undefined ||
        process.platform !== "linux" ||
        readlinkSync(`/proc/self/fd/${fd}`) === real;
      return trusted && fstatSync(fd).isFile() ? use(fd) : undefined;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined; // removed, a link, or not for us
    throw error;
  }
}
