import type { Database } from "bun:sqlite";
import { goesOn, rowText } from "../row.ts";

/** A line may go on for so many rows beyond where it is looked at: some thousand characters of one word. */
export const BEYOND_ROWS = 20;

export interface HistoryRow {
  line: number;
  row: string;
}

/** Rows of one generation of a session's history, from a number on and before another; a lost one is left out. */
export function rowsOf(
  db: Database,
  id: string,
  generation: number,
  from: number,
  to: number,
): HistoryRow[] {
  return db
    .query<HistoryRow, [string, number, number, number]>(
      "SELECT number AS line, line AS row FROM output_log WHERE session_id = ? AND generation = ? AND number >= ? AND number < ? ORDER BY number",
    )
    .all(id, generation, from, to);
}

/** A line as it was printed, in the rows that it was wrapped into. */
export interface PrintedLine {
  /** Number of the first row. */
  from: number;
  /** The text of each row. */
  rows: string[];
}

/** Puts rows together that go on in each other. */
export function printedLines(rows: readonly HistoryRow[]): PrintedLine[] {
  const lines: PrintedLine[] = [];
  let open = false;
  for (const { line, row } of rows) {
    const last = lines.at(-1);
    if (open && last !== undefined && last.from + last.rows.length === line)
      last.rows.push(rowText(row));
    else lines.push({ from: line, rows: [rowText(row)] });
    open = goesOn(row);
  }
  return lines;
}

/**
 * The text of the rows before `end`, each printed line a line; of a line that goes on beyond it so much that its last word is
 * whole. `rows` may hold more than that.
 */
export function textBefore(rows: readonly HistoryRow[], end: number): string {
  return printedLines(rows)
    .filter(({ from }) => from < end)
    .map(({ from, rows: texts }) => {
      const beyond = texts.slice(end - from, end - from + BEYOND_ROWS).join("");
      return texts.slice(0, end - from).join("") + (/^\S*/.exec(beyond)?.[0] ?? "");
    })
    .join("\n");
}
