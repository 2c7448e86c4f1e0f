import { type FromRunner, LIMITS } from "../types.ts";
import type { HookEvent } from "./hooks.ts";
import { maskSecrets } from "./secrets.ts";

type Notice = Extract<FromRunner, { type: "notice" }>;

/** So much of Claude's last words is looked at, in UTF-16 units: a secret that begins in what is kept may end beyond. */
const LOOKED_AT = 4 * LIMITS.noticeChars;

/** What somebody away from the desk may want to hear of an event; `told` is what they heard last. Undefined where it is nothing. */
export function noticeOf(
  event: HookEvent,
  told: Notice["kind"],
): Pick<Notice, "kind" | "text"> | undefined {
  const words = (text = "") =>
    maskSecrets(text.slice(0, LOOKED_AT), text.length > LOOKED_AT)
      .slice(0, LIMITS.noticeChars)
      .toWellFormed();
  switch (event.hook_event_name) {
    case "Stop":
      return { kind: "finished", text: words(event.last_assistant_message) };
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

/** Tells the server what happens to a session's turn; the newest that could not be sent waits for the connection. */
export function openNotices(session: string, send: (notice: Notice) => boolean) {
  let told: Notice["kind"] = "working";
  let unsent: Notice | undefined;
  const flush = () => {
    if (unsent !== undefined && send(unsent)) unsent = undefined;
  };
  return {
    note(event: HookEvent): void {
      const notice = noticeOf(event, told);
      if (notice === undefined) return;
      told = notice.kind;
      unsent = { type: "notice", session, ...notice };
      flush();
    },
    /** The server knows the session on a new connection. */
    flush,
  };
}
