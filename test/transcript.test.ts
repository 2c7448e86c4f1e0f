import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { openDatabase } from "../src/db.ts";
import { forgetOld } from "../src/hub/retention.ts";
import { openSearch } from "../src/hub/search.ts";
import { openSessions } from "../src/hub/sessions.ts";
import { openStores } from "../src/hub/stores.ts";
import { type RunningServer, startServer } from "../src/server.ts";
import { type Entry, LIMITS, SearchAnswer, SessionInfo, TranscriptPage } from "../src/types.ts";
import { type Phone, pairDevice } from "./support/phone.ts";
import { randomFrom } from "./support/random.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { until } from "./support/until.ts";

const said = (text: string): Entry => ({ kind: "assistant", at: 1, text });

describe("conversations on the server", () => {
  let data: string;
  let server: RunningServer;
  let machine: Phone;
  const start = (port = 0) =>
    startServer({ host: "127.0.0.1", port, data, insecureLan: false, log: () => undefined });
  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), "transcripts-test-"));
    server = await start();
    machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  });
  afterAll(async () => {
    await server.stop();
    rmSync(data, { recursive: true, force: true });
  });
  async function playRunner(id: string, info: object = {}) {
    const socket = await openSocket(server.origin, machine);
    socket.send(hello);
    socket.send({
      type: "session",
      session: { ...sessionInfo(id), ...info },
      first: 1,
      prompts: [],
    });
    const { transcript } = await socket.next("resume");
    const say = (entries: Entry[], next: number, file = 0) =>
      socket.send({ type: "transcript", session: id, entries, next, file, at: next * 100 });
    return Object.assign(socket, { transcript, say });
  }
  const page = (id: string, query = "") =>
    machine.get(
      TranscriptPage,
      "GET",
      `/api/sessions/${id}/transcript${query === "" ? "" : `?${query}`}`,
    );
  const texts = (entries: TranscriptPage["entries"]) =>
    entries.map(({ entry }) => (entry.kind === "tool" ? "" : entry.text));
  const find = (q: string) =>
    machine.get(SearchAnswer, "GET", `/api/search?${new URLSearchParams({ q })}`);

  test("are read in pages, newest last, and no further than asked or bounded", async () => {
    const socket = await playRunner("pages");
    for (let i = 0; i < 500; i += 100)
      socket.say(
        Array.from({ length: 100 }, (_, k) => said(`entry ${i + k}`)),
        i + 100,
      );
    await until("all is there", async () => (await page("pages")).next === 500);
    const newest = await page("pages", "limit=10");
    expect(newest.entries.map(({ n }) => n)).toEqual([
      490, 491, 492, 493, 494, 495, 496, 497, 498, 499,
    ]);
    expect(texts((await page("pages", "limit=3&before=100")).entries)).toEqual([
      "entry 97",
      "entry 98",
      "entry 99",
    ]);
    expect((await page("pages", "limit=100000")).entries.length).toBe(LIMITS.entries);
    expect((await page("pages", "before=0")).entries).toEqual([]);
    for (const query of ["limit=0", "limit=x", "before=-1", "before=1.5"])
      expect((await machine.code("GET", `/api/sessions/pages/transcript?${query}`))[0]).toBe(400);
    expect((await machine.code("GET", "/api/sessions/none/transcript"))[0]).toBe(404);
    socket.say(
      Array.from({ length: 50 }, () => said("x".repeat(60_000))),
      550,
    );
    await until("the large ones are there", async () => (await page("pages")).next === 550);
    const large = await page("pages", "limit=50");
    expect(large.entries.length).toBeLessThan(10);
    expect(large.entries.at(-1)?.n).toBe(549);
    socket.close();
  });

  test("are stored once, whatever is sent twice, overlaps or is missing, and resumed where they are", async () => {
    const socket = await playRunner("once");
    expect(socket.transcript).toEqual({ next: 0, file: 0, at: 0 });
    const all = ["a", "b", "c", "d", "e", "f"].map(said);
    socket.say(all.slice(0, 3), 3);
    socket.say(all.slice(0, 3), 3); // again
    socket.say(all.slice(1, 5), 5); // in part
    socket.say([said("too far")], 9); // something before it is missing
    await until("they are there", async () => (await page("once")).next === 5);
    socket.close();
    const again = await playRunner("once");
    expect(again.transcript).toEqual({ next: 5, file: 0, at: 500 });
    again.say(all.slice(5), 6, 1);
    await until("the rest is there", async () => (await page("once")).next === 6);
    expect(texts((await page("once")).entries)).toEqual(["a", "b", "c", "d", "e", "f"]);
    again.close();
    const { port } = server;
    await server.stop();
    server = await start(port);
    const third = await playRunner("once");
    expect(third.transcript).toEqual({ next: 6, file: 1, at: 600 });
    third.close();
  });

  test("come live to whoever looks at the session, while they are few; then it is told where they end", async () => {
    const socket = await playRunner("live");
    const events = await machine.events("live");
    const others = await machine.events("pages");
    expect(await events.next("transcript")).toEqual({ session: "live", from: 0, next: 0 });
    socket.say([said("one"), said("two")], 2);
    expect(await events.next("transcript", ({ next }) => next === 2)).toMatchObject({
      from: 0,
      entries: [{ text: "one" }, { text: "two" }],
    });
    for (let i = 0; i < 20; i++) socket.say([said("y".repeat(50_000))], 3 + i);
    const last = await events.next("transcript", ({ next }) => next === 22);
    expect(last.entries).toBeUndefined();
    const sent = events.received.reduce((sum, { event }) => sum + JSON.stringify(event).length, 0);
    expect(sent).toBeLessThan(200_000); // of 1 MB
    expect(
      others.received.some(
        ({ event }) => event.name === "transcript" && event.data.session === "live",
      ),
    ).toBe(false);
    for (const reader of [events, others]) reader.close();
    socket.close();
  });

  test("of a session that is not to be logged are in memory alone, and so are their words", async () => {
    const socket = await playRunner("unlogged", { unlogged: true });
    socket.say([said("a secret-papaya")], 1);
    await until("it is there", async () => (await page("unlogged")).next === 1);
    expect((await find("papaya")).results).toMatchObject([
      { session: "unlogged", kind: "conversation", place: 0 },
    ]);
    for (const file of readdirSync(data))
      expect(readFileSync(join(data, file)).includes("papaya")).toBe(false);
    socket.close();
  });

  test("of another machine's session can't be written", async () => {
    const socket = await playRunner("mine");
    const other = await pairDevice(await machine.mint("runner"), "runner", "other");
    const thief = await openSocket(server.origin, other);
    thief.send(hello);
    thief.send({
      type: "transcript",
      session: "mine",
      entries: [said("forged")],
      next: 1,
      file: 0,
      at: 1,
    });
    thief.send({ type: "session", session: sessionInfo("theirs"), first: 1, prompts: [] });
    await thief.next("resume");
    expect((await page("mine")).next).toBe(0);
    thief.close();
    socket.close();
  });

  test("can be searched by phones alone, within bounds, with nothing taken for a part of the query language", async () => {
    const socket = await playRunner("quoted");
    socket.say(
      [
        said('She said "NEAR" the (door), text:OR * ^x 100%'),
        said("漢字検索の例です"),
        said("Ein Café in Zürich"),
        said("foo-bar_baz.ts"),
      ],
      4,
    );
    await until("they are there", async () => (await page("quoted")).next === 4);
    const places = async (q: string) => (await find(q)).results.map(({ place }) => place);
    expect(await places("said near")).toEqual([0]);
    expect(await places("検索")).toEqual([1]);
    expect(await places("cafe zur")).toEqual([2]);
    expect(await places("foo-bar_baz.ts")).toEqual([3]);
    expect(await places("foo-bar_b")).toEqual([3]);
    expect(await places('"near"')).toEqual([0]);
    for (const q of [
      "",
      " ",
      '"',
      "'",
      "*",
      "NOT",
      "door NOT said",
      "text:door",
      "door OR nothing",
      "^door",
      "NEAR(a b)",
      "a\0b",
      "door) --",
      "{text} : door",
      "-door",
      "\ud800",
      "%",
      "(((((",
      '""""',
    ])
      expect(
        (
          await machine.request(
            "GET",
            `/api/search?${new URLSearchParams({ q: q.toWellFormed() })}`,
          )
        ).status,
      ).toBe(200);
    expect(await places("door NOT said")).toEqual([]); // words, all of which have to be there
    expect(await places("door OR nothing")).toEqual([]);
    expect((await machine.code("GET", `/api/search?q=${"x".repeat(201)}`))[0]).toBe(400);
    const runner = await pairDevice(await machine.mint("runner"), "runner", "build box");
    expect((await runner.code("GET", "/api/search?q=door"))[0]).toBe(403);
    expect((await fetch(`${server.origin}/api/search?q=door`)).status).toBe(401);
    socket.close();
  });
});

describe("the search", () => {
  const dir = mkdtempSync(join(tmpdir(), "search-test-"));
  const db = openDatabase(dir);
  const stores = openStores(db);
  const sessions = openSessions(stores);
  const search = openSearch(stores);
  db.run(
    "INSERT INTO devices (id, name, kind, secret, created_at) VALUES ('dev', 'box', 'machine', x'00', 0)",
  );
  afterAll(() => {
    search.close();
    db.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const begin = (id: string) => sessions.begin("dev", v.parse(SessionInfo, sessionInfo(id)), 1);
  const seqs = new Map<string, number>();
  const op = (id: string, change: Parameters<typeof sessions.output>[2]) => {
    const seq = (seqs.get(id) ?? 0) + 1;
    seqs.set(id, seq);
    sessions.output(id, seq, change);
    search.touch(id);
  };
  const places = (q: string) =>
    search.find(q).results.map(({ session, place }) => `${session} ${place}`);

  test("finds only what is still there: not what was taken back, cleared or replaced", () => {
    begin("s_lines");
    op("s_lines", {
      op: "append",
      generation: 0,
      from: 0,
      lines: Array.from({ length: 100 }, (_, i) => `row${i}\n3f1 2`),
    });
    expect(places("row77")).toEqual(["s_lines 77"]);
    expect(places("3f1")).toEqual([]); // styles are no text
    op("s_lines", { op: "truncate", generation: 0, to: 50 });
    expect(places("row77")).toEqual([]);
    expect(places("row49")).toEqual(["s_lines 49"]);
    op("s_lines", {
      op: "append",
      generation: 0,
      from: 50,
      lines: Array.from({ length: 50 }, (_, i) => `other${i}`),
    });
    expect(places("other27")).toEqual(["s_lines 77"]);
    expect(places("row77")).toEqual([]);
    op("s_lines", { op: "generation", generation: 1 });
    op("s_lines", { op: "append", generation: 1, from: 0, lines: ["fresh"] });
    expect(places("other27")).toEqual([]);
    expect(places("fresh")).toEqual(["s_lines 0"]);
  });

  test("agrees with a plain look through everything, after any course of changes", () => {
    const random = randomFrom(7);
    const word = () => `w${random.int(0, 60)}x`;
    begin("s_random");
    let generation = 0;
    let lines: string[] = [];
    for (let round = 0; round < 300; round++) {
      const what = random.int(0, 20);
      if (what === 0) {
        op("s_random", { op: "generation", generation: ++generation });
        lines = [];
      } else if (what < 4) {
        const to = random.int(0, lines.length);
        op("s_random", { op: "truncate", generation, to });
        lines.length = to;
      } else {
        const more = Array.from({ length: random.int(1, 30) }, word);
        op("s_random", { op: "append", generation, from: lines.length, lines: more });
        lines.push(...more);
      }
      if (round % 10 !== 0) continue;
      for (let i = 0; i < 5; i++) {
        const wanted = word();
        const blocks = new Set(
          lines.flatMap((line, n) => (line === wanted ? [Math.floor(n / 40)] : [])),
        );
        const found = search.find(wanted).results.filter(({ session }) => session === "s_random");
        expect(new Set(found.map(({ place }) => Math.floor(place / 40)))).toEqual(blocks);
        for (const { place } of found) expect(lines[place]).toBe(wanted);
      }
    }
  });

  test("finds a word that the terminal has cut, in the row where it begins, and shows it whole", () => {
    begin("s_cut");
    const lines = Array.from({ length: 39 }, (_, i) => `filler${i}`);
    op("s_cut", { op: "append", generation: 0, from: 0, lines: [...lines, "see https://exa\n+"] });
    expect(places("quinoa")).toEqual([]);
    // the rest of it comes later, in the next block of the index, and in three rows
    op("s_cut", {
      op: "append",
      generation: 0,
      from: 40,
      lines: ["mple.com/qui\n2b 10 +", "noa?a=\n+", "b and tamarillo"],
    });
    expect(places("https://example.com/quinoa?a=b")).toEqual(["s_cut 39"]);
    expect(places("quinoa")).toEqual(["s_cut 40"]);
    expect(places("tamarillo")).toEqual(["s_cut 42"]);
    const [hit] = search.find("example.com/quinoa").results;
    expect(hit?.snippet).toEqual([
      { text: "see https://", hit: false },
      { text: "example.com/quinoa", hit: true },
      { text: "?a=b and tamarillo", hit: false },
    ]);
    // what is taken back is not found across the wrap any more
    op("s_cut", { op: "truncate", generation: 0, to: 40 });
    op("s_cut", { op: "append", generation: 0, from: 40, lines: ["mplary cherimoya"] });
    expect(places("example.com")).toEqual([]);
    expect(places("exemplary cherimoya")).toEqual([]);
    expect(places("cherimoya")).toEqual(["s_cut 40"]);
  });

  test("agrees with the lines that were printed, in whatever rows and parts they came", () => {
    const random = randomFrom(23);
    begin("s_wrapped");
    const rows: string[] = [];
    const starts = new Map<string, number>(); // a word → the row where it begins
    let count = 0;
    let next = 0;
    for (let round = 0; round < 60; round++) {
      for (let i = random.int(1, 8); i > 0; i--) {
        const width = random.int(5, 40);
        let text = "";
        for (let j = random.int(1, 30); j > 0; j--) {
          const word = `q${count++}${random.pick(["x", "durian", "漢字", `/${"long".repeat(9)}/x`])}`;
          starts.set(word, rows.length + Math.floor(text.length / width));
          text += `${word} `;
        }
        for (let at = 0; at < text.length; at += width)
          rows.push(text.slice(at, at + width) + (at + width < text.length ? "\n+" : ""));
      }
      op("s_wrapped", { op: "append", generation: 0, from: next, lines: rows.slice(next) });
      next = rows.length;
      if (round % 7 === 3) {
        const to = rows.length - random.int(0, Math.min(30, rows.length));
        op("s_wrapped", { op: "truncate", generation: 0, to });
        op("s_wrapped", { op: "append", generation: 0, from: to, lines: rows.slice(to) });
      }
      for (let i = 0; i < 6; i++) {
        const word = random.pick([...starts.keys()]);
        const found = search.find(word).results;
        expect([word, ...found.map(({ place }) => place)]).toEqual([word, starts.get(word) ?? -1]);
        expect(found[0]?.snippet.some(({ text, hit }) => hit && text === word)).toBe(true);
      }
    }
  });

  test("marks what was found in parts without control characters, and gives every session its share", () => {
    begin("s_loud");
    begin("s_quiet");
    op("s_quiet", { op: "append", generation: 0, from: 0, lines: ["the kiwi\u202e\t<b>Kiwi</b>"] });
    op("s_loud", {
      op: "append",
      generation: 0,
      from: 0,
      lines: Array.from({ length: 4000 }, () => "kiwi"),
    });
    const { results } = search.find("kiwi");
    expect(results.filter(({ session }) => session === "s_loud").length).toBe(
      LIMITS.sessionResults,
    );
    expect(results.find(({ session }) => session === "s_quiet")?.snippet).toEqual([
      { text: "the ", hit: false },
      { text: "kiwi", hit: true },
      { text: " <b>", hit: false },
      { text: "Kiwi", hit: true },
      { text: "</b>", hit: false },
    ]);
  });

  test("goes on where it was after the server was restarted, in the background", async () => {
    begin("s_back");
    sessions.output("s_back", 1, {
      op: "append",
      generation: 0,
      from: 0,
      lines: Array.from({ length: 100 }, (_, i) => `plum${i}`),
    });
    db.run("INSERT INTO transcript (session_id, n, entry) VALUES ('s_back', 0, ?)", [
      JSON.stringify(said("apricot")),
    ]);
    db.run("INSERT INTO transcript_places (session_id, next, file, at) VALUES ('s_back', 1, 0, 1)");
    const again = openSearch(stores);
    const indexed = () =>
      db
        .query<{ line: number; entry: number }, []>(
          "SELECT line, entry FROM search_places WHERE session_id = 's_back'",
        )
        .get();
    await until(
      "whole blocks are indexed by themselves",
      () => indexed()?.line === 80 && indexed()?.entry === 1,
    );
    expect(again.find("plum99").results.length).toBe(1);
    expect(again.find("apricot").results.length).toBe(1);
    again.close();
  });

  test("has nothing left of a session that was removed", () => {
    begin("s_gone");
    op("s_gone", {
      op: "append",
      generation: 0,
      from: 0,
      lines: Array.from({ length: 500 }, (_, i) => `xyzzyquince${i}`),
    });
    db.run("INSERT INTO transcript (session_id, n, entry) VALUES ('s_gone', 0, ?)", [
      JSON.stringify(said("xyzzymedlar")),
    ]);
    db.run("INSERT INTO transcript_places (session_id, next, file, at) VALUES ('s_gone', 1, 0, 1)");
    expect(places("xyzzyquince7")).not.toEqual([]);
    expect(places("xyzzymedlar")).toEqual(["s_gone 0"]);
    sessions.end("s_gone", { code: 0 }, Date.now());
    const keep = { days: 30, megabytes: 0 };
    expect([Date.now(), Date.now() + 40 * 86_400_000].map((at) => forgetOld(db, keep, at))).toEqual(
      [0, 1],
    );
    expect(places("xyzzyquince7")).toEqual([]);
    expect(places("xyzzymedlar")).toEqual([]);
    for (const table of ["transcript", "transcript_places", "search_docs", "search_places"])
      expect(
        db
          .query<{ n: number }, []>(
            `SELECT count(*) AS n FROM ${table} WHERE session_id = 's_gone'`,
          )
          .get()?.n,
      ).toBe(0);
  });

  test("leaves an index without a fault", () => {
    db.run("INSERT INTO search (search) VALUES ('integrity-check')");
    expect(db.query("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  });
});
