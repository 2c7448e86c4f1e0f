import { expect, test } from "bun:test";
import { join } from "node:path";

/** Schedules in a test run, and an end for all of them, which is no gate, in ms. */
const SCHEDULES = 240;
const LIMIT_MS = 400_000;

test(
  `after any of ${SCHEDULES} schedules of faults on the wire the viewers see what the program did, and it got what they did, once`,
  async () => {
    const command = [
      process.execPath,
      join(import.meta.dir, "faults/run.ts"),
      "--count",
      String(SCHEDULES),
    ];
    const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [said, trouble] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    expect(trouble + said).toMatch(
      new RegExp(
        `^${SCHEDULES} schedules in [\\d.]+ s: nothing lost, nothing doubled, nothing misdirected\n$`,
      ),
    );
    expect(await child.exited).toBe(0);
  },
  LIMIT_MS,
);
