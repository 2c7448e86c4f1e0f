import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { KEYS } from "./engine-keys.ts";
import { BrowserProcess, browserHome, findProgram, freePort, START_MS } from "./engine-process.ts";
import type { EngineDriver, PageDriver, PageOptions, Point, Size } from "./engines.ts";
import { until } from "./until.ts";

/** Lets the window be as narrow as a phone: by itself MiniBrowser is no narrower than its buttons. */
const NARROW = `window * {
  min-width: 0; min-height: 0; padding: 0; margin: 0; border-width: 0; font-size: 1px;
}`;

/** Where Debian and others put MiniBrowser. */
function miniBrowsers(): string[] {
  return ["/usr/lib", "/usr/libexec", "/usr/lib64"].flatMap((root) => {
    try {
      return [root, ...readdirSync(root).map((name) => join(root, name))].flatMap((dir) =>
        ["webkit2gtk-4.1", "webkit2gtk-4.0", "webkitgtk-6.0"].map((name) =>
          join(dir, name, "MiniBrowser"),
        ),
      );
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
  });
}

/** WebKit, as Debian's WebKitGTK, by WebDriver, on a display of its own that nobody sees. */
export async function startWebKit(): Promise<EngineDriver> {
  const driver = findProgram("WebKitWebDriver", "webkit2gtk-driver", "/usr/bin/WebKitWebDriver");
  const browser = findProgram("MiniBrowser", "webkit2gtk-driver", ...miniBrowsers());
  const xvfb = findProgram("Xvfb", "xvfb", "/usr/bin/Xvfb");
  const home = browserHome();
  const screen = new BrowserProcess(
    [xvfb, "-displayfd", "1", "-screen", "0", "1600x1400x24", "-nolisten", "tcp"],
    home.env,
  );
  const close = async () => {
    await screen.close();
    home.remove();
  };
  try {
    const display = `:${await screen.says(/^(\d+)$/m)}`;
    return { open: (options) => WebKitPage.open(driver, browser, display, options), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Collects what nothing caught, from now on; what was collected before stays with the driver. */
const HOOK = `if (window.__errors === undefined) {
  window.__errors = [];
  addEventListener("error", (event) => window.__errors.push(String(event.error ?? event.message)));
  addEventListener("unhandledrejection", (event) => window.__errors.push(String(event.reason)));
  addEventListener("securitypolicyviolation", (event) => window.__errors.push(event.violatedDirective + " " + event.blockedURI));
}`;

class WebKitPage implements PageDriver {
  readonly touches = false;
  private readonly found: string[] = [];

  private constructor(
    private readonly process: BrowserProcess,
    private readonly home: ReturnType<typeof browserHome>,
    private readonly base: string,
    private readonly session: string,
  ) {}

  static async open(
    driver: string,
    browser: string,
    display: string,
    options: PageOptions,
  ): Promise<WebKitPage> {
    if (options.before !== undefined)
      throw new Error("WebKit's driver can't run a script before the page's own");
    const home = browserHome();
    mkdirSync(join(home.dir, ".config/gtk-3.0"), { recursive: true });
    writeFileSync(join(home.dir, ".config/gtk-3.0/gtk.css"), NARROW);
    const port = await freePort();
    const process = new BrowserProcess([driver, `--port=${port}`], {
      ...home.env,
      DISPLAY: display,
      GDK_BACKEND: "x11",
      GSETTINGS_BACKEND: "memory",
      LIBGL_ALWAYS_SOFTWARE: "1",
    });
    const base = `http://127.0.0.1:${port}`;
    try {
      await until(
        "WebKit's driver listens",
        () =>
          process.running &&
          fetch(`${base}/status`).then(
            ({ ok }) => ok,
            () => false,
          ),
        START_MS,
      );
      const args = ["--automation", ...(options.scheme === "dark" ? ["--dark-mode"] : [])];
      const made = await command(base, "POST", "/session", {
        capabilities: {
          alwaysMatch: {
            acceptInsecureCerts: true,
            pageLoadStrategy: "none",
            "webkitgtk:browserOptions": { binary: browser, args },
          },
        },
      });
      const { sessionId } = v.parse(v.object({ sessionId: v.string() }), made);
      const page = new WebKitPage(process, home, base, sessionId);
      if (options.size !== undefined) await page.resize(options.size);
      return page;
    } catch (error) {
      await process.close();
      home.remove();
      throw error;
    }
  }

  private send(method: string, path: string, body?: object): Promise<unknown> {
    return command(this.base, method, `/session/${this.session}${path}`, body);
  }

  private async script(body: string): Promise<string> {
    return v.parse(
      v.string(),
      await this.send("POST", "/execute/sync", { script: `${HOOK}\n${body}`, args: [] }),
    );
  }

  /** Leaves the document by `go`, and waits until the next one is complete; its errors are collected from the first moment we get. */
  private async navigate(go: () => Promise<unknown>) {
    await this.collect();
    await this.script("window.__left = true; return ''");
    await go();
    await until(
      "WebKit has the page",
      () =>
        this.script("return String(!window.__left && document.readyState === 'complete')").then(
          (complete) => complete === "true",
          () => false, // between two documents there is none to ask
        ),
      START_MS,
    );
  }

  async goto(url: string) {
    const now = v.parse(v.string(), await this.send("GET", "/url"));
    const go = () => this.send("POST", "/url", { url });
    const same = url.includes("#") && url.split("#")[0] === now.split("#")[0];
    if (same) await go();
    else await this.navigate(go);
  }

  async reload() {
    await this.navigate(() => this.send("POST", "/refresh", {}));
  }

  async back() {
    await this.send("POST", "/back", {});
  }

  run(script: string): Promise<string> {
    return this.script(`return ${script}`);
  }

  private async perform(source: object, actions: object[]) {
    await this.send("POST", "/actions", { actions: [{ ...source, actions }] });
    await this.send("DELETE", "/actions");
  }

  async mouse({ x, y }: Point) {
    await this.perform({ type: "pointer", id: "mouse", parameters: { pointerType: "mouse" } }, [
      { type: "pointerMove", duration: 0, x, y },
      { type: "pointerDown", button: 0 },
      { type: "pointerUp", button: 0 },
    ]);
  }

  touch(): Promise<void> {
    throw new Error("WebKitGTK's driver has no finger");
  }

  async wheel({ x, y }: Point, delta: Point) {
    await this.perform({ type: "wheel", id: "wheel" }, [
      { type: "scroll", duration: 0, x, y, deltaX: delta.x, deltaY: delta.y },
    ]);
  }

  async chord(keys: readonly string[]) {
    const values = keys.map((key) => KEYS[key] ?? key);
    await this.perform({ type: "key", id: "keys" }, [
      ...values.map((value) => ({ type: "keyDown", value })),
      ...values.toReversed().map((value) => ({ type: "keyUp", value })),
    ]);
  }

  async type(text: string) {
    await this.perform(
      { type: "key", id: "keys" },
      [...text].flatMap((char) => {
        const value = char === "\n" ? (KEYS.Enter ?? char) : char;
        return [
          { type: "keyDown", value },
          { type: "keyUp", value },
        ];
      }),
    );
  }

  /** The page's size: what the window has besides is found out by looking. */
  async resize({ width, height }: Size) {
    const inner = async () =>
      (await this.script("return innerWidth + ' ' + innerHeight")).split(" ").map(Number);
    let frame = 0;
    await until(`WebKit's page is ${width}×${height}`, async () => {
      await this.send("POST", "/window/rect", { width, height: height + frame });
      const [nowWide = 0, nowHigh = 0] = await inner();
      if (nowWide === width && nowHigh === height) return true;
      if (nowWide === width && nowHigh < height) frame += height - nowHigh;
      else if (nowHigh > height) frame = 0;
      return false;
    });
  }

  async screenshot(): Promise<Uint8Array> {
    return Buffer.from(v.parse(v.string(), await this.send("GET", "/screenshot")), "base64");
  }

  private async collect() {
    const text = await this.script("return JSON.stringify(window.__errors.splice(0))");
    this.found.push(...v.parse(v.array(v.string()), JSON.parse(text)));
  }

  async errors() {
    await this.collect();
    return [...this.found];
  }

  async close() {
    await this.send("DELETE", "").catch(() => undefined); // the group is ended next, whatever it says
    await this.process.close();
    this.home.remove();
  }
}

/** One command of WebDriver. */
async function command(
  base: string,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const response = await fetch(base + path, {
    method,
    signal: AbortSignal.timeout(START_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const { value } = v.parse(v.object({ value: v.unknown() }), await response.json());
  if (!response.ok) throw new Error(`WebKit, ${method} ${path}: ${JSON.stringify(value)}`);
  return value;
}
