import { SQLiteError } from "bun:sqlite";
import { isOpen, type Prompt, type SessionSummary } from "../types.ts";
import {
  answeredMessage,
  endedMessage,
  noticeMessage,
  pairedMessage,
  postageOf,
  promptMessage,
} from "./messages.ts";
import type { Prompts } from "./prompts.ts";
import type { Later, Push } from "./push.ts";
import type { Sessions } from "./sessions.ts";
import type { Stores } from "./stores.ts";

/** What is answered at the desk within this time makes no sound on the phone, in ms. */
const QUIET_MS = 10_000;

export type Notice = "finished" | "waiting" | "error" | "working";
export type Alerts = ReturnType<typeof openAlerts>;

/** Decides what phones are told, and when. Whoever has the page open is told all the same: a socket that stands is nobody who looks. */
export function openAlerts({
  stores,
  prompts,
  sessions,
  push,
  later,
}: {
  stores: Stores;
  prompts: Prompts;
  sessions: Sessions;
  push: Push;
  later: Later;
}) {
  const pending = new Map<string, () => void>(); // prompt or session → takes it back
  const toldFinished = new Set<string>(); // sessions whose turn was told to be over
  const { waiting } = prompts;
  const isTold = ({ id, session }: { id: string; session: string }) =>
    stores.of(session).query("SELECT 1 FROM pushed_prompts WHERE prompt_id = ?").get(id) !== null;
  stores.disk.run("DELETE FROM pushed_prompts WHERE prompt_id NOT IN (SELECT id FROM prompts)");

  const cancel = (id: string) => {
    pending.get(id)?.();
    pending.delete(id);
  };
  const afterQuiet = (id: string, act: () => void) => {
    const undo = later(QUIET_MS, () => {
      pending.delete(id);
      act();
    });
    pending.set(id, undo);
  };

  const remember = ({ id, session }: Prompt) => {
    try {
      stores
        .of(session)
        .query("INSERT OR IGNORE INTO pushed_prompts (prompt_id) VALUES (?)")
        .run(id);
    } catch (error) {
      if (!(error instanceof SQLiteError)) throw error; // with a full disk it is told all the same
    }
  };
  const ask = (id: string) => {
    const prompt = prompts.get(id);
    // a machine that is away can't take the answer; it is told when it is back
    if (
      prompt === undefined ||
      !isOpen(prompt) ||
      sessions.get(prompt.session)?.status !== "running"
    )
      return;
    remember(prompt);
    push.send("prompt", postageOf("prompt", id), ({ approve }) =>
      promptMessage(prompt, waiting(), approve),
    );
  };

  const waits = (prompt: { id: string; session: string }) => {
    if (!pending.has(prompt.id) && !isTold(prompt)) afterQuiet(prompt.id, () => ask(prompt.id));
  };

  return {
    /** A prompt as it is now. */
    prompt(prompt: Prompt): void {
      const { id } = prompt;
      if (isOpen(prompt)) return waits(prompt);
      cancel(id);
      if (
        stores.of(prompt.session).query("DELETE FROM pushed_prompts WHERE prompt_id = ?").run(id)
          .changes === 0
      )
        return;
      // the device that answered has seen that it did
      push.send(
        "prompt",
        { ...postageOf("prompt", id), urgency: "normal" },
        () => answeredMessage(prompt, waiting()),
        prompt.answer?.device,
      );
    },

    /** A session as it is now. */
    session(session: SessionSummary): void {
      if (session.status === "running" && session.pending > 0)
        for (const prompt of prompts.waitingOf(session.id)) waits(prompt);
      if (session.status !== "ended") return;
      cancel(session.id);
      toldFinished.delete(session.id);
      push.send("ended", postageOf("ended", session.id), () => endedMessage(session, waiting()));
    },

    /** What a runner says about a session's turn. */
    notice(id: string, kind: Notice, text: string): void {
      cancel(id);
      if (kind === "working") return void toldFinished.delete(id);
      afterQuiet(id, () => {
        const session = sessions.get(id);
        if (session === undefined || session.status === "ended") return;
        const again = kind === "waiting" && toldFinished.has(id);
        toldFinished.add(id);
        push.send(kind, postageOf(kind, id), ({ off }) =>
          noticeMessage(kind, session, text, waiting(), again && !off.includes("finished")),
        );
      });
    },

    /** Somebody was let in: all others are told. */
    paired(device: { id: string; name: string; kind: string }): void {
      push.send(
        "paired",
        postageOf("paired", device.id),
        () => pairedMessage(device, waiting()),
        device.id,
      );
    },

    close(): void {
      for (const id of [...pending.keys()]) cancel(id);
    },
  };
}
