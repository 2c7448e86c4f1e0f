import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import * as v from "valibot";
import { DeviceInfo, SearchAnswer } from "../src/types.ts";
import { openPhonePage, pairPage, readToEnd } from "./support/browser.ts";
import { type Dashboard, makePrompt, openDashboard, screen } from "./support/dashboard.ts";
import type { Phone } from "./support/phone.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
let server: Dashboard["server"];
let machine: Phone;
let browser: Browser;
const playRunner: Dashboard["playRunner"] = (...args) => dashboard.playRunner(...args);
const openPaired = () => dashboard.openPaired();

beforeAll(async () => {
  dashboard = await openDashboard();
  ({ server, machine, browser } = dashboard);
}, 60_000);
afterAll(() => dashboard.close());

describe("the dashboard on a phone", () => {
  test("pairs by a link, clears the code from the address, and keeps keys that cannot be read", async () => {
    const phone = await openPhonePage(browser, server.origin);
    await phone.page.goto(await machine.mint("viewer"));
    expect(phone.page.url()).toBe(`${server.origin}/`);
    await phone.page.getByLabel("Name, as your other devices will see it").fill("My phone");
    await phone.page.getByRole("button", { name: "Pair this browser" }).click();
    await phone.page
      .getByText("No sessions yet")
      .or(phone.page.getByText("Sessions"))
      .first()
      .waitFor();
    const key = await phone.page.evaluate(`new Promise((resolve) => {
      indexedDB.open("claude-remote").onsuccess = ({ target }) => {
        target.result.transaction("identity").objectStore("identity").get("self").onsuccess = ({ target: { result } }) =>
          resolve({ name: result.name, extractable: result.request.extractable, type: result.request.type });
      };
    })`);
    expect(key).toEqual({ name: "My phone", extractable: false, type: "secret" });
    await phone.page.reload();
    await phone.page.getByText("live", { exact: true }).waitFor();
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
  }, 30_000);

  test("says why a code does not work, and takes a pasted link", async () => {
    const phone = await openPhonePage(browser, server.origin);
    await phone.page.goto(`${server.origin}/#pair=AAECAwQFBgcICQoLDA0ODw`);
    await phone.page.getByRole("button", { name: "Pair this browser" }).click();
    await phone.page.getByRole("alert").filter({ hasText: "This code was used" }).waitFor();
    await phone.page.getByLabel("Pairing link").fill(await machine.mint("viewer"));
    await phone.page.getByRole("button", { name: "Pair this browser" }).click();
    await phone.page.locator(".sessions, .empty").first().waitFor();
    await phone.context.close();
  }, 30_000);

  test("with no sessions yet it teaches in three steps how to get one", async () => {
    const phone = await openPaired();
    const steps = phone.page.locator(".empty li");
    await steps.first().waitFor();
    expect((await steps.allTextContents()).map((step) => step.split(/[,.:]/)[0])).toEqual([
      "On your machine",
      "The session appears here",
      "When Claude asks",
    ]);
    await phone.context.close();
  }, 30_000);

  test("lists what waits first, then what runs, then what is over, and shows a session's screen in its colours at once", async () => {
    const idle = await playRunner("idle");
    const over = await playRunner("over");
    over.send(screen("over", 1, [""], { title: "✳ Mend the gate" }));
    over.send(screen("over", 2, [""])); // as claude does when it exits
    over.send({
      type: "exit",
      session: "over",
      exit: { code: 3 },
      ended_at: Date.now() - 2 * 3600_000,
    });
    const desk = await playRunner("desk", [], { activity: "waiting", hooks: "off" });
    const busy = await playRunner(
      "busy",
      [makePrompt("busy", "p_list", { input: { command: "make" } })],
      { sandbox: true },
    );
    busy.send(
      screen("busy", 1, [
        "plain \x3cb\x3enot bold\x3c/b\x3e",
        "red green\n3f1 1 5g#00ff00b",
        "漢字\n2w",
      ]),
    );
    const phone = await openPaired();
    const section = (name: string) =>
      phone.page
        .locator("section", { has: phone.page.getByRole("heading", { name, exact: true }) })
        .last();
    await section("Waits for you").getByRole("alertdialog", { name: "Run a command" }).waitFor();
    expect(await phone.page.locator(".sessions h2:not(.card h2)").allTextContents()).toEqual([
      "Waits for you",
      "Waits at the desk",
      "Running",
      "Earlier",
    ]);
    expect(await section("Waits at the desk").locator("strong").allTextContents()).toEqual([
      "desk",
    ]);
    expect(await section("Running").locator("strong").allTextContents()).toEqual(["idle"]);
    expect(await section("Earlier").locator("a > :not(.mark)").allTextContents()).toEqual([
      "over",
      "2 h ago",
      "/home/me",
      "✳ Mend the gate",
      "ended, exit code 3 · box",
    ]);
    expect(await phone.page.title()).toBe("▮ claude-remote");
    expect(await phone.page.locator(".from").textContent()).toBe("sandboxbusy ›");
    await section("Earlier").getByRole("link").click();
    await phone.page.getByText("This session is over: exit code 3.", { exact: true }).waitFor(); // it left nothing on the screen
    expect(await phone.page.locator(".place > *").allTextContents()).toEqual([
      "over · Mend the gate",
      "ended 2 h ago, exit code 3 · box",
    ]);
    await phone.page.goBack();
    await section("Waits for you").getByRole("link", { name: "busy" }).click();
    const rows = phone.page.locator(".screen .row");
    await until(
      "the screen is drawn",
      async () => (await rows.first().textContent()) === "plain <b>not bold</b>",
    );
    expect(await phone.page.title()).toBe("▮ busy – claude-remote");
    expect(await rows.nth(1).locator("span").first().getAttribute("style")).toBe(
      "color: var(--c1);",
    );
    expect(await rows.nth(2).locator(".wide").count()).toBe(2);
    busy.send(screen("busy", 2, ["changed", "", ""]));
    await until(
      "the change is drawn",
      async () => (await rows.first().textContent()) === "changed",
    );
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    for (const socket of [idle, over, desk, busy]) socket.close();
  }, 30_000);

  test("what is known already is there at once, with the network or without it", async () => {
    const quiet = await playRunner("at-rest");
    const asks = await playRunner("asks", [
      makePrompt("asks", "p_asks", { input: { command: "make gates" } }),
    ]);
    const phone = await openPaired();
    await phone.page.getByRole("link", { name: /^at-rest/ }).click();
    await phone.page.getByRole("heading", { name: "at-rest" }).waitFor();
    await phone.context.setOffline(true);
    await phone.page.goBack();
    await phone.page.getByRole("link", { name: /^at-rest/ }).waitFor();
    const approve = phone.page
      .getByRole("alertdialog")
      .filter({ hasText: "make gates" })
      .getByRole("button", { name: "Approve" });
    await approve.waitFor();
    expect(await approve.isDisabled()).toBe(true);
    asks.send({ type: "exit", session: "asks", exit: { code: 0 }, ended_at: Date.now() });
    await phone.context.setOffline(false);
    await phone.page.getByText("Claude no longer asks this.").waitFor();
    await phone.context.close();
    for (const socket of [quiet, asks]) socket.close();
  }, 30_000);

  test("a session that is gone is said to be, with the list below", async () => {
    const phone = await openPaired();
    await phone.page.goto(`${server.origin}/#/s/s_gone`);
    await phone.page.getByText("That session is no longer here").waitFor();
    await phone.page.locator(".session").first().waitFor();
    expect(phone.page.url()).toBe(`${server.origin}/#/`);
    await phone.context.close();
  }, 30_000);

  test("the cursor stands in the screen, whatever history is above it, and empty rows below are not shown", async () => {
    const socket = await playRunner("cursor");
    const lines = Array.from({ length: 60 }, (_, i) => `line ${i}`);
    socket.send({
      type: "output",
      session: "cursor",
      seq: 1,
      op: { op: "append", generation: 0, from: 0, lines },
    });
    socket.send({
      ...screen("cursor", 1, ["one", "two", "$ ", "", "", "", ""]),
      frame: {
        ...screen("cursor", 1, ["one", "two", "$ ", "", "", "", ""]).frame,
        cursor: { x: 2, y: 2, visible: true },
      },
    });
    const phone = await openPaired();
    await phone.page.goto(`${server.origin}/#/s/cursor`);
    await until(
      "history is there",
      async () => (await phone.page.locator(".history .row").count()) === 60,
    );
    const box = async (selector: string) => await phone.page.locator(selector).boundingBox();
    for (const width of [375, 320]) {
      await phone.page.setViewportSize({ width, height: 667 });
      await until("the cursor is on its row", async () => {
        const [cursor, row] = [await box(".cursor"), await box(".screen .row:nth-child(3)")];
        return cursor !== null && row !== null && Math.abs(cursor.y - row.y) < 0.5;
      });
    }
    expect(await phone.page.locator(".screen .row:visible").count()).toBe(3);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("history stands above the screen, grows live, loads backwards, and shows what was lost", async () => {
    const socket = await playRunner("history");
    const append = (seq: number, from: number, count: number) =>
      socket.send({
        type: "output",
        session: "history",
        seq,
        op: {
          op: "append",
          generation: 0,
          from,
          lines: Array.from({ length: count }, (_, i) => `line ${from + i}`),
        },
      });
    append(1, 0, 150);
    append(2, 160, 100); // ten numbers are missing
    socket.send(screen("history", 1, ["bottom"]));
    const phone = await openPaired();
    await phone.page.goto(`${server.origin}/#/s/history`);
    const lines = phone.page.locator(".history .row");
    await until(
      "the newest hundred are there",
      async () =>
        (await lines.count()) === 100 && (await lines.last().textContent()) === "line 259",
    );
    append(3, 260, 2);
    await until(
      "new ones are appended",
      async () => (await lines.last().textContent()) === "line 261",
    );
    await phone.page.getByRole("button", { name: "Earlier lines" }).dispatchEvent("click");
    await until(
      "earlier ones are loaded",
      async () => (await lines.first().textContent()) === "line 50",
    );
    expect(await phone.page.locator(".gap").allTextContents()).toEqual(["10 lines were lost"]);
    socket.send({
      type: "output",
      session: "history",
      seq: 4,
      op: { op: "truncate", generation: 0, to: 255 },
    });
    await until(
      "lines taken back are gone",
      async () => (await lines.last().textContent()) === "line 254",
    );
    socket.send({
      type: "output",
      session: "history",
      seq: 5,
      op: { op: "generation", generation: 1 },
    });
    await until("a new generation begins empty", async () => (await lines.count()) === 0);
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("who reads older lines keeps them while a flood passes, and finds what came at the bottom", async () => {
    const socket = await playRunner("reader");
    const flood = (seq: number, from: number) => {
      const lines = Array.from({ length: 300 }, (_, i) => `line ${from + i} ${"x".repeat(200)}`); // more than travels along
      socket.send({
        type: "output",
        session: "reader",
        seq,
        op: { op: "append", generation: 0, from, lines },
      });
    };
    flood(1, 0);
    socket.send(screen("reader", 1, ["bottom"]));
    const phone = await openPaired();
    const { page } = phone;
    await page.goto(`${server.origin}/#/s/reader`);
    const lines = page.locator(".history .row");
    const ends = (number: number) => async () =>
      ((await lines.last().textContent()) ?? "").startsWith(`line ${number} `);
    await until("the newest lines are there", ends(299));
    const scroll = (y: number) =>
      page.locator(".scroller").evaluate((scroller, top) => scroller.scrollTo(0, top), y);
    await scroll(0);
    await page.getByRole("button", { name: "Earlier lines" }).click();
    await until("earlier ones are loaded", async () => (await lines.count()) === 200);
    const place = () =>
      page
        .locator('[data-line="210"]')
        .evaluate((row) => Math.round(row.getBoundingClientRect().y));
    const before = await place();
    flood(2, 300);
    await page.getByText("More lines came").waitFor();
    flood(3, 600);
    socket.send(screen("reader", 2, ["the end"]));
    await page.locator(".screen").getByText("the end").waitFor();
    expect([await lines.count(), await place()]).toEqual([200, before]);
    await scroll(1_000_000);
    await until("the newest lines are there", ends(899));
    expect(await page.getByText("More lines came").count()).toBe(0);
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("a card shows the whole command, takes no tap before it is armed, and tells what became of it", async () => {
    const command = `echo ${"long ".repeat(300)}; echo '\u202egnp.exe' \u200b\t<img src=x onerror=alert(1)>`;
    const prompt = makePrompt("card", "p_card", {
      input: { command, description: "what Claude says", timeout: 5 },
    });
    const socket = await playRunner("card", [prompt]);
    const phone = await openPaired();
    await phone.page.clock.install();
    await phone.page.clock.pauseAt(Date.now() + 5000); // nothing is armed until it goes on
    await phone.page.goto(`${server.origin}/#/s/card`);
    const card = phone.page.getByRole("alertdialog", { name: "Run a command" });
    await card.waitFor();
    const approve = card.getByRole("button", { name: "Approve" });
    expect(await approve.isDisabled()).toBe(true);
    const shown = await card.locator(".command").textContent();
    expect(shown?.replace("U+202E", "\u202e").replace("U+200B", "\u200b").replace("⇥", "\t")).toBe(
      command,
    );
    expect(await card.locator("dd").allTextContents()).toEqual(["5"]);
    const box = await approve.boundingBox();
    const other = await card.getByRole("button", { name: "Reject" }).boundingBox();
    expect(box?.height).toBeGreaterThanOrEqual(48);
    expect((box?.x ?? 0) - ((other?.x ?? 0) + (other?.width ?? 0))).toBeGreaterThanOrEqual(16);
    await phone.page.clock.resume();
    await until("it is armed", async () =>
      card.getByRole("button", { name: "Reject" }).isEnabled(),
    );
    expect(await approve.isDisabled()).toBe(true); // its end is below
    await readToEnd(card);
    await until("it was read", async () => await approve.isEnabled());
    await approve.click();
    const decide = await socket.next("decide");
    const answer = {
      by: "viewer",
      device: decide.device,
      name: decide.name,
      decision: "approve",
      at: Date.now(),
    };
    socket.send({
      type: "prompt",
      prompt: { ...prompt, state: "answered", answer: { ...answer, receipt: "sent" } },
    });
    socket.send({ type: "decided", decision: decide.decision, result: "sent" });
    await card.getByText("Approved — sent…").waitFor();
    socket.send({
      type: "prompt",
      prompt: { ...prompt, state: "answered", answer: { ...answer, receipt: "unconfirmed" } },
    });
    await card.getByText("no sign that Claude took it").waitFor();
    socket.send({
      type: "prompt",
      prompt: { ...prompt, state: "answered", answer: { ...answer, receipt: "applied" } },
    });
    await card.getByText("Approved — applied.").waitFor();
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("an edit is a coloured diff, a message goes with a rejection, and the keyboard is enough", async () => {
    const prompt = makePrompt("edit", "p_edit", {
      tool: "Edit",
      input: {
        file_path: "/home/me/a.txt",
        old_string: "one\ntwo\nthree",
        new_string: "one\nzwei\nthree",
        replace_all: false,
      },
    });
    const socket = await playRunner("edit", [prompt]);
    const phone = await openPaired();
    await phone.page.goto(`${server.origin}/#/s/edit`);
    const card = phone.page.getByRole("alertdialog", { name: "Edit a file" });
    await card.waitFor();
    expect(await card.locator(".diff").allTextContents()).toEqual(["one", "two", "zwei", "three"]);
    expect(await card.locator(".diff.gone").allTextContents()).toEqual(["two"]);
    expect(await card.locator(".diff.new").getAttribute("data-sign")).toBe("+");
    await card.locator("summary").focus();
    await phone.page.keyboard.press("Enter");
    await phone.page.keyboard.press("Tab");
    await phone.page.keyboard.type("leave it");
    await phone.page.keyboard.press("Tab");
    await until(
      "it is armed",
      async () => await card.getByRole("button", { name: "Reject" }).isEnabled(),
    );
    await card.getByRole("button", { name: "Reject" }).focus();
    await phone.page.keyboard.press("Enter");
    expect(await socket.next("decide")).toMatchObject({ action: "reject", message: "leave it" });
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("questions are answered by touch or in one's own words, and only once nothing is open", async () => {
    const questions = [
      {
        question: "Which one?",
        options: [{ label: "First", description: "the old way" }, { label: "Second" }],
      },
      {
        question: "What else?",
        multiSelect: true,
        options: [{ label: "This" }, { label: "That", preview: "+---+" }],
      },
    ];
    const ask = (id: string) => ({
      ...makePrompt("ask", id, { tool: "AskUserQuestion", input: { questions } }),
      kind: "question" as const,
    });
    const socket = await playRunner("ask", [ask("p_ask")]);
    const phone = await openPaired();
    await phone.page.goto(`${server.origin}/#/s/ask`);
    const card = phone.page.getByRole("alertdialog");
    const answer = card.getByRole("button", { name: "Answer" });
    await card.getByText("+---+").waitFor();
    const [one, several] = [
      card.getByRole("group", { name: "Which one?" }),
      card.getByRole("group", { name: "What else?" }),
    ];
    await one.getByRole("radio", { name: "Second" }).check();
    expect(await answer.isDisabled()).toBe(true);
    await several.getByRole("checkbox", { name: "This" }).check();
    await several.getByRole("checkbox", { name: "That" }).check();
    await one.getByLabel("Something else").fill("neither"); // words take the choice back
    expect(await one.getByRole("radio", { name: "Second" }).isChecked()).toBe(false);
    await readToEnd(card);
    await answer.click();
    const decide = await socket.next("decide");
    expect(decide).toMatchObject({
      prompt: "p_ask",
      action: "approve",
      answers: [{ options: [], text: "neither" }, { options: [0, 1] }],
    });
    socket.send({ type: "decided", decision: decide.decision, result: "sent" });
    const said = {
      by: "viewer",
      device: decide.device,
      name: "x",
      decision: "approve",
      message: "neither · This, That",
      at: Date.now(),
      receipt: "applied",
    };
    socket.send({ type: "prompt", prompt: { ...ask("p_ask"), state: "answered", answer: said } });
    await card.getByText("Answered “neither · This, That” — applied.").waitFor();
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("the terminal is fitted to the screen, follows its turning, and lets go when the desk has its size back", async () => {
    const socket = await playRunner("fit");
    socket.send(screen("fit", 1, ["one"]));
    const phone = await openPaired();
    await phone.page.goto(`${server.origin}/#/s/fit`);
    await phone.page.getByText("one").first().waitFor();
    const fit = phone.page.getByRole("button", { name: "Fit the terminal to this screen" });
    await fit.click();
    const wanted = await socket.next("resize");
    expect(wanted.cols).toBeGreaterThan(40);
    expect(wanted.cols).toBeLessThan(50);
    const draw = (rev: number, cols: number) => {
      const { frame, ...rest } = screen("fit", rev, ["two"]);
      socket.send({ ...rest, frame: { ...frame, cols } });
    };
    draw(2, Number(wanted.cols));
    await phone.page.setViewportSize({ width: 667, height: 375 });
    const turned = await socket.next("resize");
    expect(turned.cols).toBeGreaterThan(70);
    draw(3, Number(turned.cols));
    await Bun.sleep(2100);
    expect(await fit.getAttribute("aria-pressed")).toBe("true");
    draw(4, 120); // somebody types at the desk
    await until("it has let go", async () => (await fit.getAttribute("aria-pressed")) === "false");
    await fit.click();
    await socket.next("resize");
    await phone.context.close(); // gone without a word
    expect(await socket.next("resize")).toMatchObject({ session: "fit", cols: null });
    socket.close();
  }, 40_000);

  test("an approval for good shows what would be written, behind a step of its own; a plan can be edited", async () => {
    const always = [
      { says: "Don't ask again in this session", writes: "allow Bash(make *) → this session" },
    ];
    const plan = {
      ...makePrompt("good", "p_plan", { tool: "ExitPlanMode", input: { plan: "1. Do it" } }),
      kind: "plan" as const,
      created_at: Date.now() + 1,
    };
    const socket = await playRunner("good", [
      makePrompt("good", "p_good", { input: { command: "make" }, always }),
      plan,
    ]);
    const phone = await openPaired();
    await phone.page.goto(`${server.origin}/#/s/good`);
    const bash = phone.page.getByRole("alertdialog", { name: "Run a command" });
    await bash.getByRole("button", { name: "Approve", exact: true }).waitFor();
    expect(await bash.getByText("allow Bash(make *)").isVisible()).toBe(false);
    await bash.getByText("Approve for good…").click();
    await bash.getByRole("radio", { name: /Don't ask again/ }).check();
    await bash.getByRole("button", { name: "Approve for good" }).click();
    const first = await socket.next("decide");
    expect(first).toMatchObject({ prompt: "p_good", action: "approve", always: 0 });
    expect(first.plan).toBeUndefined();
    const card = phone.page.getByRole("alertdialog", { name: "Approve a plan" });
    await card.getByText("Edit the plan").click();
    await card.getByLabel("The plan").fill("1. Do it well");
    await card.getByRole("button", { name: "Approve as edited" }).click();
    expect(await socket.next("decide")).toMatchObject({ prompt: "p_plan", plan: "1. Do it well" });
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("what is typed arrives in order and once, keeps its draft, and gives way to a question", async () => {
    const socket = await playRunner("typed");
    const phone = await openPaired();
    await phone.page.goto(`${server.origin}/#/s/typed`);
    const text = phone.page.getByLabel("Type to the session");
    const sent = async (answer: { result: string; seq: number }) => {
      const input = await socket.next("input");
      socket.send({ type: "typed", input: input.input, ...answer });
      return input;
    };
    await text.fill("two\nlines");
    await phone.page.reload();
    await until("the draft is still there", async () => (await text.inputValue()) === "two\nlines");
    await phone.page.getByRole("button", { name: "Send" }).click();
    await phone.page.getByRole("button", { name: "Up", exact: true }).click();
    expect(await sent({ result: "applied", seq: 1 })).toMatchObject({
      session: "typed",
      seq: 1,
      text: "two\nlines",
      paste: true,
      enter: true,
    });
    expect(await sent({ result: "applied", seq: 2 })).toMatchObject({ seq: 2, keys: ["Up"] });
    expect(await text.inputValue()).toBe("");

    await phone.page.getByRole("button", { name: "Ctrl, for the next letter" }).click();
    await text.press("r");
    expect(await sent({ result: "applied", seq: 3 })).toMatchObject({ seq: 3, keys: ["C-r"] });
    await text.fill("too late");
    await text.press("Control+Enter");
    expect(await sent({ result: "asked", seq: 3 })).toMatchObject({ seq: 4, text: "too late" });
    await phone.page.getByText("A question is open").waitFor();
    expect(await text.inputValue()).toBe("too late"); // nothing is lost

    phone.page.once("dialog", (dialog) => void dialog.accept());
    await text.fill("!ls");
    await phone.page.getByRole("button", { name: "Send" }).click();
    expect((await sent({ result: "shell", seq: 0 })).shell).toBeUndefined();
    expect(await sent({ result: "applied", seq: 1 })).toMatchObject({
      seq: 1,
      text: "!ls",
      shell: true,
    }); // a stream of its own, after what was refused

    await text.fill("never sent");
    await text.press("Control+Enter");
    await socket.next("input"); // and no answer to it
    await phone.page.goto(`${server.origin}/#/`);
    await phone.page.goto(`${server.origin}/#/s/typed`);
    await until("it is a draft again", async () => (await text.inputValue()) === "never sent");

    socket.send({
      type: "prompt",
      prompt: makePrompt("typed", "p_typed", { input: { command: "make" } }),
    });
    await phone.page.getByRole("alertdialog").waitFor();
    expect(await text.isVisible()).toBe(false);
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("answered at the desk, the card says so and goes; several keep their places", async () => {
    const prompts = ["p_one", "p_two", "p_three"].map((id, i) => ({
      ...makePrompt("several", id, { input: { command: `step ${i}` } }),
      created_at: Date.now() + i,
    }));
    const socket = await playRunner("several", prompts);
    const phone = await openPaired();
    await phone.page.goto(`${server.origin}/#/s/several`);
    const commands = phone.page.locator(".card .command");
    await until("all are there", async () => (await commands.count()) === 3);
    expect(await commands.allTextContents()).toEqual(["step 0", "step 1", "step 2"]);
    socket.send({
      type: "prompt",
      prompt: {
        ...prompts[0],
        state: "answered",
        answer: { by: "desk", decision: "approve", at: Date.now() },
      },
    });
    await phone.page.getByText("Approved at the desk.").waitFor();
    expect(await commands.allTextContents()).toEqual(["step 0", "step 1", "step 2"]); // none jumps under the thumb
    await until("it is gone", async () => (await commands.count()) === 2, 10_000);
    await phone.context.close();
    socket.close();
  }, 30_000);

  test("tells the truth about the connection: runner away, server away, back again", async () => {
    const prompt = makePrompt("truth", "p_truth", { input: { command: "true" } });
    const socket = await playRunner("truth", [prompt]);
    socket.send(screen("truth", 1, ["before"]));
    const phone = await openPaired();
    await phone.page.goto(`${server.origin}/#/s/truth`);
    const status = phone.page.getByRole("status").first();
    const approve = phone.page.getByRole("button", { name: "Approve" });
    await until(
      "it is live and armed",
      async () => (await status.textContent()) === "live" && (await approve.isEnabled()),
    );
    socket.close();
    await phone.page.getByText(/not connected since/).waitFor();
    expect(await approve.isDisabled()).toBe(true);
    const back = await playRunner("truth", [prompt]);
    await until("it can be answered again", async () => await approve.isEnabled());
    back.close();

    const port = server.port;
    await server.stop();
    await until(
      "the page says that it reconnects",
      async () => (await status.textContent())?.startsWith("reconnecting") === true,
    );
    expect(await approve.isDisabled()).toBe(true);
    await phone.page.getByText("Is the machine with claude-remote on").waitFor();
    server = dashboard.server = await dashboard.start(port);
    const again = await playRunner("truth", [prompt]);
    again.send(screen("truth", 9, ["after"]));
    await until(
      "it is live again",
      async () => (await status.textContent()) === "live" && (await approve.isEnabled()),
      20_000,
    );
    expect(await phone.page.locator(".notice").isVisible()).toBe(false);
    await until(
      "the newest screen is drawn",
      async () => (await phone.page.locator(".screen .row").first().textContent()) === "after",
    );
    await phone.context.close();
    again.close();
  }, 60_000);

  test("a revoked phone is told to pair again", async () => {
    const phone = await openPaired();
    const { devices } = await machine.get(
      v.object({ devices: v.array(DeviceInfo) }),
      "GET",
      "/api/devices",
    );
    const own = devices
      .filter(({ kind, revoked_at }) => kind === "viewer" && revoked_at === null)
      .at(-1);
    await machine.request("DELETE", `/api/devices/${own?.id}`);
    await phone.page.getByText("Pair it again").waitFor();
    await phone.context.close();
  }, 30_000);

  test.each([320, 375, 844, 1280])(
    "nothing is cut off or too small to tap at %p px, in light or dark, and every text stands out from its ground",
    async (width) => {
      const id = `w${width}`;
      const socket = await playRunner(id, [
        makePrompt(id, `p_${id}`, {
          cwd: "/a/very/long/path/".repeat(12),
          note: "a note",
          input: { command: "x".repeat(400), other: "y".repeat(99) },
        }),
        makePrompt(id, `q_${id}`, {
          tool: "Edit",
          input: {
            file_path: "/a".repeat(200),
            old_string: `a\n${"b ".repeat(99)}`,
            new_string: `a\n${"c".repeat(99)}`,
          },
        }),
      ]);
      socket.send(screen(id, 1, ["-".repeat(80)]));
      const quiet = await playRunner(`quiet-${id}`, [], {
        cwd: `/home/me/${"long-name".repeat(9)}`,
        command: "claude ".repeat(40),
        hooks: "off",
        activity: "busy",
      });
      const phone = await openPhonePage(browser, server.origin, {
        width,
        height: width > 800 ? 600 : 667,
      });
      const look = async (view: string) => {
        for (const colorScheme of ["dark", "light"] as const) {
          await phone.page.emulateMedia({ colorScheme });
          expect({
            view,
            colorScheme,
            ...v.parse(Findings, await phone.page.evaluate(FIND)),
          }).toEqual({
            view,
            colorScheme,
            overflow: 0,
            small: [],
            faint: [],
            clipped: [],
          });
        }
      };
      await phone.page.goto(`${server.origin}/#pair=AAECAwQFBgcICQoLDA0ODw`);
      await phone.page.getByRole("button", { name: "Pair this browser" }).click();
      await phone.page.getByLabel("Pairing link").waitFor();
      await look("pairing");
      await phone.page.goto("about:blank");
      await pairPage(phone, await machine.mint("viewer"));
      for (const hash of ["#/", `#/s/${id}`]) {
        await phone.page.goto(`${server.origin}/${hash}`);
        const approve = phone.page.locator('.card[data-state="open"] .approve').first();
        await approve.waitFor();
        await readToEnd(phone.page.locator('.card[data-state="open"]').first());
        await until("it is armed", async () => await approve.isEnabled());
        const reachable = await approve.boundingBox();
        expect(reachable?.x).toBeGreaterThanOrEqual(0);
        expect((reachable?.x ?? 0) + (reachable?.width ?? 0)).toBeLessThanOrEqual(width);
        await look(hash);
      }
      await phone.page.goto(`${server.origin}/#/s/quiet-${id}`);
      await phone.page.getByText("read off its screen").waitFor();
      await look("a session alone");
      const input = JSON.stringify({ command: "long ".repeat(99) });
      const text = `# ${"Title ".repeat(20)}\n\n- \`code\` and ${"x".repeat(200)}\n\n> quoted\n\n| a | b |\n|---|---|\n| ${"c".repeat(80)} | d |`;
      const entries = [
        { kind: "user", at: 1, text: "What is this? ".repeat(9) },
        { kind: "thinking", at: 1, text: "Hm." },
        { kind: "tool", at: 1, id: "t", tool: "Bash", input },
        { kind: "result", at: 1, id: "t", text: "y".repeat(300), error: true },
        { kind: "note", at: 1, text: "Interrupted." },
        { kind: "assistant", at: 1, text },
      ];
      quiet.send({
        type: "transcript",
        session: `quiet-${id}`,
        next: entries.length,
        file: 0,
        at: 1,
        entries,
      });
      await phone.page.getByRole("tab", { name: "Conversation" }).click();
      await phone.page.locator("article.assistant").waitFor();
      await phone.page.locator("article.tool summary").click();
      await look("a conversation");
      await until(
        "it is indexed",
        async () =>
          (await machine.get(SearchAnswer, "GET", "/api/search?q=interrupted")).results.length > 0,
      );
      await phone.page.goto(`${server.origin}/#/search?q=interrupted`);
      await phone.page.locator(".results a").first().waitFor();
      await look("a search");
      await phone.context.close();
      socket.close();
      quiet.close();
    },
    60_000,
  );

  test("only what waits for somebody blinks, and nothing moves for those who asked for that", async () => {
    const waiting = await playRunner(
      "blink",
      [makePrompt("blink", "p_blink", { input: { command: "true" } })],
      { activity: "waiting" },
    );
    const busy = await playRunner("work", [], { activity: "busy" });
    const phone = await openPaired();
    await phone.page.locator('.session .mark[data-mark="busy"]').waitFor();
    await phone.page.getByRole("alertdialog").first().waitFor();
    const blinking = `[...document.querySelectorAll("*")].filter((e) => getComputedStyle(e).animationName === "blink").map((e) => e.dataset.mark)`;
    expect(new Set(v.parse(v.array(v.string()), await phone.page.evaluate(blinking)))).toEqual(
      new Set(["you"]),
    );
    await phone.page.emulateMedia({ reducedMotion: "reduce" });
    expect(await phone.page.evaluate("document.getAnimations().length")).toBe(0);
    await phone.context.close();
    waiting.close();
    busy.close();
  }, 30_000);
});

const Findings = v.object({
  overflow: v.number(),
  small: v.array(v.string()),
  faint: v.array(v.string()),
  clipped: v.array(v.string()),
});

/** Runs in the page: what is wider than it, what is too small for a thumb (44 CSS pixels), what is below 4.5:1 (WCAG 2.2, 1.4.3), what is cut off in a field. */
const FIND = `(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
    }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  };
  const light = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const grounds = (e) => (e === null ? [] : [...grounds(e.parentElement), getComputedStyle(e).backgroundColor]);
  const name = (e) => e.tagName.toLowerCase() + "." + e.className + " " + e.textContent.trim().slice(0, 30);
  const seen = [...document.body.querySelectorAll("*")].filter((e) => e.checkVisibility({ checkVisibilityCSS: true }) && !e.closest(".spoken"));
  const faint = seen.filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== "") && !e.matches(":disabled")).flatMap((e) => {
    const ground = grounds(e);
    const [a, b] = [light(over(ground)), light(over([...ground, getComputedStyle(e).color]))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return contrast < 4.5 ? [name(e) + " " + contrast.toFixed(2)] : [];
  });
  const small = seen.filter((e) => e.matches("a, button, input, summary") && (e.offsetHeight < 44 || e.offsetWidth < 44)).map(name);
  const clipped = seen.filter((e) => e.matches("input[placeholder]")).filter((e) => {
    const { font, fontSize, paddingLeft, paddingRight } = getComputedStyle(e);
    const cross = e.type === "search" ? parseFloat(fontSize) : 0; // which empties it
    canvas.font = font;
    return canvas.measureText(e.placeholder).width > e.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight) - cross;
  }).map((e) => e.placeholder);
  return { overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth, small, faint, clipped };
})()`;
