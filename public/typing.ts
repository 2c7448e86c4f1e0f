import * as v from "valibot";
import { type Failure, type Input, InputQueue, type Outcome } from "../src/viewer/input-queue.ts";
import { call, RequestError } from "./api.ts";
import type { Identity } from "./keys.ts";

export type { Input } from "../src/viewer/input-queue.ts";

/** With the server away what was sent is tried again after this long, in ms. */
const RETRY_MS = 1500;
const Applied = v.object({ applied: v.number() });

export interface TypingEvents {
  /** How it fares, in words; empty where all is well. */
  onState(words: string): void;
  /** It has arrived; `late` where it was given back before that was known. */
  onArrived(input: Input, late: boolean): void;
  /** These were not taken. */
  onReturned(inputs: Input[]): void;
}

/** What is typed on the page to a session. */
export function openTyping(identity: Identity, session: string, events: TypingEvents): InputQueue {
  const send = (request: object): Promise<Outcome> =>
    call(identity, Applied, "POST", `/api/sessions/${session}/input`, request).then(
      () => ({ kind: "applied" }),
      (error: unknown) => {
        if (!(error instanceof RequestError)) throw error;
        const { status, code, message } = error;
        return status === 0 || status === 503
          ? { kind: "away", message }
          : { kind: "refused", code, message };
      },
    );
  return new InputQueue({
    send,
    retryMs: RETRY_MS,
    onState: events.onState,
    confirmShell: () => confirm("This runs as a shell command, without a question first. Run it?"),
    onArrived(input, late) {
      events.onArrived(input, late);
      events.onState("");
    },
    onReturned(inputs, failure) {
      events.onReturned(inputs);
      if (failure !== undefined) events.onState(wordsFor(inputs[0], failure));
    },
  });
}

/** Why something was not taken. */
function wordsFor(input: Input | undefined, failure: Failure): string {
  if (input?.secret === true)
    return failure.kind === "away"
      ? "No answer came: the password may or may not have arrived. Look at the screen before you type it again."
      : `The password was not sent: ${failure.message}`;
  return failure.kind === "refused" && failure.code === "shell" ? "" : failure.message;
}
