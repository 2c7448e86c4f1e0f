import { hiddenSign, visibleParts } from "../visible-text.ts";

/** A piece of text that a person is to read. */
export interface Block {
  text: string;
  /** Ours are bold (headings) or dim; what comes from elsewhere is neither, so that it can't pass for ours. */
  style?: "bold" | "dim";
  /** Stands before each line, such as the sign of an edit; before those after the first `more`, where there is such. */
  sign?: string;
  more?: string;
}

const SGR = { bold: "\x1b[1m", dim: "\x1b[2m" };

/** How many columns text may take: each code point that is not plain counts as two, so that no terminal puts the end of a line out of sight. */
const columns = (text: string) => (/^[ -~]*$/.test(text) ? text.length : 2 * [...text].length);

const segmenter = new Intl.Segmenter();

/** Text on one line of so many columns at most, every unseen character as its code point. */
export function visibleLine(text: string, width: number): string {
  return wrap({ text: text.replaceAll("\n", " ") }, width)[0] ?? "";
}

/** Lines of text that fit so many columns: nothing is left out, and every character that can't be seen stands as its code point, marked. */
export function wrap({ text, style, sign = "", more = sign }: Block, width: number): string[] {
  const room = Math.max(8, width - sign.length); // a code point in full at the least
  const [on, off] = style === undefined ? ["", ""] : [SGR[style], "\x1b[22m"];
  const lines = text.split("\n").flatMap((line) => {
    const rows: string[] = [];
    let row = "";
    let used = 0;
    const add = (shown: string, size: number) => {
      if (used + size > room) {
        rows.push(row);
        row = "";
        used = 0;
      }
      row += shown;
      used += size;
    };
    for (const { text, hidden } of visibleParts(line)) {
      if (hidden === undefined)
        for (const { segment } of segmenter.segment(text)) {
          const whole = columns(segment) <= room;
          for (const piece of whole ? [segment] : segment) add(piece, columns(piece));
        }
      else {
        const sign = hiddenSign(hidden);
        add(`\x1b[7m${sign}\x1b[27m`, columns(sign));
      }
    }
    return [...rows, row];
  });
  return lines.map((line, i) => `${i === 0 ? sign : more}${on}${line}${off}`);
}

/** Blocks of text, a screenful at a time. */
export function openPager(blocks: readonly Block[]) {
  let top = 0;
  let height = 1;
  let width = 0;
  let lines: string[] = [];
  let ended = false;

  const move = (by: number) => {
    top = Math.max(0, Math.min(top + by, lines.length - height));
  };
  return {
    /** What is in sight of it with so much room. */
    page(cols: number, rows: number): string[] {
      if (cols !== width) {
        const place = lines.length === 0 ? 0 : top / lines.length;
        lines = blocks.flatMap((block) => wrap(block, cols));
        top = Math.round(place * lines.length);
      }
      width = cols;
      height = Math.max(1, rows);
      move(0);
      ended ||= top + height >= lines.length;
      return lines.slice(top, top + height);
    },
    /** Whether its end has been in sight. */
    get ended() {
      return ended;
    },
    /** How far it is, in words; empty where all of it is in sight. */
    place: () =>
      lines.length <= height
        ? ""
        : `${top + 1}–${Math.min(lines.length, top + height)} of ${lines.length}`,
    /** Turns it with a key; false where that is none of its keys. */
    turn(key: string): boolean {
      const page = Math.max(1, height - 1);
      const steps: Record<string, number> = {
        Up: -1,
        Down: 1,
        WheelUp: -3,
        WheelDown: 3,
        PageUp: -page,
        PageDown: page,
        " ": page,
        Home: -lines.length,
        End: lines.length,
      };
      const step = steps[key];
      if (step !== undefined) move(step);
      return step !== undefined;
    },
  };
}
