import * as v from "valibot";
import { LIMITS } from "../types.ts";
import { InputQueue, type Outcome } from "../viewer/input-queue.ts";
import { type Client, RequestError } from "./client.ts";
import type { Typed } from "./keys.ts";

/** With the server or the machine away what was sent is tried again after this long, in ms. */
const RETRY_MS = 500;
const TOO_MUCH = "Too much at once: some of what was pasted or typed was dropped.";
const Applied = v.object({ applied: v.number() });

export interface TypingEvents {
  /** How it fares, in words; empty where all is well again. */
  onState(words: string): void;
  /** What was typed was refused, as a question is open. */
  onAsked(): void;
}

/** What is typed in this terminal to a session. Nothing is given back to the person: what was not taken is dropped, and that is told. */
export function openTyping(client: Client, session: string, { onState, onAsked }: TypingEvents) {
  const send = (request: object): Promise<Outcome> =>
    client.call(Applied, "POST", `/api/sessions/${session}/input`, request).then(
      () => ({ kind: "applied" }),
      (error: unknown) => {
        if (!(error instanceof RequestError)) throw error;
        const { status, code, message } = error;
        return status === 0 || status === 503
          ? { kind: "away", message }
          : { kind: "refused", code, message };
      },
    );
  const queue = new InputQueue({
    send,
    retryMs: RETRY_MS,
    onState,
    onReturned(_, failure) {
      if (failure?.kind === "away")
        return onState("What was typed did not arrive in 30 s, and was dropped.");
      const asked = failure?.code === "asked";
      onState(asked || failure === undefined ? "" : `Not typed: ${failure.message}`);
      if (asked) onAsked();
    },
  });
  let pasted = ""; // the parts of a paste so far
  let dropped = false; // it was too long

  const paste = (text: string, more: boolean) => {
    dropped ||= queue.waiting + pasted.length + text.length > LIMITS.pasteChars;
    pasted = dropped ? "" : pasted + text;
    if (more) return;
    // nothing is sent off with what is pasted here: Enter is a key of its own, pressed by somebody who sees what stands there
    if (dropped) onState(TOO_MUCH);
    else if (pasted !== "") queue.type({ text: pasted, shell: true, paste: true });
    pasted = "";
    dropped = false;
  };

  return {
    typed(typed: Typed): void {
      if (typed.kind === "key") queue.press(typed.key);
      else if (typed.kind === "paste") paste(typed.text, typed.more === true);
      else if (queue.waiting + typed.text.length > LIMITS.pasteChars) onState(TOO_MUCH);
      else queue.write(typed.text);
    },

    /** Resolves once all is sent, or after so many ms. */
    settle: (ms: number) => queue.settle(ms),
  };
}
