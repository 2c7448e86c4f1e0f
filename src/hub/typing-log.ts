/** One stream's typing is in the audit once within this time, in ms. */
const EVERY_MS = 60_000;
/** So many streams are remembered; of more, those that typed first are forgotten, and told again. */
const STREAMS = 1000;

/** Which inputs belong in the audit: not each key, but that somebody types, and every shell command. */
export class TypingLog {
  /** When each stream was last noted, by session, device and stream, in ms; the oldest first. */
  readonly #noted = new Map<string, number>();

  /** What an input is to be noted as, or undefined where this stream's typing was noted of late. */
  note(
    session: string,
    device: string,
    { stream, shell }: { stream: string; shell?: boolean | undefined },
    now = performance.now(),
  ): "shell" | "type" | undefined {
    if (shell === true) return "shell";
    const key = `${session} ${device} ${stream}`;
    const before = this.#noted.get(key);
    if (before !== undefined && now - before < EVERY_MS) return undefined;
    this.#noted.delete(key);
    this.#noted.set(key, now);
    for (const [oldest] of this.#noted) {
      if (this.#noted.size <= STREAMS) break;
      this.#noted.delete(oldest);
    }
    return "type";
  }
}
