import { randomNonce } from "../src/auth.ts";
import { openBareViewer } from "./bare-viewer.ts";
import { ECHO, pause } from "./echo.ts";
import type { Place } from "./place.ts";
import { overRounds } from "./statistics.ts";
import type { Row } from "./table.ts";
import { openViewer } from "./viewer.ts";

/** Somebody types quickly: pauses between keys, in ms. Frames are 33 ms apart at least, which a key after such a pause does not meet. */
const PAUSE_MS = [45, 75] as const;
/** Keys on a line; then the cursor goes back to its beginning. */
const LINE = 70;

/** A key from the phone, through server, runner and program, until the phone has its echo. */
export async function keystroke(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  const [rounds, keys] = quick ? [2, 60] : [5, 140];
  const wrapped = await place.wrapped(ECHO);
  await wrapped.shows("READY");
  const viewer = await openViewer(place.phone, wrapped.session);
  const bare = await openBareViewer(place.web.origin);
  const stream = `in_${randomNonce()}`;
  let seq = 0;
  const send = async (typed: object) => {
    const response = await place.phone.request("POST", `/api/sessions/${wrapped.session}/input`, {
      stream,
      seq: seq++,
      ...typed,
    });
    if (!response.ok)
      throw new Error(`a key was refused: ${response.status} ${await response.text()}`);
  };
  const through = async (press: () => Promise<void>, seen: Promise<number>) => {
    const at = performance.now();
    const [shown] = await Promise.all([seen, press()]);
    return shown - at;
  };
  const cursorAt = (x: number) =>
    viewer.sees(
      `the phone shows the cursor at ${x}`,
      (event) => event.name === "screen" && event.data.cursor.x === x,
    );

  const [theirs, ours]: [number[][], number[][]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const [bareRound, ourRound]: [number[], number[]] = [[], []];
    for (let i = 0; i < keys; i++) {
      const key = String.fromCharCode(97 + (i % 26));
      await pause(PAUSE_MS);
      bareRound.push(
        await through(async () => void (await bare.post("/key", key)), bare.sees("output", key)),
      );
    }
    for (let i = 0; i < keys; i++) {
      await pause(PAUSE_MS);
      if (i % LINE === 0) await through(() => send({ keys: ["Enter"] }), cursorAt(0));
      await pause(PAUSE_MS);
      ourRound.push(await through(() => send({ text: "x" }), cursorAt((i % LINE) + 1)));
    }
    theirs.push(bareRound);
    ours.push(ourRound);
  }
  viewer.close();
  bare.close();
  await wrapped.close();
  const row = (share: number) => ({
    unit: "ms",
    ours: overRounds(ours, share),
    reference: overRounds(theirs, share),
    against: "a bare web terminal: POST, PTY, SSE in one process",
    judged: "itself" as const,
  });
  return [
    { name: "phone key to echo p50", ...row(0.5), gate: 4, aim: 1.5 },
    { name: "phone key to echo p99", ...row(0.99), gate: 10, aim: 5 },
  ];
}
