import type { Screen, ScreenOptions } from "./screen.ts";

/** A program that prints nothing for so long is shown all the same, in ms. */
const QUIET_START_MS = 100;

/** A screen whose emulator is not loaded yet. */
export interface LateScreen {
  /** Undefined until it is there. */
  screen(): Screen | undefined;
  /** Does something with it, now or once it is there, in order. */
  later(act: (screen: Screen) => void): void;
  /** Output of the program; the first begins to load the emulator. */
  feed(bytes: Uint8Array): void;
  /** Resolves with it, loaded by now if it was not. */
  loaded(): Promise<Screen>;
}

/** The emulator takes 25 ms to load, in which nothing else goes on: so the program is let start first, and what it does waits here. */
export function openLateScreen(options: ScreenOptions, onLoaded: () => void): LateScreen {
  const begun = Promise.withResolvers<void>();
  const early: ((screen: Screen) => void)[] = [];
  let screen: Screen | undefined;
  const loading = Promise.race([begun.promise, Bun.sleep(QUIET_START_MS)]).then(async () => {
    const { openScreen } = await import("./screen.ts");
    const opened = openScreen(options);
    for (const act of early) act(opened);
    screen = opened;
    onLoaded();
    return opened;
  });
  const later = (act: (screen: Screen) => void) =>
    screen === undefined ? void early.push(act) : act(screen);
  return {
    screen: () => screen,
    later,
    feed(bytes) {
      begun.resolve();
      later((opened) => opened.feed(bytes));
    },
    loaded() {
      begun.resolve();
      return loading;
    },
  };
}
