/**
 * A clock for this whole process: so many of its milliseconds pass with each real one, for every timer, pause, stopwatch and time of day, so that waits of
 * seconds take none. It moves on only from one turn of the event loop to the next, a little each: a busy machine looks slow to it, never silent.
 */
export interface Clock {
  /** Milliseconds for each real one. */
  rate: number;
  now(): number;
  /** Resolves after so many turns of the event loop. */
  turns(count: number): Promise<void>;
  /** Resolves after so many of its own ms. */
  pass(ms: number): Promise<void>;
}

interface Timer {
  due: number;
  order: number;
  every: number | undefined;
  act: () => void;
}

/** A turn counts for so many real ms at most, however long it took. */
const TURN_MS = 2;

/** Puts the clock in the place of the process's own. */
export function quickenTime(rate: number): Clock {
  const realTimeout = globalThis.setTimeout;
  const realNow = performance.now.bind(performance);
  const timers = new Map<object, Timer>();
  let now = 0;
  let order = 0;
  let last = realNow();
  let waiting: (() => void)[] = [];

  const add = (act: () => void, ms: number, every?: number) => {
    const handle = {
      ref: () => handle,
      unref: () => handle,
      hasRef: () => true,
      [Symbol.dispose]: () => void timers.delete(handle),
    };
    timers.set(handle, { due: now + Math.max(0, ms), order: order++, every, act });
    return handle;
  };
  const clear = (handle: unknown) => {
    if (typeof handle === "object" && handle !== null) timers.delete(handle);
  };
  const turn = () => {
    realTimeout(turn, 1); // first: what a timer throws ends nothing else
    const real = realNow();
    now += Math.min(real - last, TURN_MS) * clock.rate;
    last = real;
    const due = [...timers]
      .filter(([, timer]) => timer.due <= now)
      .sort(([, a], [, b]) => a.due - b.due || a.order - b.order);
    for (const [handle, timer] of due) {
      if (!timers.has(handle)) continue; // another has just cleared it
      if (timer.every === undefined) timers.delete(handle);
      else timer.due = now + timer.every;
      timer.act();
    }
    const done = waiting;
    waiting = [];
    for (const resolve of done) resolve();
  };

  const clock: Clock = {
    rate,
    now: () => now,
    async turns(count) {
      for (let i = 0; i < count; i++) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    pass: (ms) => new Promise((resolve) => void add(resolve, ms)),
  };
  type Act = (...args: unknown[]) => void;
  Object.assign(globalThis, {
    setTimeout: (act: Act, ms = 0, ...args: unknown[]) => add(() => act(...args), ms),
    setInterval: (act: Act, ms = 0, ...args: unknown[]) => add(() => act(...args), ms, ms),
    clearTimeout: clear,
    clearInterval: clear,
  });
  performance.now = () => now;
  const began = Date.now();
  Date.now = () => Math.floor(began + now);
  Object.assign(Bun, { sleep: (ms: number) => clock.pass(ms) });
  Object.assign(AbortSignal, {
    timeout(ms: number) {
      const controller = new AbortController();
      add(() => controller.abort(new DOMException("The operation timed out.", "TimeoutError")), ms);
      return controller.signal;
    },
  });
  realTimeout(turn, 1);
  return clock;
}
