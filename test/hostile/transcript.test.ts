import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { entriesOf } from "../../src/runner/entries.ts";
import { trustedTranscript } from "../../src/runner/evidence.ts";
import { followTranscript, type Transcript } from "../../src/runner/transcript.ts";
import { Entry, FromRunner, LIMITS, type TranscriptPlace } from "../../src/types.ts";
import { attack, damaged, mutated, patience, type Random } from "../support/hostile.ts";
import { until } from "../support/until.ts";

const unhandled: unknown[] = [];
const note = (error: unknown) => void unhandled.push(error);
let dir: string;
let projects: string;
const open: Transcript[] = [];
beforeAll(() => {
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  dir = realpathSync(mkdtempSync(join(tmpdir(), "hostile-test-")));
  projects = join(dir, "claude/projects/x");
  mkdirSync(projects, { recursive: true });
});
afterEach(() => {
  for (const one of open.splice(0)) one.close();
  expect(unhandled).toEqual([]);
});
afterAll(() => {
  process.off("unhandledRejection", note);
  process.off("uncaughtException", note);
  rmSync(dir, { recursive: true, force: true });
});

const at = "2026-01-02T03:04:05.678Z";
const LINES: object[] = [
  { type: "user", timestamp: at, message: { content: "hello" } },
  {
    type: "user",
    timestamp: at,
    message: {
      content: [
        {
          type: "tool_result",
          tool_use_id: "t",
          content: [{ type: "text", text: "out" }, { type: "image" }],
          is_error: true,
        },
      ],
    },
  },
  {
    type: "assistant",
    timestamp: at,
    message: {
      content: [
        { type: "text", text: "hi" },
        { type: "thinking", thinking: "hm" },
        { type: "tool_use", id: "t", name: "Bash", input: { command: "ls", password: "hunter22" } },
      ],
    },
  },
  { type: "system", timestamp: at, content: "<local-command-stdout>x</local-command-stdout>" },
  {
    type: "attachment",
    timestamp: at,
    attachment: {
      type: "queued_command",
      commandMode: "prompt",
      prompt: [{ type: "text", text: "queued" }],
    },
  },
  { type: "user", isCompactSummary: true, message: { content: "summary" } },
  {
    type: "user",
    message: { content: "<command-name>/x</command-name><command-args>y</command-args>" },
  },
];
const line = (random: Random) =>
  JSON.stringify(random.int(0, 4) === 0 ? random.pick(LINES) : mutated(random, random.pick(LINES)));
const said = (text: string) => `${JSON.stringify({ type: "user", message: { content: text } })}\n`;

test(
  "a line, however it was changed, becomes entries that the wire carries, or none",
  async () => {
    await attack(3000, (random) => {
      const text =
        random.int(0, 5) === 0
          ? new TextDecoder().decode(damaged(random, line(random)))
          : line(random);
      const entries = entriesOf(text);
      const message = JSON.stringify({
        type: "transcript",
        session: "s",
        next: entries.length,
        file: 0,
        at: 0,
        entries,
      });
      v.parse(FromRunner, JSON.parse(message));
      expect(new TextEncoder().encode(message).length).toBeLessThan(LIMITS.messageBytes / 2);
      expect(message).not.toContain("hunter22");
    });
  },
  patience(30_000),
);

/** A server that keeps what comes, as the real one does. */
function follow(trust: (path: string) => string | undefined) {
  const kept: Entry[] = [];
  let place: TranscriptPlace = { next: 0, file: 0, at: 0 };
  const transcript = followTranscript({
    trust,
    send({ entries, ...to }) {
      v.parse(v.array(Entry), entries);
      if (to.next - entries.length !== place.next) throw new Error("lost or doubled");
      kept.push(...entries);
      place = to;
      return true;
    },
    onDone: () => undefined,
  });
  open.push(transcript);
  const texts = () => kept.map((entry) => ("text" in entry ? entry.text : ""));
  return { transcript, kept, texts };
}
let files = 0;
const path = () => join(projects, `${files++}.jsonl`);
const START = { next: 0, file: 0, at: 0 };

test(
  "a file that is cut, replaced, filled with garbage and removed while it is read is followed to its end",
  async () => {
    await attack(6, async (random) => {
      const file = path();
      writeFileSync(file, said("begin"));
      const { transcript, texts } = follow((asked) =>
        trustedTranscript(asked, join(dir, "claude")),
      );
      transcript.named(file);
      transcript.resume(START);
      for (let step = 0; step < 12; step++) {
        const text = `${Array.from({ length: 20 }, () => line(random)).join("\n")}\n`;
        const acts: (() => void)[] = [
          () => appendFileSync(file, text),
          () => appendFileSync(file, damaged(random, text)),
          () => writeFileSync(file, text),
          () => truncateSync(file, random.int(0, 500)),
          () => truncateSync(file, 2 ** 33), // sparse: eight gigabytes of nothing
          () => {
            writeFileSync(`${file}.new`, text);
            renameSync(`${file}.new`, file);
          },
          () => unlinkSync(file),
          () =>
            transcript.resume({
              next: 0,
              file: random.int(0, 200),
              at: random.pick([0, 5, 2 ** 40]),
            }),
          () => transcript.pause(),
        ];
        try {
          random.pick(acts)();
        } catch (error) {
          if (!(error instanceof Error && "code" in error)) throw error; // it is gone
        }
        await Bun.sleep(random.pick([0, 1, 40]));
      }
      // a new one in its place, as after `/clear`
      const last = path();
      writeFileSync(last, said(`the end of ${files}`));
      const server = follow((asked) => trustedTranscript(asked, join(dir, "claude")));
      server.transcript.named(last);
      server.transcript.resume(START);
      await until("the end is read", () => server.texts().includes(`the end of ${files}`));
      expect(texts().every((text) => typeof text === "string")).toBe(true);
    });
  },
  patience(30_000),
);

test("what lies in the file's place but is none is neither followed nor waited for", async () => {
  const secret = join(dir, "secret.jsonl");
  writeFileSync(secret, said("a secret of another program").repeat(20));
  const made: Record<string, (place: string) => void> = {
    "a link to elsewhere": (place) => symlinkSync(secret, place),
    "a link to a device": (place) => symlinkSync("/dev/zero", place),
    "a link to itself": (place) => symlinkSync(place, place),
    "a folder": (place) => mkdirSync(place),
    "a pipe": (place) => void Bun.spawnSync(["mkfifo", place]),
    "a socket": (place) =>
      void sockets.push(Bun.listen({ unix: place, socket: { data: () => undefined } })),
    "a link to the terminal": (place) => symlinkSync("/dev/tty", place),
    "what another process has open": (place) => symlinkSync("/proc/self/fd/0", place),
  };
  const sockets: { stop(): void }[] = [];
  for (const [what, make] of Object.entries(made)) {
    const place = path();
    make(place);
    const { transcript, kept } = follow((asked) => trustedTranscript(asked, join(dir, "claude")));
    transcript.resume(START);
    transcript.named(place);
    await Bun.sleep(200);
    expect([what, kept]).toEqual([what, []]);
    // and one that was a file when it was looked at
    const swapped = path();
    writeFileSync(swapped, said("one"));
    const other = follow((asked) => trustedTranscript(asked, join(dir, "claude")));
    other.transcript.resume(START);
    other.transcript.named(swapped);
    await until("it is read", () => other.texts().length === 1);
    unlinkSync(swapped);
    make(swapped);
    await Bun.sleep(200);
    expect([what, other.texts().filter((text) => text.includes("secret"))]).toEqual([what, []]);
  }
  for (const socket of sockets) socket.stop();
  for (const outside of [
    secret,
    "/etc/passwd",
    join(projects, "../../../secret.jsonl"),
    `${projects}/\0.jsonl`,
    "",
    "..",
    "/dev/stdin",
    `/proc/self/root${secret}`,
    oddPath(),
  ])
    expect([outside, trustedTranscript(outside, join(dir, "claude"))]).toEqual([
      outside,
      undefined,
    ]);
}, 30_000);

const oddPath = () => `${"/x".repeat(3000)}.jsonl`;

test("a line of 40 MB and a file of holes keep nobody waiting: a timer ticks all the while", async () => {
  const file = path();
  writeFileSync(
    file,
    `{"type":"user","message":{"content":"${"x".repeat(40 * 1024 * 1024)}"}}\n${said("after it")}`,
  );
  // what is worked on between two ticks: others who take the processor keep us waiting, too
  const spent = () => (process.cpuUsage().user + process.cpuUsage().system) / 1000; // ms
  let longest = 0;
  let last = spent();
  const tick = setInterval(() => {
    longest = Math.max(longest, spent() - last);
    last = spent();
  }, 1);
  const { transcript, texts } = follow((asked) => trustedTranscript(asked, join(dir, "claude")));
  transcript.named(file);
  transcript.resume(START);
  await until("what comes after it is read", () => texts().includes("after it"), 20_000);
  expect(texts()).toContain("A part that is too large to be shown was left out.");
  clearInterval(tick);
  expect(longest).toBeLessThan(2000); // some tens of ms where nothing else runs
}, 30_000);
