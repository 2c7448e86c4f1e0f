import { write as writeBehind, writeSync } from "node:fs";

/** After this long without progress a full descriptor is tried on a timer instead of every turn of the loop, in ms. */
const EAGER_MS = 8;
const RETRY_MS = 5;
/**
 * So much is given to a thread at once, in bytes: more while that is soon written, less while it takes long, as a thread tells of no
 * progress before all of it is written.
 */
const THREAD_BYTES = 16 * 1024;
const LEAST_THREAD_BYTES = 1024;
const SOON_MS = 20;
const LONG_MS = 200;

/** Writes to a non-blocking descriptor, in order; what it does not take at once waits here. */
export interface DescriptorWriter {
  write(bytes: Uint8Array): void;
  /** Bytes that wait. */
  readonly waiting: number;
  /** Bytes that were taken, of all that was written. */
  readonly taken: number;
  /** Calls back once nothing waits any more. */
  whenDrained(callback: () => void): void;
  /** Forgets what waits, but for what is already with a thread. */
  skip(): void;
  /** Forgets what waits, and whatever is written from now on. */
  stop(): void;
}

/**
 * `blocking`: the same file, opened once more in the ordinary way. What `fd` does not take at once a thread writes there, which sleeps
 * until there is room; without it `fd` is tried again and again, which in a flood takes more time than all else.
 */
export function openWriter(fd: number, blocking?: number): DescriptorWriter {
  const queue: Uint8Array[] = [];
  let waiting = 0;
  let stopped = false;
  let taken = 0;
  let inThreadBytes = 0;
  let threadBytes = LEAST_THREAD_BYTES * 4;
  let lastProgress = 0;
  let drained: (() => void)[] = [];
  let room: Uint8Array | undefined; // for what the thread writes: one of its own, as each would be garbage of the same size

  const stop = () => {
    stopped = true;
    queue.length = waiting = 0;
  };
  const took = (bytes: number) => {
    waiting -= bytes;
    taken += bytes;
    for (let chunk = queue[0]; bytes > 0 && chunk !== undefined; chunk = queue[0]) {
      if (bytes < chunk.length) queue[0] = chunk.subarray(bytes);
      else queue.shift();
      bytes -= chunk.length;
    }
  };
  const flush = () => {
    for (let chunk = queue[0]; chunk !== undefined; chunk = queue[0]) {
      const written = outcome(() => writeSync(fd, chunk));
      if (written === "gone") stop();
      else {
        took(written);
        if (written > 0) lastProgress = performance.now();
        if (written === chunk.length) continue;
        if (blocking !== undefined) return inThread(blocking);
        if (written > 0) continue;
        if (performance.now() - lastProgress < EAGER_MS) setImmediate(flush);
        else setTimeout(flush, RETRY_MS);
        return;
      }
    }
    const callbacks = drained;
    drained = [];
    for (const callback of callbacks) callback();
  };
  const inThread = (to: number) => {
    room ??= new Uint8Array(THREAD_BYTES);
    const bytes = fill(room.subarray(0, threadBytes), queue);
    inThreadBytes = bytes.length;
    const began = performance.now();
    writeBehind(to, bytes, (error, count) => {
      if (stopped) return;
      inThreadBytes = 0;
      const written = outcome(() => {
        if (error) throw error;
        return count;
      });
      if (written === "gone") stop();
      else took(written);
      const ms = performance.now() - began;
      if (ms < SOON_MS) threadBytes = Math.min(THREAD_BYTES, threadBytes * 2);
      if (ms > LONG_MS) threadBytes = Math.max(LEAST_THREAD_BYTES, threadBytes / 4);
      if (queue.length > 0) inThread(to);
      else flush();
    });
  };

  return {
    get waiting() {
      return waiting;
    },
    write(bytes) {
      if (stopped || bytes.length === 0) return;
      queue.push(bytes);
      waiting += bytes.length;
      if (queue.length === 1) flush();
    },
    get taken() {
      return taken;
    },
    skip() {
      const withThread = fill(new Uint8Array(inThreadBytes), queue);
      queue.length = 0;
      if (withThread.length > 0) queue.push(withThread);
      waiting = withThread.length;
    },
    whenDrained(callback) {
      if (queue.length === 0) callback();
      else drained.push(callback);
    },
    stop,
  };
}

/** Copies the bytes that wait longest, as many as there is room for. */
function fill(room: Uint8Array, queue: readonly Uint8Array[]): Uint8Array {
  let filled = 0;
  for (const chunk of queue) {
    const part = chunk.subarray(0, room.length - filled);
    room.set(part, filled);
    filled += part.length;
    if (filled === room.length) break;
  }
  return room.subarray(0, filled);
}

/** Bytes taken, 0 where the descriptor is full, or `gone` where the other side was closed. */
function outcome(write: () => number): number | "gone" {
  try {
    return write();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EAGAIN" || code === "EINTR") return 0;
    if (code === "EIO" || code === "EBADF" || code === "ENXIO") return "gone";
    throw error;
  }
}
