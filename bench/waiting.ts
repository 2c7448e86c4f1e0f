/** How long anything is waited for, in ms; then the measurement has failed. */
const PATIENCE_MS = 180_000;

/** Waits for something that events bring: `settle` is called with each and says when it came. The time is taken in the event itself. */
export function openWaiting<Event>() {
  let waiting: ((event: Event) => void) | undefined;
  let giveUp: ((error: Error) => void) | undefined;
  return {
    settle: (event: Event) => waiting?.(event),
    /** Nothing will come any more: whoever waits is told so. */
    fail: (error: Error) => giveUp?.(error),
    /** Resolves with the time at which an event came that matches. */
    wait(what: string, matches: (event: Event) => boolean): Promise<number> {
      const coming = new Promise<number>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`waited ${PATIENCE_MS} ms in vain until ${what}`)),
          PATIENCE_MS,
        );
        giveUp = (error) => {
          clearTimeout(timer);
          reject(error);
        };
        waiting = (event) => {
          if (!matches(event)) return;
          const at = performance.now();
          waiting = undefined;
          clearTimeout(timer);
          resolve(at);
        };
      });
      coming.catch(() => undefined); // whoever waits for it hears of it; where something else failed before, nobody does
      return coming;
    },
  };
}
