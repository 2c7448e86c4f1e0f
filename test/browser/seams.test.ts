import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { pairPage } from "../support/browser.ts";
import { type Dashboard, openDashboard, screen } from "../support/dashboard.ts";
import { until } from "../support/until.ts";

let dashboard: Dashboard;
/** A page that no policy keeps from looking at a picture's pixels. */
let viewer: Page;
beforeAll(async () => {
  dashboard = await openDashboard();
  viewer = await dashboard.browser.newPage();
}, 60_000);
afterAll(() => dashboard.close());

/** The colours in a column of a picture, from top to bottom, without repetitions. */
const coloursIn = (png: Buffer, column: number): Promise<string[]> =>
  viewer.evaluate(
    `(async () => {
      const bytes = Uint8Array.from(atob("${png.toString("base64")}"), (char) => char.charCodeAt(0));
      const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const canvas = new OffscreenCanvas(image.width, image.height);
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(Math.floor(${column} * image.width), 0, 1, image.height);
      const colours = [];
      for (let i = 0; i < data.length; i += 4) {
        const colour = [...data.slice(i, i + 3)].join(" ");
        if (colours.at(-1) !== colour) colours.push(colour);
      }
      return colours;
    })()`,
  );

const cols = [41, 66, 97];
const scales = [1, 2, 2.625, 3];
test.each(scales.flatMap((scale) => cols.map((cols) => ({ scale, cols }))))(
  "at $scale pixels a CSS pixel and with $cols columns nothing of the ground shows between coloured rows, nor between blocks",
  async ({ scale, cols }) => {
    const session = `seams-${cols}-${String(scale).replace(".", "-")}`;
    const socket = await dashboard.playRunner(session);
    const half = Math.floor(cols / 2);
    const text = `${" ".repeat(half)}${"█".repeat(cols - half)}`;
    const lines = Array.from(
      { length: 12 },
      () => `${text}\n${half}g#00ff00 ${cols - half}f#ff0000`,
    );
    socket.send(screen(session, 1, lines, { cols, cursor: { x: 0, y: 0, visible: false } }));
    const context = await dashboard.browser.newContext({
      viewport: { width: 391, height: 701 },
      deviceScaleFactor: scale,
    });
    const page = await context.newPage();
    await pairPage({ page, context, suspicious: [] }, await dashboard.machine.mint("viewer"));
    for (const font of ["DejaVu Sans Mono", "Noto Mono"]) {
      await page.evaluate(`document.documentElement.style.setProperty("--mono", '"${font}"')`);
      await page.goto(`${dashboard.server.origin}/#/s/${session}`);
      await until(
        "the rows are drawn",
        async () => (await page.locator(".screen .row").count()) === 12,
      );
      const png = await page.locator(".screen").screenshot();
      // the first and the last line of pixels may be half of the picture's frame
      const between = (colours: string[]) =>
        colours.filter((_, i) => i > 0 && i < colours.length - 1);
      const [ground, blocks] = [
        await coloursIn(png, 0.25),
        await coloursIn(png, (half + 5.5) / cols), // the middle of a block
      ];
      expect([font, "ground", ...between(ground)]).toEqual([
        font,
        "ground",
        ...(between(ground).length === 0 ? [] : ["0 255 0"]),
      ]);
      expect(ground).toContain("0 255 0");
      expect([font, "blocks", new Set(between(blocks)).size <= 1]).toEqual([font, "blocks", true]);
      expect(blocks.some((colour) => /^2\d\d [0-9] [0-9]$/.test(colour))).toBe(true);
    }
    await context.close();
    socket.close();
  },
  60_000,
);
