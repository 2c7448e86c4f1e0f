import * as v from "valibot";
import { type Entry, LIMITS, parseJson, ToolInput } from "../types.ts";
import { maskObject, maskSecrets } from "./secrets.ts";

/** Of a message, of a tool's result and of one string of its input so much is shown, in UTF-16 units. */
const MESSAGE_CHARS = 48 * 1024;
const RESULT_CHARS = 12 * 1024;
const INPUT_CHARS = 12 * 1024;
/** Looked at beyond what is shown, so that a secret that is cut in two is still known for one. */
const MARGIN_CHARS = 4096;
/** An input is shown to this depth, and so many parts of each object or list. */
const DEPTH = 12;
const PARTS = 100;
/** The entries of one line come to this at most, in UTF-16 units, so that they fit into one message as JSON. */
const LINE_CHARS = 512 * 1024;

/** Who a message comes from: `human`, or what of Claude Code's or of others' wrote it. */
const origin = v.fallback(
  v.optional(v.looseObject({ kind: v.optional(v.string()), from: v.optional(v.string()) })),
  undefined,
);
/** What messages of these origins are, in words for people; one that is not known is no person's either. */
const ORIGINS: Readonly<Record<string, string>> = {
  peer: "From another agent",
  coordinator: "From the coordinating agent",
  "task-notification": "From a background task",
  "auto-continuation": "Claude Code goes on by itself",
  channel: "From a channel",
  plugin: "From a plugin",
  "observer-activity": "From an observing agent",
  "voice-call": "From a voice call",
  unclassified: "Not from a person",
};

/** A line of Claude Code's transcript, as far as we use it (measured with 2.1.328). */
const Line = v.looseObject({
  type: v.string(),
  timestamp: v.optional(v.string()),
  /** Not part of what a person sees. */
  isMeta: v.optional(v.boolean()),
  /** A subagent's own conversation. */
  isSidechain: v.optional(v.boolean()),
  isCompactSummary: v.optional(v.boolean()),
  isApiErrorMessage: v.optional(v.boolean()),
  origin,
  message: v.optional(v.looseObject({ content: v.union([v.string(), v.array(v.unknown())]) })),
  /** Of a system line. */
  content: v.optional(v.unknown()),
  attachment: v.optional(
    v.looseObject({
      type: v.string(),
      prompt: v.optional(v.unknown()),
      commandMode: v.optional(v.string()),
      origin,
      isMeta: v.optional(v.boolean()),
    }),
  ),
});
const Block = v.variant("type", [
  v.looseObject({ type: v.literal("text"), text: v.string() }),
  v.looseObject({ type: v.literal("thinking"), thinking: v.string() }),
  v.looseObject({ type: v.literal("image") }),
  v.looseObject({
    type: v.literal("tool_use"),
    id: v.string(),
    name: v.string(),
    input: ToolInput,
  }),
  v.looseObject({
    type: v.literal("tool_result"),
    tool_use_id: v.string(),
    content: v.optional(v.unknown()),
    is_error: v.optional(v.boolean()),
  }),
]);
type Block = v.InferOutput<typeof Block>;

/** What is shown of a line of the transcript, without secrets; nothing for kinds that are not known, or not for people. */
export function entriesOf(line: string): Entry[] {
  const parsed = parseJson(Line, line);
  if (parsed === undefined || parsed.isMeta || parsed.isSidechain) return [];
  const at = Math.max(0, Date.parse(parsed.timestamp ?? "") || 0);
  const said = (kind: "user" | "assistant" | "thinking" | "note", text: string): Entry[] =>
    text.trim() === "" ? [] : [{ kind, at, text: clip(text, MESSAGE_CHARS) }];
  const byPerson = (text: string): Entry[] => {
    if (parsed.isCompactSummary)
      return said(
        "note",
        `The conversation was compacted. Claude goes on with this summary:\n\n${text}`,
      );
    const { kind, words } = spoken(text);
    const from = (parsed.attachment?.origin ?? parsed.origin)?.kind;
    // what Claude Code wraps is shown as what it is; other words are a person's only where they say so, or nothing tells
    const isTheirs = words === "" || (kind === "note" && !text.startsWith(INTERRUPTED));
    if (from === "human" && isTheirs) return said("user", unpasted(text)); // somebody writes about such a tag
    if (from === undefined || from === "human" || kind === "note") return said(kind, words);
    const who = Object.hasOwn(ORIGINS, from) ? ORIGINS[from] : `Not from a person (${from})`;
    return said("note", `${who}: ${words}`);
  };
  const entries = () => {
    if (parsed.type === "attachment") {
      const { attachment } = parsed;
      // what was typed while Claude was at work
      return attachment?.type === "queued_command" &&
        attachment.commandMode === "prompt" &&
        attachment.isMeta !== true
        ? blocksOf(attachment.prompt).flatMap((block) => shown(block, byPerson))
        : [];
    }
    if (parsed.type === "system")
      return typeof parsed.content === "string" ? said("note", spoken(parsed.content).words) : [];
    if (parsed.type === "user")
      return blocksOf(parsed.message?.content).flatMap((block) => shown(block, byPerson));
    if (parsed.type !== "assistant") return [];
    return blocksOf(parsed.message?.content).flatMap((block) =>
      shown(block, (text) => said(parsed.isApiErrorMessage ? "note" : "assistant", text)),
    );
  };
  const shown = (block: Block, text: (text: string) => Entry[]): Entry[] => {
    switch (block.type) {
      case "text":
        return text(block.text);
      case "thinking":
        return said("thinking", block.thinking);
      case "image":
        return said("note", "An image, which is not shown here.");
      case "tool_use":
        return [
          {
            kind: "tool",
            at,
            id: block.id.slice(0, 256),
            tool: maskSecrets(block.name.slice(0, 256)),
            input: inputText(block.input),
          },
        ];
      case "tool_result":
        return [
          {
            kind: "result",
            at,
            id: block.tool_use_id.slice(0, 256),
            text: clip(resultText(block.content), RESULT_CHARS),
            error: block.is_error === true,
          },
        ];
      default:
        return block satisfies never;
    }
  };
  return bounded(entries(), at);
}

function bounded(entries: Entry[], at: number): Entry[] {
  let chars = 0;
  const fit = entries.slice(0, LIMITS.entries - 1).filter((entry) => {
    chars += JSON.stringify(entry).length;
    return chars < LINE_CHARS;
  });
  const left = entries.length - fit.length;
  return left === 0
    ? fit
    : [...fit, { kind: "note", at, text: `… ${left} more entries, too many to be shown` }];
}

function blocksOf(content: unknown): Block[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (!Array.isArray(content)) return [];
  return content.flatMap((part) => {
    const parsed = v.safeParse(Block, part);
    return parsed.success ? [parsed.output] : [];
  });
}

function resultText(content: unknown): string {
  return blocksOf(content)
    .map((block) => (block.type === "text" ? block.text : block.type === "image" ? "[image]" : ""))
    .join("\n");
}

/** What stands between `<name>` and `</name>`. */
function tagged(text: string, name: string): string {
  const start = text.indexOf(`<${name}>`);
  const end = text.indexOf(`</${name}>`, start);
  return start < 0 || end < 0 ? "" : text.slice(start + name.length + 2, end);
}

/** What stands in an element that may have attributes, also on its end. */
function inner(text: string, name: string): string {
  const start = text.indexOf(">", text.indexOf(`<${name}`));
  const end = text.lastIndexOf(`</${name}`);
  return start < 0 ? "" : text.slice(start + 1, end > start ? end : undefined).trim();
}

/** What comes after the first element of a name. */
function after(text: string, name: string): string {
  const end = text.indexOf(`</${name}`);
  const close = end < 0 ? -1 : text.indexOf(">", end);
  return close < 0 ? "" : text.slice(close + 1).trim();
}

/** Claude Code writes this where a person pressed Escape. */
const INTERRUPTED = "[Request interrupted by user";
/** Around what was pasted: for the model alone. */
const PASTED = /<\/?pasted_content id="[^"<>]{0,100}">\n?/g;
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]{0,20}m`, "g");

function unpasted(text: string): string {
  const inside = text.replace(PASTED, "");
  return inside === text ? text : inside.trim();
}

/** Claude Code writes commands, their output and its own notices as if a person had said them, between tags. */
function spoken(text: string): { kind: "user" | "note"; words: string } {
  const tag = /^\s*<([a-z_-]{1,40})(?:\s[^<>]{0,500})?>/.exec(text)?.[1] ?? "";
  const plain = (...names: string[]) =>
    names
      .map((name) => tagged(text, name).replace(COLOURS, "").trim())
      .filter((part) => part !== "")
      .join("\n");
  switch (tag) {
    case "command-name":
    case "command-message":
      return { kind: "user", words: `${plain("command-name")} ${plain("command-args")}`.trim() };
    case "bash-input":
      return { kind: "user", words: `! ${plain(tag)}` };
    case "bash-stdout":
    case "bash-stderr":
      return { kind: "note", words: plain("bash-stdout", "bash-stderr") };
    case "local-command-stdout":
    case "local-command-stderr":
      return { kind: "note", words: plain("local-command-stdout", "local-command-stderr") };
    case "task-notification":
      return { kind: "note", words: plain("summary") };
    case "system-reminder":
    case "local-command-caveat": {
      const rest = after(text, tag);
      return rest === "" ? { kind: "note", words: "" } : spoken(rest);
    }
    case "teammate-message":
      return { kind: "note", words: `From a teammate: ${inner(text, tag)}` };
    case "cross-session-message":
    case "agent-message":
      return { kind: "note", words: `From another agent: ${inner(text, tag)}` };
    case "channel":
    case "slack-ping":
    case "slack-tag-message":
      return { kind: "note", words: `From a channel: ${inner(text, tag)}` };
    default:
      return text.startsWith(INTERRUPTED)
        ? { kind: "note", words: "Interrupted." }
        : { kind: "user", words: unpasted(text) };
  }
}

/** The text without secrets; what is too long is cut, and says so. */
function clip(text: string, max: number): string {
  const looked = maskSecrets(text.slice(0, max + MARGIN_CHARS), text.length > max + MARGIN_CHARS);
  return (
    text.length <= max ? looked : `${looked.slice(0, max)}\n… ${text.length - max} more characters`
  ).toWellFormed();
}

/** A tool's input as JSON text, without secrets, with what is too long, too much or too deep cut. */
function inputText(input: Record<string, unknown>): string {
  const cut = (value: unknown, depth: number): unknown => {
    if (typeof value === "string") return clip(value, INPUT_CHARS);
    if (typeof value !== "object" || value === null) return value;
    if (depth === 0) return "… more, too deep to be shown";
    if (Array.isArray(value)) {
      const parts = value.slice(0, PARTS).map((part) => cut(part, depth - 1));
      return value.length > PARTS ? [...parts, `… ${value.length - PARTS} more`] : parts;
    }
    return cutObject(value, depth);
  };
  const cutObject = (object: object, depth: number): Record<string, unknown> => {
    const all = Object.entries(object);
    const parts = all
      .slice(0, PARTS)
      .map(([name, part]): [string, unknown] => [name.slice(0, 256), cut(part, depth - 1)]);
    return Object.fromEntries(
      all.length > PARTS ? [...parts, ["…", `… ${all.length - PARTS} more`]] : parts,
    );
  };
  const whole = JSON.stringify(maskObject(cutObject(input, DEPTH)));
  if (whole.length <= LIMITS.entryChars) return whole;
  return JSON.stringify({
    "…": `${whole.slice(0, INPUT_CHARS).toWellFormed()}\n… ${whole.length - INPUT_CHARS} more characters`,
  });
}
