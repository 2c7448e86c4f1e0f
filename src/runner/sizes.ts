import { LIMITS } from "../types.ts";
import type { Pixels } from "./libc.ts";
import type { Size } from "./wrap.ts";

/** Who has a say in the size of the program's terminal. */
export interface Sizes {
  /** The desk has this size now. */
  desk(size: Size): void;
  /** Whoever types at the desk has its size back. */
  typed(): void;
  /** A phone takes the size over, or gives it back. */
  phone(size: Size | undefined): void;
}

/**
 * The desk's size holds, unless a phone took it over and nobody has typed at the desk since; where there is no desk, what the last phone
 * wanted stays. `apply` comes with each change, and tells whether a phone took the size or lost it.
 */
export function openSizes(
  first: Size,
  apply: (size: Size, byPhone: boolean) => void,
  hasDesk = true,
): Sizes {
  let desk = first;
  let phone: Size | undefined;
  let applied = first;
  const settle = (byPhone: boolean) => {
    const size = phone === undefined ? desk : { ...phone, pixels: pixelsOf(phone, desk) };
    if (isSame(size, applied)) return;
    applied = size;
    apply(size, byPhone);
  };
  return {
    desk(size) {
      desk = size;
      settle(false);
    },
    typed() {
      phone = undefined;
      settle(true);
    },
    phone(size) {
      if (size === undefined && !hasDesk) return;
      phone =
        size === undefined
          ? undefined
          : {
              cols: Math.max(LIMITS.leastCols, size.cols),
              rows: Math.max(LIMITS.leastRows, size.rows),
            };
      settle(true);
    },
  };
}

/** As many pixels as that would be at the desk, whose terminal draws them. */
function pixelsOf({ cols, rows }: Size, desk: Size): Pixels | undefined {
  return (
    desk.pixels && {
      width: Math.round((desk.pixels.width / desk.cols) * cols),
      height: Math.round((desk.pixels.height / desk.rows) * rows),
    }
  );
}

const isSame = (a: Size, b: Size) =>
  a.cols === b.cols &&
  a.rows === b.rows &&
  a.pixels?.width === b.pixels?.width &&
  a.pixels?.height === b.pixels?.height;
