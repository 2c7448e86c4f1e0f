/** Waits until `probe` gives something other than false, undefined or null; fails with what was waited for. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  ms = 10_000,
): Promise<Exclude<T, false | undefined | null>> {
  const end = performance.now() + ms;
  for (;;) {
    const value = await probe();
    if (value !== false && value !== undefined && value !== null)
      return value as Exclude<T, false | undefined | null>;
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain until ${what}`);
    await Bun.sleep(20);
  }
}

/**
 * Waits for a browser to confirm a command, and goes on without it after some time: Chromium now and then
 * never confirms a touch or a push on a busy machine, though it takes it. What came of it is for the test to see.
 */
export async function confirmed(command: Promise<unknown>, ms = 3000): Promise<void> {
  await Promise.race([command, Bun.sleep(ms)]);
}
