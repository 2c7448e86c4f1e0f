/** So far a finger or a wheel moves for one turn of the program's wheel, in CSS pixels. */
const TURN_PX = 24;

/**
 * Hands wheel and swipes on to a program that has the whole screen and scrolls by itself: once `element` has come to its own end in
 * that direction. `wanted` says whether there is such a program.
 */
export function openWheel(
  element: HTMLElement,
  wanted: () => boolean,
  turn: (up: boolean, steps: number) => void,
): void {
  let left = 0; // pixels that have not made a turn yet
  /** Moves by so many pixels, down being positive; true where they were the program's. */
  const move = (pixels: number): boolean => {
    const { scrollTop, scrollHeight, clientHeight } = element;
    const atEnd = pixels < 0 ? scrollTop <= 0 : scrollTop + clientHeight >= scrollHeight - 1;
    if (!wanted() || !atEnd) {
      left = 0;
      return false;
    }
    left += pixels;
    const steps = Math.trunc(left / TURN_PX);
    left -= steps * TURN_PX;
    if (steps !== 0) turn(steps < 0, Math.abs(steps));
    return true;
  };
  element.addEventListener(
    "wheel",
    (event) => {
      if (
        !event.ctrlKey &&
        move(event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * 16 : event.deltaY)
      )
        event.preventDefault();
    },
    { passive: false },
  );
  let touched: number | undefined;
  element.addEventListener(
    "touchstart",
    ({ touches }) => (touched = touches.length === 1 ? touches[0]?.clientY : undefined),
    { passive: true },
  );
  element.addEventListener(
    "touchmove",
    (event) => {
      const now = event.touches.length === 1 ? event.touches[0]?.clientY : undefined;
      if (touched !== undefined && now !== undefined && move(touched - now)) event.preventDefault();
      touched = now;
    },
    { passive: false },
  );
}
