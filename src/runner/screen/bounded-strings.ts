/** Begins of the strings that the emulator keeps until they end: OSC and DCS, also as controls of Latin-1 in UTF-8 (ECMA-48). */
const BEGINNINGS = ["\x1b]", "\x1bP", "\u009d", "\u0090"].map((text) => Buffer.from(text));
/** Longer ones are cut, in bytes: a whole palette or the longest link fits, and of a title much less is shown. */
const STRING_BYTES = 8 * 1024;

const ESC = 0x1b;
/** What ends a string: BEL, CAN, SUB, an escape (of which ST is one), and ST as a control of Latin-1, `C2 9C`. */
const BEL = 0x07;
const CAN = 0x18;
const SUB = 0x1a;
const C2 = 0xc2;
const ST = 0x9c;

/**
 * Cuts strings in a program's output that are longer than anything needs, wherever reads divide them: the emulator (xterm.js 6.0.0)
 * keeps up to ten million characters of each, in as many pieces as it came in, several times over.
 */
export class BoundedStrings {
  /** Bytes of the string that is open, or undefined where there is none. */
  private length: number | undefined;
  private last = 0;

  /** The output without what is beyond the bound. */
  bound(bytes: Uint8Array): Uint8Array[] {
    const output = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const parts: Uint8Array[] = [];
    let at = this.length === undefined && this.beginsAcross(output) ? this.open(0, 1) : 0;
    let from = 0; // not yet among the parts
    const nextBeginning = searchIn(output);
    while (at < output.length) {
      if (this.length === undefined) {
        const begin = nextBeginning(at);
        if (begin < 0) break;
        at = this.open(begin, 2);
        continue;
      }
      const end = stringEnd(output, at, at === 0 ? this.last : 0);
      const room = Math.max(0, STRING_BYTES - this.length);
      if (end - at > room) {
        parts.push(output.subarray(from, at + room));
        from = end;
      }
      this.length += end - at;
      if (output[end] === ST && this.length > STRING_BYTES) {
        parts.push(output.subarray(from, end), new Uint8Array([C2])); // its first byte was cut off
        from = end;
      }
      if (end < output.length) this.length = undefined;
      at = end;
    }
    this.last = output.at(-1) ?? this.last;
    if (parts.length === 0) return [bytes];
    parts.push(output.subarray(from));
    return parts;
  }

  /** A string is open from here on. */
  private open(at: number, bytes: number): number {
    this.length = 0;
    return at + bytes;
  }

  /** Whether the first byte here and the last one before begin a string together. */
  private beginsAcross(output: Buffer): boolean {
    return BEGINNINGS.some(([first, second]) => first === this.last && second === output[0]);
  }
}

/** Finds one beginning after the other; what stands nowhere is searched for once. */
function searchIn(output: Buffer): (from: number) => number {
  const found = BEGINNINGS.map((beginning) => output.indexOf(beginning));
  return (from) => {
    let next = -1;
    for (const [i, beginning] of BEGINNINGS.entries()) {
      let at = found[i] ?? -1;
      if (at >= 0 && at < from) found[i] = at = output.indexOf(beginning, from);
      if (at >= 0 && (next < 0 || at < next)) next = at;
    }
    return next;
  };
}

/** Where the string ends that is open at `from`: at the end of the output where that is not told. */
function stringEnd(output: Buffer, from: number, before: number): number {
  for (let at = from, last = before; at < output.length; at++) {
    const byte = output[at] ?? 0;
    if (byte === BEL || byte === ESC || byte === CAN || byte === SUB) return at;
    if (byte === ST && last === C2) return at;
    last = byte;
  }
  return output.length;
}
