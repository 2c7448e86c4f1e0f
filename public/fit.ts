import { LIMITS } from "../src/types.ts";
import { RequestError, send } from "./api.ts";
import type { Identity } from "./keys.ts";

/** A requested size may take this long to arrive; another size after that means that somebody else has taken it, in ms. */
const ARRIVES_MS = 2000;
/** The room for the terminal is measured once it has not changed for this long: a phone that turns is laid out in steps. In ms. */
const SETTLED_MS = 250;
/** Rows alone change only once their room has lasted: an address bar comes and goes, in ms. */
const LASTS_MS = 1000;
/** So much of the height is a keyboard's at least, in CSS pixels. */
const KEYBOARD_PX = 120;

interface Size {
  cols: number;
  rows: number;
}

type Fit =
  | { state: "off" }
  /** `size` was requested at `at`, in a window of this width. */
  | { state: "on"; size: Size; at: number; width: number };

/** What the size is taken from. */
export interface FitRoom {
  /** The terminal's box: whatever changes its room changes its size. */
  element: HTMLElement;
  /** The columns and rows that fit into it. */
  capacity(): Size;
  /** Whether something that goes away again takes a part of its room: a card. */
  isCovered(): boolean;
}

/**
 * Takes a session's size over for this screen, follows the room that there is, and notices when
 * somebody else takes the size. The program is resized when the window's width changes (the phone
 * was turned), and when the rows that fit are others for good. A keyboard or a card that comes up
 * does not resize it: it goes away again.
 */
export class SizeLease {
  readonly #identity: Identity;
  readonly #session: string;
  readonly #room: FitRoom;
  readonly #onChange: (on: boolean) => void;
  readonly #observer: ResizeObserver;
  #fit: Fit = { state: "off" };
  /** Whether the session is there to be resized. */
  #able = false;
  #settling: ReturnType<typeof setTimeout> | undefined;
  /** The most height that was seen at this width of the window, in CSS pixels: without a keyboard. */
  #tallest = { width: 0, height: 0 };

  constructor(identity: Identity, session: string, room: FitRoom, onChange: (on: boolean) => void) {
    this.#identity = identity;
    this.#session = session;
    this.#room = room;
    this.#onChange = onChange;
    this.#observer = new ResizeObserver(this.#roomChanged);
    this.#observer.observe(room.element);
    window.addEventListener("resize", this.#roomChanged);
    window.visualViewport?.addEventListener("resize", this.#roomChanged);
    document.addEventListener("focusout", this.#roomChanged);
  }

  /** Takes the size over, or gives it back. */
  fit(on: boolean): void {
    clearTimeout(this.#settling);
    this.#onChange(on);
    if (on) return this.#request(this.#measure());
    this.#fit = { state: "off" };
    this.#post({ cols: null });
  }

  /** Whether the session is there to be resized; a change of the room meanwhile counts once it is. */
  enable(able: boolean): void {
    if (able && !this.#able) this.#roomChanged();
    this.#able = able;
  }

  /** A screen of this size was drawn. */
  drawn({ cols, rows }: Size): void {
    if (this.#fit.state === "off" || performance.now() - this.#fit.at < ARRIVES_MS) return;
    const { size } = this.#fit;
    if (cols !== size.cols || rows !== size.rows) this.#release();
  }

  close(): void {
    clearTimeout(this.#settling);
    this.#observer.disconnect();
    window.removeEventListener("resize", this.#roomChanged);
    window.visualViewport?.removeEventListener("resize", this.#roomChanged);
    document.removeEventListener("focusout", this.#roomChanged);
    if (this.#fit.state === "on") this.#post({ cols: null });
  }

  /** Something may have changed what fits: looks once all is still. */
  readonly #roomChanged = (): void => {
    clearTimeout(this.#settling);
    if (this.#fit.state === "on") this.#settling = setTimeout(() => this.#settle(), SETTLED_MS);
  };

  /** Measures after everything has been laid out and drawn once more, and asks for what fits now. */
  #settle(waited = SETTLED_MS): void {
    this.#settling = undefined;
    const seen = this.#heights();
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        const fit = this.#fit;
        if (fit.state === "off" || this.#settling !== undefined || !this.#able) return;
        if (seen !== this.#heights()) return this.#roomChanged(); // still on its way
        const size = this.#measure();
        const turned = window.innerWidth !== fit.width;
        if (!turned && (this.#room.isCovered() || this.#hasKeyboard())) return;
        if (size.cols === fit.size.cols && size.rows === fit.size.rows) return;
        if (size.cols !== fit.size.cols || waited >= LASTS_MS) return this.#request(size);
        this.#settling = setTimeout(() => this.#settle(LASTS_MS), LASTS_MS - waited);
      }),
    );
  }

  /** All that the room depends on, to be compared. */
  #heights(): string {
    const { clientWidth, clientHeight } = this.#room.element;
    return [window.innerWidth, window.visualViewport?.height, clientWidth, clientHeight].join(" ");
  }

  #measure(): Size {
    const { cols, rows } = this.#room.capacity();
    return { cols: Math.max(LIMITS.leastCols, cols), rows: Math.max(LIMITS.leastRows, rows) };
  }

  /** Whether an on-screen keyboard takes a part of the height: one shows where a finger is in a text box. */
  #hasKeyboard(): boolean {
    const width = window.innerWidth;
    const height = window.visualViewport?.height ?? window.innerHeight;
    if (width !== this.#tallest.width || height > this.#tallest.height)
      this.#tallest = { width, height };
    const typing = document.activeElement?.matches("input, textarea") === true;
    const touch = matchMedia("(pointer: coarse)").matches;
    return typing && touch && height < this.#tallest.height - KEYBOARD_PX;
  }

  #request(size: Size): void {
    this.#hasKeyboard(); // remembers the height
    this.#fit = { state: "on", size, at: performance.now(), width: window.innerWidth };
    this.#post(size);
  }

  #post(body: Size | { cols: null }): void {
    const path = `/api/sessions/${this.#session}/resize`;
    send(this.#identity, "POST", path, JSON.stringify(body)).catch((error: unknown) => {
      if (!(error instanceof RequestError)) throw error;
      this.#release();
    });
  }

  /** The size is no longer this screen's. */
  #release(): void {
    clearTimeout(this.#settling);
    this.#fit = { state: "off" };
    this.#onChange(false);
  }
}
