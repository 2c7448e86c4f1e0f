import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  openSync,
  statfsSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseError } from "../db.ts";
import { describeError, type Log } from "./log.ts";

/** So much of the disk is held for what is small, and given up in such parts, in bytes. */
const RESERVE_BYTES = 4 * 1024 * 1024;
const PART_BYTES = 256 * 1024;
/** A full disk is looked at this often, in ms. */
const LOOK_MS = 5000;

export type Room = ReturnType<typeof openRoom>;

/** Whether a write failed for want of room. */
export function isNoRoom(error: unknown): boolean {
  if (error instanceof DatabaseError) return isNoRoom(error.cause);
  return (
    error instanceof Error &&
    "code" in error &&
    /^(SQLITE_(FULL|IOERR)|ENOSPC$|EDQUOT$)/.test(String(error.code))
  );
}

/**
 * The room on the server's disk. A file of noise (zeros take no room on some disks) holds the last of it, so that with a full disk what is small and waited for
 * is still written: prompts, decisions, the audit, who was let in, how a session ended. What is much (history, conversations,
 * screens, the search's index) waits until there is room again; runners keep it meanwhile.
 */
export function openRoom(data: string, log: Log) {
  const file = join(data, "reserve");
  let tell: (full: boolean) => void = () => undefined;
  let timer: ReturnType<typeof setInterval> | undefined;

  const held = () => (existsSync(file) ? statSync(file).size : 0);
  /** Fills the reserve up; false where there is no room for it, and as much again. */
  const hold = (): boolean => {
    if (held() === RESERVE_BYTES && timer === undefined) return true;
    const { bavail, bsize } = statfsSync(data);
    if (bavail * bsize < 2 * RESERVE_BYTES - held()) return false;
    const fd = openSync(file, "a", 0o600);
    try {
      for (let size = held(); size < RESERVE_BYTES; )
        size += writeSync(fd, randomBytes(Math.min(PART_BYTES, RESERVE_BYTES - size)));
      return true;
    } catch (error) {
      if (isNoRoom(error)) return false;
      throw error;
    } finally {
      closeSync(fd);
    }
  };

  const become = (full: boolean, error?: unknown) => {
    if (full === (timer !== undefined)) return;
    clearInterval(timer);
    timer = full ? setInterval(() => hold() && become(false), LOOK_MS) : undefined;
    timer?.unref();
    if (full)
      log("error", "disk_full", {
        error: error === undefined ? undefined : describeError(error),
        means: "history waits with the runners until there is room",
      });
    else log("info", "disk_has_room");
    tell(full);
  };

  /** Gives up a part of the reserve; false where nothing is left of it. */
  const spend = (): boolean => {
    const size = held();
    if (size > 0) truncateSync(file, Math.max(0, size - PART_BYTES));
    return size > 0;
  };

  if (!hold()) {
    become(true);
    spend(); // the start itself writes
  }
  return {
    /** Whether what is much may be written. */
    get full() {
      return timer !== undefined;
    },

    /** Runs a write that is small, at the reserve's cost where it has to be. It may begin anew after half of it was done. */
    small<T>(write: () => T): T {
      for (;;) {
        try {
          return write();
        } catch (error) {
          if (!isNoRoom(error)) throw error;
          become(true, error);
          if (!spend()) throw error;
        }
      }
    },

    /** A write has failed: for want of room? */
    failed(error: unknown): void {
      if (isNoRoom(error)) become(true, error);
    },

    /** Calls back when it has become full, and when there is room again. */
    watch(listener: (full: boolean) => void): void {
      tell = listener;
    },

    close: () => clearInterval(timer),
  };
}
