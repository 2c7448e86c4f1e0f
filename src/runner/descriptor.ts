import { writeSync } from "node:fs";

/** After this long without progress a full descriptor is tried on a timer instead of every turn of the loop, in ms. */
const EAGER_MS = 8;
const RETRY_MS = 5;

/** Writes to a non-blocking descriptor, in order; what it does not take at once waits here. */
export interface DescriptorWriter {
  write(bytes: Uint8Array): void;
  /** Bytes that wait. */
  readonly waiting: number;
  /** Calls back once nothing waits any more. */
  whenDrained(callback: () => void): void;
  /** Forgets what waits, and whatever is written from now on. */
  stop(): void;
}

export function openWriter(fd: number): DescriptorWriter {
  const queue: Uint8Array[] = [];
  let waiting = 0;
  let stopped = false;
  let lastProgress = 0;
  let drained: (() => void)[] = [];

  const stop = () => {
    stopped = true;
    queue.length = waiting = 0;
  };
  const flush = () => {
    for (let chunk = queue[0]; chunk !== undefined; chunk = queue[0]) {
      const taken = tryWrite(fd, chunk);
      if (taken === "gone") stop();
      else if (taken === 0) {
        if (performance.now() - lastProgress < EAGER_MS) setImmediate(flush);
        else setTimeout(flush, RETRY_MS);
        return;
      } else {
        lastProgress = performance.now();
        waiting -= taken;
        if (taken === chunk.length) queue.shift();
        else queue[0] = chunk.subarray(taken);
      }
    }
    const callbacks = drained;
    drained = [];
    for (const callback of callbacks) callback();
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
    whenDrained(callback) {
      if (queue.length === 0) callback();
      else drained.push(callback);
    },
    stop,
  };
}

/** Bytes taken, 0 where the descriptor is full, or `gone` where the other side was closed. */
function tryWrite(fd: number, chunk: Uint8Array): number | "gone" {
  try {
    return writeSync(fd, chunk);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EAGAIN" || code === "EINTR") return 0;
    if (code === "EIO" || code === "EBADF" || code === "ENXIO") return "gone";
    throw error;
  }
}
