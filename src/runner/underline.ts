import type { Pen } from "./screen/core.ts";

/** How a cell is underlined. The emulator's cells know (AttributeData of xterm.js 6.0.0), but its declared interface has no such methods. */
export interface UnderlinedCell extends Pen {
  /** 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed. */
  getUnderlineStyle(): number;
  /** The text's colour where the line has none of its own. */
  getUnderlineColor(): number;
  isUnderlineColorRGB(): boolean;
  isUnderlineColorDefault(): boolean;
}

const METHODS = [
  "getUnderlineStyle",
  "getUnderlineColor",
  "isUnderlineColorRGB",
  "isUnderlineColorDefault",
] as const;

/** Whether the emulator tells how its cells are underlined: one that does not draws single lines. */
export function hasUnderline<T extends Pen>(cell: T): cell is T & UnderlinedCell {
  known ??= METHODS.every((name) => typeof Reflect.get(cell, name) === "function");
  return known;
}
let known: boolean | undefined;
