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

  test("what still runs in the background, without secrets", () => {
    const task = (more: object) => ({ id: "b", type: "shell", status: "running", ...more });
    const stop = event("Stop", {
      background_tasks: [
        task({ command: "npm run dev", description: "Run it" }),
        task({ type: "subagent", description: "Do a subtask" }),
        task({ status: "completed", command: "make" }),
        task({ command: `curl -H "Authorization: Bearer sk-ant-api03-${"a1B2".repeat(20)}"` }),
        { id: "odd" },
      ],
    });
    const running = noticeOf(stop, "working")?.running ?? [];
    expect(running.slice(0, 2)).toEqual(["npm run dev", "Do a subtask"]);
    expect(running.length).toBe(4);
    expect(running.join()).not.toContain("a1B2");
    expect(noticeOf(event("Stop", { background_tasks: [] }), "working")).toEqual({
      kind: "finished",
      text: "",
    });
  });

  test("that it finished, once its own status says so: a hook may make it go on", () => {
    const kinds: string[] = [];
    const notices = openNotices("s_x", ({ kind, text }) => kinds.push(`${kind} ${text}`) > 0);
    notices.activity("busy");
    for (const n of ["1", "2", "3"])
      notices.note(event("Stop", { last_assistant_message: n, stop_hook_active: n !== "1" }));
    expect(kinds).toEqual([]);
    notices.activity("idle");
    expect(kinds).toEqual(["finished 3"]);
    notices.activity("busy"); // it compacts, or goes on after all
    notices.activity("idle");
    expect(kinds).toEqual(["finished 3", "working ", "finished 3"]);
    notices.note(event("UserPromptSubmit"));
    notices.activity("busy");
    notices.activity("idle"); // interrupted: no Stop comes
    expect(kinds.slice(3)).toEqual(["working "]);
  });

  test("that something in the background began the turn", () => {
    const woken: unknown[] = [];
    const notices = openNotices("s_x", (notice) => woken.push(notice.woken) > 0);
    notices.note(
      event("UserPromptSubmit", { prompt: "<task-notification>\n<task-id>b</task-id>" }),
    );
    notices.note(event("Stop"));
    notices.note(event("UserPromptSubmit", { prompt: "what is <task-notification>?" }));
    notices.note(event("Stop"));
    expect(woken).toEqual([true, undefined, undefined]);
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
