import type { Terminal } from "@xterm/headless";

/** DEC private mode 2026: a program draws between setting and resetting it, and what is half drawn is not to be shown. */
const SYNCHRONIZED = 2026;
/** An update that takes longer is shown as far as it has come, in ms. */
export const UPDATE_MS = 1000;

type State =
  | { name: "none" }
  /** The program has begun an update, at this time of `performance.now()`. */
  | { name: "open"; since: number }
  /** It has not ended it in time: the screen is shown as it is until it ends this update, or begins another. */
  | { name: "late" };

export interface UpdateEvents {
  /** An update begins: the screen is as the program wants it seen, for the last time before the end. */
  onBegin(): void;
  /** An update has taken too long. */
  onLate(): void;
}

/** Follows a program's synchronised updates as its output is parsed. */
export class SynchronizedUpdates {
  private state: State = { name: "none" };
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly term: Terminal,
    private readonly events: UpdateEvents,
  ) {
    term.parser.registerCsiHandler({ prefix: "?", final: "h" }, (params) => {
      if (params.includes(SYNCHRONIZED)) this.begin();
      return false; // the emulator acts on it too: it answers for the mode
    });
    term.parser.registerCsiHandler({ prefix: "?", final: "l" }, (params) => {
      if (params.includes(SYNCHRONIZED)) this.state = { name: "none" };
      return false;
    });
  }

  /** Whether the screen is half drawn. A reset of the terminal ends an update too. */
  get isOpen(): boolean {
    return (
      this.state.name === "open" &&
      this.term.modes.synchronizedOutputMode &&
      performance.now() - this.state.since < UPDATE_MS
    );
  }

  /** Shows the screen as it is from now on. */
  close(): void {
    this.state = { name: "late" };
    clearTimeout(this.timer);
  }

  private begin(): void {
    if (this.isOpen) return; // begun once more: it does not get more time
    this.events.onBegin();
    this.state = { name: "open", since: performance.now() };
    this.timer ??= setTimeout(this.look, UPDATE_MS);
  }

  /** One timer for all updates: a program may begin and end thousands in a second. */
  private readonly look = (): void => {
    this.timer = undefined;
    if (this.state.name !== "open") return;
    const left = this.state.since + UPDATE_MS - performance.now();
    if (left > 0) {
      this.timer = setTimeout(this.look, left);
      return;
    }
    this.state = { name: "late" };
    this.events.onLate();
  };
}
