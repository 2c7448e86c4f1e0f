import type { Page } from "playwright-core";
import { startBrowser } from "./browser.ts";
import type { EngineDriver, PageDriver } from "./engines.ts";
import { confirmed } from "./until.ts";

/** Chromium, by playwright-core. */
export async function startChromium(): Promise<EngineDriver> {
  const browser = await startBrowser();
  return {
    async open({ size, scheme, before }) {
      const context = await browser.newContext({
        viewport: size,
        deviceScaleFactor: 2,
        hasTouch: true,
        isMobile: true,
        colorScheme: scheme,
        ignoreHTTPSErrors: true,
      });
      if (before !== undefined) await context.addInitScript({ content: before });
      return new ChromiumPage(await context.newPage());
    },
    close: () => browser.close(),
  };
}

class ChromiumPage implements PageDriver {
  readonly touches = true;
  private readonly found: string[] = [];

  constructor(private readonly page: Page) {
    page.on("pageerror", (error) => this.found.push(error.message));
    page.on("console", (message) => {
      // a refused request is the test's own doing; the browser writes it down as well
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
        this.found.push(message.text());
    });
  }

  async goto(url: string) {
    await this.page.goto(url);
  }

  async reload() {
    await this.page.reload();
  }

  async back() {
    await this.page.goBack();
  }

  run(script: string): Promise<string> {
    return this.page.evaluate(script);
  }

  async mouse({ x, y }: { x: number; y: number }) {
    await this.page.mouse.click(x, y);
  }

  async touch(way: readonly { x: number; y: number }[]) {
    const session = await this.page.context().newCDPSession(this.page);
    const [start, ...rest] = way;
    if (start === undefined) return;
    const send = (
      type: "touchStart" | "touchMove" | "touchEnd",
      points: { x: number; y: number }[],
    ) => confirmed(session.send("Input.dispatchTouchEvent", { type, touchPoints: points }));
    await send("touchStart", [start]);
    for (const point of rest) await send("touchMove", [point]);
    await send("touchEnd", []);
    await confirmed(session.detach());
  }

  async wheel({ x, y }: { x: number; y: number }, delta: { x: number; y: number }) {
    await this.page.mouse.move(x, y);
    await this.page.mouse.wheel(delta.x, delta.y);
  }

  async chord(keys: readonly string[]) {
    await this.page.keyboard.press(keys.join("+"));
  }

  async type(text: string) {
    await this.page.keyboard.type(text);
  }

  async resize(size: { width: number; height: number }) {
    await this.page.setViewportSize(size);
  }

  async screenshot(): Promise<Uint8Array> {
    return this.page.screenshot();
  }

  async errors() {
    return [...this.found];
  }

  async close() {
    await this.page.context().close();
  }
}
