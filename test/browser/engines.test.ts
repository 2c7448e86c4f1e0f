import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../../src/server.ts";
import { makeCertificate } from "../support/certificate.ts";
import { type Dashboard, makePrompt, openDashboard, screen } from "../support/dashboard.ts";
import { ENGINE_NAMES, Engine, type EnginePage, pairEngine } from "../support/engines.ts";
import { makeOld, missingApis } from "../support/oldest.ts";
import { pairDevice } from "../support/phone.ts";

/** A test's end where something hangs, which is no gate, in ms. */
const LIMIT_MS = 180_000;
const DARK = "rgb(20, 17, 15)";
const LIGHT = "rgb(248, 243, 234)";

let dashboard: Dashboard;
const folder = mkdtempSync(join(tmpdir(), "engines-test-"));
beforeAll(async () => {
  dashboard = await openDashboard();
}, LIMIT_MS);
afterAll(async () => {
  await dashboard.close();
  rmSync(folder, { recursive: true, force: true });
});

const AS_OLD = "chromium without what the oldest browsers lack";

describe.each([...ENGINE_NAMES, AS_OLD])("the page in %s", (run) => {
  const name = ENGINE_NAMES.find((engine) => engine === run) ?? "chromium";
  const options = run === AS_OLD ? { before: makeOld() } : {};
  /** Sessions of one engine have names of their own: the server is the same for all. */
  const id = (word: string) =>
    `${word}-${run.slice(0, 10).replace(" ", "-")}${run === AS_OLD ? "old" : ""}`;
  let engine: Engine;
  let page: EnginePage;

  beforeAll(async () => {
    engine = await Engine.start(name);
    page = await engine.open(options);
    await pairEngine(page, await dashboard.machine.mint("viewer"));
  }, LIMIT_MS);
  afterAll(() => engine.close());

  const go = (hash: string) => page.goto(`${dashboard.server.origin}/${hash}`);
  const background = () =>
    page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor");

  test(
    "is paired, live, and without the code in its address",
    async () => {
      await page.see({ text: "live" });
      expect(await page.evaluate<string>("location.hash")).toBe("");
      expect(await page.errors()).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "lists sessions, and shows one live, in its colours",
    async () => {
      const socket = await dashboard.playRunner(id("live"));
      socket.send(screen(id("live"), 1, ["plain <b>", "red green\n3f1 1 5bf#00ff00"]));
      await go("");
      await page.tap({ role: "link", name: new RegExp(`^\\s*${id("live")}`) });
      await page.see({ text: "plain <b>", within: ".screen" });
      const colours = await page.evaluate<string[]>(
        "[...document.querySelectorAll('.screen span')].filter((s) => ['red', 'green'].includes(s.textContent)).map((s) => getComputedStyle(s).color)",
      );
      expect(colours).toEqual([
        await page.evaluate<string>(
          "(() => { const s = document.createElement('i'); s.style.color = 'var(--c1)'; document.querySelector('.terminal').append(s); const { color } = getComputedStyle(s); s.remove(); return color; })()",
        ),
        "rgb(0, 255, 0)",
      ]);
      socket.send(screen(id("live"), 2, ["changed", ""]));
      await page.see({ text: "changed", within: ".screen" });
      expect(await page.errors()).toEqual([]);
      socket.close();
    },
    LIMIT_MS,
  );

  test(
    "approves, and rejects with words",
    async () => {
      const session = id("cards");
      const socket = await dashboard.playRunner(session, [
        makePrompt(session, `${session}-1`, { input: { command: "make one" } }),
      ]);
      await go(`#/s/${session}`);
      await page.see({ text: "make one" });
      await page.tap({ role: "button", name: "Approve" });
      const approved = await socket.next("decide");
      expect(approved).toMatchObject({ prompt: `${session}-1`, action: "approve" });
      socket.send({ type: "decided", decision: approved.decision, result: "sent" });
      socket.send({
        type: "prompt",
        prompt: {
          ...makePrompt(session, `${session}-1`, { input: { command: "make one" } }),
          state: "answered",
          answer: {
            by: "viewer",
            device: approved.device,
            name: "x",
            decision: "approve",
            at: Date.now(),
            receipt: "applied",
          },
        },
      });
      await page.see({ text: /^Approved/ });
      socket.send({
        type: "prompt",
        prompt: makePrompt(session, `${session}-2`, { input: { command: "make two" } }),
      });
      await page.see({ text: "make two" });
      await page.fill(".card[data-state=open] textarea", "not today");
      await page.tap({ role: "button", name: /^Reject/, within: ".card[data-state=open]" });
      expect(await socket.next("decide")).toMatchObject({
        prompt: `${session}-2`,
        action: "reject",
        message: "not today",
      });
      expect(await page.errors()).toEqual([]);
      socket.close();
    },
    LIMIT_MS,
  );

  test(
    "answers a form of questions",
    async () => {
      const session = id("form");
      const questions = [
        { question: "Which one?", options: [{ label: "First" }, { label: "Second" }] },
        {
          question: "What else?",
          multiSelect: true,
          options: [{ label: "This" }, { label: "That" }],
        },
      ];
      const prompt = {
        ...makePrompt(session, session, { tool: "AskUserQuestion", input: { questions } }),
        kind: "question" as const,
      };
      const socket = await dashboard.playRunner(session, [prompt]);
      await go(`#/s/${session}`);
      await page.tap({ role: "radio", name: /^Second/ });
      await page.tap({ role: "checkbox", name: /^This/ });
      await page.tap({ role: "checkbox", name: /^That/ });
      await page.tap({ role: "button", name: "Answer" });
      expect(await socket.next("decide")).toMatchObject({
        prompt: session,
        action: "approve",
        answers: [{ options: [1] }, { options: [0, 1] }],
      });
      expect(await page.errors()).toEqual([]);
      socket.close();
    },
    LIMIT_MS,
  );

  test(
    "types by the composer, by the keys, and pastes after a look",
    async () => {
      const session = id("typed");
      const socket = await dashboard.playRunner(session);
      socket.send(screen(session, 1, ["$ "]));
      const typed = async () => {
        const input = await socket.next("input");
        socket.send({ type: "typed", input: input.input, result: "applied", seq: input.seq });
        return input;
      };
      await go(`#/s/${session}`);
      const composer = { label: "Type to the session" };
      await page.click(composer);
      await page.type("say hello");
      expect(await page.value(composer)).toBe("say hello");
      await page.tap({ role: "button", name: "Send" });
      expect(await typed()).toMatchObject({ text: "say hello", enter: true });
      await page.waitFor(
        "the composer is empty",
        "document.querySelector('.composer textarea').value === ''",
      );
      await page.tap({ role: "button", name: "Up" });
      expect(await typed()).toMatchObject({ keys: ["Up"] });
      await page.tap({ role: "button", name: "Ctrl, for the next letter" });
      await page.click(composer);
      await page.type("r");
      expect(await typed()).toMatchObject({ keys: ["C-r"] });
      expect(await page.value(composer)).toBe("");
      // the browser would ask the person first, which no driver can answer everywhere
      await page.evaluate(
        "void (navigator.clipboard.readText = () => Promise.reject(new DOMException('denied')))",
      );
      await page.tap({ role: "button", name: /^Paste/, within: ".keys" });
      await page.fill({ label: "What will be pasted" }, "two\nlines");
      await page.tap({ role: "button", name: "Paste", within: "dialog, [role=dialog]" });
      expect(await typed()).toMatchObject({ text: "two\nlines", paste: true });
      expect(await page.errors()).toEqual([]);
      socket.close();
    },
    LIMIT_MS,
  );

  test(
    "fits the terminal to its screen, and to its other side when it is turned",
    async () => {
      const session = id("fit");
      const socket = await dashboard.playRunner(session);
      socket.send(screen(session, 1, ["one"]));
      await go(`#/s/${session}`);
      await page.see({ text: "one", within: ".screen" });
      await page.tap({ role: "button", name: "Fit the terminal to this screen" });
      const upright = await socket.next("resize");
      expect(upright.cols).toBeGreaterThan(35);
      expect(upright.cols).toBeLessThan(60);
      const { frame, ...rest } = screen(session, 2, ["two"]);
      socket.send({ ...rest, frame: { ...frame, cols: upright.cols } });
      await page.see({ text: "two", within: ".screen" });
      await page.resize(844, 390);
      const across = await socket.next("resize");
      expect(across.cols).toBeGreaterThan(70);
      await page.resize(390, 844);
      expect(await page.errors()).toEqual([]);
      socket.close();
    },
    LIMIT_MS,
  );

  test(
    "shows the conversation, whatever addresses are in it, and finds words in it",
    async () => {
      const session = id("talk");
      const socket = await dashboard.playRunner(session);
      const word = `needle${session.replaceAll("-", "")}`;
      const entries = [
        { kind: "user", at: 1, text: "Where is it?" },
        {
          kind: "assistant",
          at: 1,
          text: "See [one](https://[) and [two](http://a:99999/) or https://%zz/ there.",
        },
        {
          kind: "tool",
          at: 1,
          id: "t",
          tool: "Bash",
          input: JSON.stringify({ command: "ls -la" }),
        },
        { kind: "result", at: 1, id: "t", text: "two files", error: false },
        {
          kind: "assistant",
          at: 1,
          text: `# Done\n\nHere: **${word}**, see [docs](https://example.com/a).`,
        },
      ];
      socket.send({ type: "transcript", session, next: entries.length, file: 0, at: 1, entries });
      await go(`#/s/${session}`);
      await page.tap({ role: "tab", name: "Conversation" });
      await page.see({ text: word });
      await page.see({ text: /See \[one\]\(https:\/\/\[\)/ });
      expect(
        await page.evaluate<string>("document.querySelector('article.assistant a').href"),
      ).toBe("https://example.com/a");
      await page.tap("article.tool summary");
      await page.see({ text: "two files" });
      await go("");
      await page.fill({ label: "Search all sessions" }, word);
      await page.press("Enter");
      await page.tap({ role: "link", name: new RegExp(word) });
      await page.see({ text: word });
      expect(await page.evaluate<string>("location.hash")).toStartWith(`#/s/${session}/talk/`);
      expect(await page.errors()).toEqual([]);
      socket.close();
    },
    LIMIT_MS,
  );

  test(
    "shows a session whose login page has no address",
    async () => {
      const session = id("login");
      const socket = await dashboard.playRunner(session);
      socket.send(screen(session, 1, ["log in"]));
      socket.send({ type: "auth_url", session, url: "https://[" });
      await go(`#/s/${session}`);
      await page.see({ text: "log in", within: ".screen" });
      expect(await page.count(".login")).toBe(0);
      socket.send({ type: "auth_url", session, url: "https://example.com/login" });
      await page.see({ text: "example.com", within: ".login" });
      expect(await page.errors()).toEqual([]);
      socket.close();
    },
    LIMIT_MS,
  );

  test(
    "names, and lists, what is paired",
    async () => {
      await go("#/devices");
      await page.see({ text: /this one/ });
      await page.see({ role: "button", name: "Make a pairing link" });
      await page.tap({ role: "button", name: "Make a pairing link" });
      await page.see({ text: /#pair=/ });
      expect(await page.errors()).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "comes back by itself when the server is restarted under it",
    async () => {
      const session = id("back");
      const first = await dashboard.playRunner(session);
      first.send(screen(session, 1, ["before"]));
      await go(`#/s/${session}`);
      await page.see({ text: "before", within: ".screen" });
      const { port } = dashboard.server;
      await dashboard.server.stop();
      await page.see({ text: /^reconnecting/ });
      dashboard.server = await dashboard.start(port);
      const again = await dashboard.playRunner(session);
      again.send(screen(session, 9, ["after"]));
      await page.see({ text: "after", within: ".screen" });
      await page.see({ text: "live" });
      expect(await page.count(".fault")).toBe(0);
      again.close();
    },
    LIMIT_MS,
  );

  test(
    "tells of an exception of its own, with what can be done, and of nothing that the network does",
    async () => {
      await go("");
      await page.see({ text: "live" });
      await page.evaluate("void setTimeout(() => { throw new TypeError('a fault of our own') })");
      await page.see({ text: /a fault of our own/, within: ".fault" });
      await page.tap({ role: "button", name: "Reload", within: ".fault" });
      await page.waitFor("it is loaded anew", "document.querySelector('.fault') === null");
      await page.see({ text: "live" });
      await page.evaluate("void setTimeout(() => Promise.reject(new RangeError('another')))");
      await page.see({ text: /another/, within: ".fault" });
    },
    LIMIT_MS,
  );

  test(
    "is dark or light as the device is, and speaks over https with a certificate of one's own",
    async () => {
      expect(await background()).toBe(DARK);
      if (run === AS_OLD) return; // the same browser
      const files = makeCertificate(folder);
      const data = join(folder, name);
      const server = await startServer({
        host: "127.0.0.1",
        port: 0,
        data,
        insecureLan: false,
        tls: files,
        log: () => undefined,
      });
      const machine = await pairDevice(
        server.pairingLink(),
        "machine",
        "laptop",
        readFileSync(files.cert, "utf8"),
      );
      const light = await engine.open({ scheme: "light", size: { width: 320, height: 568 } });
      const link = await machine.mint("viewer");
      expect(link).toStartWith("https://");
      await pairEngine(light, link);
      await light.see({ text: "live" });
      expect(
        await light.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor"),
      ).toBe(LIGHT);
      expect(await light.evaluate<boolean>("isSecureContext")).toBe(true);
      expect(
        await light.evaluate<boolean>("document.documentElement.scrollWidth <= innerWidth"),
      ).toBe(true);
      const errors = await light.errors();
      // Chromium takes the certificate for the page, but not for its service worker
      expect(errors.filter((error) => !error.includes("fetching the script"))).toEqual([]);
      await light.close();
      await server.stop();
    },
    LIMIT_MS,
  );
});

test("what is taken away is what the oldest browsers lack", () => {
  const gone = missingApis().map(([owner, name]) => `${owner}.${name}`);
  expect(gone).toContain("ReadableStream.@@asyncIterator");
  expect(gone).toContain("ReadableStream.values");
  expect(gone).toContain("URL.parse");
  expect(gone).toContain("URL.canParse");
  expect(gone).toContain("Promise.withResolvers");
  expect(gone).toContain("Iterator.map");
  for (const kept of [
    "ReadableStream.getReader",
    ".fetch",
    "AbortSignal.timeout",
    "Array.findLast",
  ])
    expect(gone).not.toContain(kept);
});
