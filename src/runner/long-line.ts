/** Read at once, in bytes. */
const CHUNK_BYTES = 1024 * 1024;
/** Of one text in a long line so much is kept, in bytes: more than is ever shown. Of one that is longer than the second nothing is. */
const TEXT_BYTES = 128 * 1024;
const LARGE_TEXT_BYTES = 4 * 1024 * 1024;
/** A line is followed for so long, in bytes; what is no JSON is passed over in the smaller steps. */
const LINE_BYTES = 128 * 1024 * 1024;
const STEP_BYTES = 4 * 1024 * 1024;
/** What is kept of a line comes to this at most, in bytes. */
const KEPT_BYTES = 4 * 1024 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LINE_FEED = 0x0a;
const OPEN = 0x7b;

const LEFT_OUT = "A part that is too large to be shown was left out.";
const TOO_MUCH = JSON.stringify({ type: "system", content: LEFT_OUT });

/**
 * Reads a line of JSON that is too long to be read whole, such as one with images: every text in it is cut, so that the words beside a picture are
 * kept. `read` gives bytes of the file, which ends at `size`. Undefined where the line has not ended yet; what is too much even so is left out, with a word.
 */
export function shortenedLine(
  read: (at: number, bytes: number) => Buffer,
  at: number,
  size: number,
): { line: string; end: number } | undefined {
  const kept: Buffer[] = [];
  let keptBytes = 0;
  /** Of the text that is being read so much is kept by now; undefined outside of one. */
  let text: number | undefined;
  let begun = { parts: 0, bytes: 0 }; // where that text begins in what is kept
  let escaped = false;
  const keep = (bytes: Buffer) => {
    keptBytes += bytes.length;
    if (keptBytes <= KEPT_BYTES) kept.push(Buffer.from(bytes));
  };
  if (read(at, 1)[0] !== OPEN) return { line: "", end: Math.min(size, at + STEP_BYTES) };
  const most = Math.min(size, at + LINE_BYTES);
  for (let from = at; from < most; ) {
    const chunk = read(from, Math.min(CHUNK_BYTES, most - from));
    if (chunk.length === 0) return undefined;
    let i = 0;
    while (i < chunk.length) {
      if (text === undefined) {
        const end = nextOf(chunk, i, QUOTE, LINE_FEED);
        keep(chunk.subarray(i, end));
        i = end;
        if (i >= chunk.length) break;
        if (chunk[i] === LINE_FEED) {
          const line = keptBytes <= KEPT_BYTES ? Buffer.concat(kept).toString() : TOO_MUCH;
          return { line, end: from + i + 1 };
        }
        keep(chunk.subarray(i, ++i));
        text = 0;
        begun = { parts: kept.length, bytes: keptBytes };
        continue;
      }
      if (escaped) {
        escaped = false;
        if (text < TEXT_BYTES) keep(chunk.subarray(i, i + 1));
        i++;
        continue;
      }
      const end = nextOf(chunk, i, QUOTE, BACKSLASH, LINE_FEED);
      const room = Math.max(0, TEXT_BYTES - text);
      keep(chunk.subarray(i, Math.min(end, i + room)));
      text += end - i;
      i = end;
      if (i >= chunk.length) break;
      if (chunk[i] === BACKSLASH) {
        if (text < TEXT_BYTES) keep(chunk.subarray(i, i + 1));
        escaped = true;
        i++;
      } else if (chunk[i] === QUOTE) {
        if (text > LARGE_TEXT_BYTES) {
          kept.length = Math.min(kept.length, begun.parts);
          keptBytes = begun.bytes;
          keep(Buffer.from(LEFT_OUT));
        }
        keep(chunk.subarray(i, ++i));
        text = undefined;
      } else {
        text = undefined; // no JSON: a text does not go over the end of a line
      }
    }
    from += chunk.length;
  }
  return most < size ? { line: TOO_MUCH, end: most } : undefined;
}

/** Where the first of some bytes is, or the end. */
function nextOf(chunk: Buffer, from: number, ...bytes: number[]): number {
  let end = chunk.length;
  for (const byte of bytes) {
    const found = chunk.subarray(from, end).indexOf(byte);
    if (found >= 0) end = from + found;
  }
  return end;
}
