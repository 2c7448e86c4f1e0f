/** Which part of something numbered (lines, entries) is fetched: the newest, those before a number, those from one on, or lines from a time on. */
export type PageRange = "newest" | { before: number } | { from: number } | { at: number };

/** The query of a request for at most `limit` of them. */
export function pageQuery(range: PageRange, limit: number): string {
  const ends = range === "newest" ? {} : range;
  const values = Object.entries({ limit, ...ends }).map(([name, value]) => [name, String(value)]);
  return new URLSearchParams(values).toString();
}
