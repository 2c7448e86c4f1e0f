import * as v from "valibot";
import { randomNonce } from "../auth.ts";
import { type InputRequest, LIMITS } from "../types.ts";
import { type Client, RequestError } from "./client.ts";
import type { Typed } from "./keys.ts";

/** What has not arrived after this long is dropped: it was meant for what stood there then, in ms. */
const GIVE_UP_MS = 30_000;
/** With the server or the machine away what was sent is tried again after this long, in ms. */
const RETRY_MS = 500;
/** Text of one input, in UTF-16 units: it fits a request, whatever it is. */
const TEXT_CHARS = 16 * 1024;
/** What may wait in all, in UTF-16 units; what comes beyond is dropped, and that is told. */
const WAITING_CHARS = 1024 * 1024;
/** Turns of the wheel in one input: what comes faster than it travels is left out. */
const TURNS = 20;

type Input = Omit<v.InferOutput<typeof InputRequest>, "stream" | "seq">;
const Applied = v.object({ applied: v.number() });

export interface TypingEvents {
  /** How it fares, in words; empty where all is well again. */
  onState(words: string): void;
  /** What was typed was refused, as a question is open. */
  onAsked(): void;
}

/** What is typed to a session: one request at a time, with all that came meanwhile in the next, each numbered so that it arrives in order and once. */
export function openTyping(client: Client, session: string, { onState, onAsked }: TypingEvents) {
  const queue: Input[] = [];
  let stream = randomNonce();
  let seq = 1;
  let sending: Promise<void> | undefined;
  let waiting = 0; // UTF-16 units of text in the queue

  const drop = (words: string) => {
    queue.length = waiting = 0;
    // whether the last arrived may be unknown: its number is never used for another
    stream = randomNonce();
    seq = 1;
    onState(words);
  };

  const pump = async () => {
    let since = performance.now();
    let told = false;
    try {
      for (let input = queue[0]; input !== undefined; input = queue[0]) {
        try {
          await client.call(Applied, "POST", `/api/sessions/${session}/input`, {
            stream,
            seq,
            ...input,
          });
          seq++;
          since = performance.now();
          queue.shift();
          waiting -= input.text?.length ?? 0;
          if (told) onState("");
          told = false;
        } catch (error) {
          if (!(error instanceof RequestError)) throw error;
          if (error.code === "asked") {
            drop("");
            onAsked();
          } else if (error.status !== 0 && error.status !== 503)
            drop(`Not typed: ${error.message}`);
          else if (performance.now() - since < GIVE_UP_MS) {
            onState("Not sent yet: the connection is away.");
            told = true;
            await Bun.sleep(RETRY_MS);
          } else drop("What was typed did not arrive in 30 s, and was dropped.");
        }
      }
    } finally {
      sending = undefined; // also after an exception of our own: what is typed next is sent
    }
  };

  const add = (input: Input) => {
    queue.push(input);
    waiting += input.text?.length ?? 0;
    sending ??= pump();
  };

  return {
    typed(typed: Typed): void {
      // the first is on its way
      const last = queue.length > 1 ? queue.at(-1) : undefined;
      if (typed.kind === "key") {
        const pressed = last?.keys ?? [];
        if (
          typed.key.startsWith("Wheel") &&
          pressed.length >= TURNS &&
          pressed.at(-1)?.startsWith("Wheel") === true
        )
          return;
        if (last === undefined || pressed.length >= LIMITS.keys) add({ keys: [typed.key] });
        else if (
          typed.key === "Enter" &&
          last.keys === undefined &&
          last.enter === undefined &&
          last.paste !== true
        )
          last.enter = true;
        else last.keys = [...pressed, typed.key];
        return;
      }
      if (waiting + typed.text.length > WAITING_CHARS)
        return onState("Too much at once: some of what was pasted or typed was dropped.");
      // nothing is sent off with what is pasted or written here: Enter is a key of its own, pressed by somebody who sees what stands there
      const paste = typed.kind === "paste" ? { paste: true } : {};
      for (let at = 0; at < typed.text.length; ) {
        let end = at + TEXT_CHARS;
        if (/[\ud800-\udbff]/.test(typed.text.charAt(end - 1))) end++;
        const text = typed.text.slice(at, end);
        at = end;
        const open = queue.length > 1 ? queue.at(-1) : undefined;
        if (
          open?.text !== undefined &&
          typed.kind === "text" &&
          !open.paste &&
          !open.enter &&
          !open.keys &&
          open.text.length + text.length <= TEXT_CHARS
        ) {
          open.text += text;
          waiting += text.length;
        } else add({ text, shell: true, ...paste });
      }
    },

    /** Resolves once all is sent, or after so many ms. */
    async settle(ms: number): Promise<void> {
      await Promise.race([sending, Bun.sleep(ms)]);
    },
  };
}
