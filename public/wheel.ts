/** A finger or a wheel moves this far for one turn of the program's wheel, in CSS pixels. */
const TURN_PX = 24;
/** A finger that moved less than this has no direction yet, in CSS pixels. */
const SLOP_PX = 4;
/** Wheel events that follow each other more quickly than this are one gesture, with its momentum, in ms. */
const GESTURE_MS = 200;
/** So many times as far as along its axis a wheel's gesture may stray from it. */
const STRAYS = 2;
/** A line of a wheel that counts in lines, in CSS pixels. */
const LINE_PX = 16;

/** Who has a gesture, from its first move to its end: the browser pans, or the program scrolls. */
type Owner = "browser" | "program";

type Touch =
  | { state: "none" }
  /** One finger is down and has not moved yet. */
  | { state: "undecided"; x: number; y: number }
  | { state: "program"; y: number }
  /** The browser has it until the last finger is up: it pans, zooms or selects. */
  | { state: "browser" };

/**
 * Hands vertical wheels and swipes on to a program that has the whole screen and scrolls by itself,
 * once `element` has come to its own end in that direction. Sideways moves pan `element`, and two
 * fingers zoom. The first move of a gesture decides, and nothing changes that before it ends.
 * `wanted` says whether there is such a program.
 */
export function openWheel(
  element: HTMLElement,
  wanted: () => boolean,
  turn: (up: boolean, steps: number) => void,
): void {
  let remainder = 0; // pixels that have not made a turn yet, down being positive
  const scroll = (pixels: number) => {
    remainder += pixels;
    const steps = Math.trunc(remainder / TURN_PX);
    remainder -= steps * TURN_PX;
    if (steps !== 0) turn(steps < 0, Math.abs(steps));
  };
  const ownerOf = (across: number, down: number): Owner => {
    const { scrollTop, scrollHeight, clientHeight } = element;
    const atEnd = down < 0 ? scrollTop <= 0 : scrollTop + clientHeight >= scrollHeight - 1;
    if (wanted() && atEnd && Math.abs(across) <= Math.abs(down)) return "program";
    remainder = 0;
    return "browser";
  };
  followWheel(element, ownerOf, scroll);
  followTouch(element, ownerOf, scroll);
}

type Decide = (across: number, down: number) => Owner;

function followWheel(element: HTMLElement, decide: Decide, scroll: (down: number) => void): void {
  let gesture = { owner: "browser" as Owner, shift: false, at: Number.NEGATIVE_INFINITY };
  const unitOf = (mode: number) =>
    mode === WheelEvent.DOM_DELTA_LINE
      ? LINE_PX
      : mode === WheelEvent.DOM_DELTA_PAGE
        ? element.clientHeight
        : 1;
  const onWheel = (event: WheelEvent) => {
    const { deltaX, deltaY, shiftKey: shift, timeStamp: at } = event;
    if (event.ctrlKey) return; // zooms
    const [own, other] = gesture.owner === "program" ? [deltaY, deltaX] : [deltaX, deltaY];
    const follows =
      at - gesture.at < GESTURE_MS &&
      shift === gesture.shift &&
      Math.abs(other) <= Math.abs(own) * STRAYS; // what clearly goes the other way is a new one
    // shift turns a wheel sideways, whichever axis the browser reports
    const owner = follows ? gesture.owner : shift ? "browser" : decide(deltaX, deltaY);
    gesture = { owner, shift, at };
    if (owner === "browser") return;
    event.preventDefault();
    scroll(deltaY * unitOf(event.deltaMode));
  };
  element.addEventListener("wheel", onWheel, { passive: false });
}

function followTouch(element: HTMLElement, decide: Decide, scroll: (down: number) => void): void {
  let touch: Touch = { state: "none" };
  const onStart = ({ touches }: TouchEvent) => {
    const finger = touches[0];
    const zoomed = (window.visualViewport?.scale ?? 1) > 1.01; // then one finger moves the zoomed page
    touch =
      finger === undefined || touches.length > 1 || zoomed
        ? { state: "browser" }
        : { state: "undecided", x: finger.clientX, y: finger.clientY };
  };
  const onMove = (event: TouchEvent) => {
    const finger = event.touches[0];
    if (finger === undefined || touch.state === "none" || touch.state === "browser") return;
    const { clientX: x, clientY: y } = finger;
    if (touch.state === "undecided") {
      const [across, down] = [touch.x - x, touch.y - y];
      if (Math.hypot(across, down) < SLOP_PX) return;
      const mine = event.cancelable && decide(across, down) === "program"; // else the browser pans already
      touch = mine ? { state: "program", y: touch.y } : { state: "browser" };
    }
    if (touch.state === "browser") return;
    event.preventDefault();
    scroll(touch.y - y);
    touch.y = y;
  };
  const onEnd = ({ touches }: TouchEvent) => {
    touch = touches.length === 0 ? { state: "none" } : { state: "browser" };
  };
  element.addEventListener("touchstart", onStart, { passive: true });
  element.addEventListener("touchmove", onMove, { passive: false }); // its first move decides
  element.addEventListener("touchend", onEnd, { passive: true });
  element.addEventListener("touchcancel", onEnd, { passive: true });
}
