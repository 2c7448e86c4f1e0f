/** Colours as SGR codes (ECMA-48, 8.3.117). */
const TONES = { bright: "1", good: "32", bad: "31" } as const;
export type Tone = keyof typeof TONES;

/** Writes on the terminal, in colour where that is wanted (https://no-color.org); answers how many rows that took. */
export function write(text: string, tone?: Tone): number {
  const coloured = tone !== undefined && (process.env.NO_COLOR ?? "") === "";
  process.stdout.write(coloured ? `\x1b[${TONES[tone]}m${text}\x1b[0m` : text);
  const columns = process.stdout.columns || 80;
  const lines = text.split("\n").slice(0, -1);
  return lines.reduce(
    (rows, line) => rows + Math.max(1, Math.ceil(Bun.stringWidth(line) / columns)),
    0,
  );
}

/** Words from outside, without what a terminal would act on. */
export const plain = (text: string) => text.replace(/\p{Cc}/gu, "");

const NAMES: Record<string, string> = {
  "\r": "enter",
  "\n": "enter",
  "\x1b": "esc",
  "\x1b[A": "up",
  "\x1b[B": "down",
  "\x1bOA": "up",
  "\x1bOB": "down",
};

/** Between two keys that came at once, in ms. */
const KEY_MS = 10;

/** Keys as they are pressed; Ctrl-C ends the program. What is pressed while nobody asks is dropped. */
export function openKeys() {
  let take: (key: string) => void = () => undefined;
  if (process.stdin.isTTY) process.stdin.setRawMode(true);
  process.stdin.on("data", (bytes: Uint8Array) => {
    const text = new TextDecoder().decode(bytes);
    if (text.includes("\x03")) process.exit(0);
    // several at once, as when typed quickly: each waits for whoever asks next
    for (const [i, key] of (text.match(/\p{Cc}[[O][A-D]|[\s\S]/gu) ?? []).entries())
      setTimeout(() => take(NAMES[key] ?? key), i * KEY_MS);
  });
  return {
    /** The next key; undefined once `signal` aborts. */
    next: (signal?: AbortSignal) =>
      new Promise<string | undefined>((resolve) => {
        take = resolve;
        signal?.addEventListener("abort", () => resolve(undefined), { once: true });
      }),
  };
}
