import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as v from "valibot";
import { parseJson } from "../src/types.ts";

/** What the real Claude Code wrote to its terminal, read by read: made by `bench/record.ts`. */
export const RECORDING = resolve(import.meta.dir, "fixtures/claude.json.gz");

/** `chunks` are bytes, one a character (latin1), with the ms since the start. */
const Recording = v.object({
  cols: v.number(),
  rows: v.number(),
  chunks: v.array(v.tuple([v.number(), v.string()])),
});
export type Recording = v.InferOutput<typeof Recording>;

export function readRecording(): Recording {
  const recording = parseJson(
    Recording,
    new TextDecoder().decode(Bun.gunzipSync(readFileSync(RECORDING))),
  );
  if (recording === undefined) throw new Error(`${RECORDING} is not a recording`);
  return recording;
}

/** The title that a replay ends with. */
export const END = "END OF THE RECORDING";
