import { openActor } from "./act.ts";
import { answered, conversation, differences, standing, stored, typed } from "./check.ts";
import type { House } from "./house.ts";
import { drawSchedule, type Step } from "./schedule.ts";
import { openWorld, type Stage } from "./world.ts";

/** The clock goes so fast while things happen, and once everything has healed: silence has to be noticed, and pauses to end. In ms for each real one. */
const BUSY_RATE = 20;
const PATIENT_RATES = [20, 50, 100, 100, 200];
/** It is looked so often whether all agree, in turns of the loop; after this long they never will, in ms of that clock. */
const LOOK_TURNS = 3;
const NEVER_MS = 300_000;
/** A process that delivers what is left does so in real time. */
const DELIVERED_MS = 20 * NEVER_MS;
/** Who taps and sees nothing come of it taps again after this long, in ms of that clock. */
const TAP_AGAIN_MS = 10_000;

/** Runs the schedule of a seed; the answer is what went wrong. */
export async function runTrial(
  stage: Stage,
  house: House,
  seed: number,
  steps: readonly Step[] = drawSchedule(seed),
): Promise<string[]> {
  const { clock } = stage;
  clock.rate = BUSY_RATE;
  const world = await openWorld(stage, house, `seed-${seed}-${Math.round(clock.now())}`);
  const { page, program, follow } = world;
  const actor = openActor(world, clock);
  /** Waits until nothing is wrong any more; the answer is what still is. */
  const agree = async (look: () => string[], never = NEVER_MS): Promise<string[]> => {
    const until = clock.now() + never;
    for (let looks = 0; ; looks++) {
      const wrong = [...world.gone, ...look()];
      if (wrong.length === 0 || clock.now() > until) return wrong;
      clock.rate =
        PATIENT_RATES[Math.min(Math.floor(looks / 15), PATIENT_RATES.length - 1)] ?? BUSY_RATE;
      await clock.turns(LOOK_TURNS);
    }
  };
  try {
    for (const step of steps) {
      await actor.act(step);
      await clock.turns(1);
    }
    house.wire.heal();
    await program.idle();
    let wrong = await agree(() => differences(world));
    if (wrong.length > 0) return wrong;
    while (page.hasOlder() && wrong.length === 0) {
      const before = page.history().length;
      wrong = await agree(() => {
        if (page.history().length > before || !page.hasOlder()) return [];
        page.lookBack();
        return ["earlier lines do not come"];
      });
    }
    if (wrong.length > 0) return wrong;
    page.show("talk");
    const settled = () => [
      ...(follow.open().length > 0 ? ["a question stays open"] : []),
      ...differences(world),
      ...conversation(world),
    ];
    let tapAt = 0; // a tap may be lost on a connection that nobody knows to be dead
    wrong = await agree(() => {
      if (follow.open().length > 0 && clock.now() > tapAt) {
        tapAt = clock.now() + TAP_AGAIN_MS;
        actor.answerAll();
      }
      return settled();
    });
    if (wrong.length === 0) wrong = await agree(() => standing(world));
    if (wrong.length > 0) return wrong;
    clock.rate = BUSY_RATE;
    const trouble = await world.end();
    wrong =
      trouble === undefined
        ? await agree(
            () => (page.status() === "ended" ? [] : [`the page says that it is ${page.status()}`]),
            DELIVERED_MS,
          )
        : [trouble];
    return [
      ...wrong,
      ...stored(world),
      ...typed(world, [...actor.returned, page.draft()], actor.attached),
      ...answered(world),
    ];
  } finally {
    await world.close();
  }
}
