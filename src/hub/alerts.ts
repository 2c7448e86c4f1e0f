import { SQLiteError } from "bun:sqlite";
import { isOpen, type Prompt, type SessionSummary } from "../types.ts";
import {
  answeredMessage,
  endedMessage,
  imageMessage,
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

/** A turn that is over while commands go on in the background may go on by itself: its sound waits for so long, and longer where one was heard of them, in ms. */
const HELD_MS = 30_000;
const HELD_AGAIN_MS = 120_000;

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
  const known = new Map<string, Set<string>>(); // session → what was told, with a sound, to go on in the background
  const before = new Map<string, Set<string>>(); // session → what of that was known when somebody last asked for something
  const { waiting } = prompts;
  const isTold = ({ id, session }: { id: string; session: string }) =>
    stores.of(session).query("SELECT 1 FROM pushed_prompts WHERE prompt_id = ?").get(id) !== null;
  stores.disk.run("DELETE FROM pushed_prompts WHERE prompt_id NOT IN (SELECT id FROM prompts)");

  const cancel = (id: string) => {
    pending.get(id)?.();
    pending.delete(id);
  };
  const afterQuiet = (id: string, act: () => void, ms = QUIET_MS) => {
    const undo = later(ms, () => {
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
      if (!isTold(prompt)) return;
      // of what is not known yet there is more to tell
      if (prompt.why !== "unknown")
        stores.of(prompt.session).query("DELETE FROM pushed_prompts WHERE prompt_id = ?").run(id);
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
      known.delete(session.id);
      before.delete(session.id);
      push.send("ended", postageOf("ended", session.id), () => endedMessage(session, waiting()));
    },

    /** What a runner says about a session's turn: with one sound, once nothing goes on that was begun in it, or has gone on for long. */
    notice(
      id: string,
      kind: Notice,
      text: string,
      {
        running = [],
        woken = false,
      }: { running?: string[] | undefined; woken?: boolean | undefined } = {},
    ): void {
      cancel(id);
      if (kind === "working") return void toldFinished.delete(id);
      const tell = (quiet: boolean) => {
        const session = sessions.get(id);
        if (session === undefined || session.status === "ended") return;
        const again = kind === "waiting" && toldFinished.has(id);
        if (!quiet) {
          toldFinished.add(id);
          if (kind === "finished") known.set(id, new Set(running));
        }
        push.send(kind, postageOf(kind, id), ({ off }) =>
          noticeMessage(
            kind,
            session,
            text,
            waiting(),
            quiet || (again && !off.includes("finished")),
            running,
          ),
        );
      };
      const isIn = (told: Map<string, Set<string>>) =>
        running.every((task) => told.get(id)?.has(task) === true);
      if (!woken) before.set(id, known.get(id) ?? new Set());
      // whoever asked for something else wants to hear of that, whatever has long been running
      if (kind !== "finished" || isIn(before)) return afterQuiet(id, () => tell(false));
      const held = isIn(known) ? HELD_AGAIN_MS : HELD_MS;
      afterQuiet(id, () => {
        tell(true);
        afterQuiet(id, () => tell(false), held - QUIET_MS);
      });
    },

    /** Whoever wanted a sandbox was told to wait for its image: that is over. */
    image(device: { id: string; name: string }, built: boolean): void {
      const kind = built ? "finished" : "error";
      push.send(kind, postageOf(kind, device.id), () => imageMessage(device, built, waiting()));
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
