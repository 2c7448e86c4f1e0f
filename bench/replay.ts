/** Writes what was recorded at the times at which it was, or so many times as fast, and tells its end; run as the program in a terminal. */
import { END, readRecording } from "./recording.ts";

const speed = Number(process.argv[2]);
const from = performance.now();
for (const [at, bytes] of readRecording().chunks) {
  const wait = at / speed - (performance.now() - from);
  if (wait > 0) await Bun.sleep(wait);
  process.stdout.write(Buffer.from(bytes, "latin1"));
}
process.stdout.write(`\x1b]2;${END}\x07`); // a title: the screen stays what it was
