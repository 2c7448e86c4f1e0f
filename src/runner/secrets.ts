import { maskStrings } from "./masking/strings.ts";
import { dots, secretsIn } from "./masking/text.ts";

export { maskInput } from "./masking/decision.ts";
export { maskedRows, maskRows } from "./masking/rows.ts";

/**
 * A text that is only looked at, with every secret dotted out. `unfinished`: more may be written at its end. Takes a time that grows
 * with the length alone.
 */
export function maskSecrets(text: string, unfinished = false): string {
  let masked = "";
  let at = 0;
  for (const { start, end } of secretsIn(text, unfinished)) {
    masked += text.slice(at, start) + dots(text.slice(start, end));
    at = end;
  }
  return at === 0 ? text : masked + text.slice(at);
}

/** Every string of a JSON object that is only looked at, masked; names too. */
export const maskObject = (input: Record<string, unknown>): Record<string, unknown> =>
  maskStrings(input, (text) => maskSecrets(text));
