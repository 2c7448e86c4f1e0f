import type { IBuffer, IBufferCell } from "@xterm/headless";
import { rowPayload } from "../rows.ts";
import { findSecrets } from "./finder.ts";
import { findKeys, type KeyState, mayHoldKey, OUTSIDE } from "./key-material.ts";
import { charTable, formAt, runEnd } from "./known-forms.ts";

/** A row on its way out: its payload (see rows.ts), and whether it goes on with the one before. */
export interface Row {
  payload: string;
  continues: boolean;
}

/** What the rows above have left to the next: masking is one pass over a stream of rows. */
export interface StreamState {
  /** Of private keys, before the line that is not over. */
  key: KeyState;
  /** The line that goes on in the next row, as far as it is kept. */
  lead: string;
  /** A secret goes on in the next row. */
  open: boolean;
}

export const START: StreamState = { key: OUTSIDE, lead: "", open: false };

/** Of a line that goes on over many rows the end is kept, in UTF-16 units: longer than any name and its separator. */
const LEAD_CHARS = 2000;
/** Where no state is known so many rows above are read for it, and as many below where a line goes on there. */
const BESIDE = 60;
/** Rows as long as this are taken for full: programs that wrap by themselves leave the last cells free. In cells. */
const NEARLY = 3;
/** A credential that a program has wrapped is put together from so much of each row, in UTF-16 units. */
const PART_CHARS = 300;

/** Over how many rows such a credential goes at most. */
const WRAPPED_ROWS = 8;

const TOKEN = charTable(/[\w+/=.~-]/);

/** Where more may be written. */
export interface Cursor {
  row: number;
  /** Its column; without one it stands at the end of the row's text. */
  x?: number;
}

/** Masks rows that stand below each other. `cursor` is the row where more may be written. */
export function maskRows(rows: readonly Row[], cols: number, cursor = -1): string[] {
  return maskStream(rows, cols, START, rows.length, { row: cursor }).payloads;
}

/** The rows from `start` to `end` of an emulator's buffer as payloads, masked; `state` is what the rows above have left, where that is known. */
export function maskedRows(
  buffer: IBuffer,
  start: number,
  end: number,
  cols: number,
  cell: IBufferCell,
): string[] {
  return maskBuffer(buffer, start, end, cols, cell).payloads;
}

/** Masks the rows from `start` to `end` of an emulator's buffer, and says what they leave to the next. */
export function maskBuffer(
  buffer: IBuffer,
  start: number,
  end: number,
  cols: number,
  cell: IBufferCell,
  state?: StreamState,
  cursor?: Cursor,
): { payloads: string[]; state: StreamState } {
  const first = state === undefined ? Math.max(0, start - BESIDE) : start;
  let last = end;
  while (last - end < BESIDE && buffer.getLine(last)?.isWrapped === true) last++;
  const rows: Row[] = [];
  for (let y = first, line = buffer.getLine(y); y < last; y++) {
    const next = buffer.getLine(y + 1);
    rows.push({
      payload: line === undefined ? "" : rowPayload(line, cols, cell, next),
      continues: line?.isWrapped === true,
    });
    line = next;
  }
  const masked = maskStream(
    rows,
    cols,
    state ?? START,
    end - first,
    cursor && { ...cursor, row: cursor.row - first },
  );
  return { payloads: masked.payloads.slice(start - first, end - first), state: masked.state };
}

/** A secret's part of one row. */
interface Part {
  start: number;
  end: number;
}

/** A line of text: its rows, and what of it stood above the first. */
interface Line {
  first: number;
  end: number;
  lead: string;
}
const NO_LINE: Line = { first: 0, end: 0, lead: "" };

/** Masks rows that go on from `state`. Those from `wanted` on are only looked at, for lines that end there. */
function maskStream(
  rows: readonly Row[],
  cols: number,
  { key, lead, open }: StreamState,
  wanted: number,
  cursor?: Cursor,
): { payloads: string[]; state: StreamState } {
  const texts = rows.map(({ payload }) => textOf(payload));
  const hidden = new HiddenParts();
  const lines: Line[] = [];
  for (let first = 0; first < rows.length; ) {
    let end = first + 1;
    while (end < rows.length && rows[end]?.continues === true) end++;
    lines.push({ first, end, lead: first === 0 && rows[0]?.continues === true ? lead : "" });
    first = end;
  }
  const whole = lines.map(
    ({ first, end, lead }) =>
      lead + (end - first === 1 ? (texts[first] ?? "") : texts.slice(first, end).join("")),
  );
  const found = lines.map(({ first, end, lead }, i) =>
    typedSecrets(whole[i] ?? "", cursorIn(cursor, first, end, texts, lead.length)),
  );
  const keys = findKeys(whole, key);
  // rows that a program has painted over may hang together though they are no one line
  const isPainted = lines.some(
    ({ first, end }, i) =>
      end - first > 1 && keys.stretches[i] === undefined && mayBeKey(whole[i] ?? ""),
  );
  const rowKeys = isPainted ? findKeys(texts, key) : undefined;
  let left: StreamState = START;
  for (let i = 0; i < lines.length; i++) {
    const { first, end, lead } = lines[i] ?? NO_LINE;
    const isCut = first < wanted && wanted < end;
    const stretch = keys.stretches[i];
    const isQuiet = found[i]?.length === 0 && stretch === undefined && keys.inline.length === 0;
    if (isQuiet && rowKeys === undefined && !isCut && !(first === 0 && open)) continue; // most lines
    const text = whole[i] ?? "";
    if (stretch === undefined && rowKeys !== undefined && end - first > 1)
      for (let y = first; y < end; y++) hidden.add(y, rowKeys.stretches[y]);
    const spans: Part[] = [...(found[i] ?? []), ...(keys.inline[i] ?? [])];
    if (stretch !== undefined) spans.push(stretch);
    // what was hidden above goes on: in the same word, or in what is quoted
    if (first === 0 && open && lead !== "")
      spans.push({ start: 0, end: lead.length + runEnd(texts[0] ?? "", 0, TOKEN) });
    let at = lead.length;
    for (let y = first; y < end; y++) {
      const length = texts[y]?.length ?? 0;
      for (const span of spans)
        if (span.start < at + length && span.end > at)
          hidden.add(y, {
            start: Math.max(0, span.start - at),
            end: Math.min(length, span.end - at),
          });
      at += length;
      if (isCut && y === wanted - 1)
        left = {
          key: keys.before[i] ?? OUTSIDE,
          lead: text.slice(Math.max(0, at - LEAD_CHARS), at),
          open: spans.some((span) => span.start < at && span.end > at),
        };
    }
  }
  const goesOn = (y: number) => isFull(texts[y], cols) && hidden.reachesEnd(y, texts[y] ?? "");
  if (open && lead === "" && rows[0]?.continues !== true) hidden.add(0, firstWord(texts[0] ?? ""));
  for (let y = 0; y + 1 < rows.length; y++) {
    if (rows[y + 1]?.continues === true || !isFull(texts[y], cols)) continue;
    if (!goesOn(y)) hidden.add(y, wrappedStart(texts, y, cols));
    if (goesOn(y)) hidden.add(y + 1, firstWord(texts[y + 1] ?? ""));
  }
  if (left === START)
    left = {
      key: wanted === rows.length ? keys.state : OUTSIDE,
      lead: "",
      open: wanted > 0 && goesOn(wanted - 1),
    };
  return {
    payloads: rows.map(({ payload }, y) => hidden.dotted(y, payload, texts[y] ?? "")),
    state: left,
  };
}

/** A line that goes over several rows and has what a key has, but for one that is public. */
const mayBeKey = (text: string) =>
  mayHoldKey(text) &&
  !/LS0tLS1CRUdJTi(?:BDRVJU|BQVUJM)|\bssh-[\w-]{1,20} AAAA|sha\d{3}-/.test(text);

const textOf = (payload: string): string => {
  const end = payload.indexOf("\n");
  return end < 0 ? payload : payload.slice(0, end);
};

/** Where the cursor stands in a line, in UTF-16 units; undefined where it is in another. */
function cursorIn(
  cursor: Cursor | undefined,
  first: number,
  end: number,
  texts: readonly string[],
  lead: number,
): number | undefined {
  if (cursor === undefined || cursor.row < first || cursor.row >= end) return undefined;
  let at = lead;
  for (let y = first; y < cursor.row; y++) at += texts[y]?.length ?? 0;
  return at + (cursor.x ?? texts[cursor.row]?.length ?? 0);
}

/** The secrets of a line; what is being typed ends at the cursor, with nothing but a frame behind it. */
function typedSecrets(text: string, cursor: number | undefined): readonly Part[] {
  if (cursor === undefined || cursor > text.length || !/^[\s│┃|]*$/.test(text.slice(cursor)))
    return findSecrets(text);
  return findSecrets(text.slice(0, cursor), true);
}

const isFull = (text = "", cols: number) => text.length >= cols - NEARLY;

/** What a program has wrapped goes on at the beginning of the next row. */
function firstWord(text: string): Part {
  const start = /^[\s│┃]*/.exec(text)?.[0].length ?? 0;
  return { start, end: runEnd(text, start, TOKEN) };
}

/** The end of a row, where a credential begins that a program has wrapped, and whose first part alone says nothing. */
function wrappedStart(texts: readonly string[], y: number, cols: number): Part | undefined {
  const text = texts[y] ?? "";
  let start = text.length;
  while (start > 0 && text.length - start < PART_CHARS && TOKEN[text.charCodeAt(start - 1)] === 1)
    start--;
  if (start === text.length) return undefined;
  let joined = text.slice(start);
  for (let next = y + 1; next < texts.length && next - y < WRAPPED_ROWS; next++) {
    const row = texts[next] ?? "";
    const word = firstWord(row);
    if (word.end === word.start) return undefined;
    joined += row.slice(word.start, word.end);
    if (formAt(joined, 0) > text.length - start) return { start, end: text.length };
    if (word.end < row.length || !isFull(row, cols)) return undefined;
  }
  return undefined;
}

/** What is hidden of each row. */
class HiddenParts {
  readonly #parts = new Map<number, Part[]>();

  add(y: number, part: Part | undefined): void {
    if (part === undefined || part.end <= part.start) return;
    const known = this.#parts.get(y);
    if (known === undefined) this.#parts.set(y, [part]);
    else known.push(part);
  }

  reachesEnd(y: number, text: string): boolean {
    return this.#parts.get(y)?.some(({ end }) => end === text.length) === true;
  }

  /** A row's payload with dots; its styles stay as they are. */
  dotted(y: number, payload: string, text: string): string {
    const parts = this.#parts.get(y);
    if (parts === undefined) return payload;
    let out = "";
    let at = 0;
    for (const { start, end } of parts.sort((a, b) => a.start - b.start)) {
      if (end <= at) continue;
      const from = Math.max(at, start);
      out += text.slice(at, from) + "•".repeat(end - from);
      at = end;
    }
    return out + payload.slice(at);
  }
}
