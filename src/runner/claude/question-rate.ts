/** Questions a minute that are taken: each is stored, and no person is asked more often. */
const PER_MINUTE = 120;
const MINUTE_MS = 60_000;
/** What is read a second. A large question counts as several: one for each 16 KiB, and as half a second's at most. */
const PER_SECOND = 100;
const UNIT_BYTES = 16 * 1024;
const MOST_UNITS = PER_SECOND / 2;
/**
 * Beyond that so many are taken each time that Claude's own status says it waits: of those that came before the newest, and so
 * many more as they come. What it waits for is among them, as its status changes within a moment of its question.
 */
const BEFORE_WAIT = 20;
const IN_WAIT = 20;
/** Questions beyond the bounds are kept for so long, in ms, and so many of them. */
const KEPT_MS = 2000;
const KEPT = 100;

interface Kept {
  units: number;
  settle(taken: boolean): void;
}

/**
 * Which questions a session takes. Programs that Claude runs can ask in its name; what they ask uses up their own bound, not that of
 * the question that Claude's status says it waits for. `waits` is that status; without it the bounds are all there is.
 */
export class QuestionRate {
  readonly #waits: (() => boolean) | undefined;
  /** When questions were taken, in ms. */
  readonly #taken: number[] = [];
  /** What was read in this second. */
  #second = { number: 0, units: 0 };
  #takenInWait = 0;
  /** Questions beyond the bounds, the oldest first. */
  readonly #kept: Kept[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(waits: (() => boolean) | undefined) {
    this.#waits = waits;
  }

  /** Whether a question of so many bytes is taken; it may have to wait for that. */
  admits(bytes: number, signal: AbortSignal): boolean | Promise<boolean> {
    const units = Math.min(MOST_UNITS, 1 + Math.floor(bytes / UNIT_BYTES));
    const bound = this.#bound(units);
    if (bound === undefined) return true;
    if (this.#waits?.() === true && this.#takenInWait < IN_WAIT) {
      this.#takenInWait++;
      return true;
    }
    return bound === "minute" && this.#waits === undefined ? false : this.#keep(units, signal);
  }

  /** Claude's status says that it waits: what for is among the newest that were kept. */
  waitBegins(): void {
    this.#takenInWait = 0;
    for (const { settle } of this.#kept.slice(-BEFORE_WAIT).reverse()) settle(true);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const { settle } of [...this.#kept]) settle(false);
  }

  /** Takes a question, unless that is beyond a bound: then it answers which. */
  #bound(units: number): "minute" | "second" | undefined {
    const now = performance.now();
    while ((this.#taken[0] ?? now) < now - MINUTE_MS) this.#taken.shift();
    if (this.#taken.length >= PER_MINUTE) return "minute";
    const number = Math.floor(now / 1000);
    if (number !== this.#second.number) this.#second = { number, units: 0 };
    if (this.#second.units >= PER_SECOND) return "second";
    this.#second.units += units;
    this.#taken.push(now);
    return undefined;
  }

  #keep(units: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const drop = () => kept.settle(false);
      const timer = setTimeout(drop, KEPT_MS);
      const kept: Kept = {
        units,
        settle: (taken) => {
          clearTimeout(timer);
          signal.removeEventListener("abort", drop);
          const at = this.#kept.indexOf(kept);
          if (at >= 0) this.#kept.splice(at, 1);
          resolve(taken && !signal.aborted);
        },
      };
      signal.addEventListener("abort", drop);
      this.#kept.push(kept);
      if (this.#kept.length > KEPT) this.#kept[0]?.settle(false);
      this.#timer ??= setTimeout(() => this.#nextSecond(), 1001 - (performance.now() % 1000));
    });
  }

  #nextSecond(): void {
    this.#timer = undefined;
    for (const kept of [...this.#kept]) {
      if (this.#bound(kept.units) !== undefined) break;
      kept.settle(true);
    }
    if (this.#kept.length > 0)
      this.#timer = setTimeout(() => this.#nextSecond(), 1001 - (performance.now() % 1000));
  }
}
