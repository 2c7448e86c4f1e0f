import * as v from "valibot";
import { parseJson } from "../types.ts";

/** A line of Claude Code's transcript, as far as it tells where it belongs (measured with 2.1.328). */
const Line = v.looseObject({
  type: v.string(),
  uuid: v.optional(v.string()),
  parentUuid: v.optional(v.nullable(v.string())),
  /** Of the line after which a conversation was compacted: what came before. */
  logicalParentUuid: v.optional(v.nullable(v.string())),
  isMeta: v.optional(v.boolean()),
  isSidechain: v.optional(v.boolean()),
  isCompactSummary: v.optional(v.boolean()),
  message: v.optional(v.looseObject({ content: v.optional(v.unknown()) })),
});
type Line = v.InferOutput<typeof Line>;
const Result = v.looseObject({ type: v.literal("tool_result") });

interface Node {
  parent: string | undefined;
  /** Where its line stands: of which conversation, in which file, up to which byte. */
  group: string;
  file: number;
  end: number;
  /** The number of its first entry. */
  n: number;
  isPrompt: boolean;
  /** Where the line stands that took it back. */
  takenAt: { file: number; end: number } | undefined;
}

/** Where a line stands, and the number that its first entry will have. */
export interface LinePlace {
  conversation: string;
  file: number;
  end: number;
  n: number;
}

/** How the lines of a session's conversations hang together: a tree, in which `/rewind` begins another branch and a fork repeats what was before. */
export class Thread {
  readonly #nodes = new Map<string, Node>();
  /** Forks count as the conversation that they were made of. */
  readonly #groups = new Map<string, string>();

  /**
   * Takes a line in: `repeated` where it was there before, in another file. `takenBack` is the number of the first entry that this line leaves behind.
   * A line may be read again, as often as the server has lost it.
   */
  add(text: string, place: LinePlace): { repeated: boolean; takenBack?: number } {
    const line = parseJson(Line, text);
    if (line?.uuid === undefined) return { repeated: false };
    const known = this.#nodes.get(line.uuid);
    if (known !== undefined && isBefore(known, place)) {
      if (place.conversation !== known.group) this.#groups.set(place.conversation, known.group);
      return { repeated: true };
    }
    const { file, end, n } = place;
    const node: Node = {
      parent: line.parentUuid ?? line.logicalParentUuid ?? undefined,
      group: this.#groups.get(place.conversation) ?? place.conversation,
      ...{ file, end, n },
      isPrompt: isPrompt(line),
      takenAt: known?.takenAt,
    };
    this.#nodes.set(line.uuid, node);
    const takenBack = node.isPrompt ? this.#leave(node) : undefined;
    if (takenBack !== undefined) node.n++; // the word of it comes first
    return { repeated: false, ...(takenBack === undefined ? {} : { takenBack }) };
  }

  /** Marks the prompts that a new one does not come after; the number of the first entry of these. */
  #leave(node: Node): number | undefined {
    if (node.parent !== undefined && !this.#nodes.has(node.parent)) return undefined; // it was not read here
    const before = new Set<Node>();
    for (let at = node.parent; at !== undefined; ) {
      const parent = this.#nodes.get(at);
      if (parent === undefined || before.has(parent)) break;
      before.add(parent);
      at = parent.parent;
    }
    let first: number | undefined;
    for (const other of this.#nodes.values()) {
      const left =
        other.isPrompt &&
        other.group === node.group &&
        isBefore(other, node) &&
        !before.has(other) &&
        (other.takenAt === undefined || !isBefore(other.takenAt, node));
      if (!left) continue;
      other.takenAt = node;
      first = Math.min(first ?? other.n, other.n);
    }
    return first;
  }
}

const isBefore = (a: { file: number; end: number }, b: { file: number; end: number }) =>
  a.file < b.file || (a.file === b.file && a.end < b.end);

/** Whether somebody said this: what tools gave, and what is not for people, goes along with its turn. */
function isPrompt({ type, isMeta, isSidechain, isCompactSummary, message }: Line): boolean {
  if (type !== "user" || isMeta || isSidechain || isCompactSummary) return false;
  const content = message?.content;
  return (
    typeof content === "string" ||
    (Array.isArray(content) && !content.some((block) => v.is(Result, block)))
  );
}
