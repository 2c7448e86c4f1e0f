import { randomNonce, sha256hex } from "../auth.ts";
import {
  type Answer,
  type FromRunner,
  type FromServer,
  isOpen,
  LIMITS,
  type Prompt,
  type View,
  type Withdrawal,
} from "../types.ts";

/** After this long without evidence an answer is unconfirmed, in ms. */
const EVIDENCE_MS = 5000;
const LOOK_EVERY_MS = 50;
/** Settled prompts are remembered, so that a repeated decision gets the same answer. */
const REMEMBERED = 200;
/** Of the room for open prompts, the part that those may take which nothing but an event bears out. */
const DOUBTFUL_SHARE = 0.6;

export type Decide = Extract<FromServer, { type: "decide" }>;
export type DecideResult = Extract<FromRunner, { type: "decided" }>["result"];
/** What is known by now of a decision that was carried out: it was applied, or somebody else's was. */
export type Evidence = boolean | "refuted";
/** A decision was carried out: what it said, for people, and whether there is evidence by now; or it turned out that nothing was asked. */
type Taken =
  | { said?: string | undefined; found: () => Evidence }
  | "dismissed"
  | Exclude<DecideResult, "sent" | "answered">;

/** Whoever asked: Claude by a hook, or the screen. */
export interface Asker {
  /** Carries a decision out, if it fits what was asked. */
  take(decision: Decide): Taken | Promise<Taken>;
  /** No decision comes from here any more. */
  release(): void;
}

/** A prompt with whoever asked it. */
export interface Entry {
  readonly prompt: Prompt;
  readonly view: View;
}

export type Ledger = ReturnType<typeof openLedger>;

/** Whether it may still turn out what became of a prompt. */
export const isUnsettled = (prompt: Prompt): boolean => isOpen(prompt) || prompt.why === "unknown";

/**
 * The prompts of one session, wherever they come from. This side decides what becomes of each: it is claimed once, by whoever
 * is first. `onChange`: something about a prompt is new; `onHurry`: whether it matters now to see quickly what Claude does.
 */
export function openLedger({
  session,
  onChange,
  onHurry,
}: {
  session: string;
  onChange(prompt: Prompt): void;
  onHurry(hurry: boolean): void;
}) {
  type Own = {
    prompt: Prompt;
    readonly view: View;
    asker: Asker | undefined;
    /** Nothing but an event says that Claude asks this. */
    doubtful: boolean;
    carrying: Promise<unknown> | undefined;
  };
  const entries = new Map<string, Own>();
  let ended = false;
  const confirming = new Set<Promise<void>>();

  const opened = () => [...entries.values()].filter(({ prompt }) => isOpen(prompt));
  const hurry = () => onHurry(confirming.size > 0 || opened().length > 0);

  const settle = (entry: Own, state: Prompt["state"], answer?: Answer, why?: Withdrawal) => {
    const { why: _, ...prompt } = entry.prompt;
    entry.prompt = {
      ...prompt,
      state,
      ...(answer === undefined ? {} : { answer }),
      ...(why === undefined ? {} : { why }),
    };
    onChange(entry.prompt);
    hurry();
    for (const [id, old] of entries) {
      if (entries.size <= REMEMBERED) break;
      if (!isOpen(old.prompt)) entries.delete(id);
    }
  };

  const release = (entry: Own) => {
    entry.asker?.release();
    entry.asker = undefined; // what was asked can be large
  };

  const withdraw = (id: string, state: "withdrawn" | "expired", why?: Withdrawal) => {
    const entry = entries.get(id);
    if (entry === undefined || !isUnsettled(entry.prompt)) return;
    if (!isOpen(entry.prompt) && (why === undefined || why === "unknown")) return; // no news
    settle(entry, state, undefined, why);
    release(entry);
  };

  /** Whether there is room for one more view of so many characters. */
  const fits = (chars: number, doubtful: boolean): boolean => {
    const within = (some: readonly Own[], share: number) =>
      some.length < share * LIMITS.openPrompts &&
      some.reduce((sum, { prompt }) => sum + prompt.view.length, chars) <=
        share * LIMITS.viewsChars;
    const all = opened();
    return (
      within(all, 1) &&
      (!doubtful ||
        within(
          all.filter((entry) => entry.doubtful),
          DOUBTFUL_SHARE,
        ))
    );
  };

  /** Sent becomes applied once there is evidence, or unconfirmed. */
  const confirm = async (found: () => Evidence): Promise<Answer["receipt"]> => {
    const until = performance.now() + EVIDENCE_MS;
    while (performance.now() < until && !ended) {
      await Bun.sleep(LOOK_EVERY_MS);
      const evidence = found();
      if (evidence === "refuted") break;
      if (evidence) return "applied";
    }
    return "unconfirmed";
  };

  const conclude = (entry: Own, { action, device, name }: Decide, taken: Taken): DecideResult => {
    if (taken === "dismissed") {
      withdraw(entry.prompt.id, "withdrawn");
      return "sent";
    }
    if (typeof taken === "string") return taken;
    const { said, found } = taken;
    const answer: Answer = {
      by: "viewer",
      device,
      name,
      decision: action,
      at: Date.now(),
      receipt: "sent",
      ...(said === undefined ? {} : { message: said }),
    };
    const confirmed = confirm(found).then((receipt) => {
      confirming.delete(confirmed);
      settle(entry, "answered", { ...answer, receipt });
    });
    confirming.add(confirmed);
    entry.asker = undefined;
    settle(entry, "answered", answer);
    return "sent";
  };

  const decide = (decision: Decide): DecideResult | Promise<DecideResult> => {
    const entry = entries.get(decision.prompt);
    if (entry === undefined) return "gone";
    if (!isOpen(entry.prompt)) return entry.prompt.state === "answered" ? "answered" : "gone";
    if (entry.carrying !== undefined) return entry.carrying.then(() => decide(decision)); // whoever is first
    if (!entry.view.actions.includes(decision.action) && decision.dismiss !== true)
      return "refused";
    if (decision.action === "approve" && decision.shown !== sha256hex(entry.prompt.view))
      return "changed";
    const taken = entry.asker?.take(decision) ?? "gone";
    if (!(taken instanceof Promise)) return conclude(entry, decision, taken);
    const carried = taken.then((result) => {
      entry.carrying = undefined;
      return isOpen(entry.prompt) ? conclude(entry, decision, result) : "gone";
    });
    entry.carrying = carried;
    return carried;
  };

  return {
    /**
     * Opens a prompt; undefined where there are so many that the desk has to answer. A `doubtful` one has less room, and none of
     * it is kept from others: it takes the place of the oldest of its kind, and leaves its own to what is not.
     */
    open(kind: Prompt["kind"], view: View, asker: Asker, doubtful = false): Entry | undefined {
      const text = JSON.stringify(view);
      if (ended) return undefined;
      while (!fits(text.length, doubtful)) {
        const oldest = opened().find((entry) => entry.doubtful && entry.carrying === undefined);
        if (oldest === undefined) return undefined; // more than one message could carry
        withdraw(oldest.prompt.id, "withdrawn");
      }
      const prompt: Prompt = {
        id: `p_${randomNonce()}`,
        session,
        kind,
        state: "pending",
        created_at: Date.now(),
        view: text,
      };
      const entry: Own = { prompt, view, asker, doubtful, carrying: undefined };
      entries.set(prompt.id, entry);
      onChange(prompt);
      hurry();
      return entry;
    },

    decide,

    /** Whether nothing but an event says that Claude asks this. */
    doubt({ prompt: { id } }: Entry, doubtful: boolean): void {
      const entry = entries.get(id);
      if (entry !== undefined) entry.doubtful = doubtful;
    },

    /** Nobody asks this any more; `why`, where that is known, or is known to be unknown: a later word may then replace it. */
    withdraw: ({ prompt }: Entry, why?: Withdrawal) => withdraw(prompt.id, "withdrawn", why),

    /** Somebody was quicker at the desk. */
    answeredAtDesk({ prompt: { id } }: Entry, decision: Answer["decision"]): void {
      const entry = entries.get(id);
      if (entry === undefined || !isUnsettled(entry.prompt)) return;
      settle(entry, "answered", {
        by: "desk",
        at: Date.now(),
        ...(decision === undefined ? {} : { decision }),
      });
      release(entry);
    },

    /** Whether anything waits that keys could answer: a question of another session has its dialog elsewhere. */
    waits: () => opened().some(({ view }) => view.asker === undefined),

    /** Whether anything but `except` waits, or an answer to anything is not confirmed. */
    busy: (except?: Entry) =>
      confirming.size > 0 || opened().some(({ prompt }) => prompt.id !== except?.prompt.id),

    /** All that may still matter to the server, for a new connection: what is open, and the newest of the rest. */
    list(): Prompt[] {
      const all = [...entries.values()].map((entry) => entry.prompt).reverse();
      let room = LIMITS.viewsChars;
      const fits = (prompt: Prompt) => {
        room -= prompt.view.length;
        return room >= 0;
      };
      const settled = all.filter((prompt) => !isOpen(prompt)).slice(0, LIMITS.openPrompts);
      return [...all.filter(isOpen), ...settled].filter(fits).reverse();
    },

    get: (id: string) => entries.get(id)?.prompt,

    /** The session is over; resolves once it is known what became of the last answers. */
    async end(): Promise<void> {
      ended = true;
      for (const { prompt } of opened()) withdraw(prompt.id, "expired");
      await Promise.all(confirming);
    },
  };
}
