import { visibleParts } from "../../src/visible-text.ts";
import type { CellFont, Face } from "./cell-font.ts";

/** A stretch of a run that is drawn in one way. */
export type Piece =
  /** One cell a character, with so much space between them, in cells; in a box of these cells or without. */
  | { kind: "text"; text: string; spacing: number; boxed?: boolean }
  /** Clusters in a box of their cells; several only where they are `alike`: one cell each, and of one width. */
  | { kind: "box"; text: string; cells: number; drawn: number | undefined; alike: boolean }
  /** A character that nobody sees, or that changes how others are read: no cell, but a mark. */
  | { kind: "hidden"; text: string; name: string };

/** Every monospaced font has these, and they have no other form beside each other. */
const LATIN = /^[ -~\u00a1-\u00ac\u00ae-\u00ff]*$/;
/** Whatever may make one cluster of several code points. */
const JOINING = /[\p{M}\p{Cf}\p{Emoji_Modifier}\p{RI}\u1100-\u11ff\ud7b0-\ud7fb]/u;
/** Scripts whose letters stand beside each other as they stand alone, and signs. */
const UNSHAPED =
  /^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Braille}\p{Script=Common}]$/u;
/** Characters of one em, in every font: two cells hold them. */
const IDEOGRAPH =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000]$/u;
/**
 * What takes no cell of a terminal and is drawn by nobody, or blank though it is no space. Not the blanks
 * that ordinary text has (U+00A0, U+3000) and plots (U+2800), nor private use, which is icons.
 */
const HIDDEN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u1680\u2000-\u200a\u202f\u205f\ufffc]/u;
/** Blank, but with a cell. */
const BLANK = /^[\p{Zs}\u115f\u1160\u3164\uffa0\ufffc]$/u;
/** A glyph that is wider than its cells by less is left as it is, in cells. */
export const SPILLS = 1.02;
/** Widths that differ by less are the same, in cells. */
const SAME = 0.0002;

const segmenter = new Intl.Segmenter();

/**
 * Takes a run's text apart by cells. `wide`: each cluster has two. `joined`: all of it is one cluster. Else the
 * clusters are graphemes (UAX #29), as the emulator in the runner takes them.
 */
export function piecesOf(
  text: string,
  wide: boolean,
  joined: boolean,
  face: Face,
  font: CellFont | undefined,
): Piece[] {
  if (face !== "") font?.learn(["0"], face);
  const latin = font?.width("0", face) ?? 1;
  if (!wide && !joined && LATIN.test(text))
    return [{ kind: "text", text, spacing: spacingOf(latin) }];
  const clusters = (joined ? [text] : clustersOf(text)).map(seenOf);
  font?.learn(clusters.map(({ seen }) => seen).filter(isMeasured), face);
  const pieces: Piece[] = [];
  for (const { seen, hidden } of clusters) {
    if (seen !== "") {
      const piece = pieceOf(seen, wide, LATIN.test(seen) ? latin : font?.width(seen, face));
      const last = pieces.at(-1);
      if (last === undefined || !joins(last, piece)) pieces.push(piece);
    }
    for (const character of hidden) pieces.push({ kind: "hidden", ...character });
  }
  return boxed(pieces, face);
}

/** Slanted text may be longer than its characters: a box keeps what follows in its place. */
function boxed(pieces: Piece[], face: Face): Piece[] {
  return face.includes("i")
    ? pieces.map((piece) => (piece.kind === "text" ? { ...piece, boxed: true } : piece))
    : pieces;
}

/** How one cluster is drawn that is so many cells wide in the font, if that is known. */
function pieceOf(text: string, wide: boolean, drawn: number | undefined): Piece {
  if (wide || !UNSHAPED.test(text))
    return { kind: "box", text, cells: wide ? 2 : 1, drawn, alike: false };
  if (drawn === undefined || drawn <= SPILLS)
    return { kind: "text", text, spacing: spacingOf(drawn ?? 1) };
  return { kind: "box", text, cells: 1, drawn, alike: true };
}

const spacingOf = (drawn: number): number => (Math.abs(1 - drawn) < SAME ? 0 : 1 - drawn);

/** Adds a cluster to the piece before it, where the font draws both alike. */
function joins(last: Piece, next: Piece): boolean {
  if (last.kind === "text" && next.kind === "text") {
    if (Math.abs(last.spacing - next.spacing) >= SAME) return false;
    last.text += next.text;
    return true;
  }
  if (last.kind !== "box" || next.kind !== "box" || !last.alike || !next.alike) return false;
  if (last.drawn === undefined || next.drawn === undefined) return false;
  if (Math.abs(last.drawn / last.cells - next.drawn) >= SAME) return false;
  last.text += next.text;
  last.cells += next.cells;
  last.drawn += next.drawn;
  return true;
}

/** The clusters of a run, in order. */
function clustersOf(text: string): string[] {
  return JOINING.test(text)
    ? Array.from(segmenter.segment(text), ({ segment }) => segment)
    : [...text];
}

/** What is seen of a cluster, and the hidden characters in it; a blank with a cell is both. */
function seenOf(cluster: string): { seen: string; hidden: { text: string; name: string }[] } {
  if (!HIDDEN.test(cluster)) return { seen: cluster, hidden: [] };
  let seen = "";
  const hidden: { text: string; name: string }[] = [];
  for (const part of visibleParts(cluster, { keep: "", prose: true })) {
    const text =
      part.text ?? String.fromCodePoint(Number.parseInt(part.hidden.slice("U+".length), 16));
    if (part.hidden !== undefined && HIDDEN.test(text)) hidden.push({ text, name: part.hidden });
    else seen += text;
  }
  if (seen === "" && BLANK.test(cluster))
    return { seen: cluster, hidden: hidden.map(({ name }) => ({ text: "", name })) };
  return { seen, hidden };
}

const isMeasured = (cluster: string): boolean => !LATIN.test(cluster) && !IDEOGRAPH.test(cluster);
