/** A terminal's visible rows as text, where the cursor is, and which cells are faint. */
export interface BoxLook {
  rows: readonly string[];
  cursor: { x: number; y: number };
  isDim(x: number, y: number): boolean;
  /** Claude may leave the cursor elsewhere, as versions do that write no status either (2.1.78). */
  strayCursor?: boolean;
}

/** What stands in Claude Code's input box. */
export interface InputBox {
  /** What is typed there runs as a shell command. */
  shell: boolean;
  /** What somebody has typed, without the line breaks that come from the box's width; what Claude suggests is not among it. */
  draft: string;
  /** A draft is put aside already: another would take its place. */
  stashed: boolean;
}

/** The line above and below the box; a session's name may stand in it, or how many rows the box has no room for. */
const RULE = /^─{3,}(?:.*─)?$/;
const MORE_ABOVE = /↑ \d+ more/;
/** The sign before what is typed: a prompt's, or a shell command's. It takes two columns, in the rows below, too. */
const SIGN = /^[❯!](?:\s|$)/;
const SIGN_COLUMNS = 2;
/** An option of a list, which has the same sign before it. */
const OPTION = /^❯\s+\d+\.\s/;
/** So many rows stand below the box at most. */
const FOOTER_ROWS = 3;
/** Claude tells of it in the row above the box (measured with 2.1.328 and 2.1.332). */
const STASHED = "draft stashed";

/**
 * Reads Claude Code's input box off the screen: the rows between two lines across it, around the cursor, with a sign before the first (measured
 * with 2.1.328 and 2.1.332). Undefined where something else is on the screen.
 */
export function readInputBox({
  rows: given,
  cursor,
  isDim,
  strayCursor = false,
}: BoxLook): InputBox | undefined {
  const rows = given.map((row) => row.trimEnd());
  const own = boxAround(rows, cursor.y);
  const stray = own === undefined && strayCursor ? lastBox(rows) : undefined;
  const around = own ?? stray;
  if (around === undefined) return undefined;
  const { top, bottom } = around;
  const sign = SIGN.exec(rows[top + 1] ?? "")?.[0]?.charAt(0);
  const isCut = MORE_ABOVE.test(rows[top] ?? ""); // the sign is further up
  if (sign === undefined && !isCut) return undefined;
  const lines: string[] = [];
  let typed = 0; // characters that are not faint
  let under = 0; // of these, the one that the cursor stands on: it is never faint
  for (let y = top + 1; y < bottom; y++) {
    const line = (rows[y] ?? "").slice(SIGN_COLUMNS);
    lines.push(line);
    for (let x = SIGN_COLUMNS; x < (rows[y] ?? "").length; x++) {
      if (/\s/.test((rows[y] ?? "").charAt(x)) || isDim(x, y)) continue;
      typed++;
      if (x === cursor.x && y === cursor.y) under++;
    }
  }
  const text = lines.join("\n").trimEnd();
  // a cursor that is drawn, and stands elsewhere, makes one letter bright
  const bright = stray !== undefined ? Math.min(typed, 1) : under;
  const isSuggestion = typed === bright && /\S\s*\S/.test(text);
  return {
    shell: sign === "!",
    draft: isSuggestion ? "" : text,
    stashed: rows.slice(Math.max(0, top - 2), top).some((row) => row.includes(STASHED)),
  };
}

/** The lines above and below the cursor. */
function boxAround(
  rows: readonly string[],
  y: number,
): { top: number; bottom: number } | undefined {
  const top = rows.findLastIndex((row, at) => at < y && RULE.test(row));
  const bottom = rows.findIndex((row, at) => at > y && RULE.test(row));
  return top < 0 || bottom < 0 ? undefined : { top, bottom };
}

/** The last two lines on the screen, with the sign between them, and little below. */
function lastBox(rows: readonly string[]): { top: number; bottom: number } | undefined {
  const bottom = rows.findLastIndex((row) => RULE.test(row));
  const top = rows.findLastIndex((row, at) => at < bottom && RULE.test(row));
  const first = rows[top + 1] ?? "";
  const below = rows.slice(bottom + 1).filter((row) => row !== "").length;
  const isBox = top >= 0 && below <= FOOTER_ROWS && SIGN.test(first) && !OPTION.test(first);
  return isBox ? { top, bottom } : undefined;
}

/** Letters and digits alone: the rest may be drawn in another way than it was typed, or broken into lines. */
export const lettersOf = (text: string) => text.replace(/[^\p{L}\p{N}]/gu, "");
