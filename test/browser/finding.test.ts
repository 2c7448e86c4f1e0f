import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Dashboard, openDashboard, screen } from "../support/dashboard.ts";
import { ENGINE_NAMES, Engine, type EnginePage, pairEngine } from "../support/engines.ts";
import { until } from "../support/until.ts";

/** Where screenshots go, for eyes: nothing is drawn where it is not set. */
const SHOTS = process.env.SCREENSHOTS;
const PORTRAIT = { width: 390, height: 844 };
const LANDSCAPE = { width: 844, height: 390 };
const FIT = { role: "button", name: "Fit the terminal to this screen" } as const;

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

describe.each([...ENGINE_NAMES])("in %s", (name) => {
  let engine: Engine;
  let page: EnginePage;
  beforeAll(async () => {
    engine = await Engine.start(name);
    page = await engine.open({ size: PORTRAIT });
    await pairEngine(page, await dashboard.machine.mint("viewer"));
  }, 180_000);
  afterAll(() => engine.close());
  const shot = async (what: string) => {
    if (SHOTS !== undefined) await page.screenshot(`${SHOTS}/${name}-${what}.png`);
  };
  /** A session whose runner the test plays, on the page. */
  const open = async (id: string, frame: object, rows: string[], place = "") => {
    const socket = await dashboard.playRunner(`${id}-${name}`);
    socket.send(screen(`${id}-${name}`, 1, rows, frame));
    await page.goto(`${dashboard.server.origin}/#/s/${id}-${name}${place}`);
    return socket;
  };

  test("a sideways swipe pans a wide terminal, an upward one scrolls the program in it", async () => {
    const rows = Array.from({ length: 60 }, (_, y) => `row ${y} ${"-".repeat(105)}end`);
    const socket = await open("swipe", { cols: 120, rows: 60, full: true }, rows);
    await page.waitFor(
      "it is drawn",
      `() => document.querySelector(".screen")?.textContent.includes("row 59")`,
    );
    const left = () => page.evaluate<number>(`document.querySelector(".scroller").scrollLeft`);
    const at = { x: 200, y: 400 };
    await page.evaluate(
      `addEventListener("touchmove", (event) => (window.kept ??= []).push(event.defaultPrevented))`,
    );
    const kept = () => page.evaluate<boolean[]>("window.kept ?? []");
    await page.swipe(at, { x: 60, y: 404 });
    await until("the finger has moved", async () => (await kept()).length > 0);
    expect(await kept()).not.toContain(true); // the browser may pan
    // Firefox's driver gives the page its touches past the part of Firefox that pans
    if (name !== "firefox") await until("it has panned", async () => (await left()) > 40);
    const before = await left();
    await page.swipe(at, { x: 204, y: 260 });
    // the first that the page sends at all: nothing of the sideways swipe reached the program
    const input = await socket.next("input");
    expect(new Set(input.keys)).toEqual(new Set(["WheelDown"]));
    expect(await left()).toBe(before);
    expect(await page.errors()).toEqual([]);
    socket.close();
  }, 120_000);

  test("turned there and back, a fitted terminal has the size that a fresh fit takes", async () => {
    const socket = await open("turn", { cols: 80, rows: 24 }, ["here"]);
    await page.see({ text: "here" });
    const asked = async () => {
      const { cols, rows } = await socket.next("resize");
      return { cols, rows };
    };
    await page.tap(FIT);
    const first = await asked();
    await page.resize(LANDSCAPE.width, LANDSCAPE.height);
    let across = await asked();
    // on a slow machine a step of the way may be asked for as well: what counts is the last
    const box = () => page.evaluate<number>(`document.querySelector(".scroller").clientHeight`);
    await until("the rows are those that fit", async () => {
      const fitting = Math.max(5, Math.floor(((await box()) - 16) / 13 / 1.2));
      if (Math.abs(Number(across.rows) - fitting) <= 1) return true;
      across = await asked();
      return false;
    });
    expect(Number(across.cols)).toBeGreaterThan(2 * Number(first.cols) - 4);
    await shot("landscape");
    await page.resize(PORTRAIT.width, PORTRAIT.height);
    let back = await asked();
    while (back.rows !== first.rows || back.cols !== first.cols) back = await asked();
    expect(back).toEqual(first);
    socket.close();
  }, 120_000);

  test("a line far back in the history is shown in its place, marked, and one reads on from there", async () => {
    const id = `hit-${name}`;
    const socket = await dashboard.playRunner(id);
    for (let seq = 1; seq <= 5; seq++) {
      const lines = Array.from({ length: 1000 }, (_, i) => {
        const n = (seq - 1) * 1000 + i;
        return n === 2500 ? "here is the papaya" : `line ${n}`;
      });
      const op = { op: "append", generation: 0, from: (seq - 1) * 1000, lines };
      socket.send({ type: "output", session: id, seq, op });
    }
    socket.send(screen(id, 1, ["bottom"]));
    await until("all is stored", async () =>
      JSON.stringify(
        (await dashboard.machine.json("GET", `/api/sessions/${id}/output?limit=1`)).body,
      ).includes('"next":5000'),
    );
    await page.goto(`${dashboard.server.origin}/#/s/${id}/line/2500?q=papaya`);
    await page.waitFor(
      "the line is marked",
      `() => document.querySelector('.row.found[data-line="2500"] mark')?.textContent === "papaya"`,
    );
    await page.waitFor(
      "it stands in the middle",
      `() => {
        const [row, view] = [".row.found", ".scroller"].map((s) => document.querySelector(s).getBoundingClientRect());
        const at = (row.y + row.height / 2 - view.y) / view.height;
        return at > 0.3 && at < 0.7;
      }`,
    );
    await shot("found");
    const placeOf = () =>
      page.evaluate<number>(
        `document.querySelector('[data-line="2500"]').getBoundingClientRect().y`,
      );
    const lines = () =>
      page.evaluate<number[]>(
        `[...document.querySelectorAll(".history .row")].map((row) => Number(row.dataset.line))`,
      );
    for (const way of [-1, 1]) {
      const edge = async () => (await lines()).at(way < 0 ? 0 : -1) ?? 2500;
      const start = await edge();
      for (let step = 0; step < 60 && (await edge()) === start; step++) {
        const before = await placeOf();
        await page.evaluate(`document.querySelector(".scroller").scrollBy(0, ${way * 200})`);
        await Bun.sleep(100);
        const moved = (before - (await placeOf())) * way;
        expect(moved).toBeGreaterThan(0);
        expect(moved).toBeLessThan(260); // no jump where lines came
      }
      expect(Math.sign((await edge()) - start)).toBe(way);
    }
    const all = await lines();
    expect(all).toEqual(all.map((_, i) => (all[0] ?? 0) + i));
    expect(await page.errors()).toEqual([]);
    socket.close();
  }, 120_000);
});
