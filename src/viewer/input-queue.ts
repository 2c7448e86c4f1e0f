import type * as v from "valibot";
import { randomNonce } from "../auth.ts";
import { type InputRequest, LIMITS } from "../types.ts";

/** Text of one request, in UTF-16 units. A longer text goes in parts, which the program gets as one. */
const PART_CHARS = 16 * 1024;
/** What has not arrived after this long is given back: it was meant for what the screen showed then, in ms. */
const GIVE_UP_MS = 30_000;
/** Turns of the wheel in one input. More of them are left out. */
const TURNS = 20;

type Request = v.InferOutput<typeof InputRequest>;

/** Something typed. Its text may be longer than one request takes. A `secret` is sent once: it is not tried again, as another program may ask by then. */
export type Input = Omit<Request, "stream" | "seq" | "more"> & { secret?: boolean };

/** What became of a request. `away`: it did not arrive, or nobody knows whether it did. */
export type Outcome =
  | { kind: "applied" }
  | { kind: "away"; message: string }
  | { kind: "refused"; code: string; message: string };
export type Failure = Exclude<Outcome, { kind: "applied" }>;

export interface InputQueueOptions {
  send(request: Request): Promise<Outcome>;
  /** With the server or the machine away it is tried again after this long, in ms. */
  retryMs: number;
  /** How it fares, in words; empty where all is well again. */
  onState(words: string): void;
  /** All of it arrived; `late`: the queue was closed before that was known. */
  onArrived?(input: Input, late: boolean): void;
  /** These were not taken. Without a failure the queue was closed. */
  onReturned(inputs: Input[], failure: Failure | undefined): void;
  /** Whether text that begins with `!` is meant to run as a shell command. */
  confirmShell?(): boolean;
}

/** Where a part of `text` that begins at `from` ends. A pair of surrogates stays together. */
export function partEnd(text: string, from: number): number {
  const end = from + PART_CHARS;
  return /[\ud800-\udbff]/.test(text.charAt(end - 1)) ? end + 1 : end;
}

const isWheel = (key: string | undefined) => key?.startsWith("Wheel") === true;

/** What is typed to a session: one request at a time, each with a number that it keeps until it is known to have arrived, so that all arrives in order and once. */
export class InputQueue {
  /** The first is on its way. */
  readonly #queue: Input[] = [];
  readonly #options: InputQueueOptions;
  #stream = randomNonce();
  #seq = 1;
  /** How much of the first's text has arrived, in UTF-16 units. */
  #arrived = 0;
  #sending: Promise<void> | undefined;

  constructor(options: InputQueueOptions) {
    this.#options = options;
  }

  /** Text that waits, in UTF-16 units. */
  get waiting(): number {
    return this.#queue.reduce((sum, { text = "" }) => sum + text.length, 0);
  }

  /** Sends an input as it is. */
  type(input: Input): void {
    this.#queue.push(input);
    // also after an exception of our own: what is typed next is sent
    this.#sending ??= this.#pump().finally(() => (this.#sending = undefined));
  }

  /** Text from a keyboard: goes along with what waits. Enter is a key of its own, pressed by somebody who sees what stands there, so no `!` needs a question. */
  write(text: string): void {
    const last = this.#last;
    const joins =
      last?.text !== undefined &&
      last.paste !== true &&
      last.enter !== true &&
      last.secret !== true &&
      last.keys === undefined;
    if (joins && last.text !== undefined) last.text += text;
    else this.type({ text, shell: true });
  }

  /** Keys go along with what waits. */
  press(...keys: string[]): void {
    for (let at = 0; at < keys.length; at++) {
      const last = this.#last;
      if (last === undefined || (last.keys?.length ?? 0) >= LIMITS.keys) {
        const many = isWheel(keys[at]) ? TURNS : LIMITS.keys;
        this.type({ keys: keys.slice(at, at + many) });
        at += many - 1;
        continue;
      }
      const key = keys[at] ?? "";
      const pressed = last.keys ?? [];
      if (isWheel(key) && pressed.length >= TURNS && isWheel(pressed.at(-1))) continue;
      const sends = last.text !== undefined && last.keys === undefined && last.enter === undefined;
      if (key === "Enter" && sends && last.paste !== true) last.enter = true;
      else last.keys = [...pressed, key];
    }
  }

  /** Nothing is sent any more. What has not arrived is given back. */
  close(): void {
    this.#options.onReturned(this.#queue.splice(0), undefined);
  }

  /** Resolves once all is sent, or after so many ms. */
  async settle(ms: number): Promise<void> {
    await Promise.race([this.#sending, sleep(ms)]);
  }

  /** What waits last and is not on its way yet. */
  get #last(): Input | undefined {
    return this.#queue.length > 1 ? this.#queue.at(-1) : undefined;
  }

  /** The next request of an input: its last part brings Enter and the keys along. */
  #request({ text, paste, enter, keys, shell }: Input): Request {
    const place = { stream: this.#stream, seq: this.#seq };
    const part = {
      ...(paste === undefined ? {} : { paste }),
      ...(shell === undefined ? {} : { shell }),
    };
    const end = partEnd(text ?? "", this.#arrived);
    if (text !== undefined && end < text.length)
      return { ...place, text: text.slice(this.#arrived, end), ...part, more: true };
    return {
      ...place,
      ...(text === undefined ? {} : { text: text.slice(this.#arrived) }),
      ...part,
      ...(enter === undefined ? {} : { enter }),
      ...(keys === undefined ? {} : { keys }),
    };
  }

  async #pump(): Promise<void> {
    let since = performance.now();
    let waits = false;
    for (let input = this.#queue[0]; input !== undefined; input = this.#queue[0]) {
      const request = this.#request(input);
      const outcome = await this.#options.send(request);
      const late = this.#queue[0] !== input; // closed meanwhile
      if (outcome.kind === "applied") {
        this.#seq++;
        since = performance.now();
        if (waits) this.#options.onState("");
        waits = false;
        if (request.more !== true) {
          this.#arrived = 0;
          if (!late) this.#queue.shift();
          this.#options.onArrived?.(input, late);
        } else if (late) this.#restart();
        else this.#arrived += request.text?.length ?? 0;
      } else if (late) this.#restart();
      else if (
        outcome.kind === "refused" &&
        outcome.code === "shell" &&
        this.#options.confirmShell?.() === true
      )
        this.#queue[0] = { ...input, shell: true };
      else if (
        outcome.kind === "away" &&
        input.secret !== true &&
        performance.now() - since < GIVE_UP_MS
      ) {
        this.#options.onState("Not sent yet: the connection is away.");
        waits = true;
        await sleep(this.#options.retryMs);
      } else {
        this.#restart();
        since = performance.now();
        waits = false;
        this.#options.onReturned(this.#queue.splice(0), outcome); // what came after was meant to come after this
      }
    }
  }

  /** What was sent last may have arrived after all, or may still do so: its number is not used for anything else. */
  #restart(): void {
    this.#stream = randomNonce();
    this.#seq = 1;
    this.#arrived = 0;
  }
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
