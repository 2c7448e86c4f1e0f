/**
 * After output or input the terminal is looked at again so long afterwards, in ms: many programs print what they ask before they
 * turn the echo off, and turn it on again only after they have read the line.
 */
const LOOKS_MS = [10, 40, 200];

/** Notices when a terminal begins or ceases to hide what is typed. That makes no event of its own, and nothing is polled while it is quiet. */
export class EchoWatch {
  private hidden = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private looks = 0;

  constructor(
    private readonly hidesInput: () => boolean,
    private readonly onChange: () => void,
  ) {}

  /** Something was printed or typed. */
  stir(): void {
    this.looks = 0;
    this.timer ??= setTimeout(this.look, LOOKS_MS[0]);
  }

  /** Looks now, and tells of a change. */
  check(): void {
    const hidden = this.hidesInput();
    if (hidden === this.hidden) return;
    this.hidden = hidden;
    this.onChange();
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private readonly look = (): void => {
    const next = LOOKS_MS[++this.looks];
    this.timer = next === undefined ? undefined : setTimeout(this.look, next);
    this.check();
  };
}
