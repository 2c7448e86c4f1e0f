/**
 * `bun .ci/icons.ts`: draws the page's PNG icons anew from public/icon.svg, in Chromium. A launcher may cut them to any shape (maskable): the
 * ground goes to the edges, and what stands on it keeps within the circle that is never cut, 40 % of the side in radius.
 */
import { join, resolve } from "node:path";
import { startBrowser } from "../test/support/browser.ts";

const SIZES = { "icon-192.png": 192, "icon-512.png": 512, "icon-180.png": 180 };
const dir = resolve(import.meta.dir, "../public");
const svg = await Bun.file(join(dir, "icon.svg")).text();
const ground = /<rect width="64" height="64" rx="14" fill="(#[0-9a-f]{6})"\/>/.exec(svg);
if (ground === null)
  throw new Error("icon.svg has another ground: this knows only the one it was written for");
const maskable = svg
  .replace(
    ground[0],
    `<rect width="64" height="64" fill="${ground[1]}"/><g transform="translate(32 32) scale(0.85) translate(-34 -32)">`,
  )
  .replace("</svg>", "</g></svg>");

const browser = await startBrowser();
const page = await browser.newPage();
for (const [name, side] of Object.entries(SIZES)) {
  await page.setViewportSize({ width: side, height: side });
  await page.setContent(
    `<style>*{margin:0}svg{display:block;width:100vw;height:100vh}</style>${maskable}`,
  );
  await page.screenshot({ path: join(dir, name) });
}
await browser.close();
