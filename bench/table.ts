/** One figure beside what it is compared with, measured in the same run. */
export interface Figure {
  name: string;
  unit: string;
  ours: number;
  reference: number;
  /** What the reference is. */
  against: string;
  /** What gate and aim bound: our figure, what it adds to the reference, how much of the reference it reaches (there more is better), or needs. */
  judged: "itself" | "added" | "share" | "part";
  /** Without one nothing is asked of it. */
  gate?: number;
  aim?: number;
}

/** What could not be measured here, and why. */
export interface Missing {
  name: string;
  missing: string;
}

export type Row = Figure | Missing;
export type Verdict = "meets the aim" | "pass" | "falls short" | "no gate" | "not measured";

/** What is held against gate and aim. */
export function judgedValue({ ours, reference, judged }: Figure): number {
  switch (judged) {
    case "itself":
      return ours;
    case "added":
      return ours - reference;
    case "share":
    case "part":
      return ours / reference;
    default:
      return judged satisfies never;
  }
}

export function verdict(row: Row): Verdict {
  if ("missing" in row) return "not measured";
  const holds = (bound: number | undefined) =>
    bound !== undefined &&
    (row.judged === "share" ? judgedValue(row) >= bound : judgedValue(row) <= bound);
  if (holds(row.aim)) return "meets the aim";
  if (row.gate === undefined) return "no gate";
  return holds(row.gate) ? "pass" : "falls short";
}

/** Three digits that matter, and no more noughts than that. */
export function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : 2);
}

const WORDS = { itself: "", added: " added", share: " of it", part: " of it" } as const;

/** The table as text, a line a row. */
export function formatTable(rows: readonly Row[]): string {
  const head = ["", "ours", "reference", "unit", "judged", "gate", "aim", "verdict", "against"];
  const cells = rows.map((row) => {
    if ("missing" in row) return [row.name, "–", "–", "", "", "", "", verdict(row), row.missing];
    const bound = (value: number | undefined) =>
      value === undefined ? "–" : `${row.judged === "share" ? "≥" : "≤"} ${value}`;
    const judged = digits(judgedValue(row)) + WORDS[row.judged];
    return [
      row.name,
      digits(row.ours),
      digits(row.reference),
      row.unit,
      judged,
      bound(row.gate),
      bound(row.aim),
      verdict(row),
      row.against,
    ];
  });
  const widths = head.map((_, x) =>
    Math.max(...[head, ...cells].map((line) => (line[x] ?? "").length)),
  );
  const isNumber = (x: number) => x === 1 || x === 2;
  const line = (texts: string[]) =>
    texts
      .map((text, x) => (isNumber(x) ? text.padStart(widths[x] ?? 0) : text.padEnd(widths[x] ?? 0)))
      .join("  ");
  return [head, ...cells].map((texts) => `${line(texts).trimEnd()}\n`).join("");
}
