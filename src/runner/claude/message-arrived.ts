import * as v from "valibot";
import { parseJson } from "../../types.ts";
import { fileSize, readFileAt } from "../real-file.ts";
import { lettersOf } from "./input-box.ts";

/** How much of what a transcript has gained is read, in bytes. */
const READ_BYTES = 1024 * 1024;
/** So many letters of a message tell it from others. */
const COMPARED = 200;

/** The lines of Claude Code's transcript that hold what a person said: at once, or in the queue while Claude is at work (measured with 2.1.328 and 2.1.332). */
const Line = v.variant("type", [
  v.looseObject({
    type: v.literal("user"),
    message: v.looseObject({
      content: v.union([v.string(), v.array(v.looseObject({ type: v.string() }))]),
    }),
  }),
  v.looseObject({
    type: v.literal("queue-operation"),
    operation: v.literal("enqueue"),
    content: v.string(),
  }),
]);
const TextBlock = v.looseObject({ type: v.literal("text"), text: v.string() });

/** Whether a message has come into a transcript after byte `since`. */
export function messageArrived(path: string, since: number, text: string): boolean {
  const size = fileSize(path) ?? 0;
  if (size <= since) return false;
  const lines = readFileAt(path, since, Math.min(size - since, READ_BYTES))
    .toString()
    .split("\n");
  return lines.some((line) => {
    const said = parseJson(Line, line);
    if (said === undefined) return false;
    const content = said.type === "user" ? said.message.content : said.content;
    const words =
      typeof content === "string"
        ? content
        : content.map((block) => (v.is(TextBlock, block) ? block.text : "")).join("\n");
    return holdsMessage(words, text);
  });
}

/** Whether words that Claude was told are, or contain, a message. */
export function holdsMessage(words: string, text: string): boolean {
  const letters = lettersOf(text).slice(0, COMPARED);
  return letters === "" ? words.includes(text.trim()) : lettersOf(words).includes(letters);
}
