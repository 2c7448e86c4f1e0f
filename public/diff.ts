/** A line of an edit: taken out, put in, or around it. */
export interface DiffLine {
  kind: "same" | "gone" | "new";
  text: string;
}

/** Beyond so many pairs of lines the two texts are shown whole, one after the other. */
const PAIRS = 1_000_000;

/** The difference of two texts by lines (longest common subsequence). */
export function diffLines(before: string, after: string): DiffLine[] {
  const a = before === "" ? [] : before.split("\n");
  const b = after === "" ? [] : after.split("\n");
  if (a.length * b.length > PAIRS)
    return [
      ...a.map((text) => ({ kind: "gone" as const, text })),
      ...b.map((text) => ({ kind: "new" as const, text })),
    ];
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width); // length of the longest common rest from (i, j)
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] =
        a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: "same", text: a[i++] ?? "" });
      j++;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1)))
      lines.push({ kind: "gone", text: a[i++] ?? "" });
    else lines.push({ kind: "new", text: b[j++] ?? "" });
  }
  return lines;
}
