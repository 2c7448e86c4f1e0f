import { closeSync } from "node:fs";
import { type DescriptorWriter, openWriter } from "./descriptor.ts";
import {
  duplicateNonBlocking,
  hidesInput,
  masterDescriptors,
  redirectToEnd,
  setWindowSize,
} from "./libc.ts";
import type { Pty } from "./pty.ts";

/**
 * bun-pty's library reads the master side in a thread of its own, into a queue without bound, and hands out no descriptor. On
 * Linux we take the master over: we keep a copy of its descriptor and make the library's own lead to an end,
 * where its thread stops. From then on Bun's event loop reads. That wakes up for output alone, and where nobody
 * reads, the kernel holds the program back by itself: nothing is polled, buffered or lost. (`tcflow`, the other way to
 * hold a program back, loses a line end now and then: the kernel's ONLCR ignores that the terminal has just been stopped.)
 */
export interface Master {
  /** Whether the library's thread is gone, so that all output comes to us. */
  isOurs(): boolean;
  readonly writer: DescriptorWriter;
  /** Reads until everything is through: `onEnd` comes after the last byte. */
  read(onData: (bytes: Uint8Array) => void, onEnd: () => void): void;
  pause(): void;
  resume(): void;
  resize(...size: Parameters<Pty["resize"]>): void;
  /** Whether lines are read without being shown. */
  hidesInput(): boolean;
  /** Reads no more: for when somebody else keeps the terminal open after the program ended. */
  stop(): void;
}

/** Reading lets others run after this long, in ms. */
const TURN_MS = 4;

/** Takes the master side of a PTY over from bun-pty; undefined where its descriptors can't be told. */
export function takeMaster(slavePath: string): Master | undefined {
  const libraryOwned = masterDescriptors(slavePath);
  const [first] = libraryOwned;
  if (first === undefined) return undefined;
  const fd = duplicateNonBlocking(first);
  const isRedirected = redirectToEnd(libraryOwned);
  const writer = openWriter(fd);
  let cancel: () => Promise<void> = () => Promise.resolve();
  let resume: (() => void) | undefined;
  let paused: Promise<void> | undefined;
  let stopped = false;
  let closed = false;

  const pump = async (onData: (bytes: Uint8Array) => void) => {
    let turn = performance.now();
    const stream = Bun.file(fd).stream().getReader(); // has a descriptor of its own
    cancel = () => stream.cancel();
    for (;;) {
      await paused;
      const part = await stream.read();
      if (part.done || stopped) return;
      onData(part.value);
      if (performance.now() - turn < TURN_MS) continue;
      await new Promise((done) => setImmediate(done));
      turn = performance.now();
    }
  };

  return {
    // the thread closes its own when it ends; a read that had begun before takes what comes first with it
    isOurs: () => libraryOwned.some((other) => !isRedirected(other)),
    writer,
    read(onData, onEnd) {
      pump(onData)
        .catch((error: unknown) => {
          if (!(error instanceof Error && "code" in error && error.code === "EIO")) throw error; // EIO: the last slave was closed
        })
        .finally(() => {
          stopped = true;
          writer.stop();
          closed = true;
          closeSync(fd);
          onEnd();
        });
    },
    pause() {
      paused ??= new Promise((done) => {
        resume = done;
      });
    },
    resume() {
      paused = undefined;
      resume?.();
    },
    resize: (cols, rows, pixels) => setWindowSize(fd, cols, rows, pixels),
    hidesInput: () => !closed && hidesInput(fd), // closed, its number may be another file's
    stop() {
      if (stopped) return;
      stopped = true;
      void cancel();
    },
  };
}
