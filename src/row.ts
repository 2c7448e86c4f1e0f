/**
 * A row of the terminal as it travels: its text and, where there is more to say, a line feed and
 * tokens separated by spaces. A token is a run, `<length in UTF-16 units><style>`, or, last of all,
 * `+`: the row goes on in the next one (a soft wrap). "ok done\n2bf2 5" is a bold green "ok".
 *
 * A style is letters, then up to three colours:
 *
 *     b bold   d dim   i italic   v inverse   s struck   h hidden   o overlined
 *     u underlined: u single, U double, c curly, t dotted, k dashed
 *     w each character is two cells wide
 *     j the whole run is one character of several code points: one cell, or two with w
 *     f text, g its ground, l its underline: a palette index or #rrggbb
 *
 * A reader that is older shows text with a style it does not know as plain text.
 */
export const ROW_STYLE =
  /^([bdiuUctkvshowj]*)(?:f(\d{1,3}|#[0-9a-f]{6}))?(?:g(\d{1,3}|#[0-9a-f]{6}))?(?:l(\d{1,3}|#[0-9a-f]{6}))?$/;

/** The last token of a row that goes on in the next one. */
const GOES_ON = "+";

/** A stretch of a row in one style. */
export interface Run {
  text: string;
  /** See ROW_STYLE; empty where nothing is styled. */
  style: string;
}

/** Takes a row's payload apart; whatever is not of that form is plain text. */
export function parseRow(payload: string): Run[] {
  const text = rowText(payload);
  const runs: Run[] = [];
  let start = 0;
  for (const part of tokensOf(payload)) {
    const length = Number.parseInt(part, 10);
    if (!(length > 0)) break;
    runs.push({
      text: text.slice(start, start + length),
      style: part.slice(String(length).length),
    });
    start += length;
  }
  if (start < text.length) runs.push({ text: text.slice(start), style: "" });
  return runs;
}

/** The text of a row alone. */
export function rowText(payload: string): string {
  const end = payload.indexOf("\n");
  return end < 0 ? payload : payload.slice(0, end);
}

/** Whether the row goes on in the next one: what stands in both was printed as one line. */
export function goesOn(payload: string): boolean {
  return tokensOf(payload).at(-1) === GOES_ON;
}

/** The same row with the mark that it goes on in the next one. */
export function withGoesOn(payload: string): string {
  return `${payload}${payload.includes("\n") ? " " : "\n"}${GOES_ON}`;
}

function tokensOf(payload: string): string[] {
  const at = payload.indexOf("\n");
  return at < 0 ? [] : payload.slice(at + 1).split(" ");
}
