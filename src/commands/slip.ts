import { say } from "./say.ts";
import { closest, WORDS } from "./words.ts";

/** Words of claude's own that must not be taken for slips. */
const CLAUDES = new Set([
  "agents",
  "auth",
  "config",
  "doctor",
  "install",
  "mcp",
  "plugin",
  "update",
]);

/**
 * The word of ours that somebody at a terminal meant by one that is close to it; undefined where it is for claude, "none" where
 * nobody answers. Without a terminal it is for claude, and only pointed out.
 */
export function meantWord(word: string, rest: readonly string[]): string | undefined {
  const meant = closest(
    word,
    WORDS.map(({ name }) => name),
  );
  if (meant === undefined || CLAUDES.has(word)) return undefined;
  const whole = `claude-remote ${[meant, ...rest].join(" ")}`;
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    say(`"${word}" goes to claude; did you mean \`${whole}\`?`);
    return undefined;
  }
  say(`"${word}" is no word of claude-remote. Did you mean \`${whole}\`?`);
  const answer = prompt(`y: yes, n: no, give "${word}" to claude`, "y");
  if (answer === null) return "none";
  return /^n/i.test(answer.trim()) ? undefined : meant;
}
