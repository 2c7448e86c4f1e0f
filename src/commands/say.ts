/** Our own words: on stderr, the name before them dimmed where colour is wanted (https://no-color.org). */
export function say(text: string): void {
  const plain = !process.stderr.isTTY || (process.env.NO_COLOR ?? "") !== "" || process.env.TERM === "dumb";
  process.stderr.write(`${plain ? "claude-remote:" : "\x1b[2mclaude-remote:\x1b[22m"} ${text}\n`);
}
