import type { Exit } from "../types.ts";
import { hiddenSign, visibleParts } from "../visible-text.ts";

/** What a sandbox was refused and what it changed, in words. */
export function sandboxWords({
  refused = [],
  changed = [],
}: Pick<Exit, "refused" | "changed">): string {
  const flags = refused.map((place) => `--sandbox-host ${place}`).join(" ");
  return [
    ...(refused.length === 0
      ? []
      : [`The sandbox asked for ${refused.join(", ")}; allow with ${flags}.`]),
    ...(changed.length === 0
      ? []
      : [
          `It changed files that tell programs outside what to run: ${changed.map(visible).join(", ")}. Read them before you go on.`,
        ]),
  ].join(" ");
}

/** A name that somebody inside chose: characters that can't be seen are shown by their code points. */
const visible = (name: string) =>
  visibleParts(name, { keep: "" })
    .map(({ text, hidden }) => text ?? hiddenSign(hidden))
    .join("");
