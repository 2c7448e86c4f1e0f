import type { IBuffer, IBufferCell } from "@xterm/headless";
import { rowPayload } from "./rows.ts";

/**
 * What must not leave this machine. Secrets are replaced by as many dots, so that a row's runs still fit. The table knows
 * forms that are a secret wherever they stand, and values behind telling names; the first group, where there is one, is what is masked.
 */
interface Rule {
  name: string;
  found: RegExp;
  /** Its beginning, at the end of what has been written so far: masked until it turns out to be something else. */
  begun?: RegExp;
}

export const RULES: readonly Rule[] = [
  { name: "Anthropic key", found: /\bsk-ant-[\w-]{2,}|sk-ant-(?:api|oat|sid|admin)\d[\w-]*/g },
  {
    name: "OpenAI-like key",
    found: /\bsk-(?=[\w-]{0,60}\d)[\w-]{20,}/g,
    begun: /\bsk-[\w-]{3,}$/g,
  },
  { name: "GitHub token", found: /\b(?:gh[pousr]_|github_pat_)\w{4,}|gh[pousr]_\w{30,}/g },
  { name: "GitLab token", found: /\bgl(?:pat|dt|rt|ptt)-[\w-]{4,}/g },
  {
    name: "Slack token",
    found: /\bxox[abeoprs]-(?=[\w-]{0,60}\d)[\w-]{4,}/g,
    begun: /\bxox[abeoprs]-[\w-]*$/g,
  },
  { name: "Stripe key", found: /\b[rs]k_(?:live|test)_\w{4,}/g },
  { name: "Google key", found: /\bAIza[\w-]{20,}/g, begun: /\bAIza[\w-]*$/g },
  {
    name: "AWS key id",
    found: /\b(?:AKIA|ASIA)[0-9A-Z]{12,}/g,
    begun: /\b(?:AKIA|ASIA)[0-9A-Z]*$/g,
  },
  { name: "npm token", found: /\bnpm_[A-Za-z0-9]{20,}/g, begun: /\bnpm_[A-Za-z0-9]{4,}$/g },
  { name: "Hugging Face token", found: /\bhf_[A-Za-z0-9]{20,}/g, begun: /\bhf_[A-Za-z0-9]{4,}$/g },
  {
    name: "JSON Web Token",
    found: /\beyJ[\w-]{8,1000}\.[\w-]{8,}\.[\w-]*/g,
    begun: /\beyJ[\w.-]{5,}$/g,
  },
  {
    name: "password in a URL",
    found: /:\/\/[^\s/:@]{0,100}:([^\s/@]{1,200})@/g,
    begun: /:\/\/[^\s/:@]{0,100}:(?!\d{1,5}$)([^\s/@]+)$/g,
  },
  {
    name: "authorization header",
    found: /\bauthorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic|token)\s+)?([^\s"']{8,})/gi,
  },
  {
    name: "value of a telling name",
    found:
      /(?:password|passwd|secret|token|api_?key|access_?key|private_?key)(?:_\w{1,20})?["']?\s*[:=]\s*["']?((?=[^\s"'()]{0,60}\d)[\w+/=.~-]{8,})/gi,
  },
  { name: "pairing link", found: /#pair=([\w-]{8,})/g },
  { name: "private key", found: /-----BEGIN [A-Z ]*PRIVATE KEY-----([\s\S]*?)(?:-----END|$)/g },
];

/** One of these is in every text that a rule could match: most rows are done with after this. */
const HINT =
  /sk-|gh[pousr]_|github_pat_|gl(?:pat|dt|rt|ptt)-|xox[abeoprs]-|k_(?:live|test)_|AIza|AKIA|ASIA|npm_|hf_|eyJ|:\/\/|authorization|passw|secret|token|key|#pair=|PRIVATE/i;

/** The beginning of a secret is looked for in so much of what was written last, in UTF-16 units. */
const BEGUN_CHARS = 300;

/** Hears of every stretch that is dotted out, and of the match that it stands in. */
type OnMasked = (secret: string, match: string) => void;

/** The text with every secret dotted out. `unfinished`: more may be written at its end. Takes a time that grows with the length alone. */
export function maskSecrets(
  text: string,
  unfinished = false,
  onMasked: OnMasked = () => undefined,
): string {
  if (!HINT.test(text)) return text;
  const dots = (match: string, ...rest: unknown[]): string => {
    const secret = typeof rest[0] === "string" ? rest[0] : match; // without a group the offset comes first
    const at = match.lastIndexOf(secret);
    onMasked(secret, match);
    return match.slice(0, at) + secret.replace(/[^\n]/g, "•") + match.slice(at + secret.length);
  };
  const masked = RULES.reduce((rest, { found }) => rest.replace(found, dots), text);
  if (!unfinished) return masked;
  const tail = Math.max(0, masked.length - BEGUN_CHARS);
  return (
    masked.slice(0, tail) +
    RULES.reduce(
      (end, { begun }) => (begun === undefined ? end : end.replace(begun, dots)),
      masked.slice(tail),
    )
  );
}

/** What could be nothing but a secret: no space, path or sign that a shell acts on. */
const PLAIN_SECRET = /^[\w+=.~-]+$/;

/**
 * Every string of a JSON object, masked; names too. `opaque`: what was dotted out could also have been part of a command, so
 * that somebody who sees the dots does not know what they approve.
 */
export function maskInput(input: Record<string, unknown>): {
  input: Record<string, unknown>;
  opaque: boolean;
} {
  let opaque = false;
  const mask = (text: string) =>
    maskSecrets(text, false, (secret, match) => {
      opaque ||= !PLAIN_SECRET.test(secret) || /=\s/.test(match);
    });
  const maskObject = (object: object): Record<string, unknown> => {
    const entries = new Map<string, unknown>();
    const alike = new Map<string, number>();
    for (const [name, part] of Object.entries(object)) {
      const dotted = mask(name);
      let shown = dotted;
      // two names must not become one, or what stands under it goes unseen
      for (let n = alike.get(dotted) ?? 2; entries.has(shown); n++) {
        shown = `${dotted} (${n})`;
        alike.set(dotted, n + 1);
      }
      // a telling name and its value stand apart here
      const value =
        typeof part === "string" ? maskSecrets(`${name}=${part}`).slice(name.length + 1) : "";
      const told = typeof part === "string" && /^•+$/.test(value);
      opaque ||= told && name === "command";
      const inPart = typeof part === "string" && !told && value !== mask(part); // only its beginning looks like one
      entries.set(
        shown,
        told ? value : inPart ? mask(`${name}=${part}`).slice(name.length + 1) : maskValue(part),
      );
    }
    return Object.fromEntries(entries);
  };
  const maskValue = (value: unknown): unknown => {
    if (typeof value === "string") return mask(value);
    if (Array.isArray(value)) return value.map(maskValue);
    return typeof value === "object" && value !== null ? maskObject(value) : value;
  };
  return { input: maskObject(input), opaque };
}

/** A row on its way out: its payload (see rows.ts), and whether it goes on with the one before. */
export interface Row {
  payload: string;
  continues: boolean;
}

/** So many rows above are looked at where the first goes on with them: a long wrapped line, or a private key. */
const ABOVE = 60;

/** The rows from `start` to `end` of an emulator's buffer as payloads, masked as what stands above and below them tells. */
export function maskedRows(
  buffer: IBuffer,
  start: number,
  end: number,
  cols: number,
  cell: IBufferCell,
  cursor = -1,
): string[] {
  const text = (y: number) => buffer.getLine(y)?.translateToString(true) ?? "";
  let first = start;
  const goesOn = (y: number) =>
    buffer.getLine(y)?.isWrapped === true || /^\s*[\w+/=.~-]{16,}\s*$/.test(text(y));
  if (start > 0 && goesOn(start))
    while (first > 0 && start - first < ABOVE && (goesOn(first) || first === start)) first--;
  let last = end;
  while (last - end < ABOVE && buffer.getLine(last)?.isWrapped === true) last++;
  const rows: Row[] = [];
  for (let y = first, line = buffer.getLine(y); y < last; y++) {
    const next = buffer.getLine(y + 1);
    rows.push({
      payload: line === undefined ? "" : rowPayload(line, cols, cell, next),
      continues: line?.isWrapped === true,
    });
    line = next;
  }
  const masked = maskRows(rows, cols, cursor < 0 ? -1 : cursor - first);
  return masked.slice(start - first, end - first);
}

/** Rows as long as this are taken for full: programs that wrap by themselves leave the last cells free. In cells. */
const NEARLY = 3;

/**
 * Masks rows that stand below each other: secrets that the terminal has wrapped, and those that a program has wrapped itself,
 * which go on at the beginning of the next row. `cursor` is the row where more may be written.
 */
export function maskRows(rows: readonly Row[], cols: number, cursor = -1): string[] {
  const texts = rows.map(({ payload }) => {
    const end = payload.indexOf("\n");
    return end < 0 ? payload : payload.slice(0, end);
  });
  // most; what the terminal wrapped is one text here too, as a hint may stand across its rows
  const whole = texts
    .map((text, i) => (i === 0 || rows[i]?.continues === true ? text : `\n${text}`))
    .join("");
  if (!HINT.test(whole)) return rows.map(({ payload }) => payload);
  const masked: string[] = [];
  for (let start = 0; start < rows.length; ) {
    let end = start + 1;
    while (end < rows.length && rows[end]?.continues === true) end++;
    const line = maskSecrets(texts.slice(start, end).join(""), cursor >= start && cursor < end);
    for (let at = 0, i = start; i < end; i++) {
      const length = texts[i]?.length ?? 0;
      masked.push(line.slice(at, at + length));
      at += length;
    }
    start = end;
  }
  let key = false;
  for (const [i, text] of masked.entries()) {
    const before = masked[i - 1] ?? "";
    if (before.endsWith("•") && before.length >= cols - NEARLY && rows[i]?.continues !== true)
      masked[i] = text.replace(
        /^(\s*)([\w+/=.~-]+)/,
        (_, space: string, rest: string) => space + "•".repeat(rest.length),
      );
    const original = texts[i] ?? "";
    if (original.includes("-----END")) key = false;
    else if (key) masked[i] = (masked[i] ?? "").replace(/[\w+/=]/g, "•");
    if (/-----BEGIN [A-Z ]*PRIVATE KEY/.test(original)) key = !original.includes("-----END");
  }
  return rows.map(({ payload }, i) => (masked[i] ?? "") + payload.slice(texts[i]?.length ?? 0));
}
