/** The end counts as seen from this far below the edge: less than a line, in CSS pixels. */
const SLACK_PX = 12;
/** In a box lower than this nothing can be read, in CSS pixels. */
const LEAST_PX = 20;

/** A block of text that has no blocks of its own. Places are from the top of all the text, in CSS pixels. */
interface TextBlock {
  top: number;
  bottom: number;
  /** A field that nothing is written in. */
  empty: boolean;
  lines: number;
  lineHeight: number;
}

/**
 * Follows how far somebody has come in a box that scrolls: whether its end was in sight, and how
 * many lines are below. What it holds may grow, and the box may be turned with its phone.
 */
export class Reading {
  /** Lines that stand below what is in sight, in whole or in part. */
  below = 0;
  /** The lowest place that was in sight, from the top of the text, in CSS pixels. */
  private seenTo = 0;
  /** What has an end that was not in sight yet: the text, and what was changed in it. */
  private readonly unseen: Set<HTMLElement>;
  private blocks: TextBlock[] = [];
  /** Where that ends which is to be read: an empty field holds nothing. */
  private end = 0;
  /** The text or the box has another size than when it was measured. */
  private resized = true;
  private frame: number | undefined;
  private readonly closing = new AbortController();
  private readonly sizes = new ResizeObserver(() => {
    this.resized = true;
    this.lookSoon();
  });

  /** `box` scrolls, `text` is all that has to be read in it; `onLook` comes after each look at them. */
  constructor(
    private readonly box: HTMLElement,
    private readonly text: HTMLElement,
    private readonly onLook: () => void,
  ) {
    this.unseen = new Set([text]);
    const { signal } = this.closing;
    box.addEventListener("scroll", () => this.lookSoon(), { passive: true, signal });
    document.addEventListener("visibilitychange", () => this.lookSoon(), { signal });
    this.sizes.observe(box);
    this.sizes.observe(text);
  }

  /** Whether the ends of all that has to be read were in sight. */
  get ended(): boolean {
    return this.unseen.size === 0;
  }

  /** A part of the text is another now, or counts now: its end has to be seen. */
  mustSee(part: HTMLElement): void {
    this.unseen.add(part);
    this.resized = true;
    this.lookSoon();
  }

  /** Goes to what was not in sight yet. */
  goOn(): void {
    const [first] = this.unseen;
    if (first !== this.text) first?.scrollIntoView({ block: "end" });
    else this.box.scrollTop = Math.max(0, this.seenTo - 1.5 * this.lineHeight());
  }

  /** Turns one page. */
  turnPage(): void {
    const line = this.lineHeight();
    this.box.scrollTop += Math.max(line, this.box.clientHeight - 1.5 * line);
  }

  close(): void {
    this.closing.abort();
    this.sizes.disconnect();
    if (this.frame !== undefined) cancelAnimationFrame(this.frame);
  }

  private lookSoon(): void {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.look();
    });
  }

  /** Looks how far the text is in sight now. */
  look(): void {
    if (!this.box.isConnected || document.visibilityState === "hidden") return;
    if (this.resized) this.measure();
    this.resized = false;
    const text = this.text.getBoundingClientRect();
    const edge = this.box.getBoundingClientRect().bottom - text.top;
    if (this.box.clientHeight >= LEAST_PX) {
      this.seenTo = Math.max(this.seenTo, edge);
      const top = edge - this.box.clientHeight;
      for (const part of this.unseen) {
        const end = part === this.text ? this.end : part.getBoundingClientRect().bottom - text.top;
        if (end > top && end <= edge + SLACK_PX) this.unseen.delete(part);
      }
    }
    this.below = text.height <= edge + SLACK_PX ? 0 : Math.max(1, this.linesBelow(edge));
    this.onLook();
  }

  private linesBelow(edge: number): number {
    return this.blocks.reduce((sum, { top, lines, lineHeight }) => {
      const whole = Math.floor((edge - top) / lineHeight + 0.05);
      return sum + lines - Math.min(lines, Math.max(0, whole));
    }, 0);
  }

  private measure(): void {
    this.blocks = textBlocks(this.text);
    const written = this.blocks.filter(({ empty }) => !empty);
    this.end = Math.max(0, ...written.map(({ bottom }) => bottom));
    this.box.style.maxHeight = this.box.style.minHeight = "";
    const height = this.box.clientHeight;
    if (this.text.getBoundingClientRect().height <= height + 1) return;
    // cut between two lines it would look complete: the edge runs through the middle of one
    const middles = this.blocks.flatMap(({ top, lines, lineHeight }) => {
      const line = Math.min(lines - 1, Math.floor((height - top) / lineHeight - 0.5));
      return line < 0 ? [] : [top + (line + 0.5) * lineHeight];
    });
    const middle = Math.max(...middles);
    if (middle <= LEAST_PX) return;
    this.box.style.maxHeight = `${Math.round(middle)}px`;
    if (this.box.clientHeight > middle + 1) this.box.style.minHeight = this.box.style.maxHeight;
  }

  private lineHeight(): number {
    return this.blocks[0]?.lineHeight ?? LEAST_PX;
  }
}

function textBlocks(text: HTMLElement): TextBlock[] {
  const start = text.getBoundingClientRect().top;
  return [...text.querySelectorAll("*")].flatMap((element) => {
    const style = getComputedStyle(element);
    if (!isBlock(element) && !element.matches("input, textarea")) return [];
    if (element.matches("[type=radio], [type=checkbox], button")) return [];
    if ([...element.children].some(isBlock)) return [];
    const { top, bottom } = element.getBoundingClientRect();
    const folded = element.closest("details:not([open])");
    if (bottom - top < LEAST_PX / 2 || (folded !== null && !element.matches("summary"))) return [];
    const number = (value: string) => Number.parseFloat(value) || 0;
    const lineHeight = number(style.lineHeight) || 1.2 * number(style.fontSize);
    const above = number(style.paddingTop) + number(style.borderTopWidth);
    const below = number(style.paddingBottom) + number(style.borderBottomWidth);
    const lines = Math.max(1, Math.round((bottom - top - above - below) / lineHeight));
    const field = element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement;
    const empty = field && element.value === "";
    return [{ top: top + above - start, bottom: bottom - start, empty, lines, lineHeight }];
  });
}

const isBlock = (element: Element) =>
  !/^(?:inline|none|contents)/.test(getComputedStyle(element).display);
