import { describe, expect, test } from "bun:test";
import { HookEvent } from "../../src/runner/hooks.ts";
import { noticeOf, openNotices } from "../../src/runner/notices.ts";
import { type FromRunner, LIMITS } from "../../src/types.ts";
import { expectParsed } from "../support/phone.ts";

const common = { session_id: "x", transcript_path: "/x", cwd: "/x" };
const event = (name: string, more: object = {}) =>
  expectParsed(HookEvent, JSON.stringify({ hook_event_name: name, ...common, ...more }));
const tool = { tool_name: "Bash", tool_input: { command: "true" } };

describe("what somebody away from the desk hears of Claude's turn", () => {
  test.each([
    [
      "it finished, with its last words",
      event("Stop", { last_assistant_message: "Done. All steps are finished." }),
      "finished",
      "Done. All steps are finished.",
    ],
    ["it finished without words", event("Stop"), "finished", ""],
    [
      "it failed",
      event("StopFailure", { error: "unknown", last_assistant_message: "API Error: 400" }),
      "error",
      "API Error: 400",
    ],
    [
      "it failed, and only the kind is known",
      event("StopFailure", { error: "overloaded" }),
      "error",
      "overloaded",
    ],
    [
      "it waits for input",
      event("Notification", {
        notification_type: "idle_prompt",
        message: "Claude is waiting for your input",
      }),
      "waiting",
      "Claude is waiting for your input",
    ],
  ] as const)("%s", (_, given, kind, text) => {
    expect(noticeOf(given, "working")).toEqual({ kind, text });
  });

  test("nothing of prompts, which are told by themselves, or of the session's end", () => {
    expect(
      noticeOf(
        event("Notification", { notification_type: "permission_prompt", message: "x" }),
        "working",
      ),
    ).toBeUndefined();
    expect(noticeOf(event("SessionEnd"), "finished")).toBeUndefined();
  });

  test("that it works again, once, and not because a subagent does", () => {
    expect(noticeOf(event("UserPromptSubmit"), "finished")?.kind).toBe("working");
    expect(noticeOf(event("PostToolUse", tool), "error")?.kind).toBe("working");
    expect(noticeOf(event("PermissionRequest", tool), "waiting")?.kind).toBe("working");
    expect(noticeOf(event("PostToolUse", { ...tool, agent_id: "a1" }), "finished")).toBeUndefined();
    expect(noticeOf(event("UserPromptSubmit"), "working")).toBeUndefined();
  });

  test("no secrets, and no more than so much, also where a secret is cut in two", () => {
    const secret = `sk-ant-api03-${"a1B2".repeat(20)}`;
    const text =
      noticeOf(
        event("Stop", {
          last_assistant_message: `${"x ".repeat(LIMITS.noticeChars / 2 - 5)}${secret}`,
        }),
        "working",
      )?.text ?? "";
    expect(text.length).toBe(LIMITS.noticeChars);
    expect(text).not.toContain("sk-ant-api");
    const far =
      noticeOf(event("Stop", { last_assistant_message: "é".repeat(1_000_000) }), "working")?.text ??
      "";
    expect(far).toBe("é".repeat(LIMITS.noticeChars));
  });

  test("what could not be sent waits for the connection, the newest alone", () => {
    const sent: FromRunner[] = [];
    let up = false;
    const notices = openNotices("s_x", (notice) => up && sent.push(notice) > 0);
    notices.note(event("Stop", { last_assistant_message: "first" }));
    notices.note(event("UserPromptSubmit"));
    notices.note(event("Stop", { last_assistant_message: "second" }));
    up = true;
    notices.flush();
    notices.flush();
    expect(sent).toEqual([{ type: "notice", session: "s_x", kind: "finished", text: "second" }]);
  });
});
