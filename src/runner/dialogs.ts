/** What stands on a terminal: its visible rows, and where the cursor is. */
export interface Look {
  rows: readonly string[];
  cursor: { x: number; y: number; visible: boolean };
  /** The colour in which a cell's character is written, by any name; empty for the terminal's own, as it is throughout where nothing tells. */
  tone?(x: number, y: number): string;
}

/**
 * A question as a program has painted it. How one answers: a `list` by Up and Down, a `row` of buttons by Left and Right,
 * `keys` by the key that is named, a `word` by typing it; `none` is something else, such as a form, which only the desk can fill in.
 */
export interface Dialog {
  way: "list" | "row" | "keys" | "word" | "none";
  /** The rows above the options, from where the question begins. */
  above: string[];
  options: Option[];
  /** Which option is highlighted; -1 where none can be. */
  selected: number;
  below: string[];
  /** Why nothing of it can be chosen from afar. */
  bars?: "several" | "cut";
}

export interface Option {
  label: string;
  number?: number;
}

/** Rows above a list of another program that may belong to its question. */
const ABOVE = 10;
/** Rows below a list of another program: what stands further up is no longer what it asks. */
const BELOW = 3;

/** A line across the screen, with which Claude begins a dialog. */
const RULE = /^[─▔━═]{16,}$/;
/** The row of a list where the cursor is: what stands before, the sign, a check mark. */
const POINTER = /^(\s*(?:[│┃]\s+)?)([❯›▸▶➤>●])\s+(?:[✔✓]\s+)?(?=\S)/u;
/** What may stand before an option that is not highlighted. */
const SLOT = /^[\s│┃✔✓○◯]*$/u;
const NUMBERED = /^(\d{1,2})\.\s+(.*)$/;
/** There is more than the screen shows. */
const MORE = /^\s*[↑↓]\s*\d* ?more/;
/** Boxes: several may be chosen, and Enter does something else. */
const BOX = /^(?:\[[ x✔✓*]\]|\([ x*]\)|[☐☑☒◻◼◉])\s/u;
const YES_NO = /[[(](y(?:es)?)\/(n(?:o)?)(?:\/\[?\w+\]?)?[\])]\s*[:?]?\s*$/i;

const indent = (row: string) => row.length - row.trimStart().length;
const isBlank = (row: string) => row.trim() === "";

/** Finds the question on a screen that Claude Code painted (measured with 2.1.328), or another program; undefined where nothing is asked. */
export function parseDialog(look: Look, isClaude: boolean): Dialog | undefined {
  const rows = look.rows.map((row) => row.trimEnd());
  if (isClaude) {
    // Claude keeps the terminal's cursor on the sign itself; in its input box it stands behind it
    const pointer = POINTER.exec(rows[look.cursor.y] ?? "");
    if (pointer?.[2] === "❯" && pointer[1]?.length === look.cursor.x)
      return list(rows, look.cursor.y, pointer[0].length, true, look.tone);
    return buttons(rows) ?? keys(rows);
  }
  const last = rows.findLastIndex((row) => !isBlank(row));
  if (look.cursor.visible && look.cursor.y === last) {
    const asked = word(rows, last, look.cursor.x);
    if (asked !== undefined) return asked;
  }
  for (let y = last; y > 0; y--) {
    const pointer = POINTER.exec(rows[y] ?? "");
    if (pointer === null) continue;
    const at = pointer[1]?.length ?? 0;
    if (look.cursor.visible && (look.cursor.y !== y || look.cursor.x > at)) return undefined; // somebody types elsewhere
    const found = list(rows, y, pointer[0].length, false);
    return found !== undefined &&
      found.below.filter((row) => !isBlank(row)).length <= BELOW &&
      isAsked(found.above)
      ? found
      : undefined;
  }
  return undefined;
}

/** Whether it is the same question, wherever its cursor stands by now. */
export function isSame(a: Dialog | undefined, b: Dialog | undefined): boolean {
  return dialogKey(a) === dialogKey(b);
}

export function dialogKey(dialog: Dialog | undefined): string | undefined {
  return (
    dialog &&
    JSON.stringify([
      dialog.way,
      dialog.above.map(steadyText),
      dialog.options.map(({ label, number }) => [steadyText(label), number]),
    ])
  );
}

/** Whether it is the same picker, however far it was scrolled, or with its cursor in a field for a search: what was said of it still holds. */
export function isSamePicker(a: Dialog, b: Dialog): boolean {
  if (isSame(a, b)) return true;
  const title = ({ above }: Dialog) => steadyText(above[0] ?? "");
  if (a.way === "none" || b.way === "none") return title(a) === title(b);
  const above = (dialog: Dialog) => dialog.above.map(steadyText).join("\n");
  const labels = new Set(a.options.map(({ label }) => steadyText(label)));
  return (
    a.way === "list" &&
    b.way === "list" &&
    above(a) === above(b) &&
    b.options.some(({ label }) => labels.has(steadyText(label)))
  );
}

/** Text without what changes by itself, or with the cursor: which of how many it is on, and how long ago something was. */
const steadyText = (text: string) =>
  text.replace(/\(\d+ of \d+\)/g, "(of)").replace(/\b(?:now(?= ·)|\d+ \w+ ago\b)/g, "ago");

/** The list around row `at`, whose words begin in column `column`. */
function list(
  rows: readonly string[],
  at: number,
  column: number,
  isClaude: boolean,
  tone: (x: number, y: number) => string = () => "",
): Dialog | undefined {
  const optionAt = (y: number): Option | undefined => {
    const row = rows[y] ?? "";
    if (MORE.test(row) || RULE.test(row) || row.length <= column || row[column] === " ")
      return undefined;
    if (y !== at && !SLOT.test(row.slice(0, column))) return undefined;
    if (isDetail(y)) return undefined;
    const [, number, label] = highlight === "" ? (NUMBERED.exec(row.slice(column)) ?? []) : [];
    return number === undefined
      ? { label: row.slice(column) }
      : { label: label ?? "", number: Number(number) };
  };
  const hasNumber = NUMBERED.test((rows[at] ?? "").slice(column));
  // below the words of an option more may be said of it, in a colour that is neither an option's nor the cursor's highlight
  const highlight = isClaude && !hasNumber ? tone(column, at) : "";
  const isDetail = (y: number) =>
    highlight !== "" && y !== at && !["", highlight].includes(tone(column, y));
  /** A blank row between two options: some pickers have one after each. */
  const isGap = (y: number, step: number) => {
    if (!isBlank(rows[y] ?? "") || highlight === "") return false;
    const next = step > 0 ? y + 1 : startOfItem(y - 1);
    return optionAt(next) !== undefined && isDetail(next + 1);
  };
  const startOfItem = (y: number) => {
    let start = y;
    while (start > 0 && isDetail(start)) start--;
    return start;
  };
  const first = optionAt(at);
  if (first === undefined) return undefined;
  const found: { y: number; option: Option }[] = [{ y: at, option: first }];
  let selected = 0;
  let top = at;
  let bottom = at;
  for (const step of [-1, 1]) {
    let number = first.number;
    for (let y = at + step; y >= 0 && y < rows.length; y += step) {
      const row = rows[y] ?? "";
      const option = optionAt(y);
      const follows =
        option !== undefined &&
        (number === undefined ? option.number === undefined : option.number === number + step);
      if (follows) {
        number = option.number;
        if (step < 0) selected++;
        found[step < 0 ? "unshift" : "push"]({ y, option });
        if (step < 0) top = y;
      } else if (isDetail(y) || isGap(y, step)) {
        // goes with an option
      } else if (
        isBlank(row) ||
        MORE.test(row) ||
        (indent(row) <= column && !(number !== undefined && RULE.test(row.trim())))
      )
        break; // deeper: an option that goes on
    }
  }
  const isDetailBelow = (y: number) => !isBlank(rows[y] ?? "") && isDetail(y);
  // what goes on below an option belongs to it
  for (const [i, { y, option }] of found.entries()) {
    const end = found[i + 1]?.y ?? rows.length;
    bottom = y + 1;
    while (bottom < end && (indent(rows[bottom] ?? "") > column || isDetailBelow(bottom)))
      option.label += ` ${(rows[bottom++] ?? "").trim()}`;
  }
  const options = found.map(({ option: { label, ...rest } }) => ({ label: label.trim(), ...rest }));
  if (options.length < 2) return undefined;
  const [above, below] = [around(rows, top, isClaude), trimmed(rows.slice(bottom))];
  const several =
    options.some(({ label }) => BOX.test(label)) ||
    (first.number === undefined && rows.slice(top, bottom).some((row) => /[◉◯]/u.test(row)));
  const cut = below.some((row) => /↑ \d+ more lines/.test(row));
  return {
    way: "list",
    above,
    options,
    selected,
    below,
    ...(several ? { bars: "several" } : cut ? { bars: "cut" } : {}),
  };
}

/** Claude's two buttons beside each other, one with the sign before it. */
function buttons(rows: readonly string[]): Dialog | undefined {
  const footer = rows.findLastIndex((row) => !isBlank(row));
  if (!(rows[footer] ?? "").includes("←/→ to switch")) return undefined;
  const at = rows.findLastIndex((row, y) => y < footer && /❯ /.test(row));
  const labels = (rows[at] ?? "")
    .replace("❯", " ")
    .trim()
    .split(/\s{2,}/);
  if (footer - at > 2 || labels.length !== 2) return undefined;
  const selected = /^\s*❯/.test(rows[at] ?? "") ? 0 : 1;
  return {
    way: "row",
    above: around(rows, at, true),
    options: labels.map((label) => ({ label })),
    selected,
    below: trimmed(rows.slice(at + 1)),
  };
}

/** Claude's dialogs without a list, whose last lines say what Enter does, what another key does, and that Esc goes back. */
function keys(rows: readonly string[]): Dialog | undefined {
  const end = rows.findLastIndex((row) => !isBlank(row)) + 1;
  const start = rows.slice(0, end).findLastIndex(isBlank) + 1;
  const parts = rows
    .slice(start, end)
    .map((row) => row.trim())
    .join(" ")
    .split(" · ");
  const above = around(rows, start, true);
  const named = parts.flatMap((part) => /^(Enter|shift\+Tab) to \S/i.exec(part)?.[0] ?? []);
  if (
    !/^Enter to /.test(parts[0] ?? "") ||
    named.length < parts.length - 1 ||
    !parts.some((part) => /^Esc to /.test(part))
  )
    return undefined;
  // where there is anything to fill in or to choose, Enter means that
  if (
    above.some((row) => /[❯⌕╭╰]|Type something|not set/u.test(row)) ||
    !rows.slice(0, start).some((row) => RULE.test(row))
  )
    return undefined;
  const options = parts.filter((part) => !/^Esc to /.test(part)).map((label) => ({ label }));
  return { way: "keys", above, options, selected: -1, below: [] };
}

/** `… [y/N]`, with the cursor right behind it. */
function word(rows: readonly string[], y: number, x: number): Dialog | undefined {
  const row = rows[y] ?? "";
  const [, yes, no] = YES_NO.exec(row) ?? [];
  if (yes === undefined || no === undefined || x < row.length || x > row.length + 1)
    return undefined;
  return {
    way: "word",
    above: trimmed(rows.slice(Math.max(0, y - 2), y + 1)),
    options: [{ label: yes.toLowerCase() }, { label: no.toLowerCase() }],
    selected: -1,
    below: [],
  };
}

/** Where Claude waits for something that is none of the above: a form, a search, or more than the screen has room for. */
export function unreadable({ rows: given }: Look): Dialog {
  const rows = given.map((row) => row.trimEnd());
  return {
    way: "none",
    above: trimmed(rows.slice(rows.findIndex((row) => RULE.test(row)) + 1)),
    options: [],
    selected: -1,
    below: [],
  };
}

/** The rows above row `end` that belong to it: from Claude's line across the screen on, or the paragraph that another program wrote. */
function around(rows: readonly string[], end: number, isClaude: boolean): string[] {
  if (isClaude)
    return trimmed(rows.slice(rows.slice(0, end).findLastIndex((row) => RULE.test(row)) + 1, end));
  let start = end;
  while (start > 0 && end - start < ABOVE && (start > end - 2 || !isBlank(rows[start - 1] ?? "")))
    start--;
  return trimmed(rows.slice(start, end));
}

/** Whether these rows ask for something: other programs' lists are questions only below such. */
function isAsked(above: readonly string[]): boolean {
  const heading = above.findLast((row) => !isBlank(row))?.trim() ?? "";
  return /[?:]$|\?.*[:)\]…]$|^[?◆◇] /u.test(heading) || above.some((row) => /^\s*[?◆] /u.test(row));
}

function trimmed(rows: readonly string[]): string[] {
  const start = rows.findIndex((row) => !isBlank(row));
  return start < 0 ? [] : rows.slice(start, rows.findLastIndex((row) => !isBlank(row)) + 1);
}
