/** A clock that stands until it is moved. */
export function fakeClock() {
  let now = 0;
  const timers = new Set<{ due: number; act: () => void }>();
  return {
    later(ms: number, act: () => void): () => void {
      const timer = { due: now + ms, act };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    /** Moves it on, and runs what is due. */
    pass(ms: number): void {
      now += ms;
      for (const timer of [...timers]) {
        if (timer.due > now) continue;
        timers.delete(timer);
        timer.act();
      }
    },
    /** How many things wait. */
    waiting: () => timers.size,
  };
}
