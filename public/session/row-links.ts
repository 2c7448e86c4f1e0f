import { webAddress } from "../../src/viewer/web-address.ts";
import { visibleParts } from "../../src/visible-text.ts";

/** A part of a row that is a link, from `start` to before `end` in its text, and the whole address. */
export interface Link {
  start: number;
  end: number;
  href: string;
}

/** An address as it stands in text: the characters of RFC 3986, and letters of other scripts in its path. */
const ADDRESS =
  /\bhttps?:\/\/[\w.~:@[\]%!$&'()*+,;=-]+(?:[/?#][\w.~:@[\]%!$&'()*+,;=/?#\p{L}\p{N}\p{M}-]*)?/giu;
/** What ends a sentence and not an address. */
const AFTER = /[.,:;!?'*]$/;
const CLOSING: Record<string, string> = { ")": "(", "]": "[" };

/** Whether there may be a link at all. */
export const mayLink = (text: string): boolean => text.includes("://");

/** The links of a line, by the rows that it stands in. Each part leads to the whole address. */
export function linksOf(rows: readonly string[]): Link[][] {
  const links: Link[][] = rows.map(() => []);
  for (const { start, end, href } of addressesIn(rows.join(""))) {
    let before = 0;
    for (const [i, row] of rows.entries()) {
      const from = Math.max(start - before, 0);
      const to = Math.min(end - before, row.length);
      if (from < to) links[i]?.push({ start: from, end: to, href });
      before += row.length;
    }
  }
  return links;
}

function addressesIn(line: string): Link[] {
  return Array.from(line.matchAll(ADDRESS)).flatMap(({ 0: found, index }) => {
    const address = trimmed(visibleParts(found)[0]?.text ?? ""); // up to what is hidden
    const href = webAddress(address)?.href;
    return href === undefined ? [] : [{ start: index, end: index + address.length, href }];
  });
}

/** Without punctuation at its end, and without a bracket that was opened before it. */
function trimmed(address: string): string {
  for (let end = address.length; ; end--) {
    const last = address[end - 1] ?? "";
    const opening = CLOSING[last];
    const text = address.slice(0, end);
    const open = opening !== undefined && text.split(opening).length < text.split(last).length;
    if (!AFTER.test(text) && !open) return text;
  }
}
