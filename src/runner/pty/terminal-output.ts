import type { Desk } from "../desk.ts";
import { TerminalModes } from "./terminal-modes.ts";
import { unfinishedEnd } from "./unfinished.ts";

/** With so much waiting for the terminal at the desk, the program is held back until all of it is out, in bytes. */
const PAUSE_BYTES = 256 * 1024;
/** A terminal that takes nothing for so long holds nobody back any more, and how often that is looked for, in ms. */
const STALLED_MS = 2000;
const LOOK_MS = 250;

/** Draws all that the program has drawn so far; called back before anything that comes later is drawn there. */
export type Paint = (modes: TerminalModes, done: (painted: string) => void) => void;

type State =
  /** The terminal gets every byte. */
  | { name: "live" }
  /** It gets nothing until it reads again. `end`: the unfinished sequence at the end of what it did not get. */
  | { name: "behind"; end: Uint8Array }
  /** It gets the screen next, and then what has come meanwhile. */
  | { name: "painting"; early: Uint8Array[] };

/** The program is held back; the terminal had taken so many bytes, and has taken none since. */
interface Held {
  taken: number;
  since: number;
  timer: ReturnType<typeof setInterval>;
}

/**
 * What the program writes, on its way to the terminal at the desk. A terminal that takes nothing for a while (a laptop that sleeps
 * with ssh open) falls behind, so that the program and its other viewers go on; once it reads again it gets the newest screen.
 */
export class TerminalOutput {
  private readonly modes = new TerminalModes();
  private state: State = { name: "live" };
  private held: Held | undefined;
  private last: Uint8Array = new Uint8Array();
  /** Undefined while nothing follows the screen: then a terminal that takes nothing holds the program back, as without us. */
  paint: Paint | undefined;

  constructor(
    private readonly desk: Desk,
    /** Holds the program back, or no longer. */
    private readonly hold: (held: boolean) => void,
  ) {}

  write(bytes: Uint8Array): void {
    this.modes.feed(bytes);
    switch (this.state.name) {
      case "live":
        this.last = bytes;
        this.desk.write(bytes);
        if (this.desk.waiting > PAUSE_BYTES && this.held === undefined) this.holdBack();
        return;
      case "behind":
        this.state.end = unfinishedEnd(this.state.end, bytes);
        return;
      case "painting":
        this.state.early.push(bytes);
        return;
      default:
        this.state satisfies never;
    }
  }

  /** Paints the screen anew: the terminal may show rows that the program, in another size, knows nothing of. */
  repaint(): void {
    if (this.state.name === "live") this.startPainting(unfinishedEnd(this.last));
  }

  /** Whether the terminal misses what the program writes now: then it does not answer it either. */
  get isBehind(): boolean {
    return this.state.name !== "live";
  }

  /** Undoes the modes that a program left on that was killed; empty where that is nothing. */
  undo(): string {
    return (this.isBehind ? this.modes.redo() : "") + this.modes.undo();
  }

  private holdBack(): void {
    const timer = setInterval(() => this.look(), LOOK_MS);
    timer.unref();
    this.held = { taken: this.desk.taken, since: performance.now(), timer };
    this.hold(true);
    this.desk.whenDrained(() => this.release());
  }

  private release(): void {
    clearInterval(this.held?.timer);
    this.held = undefined;
    this.hold(false);
  }

  /** Sees whether a terminal that holds the program back still takes anything. */
  private look(): void {
    const { held, desk } = this;
    if (held === undefined || this.paint === undefined || this.state.name !== "live") return;
    if (desk.taken !== held.taken) {
      held.taken = desk.taken;
      held.since = performance.now();
    } else if (performance.now() - held.since >= STALLED_MS) {
      const behind: State = { name: "behind", end: unfinishedEnd(this.last) };
      this.state = behind;
      desk.skip();
      this.release();
      desk.whenDrained(() => this.state === behind && this.startPainting(behind.end));
    }
  }

  private startPainting(end: Uint8Array): void {
    if (this.paint === undefined) return;
    const early: Uint8Array[] = [];
    this.state = { name: "painting", early };
    this.paint(this.modes, (painted) => {
      this.state = { name: "live" };
      for (const bytes of [new TextEncoder().encode(painted), end, ...early]) {
        this.last = bytes;
        this.desk.write(bytes);
      }
      if (this.desk.waiting > PAUSE_BYTES && this.held === undefined) this.holdBack();
    });
  }
}
