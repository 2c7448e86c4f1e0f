import { visibleString } from "../visible-text.ts";

/** How a person who tries this from a clone types it; otherwise by its name. */
export const OWN_NAME =
  process.env.npm_lifecycle_event === "start"
    ? `npx -y bun@${Bun.version} run start`
    : "claude-remote";

/** What a terminal would take for more than text. */
const CONTROL = /[^\P{Cc}\n\t]/gu;
/**
 * Text as a terminal may have it: without controls, and what a person would not see by its code point. Servers' words are among
 * ours, and not all of them have proved who they are.
 */
export const harmless = (text: string): string =>
  visibleString(text.replace(CONTROL, ""), { keep: "\n\t", prose: true });

/** Prints text for people, with a line's end: all that a command says goes this way or by `say`. */
export function print(text: string, out: NodeJS.WriteStream = process.stdout): void {
  out.write(`${harmless(text)}\n`);
}

/** Prints JSON in one line for programs. A terminal shows it harmlessly too: what JSON leaves as it is and a person would not see is escaped. */
export function printJson(value: unknown): void {
  const escaped = JSON.stringify(value).replace(/[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu, (char) =>
    [...Array(char.length).keys()]
      .map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`)
      .join(""),
  );
  process.stdout.write(`${escaped}\n`);
}

/** Our own words: on stderr, whole words to a line, the name before them dimmed where colour is wanted (https://no-color.org). */
export function say(text: string): void {
  const plain =
    !process.stderr.isTTY || (process.env.NO_COLOR ?? "") !== "" || process.env.TERM === "dumb";
  const lines = fold(`claude-remote: ${harmless(text)}`).slice("claude-remote:".length);
  process.stderr.write(`${plain ? "claude-remote:" : "\x1b[2mclaude-remote:\x1b[22m"}${lines}\n`);
}

/** The width of the terminal that it is, or none. */
export const widthOf = (stream: NodeJS.WriteStream) =>
  stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY;

/** Breaks lines between words, where there is a terminal that would break them anywhere. */
export function fold(text: string, columns = widthOf(process.stderr)): string {
  const foldLine = (line: string) => {
    const rows = [""];
    for (const word of line.split(/(?<= )/)) {
      const row = rows.at(-1) ?? "";
      if (row === "" || row.length + word.trimEnd().length <= columns)
        rows[rows.length - 1] = row + word;
      else rows.push(word);
    }
    return rows.map((row) => row.trimEnd()).join("\n");
  };
  return text.split("\n").map(foldLine).join("\n");
}

/** A word on a terminal for as long as something is made ready; the returned function takes it away again, and nothing else is to be said meanwhile. */
export function sayMeanwhile(text: string): () => void {
  if (!process.stderr.isTTY || process.env.TERM === "dumb") return () => undefined;
  process.stderr.write(`\r\x1b[2K\x1b[2mclaude-remote: ${text}\x1b[22m`);
  let over = false;
  return () => {
    if (!over) process.stderr.write("\r\x1b[2K");
    over = true;
  };
}
