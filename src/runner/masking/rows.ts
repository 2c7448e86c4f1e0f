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

/** Masks rows that go on from `state`. Those from `wanted` on are only looked at, for lines that end there. */
function maskStream(
  rows: readonly Row[],
  cols: number,
  { key, lead, open }: StreamState,
  wanted: number,
  cursor?: Cursor,
): { payloads: string[]; state: StreamState } {
  const texts = rows.map(({ payload }) => textOf(payload));
  const parts: Part[][] = rows.map(() => []);
  /** Where each line begins and ends, in rows, and what of it stood above. */
  const lines: { first: number; end: number; lead: string }[] = [];
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
  const keys = findKeys(whole, key);
  // rows that a program has painted over may hang together though they are no one line
  const isPainted = lines.some(
    ({ first, end }, i) =>
      end - first > 1 && keys.stretches[i] === undefined && mayBeKey(whole[i] ?? ""),
  );
  const rowKeys = isPainted ? findKeys(texts, key) : undefined;
  let left: StreamState = START;
  for (const [i, { first, end, lead }] of lines.entries()) {
    const text = whole[i] ?? "";
    const spans: Part[] = [...typedSecrets(text, cursorIn(cursor, first, end, texts, lead.length))];
    const stretch = keys.stretches[i];
    if (stretch !== undefined) spans.push(stretch);
    else if (rowKeys !== undefined && end - first > 1)
      for (let y = first; y < end; y++) {
        const stretch = rowKeys.stretches[y];
        if (stretch !== undefined) parts[y]?.push(stretch);
      }
    spans.push(...(keys.inline[i] ?? []));
    // what was hidden above goes on: in the same word, or in what is quoted
    if (first === 0 && open && lead !== "")
      spans.push({ start: 0, end: lead.length + runEnd(texts[0] ?? "", 0, TOKEN) });
    let at = lead.length;
    for (let y = first; y < end; y++) {
      const length = texts[y]?.length ?? 0;
      for (const span of spans)
        if (span.start < at + length && span.end > at)
          parts[y]?.push({
            start: Math.max(0, span.start - at),
            end: Math.min(length, span.end - at),
          });
      at += length;
      if (y === wanted - 1 && y < end - 1)
        left = {
          key: keys.before[i] ?? OUTSIDE,
          lead: text.slice(Math.max(0, at - LEAD_CHARS), at),
          open: spans.some((span) => span.start < at && span.end > at),
        };
    }
  }
  const goesOn = (y: number) => endsHidden(texts[y], parts[y]) && isFull(texts[y], cols);
  if (open && lead === "" && rows[0]?.continues !== true) hideFirstWord(texts[0], parts[0]);
  for (let y = 0; y + 1 < rows.length; y++) {
    if (rows[y + 1]?.continues === true || !isFull(texts[y], cols)) continue;
    if (!endsHidden(texts[y], parts[y])) joinWrapped(texts, parts, y, cols);
    if (goesOn(y)) hideFirstWord(texts[y + 1], parts[y + 1]);
  }
  if (left === START)
    left = {
      key: wanted === rows.length ? keys.state : OUTSIDE,
      lead: "",
      open: wanted > 0 && goesOn(wanted - 1),
    };
  return {
    payloads: rows.map(({ payload }, y) => {
      const text = texts[y] ?? "";
      const hidden = parts[y] ?? [];
      return hidden.length === 0 ? payload : dotted(text, hidden) + payload.slice(text.length);
    }),
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
const endsHidden = (text = "", parts: readonly Part[] = []) =>
  parts.some(({ end }) => end > 0 && end === text.length);

/** What a program has wrapped goes on at the beginning of the next row. */
function hideFirstWord(text = "", parts: Part[] = []): void {
  const start = /^[\s│┃]*/.exec(text)?.[0].length ?? 0;
  const end = runEnd(text, start, TOKEN);
  if (end > start) parts.push({ start, end });
}

/** A credential that a program has wrapped where its first part alone says nothing. */
function joinWrapped(texts: readonly string[], parts: Part[][], y: number, cols: number): void {
  const text = texts[y] ?? "";
  let start = text.length;
  while (start > 0 && text.length - start < PART_CHARS && TOKEN[text.charCodeAt(start - 1)] === 1)
    start--;
  if (start === text.length) return;
  let joined = text.slice(start);
  for (let next = y + 1; next < texts.length && next - y < 8; next++) {
    const row = texts[next] ?? "";
    const from = /^[\s│┃]*/.exec(row)?.[0].length ?? 0;
    const end = runEnd(row, from, TOKEN);
    if (end === from) break;
    joined += row.slice(from, end);
    if (formAt(joined, 0) > text.length - start) {
      parts[y]?.push({ start, end: text.length });
      return;
    }
    if (end < row.length || !isFull(row, cols)) break;
  }
}

function dotted(text: string, parts: readonly Part[]): string {
  let out = "";
  let at = 0;
  for (const { start, end } of [...parts].sort((a, b) => a.start - b.start)) {
    if (end <= at) continue;
    const from = Math.max(at, start);
    out += text.slice(at, from) + "•".repeat(end - from);
    at = end;
  }
  return out + text.slice(at);
}
