/**
 * `bun bench/record.ts` records what the real Claude Code writes to its terminal, with times, while somebody works with it, into
 * `bench/fixtures/claude.json.gz`. It runs offline against the mock API, whose answers come word by word.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPty } from "../src/runner/pty.ts";
import { openScreen } from "../src/runner/screen.ts";
import { claudeEnv } from "../test/support/claude.ts";
import { emptyHome } from "../test/support/home.ts";
import { startMockApi } from "../test/support/mock-anthropic.ts";
import { randomFrom } from "../test/support/random.ts";
import { until } from "../test/support/until.ts";
import { RECORDING, type Recording } from "./recording.ts";

const [cols, rows] = [80, 24];
/** Between a person's keys, in ms. */
const KEY_MS = [60, 190] as const;
/** Before the first word, in ms. */
const THINK_MS = 3500;
/** Between two words of an answer, in ms: some 20 words a second. */
const WORD_MS = 50;

const PROSE = [
  "The parser reads **one line at a time**, so a long line is held in memory whole. Three things follow from that:",
  "",
  "1. A file without line feeds is read as one line, however large it is.",
  "2. The limit in `src/parse.ts` is checked too late, after the line was built.",
  "3. Whoever sends such a file decides how much memory we use.",
  "",
  "I would check the length *while* reading, and end the line with an error once it is too long:",
  "",
  "```ts",
  "for (const byte of chunk) {",
  "  if (byte === LINE_FEED) yield take();",
  "  else if (++length > LIMITS.lineBytes) throw new TooLong(number);",
  "}",
  "```",
  "",
  "The test beside it prints a megabyte without a line feed, and looks at what is kept. With that in place the older check can go, and with it",
  "the constant that nobody else reads. I have left the message as it was: it names the line, which is what people look for in the log.",
].join("\\n");
const SHORT =
  "Done. The length is checked while reading now, the test for it passes, and the older check is gone. Nothing else in the repository used the constant.";

const home = emptyHome();
const api = startMockApi();
const { int } = randomFrom(6);
const chunks: Recording["chunks"] = [];
const cwd = join(home.dir, "work");
mkdirSync(join(cwd, "src"));
writeFileSync(
  join(cwd, "src/parse.ts"),
  Array.from(
    { length: 30 },
    (_, i) => `export const part${i} = (line: string) => line.slice(${i}); // part ${i}\n`,
  ).join(""),
);
writeFileSync(
  join(cwd, "test.sh"),
  'for i in $(seq 14); do echo "(pass) parser > case $i of the corpus [0.$i ms]"; sleep 0.2; done\n',
);
const screen = openScreen({
  cols,
  rows,
  onChange: () => undefined,
  onHold: () => undefined,
  onHistory: () => undefined,
  onReply: (data) => pty.write(data),
});
const from = performance.now();
const pty = startPty({
  command: "claude",
  args: ["--permission-mode", "manual"],
  env: claudeEnv(home, api),
  cwd,
  cols,
  rows,
  onData(bytes) {
    chunks.push([Math.round(performance.now() - from), Buffer.from(bytes).toString("latin1")]);
    screen.feed(bytes);
  },
  onStop: () => undefined,
  onExit: () => undefined,
});
const text = () => screen.text().join("\n");
const sees = (what: string | RegExp) =>
  until(
    `claude shows ${what}; it shows:\n${text()}`,
    () => (typeof what === "string" ? text().includes(what) : what.test(text())),
    60_000,
  );

/** Types as a person does, and sends it once it can be taken. */
async function say(words: string, script: string): Promise<void> {
  await sees(/\n❯\s*\n─/);
  await Bun.sleep(1500); // reads what stands there
  for (const key of words) {
    pty.write(key);
    await Bun.sleep(int(...KEY_MS));
  }
  pty.write(`\x1b[200~\n${script}\x1b[201~`);
  await Bun.sleep(600);
  pty.write("\r");
}

await sees("manual mode on");
await say("why does the parser need so much memory", `slow ${THINK_MS} ${WORD_MS} :: ${PROSE}`);
await sees("what people look for in the log");
await say("please test it", "run: sh test.sh");
await sees("Do you want to proceed?");
await Bun.sleep(3000); // thinks about it
pty.write("1");
await sees("Done.");
await say(
  "mend it",
  "edit: src/parse.ts :: line.slice(7); // part 7 => line.slice(0, 7); // no more than seven",
);
await sees("Do you want to make this edit");
await Bun.sleep(2500);
pty.write("1");
await sees("Done.");
await say("is that all", `slow ${THINK_MS} ${WORD_MS} :: ${SHORT}`);
await sees("used the constant");
await Bun.sleep(2000);
pty.kill("SIGTERM");
await Bun.sleep(1000);
api.stop();
home.remove();

const recording: Recording = { cols, rows, chunks };
writeFileSync(RECORDING, Bun.gzipSync(JSON.stringify(recording), { level: 9 }));
const raw = chunks.reduce((sum, [, bytes]) => sum + bytes.length, 0);
process.stderr.write(
  `${chunks.length} reads, ${raw} bytes, ${((chunks.at(-1)?.[0] ?? 0) / 1000).toFixed(0)} s\n`,
);
process.exit(0);
