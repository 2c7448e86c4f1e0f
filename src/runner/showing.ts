import type { Frame } from "../types.ts";
import type { Screen } from "./screen.ts";

/** Frames are at least this far apart, in ms: some 30 a second. */
const FRAME_MS = 33;
/** With the link full, the screen is tried again after this long, in ms. */
const FULL_MS = 100;
/** A login page is looked for on the screen at most this often, in ms. */
const LOGIN_MS = 300;

export interface ShowingOptions {
  screen(): Screen | undefined;
  /** Whether the server hears of the session, and whether so much waits to be sent that screens hold back. */
  link(): { up: boolean; full: boolean };
  sendFrame(frame: Frame): void;
  /** The screen names a login page, or no longer. */
  sendLogin(url: string | null): void;
}

/** Shows the screen as it changes: the first change after quiet at once, then a bounded number of frames. */
export function openShowing({ screen, link, sendFrame, sendLogin }: ShowingOptions) {
  let frameTimer: ReturnType<typeof setTimeout> | undefined;
  let framedAt = 0;
  let login: ReturnType<Screen["login"]>;
  let loginTimer: ReturnType<typeof setTimeout> | undefined;

  const show = () => {
    frameTimer = undefined;
    const { up, full } = link();
    if (!up) return;
    if (full) {
      frameTimer = setTimeout(show, FULL_MS);
      return;
    }
    const frame = screen()?.frame();
    if (frame === undefined) return;
    framedAt = performance.now();
    sendFrame(frame);
  };
  const lookForLogin = () => {
    loginTimer = undefined;
    if (screen()?.isUpdating === true) {
      loginTimer = setTimeout(lookForLogin, LOGIN_MS);
      return;
    }
    const told = login?.url;
    login = screen()?.login();
    if (login?.url !== told && link().up) sendLogin(login?.url ?? null);
  };

  return {
    changed(): void {
      loginTimer ??= setTimeout(lookForLogin, LOGIN_MS);
      if (frameTimer !== undefined) return;
      const wait = FRAME_MS - (performance.now() - framedAt);
      if (wait <= 0) show();
      else frameTimer = setTimeout(show, wait);
    },

    /** The server knows nothing yet of what is shown. */
    whole(): void {
      const now = screen();
      if (now !== undefined) sendFrame(now.whole());
      if (login !== undefined) sendLogin(login.url);
    },

    /** Whether the screen asks for a login's code. */
    pastes: () => login?.pastes === true,

    /** Shows what is there at the end, and nothing any more. */
    close(): void {
      clearTimeout(frameTimer);
      clearTimeout(loginTimer);
      show();
      clearTimeout(frameTimer);
    },
  };
}
