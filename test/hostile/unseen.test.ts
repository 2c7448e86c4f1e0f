import { afterAll, beforeAll, expect, test } from "bun:test";
import { visibleParts } from "../../src/visible-text.ts";
import { type Dashboard, makePrompt, openDashboard, screen } from "../support/dashboard.ts";
import { pairDevice } from "../support/phone.ts";
import { until } from "../support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

/** One of each class that nobody sees: ignorable, filler, blank, variation, and a stack of marks. */
const DIRTY = `a\u034fb\u3164c\u2800d\ufe01e${"\u0301".repeat(9)}`;
const CLEAN = /aU\+034FbU\+3164cU\+2800dU\+FE01e/;

/** Every text that the page shows outside of the terminal's rows, and what it says of them otherwise. */
const TEXTS = `[
  document.title,
  ...[...document.querySelectorAll("body *:not(script, style, textarea, .row)")].flatMap((element) => [
    ...[...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data),
    ...["aria-label", "title", "placeholder", "alt"].map((name) => element.getAttribute(name) ?? ""),
  ]),
]`;

test("what comes from elsewhere shows every hidden character, wherever the page names it", async () => {
  const view = {
    input: { command: DIRTY, description: DIRTY, [DIRTY]: DIRTY },
    cwd: `/home/${DIRTY}`,
    host: DIRTY,
    agent: DIRTY,
    note: DIRTY,
    always: [{ says: DIRTY, writes: DIRTY }],
  };
  const kinds = [
    makePrompt("dirty", "p_tool", { ...view, tool: DIRTY }),
    makePrompt("dirty", "p_bash", view),
    {
      ...makePrompt("dirty", "p_plan", {
        ...view,
        tool: "ExitPlanMode",
        input: { plan: `# ${DIRTY}\n\n${DIRTY} [${DIRTY}](https://a.example/) \`${DIRTY}\`` },
      }),
      kind: "plan" as const,
    },
    {
      ...makePrompt("dirty", "p_ask", {
        ...view,
        tool: "AskUserQuestion",
        input: {
          questions: [
            { question: DIRTY, options: [{ label: DIRTY, description: DIRTY, preview: DIRTY }] },
          ],
        },
      }),
      kind: "question" as const,
    },
    {
      ...makePrompt("dirty", "p_form", {
        ...view,
        tool: "Elicitation",
        input: {
          server: DIRTY,
          message: DIRTY,
          fields: [
            { name: "n", title: DIRTY, about: DIRTY, required: false, type: "text", value: DIRTY },
            { name: "o", title: DIRTY, required: false, type: "one", options: [DIRTY, "b"] },
          ],
        },
      }),
      kind: "elicitation" as const,
    },
    {
      ...makePrompt("dirty", "p_screen", {
        ...view,
        tool: "Screen",
        input: { above: DIRTY, options: [{ label: DIRTY }], selected: 0, below: DIRTY },
      }),
      kind: "screen" as const,
    },
  ];
  const named = { cwd: `/home/${DIRTY}`, command: DIRTY, host: DIRTY };
  const socket = await dashboard.playRunner("dirty", kinds, named);
  socket.send(screen("dirty", 1, ["needle"], { title: DIRTY }));
  const other = await dashboard.playRunner("plain", [], named);
  other.send(screen("plain", 1, ["needle"], { title: DIRTY }));
  const daemon = await dashboard.playDaemon(DIRTY, {
    roots: [`/srv/${DIRTY}`],
    recent: [`/srv/${DIRTY}/x`],
  });
  await pairDevice(await dashboard.machine.mint("viewer"), "viewer", DIRTY);
  const phone = await dashboard.openPaired();
  const { page } = phone;
  const origin = dashboard.server.origin;
  const look = async (where: string) => {
    const texts = (await page.evaluate(TEXTS)) as string[];
    const hidden = texts.filter((text) =>
      visibleParts(text, { keep: "\n\t", prose: true }).some(({ hidden }) => hidden !== undefined),
    );
    expect({ where, hidden }).toEqual({ where, hidden: [] });
    expect(CLEAN.test(String(await page.evaluate("document.body.textContent")))).toBe(true);
  };
  await until("each is a card", async () => (await page.getByRole("alertdialog").count()) === 6);
  await look("the list");
  await page.goto(`${origin}/#/s/dirty`);
  await until("each is a card", async () => (await page.getByRole("alertdialog").count()) === 6);
  await page.locator("h1", { hasText: "U+034F" }).waitFor();
  await look("a session");
  await page.goto(`${origin}/#/devices`);
  await page.locator(".devices li").first().waitFor();
  await page.getByText(CLEAN).first().waitFor();
  await look("devices");
  await page.goto(`${origin}/#/new`);
  await page.locator(".recent button").first().waitFor();
  await look("a new session");
  // a letter with all its marks stays in its line
  await page.goto(`${origin}/#/s/dirty`);
  const stack = page.locator(".card .command .stack").first();
  await stack.waitFor();
  const fits = await stack.evaluate((element) => {
    const style = element.ownerDocument.defaultView.getComputedStyle(element);
    return [
      style.overflowY,
      element.getBoundingClientRect().height <= Number.parseFloat(style.lineHeight) + 1,
    ];
  });
  expect(fits).toEqual(["clip", true]);
  expect(phone.suspicious).toEqual([]);
  await phone.context.close();
  for (const one of [socket, other, daemon]) one.close();
}, 90_000);

test("words that run from right to left keep their places in a command", async () => {
  const socket = await dashboard.playRunner("order", [
    makePrompt("order", "p_order", { input: { command: "mv קובץ ישן && cp ملف ٢ ٣ هدف" } }),
  ]);
  const phone = await dashboard.openPaired();
  await phone.page.goto(`${dashboard.server.origin}/#/s/order`);
  const words = phone.page.locator(".command bdi");
  await words.first().waitFor();
  expect(await words.allTextContents()).toEqual(["קובץ", "ישן", "ملف", "٢", "٣", "هدف"]);
  const places = await words.evaluateAll((all) =>
    all.map((word) => word.getBoundingClientRect().x),
  );
  expect(places).toEqual([...places].sort((a, b) => a - b)); // on one line, from left to right
  await phone.context.close();
  socket.close();
}, 40_000);
