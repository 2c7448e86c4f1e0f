import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Locator, Page } from "playwright-core";
import { sha256hex } from "../src/auth.ts";
import { databaseFile } from "../src/db.ts";
import type { Prompt } from "../src/types.ts";
import { openPhonePage, pairPage, readToEnd } from "./support/browser.ts";
import { type Dashboard, makePrompt, openDashboard, screen } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

const lines = (count: number, last: string, line = "echo a harmless line of the build") => [
  ...Array.from({ length: count }, (_, i) => `${line} ${i}`),
  last,
];
const prompt = (session: string, kind: Prompt["kind"], view: object): Prompt => ({
  ...makePrompt(session, `p_${session}`, view),
  kind,
});
const always = [
  { says: "Allow it in this project", writes: lines(30, "allow Bash(rm *)", "allow").join("\n") },
];
const FIELDS = ["text", "integer", "boolean", "one", "several"].map((type) => ({
  name: type,
  title: `The ${type}`,
  about: "a hint",
  required: false,
  type,
  options: ["alpha", "beta"],
}));

/** Of each kind something that no phone shows whole, and what stands at its end. */
const LONG: Record<string, { kind: Prompt["kind"]; view: object; end: string; yes: RegExp }> = {
  "a command": {
    kind: "permission",
    view: { input: { command: lines(40, "rm -rf ~/Documents").join("\n") } },
    end: "rm -rf ~/Documents",
    yes: /^Approve$/,
  },
  "a command of one long line": {
    kind: "permission",
    view: { input: { command: `echo ${"x".repeat(4000)} && rm -rf ~/Pictures` } },
    end: "rm -rf ~/Pictures",
    yes: /^Approve$/,
  },
  "an edit": {
    kind: "permission",
    view: {
      tool: "Edit",
      input: {
        file_path: "/a/b.ts",
        old_string: lines(20, "the end").join("\n"),
        new_string: lines(20, "steal(keys)").join("\n"),
      },
    },
    end: "steal(keys)",
    yes: /^Approve$/,
  },
  "a tool's input": {
    kind: "permission",
    view: {
      tool: "mcp__shop__buy",
      input: { item: "pen", note: lines(40, "amount: 9000").join("\n") },
    },
    end: "amount: 9000",
    yes: /^Approve$/,
  },
  "a plan": {
    kind: "plan",
    view: {
      tool: "ExitPlanMode",
      input: { plan: `# Plan\n\n${lines(30, "- drop all tables", "- step").join("\n")}` },
    },
    end: "drop all tables",
    yes: /^Approve$/,
  },
  "a table in a plan": {
    kind: "plan",
    view: {
      tool: "ExitPlanMode",
      input: {
        plan: `| ${"what | ".repeat(9)}\n|${"---|".repeat(9)}\n${`| ${"a longer cell | ".repeat(8)} wipe |\n`.repeat(12)}`,
      },
    },
    end: "wipe",
    yes: /^Approve$/,
  },
  "several questions": {
    kind: "question",
    view: {
      tool: "AskUserQuestion",
      input: {
        questions: ["One", "Two", "Three", "Four"].map((question) => ({
          question: `${question}: ${"which of these ".repeat(6)}?`,
          options: [{ label: `${question} left` }, { label: `${question} right` }],
        })),
      },
    },
    end: "Four right",
    yes: /^Answer$/,
  },
  "a server's form": {
    kind: "elicitation",
    view: {
      tool: "Elicitation",
      input: { server: "shop", message: lines(9, "Where to?").join("\n"), fields: FIELDS },
    },
    end: "beta",
    yes: /^Send$/,
  },
  "a question of the screen": {
    kind: "screen",
    view: {
      tool: "Screen",
      input: {
        above: lines(30, "Do you trust this?").join("\n"),
        options: [{ label: "No" }, { label: "Yes, for ever" }],
        selected: 0,
        below: "Enter confirms",
      },
    },
    end: "Enter confirms",
    yes: /^(?:Choose one|Send the choice)$/,
  },
};
const SIZES = [
  { width: 320, height: 568 },
  { width: 375, height: 667 },
  { width: 390, height: 664 },
  { width: 844, height: 390 },
];

/** A phone that looks at what this session asks. */
async function look(asked: Prompt, size: { width: number; height: number }, where = "session") {
  const socket = await dashboard.playRunner(asked.session, [asked]);
  socket.send(screen(asked.session, 1, lines(23, "the last row")));
  const phone = await openPhonePage(dashboard.browser, dashboard.server.origin, size);
  await pairPage(phone, await dashboard.machine.mint("viewer"));
  const hash = where === "list" ? "#/" : `#/s/${asked.session}`;
  await phone.page.goto(`${dashboard.server.origin}/${hash}`);
  const card = phone.page.getByRole("alertdialog").first();
  await card.waitFor();
  return {
    ...phone,
    socket,
    card,
    approve: card.locator(".approve"),
    reject: card.locator(".reject"),
    async close() {
      expect(phone.suspicious).toEqual([]);
      socket.send({ type: "prompt", prompt: { ...asked, state: "withdrawn" } });
      await phone.context.close();
      socket.close();
    },
  };
}

/** Whether all of an element lies in the window. */
async function inWindow(element: Locator, page: Page): Promise<boolean> {
  const box = await element.boundingBox();
  const size = page.viewportSize();
  return (
    box !== null &&
    size !== null &&
    box.x >= 0 &&
    box.y >= 0 &&
    box.x + box.width <= size.width &&
    box.y + box.height <= size.height
  );
}

/** What can be read of a text's end on the screen: nothing, where something lies over it or cuts it off. */
const endShows = (card: Locator, end: string): Promise<boolean> =>
  card.evaluate((element, end) => {
    const page = element.ownerDocument;
    const walker = page.createTreeWalker(element, 4); // text nodes
    const range = page.createRange();
    let found = false;
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const at = (node.textContent ?? "").lastIndexOf(end);
      if (at < 0) continue;
      found = true;
      range.setStart(node, at);
      range.setEnd(node, at + end.length);
    }
    const rects = [...range.getClientRects()];
    const shows = ({ left, right, top, bottom }: (typeof rects)[number]) =>
      page
        .elementFromPoint((left + right) / 2, (top + bottom) / 2)
        ?.contains(range.startContainer) === true;
    return found && rects.length > 0 && rects.every(shows);
  }, end);

describe("what does not fit the screen", () => {
  for (const [what, { kind, view, end, yes }] of Object.entries(LONG)) {
    test(`${what} says how much is below, and is approved only once its end was in view`, async () => {
      const session = what.replaceAll(/\W+/g, "-");
      const size = { width: 390, height: 664 };
      const { card, approve, reject, page, socket, close } = await look(
        prompt(session, kind, view),
        size,
      );
      await until("it is armed", () => reject.isEnabled());
      expect(await approve.textContent()).toMatch(yes);
      expect(await approve.isDisabled()).toBe(true);
      expect(await endShows(card, end)).toBe(false);
      const below = card.getByText(/^[1-9]\d* more lines?$/);
      expect(await inWindow(below, page)).toBe(true);
      await approve.click({ force: true, timeout: 1000 }).catch(() => undefined);
      // turned by the wheel, as by a finger, page by page
      const box = await card.locator(".asked").boundingBox();
      await page.mouse.move((box?.x ?? 0) + 100, (box?.y ?? 0) + 40);
      await until(
        "its end is in view",
        async () => {
          if (await endShows(card, end)) return true;
          await page.mouse.wheel(0, 100);
          await Bun.sleep(30);
          return false;
        },
        20_000,
      );
      for (let i = 0; i < 5; i++) await page.mouse.wheel(0, 100);
      await until("nothing is below", async () => !(await below.isVisible()));
      for (const box of await card.locator(".question :is([type=radio], [type=checkbox])").all())
        await box.evaluate((input) => input.click());
      await until("it is armed", () => approve.isEnabled());
      await approve.click();
      expect((await socket.next("decide")).shown).toBe(sha256hex(prompt(session, kind, view).view));
      await close();
    }, 60_000);
  }

  test("the keyboard is enough to read it", async () => {
    const command = lines(60, "rm -rf /").join("\n");
    const asked = prompt("by-keyboard", "permission", { input: { command } });
    const { card, approve, page, close } = await look(asked, { width: 375, height: 667 });
    await card.locator(".asked").focus();
    await page.keyboard.press("PageDown");
    expect(await approve.isDisabled()).toBe(true);
    await page.keyboard.press("End");
    await until("it is armed", () => approve.isEnabled());
    expect(await endShows(card, "rm -rf /")).toBe(true);
    await close();
  }, 40_000);

  test("is cut through a line, never between two of them", async () => {
    for (const [i, count] of [9, 13, 30].entries()) {
      const command = lines(count, "rm -rf /", "true").join("\n");
      const asked = prompt(`cut-${i}`, "permission", { input: { command } });
      const { card, page, close } = await look(asked, { width: 360, height: 400 + 37 * i });
      await card.getByText(/more lines?$/).waitFor();
      await until("the edge stands in the middle of a line", async () => {
        const part = Number(
          await page.evaluate(`(() => {
            const pre = document.querySelector(".command");
            const { paddingTop, borderTopWidth, lineHeight } = getComputedStyle(pre);
            const top = pre.getBoundingClientRect().top + parseFloat(paddingTop) + parseFloat(borderTopWidth);
            return ((document.querySelector(".asked").getBoundingClientRect().bottom - top) / parseFloat(lineHeight)) % 1;
          })()`),
        );
        return part > 0.3 && part < 0.7;
      });
      await close();
    }
  }, 60_000);

  test("a key that says yes turns to what was not seen, and says so", async () => {
    const asked = prompt("by-key", "permission", {
      input: { command: lines(50, "rm -rf /").join("\n") },
    });
    const { card, page, socket, close } = await look(asked, { width: 390, height: 844 });
    const yes = page.locator(".keys button", { hasText: /^yes$/ });
    await until("it is armed", () => card.locator(".reject").isEnabled());
    const top = () => card.locator(".asked").evaluate((box) => box.scrollTop);
    let last = await top();
    await until("it was turned to its end", async () => {
      await yes.click();
      await Bun.sleep(150);
      if (await card.locator(".approve").isEnabled()) return true;
      await card.getByText("Read it to its end first.").waitFor();
      expect(await top()).toBeGreaterThan(last);
      last = await top();
      return false;
    });
    expect(await endShows(card, "rm -rf /")).toBe(true);
    await yes.click();
    expect(await socket.next("decide")).toMatchObject({ action: "approve" });
    await close();
  }, 60_000);
});

describe("what counts beside it", () => {
  test("a rule for good is read before it is given, and so is a plan that was edited", async () => {
    const asked = prompt("rules", "permission", { input: { command: "make" }, always });
    const { card, approve, close } = await look(asked, { width: 375, height: 667 });
    await until("it is armed", () => approve.isEnabled());
    await card.getByText("Approve for good…").click();
    const rule = card.getByRole("radio", { name: /Allow it in this project/ });
    await rule.check();
    await until("it has to be read", () => approve.isDisabled());
    expect(await endShows(card, "allow Bash(rm *)")).toBe(false);
    await readToEnd(card);
    await until("it was read", () => approve.isEnabled());
    expect(await endShows(card, "allow Bash(rm *)")).toBe(true);
    await card.getByRole("radio", { name: "Only this once" }).check();
    await until("that is short", () => approve.isEnabled());
    await close();

    const plan = prompt("edited", "plan", { tool: "ExitPlanMode", input: { plan: "1. Do it" } });
    const edited = await look(plan, { width: 375, height: 667 });
    await edited.card.getByText("Edit the plan").click();
    const area = edited.card.getByLabel("The plan");
    const text = lines(60, "the end of it", "1. Do it well").join("\n");
    await area.fill(text);
    await until("it has to be read", () => edited.approve.isDisabled());
    expect(
      await area.evaluate((field) => field.scrollHeight - field.clientHeight),
    ).toBeLessThanOrEqual(1); // no part of it is hidden within
    await readToEnd(edited.card);
    await until("it was read", () => edited.approve.isEnabled());
    await edited.approve.click();
    expect(await edited.socket.next("decide")).toMatchObject({ plan: text });
    await edited.close();
  }, 60_000);

  test("a view that changed is drawn and read anew, and what is signed is what was drawn", async () => {
    const first = prompt("changing", "permission", { input: { command: "echo harmless" } });
    const second = {
      ...prompt("changing", "permission", {
        input: { command: lines(60, "rm -rf /").join("\n") },
      }),
      created_at: first.created_at,
    };
    const { card, approve, reject, page, socket, close } = await look(first, {
      width: 375,
      height: 667,
    });
    await until("it is armed", () => approve.isEnabled());
    await card.getByText("Tell Claude what to do instead").click();
    await card.getByLabel("Message to Claude").fill("words of mine");
    // the server keeps the view that came first, so this one has another on its disk
    const db = new Database(databaseFile(dashboard.data));
    db.run("UPDATE prompts SET prompt_text = ? WHERE id = ?", [second.view, second.id]);
    db.close();
    await page.context().setOffline(true);
    await page.context().setOffline(false);
    await card.getByText("echo a harmless line of the build 0").waitFor();
    await card.getByText("Claude asks something else now").waitFor();
    expect(await card.getByLabel("Message to Claude").inputValue()).toBe("words of mine");
    await until("it is armed", () => reject.isEnabled());
    await readToEnd(card);
    await card.getByLabel("Message to Claude").fill("");
    await until("it was read", () => approve.isEnabled());
    await approve.click();
    expect((await socket.next("decide")).shown).toBe(sha256hex(second.view));
    await close();
  }, 60_000);
});

describe("the answers stay on the screen", () => {
  for (const size of SIZES)
    test(`at ${size.width}×${size.height}, on the list and in a session, with a keyboard and without`, async () => {
      for (const what of ["a plan", "several questions", "a server's form", "a command"]) {
        const long = LONG[what];
        if (long === undefined) throw new Error(what);
        for (const where of ["session", "list"]) {
          const session = `${what.replaceAll(/\W+/g, "-")}-${size.width}-${where}`;
          const { card, approve, reject, page, close } = await look(
            prompt(session, long.kind, long.view),
            size,
            where,
          );
          const shows = async (keyboard: string) => {
            await until(`both are in view: ${what}, ${where}, ${keyboard}`, async () => {
              return (await inWindow(approve, page)) && (await inWindow(reject, page));
            });
            const [left, right] = [await reject.boundingBox(), await approve.boundingBox()];
            const gap = (right?.x ?? 0) - ((left?.x ?? 0) + (left?.width ?? 0));
            expect(gap).toBeGreaterThanOrEqual(48);
            const room = await card.locator(".asked").boundingBox();
            expect(room?.height).toBeGreaterThanOrEqual(40);
            expect(
              await page.evaluate("document.documentElement.scrollWidth - innerWidth"),
            ).toBeLessThanOrEqual(0);
          };
          await shows("no keyboard");
          if (size.height > size.width) {
            await page.setViewportSize({ width: size.width, height: size.height - 260 });
            await shows("keyboard");
          }
          await close();
        }
      }
    }, 120_000);

  test("of each of several", async () => {
    const socket = await dashboard.playRunner("several", [
      ...["a plan", "a server's form", "a command"].map((what, i) => ({
        ...makePrompt("several", `p_several_${i}`, LONG[what]?.view ?? {}),
        kind: LONG[what]?.kind ?? "permission",
        created_at: i + 1,
      })),
    ]);
    for (const hash of ["#/s/several", "#/"]) {
      const phone = await openPhonePage(dashboard.browser, dashboard.server.origin, {
        width: 375,
        height: 667,
      });
      await pairPage(phone, await dashboard.machine.mint("viewer"));
      await phone.page.goto(`${dashboard.server.origin}/${hash}`);
      const cards = phone.page.getByRole("alertdialog");
      await until("all are there", async () => (await cards.count()) === 3);
      for (const card of await cards.all()) {
        await card.evaluate((element) => element.scrollIntoView({ block: "end" }));
        await until("the whole of it is in view", async () => inWindow(card, phone.page));
        await readToEnd(card);
        await until(
          "its end was in view",
          async () => !(await card.locator(".further").isVisible()),
        );
      }
      await phone.context.close();
    }
    socket.close();
  }, 60_000);
});
