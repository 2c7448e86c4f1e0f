import * as v from "valibot";
import type { View } from "../types.ts";
import type { PermissionRequest, PermissionUpdate } from "./hooks.ts";
import { maskSecrets } from "./secrets.ts";

const short = v.pipe(v.string(), v.maxLength(1024));
/** Of what Claude suggests, rules alone are offered: for `touch x` it would also suggest a folder and another mode, which its own dialog does not. */
const Suggestion = v.object({
  type: v.literal("addRules"),
  behavior: v.literal("allow"),
  destination: v.picklist(["session", "localSettings", "projectSettings", "userSettings"]),
  rules: v.pipe(
    v.array(v.object({ toolName: short, ruleContent: v.optional(short) })),
    v.minLength(1),
    v.maxLength(10),
  ),
});

const WHERE: Record<v.InferOutput<typeof Suggestion>["destination"], string> = {
  session: "this session",
  localSettings: ".claude/settings.local.json of this project",
  projectSettings: ".claude/settings.json of this project",
  userSettings: "your own settings, for every project",
};
/** Tools whose dialog offers to accept edits from now on. */
const EDITS = new Set(["Edit", "Write", "NotebookEdit", "MultiEdit", "ExitPlanMode"]);

/** What an approval may change for good: what the person is shown, and what Claude is told, at the same places. */
export function alwaysChoices({ tool_name, permission_suggestions = [] }: PermissionRequest): {
  shown: NonNullable<View["always"]>;
  updates: PermissionUpdate[];
} {
  const choices: [says: string, writes: string, update: PermissionUpdate][] = [];
  for (const given of permission_suggestions.slice(0, 3)) {
    const parsed = v.safeParse(Suggestion, given);
    if (!parsed.success) continue;
    const rules = parsed.output.rules
      .map(({ toolName, ruleContent }) =>
        ruleContent === undefined ? toolName : `${toolName}(${ruleContent})`,
      )
      .join(", ");
    if (maskSecrets(rules) !== rules) continue; // nobody approves for good what they can't see
    for (const destination of new Set(["session", parsed.output.destination] as const)) {
      const says =
        destination === "session" ? "Don't ask again in this session" : "Don't ask again, ever";
      choices.push([
        says,
        `allow ${rules} → ${WHERE[destination]}`,
        { ...parsed.output, destination },
      ]);
    }
  }
  if (EDITS.has(tool_name))
    choices.push([
      "Accept edits from now on",
      "mode acceptEdits → this session",
      { type: "setMode", mode: "acceptEdits", destination: "session" },
    ]);
  return {
    shown: choices.map(([says, writes]) => ({ says, writes })),
    updates: choices.map(([, , update]) => update),
  };
}
