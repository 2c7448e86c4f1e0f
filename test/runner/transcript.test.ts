import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { entriesOf } from "../../src/runner/entries.ts";
import {
  followTranscript,
  type Transcript,
  type TranscriptFile,
} from "../../src/runner/transcript.ts";
import {
  type Entry,
  Entry as EntrySchema,
  LIMITS,
  parseJson,
  ToolInput,
  type TranscriptPlace,
} from "../../src/types.ts";
import { randomFrom } from "../support/random.ts";
import { until } from "../support/until.ts";

const FIXTURE = readFileSync(resolve(import.meta.dir, "../fixtures/transcript.jsonl"), "utf8");
const said = (text: string) =>
  `${JSON.stringify({ type: "user", timestamp: "2026-11-20T10:00:00.000Z", message: { role: "user", content: text } })}\n`;
const words = (entry: Entry | undefined) =>
  entry === undefined ? "" : entry.kind === "tool" ? `${entry.tool} ${entry.input}` : entry.text;
const inputOf = (entry: Entry | undefined) =>
  entry?.kind === "tool" ? parseJson(ToolInput, entry.input) : undefined;

describe("a line of Claude's transcript", () => {
  test("becomes what a person sees of it; what Claude keeps for itself is left out", () => {
    const entries = FIXTURE.split("\n").flatMap(entriesOf);
    expect(entries.map(({ kind }) => kind).join(" ")).toBe(
      "user assistant tool result tool result tool result thinking assistant note result note user note note user note result user tool note note note",
    );
    expect(inputOf(entries[6])).toMatchObject({
      file_path: "/home/me/work/notes.txt",
      old_string: "two",
      new_string: "zwei",
    });
    expect(entries[11]).toMatchObject({ kind: "result", id: "toolu_47", error: true });
    const told = entries.map(words);
    for (const text of [
      "Interrupted.",
      "! echo shell mode",
      "shell mode",
      "/compact",
      "API Error: 400 Mock error 400",
      'Agent "Do a subtask" finished',
      "say: typed while busy",
    ])
      expect(told).toContain(text);
    expect(told.some((text) => text.includes("touch sub.txt"))).toBe(false); // a subagent's own conversation
    expect(entries[0]?.at).toBeGreaterThan(Date.parse("2026-11-01"));
  });

  test("has no secrets: in what is said, in inputs by their names, in results, and where it is cut", () => {
    const secret = "sk-ant-api03-abcdefghij1234567890";
    const line = (content: unknown, type = "assistant") =>
      JSON.stringify({ type, message: { content } });
    const lines = [
      line(`the key is ${secret}`, "user"),
      line([{ type: "text", text: `use ${secret}` }]),
      line([{ type: "thinking", thinking: secret }]),
      line([
        {
          type: "tool_use",
          id: "a",
          name: "Bash",
          input: {
            command: `curl -H "Authorization: Bearer ${secret}"`,
            env: { password: "hunter2hunter2" },
          },
        },
      ]),
      line(
        [
          {
            type: "tool_result",
            tool_use_id: "a",
            content: [{ type: "text", text: `API_TOKEN=${"Zx81".repeat(5)}` }],
          },
        ],
        "user",
      ),
      line(
        [
          {
            type: "tool_result",
            tool_use_id: "b",
            content: `${"x ".repeat(6 * 1024 - 8)}${secret}${" y".repeat(9000)}`,
          },
        ],
        "user",
      ),
      line(
        [
          {
            type: "tool_result",
            tool_use_id: "c",
            content: `-----BEGIN RSA PRIVATE KEY-----\n${"MIIEabcd1234\n".repeat(2000)}`,
          },
        ],
        "user",
      ),
    ];
    const text = JSON.stringify(lines.flatMap(entriesOf));
    for (const part of ["abcdefghij", "sk-ant-api", "hunter2", "Zx81", "MIIE"])
      expect(text).not.toContain(part);
  });

  test("is cut where it is too long, too much or too deep, says so, and fits the wire", () => {
    const deep = JSON.parse(`${'{"a":'.repeat(3000)}1${"}".repeat(3000)}`);
    const line = (content: unknown, type = "assistant") =>
      JSON.stringify({ type, message: { content } });
    const tool = (input: unknown) => line([{ type: "tool_use", id: "t", name: "Write", input }]);
    const cases = [
      line("long ".repeat(50_000), "user"),
      line("\0".repeat(60_000), "user"),
      line("😀".repeat(40_000), "user"),
      tool({ content: "y".repeat(500_000) }),
      tool(deep),
      tool(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, "v".repeat(100)]))),
      tool({ list: Array.from({ length: 5000 }, (_, i) => i) }),
      line([{ type: "tool_result", tool_use_id: "t", content: "z".repeat(100_000) }], "user"),
      line(
        Array.from({ length: 3000 }, (_, i) => ({
          type: "text",
          text: `${i} ${"w".repeat(1000)}`,
        })),
        "user",
      ),
    ];
    for (const one of cases) {
      const entries = entriesOf(one);
      expect(entries.length).toBeGreaterThan(0);
      expect(entries.length).toBeLessThanOrEqual(LIMITS.entries);
      expect(JSON.stringify(entries).length).toBeLessThan(LIMITS.messageBytes / 2);
      for (const entry of entries)
        expect(parseJson(EntrySchema, JSON.stringify(entry))).toEqual(entry);
      expect(JSON.stringify(entries)).toMatch(/… .*more/);
    }
    expect(words(entriesOf(cases[7] ?? "")[0])).toEndWith(
      `… ${100_000 - 12 * 1024} more characters`,
    );
  });

  test("are a person's only where a person said them", () => {
    const line = (content: string, origin?: object) =>
      JSON.stringify({ type: "user", message: { content }, ...(origin && { origin }) });
    const shown = (content: string, kind?: string) =>
      entriesOf(line(content, kind === undefined ? undefined : { kind })).map((entry) => [
        entry.kind,
        words(entry),
      ]);
    expect(shown("hello", "human")).toEqual([["user", "hello"]]);
    expect(shown('{"task":1}', "peer")).toEqual([["note", 'From another agent: {"task":1}']]);
    expect(shown("x", "something-new")).toEqual([["note", "Not from a person (something-new): x"]]);
    expect(shown('<teammate-message teammate_id="a">{"x":1}</teammate-message>')).toEqual([
      ["note", 'From a teammate: {"x":1}'],
    ]);
    expect(shown("<system-reminder>\nnot for people\n</system-reminder>")).toEqual([]);
    expect(shown("<system-reminder>\nx\n</system-reminder>\n\nhello", "human")).toEqual([
      ["user", "hello"],
    ]);
    expect(shown("<system-reminder> is what I see. Why?", "human")).toEqual([
      ["user", "<system-reminder> is what I see. Why?"],
    ]);
    expect(
      shown('look:\n<pasted_content id="p1">\na\nb\n</pasted_content id="p1">', "human"),
    ).toEqual([["user", "look:\na\nb"]]);
  });

  test("of any other kind, or of none, is skipped", () => {
    const random = randomFrom(1);
    const odd = [
      "",
      "{",
      "null",
      "[]",
      '"text"',
      "5",
      '{"type":5}',
      '{"type":"user"}',
      '{"type":"user","message":5}',
      '{"type":"assistant","message":{"content":{}}}',
    ];
    const broken = [
      '{"type":"user","message":{"content":[null,5,{},{"type":"text"},{"type":"tool_use","id":1},{"type":"tool_result"}]}}',
      '{"type":"new-kind","message":{"content":"x"}}',
    ];
    for (const line of [...odd, ...broken]) expect(entriesOf(line)).toEqual([]);
    for (const line of FIXTURE.split("\n")) {
      for (let round = 0; round < 20; round++) {
        const at = random.int(0, line.length);
        entriesOf(line.slice(0, at) + String.fromCharCode(random.int(0, 255)) + line.slice(at + 1)); // does not throw
      }
    }
  });
});

describe("a transcript that is followed", () => {
  const dir = mkdtempSync(join(tmpdir(), "transcript-test-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const open: Transcript[] = [];
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });
  let files = 0;
  const file = (text: string | Uint8Array = "") => {
    const path = join(dir, `${files++}.jsonl`);
    writeFileSync(path, text);
    return path;
  };
  /** A server that keeps what comes as the real one does. */
  const server = (known: TranscriptFile[] = []) => {
    const kept: Entry[] = [];
    let place: TranscriptPlace = { next: 0, file: 0, at: 0 };
    const state = { full: false, done: false };
    const transcript = followTranscript(
      {
        trust: (path) => path,
        send({ entries, ...to }) {
          if (state.full) return false;
          expect(to.next - entries.length).toBe(place.next); // nothing lost, nothing doubled
          kept.push(...entries);
          place = to;
          return true;
        },
        onDone: () => (state.done = true),
      },
      known,
    );
    open.push(transcript);
    return { transcript, kept, state, place: () => place, texts: () => kept.map(words) };
  };
  const START = { next: 0, file: 0, at: 0 };

  test("grows: a line that is half written waits until it is whole", async () => {
    const path = file(said("one"));
    const { transcript, texts } = server();
    transcript.resume(START);
    transcript.named(path);
    await until("the first is there", () => texts().length === 1);
    const line = Buffer.from(said("zwei ü😀"));
    appendFileSync(path, line.subarray(0, line.length - 4)); // in the middle of a character, too
    await Bun.sleep(400);
    expect(texts()).toEqual(["one"]);
    appendFileSync(path, line.subarray(line.length - 4));
    await until("the second is there", () => texts().length === 2);
    expect(texts()).toEqual(["one", "zwei ü😀"]);
  });

  test("survives garbage, and leaves out a line that is too large, with a word", async () => {
    const garbage = new Uint8Array(300_000).map((_, i) => (i * 7919) % 251);
    const huge = Buffer.from(
      `{"type":"user","message":{"content":"${"x".repeat(9 * 1024 * 1024)}"}}\n`,
    );
    const path = file(
      Buffer.concat([
        Buffer.from(said("one")),
        garbage,
        Buffer.from("\n"),
        huge,
        Buffer.from(said("two")),
        garbage,
        Buffer.from(`\n${said("three")}`),
      ]),
    );
    const { transcript, texts } = server();
    transcript.resume(START);
    transcript.named(path);
    await until("all is read", () => texts().at(-1) === "three");
    expect(texts()).toEqual([
      "one",
      "A part that is too large to be shown was left out.",
      "two",
      "three",
    ]);
  });

  test("a line with large pictures keeps the words beside them, and one with a large text its beginning", async () => {
    const image = { type: "image", source: { type: "base64", data: "iVBOR".repeat(1_200_000) } };
    const words = [
      { type: "text", text: 'look at "these" \\ two ü😀' },
      image,
      image,
      { type: "text", text: "and at this" },
    ];
    const result = (content: string) => [
      { type: "tool_result", tool_use_id: "t", content: [{ type: "text", text: content }, image] },
    ];
    const line = (content: unknown) =>
      `${JSON.stringify({ type: "user", message: { content } })}\n`;
    const path = file(
      line(words) +
        line(result(`${'ab\\"c'.repeat(100_000)}`)) +
        said("then") +
        line(words).slice(0, -1),
    );
    const { transcript, texts } = server();
    transcript.resume(START);
    transcript.named(path);
    await until("what is whole is read", () => texts().at(-1) === "then");
    expect(texts().slice(0, 4)).toEqual([
      'look at "these" \\ two ü😀',
      "An image, which is not shown here.",
      "An image, which is not shown here.",
      "and at this",
    ]);
    expect(texts()[4]).toStartWith('ab\\"cab');
    expect(texts()[4]).toContain("more characters");
    await Bun.sleep(400);
    expect(texts().length).toBe(6); // the half of a line waits
    appendFileSync(path, "\n");
    await until("the last is read", () => texts().length === 10);
  }, 20_000);

  /** Lines of a conversation that hang together, as `uuid < parent: text`. */
  const tree = (...lines: string[]) =>
    lines
      .map((text) => {
        const [, uuid, parent = "", content] = /^(\w+)(?: < (\w+))?: (.*)$/.exec(text) ?? [];
        const type = content?.startsWith("A ") ? "assistant" : "user";
        return `${JSON.stringify({ type, uuid, parentUuid: parent || null, message: { content } })}\n`;
      })
      .join("");

  test("turns that were taken back are told by the number of the first, also when the server has lost some of it", async () => {
    const path = file(
      tree("a: one", "b < a: A 1", "c < b: two", "d < c: A 2", "e < d: three", "f < e: A 3") +
        tree("g < b: instead of two", "h < g: A 4", "i < h: on it goes"),
    );
    const { transcript, kept } = server();
    transcript.resume(START);
    transcript.named(path);
    await until("all is read", () => kept.length === 10);
    expect(kept[6]).toMatchObject({ kind: "note", back: 2 });
    expect(kept.filter((entry) => "back" in entry).length).toBe(1);
    appendFileSync(path, tree("j < b: once more", "k: from the start"));
    await until("it goes back twice", () => kept.length === 14);
    expect([kept[10], kept[12]]).toMatchObject([{ back: 7 }, { back: 0 }]);
  });

  test("calls beside each other, results of tools and compactions take nothing back", async () => {
    const line = (value: object) => `${JSON.stringify(value)}\n`;
    const used = { type: "tool_result", tool_use_id: "t", content: "x" };
    const path = file(
      tree("a: one", "b < a: A 1", "c < b: A 2") +
        line({ type: "user", uuid: "r1", parentUuid: "b", message: { content: [used] } }) +
        line({ type: "user", uuid: "r2", parentUuid: "c", message: { content: [used] } }) +
        tree("d < r2: A 3", "e < d: two") +
        line({
          type: "system",
          subtype: "compact_boundary",
          uuid: "k",
          parentUuid: null,
          logicalParentUuid: "e",
          content: "Conversation compacted",
        }) +
        tree("f < k: three", "g < missing: four"),
    );
    const { transcript, kept, texts } = server();
    transcript.resume(START);
    transcript.named(path);
    await until("all is read", () => texts().at(-1) === "four");
    expect(kept.filter((entry) => "back" in entry)).toEqual([]);
  });

  test("a file that is moved with its folder is the same conversation, at the same byte", async () => {
    const [from, to] = [join(dir, "from"), join(dir, "to")];
    for (const folder of [from, to]) mkdirSync(folder);
    const name = "11111111-2222-4333-8444-555555555555.jsonl";
    writeFileSync(join(from, name), said("one") + said("two"));
    const { transcript, texts } = server();
    transcript.resume(START);
    transcript.named(join(from, name));
    await until("it is read", () => texts().length === 2);
    for (const [here, there] of [
      [from, to],
      [to, from],
      [from, to],
    ]) {
      renameSync(join(here ?? "", name), join(there ?? "", name));
      await Bun.sleep(300); // it is looked for where it was
      transcript.named(join(there ?? "", name));
      appendFileSync(join(there ?? "", name), said(`in ${there}`));
      await until("it goes on", () => texts().at(-1) === `in ${there}`);
    }
    // a copy is left where it was: the one that grows counts
    writeFileSync(join(from, name), readFileSync(join(to, name)));
    appendFileSync(join(from, name), said("last"));
    transcript.named(join(from, name));
    await until("it goes on in the copy", () => texts().at(-1) === "last");
    expect(texts()).toEqual(["one", "two", `in ${to}`, `in ${from}`, `in ${to}`, "last"]);
  });

  test("a fork is marked, and repeats nothing", async () => {
    const first = file(tree("a: one", "b < a: A 1"));
    const copied = tree("a: one", "b < a: A 1").replaceAll(
      '"parentUuid"',
      '"forkedFrom":{"sessionId":"x"},"parentUuid"',
    );
    const second = file(copied + tree("c < b: in the fork"));
    const { transcript, texts } = server();
    transcript.resume(START);
    transcript.named(first);
    await until("it is read", () => texts().length === 2);
    transcript.named(second);
    await until("the fork is read", () => texts().at(-1) === "in the fork");
    expect(texts()).toEqual([
      "one",
      "A 1",
      "The conversation was forked. It goes on in a copy.",
      "in the fork",
    ]);
  });

  test("says once why a file is not trusted", async () => {
    const kept: Entry[] = [];
    const transcript = followTranscript({
      trust: () => undefined,
      distrust: (path) => `Not shown: ${path}`,
      send: ({ entries }) => kept.push(...entries) > 0,
      onDone: () => undefined,
    });
    open.push(transcript);
    transcript.named("/elsewhere/a.jsonl");
    transcript.resume(START);
    await until("it says so", () => kept.length > 0);
    transcript.named("/elsewhere/b.jsonl");
    await Bun.sleep(300);
    expect(kept.map(words)).toEqual(["Not shown: /elsewhere/a.jsonl"]);
  });

  test("goes on where the server is, however often that is lost", async () => {
    const path = file();
    const { transcript, texts, place, state } = server();
    transcript.named(path);
    const all: string[] = [];
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 200; i++) {
        all.push(`${round}.${i} ${"text ".repeat(i)}`);
        appendFileSync(path, said(all.at(-1) ?? ""));
      }
      transcript.resume(place());
      if (round % 3 === 0) state.full = true;
      await Bun.sleep(10);
      state.full = false;
      if (round % 2 === 0) transcript.pause();
    }
    transcript.resume(place());
    await until("all is there", () => texts().length === all.length);
    expect(texts()).toEqual(all);
  }, 20_000);

  test("a server that has lost some of it, or all, gets that again", async () => {
    const path = file(
      Array.from({ length: 2000 }, (_, i) => said(`line ${i} ${"x".repeat(200)}`)).join(""),
    );
    const places: TranscriptPlace[] = [];
    const sent: string[] = [];
    const transcript = followTranscript({
      trust: (given) => given,
      send({ entries, ...to }) {
        places.push(to);
        sent.push(...entries.map(words));
        return true;
      },
      onDone: () => undefined,
    });
    open.push(transcript);
    transcript.resume(START);
    transcript.named(path);
    await until("all is sent", () => sent.length === 2000);
    const half = places[Math.floor(places.length / 2)] ?? START;
    sent.length = 0;
    transcript.resume(half);
    await until("the rest is sent again", () => sent.length === 2000 - half.next);
    expect(sent[0]).toStartWith(`line ${half.next} `);
    sent.length = 0;
    transcript.resume(START);
    await until("all is sent again", () => sent.length === 2000);
  });

  test("another file goes on in the same conversation; so does one that was written anew", async () => {
    const [first, second] = [file(said("one") + said("two")), file(said("three"))];
    const { transcript, texts } = server();
    transcript.resume(START);
    transcript.named(first);
    transcript.named(second);
    await until("both are there", () => texts().includes("three"));
    transcript.named(second);
    expect(texts()).toEqual(["one", "two", "Another conversation begins here.", "three"]);
    writeFileSync(second, "");
    await until("that is noticed", () => texts().length === 5, 5000);
    appendFileSync(second, said("four"));
    await until("it goes on", () => texts().at(-1) === "four");
    expect(texts().slice(4)).toEqual(["Another conversation begins here.", "four"]);
  });

  test("a file that is named before it is there is read once it is; a folder or one that is gone does no harm", async () => {
    const folder = join(dir, "folder.jsonl");
    mkdirSync(folder);
    const { transcript, texts, state } = server();
    transcript.resume(START);
    transcript.named(folder);
    const path = file(said("one"));
    transcript.named(path);
    await until("it is read", () => texts().includes("one"));
    rmSync(path);
    transcript.named(path);
    transcript.finish();
    await until("all is done", () => state.done);
  });

  test("a file that is named again goes on where it was left, however often they take turns", async () => {
    const [a, b] = [file(said("one")), file(said("two"))];
    const { transcript, texts } = server();
    transcript.resume(START);
    transcript.named(a);
    await until("the first is read", () => texts().length === 1);
    transcript.named(b);
    await until("the second is read", () => texts().includes("two"));
    appendFileSync(a, said("three"));
    for (const path of [a, b, a, b, a]) transcript.named(path);
    await until("the first goes on", () => texts().includes("three"));
    await Bun.sleep(200);
    for (const text of ["one", "two", "three"])
      expect(texts().filter((other) => other === text)).toEqual([text]);
  });

  test("a folder that turns into something else ends nothing", async () => {
    const folder = join(dir, "folder");
    mkdirSync(folder);
    const path = join(folder, "a.jsonl");
    writeFileSync(path, said("one"));
    const { transcript, texts } = server();
    transcript.resume(START);
    transcript.named(path);
    await until("it is read", () => texts().length === 1);
    rmSync(folder, { recursive: true });
    writeFileSync(folder, "no folder"); // what is below can't even be looked at
    await Bun.sleep(400);
    const other = file(said("two"));
    transcript.named(other);
    await until("it goes on", () => texts().includes("two"));
  });

  test("what another process is left with is the same, and ends where the session ended", async () => {
    const [first, second] = [file(said("one")), file(said("two"))];
    const before = server();
    before.transcript.named(first);
    before.transcript.named(second); // with no server there
    before.transcript.finish();
    expect(before.transcript.isDone).toBe(false);
    appendFileSync(second, said("of a later session"));
    const left: TranscriptFile[] = JSON.parse(JSON.stringify(before.transcript.files));
    const { transcript, texts, state } = server(left);
    transcript.finish();
    transcript.resume(START);
    await until("all is done", () => state.done);
    expect(texts()).toEqual(["one", "Another conversation begins here.", "two"]);
  });
});
