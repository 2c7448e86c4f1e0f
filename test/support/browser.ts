import { existsSync } from "node:fs";
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";

const PLACES = [
  process.env.CHROMIUM ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Starts the system's Chromium. Throws where there is none: these tests are never skipped silently. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = PLACES.find((place) => place !== "" && existsSync(place));
  if (executablePath === undefined)
    throw new Error(
      "no Chromium here: install it (Debian: apt-get install chromium) or set CHROMIUM to its path",
    );
  const quiet = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  return chromium.launch({
    executablePath,
    args: [...quiet, ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])],
  });
}

/** A phone's page that remembers everything suspicious: errors, violations of the content security policy, requests to elsewhere. */
export interface PhonePage {
  page: Page;
  context: BrowserContext;
  suspicious: string[];
}

export async function openPhonePage(
  browser: Browser,
  origin: string,
  size = { width: 375, height: 667 },
): Promise<PhonePage> {
  const context = await browser.newContext({
    viewport: size,
    deviceScaleFactor: 2,
    hasTouch: true,
    isMobile: true,
    colorScheme: "dark",
  });
  const page = await context.newPage();
  const suspicious: string[] = [];
  page.on("pageerror", (error) => suspicious.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // a refused request is the test's own doing; the browser writes it down as well
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      suspicious.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${origin}/`)) suspicious.push(`request: ${request.url()}`);
  });
  return { page, context, suspicious };
}

/** Pairs a page by a link that leads to `origin`. */
export async function pairPage({ page }: PhonePage, link: string): Promise<void> {
  await page.goto(link);
  await page.getByRole("button", { name: "Pair this browser" }).click();
  await page.locator(".sessions, .empty").first().waitFor();
}

/** Scrolls through what a card asks, to its end. */
export async function readToEnd(card: Locator): Promise<void> {
  await card.locator(".asked").evaluate((box) => box.scrollTo(0, box.scrollHeight));
}
