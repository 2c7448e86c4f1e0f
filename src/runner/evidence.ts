import { opendirSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import { type Decision, parseJson } from "../types.ts";
import { fileSize, readFileAt } from "./real-file.ts";
import { maskSecrets } from "./secrets.ts";

/** How much of a transcript's end is read in search of a tool call, in bytes. */
const TAIL_BYTES = 1024 * 1024;
/** So many folders of projects are looked through for a conversation. */
const FOLDERS = 10_000;

/** Entries of Claude Code's transcript that matter here (measured with 2.1.328). */
const Entry = v.looseObject({
  /** Requests to the model are kept, too (`api-request-blob`), with the same calls and results in them. */
  type: v.picklist(["user", "assistant", "attachment"]),
  message: v.optional(
    v.looseObject({
      content: v.optional(v.union([v.string(), v.array(v.looseObject({ type: v.string() }))])),
    }),
  ),
  attachment: v.optional(
    v.looseObject({
      type: v.string(),
      decision: v.optional(v.string()),
      toolUseID: v.optional(v.string()),
    }),
  ),
  /** With the result of a call that was turned down: by a hook's words, or by a no that stops the turn. */
  toolDenialKind: v.optional(v.string()),
  /** With the result of a call: who decided, as `user_temporary`, `user_permanent`, `user_reject`, `hook` or `config`. */
  permissionDecision: v.optional(
    v.looseObject({ decision: v.optional(v.string()), source: v.optional(v.string()) }),
  ),
  toolUseResult: v.optional(v.unknown()),
});
type Entry = v.InferOutput<typeof Entry>;
const ToolUse = v.looseObject({
  type: v.literal("tool_use"),
  id: v.string(),
  name: v.string(),
  input: v.record(v.string(), v.unknown()),
});
const ToolResult = v.looseObject({ type: v.literal("tool_result"), tool_use_id: v.string() });
/** What AskUserQuestion gives where nobody answered for so long. */
const NoAnswer = v.looseObject({ afkTimeoutMs: v.number() });

/** A call of a tool, as its hook tells of it. */
export interface Call {
  name: string;
  input: Record<string, unknown>;
}

/** Who decided about a call: a person at the desk, a hook of whatever settings, or something else; `none`: Claude went on without an answer. */
export type Outcome =
  | { decision: Decision; by: "person" | "hook" | "other" }
  | { decision: "none" };

/** Whether what went into a tool holds all of `part`: answers and plans are added on the way. */
export function includesInput(
  whole: Record<string, unknown>,
  part: Record<string, unknown>,
): boolean {
  return Object.entries(part).every(
    ([name, value]) => Object.hasOwn(whole, name) && isDeepStrictEqual(whole[name], value),
  );
}

/** Whether what a tool was given, or gave, says that nobody answered its question. */
export const isUnanswered = (value: unknown): boolean => v.is(NoAnswer, value);

/** The entries after byte `since` that tell of a call's decision or result, and whether each holds the result. */
function* entriesAbout(
  path: string,
  since: number,
  call: Call,
): Generator<{ entry: Entry; isResult: boolean }> {
  const size = fileSize(path, path) ?? 0;
  if (size <= since) return;
  const start = Math.max(0, size - TAIL_BYTES);
  const ids = new Set<string>();
  let offset = start;
  for (const line of readFileAt(path, start, size - start, path)
    .toString()
    .split("\n")) {
    const at = offset;
    offset += Buffer.byteLength(line) + 1;
    const entry = parseJson(Entry, line);
    if (entry === undefined) continue; // cut at the start, unfinished at the end, or of a kind we don't know
    const content = Array.isArray(entry.message?.content) ? entry.message.content : [];
    for (const block of content) {
      if (
        v.is(ToolUse, block) &&
        block.name === call.name &&
        includesInput(call.input, block.input)
      )
        ids.add(block.id);
    }
    if (at < since) continue;
    const isResult = content.some((block) => v.is(ToolResult, block) && ids.has(block.tool_use_id));
    const isDecision =
      entry.type === "attachment" &&
      entry.attachment?.type === "hook_permission_decision" &&
      ids.has(entry.attachment.toolUseID ?? "");
    if (isResult || isDecision) yield { entry, isResult };
  }
}

/**
 * Whether the transcript tells, after byte `since`, that a hook's decision was applied to this very tool call: Claude Code
 * writes `hook_permission_decision` for an allow, once the call has run, and a result with `toolDenialKind` for a deny.
 */
export function decisionApplied(
  path: string,
  since: number,
  call: Call,
  decision: Decision,
): boolean {
  for (const { entry, isResult } of entriesAbout(path, since, call)) {
    const applied =
      decision === "approve"
        ? !isResult && entry.attachment?.decision === "allow"
        : isResult && entry.toolDenialKind !== undefined;
    if (applied) return true;
  }
  return false;
}

/** What the transcript tells, after byte `since`, of who decided about a call; undefined where it does not tell yet. */
export function outcomeOf(path: string, since: number, call: Call): Outcome | undefined {
  let byHook: Decision | undefined;
  for (const { entry, isResult } of entriesAbout(path, since, call)) {
    const { attachment, permissionDecision, toolDenialKind: denial, toolUseResult } = entry;
    if (!isResult) {
      byHook = attachment?.decision === "allow" ? "approve" : "reject";
      continue;
    }
    if (isUnanswered(toolUseResult)) return { decision: "none" };
    const decision = denial === undefined ? "approve" : "reject";
    const source = permissionDecision?.source ?? "";
    const isPerson =
      source.startsWith("user_") || (source === "" && DENIED_BY_PERSON.has(denial ?? ""));
    if (byHook !== undefined || source === "hook") return { decision, by: "hook" };
    return { decision, by: isPerson ? "person" : "other" };
  }
  return byHook === undefined ? undefined : { decision: byHook, by: "hook" };
}

/** Kinds of denial that only a person causes. */
const DENIED_BY_PERSON = new Set(["user-rejected", "interrupted"]);

/** Where the transcript of an event's conversation is: a subagent has one of its own, in a folder beside the main one. */
export function transcriptFor(event: {
  transcript_path: string;
  agent_id?: string | undefined;
}): string {
  const { transcript_path, agent_id } = event;
  return agent_id === undefined || !/^[\w-]+$/.test(agent_id)
    ? transcript_path
    : join(transcript_path.replace(/\.jsonl$/, ""), "subagents", `agent-${agent_id}.jsonl`);
}

/**
 * Where Claude Code keeps the transcript of a conversation: in a folder named after the one that it is in by now. Where several hold one of this name,
 * the one that was written last counts. Empty where there is none.
 */
export function transcriptOf(conversation: string, configDir: string): string {
  const projects = join(configDir, "projects");
  if (!/^[\w-]{1,64}$/.test(conversation)) return "";
  let newest = { path: "", at: Number.NEGATIVE_INFINITY };
  try {
    const folders = opendirSync(projects);
    try {
      for (let read = 0; read < FOLDERS; read++) {
        const folder = folders.readSync();
        if (folder === null) break;
        const path = join(projects, folder.name, `${conversation}.jsonl`);
        const at = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
        if (at !== undefined && at > newest.at) newest = { path, at };
      }
    } finally {
      folders.closeSync();
    }
    return newest.path;
  } catch (error) {
    if (error instanceof Error && "code" in error) return newest.path; // not there yet, or not for us
    throw error;
  }
}

/** The real path of a file or folder; undefined where there is none, or it is not for us. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/**
 * The real folders that Claude Code keeps transcripts in: `projects`, and whatever lies in there as a link, which the user has made. They are resolved
 * once, at the start: a link that is made later may lead anywhere. In a sandbox no link is followed (`hostile`).
 */
export function transcriptRoots(configDir: string, hostile = false): readonly string[] {
  const projects = join(configDir, "projects");
  const real = realPath(projects);
  if (hostile || real === undefined) return [join(realPath(configDir) ?? configDir, "projects")];
  const links = readdirSync(real, { withFileTypes: true })
    .filter((entry) => entry.isSymbolicLink())
    .flatMap(({ name }) => realPath(join(real, name)) ?? []);
  return [real, ...links];
}

/** A transcript path from a hook, if it is where Claude Code keeps transcripts: the hook's sender may not be Claude. */
export function trustedTranscript(
  path: string,
  configDir: string,
  roots = transcriptRoots(configDir, true),
): string | undefined {
  const real = realPath(path);
  return real?.endsWith(".jsonl") && roots.some((root) => real.startsWith(`${root}/`))
    ? real
    : undefined;
}

/** Why a transcript that is there is not shown, in words for people; undefined where it is not there yet, or trusted. */
export function distrustOf(
  path: string,
  configDir: string,
  roots: readonly string[],
): string | undefined {
  const real = realPath(path);
  if (real === undefined || trustedTranscript(path, configDir, roots) !== undefined)
    return undefined;
  return `The conversation can't be shown: its file is ${maskSecrets(real.slice(0, 1024))}, which is not where Claude Code keeps conversations (${roots[0]}). A link that leads there has to be there before claude-remote starts.`;
}

/** Words that Claude Code 2.1 writes on the screen once it has taken a hook's answer. */
export function hookWordsOnScreen(rows: readonly string[], decision: Decision): number {
  const words =
    decision === "approve"
      ? "Allowed by PermissionRequest hook"
      : "Denied by PermissionRequest hook";
  return rows.filter((row) => row.includes(words)).length;
}

/** Whether Claude says on the screen that it waits for a hook of ours; a narrow screen cuts that short. */
export function hookRunsOnScreen(rows: readonly string[], hook: string): boolean {
  return rows.some((row) => row.includes(`(running ${hook}`));
}

/** Whether a permission dialog seems to be on the screen. A hint, never proof: any program can paint one. */
export function dialogOnScreen(rows: readonly string[]): boolean {
  return rows.some((row) => /^\s*(❯\s*)?\d\. (Yes|No)\b/.test(row));
}
