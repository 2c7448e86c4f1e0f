import { afterEach, expect, spyOn, test } from "bun:test";
import type { Client } from "../../src/attach/client.ts";
import { openFit } from "../../src/attach/fit.ts";

let restore: () => void = () => undefined;
afterEach(() => restore());

/** A terminal of 60×20 that takes the size over from a desk of 80×24, with a clock that the test moves. */
function open() {
  let now = 0;
  const clock = spyOn(performance, "now").mockImplementation(() => now);
  restore = () => clock.mockRestore();
  const answers: ((response: Response) => void)[] = [];
  const client: Client = {
    device: "d",
    send: () => new Promise((resolve) => void answers.push(resolve)),
    call: () => Promise.reject(new Error("not used")),
  };
  const fit = openFit(
    client,
    "s",
    () => ({ cols: 60, rows: 20 }),
    () => undefined,
  );
  return {
    fit,
    pass(ms: number) {
      now += ms;
    },
    async answer() {
      answers.shift()?.(new Response());
      await Promise.resolve();
      await Promise.resolve();
    },
  };
}
const DESK = { cols: 80, rows: 24 };
const HERE = { cols: 60, rows: 20 };

test("a screen of the old size that was on its way is nobody who took the size back, however long the answer takes", async () => {
  const { fit, pass, answer } = open();
  const asked = fit.set(true);
  pass(10_000);
  fit.drawn(DESK);
  await answer();
  await asked;
  fit.drawn(HERE);
  expect(fit.on).toBe(true);
});

test("another size, later, is: the desk has its own again", async () => {
  const { fit, pass, answer } = open();
  const asked = fit.set(true);
  await answer();
  await asked;
  fit.drawn(HERE);
  pass(10_000);
  fit.drawn(DESK);
  fit.drawn(HERE);
  expect(fit.on).toBe(false);
});
