import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openDatabase } from "../../src/db.ts";
import { type Dashboard, openDashboard, screen } from "../support/dashboard.ts";
import { ENGINE_NAMES, Engine, type EnginePage, pairEngine } from "../support/engines.ts";
import { until } from "../support/until.ts";

/** Where screenshots go, for eyes: nothing is drawn where it is not set. */
const SHOTS = process.env.SCREENSHOTS;
const HOUR = 3_600_000;
const MINUTE = 60_000;
const GO_TO = { role: "button", name: "Go to a time" } as const;

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

/** A session of the last five hours whose runner the test plays, with `count` lines, one a minute from `start` on. */
async function play(id: string, count: number, start: number) {
  const socket = await dashboard.playRunner(id, [], { started_at: Date.now() - 5 * HOUR });
  for (let n = 0; n < count; n++) {
    const op = { op: "append", generation: 0, from: n, lines: [`line ${n}`] };
    const at = start + n * MINUTE;
    socket.send({ type: "output", session: id, seq: n + 1, op: { ...op, at } });
  }
  socket.send(screen(id, 1, ["the screen"]));
  await until("all is stored", async () =>
    JSON.stringify(
      (await dashboard.machine.json("GET", `/api/sessions/${id}/output?limit=1`)).body,
    ).includes(`"next":${count}`),
  );
  return socket;
}
const openEngine = async (name: (typeof ENGINE_NAMES)[number], width: number) => {
  const engine = await Engine.start(name);
  const page = await engine.open({ size: { width, height: 640 } });
  await pairEngine(page, await dashboard.machine.mint("viewer"));
  return { engine, page };
};
const line = (page: EnginePage, n: number) =>
  page.waitFor<{ x: number; y: number }>(
    `line ${n} is on the page`,
    `(n) => {
      const row = document.querySelector('.history .row[data-line="' + n + '"]');
      if (row === null) return undefined;
      row.scrollIntoView({ block: "center" });
      const { x, y, height } = row.getBoundingClientRect();
      return { x: x + 20, y: y + height / 2 };
    }`,
    n,
  );
const said = (page: EnginePage) =>
  page.evaluate<string>(`document.querySelector(".reading p").textContent`);
/** How a clock on the page says a time. */
const clock = (page: EnginePage, time: number) =>
  page.evaluate<string>(
    `new Date(${time}).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" })`,
  );
const says = async (page: EnginePage, n: number, time: number) => {
  const wanted = `Line ${n + 1}: printed `;
  await until(`the page says when line ${n} was printed`, async () =>
    (await said(page)).startsWith(wanted),
  );
  expect(await said(page)).toContain(await clock(page, time));
  expect(
    await page.evaluate(`[...document.querySelectorAll(".row.found")].map((r) => r.dataset.line)`),
  ).toEqual([String(n)]);
};
/** Types a time into the field and goes there. */
const goTo = async (page: EnginePage, time: number) => {
  await page.evaluate(
    `(() => {
      const local = new Date(${time} - new Date(${time}).getTimezoneOffset() * 60_000);
      document.querySelector(".reading input").value = local.toISOString().slice(0, 19);
    })()`,
  );
  await page.driver.chord(["Enter"]);
};

describe("on a phone of 320 pixels", () => {
  let engine: Engine;
  let page: EnginePage;
  beforeAll(async () => {
    ({ engine, page } = await openEngine("chromium", 320));
  }, 180_000);
  afterAll(() => engine.close());
  const shot = async (what: string) => {
    if (SHOTS !== undefined) await page.screenshot(`${SHOTS}/times-${what}.png`);
  };
  const fits = async () =>
    expect(
      await page.evaluate(
        `[...document.querySelectorAll(".reading, .reading *:not(.spoken)")].every((part) => {
          const { left, right } = part.getBoundingClientRect();
          return left >= 0 && right <= 320;
        }) && document.documentElement.scrollWidth <= 320`,
      ),
    ).toBe(true);

  test("a tap on a line of the history says when it was printed, and on the line before and after", async () => {
    const start = Math.floor((Date.now() - 4 * HOUR) / 1000) * 1000 + 7_000;
    const socket = await play("tapped", 60, start);
    await page.goto(`${dashboard.server.origin}/#/s/tapped`);
    await page.see({ text: "the screen" });
    await page.driver.touch([await line(page, 40)]);
    await says(page, 40, start + 40 * MINUTE);
    await fits();
    await shot("tapped");
    await page.tap({ role: "button", name: "The line before" });
    await says(page, 39, start + 39 * MINUTE);
    for (const n of [40, 41]) {
      await page.tap({ role: "button", name: "The line after" });
      await says(page, n, start + n * MINUTE);
    }
    expect(await page.errors()).toEqual([]);
    socket.close();
  }, 120_000);

  test("a keyboard alone comes to the lines of a time, far back in the history, and reads on", async () => {
    const start = Math.floor((Date.now() - 4 * HOUR) / 1000) * 1000;
    const socket = await play("sought", 220, start);
    await page.goto(`${dashboard.server.origin}/#/s/sought`);
    await page.see({ text: "the screen" });
    await page.evaluate(`document.querySelector(".terminal-keys").focus()`);
    await page.driver.chord(["Shift", "Escape"]); // Tab is the program's
    const focused = () => page.evaluate<string>(`document.activeElement.textContent`);
    for (let i = 0; i < 60 && (await focused()) !== "Go to a time"; i++)
      await page.driver.chord(["Shift", "Tab"]); // past the bar of keys
    expect(await focused()).toBe("Go to a time");
    await page.driver.chord(["Enter"]);
    await until("the field is there", () =>
      page.evaluate<boolean>(`document.activeElement.matches(".reading input")`),
    );
    await fits();
    await shot("field");
    await goTo(page, start + 17 * MINUTE + 1000);
    await says(page, 18, start + 18 * MINUTE);
    await shot("found");
    await page.driver.chord(["Enter"]); // the line after
    await says(page, 19, start + 19 * MINUTE);
    await page.tap(GO_TO);
    await goTo(page, start - HOUR);
    await says(page, 0, start);
    await page.tap(GO_TO);
    await goTo(page, Date.now() + HOUR);
    await until("it says that this is the last", async () =>
      (await said(page)).startsWith("Nothing came later. Line 220: "),
    );
    await page.tap({ role: "button", name: "Newest ↓" });
    await until("all is as it was", async () => (await said(page)) === "");
    expect(await page.count({ role: "button", name: "The line after" })).toBe(0);
    expect(await page.errors()).toEqual([]);
    socket.close();
  }, 120_000);

  test("of lines that were stored before times were kept it says that nobody noted it", async () => {
    const socket = await play("older", 60, Date.now() - 2 * HOUR);
    const db = openDatabase(dashboard.data);
    db.run("UPDATE output_log SET timestamp = NULL WHERE session_id = 'older'");
    db.close();
    await page.goto(`${dashboard.server.origin}/#/s/older`);
    await page.see({ text: "the screen" });
    await page.driver.touch([await line(page, 30)]);
    await until("it says so", async () =>
      (await said(page)).startsWith("Line 31: nobody noted when it was printed"),
    );
    socket.close();
  }, 60_000);
});

describe.each(ENGINE_NAMES.filter((name) => name !== "chromium"))("in %s", (name) => {
  test("a tap on a line says when it was printed, and one goes to a time", async () => {
    const { engine, page } = await openEngine(name, 390);
    try {
      const start = Math.floor((Date.now() - 4 * HOUR) / 1000) * 1000;
      const socket = await play(`tap-${name}`, 120, start);
      await page.goto(`${dashboard.server.origin}/#/s/tap-${name}`);
      await page.see({ text: "the screen" });
      await page.driver.mouse(await line(page, 100));
      await says(page, 100, start + 100 * MINUTE);
      await page.click(GO_TO);
      await goTo(page, start + 5 * MINUTE);
      await says(page, 5, start + 5 * MINUTE);
      expect(await page.errors()).toEqual([]);
      socket.close();
    } finally {
      await engine.close();
    }
  }, 180_000);
});
