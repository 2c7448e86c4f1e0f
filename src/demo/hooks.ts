import { readFileSync } from "node:fs";
import * as v from "valibot";
import { parseJson } from "../types.ts";

/** Hooks as Claude Code's settings have them, of the kind that is called over HTTP. */
const Hook = v.object({
  type: v.literal("http"),
  url: v.string(),
  headers: v.record(v.string(), v.string()),
  allowedEnvVars: v.array(v.string()),
});
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

/** The hooks that `--settings FILE` names; without any, nothing is called. */
export function readHooks(argv: readonly string[]): CallHooks {
  const file = argv[argv.indexOf("--settings") + 1];
  const settings =
    argv.includes("--settings") && file !== undefined
      ? parseJson(Settings, readFileSync(file, "utf8"))
      : undefined;
  const session_id = crypto.randomUUID();
  return async (event, details = {}, signal) => {
    const hook = settings?.hooks[event]?.[0]?.hooks[0];
    if (hook === undefined) return undefined;
    const fill = (text: string) =>
      text.replace(/\$(\w+)/g, (whole, name: string) =>
        hook.allowedEnvVars.includes(name) ? (process.env[name] ?? "") : whole,
      );
    const headers = Object.fromEntries(
      Object.entries(hook.headers).map(([name, value]) => [name, fill(value)]),
    );
    const body = JSON.stringify({
      hook_event_name: event,
      session_id,
      transcript_path: "/nonexistent/demo.jsonl",
      cwd: process.cwd(),
      ...details,
    });
    try {
      const response = await fetch(hook.url, {
        method: "POST",
        headers,
        body,
        ...(signal === undefined ? {} : { signal }),
      });
      return parseJson(Answer, await response.text())?.hookSpecificOutput.decision;
    } catch (error) {
      if (error instanceof Error) return undefined; // answered here meanwhile, or nobody listens: the dialog decides
      throw error;
    }
  };
}
