/** The rows that a person has selected text in. */

/** Whether a selection would become another if the row changed: it begins, ends or goes on in it. */
export function isSelected(row: Node): boolean {
  const selection = document.getSelection();
  if (selection === null || selection.isCollapsed) return false;
  for (let i = 0; i < selection.rangeCount; i++) {
    const range = selection.getRangeAt(i);
    if (!range.intersectsNode(row)) continue;
    const { startContainer, endContainer, endOffset } = range;
    if (row.contains(startContainer) || !row.contains(endContainer)) return true;
    const before = document.createRange();
    before.setStart(row, 0);
    before.setEnd(endContainer, endOffset);
    if (before.toString() !== "") return true; // else it ends where the row begins, as after three clicks
  }
  return false;
}

/** The selected part of `element`, in which the selection begins or ends. */
export function selectionIn(element: Node): Range | undefined {
  const selection = document.getSelection();
  if (selection === null || selection.isCollapsed || selection.rangeCount !== 1) return undefined;
  const range = selection.getRangeAt(0).cloneRange();
  const [begins, ends] = [range.startContainer, range.endContainer].map((at) =>
    element.contains(at),
  );
  if (begins !== true && ends !== true) return undefined;
  if (begins !== true) range.setStart(element, 0);
  if (ends !== true) range.setEnd(element, element.childNodes.length);
  return range;
}

/**
 * The text of a range as a terminal copies it: a row that goes on in the next one is one line with it,
 * other rows end without their blanks.
 */
export function textOf(
  range: Range,
  rows: Iterable<HTMLElement>,
  goesOn: (row: HTMLElement) => boolean,
): string {
  let text = "";
  let between: "" | "\n" = "";
  for (const row of rows) {
    if (row.hidden || !range.intersectsNode(row)) continue;
    const part = document.createRange();
    part.selectNodeContents(row);
    const whole = !row.contains(range.endContainer);
    if (row.contains(range.startContainer)) part.setStart(range.startContainer, range.startOffset);
    if (!whole) part.setEnd(range.endContainer, range.endOffset);
    const joined = goesOn(row);
    const selected = part.toString();
    text += between + (whole && !joined ? selected.replace(/ +$/, "") : selected);
    between = joined ? "" : "\n";
  }
  return text;
}
