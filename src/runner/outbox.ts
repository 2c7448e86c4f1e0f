import { closeSync, fstatSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { HistoryOp, parseJson } from "../types.ts";

/** History that the server has not acknowledged: so much waits in memory, then in a file, then lines are left out, in bytes. */
const MEMORY_BYTES = 1024 * 1024;
const SPOOL_BYTES = 64 * 1024 * 1024;
/** Bytes that may be on their way without an acknowledgement. */
const WINDOW_BYTES = 256 * 1024;
const READ_BYTES = 256 * 1024;

interface Entry {
  seq: number;
  op: HistoryOp;
  bytes: number;
}

export interface Outbox {
  add(op: HistoryOp): void;
  /** Hands over what may be sent now, in order; stops where `send` says false. */
  drain(send: (seq: number, op: HistoryOp) => boolean): void;
  /** The server has stored everything up to `seq`. */
  acknowledged(seq: number): void;
  /** A new connection: whatever comes after `seq` is sent again. */
  resume(seq: number): void;
  readonly isEmpty: boolean;
  /** Number of the oldest operation that can still be sent. */
  readonly first: number;
  /** Lines that had to be left out, as neither memory nor the file could take more. */
  readonly lost: number;
  /** Writes what is not acknowledged to a file, an operation a line, for `openOutbox` of another process. */
  keep(path: string): void;
  close(): void;
}

/** About what an operation takes as JSON, in bytes. */
const sizeOf = (op: HistoryOp) =>
  40 + (op.op === "append" ? op.lines.reduce((sum, line) => sum + line.length + 3, 0) : 0);

const LIMITS = { memory: MEMORY_BYTES, spool: SPOOL_BYTES, window: WINDOW_BYTES };

/**
 * Keeps history operations until they are acknowledged. `spoolPath` (none: nothing is written to disk) is made, readable for us alone, when memory is full; with
 * `first` it is there already, from `keep`, and its operations are numbered from there.
 */
export function openOutbox(spoolPath: string | undefined, limits = LIMITS, first?: number): Outbox {
  const queue: Entry[] = []; // the oldest, in memory
  let queued = 0;
  let sent = 0; // how many of the queue are on their way
  let inFlight = 0;
  let nextSeq = first ?? 1;
  let lost = 0;
  let spool: { fd: number; read: number; written: number; partial: Buffer } | undefined;

  const enqueue = (op: HistoryOp, bytes: number) => {
    queue.push({ seq: nextSeq++, op, bytes });
    queued += bytes;
  };

  const closeSpool = () => {
    if (spool === undefined || spoolPath === undefined) return;
    closeSync(spool.fd);
    if (first === undefined) rmSync(spoolPath, { force: true }); // somebody may have cleaned up
    spool = undefined;
  };

  /** Moves operations from the file into memory while there is room. */
  const refill = () => {
    while (spool !== undefined && queued < limits.memory) {
      const chunk = Buffer.alloc(READ_BYTES);
      const read = readSync(spool.fd, chunk, 0, chunk.length, spool.read);
      if (read === 0) return closeSpool();
      spool.read += read;
      const data = Buffer.concat([spool.partial, chunk.subarray(0, read)]);
      let start = 0;
      for (let end = data.indexOf(10, start); end >= 0; end = data.indexOf(10, start)) {
        const op = parseJson(HistoryOp, data.toString("utf8", start, end));
        if (op !== undefined) enqueue(op, end - start);
        start = end + 1;
      }
      spool.partial = Buffer.from(data.subarray(start));
    }
  };

  if (first !== undefined && spoolPath !== undefined) {
    const fd = openSync(spoolPath, "r+");
    spool = { fd, read: 0, written: fstatSync(fd).size, partial: Buffer.alloc(0) };
    refill();
  }

  const addToSpool = (path: string, op: HistoryOp, line: Buffer): void => {
    try {
      spool ??= { fd: openSync(path, "wx+", 0o600), read: 0, written: 0, partial: Buffer.alloc(0) };
      // what comes after a gap still has to be cut or numbered anew, so only lines are left out
      if (op.op === "append" && spool.written > limits.spool) {
        lost += op.lines.length;
        return;
      }
      spool.written += writeSync(spool.fd, line, 0, line.length, spool.written);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      lost += op.op === "append" ? op.lines.length : 0; // a full disk: the gap will show
    }
  };

  return {
    add(op) {
      if (
        spool === undefined &&
        (queued < limits.memory || (spoolPath === undefined && op.op !== "append"))
      )
        enqueue(op, sizeOf(op));
      else if (spoolPath === undefined) lost += op.op === "append" ? op.lines.length : 0;
      else addToSpool(spoolPath, op, Buffer.from(`${JSON.stringify(op)}\n`));
    },
    drain(send) {
      for (let entry = queue[sent]; entry !== undefined; entry = queue[sent]) {
        if ((sent > 0 && inFlight + entry.bytes > limits.window) || !send(entry.seq, entry.op))
          return;
        sent++;
        inFlight += entry.bytes;
      }
    },
    acknowledged(seq) {
      while (queue[0] !== undefined && queue[0].seq <= seq) {
        const bytes = queue[0].bytes;
        queue.shift();
        queued -= bytes;
        if (sent > 0) {
          sent--;
          inFlight -= bytes;
        }
      }
      refill();
    },
    resume(seq) {
      this.acknowledged(seq);
      sent = inFlight = 0;
    },
    get isEmpty() {
      return queue.length === 0 && spool === undefined;
    },
    get first() {
      return queue[0]?.seq ?? nextSeq;
    },
    get lost() {
      return lost;
    },
    keep(path) {
      const fd = openSync(path, "wx", 0o600);
      for (const { op } of queue) writeSync(fd, `${JSON.stringify(op)}\n`);
      if (spool !== undefined) {
        writeSync(fd, spool.partial);
        const chunk = Buffer.alloc(READ_BYTES);
        for (
          let read = readSync(spool.fd, chunk, 0, chunk.length, spool.read);
          read > 0;
          read = readSync(spool.fd, chunk, 0, chunk.length, spool.read)
        ) {
          spool.read += writeSync(fd, chunk, 0, read);
        }
      }
      closeSync(fd);
    },
    close: closeSpool,
  };
}
