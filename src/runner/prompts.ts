import { isDeepStrictEqual } from "node:util";
import { type Decision, isOpen } from "../types.ts";
import type { HookDecision, PermissionRequest, Told } from "./hooks.ts";
import type { Decide, Entry, Ledger } from "./ledger.ts";
import { hookReply, kindOf, permissionView } from "./permission.ts";

/** A subagent in the background is held back while its hook waits: after this long without a dialog it is let go, in ms. */
const BACKGROUND_GRACE_MS = 4000;
/** An answer at the desk shows in several places, not at the same time; so long one waits for the others, in ms. */
const SETTLE_MS = 150;
/** Claude's status says that it waits soon after its hook has called: it may wait for the newest so many questions, not for one that came longer before, in ms. */
const JUST_BEFORE = 10;
const JUST_BEFORE_MS = 2000;
/** Prompts that are remembered here, to tell which of them a tool call was. */
const REMEMBERED = 200;
/** What they may have asked in all, in UTF-16 units: one alone can be to write a file of 8 MB. With so much open, the desk answers. */
const REMEMBERED_CHARS = 32 * 1024 * 1024;

interface Asked {
  entry: Entry;
  /** When it came, in ms. */
  at: number;
  event: PermissionRequest;
  /** What the event's input has as JSON, in UTF-16 units. */
  chars: number;
  signal: AbortSignal;
  /** Nothing but the event says that Claude asks this. */
  doubtful: boolean;
  /** Claude was seen to wait since this came up. */
  waited: boolean;
  /** The tool was seen to have run. */
  done: boolean;
}

export interface PromptsOptions {
  ledger: Ledger;
  host: string;
  /** Begins to look for evidence that a decision was applied; the returned function says whether it has been found. */
  watch(event: PermissionRequest, action: Decision): () => boolean;
  /** Whether Claude waits at a dialog; undefined where that can't be told. */
  dialogOpen(): boolean | undefined;
  /** Whether Claude's own status says that it waits for an answer. */
  waits?(): boolean;
}

/** What Claude asks through its PermissionRequest hook. */
export function openPrompts({
  ledger,
  host,
  watch,
  dialogOpen,
  waits = () => false,
}: PromptsOptions) {
  const all: Asked[] = [];
  const charsOf = (some: readonly Asked[]) => some.reduce((sum, { chars }) => sum + chars, 0);
  const opened = () => all.filter(({ entry }) => isOpen(entry.prompt));
  /** In the background, as far as can be told: the hook comes before the dialog there. */
  const isHeldBack = ({ event, waited }: Asked) =>
    event.agent_id !== undefined && dialogOpen() !== true && !waited;

  /**
   * Does what an event says, unless Claude's own status says that it waits all the same: an event that somebody made up does not
   * take away what is really asked. The status may be a moment behind.
   */
  const unlessWaiting = (certain: boolean, act: () => void) => {
    if (certain || !waits()) return act();
    setTimeout(() => waits() || act(), SETTLE_MS);
  };

  return {
    /** A permission waits: shows it and resolves with what Claude is to be told. */
    ask(event: PermissionRequest, signal: AbortSignal): Promise<HookDecision | undefined> {
      const chars = JSON.stringify(event.tool_input).length;
      const doubtful = dialogOpen() !== true;
      // what nothing bears out leaves room to what Claude waits for
      for (const old of opened()) {
        if (charsOf(opened()) + chars <= REMEMBERED_CHARS) break;
        if (old.doubtful) ledger.withdraw(old.entry);
      }
      if (charsOf(opened()) + chars > REMEMBERED_CHARS) return Promise.resolve(undefined);
      const { view, updates } = permissionView(event, host);
      return new Promise((respond) => {
        const asker = {
          take(decision: Decide) {
            if (signal.aborted) return "gone" as const;
            const reply = hookReply({ event, view, updates }, decision);
            if (reply === undefined || decision.dismiss === true) return "refused" as const;
            const found = watch(event, decision.action);
            respond(reply.decision);
            return { said: reply.said, found };
          },
          release: () => respond(undefined),
        };
        const entry = ledger.open(kindOf(event), view, asker, doubtful);
        if (entry === undefined) return respond(undefined);
        const at = performance.now();
        const asked: Asked = {
          ...{ entry, at, event, chars, signal, doubtful },
          ...{ waited: false, done: false },
        };
        all.push(asked);
        while (all.length > REMEMBERED || charsOf(all) > REMEMBERED_CHARS) {
          const oldest = all.findIndex((old) => !isOpen(old.entry.prompt));
          all.splice(oldest, 1);
        }
        // No or Esc at the desk closes the connection at once; so does Claude's end, which is told apart by waiting for it
        signal.addEventListener("abort", () =>
          setTimeout(() => ledger.answeredAtDesk(entry, "reject"), SETTLE_MS),
        );
        if (event.agent_id === undefined) return;
        const letGo = () => {
          if (isHeldBack(asked)) ledger.withdraw(entry);
          else if (isOpen(entry.prompt) && !asked.waited) setTimeout(letGo, BACKGROUND_GRACE_MS); // another's dialog is open
        };
        setTimeout(letGo, BACKGROUND_GRACE_MS);
      });
    },

    /** Somebody types at the desk: what is held back is let go, so that its dialog comes up there. */
    typed(): void {
      for (const asked of opened()) if (isHeldBack(asked)) ledger.withdraw(asked.entry);
    },

    /** Other hook events tell what became of prompts that were answered at the desk. */
    note(event: Told): void {
      if (
        event.hook_event_name === "PostToolUse" ||
        event.hook_event_name === "PostToolUseFailure"
      ) {
        const { tool_name, tool_input, agent_id } = event;
        const same = all.filter(
          (asked) =>
            !asked.done &&
            asked.event.tool_name === tool_name &&
            asked.event.agent_id === agent_id &&
            isDeepStrictEqual(asked.event.tool_input, tool_input),
        );
        // it may be the same call once more that ran, approved from afar before
        const ran =
          same.find(({ entry }) => entry.prompt.answer?.decision === "approve") ??
          (same.length === 1 ? same[0] : undefined);
        if (ran === undefined) return;
        ran.done = true;
        const others = () => opened().some((other) => other !== ran && !other.doubtful);
        unlessWaiting(ran.doubtful || others(), () => ledger.answeredAtDesk(ran.entry, "approve"));
        return;
      }
      if (event.hook_event_name === "Notification") return;
      // the turn is over, so nothing of the main conversation can still wait; subagents go on by themselves
      const ends = event.hook_event_name === "SessionEnd";
      unlessWaiting(false, () => {
        for (const { entry, event: asked } of opened())
          if (ends || asked.agent_id === undefined) ledger.withdraw(entry);
      });
    },

    /** Claude waits at a dialog, or no longer does. */
    dialog(isOpenNow: boolean): void {
      const since = performance.now() - JUST_BEFORE_MS;
      const borneOut = isOpenNow ? opened().slice(-JUST_BEFORE) : [];
      for (const asked of opened()) {
        asked.doubtful = !(borneOut.includes(asked) && asked.at > since);
        ledger.doubt(asked.entry, asked.doubtful);
        if (isOpenNow) asked.waited = true;
        // a No would have closed the connection by then
        else if (asked.waited)
          setTimeout(
            () =>
              dialogOpen() !== true &&
              ledger.answeredAtDesk(asked.entry, asked.signal.aborted ? "reject" : "approve"),
            SETTLE_MS,
          );
      }
    },
  };
}
