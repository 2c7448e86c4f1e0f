import { existsSync, opendirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import { type Decision, parseJson } from "../types.ts";
import { fileSize, readFileAt } from "./real-file.ts";

/** How much of a transcript's end is read in search of a tool call, in bytes. */
const TAIL_BYTES = 1024 * 1024;
/** So many folders of projects are looked through for a conversation. */
const FOLDERS = 10_000;

/** Entries of Claude Code's transcript that matter here (measured with 2.1.328). */
const Entry = v.looseObject({
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
});
const ToolUse = v.looseObject({
  type: v.literal("tool_use"),
  id: v.string(),
  name: v.string(),
  input: v.unknown(),
});
const ToolResult = v.looseObject({ type: v.literal("tool_result"), tool_use_id: v.string() });

/**
 * Whether the transcript tells, after byte `since`, that a hook's decision was applied to this very tool call: Claude Code
 * writes `hook_permission_decision` for an allow, once the call has run, and a result with `toolDenialKind` for a deny.
 */
export function decisionApplied(
  path: string,
  since: number,
  call: { name: string; input: unknown },
  decision: Decision,
): boolean {
  const size = fileSize(path, path) ?? 0;
  if (size <= since) return false;
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
        isDeepStrictEqual(block.input, call.input)
      )
        ids.add(block.id);
    }
    if (at < since) continue;
    const { attachment, toolDenialKind } = entry;
    if (decision === "approve") {
      if (
        attachment?.type === "hook_permission_decision" &&
        attachment.decision === "allow" &&
        ids.has(attachment.toolUseID ?? "")
      )
        return true;
    } else if (
      toolDenialKind !== undefined &&
      content.some((block) => v.is(ToolResult, block) && ids.has(block.tool_use_id))
    )
      return true;
  }
  return false;
}

/** Where Claude Code keeps the transcript of a conversation: in a folder named after the one it was begun in. Empty where there is none. */
export function transcriptOf(conversation: string, configDir: string): string {
  const projects = join(configDir, "projects");
  if (!/^[\w-]{1,64}$/.test(conversation)) return "";
  try {
    const folders = opendirSync(projects);
    try {
      for (let read = 0; read < FOLDERS; read++) {
        const folder = folders.readSync();
        if (folder === null) break;
        const place = join(projects, folder.name, `${conversation}.jsonl`);
        if (existsSync(place)) return place;
      }
    } finally {
      folders.closeSync();
    }
    return "";
  } catch (error) {
    if (error instanceof Error && "code" in error) return ""; // not there yet, or not for us
    throw error;
  }
}

/** A transcript path from a hook, if it is where Claude Code keeps transcripts: the hook's sender may not be Claude. */
export function trustedTranscript(path: string, configDir: string): string | undefined {
  try {
    const real = realpathSync(path);
    return real.startsWith(`${realpathSync(configDir)}/projects/`) && real.endsWith(".jsonl")
      ? real
      : undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined; // does not exist
    throw error;
  }
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
