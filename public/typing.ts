import * as v from "valibot";
import { randomNonce } from "../src/auth.ts";
import type { InputRequest } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import type { Identity } from "./keys.ts";

/** What has not arrived after this long is given back: it was meant for what stood there then, in ms. */
const GIVE_UP_MS = 30_000;
/** With the server away what was sent is tried again after this long, in ms. */
const RETRY_MS = 1500;
/** Turns of the wheel that go along in one input: what comes faster than it travels is left out. */
const TURNS = 20;

export type Input = Omit<v.InferOutput<typeof InputRequest>, "stream" | "seq">;
const Applied = v.object({ applied: v.number() });

export interface TypingEvents {
  /** How it fares, in words; empty where all is well. */
  onState(words: string): void;
  /** It has arrived; `late` where it was given back before that was known. */
  onArrived(input: Input, late: boolean): void;
  /** These were not taken. */
  onReturned(inputs: Input[]): void;
}

export type Typing = ReturnType<typeof openTyping>;

/** What is typed to a session: sent one after the other, each with a number that it keeps until it is known to have arrived, so that it arrives in order and once. */
export function openTyping(identity: Identity, session: string, events: TypingEvents) {
  let stream = randomNonce();
  const queue: Input[] = [];
  let seq = 1;
  let sending = false;
  let since = 0; // when the first that waits began to, in ms

  const pump = async () => {
    if (sending) return;
    sending = true;
    try {
      for (let input = queue[0]; input !== undefined; input = queue[0]) {
        if (since === 0) since = performance.now();
        try {
          await call(identity, Applied, "POST", `/api/sessions/${session}/input`, {
            stream,
            seq,
            ...input,
          });
          seq++;
          since = 0;
          const late = queue[0] !== input; // closed meanwhile
          if (!late) queue.shift();
          events.onArrived(input, late);
          events.onState("");
        } catch (error) {
          if (!(error instanceof RequestError)) throw error;
          if (queue[0] !== input) break;
          if (
            error.code === "shell" &&
            confirm("This runs as a shell command, without a question first. Run it?")
          ) {
            queue[0] = { ...input, shell: true };
          } else if (
            (error.status === 0 || error.status === 503) &&
            performance.now() - since < GIVE_UP_MS
          ) {
            events.onState("Not sent yet: the connection is away.");
            await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
          } else {
            since = 0;
            [stream, seq] = [randomNonce(), 1]; // it may have arrived after all, or do so still: the next must not be taken for it
            events.onReturned(queue.splice(0)); // what came after was meant to come after this
            events.onState(error.code === "shell" ? "" : error.message);
          }
        }
      }
    } finally {
      sending = false; // also after an exception of our own: what is typed next is sent
    }
  };

  return {
    type(input: Input): void {
      queue.push(input);
      void pump();
    },

    /** Turns the program's own wheel. */
    turn(up: boolean, steps: number): void {
      const key = up ? "WheelUp" : "WheelDown";
      const last = queue.length > 1 ? queue.at(-1) : undefined; // the first is on its way
      if (last?.keys?.[0] === key)
        last.keys.push(
          ...Array<string>(Math.max(0, Math.min(steps, TURNS - last.keys.length))).fill(key),
        );
      else this.type({ keys: Array<string>(Math.min(steps, TURNS)).fill(key) });
    },

    /** Nothing is sent any more: what has not arrived is given back, not something that fires later. */
    close(): void {
      events.onReturned(queue.splice(0));
    },
  };
}
