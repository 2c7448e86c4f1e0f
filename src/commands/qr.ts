import { renderUnicodeCompact } from "uqr";

/** Prints a pairing link, as a QR code too where somebody can point a phone at it. */
export function printLink(link: string, out: NodeJS.WriteStream): void {
  if (out.isTTY) out.write(`\n${renderUnicodeCompact(link, { border: 2 })}\n`);
  out.write(`\n  ${link}\n\n`);
}
