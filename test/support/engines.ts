import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { startChromium } from "./engine-chromium.ts";
import { startFirefox } from "./engine-firefox.ts";
import { asScript, describe, FILL, FIND, POINT, SWIPE, type Target } from "./engine-script.ts";
import { startWebKit } from "./engine-webkit.ts";
import { until } from "./until.ts";

export type { Target } from "./engine-script.ts";

/** How long something may take to come up on a page, in ms: a slow machine, not a limit that says something. */
const PATIENCE_MS = 30_000;

export interface Size {
  width: number;
  height: number;
}

export interface PageOptions {
  size?: Size;
  scheme?: "dark" | "light";
  /** A script that runs before any of the page's own, in every document. WebKit's driver has no way to do that and throws. */
  before?: string;
}

export interface Point {
  x: number;
  y: number;
}

/** What an engine's driver does for a page, each in its own protocol. All else is built on it, alike for all engines. */
export interface PageDriver {
  /** Whether `touch` comes from a device of the engine; if not, a page gets events that a script made. */
  readonly touches: boolean;
  goto(url: string): Promise<void>;
  reload(): Promise<void>;
  back(): Promise<void>;
  /** Runs a script whose value is a promise of a string, past the page's content security policy. */
  run(script: string): Promise<string>;
  mouse(at: Point): Promise<void>;
  touch(way: readonly Point[]): Promise<void>;
  /** Turns the wheel at a place. */
  wheel(at: Point, delta: Point): Promise<void>;
  /** Presses keys together: the last of them is the key, those before it are held. */
  chord(keys: readonly string[]): Promise<void>;
  type(text: string): Promise<void>;
  resize(size: Size): Promise<void>;
  screenshot(): Promise<Uint8Array>;
  errors(): Promise<string[]>;
  close(): Promise<void>;
}

export interface EngineDriver {
  open(options: Required<Omit<PageOptions, "before">> & PageOptions): Promise<PageDriver>;
  close(): Promise<void>;
}

/** Every engine that the tests drive. One more is a file with a driver, and a line here. */
const ENGINES = {
  chromium: startChromium,
  firefox: startFirefox,
  webkit: startWebKit,
} satisfies Record<string, () => Promise<EngineDriver>>;

export type EngineName = keyof typeof ENGINES;
export const ENGINE_NAMES = ["webkit", "firefox", "chromium"] as const satisfies EngineName[];

/** A browser engine as a process of its own. */
export class Engine {
  private readonly pages = new Set<EnginePage>();

  private constructor(
    readonly name: EngineName,
    private readonly driver: EngineDriver,
  ) {}

  /** Starts an engine. Throws where it is not installed: these tests are never skipped silently. */
  static async start(name: EngineName): Promise<Engine> {
    return new Engine(name, await ENGINES[name]());
  }

  /** A page in a browser that keeps nothing of what other pages stored. */
  async open(options: PageOptions = {}): Promise<EnginePage> {
    const driver = await this.driver.open({
      size: { width: 390, height: 844 },
      scheme: "dark",
      ...options,
    });
    const page = new EnginePage(this.name, driver);
    this.pages.add(page);
    return page;
  }

  /** Ends every process that was started for this engine. */
  async close(): Promise<void> {
    for (const page of this.pages) await page.close().catch(() => undefined); // its process may be gone
    await this.driver.close();
  }
}

/** A page, driven the same way whatever the engine. */
export class EnginePage {
  private closed = false;

  constructor(
    readonly engine: EngineName,
    readonly driver: PageDriver,
  ) {}

  goto(url: string): Promise<void> {
    return this.driver.goto(url);
  }

  reload(): Promise<void> {
    return this.driver.reload();
  }

  back(): Promise<void> {
    return this.driver.back();
  }

  /** The value of an expression, or of a function that gets the arguments; promises are awaited. What it throws is thrown here. */
  async evaluate<T = unknown>(expression: string, ...args: unknown[]): Promise<T> {
    const answer = JSON.parse(await this.driver.run(asScript(expression, args)));
    if (answer.thrown !== undefined) throw new Error(`${this.engine}: ${answer.thrown}`);
    return answer.value;
  }

  /** Waits until an expression gives something other than false, undefined or null. */
  waitFor<T = unknown>(what: string, expression: string, ...args: unknown[]) {
    return until(
      `${what} (${this.engine})`,
      () => this.evaluate<T>(expression, ...args),
      PATIENCE_MS,
    );
  }

  /** Waits until a target can be seen. */
  async see(target: Target): Promise<void> {
    await this.waitFor(
      `${said(target)} is seen`,
      `(target) => ${FIND}(target).length > 0`,
      describe(target),
    );
  }

  /** Waits until a target can no longer be seen. */
  async gone(target: Target): Promise<void> {
    await this.waitFor(
      `${said(target)} is gone`,
      `(target) => ${FIND}(target).length === 0`,
      describe(target),
    );
  }

  /** How many of a target can be seen now. */
  count(target: Target): Promise<number> {
    return this.evaluate(`(target) => ${FIND}(target).length`, describe(target));
  }

  /** The texts of a target's elements that can be seen now. */
  texts(target: Target): Promise<string[]> {
    return this.evaluate(
      `(target) => ${FIND}(target).map((element) => element.textContent)`,
      describe(target),
    );
  }

  /** A field's value. */
  value(target: Target): Promise<string> {
    return this.evaluate(`(target) => ${FIND}(target)[0].value`, describe(target));
  }

  /** Where a target's middle is, once it stands still in view and nothing covers it. */
  async point(target: Target): Promise<Point> {
    let why = "";
    try {
      return await until(
        `${said(target)} can be tapped (${this.engine})`,
        async () => {
          const found = await this.evaluate<Point & { why?: string }>(POINT, describe(target));
          why = found.why ?? "";
          return found.why === undefined && found;
        },
        PATIENCE_MS,
      );
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}: ${why}`);
    }
  }

  async click(target: Target): Promise<void> {
    await this.driver.mouse(await this.point(target));
  }

  /** Taps with a finger; with the mouse where the engine's driver has no finger. */
  async tap(target: Target): Promise<void> {
    const point = await this.point(target);
    await (this.driver.touches ? this.driver.touch([point]) : this.driver.mouse(point));
  }

  /** Moves a finger in steps of 1/8 of the way. Where the engine has no finger, a script makes the events and scrolls. */
  async swipe(from: Point, to: Point): Promise<void> {
    const way = Array.from({ length: 9 }, (_, step) => ({
      x: Math.round(from.x + ((to.x - from.x) * step) / 8),
      y: Math.round(from.y + ((to.y - from.y) * step) / 8),
    }));
    if (this.driver.touches) await this.driver.touch(way);
    else await this.evaluate(SWIPE, way);
  }

  wheel(at: Point, delta: Point): Promise<void> {
    return this.driver.wheel(at, delta);
  }

  /** Replaces what stands in a field. */
  async fill(target: Target, text: string): Promise<void> {
    let why = "";
    await until(
      `${said(target)} can be filled (${this.engine})`,
      async () => {
        why = await this.evaluate<string>(FILL, describe(target), text);
        return why === "";
      },
      PATIENCE_MS,
    );
  }

  /** Types text by keys where the focus is. */
  type(text: string): Promise<void> {
    return this.driver.type(text);
  }

  /** Presses a key such as "Enter", or several together such as "Control+c". */
  press(keys: string): Promise<void> {
    return this.driver.chord(keys.split(/\+(?!$)/));
  }

  resize(width: number, height: number): Promise<void> {
    return this.driver.resize({ width, height });
  }

  /** Writes what the page looks like to a file. */
  async screenshot(path: string): Promise<void> {
    mkdirSync(dirname(path), { recursive: true });
    await Bun.write(path, await this.driver.screenshot());
  }

  /** Uncaught errors, unhandled rejections, and violations of the content security policy so far. */
  errors(): Promise<string[]> {
    return this.driver.errors();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.driver.close();
  }
}

const said = (target: Target) =>
  typeof target === "string"
    ? target
    : Object.values(target)
        .filter((part) => part !== undefined)
        .join(" ");

/** Pairs a page by a link, and waits until the list is there. */
export async function pairEngine(page: EnginePage, link: string): Promise<void> {
  await page.goto(link);
  await page.click({ role: "button", name: "Pair this browser" });
  await page.see(".sessions, .empty");
}
