import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import type { CDPSession, Page } from "playwright-core";
import { openPhonePage, pairPage } from "./support/browser.ts";
import { type Dashboard, openDashboard, screen } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

/** A full-screen program of a desk that is wider than the phone. */
const WIDE = { cols: 120, rows: 50, full: true };
const rows = Array.from({ length: WIDE.rows }, (_, y) => `row ${y} ${"-".repeat(105)}end`);

let dashboard: Dashboard;
let socket: Awaited<ReturnType<Dashboard["playRunner"]>>;
let page: Page;
let cdp: CDPSession;
let suspicious: string[];
/** The keys that the page has sent, in order. */
const keys: string[] = [];

beforeAll(async () => {
  dashboard = await openDashboard();
  socket = await dashboard.playRunner("wide");
  socket.send(screen("wide", 1, rows, WIDE));
  const size = { width: 390, height: 844 };
  const phone = await openPhonePage(dashboard.browser, dashboard.server.origin, size);
  await pairPage(phone, await dashboard.machine.mint("viewer"));
  ({ page, suspicious } = phone);
  cdp = await page.context().newCDPSession(page);
  await page.goto(`${dashboard.server.origin}/#/s/wide`);
  await page.getByText("row 3 ").first().waitFor();
}, 60_000);
afterAll(() => dashboard.close());

const left = () => page.locator(".scroller").evaluate(({ scrollLeft }) => scrollLeft);
const top = () => page.locator(".scroller").evaluate(({ scrollTop }) => scrollTop);
beforeEach(async () => {
  // at the left edge and in the middle of nothing: the screen is as high as its box, so both ends are reached
  await page
    .locator(".scroller")
    .evaluate((scroller) => scroller.scrollTo(0, scroller.scrollHeight));
  keys.length = 0;
});

/** Moves one finger along these points, from the middle of the terminal. */
async function swipe(...moves: [x: number, y: number][]): Promise<void> {
  const [x, y] = [200, 330];
  const at = (dx: number, dy: number) => [{ x: x + dx, y: y + dy, id: 1 }];
  const send = (
    type: "touchStart" | "touchMove" | "touchEnd",
    touchPoints: { x: number; y: number }[],
  ) => cdp.send("Input.dispatchTouchEvent", { type, touchPoints });
  await send("touchStart", at(0, 0));
  let from: [number, number] = [0, 0];
  for (const to of moves) {
    for (let step = 1; step <= 5; step++)
      await send(
        "touchMove",
        at(from[0] + ((to[0] - from[0]) * step) / 5, from[1] + ((to[1] - from[1]) * step) / 5),
      );
    from = to;
  }
  await send("touchEnd", []);
}

/** Takes what the page sends until this key is among it. */
async function sent(key: string): Promise<void> {
  while (!keys.includes(key)) {
    const input = await socket.next("input");
    keys.push(...(input.keys ?? []));
    socket.send({ type: "typed", input: input.input, result: "applied", seq: input.seq });
  }
}
/** Something is sent after all that came before: what is not among the keys then was not sent. */
async function settled(): Promise<void> {
  await page.getByRole("button", { name: "Esc", exact: true }).click();
  await sent("Escape");
}
const wheels = () => new Set(keys.filter((key) => key.startsWith("Wheel")));

test("a sideways swipe pans a terminal that is wider than the phone, to its right edge", async () => {
  expect(await left()).toBe(0);
  await swipe([-120, 0]);
  await until("it has moved", async () => (await left()) > 60);
  await swipe([-180, 4]);
  await swipe([-180, -4]);
  await swipe([-180, 0]);
  const atEnd = () =>
    page.locator(".scroller").evaluate((s) => s.scrollLeft + s.clientWidth >= s.scrollWidth - 2);
  await until("its right edge is in view", atEnd);
  await settled();
  expect(wheels()).toEqual(new Set());
});

test("an up or down swipe scrolls the program, and moves nothing sideways", async () => {
  await swipe([3, -150]);
  await sent("WheelDown");
  await settled();
  expect(wheels()).toEqual(new Set(["WheelDown"]));
  expect(await left()).toBe(0);
});

test("the first move decides: sideways and then down never reaches the program", async () => {
  await swipe([-60, -5], [-60, -160]);
  await until("it has panned", async () => (await left()) > 20);
  await settled();
  expect(wheels()).toEqual(new Set());
});

test("the first move decides: down and then sideways never pans", async () => {
  await swipe([-4, -60], [-160, -60], [-160, -110]);
  await sent("WheelDown");
  await settled();
  expect(await left()).toBe(0);
});

test("a diagonal first move goes with its larger part", async () => {
  await swipe([-60, -45], [-120, -90]);
  await until("it has panned", async () => (await left()) > 20);
  await settled();
  expect(wheels()).toEqual(new Set());
  keys.length = 0;
  const before = await left();
  await swipe([-45, -60], [-90, -120]);
  await settled();
  expect(wheels()).toEqual(new Set(["WheelDown"]));
  expect(await left()).toBe(before);
});

test("two fingers are the browser's, also where only one of them moves on", async () => {
  const send = (type: "touchStart" | "touchMove" | "touchEnd", ...points: [number, number][]) =>
    cdp.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: points.map(([x, y], id) => ({ x, y, id })),
    });
  await send("touchStart", [150, 330]);
  await send("touchStart", [150, 330], [250, 330]);
  for (let d = 0; d < 40; d += 8) await send("touchMove", [150, 330 - d], [250, 330 - d]);
  for (let d = 0; d < 100; d += 10) await send("touchMove", [150, 290 - d]);
  await send("touchEnd");
  await settled();
  expect(wheels()).toEqual(new Set());
});

test("a wheel that turns sideways pans, with shift as well; up and down scrolls the program", async () => {
  await page.mouse.move(200, 330);
  await page.mouse.wheel(70, 0);
  await until("it has panned", async () => (await left()) > 50);
  await page.mouse.wheel(0, 120);
  await sent("WheelDown");
  keys.length = 0;
  await page.mouse.wheel(40, -9); // a trackpad that is not quite level
  await until("it has panned on", async () => (await left()) > 90);
  await page.keyboard.down("Shift");
  await page.mouse.wheel(0, 90);
  await page.keyboard.up("Shift");
  await settled();
  expect(wheels()).toEqual(new Set());
});

test("a program without the whole screen is not scrolled, whatever moves", async () => {
  socket.send(screen("wide", 2, rows, { ...WIDE, full: false }));
  await until("it is drawn", () => page.getByText("row 49 ").first().isVisible());
  const before = await top();
  await swipe([0, 120]);
  await page.mouse.wheel(0, -60);
  await until("the page scrolls itself", async () => (await top()) !== before || before === 0);
  await settled();
  expect(wheels()).toEqual(new Set());
  expect(suspicious).toEqual([]);
});
