import { type FromRunner, LIMITS, type SessionInfo } from "../types.ts";
import type { BackgroundTask, HookEvent } from "./hooks.ts";
import { maskSecrets } from "./secrets.ts";

type Notice = Extract<FromRunner, { type: "notice" }>;

/** So much of Claude's last words is looked at, in UTF-16 units: a secret that begins in what is kept may end beyond. */
const LOOKED_AT = 4 * LIMITS.noticeChars;
/** Words in which a background task is no longer at work (2.1.328); whatever else it says, it may be. */
const OVER = new Set(["completed", "failed", "killed", "stopped"]);
/** With these Claude Code begins the prompt of a turn that something in the background began. */
const WAKING = /^\s*<task-notification>/;

const words = (text = "", most: number = LIMITS.noticeChars) =>
  maskSecrets(text.slice(0, LOOKED_AT), text.length > LOOKED_AT)
    .slice(0, most)
    .toWellFormed();

/** What goes on in the background, in words; nothing where nothing does. */
function stillRunning(tasks: readonly BackgroundTask[]): { running?: string[] } {
  const running = tasks
    .filter(({ status }) => !OVER.has(status))
    .slice(0, LIMITS.running)
    .map(({ type, command, description = "" }) =>
      words(command ?? (description === "" ? type : description), LIMITS.runningChars),
    );
  return running.length === 0 ? {} : { running };
}

/** What somebody away from the desk may want to hear of an event; `told` is what they heard last. Undefined where it is nothing. */
export function noticeOf(
  event: HookEvent,
  told: Notice["kind"],
): Pick<Notice, "kind" | "text" | "running"> | undefined {
  switch (event.hook_event_name) {
    case "Stop":
      return {
        kind: "finished",
        text: words(event.last_assistant_message),
        ...stillRunning(event.background_tasks ?? []),
      };
    case "StopFailure":
      return { kind: "error", text: words(event.last_assistant_message ?? event.error) };
    case "Notification":
      return event.notification_type === "idle_prompt"
        ? { kind: "waiting", text: words(event.message) }
        : undefined;
    case "SessionEnd":
      return undefined;
    case "Elicitation":
    case "UserPromptSubmit":
      return told === "working" ? undefined : { kind: "working", text: "" };
    default:
      // subagents work on while the turn is over
      return told === "working" || event.agent_id !== undefined
        ? undefined
        : { kind: "working", text: "" };
  }
}

/**
 * Tells the server what happens to a session's turn; the newest that could not be sent waits for the connection. A turn is over once Claude's own
 * status says so, too: a hook of the user's may make it go on.
 */
export function openNotices(session: string, send: (notice: Notice) => boolean) {
  let told: Notice["kind"] = "working";
  let unsent: Notice | undefined;
  let activity: SessionInfo["activity"] = "unknown";
  /** How the turn ended, while no other has begun. */
  let ending: Notice | undefined;
  let woken = false;
  const flush = () => {
    if (unsent !== undefined && send(unsent)) unsent = undefined;
  };
  const tell = (notice: Notice) => {
    told = notice.kind;
    unsent = notice;
    flush();
  };
  return {
    note(event: HookEvent): void {
      if (event.hook_event_name === "UserPromptSubmit") woken = WAKING.test(event.prompt ?? "");
      const notice = noticeOf(event, told);
      if (notice?.kind === "working" || event.hook_event_name === "UserPromptSubmit")
        ending = undefined;
      if (notice === undefined) return;
      const whole: Notice = { type: "notice", session, ...notice };
      if (notice.kind !== "finished" && notice.kind !== "error") return tell(whole);
      ending = woken ? { ...whole, woken } : whole;
      if (activity !== "busy") tell(ending);
    },
    /** Claude's own status has changed. */
    activity(now: SessionInfo["activity"]): void {
      activity = now;
      if (ending === undefined) return;
      if (now === "busy") {
        if (told !== "working") tell({ type: "notice", session, kind: "working", text: "" });
      } else if (told !== ending.kind) tell(ending);
    },
    /** The server knows the session on a new connection. */
    flush,
  };
}
