import { randomNonce } from "../auth.ts";
import type { FromRunner, FromServer } from "../types.ts";
import type { Socket } from "./sockets.ts";

/** What runners say when they were asked. */
export type Said = Extract<FromRunner, { type: "decided" | "typed" | "started" | "found" }>;
/** Nobody is there to be asked, or the answer never came. */
export type Lost = "away" | "unknown";

/** So many questions to one socket may wait. */
const WAITING = 50;

export type Questions = ReturnType<typeof openQuestions>;

/** What runners were asked and have not answered yet. */
export function openQuestions(send: (socket: Socket, message: FromServer) => void) {
  const asked = new Map<string, { socket: Socket; settle: (answer: Said | "unknown") => void }>();

  return {
    /** Asks over a socket; nothing is kept beyond so many ms, or for one that has gone. */
    ask(
      socket: Socket | undefined,
      question: (id: string) => FromServer,
      ms: number,
    ): Promise<Said | Lost> {
      if (socket === undefined) return Promise.resolve("away");
      if ([...asked.values()].filter((other) => other.socket === socket).length >= WAITING)
        return Promise.resolve("unknown");
      const id = `q_${randomNonce()}`;
      return new Promise((resolve) => {
        const settle = (answer: Said | "unknown") => {
          clearTimeout(timer);
          asked.delete(id);
          resolve(answer);
        };
        const timer = setTimeout(() => settle("unknown"), ms);
        asked.set(id, { socket, settle });
        send(socket, question(id));
      });
    },

    /** An answer; one that this socket was not asked for is nothing. */
    answer(socket: Socket, id: string, said: Said): void {
      const waiting = asked.get(id);
      if (waiting?.socket === socket) waiting.settle(said);
    },

    /** A socket has gone, and will not answer. */
    gone(socket: Socket): void {
      for (const waiting of [...asked.values()])
        if (waiting.socket === socket) waiting.settle("unknown");
    },
  };
}
