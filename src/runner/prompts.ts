import { type Decision, isOpen } from "../types.ts";
import { includesInput, isUnanswered, type Outcome } from "./evidence.ts";
import type { HookDecision, PermissionRequest, Told } from "./hooks.ts";
import { type Decide, type Entry, type Evidence, isUnsettled, type Ledger } from "./ledger.ts";
import { hookReply, kindOf, permissionView } from "./permission.ts";

/** A subagent in the background is held back while its hook waits: after this long without a dialog it is let go, in ms. */
const BACKGROUND_GRACE_MS = 4000;
/** An answer at the desk shows in several places, not at the same time; so long one waits for the others, in ms. */
const SETTLE_MS = 150;
/** Claude's status says that it waits soon after its hook has called: it may wait for the newest so many questions, not for one that came longer before, in ms. */
const JUST_BEFORE = 10;
const JUST_BEFORE_MS = 2000;
/** A dialog that is gone was answered by a key that was pressed at the desk so shortly before, in ms. */
const KEY_MS = 3000;
/** Nothing tells what became of a dialog for so long after it was gone: then that is said to be unknown, in ms. */
const UNKNOWN_MS = 600;
/** How often one looks whether something tells by now, in ms: at first, and at most. */
const LOOK_MS = 100;
const LOOK_SELDOM_MS = 5000;
/** Of a call that has run the transcript tells so soon who let it, in ms. */
const RAN_MS = 2000;
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
  /** The turn that it was asked in is over: nothing more will be written of it. */
  over: boolean;
  /** It is looked for what became of it. */
  looking: boolean;
  /** What the transcript tells by now. */
  outcome: () => Outcome | undefined;
}

/** Whose a conversation is that an event comes from: of the claude that is shown, or of another session with this name. */
export type Whose = { own: true } | { own: false; name: string };

export interface PromptsOptions {
  ledger: Ledger;
  host: string;
  /** Begins to look for evidence that a decision was applied; the returned function says whether it has been found. */
  watch(event: PermissionRequest, action: Decision): () => Evidence;
  /** Whether Claude waits at a dialog; undefined where that can't be told. */
  dialogOpen(session: string): boolean | undefined;
  /** Whether the own status of the claude that is shown says that it waits for an answer. */
  waits?(): boolean;
  /** Begins to look in the transcript who decides. */
  outcome?: (event: PermissionRequest) => () => Outcome | undefined;
  /** Whether there is a transcript that can be read. */
  isWritten?: (event: PermissionRequest) => boolean;
  whose?: (session: string) => Whose;
}

/** What Claude asks through its PermissionRequest hook. */
export function openPrompts({
  ledger,
  host,
  watch,
  dialogOpen,
  waits = () => false,
  outcome = () => () => undefined,
  isWritten = () => false,
  whose = () => ({ own: true }),
}: PromptsOptions) {
  const all: Asked[] = [];
  let pressedAt = Number.NEGATIVE_INFINITY; // when somebody last pressed a key, or the mouse, at the desk
  const charsOf = (some: readonly Asked[]) => some.reduce((sum, { chars }) => sum + chars, 0);
  const opened = () => all.filter(({ entry }) => isOpen(entry.prompt));
  /** In the background, as far as can be told: the hook comes before the dialog there. */
  const isHeldBack = ({ event, waited }: Asked) =>
    event.agent_id !== undefined && dialogOpen(event.session_id) !== true && !waited;
  const isOwn = ({ entry }: Asked) => entry.view.asker === undefined;

  /** Tells what became of a prompt that was not answered from afar. */
  const conclude = ({ entry }: Asked, found: Outcome) => {
    if (found.decision === "none") return ledger.withdraw(entry, "no_answer");
    if (found.by === "hook")
      return ledger.withdraw(
        entry,
        found.decision === "approve" ? "allowed_by_hook" : "denied_by_hook",
      );
    if (found.by === "other") return ledger.withdraw(entry); // such as a rule that was added meanwhile
    return ledger.answeredAtDesk(entry, found.decision);
  };

  /**
   * Looks what became of a prompt until something tells. `give` says when to stop, or to conclude without that, from how long one has looked, in ms.
   */
  const look = (asked: Asked, give: (looked: number) => "on" | "off") => {
    if (asked.looking) return;
    asked.looking = true;
    const begun = performance.now();
    const step = () => {
      const looked = performance.now() - begun;
      const found = isUnsettled(asked.entry.prompt) ? asked.outcome() : undefined;
      if (found !== undefined) conclude(asked, found);
      if (!isUnsettled(asked.entry.prompt) || give(looked) === "off") {
        asked.looking = false;
        return;
      }
      setTimeout(step, Math.min(LOOK_SELDOM_MS, Math.max(LOOK_MS, looked / 4))).unref();
    };
    setTimeout(step, SETTLE_MS);
  };

  /** Its dialog is gone, and nothing that was decided from afar was the cause. */
  const leave = (asked: Asked, goneAt = performance.now()) =>
    look(asked, (looked) => {
      const { entry, event, signal } = asked;
      if (isOpen(entry.prompt) && dialogOpen(event.session_id) === true) return "off"; // it was only painted anew
      if (signal.aborted) ledger.answeredAtDesk(entry, "reject");
      else if (
        looked >= 3 * SETTLE_MS &&
        !asked.over &&
        isOwn(asked) &&
        goneAt - pressedAt < KEY_MS
      )
        ledger.answeredAtDesk(entry, "approve"); // a no would have closed the connection, or be written down by now
      else if (looked >= UNKNOWN_MS) ledger.withdraw(entry, "unknown");
      return asked.over && looked >= RAN_MS ? "off" : "on";
    });

  /** It has run: who let it is in the transcript, now or soon. */
  const ran = (asked: Asked) => {
    asked.done = true;
    if (!isUnsettled(asked.entry.prompt)) return;
    const found = asked.outcome();
    if (found !== undefined) return conclude(asked, found);
    if (!isWritten(asked.event) || performance.now() - pressedAt < KEY_MS)
      return ledger.answeredAtDesk(asked.entry, "approve");
    asked.over = true;
    setTimeout(() => {
      conclude(asked, asked.outcome() ?? { decision: "approve", by: "person" });
    }, RAN_MS).unref();
    look(asked, (looked) => (looked >= RAN_MS ? "off" : "on"));
  };

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
      const doubtful = dialogOpen(event.session_id) !== true;
      // what nothing bears out leaves room to what Claude waits for
      for (const old of opened()) {
        if (charsOf(opened()) + chars <= REMEMBERED_CHARS) break;
        if (old.doubtful) ledger.withdraw(old.entry);
      }
      if (charsOf(opened()) + chars > REMEMBERED_CHARS) return Promise.resolve(undefined);
      const shown = permissionView(event, host);
      const asker = whose(event.session_id);
      const view = asker.own ? shown.view : { ...shown.view, asker: asker.name.slice(0, 256) };
      const { updates } = shown;
      const tells = outcome(event);
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
        const asked: Asked = {
          ...{ entry, event, chars, signal, doubtful },
          ...{ waited: false, done: false, over: false, looking: false },
          at: performance.now(),
          outcome: tells,
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
        if (event.agent_id === undefined) {
          // a hook may come later than its dialog; what a subagent asks may have none, and see another's
          asked.waited = dialogOpen(event.session_id) === true;
          asked.doubtful = !asked.waited; // the status may have been read once more since
          ledger.doubt(entry, asked.doubtful);
          return;
        }
        const letGo = () => {
          if (isHeldBack(asked)) ledger.withdraw(entry);
          else if (isOpen(entry.prompt) && !asked.waited) setTimeout(letGo, BACKGROUND_GRACE_MS); // another's dialog is open
        };
        setTimeout(letGo, BACKGROUND_GRACE_MS);
      });
    },

    /** Somebody types at the desk, or presses the mouse: what is held back is let go, so that its dialog comes up there. */
    typed(): void {
      pressedAt = performance.now();
      for (const asked of opened())
        if (isOwn(asked) && isHeldBack(asked)) ledger.withdraw(asked.entry);
    },

    /** Other hook events tell what became of prompts that were not answered from afar. */
    note(event: Told): void {
      const same = all.filter((asked) => asked.event.session_id === event.session_id);
      if (
        event.hook_event_name === "PostToolUse" ||
        event.hook_event_name === "PostToolUseFailure"
      ) {
        const { tool_name, tool_input, tool_response, agent_id } = event;
        const fitting = same.filter(
          (asked) =>
            !asked.done &&
            asked.event.tool_name === tool_name &&
            asked.event.agent_id === agent_id &&
            includesInput(tool_input, asked.event.tool_input),
        );
        // it may be the same call once more that ran, approved from afar before
        const asked =
          fitting.find(({ entry }) => entry.prompt.answer?.decision === "approve") ??
          (fitting.length === 1 ? fitting[0] : undefined);
        if (asked === undefined) return;
        const others = opened().some((other) => other !== asked && !other.doubtful);
        return unlessWaiting(asked.doubtful || !isOwn(asked) || others, () => {
          if (!isUnanswered(tool_response) && !isUnanswered(tool_input)) return ran(asked);
          asked.done = true;
          return conclude(asked, { decision: "none" });
        });
      }
      if (event.hook_event_name === "Notification") return;
      // the turn is over, so nothing of the main conversation can still wait; subagents go on by themselves
      const ends = event.hook_event_name === "SessionEnd";
      unlessWaiting(!whose(event.session_id).own, () => {
        for (const asked of same) {
          if (!ends && asked.event.agent_id !== undefined) continue;
          asked.over = true;
          if (!isOpen(asked.entry.prompt)) continue;
          // what was decided is written down a moment later than the hooks are called
          ledger.withdraw(asked.entry, isWritten(asked.event) ? "unknown" : undefined);
          leave(asked);
        }
      });
    },

    /** The claude that is shown waits at a dialog, or no longer does; or another session does. */
    dialog(isOpenNow: boolean, session?: string): void {
      const those = opened().filter((asked) =>
        session === undefined ? isOwn(asked) : asked.event.session_id === session,
      );
      const since = performance.now() - JUST_BEFORE_MS;
      const borneOut = isOpenNow ? those.slice(-JUST_BEFORE).filter(({ at }) => at > since) : [];
      for (const asked of isOpenNow ? borneOut : those) {
        asked.doubtful = !isOpenNow;
        ledger.doubt(asked.entry, asked.doubtful);
      }
      for (const asked of those) {
        if (isOpenNow) asked.waited = true;
        else if (asked.waited) leave(asked);
      }
    },
  };
}
