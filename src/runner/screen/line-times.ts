import type { Terminal } from "@xterm/headless";

/** Times that are closer than this are one, in ms: what is printed at one go travels at one go. */
const SAME_MS = 1000;
/** So many changes of the time are remembered for lines that a resize may wrap anew. */
const KEPT_CHANGES = 4096;

/** A row of the screen as it was last looked at. */
interface Row {
  text: string;
  at: number;
}

/**
 * When the lines of the normal screen and those above it were printed, in unix ms. A line may scroll off long after it was
 * printed. So the screen is looked at before more output comes, once a second at most, and a row that is still the same when
 * it scrolls off has the time of then.
 */
export class LineTimes {
  readonly #term: Terminal;
  readonly #now: () => number;
  /** What stood on the screen, from the line with this number on. */
  #screen: readonly Row[] = [];
  #first = 0;
  #lookedAt = 0;
  /** Whether output came since. */
  #isNew = false;
  /** When the last output came. */
  #outputAt: number;
  /** Lines from this number on, before the next change, were printed at this time. All end before `#end`. */
  #changes: { from: number; at: number }[] = [];
  #end = 0;
  /** While a resize goes on: when the line in each row of the buffer was printed. */
  #moved: Map<number, number | undefined> | undefined;

  constructor(term: Terminal, now: () => number) {
    this.#term = term;
    this.#now = now;
    this.#outputAt = now();
  }

  /** Output was worked through. */
  output(): void {
    this.#outputAt = this.#now();
    this.#isNew = true;
  }

  /** Looks at the screen before it changes; its first row has the number `next`. Often asked, it does so now and then. */
  look(next: number, always = false): void {
    const { normal, active } = this.#term.buffer;
    if (active !== normal || !this.#isNew) return;
    const quiet = this.#now() - this.#outputAt >= SAME_MS;
    if (!always && !quiet && Math.abs(this.#outputAt - this.#lookedAt) < SAME_MS) return;
    this.#isNew = false;
    this.#lookedAt = this.#outputAt;
    const rows = Array.from({ length: this.#term.rows }, (_, y): Row => {
      const text = this.#text(normal.baseY + y);
      const before = this.#screen[next + y - this.#first];
      return before?.text === text ? before : { text, at: this.#outputAt };
    });
    this.#screen = rows;
    this.#first = next;
  }

  /** When the line was printed that leaves the screen now, or did before, and stands in row `y` of the buffer. */
  take(number: number, y: number): number {
    if (this.#moved !== undefined) this.#cut(number);
    else if (number < this.#end) return this.#of(number, y) ?? this.#now();
    const printed =
      (this.#moved === undefined ? this.#of(number, y) : this.#moved.get(y)) ?? this.#now();
    const last = this.#changes.at(-1);
    const at = last !== undefined && Math.abs(printed - last.at) < SAME_MS ? last.at : printed;
    if (at !== last?.at) this.#changes.push({ from: number, at });
    if (this.#changes.length > 2 * KEPT_CHANGES) this.#changes.splice(0, KEPT_CHANGES);
    this.#end = number + 1;
    return at;
  }

  /** Numbering begins anew. */
  clear(): void {
    this.#screen = [];
    this.#cut(0);
  }

  /** Resizes the emulator by `act`: what is taken from then on, until `resized`, are the same lines in other rows. */
  resize(next: number, act: () => void): void {
    this.look(next, true);
    const { normal } = this.#term.buffer;
    const first = next - normal.baseY; // number of the oldest row
    const times = this.#lines().map(([y = 0]) => this.#of(first + y, y));
    act();
    this.#moved = new Map();
    for (const [i, rows] of this.#lines().entries())
      for (const y of rows) this.#moved.set(y, times[i]);
  }

  /** All lines were taken that do not stand on the screen, whose first row has the number `next` now. */
  resized(next: number): void {
    this.#cut(next);
    const { baseY } = this.#term.buffer.normal;
    this.#first = next;
    this.#screen = Array.from({ length: this.#term.rows }, (_, y) => ({
      text: this.#text(baseY + y),
      at: this.#moved?.get(baseY + y) ?? this.#outputAt,
    }));
    this.#moved = undefined;
  }

  /** The rows of each printed line, from the one with the cursor upwards: what a resize leaves as it is. */
  #lines(): number[][] {
    const { normal } = this.#term.buffer;
    const lines: number[][] = [];
    let rows: number[] = [];
    let y = normal.baseY + normal.cursorY;
    while (normal.getLine(y + 1)?.isWrapped === true) y++;
    for (; y >= 0; y--) {
      rows.push(y);
      if (normal.getLine(y)?.isWrapped === true) continue;
      lines.push(rows);
      rows = [];
    }
    if (rows.length > 0) lines.push(rows);
    return lines;
  }

  /** Forgets lines from a number on. */
  #cut(number: number): void {
    this.#end = Math.min(this.#end, number);
    while ((this.#changes.at(-1)?.from ?? -1) >= number) this.#changes.pop();
  }

  #of(number: number, y: number): number | undefined {
    if (number < this.#end) return this.#changes.findLast(({ from }) => from <= number)?.at;
    const row = this.#screen[number - this.#first];
    return row !== undefined && row.text === this.#text(y) ? row.at : undefined;
  }

  #text(y: number): string {
    return this.#term.buffer.normal.getLine(y)?.translateToString(true) ?? "";
  }
}
