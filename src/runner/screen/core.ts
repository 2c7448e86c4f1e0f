import type { IBufferCell, IMarker, Terminal } from "@xterm/headless";

/** What stands behind a buffer of the emulator's declared interface (Buffer of xterm.js 6.0.0), as far as we touch it. */
export interface CoreBuffer {
  x: number;
  /** From the top of the screen, which is the row `ybase`. */
  y: number;
  ybase: number;
  ydisp: number;
  savedX: number;
  /** From the oldest row. */
  savedY: number;
  savedCurAttrData: unknown;
  /** Rows of the screen between which it scrolls. */
  scrollTop: number;
  scrollBottom: number;
  lines: { length: number };
  addMarker(row: number): IMarker;
}

/** Undefined where an upgrade has renamed what this needs. */
export function coreBuffer(term: Terminal, name: "normal" | "alt"): CoreBuffer | undefined {
  const core: unknown = Reflect.get(term, "_core");
  const buffers: unknown = isObject(core) ? Reflect.get(core, "buffers") : undefined;
  const buffer: unknown = isObject(buffers) ? Reflect.get(buffers, name) : undefined;
  return isCoreBuffer(buffer) ? buffer : undefined;
}

/** How the next character will look, as far as a cell's attributes tell. */
export type Pen = Omit<IBufferCell, "isAttributeDefault" | "getCode" | "getChars" | "getWidth">;
export function penOf(term: Terminal): Pen | undefined {
  const core: unknown = Reflect.get(term, "_core");
  const handler: unknown = isObject(core) ? Reflect.get(core, "_inputHandler") : undefined;
  const pen: unknown = isObject(handler) ? Reflect.get(handler, "_curAttrData") : undefined;
  return isPen(pen) ? pen : undefined;
}
export const isPen = (value: unknown): value is Pen =>
  isObject(value) &&
  ["isBold", "isFgRGB", "getFgColor", "isBgDefault"].every(
    (name) => typeof Reflect.get(value, name) === "function",
  );

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

function isCoreBuffer(value: unknown): value is CoreBuffer {
  return (
    isObject(value) &&
    ["x", "y", "ybase", "ydisp", "savedX", "savedY", "scrollTop", "scrollBottom"].every(
      (name) => typeof Reflect.get(value, name) === "number",
    ) &&
    isObject(Reflect.get(value, "lines")) &&
    typeof Reflect.get(value, "addMarker") === "function"
  );
}

/** Bounds the first number of a control sequence, whatever then acts on it: its own handler gets the bounded one. */
export function boundCount(term: Terminal, final: string, most: () => number): void {
  const core: unknown = Reflect.get(term, "_core");
  const register: unknown = isObject(core) ? Reflect.get(core, "registerCsiHandler") : undefined;
  if (typeof register !== "function")
    // an upgrade has renamed it: then what is too much is nothing
    return void term.parser.registerCsiHandler({ final }, ([count = 0]) => Number(count) > most());
  register.call(core, { final }, ({ params }: { params: Int32Array }) => {
    const [count = 0] = params;
    params[0] = Math.min(count, most());
    return false;
  });
}
