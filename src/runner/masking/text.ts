import { findSecrets, type Secret } from "./finder.ts";
import { ALONE, findKeys, mayHoldKey, OUTSIDE } from "./key-material.ts";

/**
 * What must not leave this machine, in a text: credentials behind telling names and in their places, those of known forms, and the
 * material of private keys; in order, none over another. `unfinished`: more may be written at its end.
 */
export function secretsIn(text: string, unfinished = false): readonly Secret[] {
  const secrets = findSecrets(text, unfinished);
  const isLine = !text.includes("\n");
  if (!mayHoldKey(text, isLine ? ALONE : undefined)) return secrets;
  const found = [...secrets];
  const lines = isLine ? [text] : text.split("\n");
  const keys = findKeys(lines, OUTSIDE);
  let at = 0;
  for (const [i, line] of lines.entries()) {
    for (const { start, end } of [
      ...(keys.inline[i] ?? []),
      ...(keys.stretches[i] ? [keys.stretches[i]] : []),
    ])
      found.push({ start: at + start, end: at + end, by: "key" });
    at += line.length + 1;
  }
  return apart(found.sort((a, b) => a.start - b.start));
}

/** Secrets that lie over each other become one. */
function apart(secrets: Secret[]): Secret[] {
  const kept: Secret[] = [];
  for (const secret of secrets) {
    const last = kept.at(-1);
    if (last === undefined || secret.start >= last.end) kept.push(secret);
    else if (secret.end > last.end) kept.push({ ...secret, start: last.end });
  }
  return kept;
}

/** As many dots as there are characters, so that a row's styles still fit. */
export const dots = (text: string): string => text.replace(/[^\n]/g, "•");
