import * as v from "valibot";
import { parseJson } from "../types.ts";

/** Hooks as Claude Code's settings have them, of the kind that is a command: it reads the event, and writes its answer. */
const Hook = v.object({ type: v.literal("command"), command: v.string() });
const Settings = v.object({
  hooks: v.record(v.string(), v.array(v.object({ hooks: v.array(Hook) }))),
});
const Answer = v.object({
  hookSpecificOutput: v.object({
    decision: v.variant("behavior", [
      v.object({
        behavior: v.literal("allow"),
        updatedInput: v.optional(
          v.object({ answers: v.optional(v.record(v.string(), v.string())) }),
        ),
      }),
      v.object({
        behavior: v.literal("deny"),
        message: v.string(),
        interrupt: v.optional(v.boolean()),
      }),
    ]),
  }),
});
export type Decision = v.InferOutput<typeof Answer>["hookSpecificOutput"]["decision"];

/** Calls a hook with an event, the way Claude Code does; resolves with what it decides, or undefined where it decides nothing. */
export type CallHooks = (
  event: string,
  details?: object,
  signal?: AbortSignal,
) => Promise<Decision | undefined>;

/** The hooks in `--settings JSON`; without any, nothing is called. */
export function readHooks(argv: readonly string[]): CallHooks {
  const given = argv[argv.indexOf("--settings") + 1];
  const settings =
    argv.includes("--settings") && given !== undefined ? parseJson(Settings, given) : undefined;
  const session_id = crypto.randomUUID();
  return async (event, details = {}, signal) => {
    const hook = settings?.hooks[event]?.[0]?.hooks[0];
    if (hook === undefined) return undefined;
    const told = JSON.stringify({
      hook_event_name: event,
      session_id,
      transcript_path: "/nonexistent/demo.jsonl",
      cwd: process.cwd(),
      ...details,
    });
    const child = Bun.spawn(["/bin/sh", "-c", hook.command], {
      stdin: new Blob([told]),
      stdout: "pipe",
      stderr: "ignore",
      ...(signal === undefined ? {} : { signal }), // answered here meanwhile: the hook is ended
    });
    const answer = await new Response(child.stdout).text();
    return parseJson(Answer, answer)?.hookSpecificOutput.decision;
  };
}
