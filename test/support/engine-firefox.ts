import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { KEYS } from "./engine-keys.ts";
import { BrowserProcess, browserHome, findProgram } from "./engine-process.ts";
import type { EngineDriver, PageDriver, PageOptions, Point, Size } from "./engines.ts";

/** What a fresh profile needs: no first-run pages, nothing that is fetched by itself, a touch screen. */
const PREFERENCES: Record<string, string | number | boolean> = {
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "dom.w3c_touch_events.enabled": 1,
  "extensions.getAddons.cache.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,#remote-settings-dummy/v1",
  "toolkit.telemetry.enabled": false,
};

const SCHEME_PREFERENCE = "layout.css.prefers-color-scheme.content-override";

/** Firefox without a window, by WebDriver BiDi. */
export async function startFirefox(): Promise<EngineDriver> {
  const program = findProgram(
    "Firefox",
    "firefox-esr",
    process.env.FIREFOX,
    "/usr/bin/firefox-esr",
    "/usr/bin/firefox",
    "/Applications/Firefox.app/Contents/MacOS/firefox",
  );
  const home = browserHome();
  const lines = Object.entries(PREFERENCES).map(
    ([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`,
  );
  writeFileSync(join(home.dir, "user.js"), lines.join(""));
  const browser = new BrowserProcess(
    [
      program,
      "--headless",
      "--no-remote",
      "--profile",
      home.dir,
      "--remote-debugging-port",
      "0",
      "--remote-allow-system-access",
    ],
    home.env,
  );
  try {
    const bidi = await BiDi.connect(`${await browser.says(/BiDi listening on (ws:\S+)/)}/session`);
    await bidi.send("session.new", {
      capabilities: { alwaysMatch: { acceptInsecureCerts: true } },
    });
    await bidi.send("session.subscribe", { events: ["log.entryAdded"] });
    return {
      async open(options) {
        await setPreference(bidi, SCHEME_PREFERENCE, options.scheme === "dark" ? 0 : 1);
        return FirefoxPage.open(bidi, options);
      },
      async close() {
        bidi.close();
        await browser.close();
        home.remove();
      },
    };
  } catch (error) {
    await browser.close();
    home.remove();
    throw error;
  }
}

/** The protocol has no word for the colour scheme; the browser's own script scope sets the preference while it runs. */
async function setPreference(bidi: BiDi, name: string, value: number): Promise<void> {
  const tree = await bidi.send("browsingContext.getTree", { "moz:scope": "chrome" });
  const { contexts } = v.parse(
    v.object({ contexts: v.array(v.object({ context: v.string() })) }),
    tree,
  );
  const [first] = contexts;
  if (first === undefined) throw new Error("Firefox has no window");
  await bidi.send("script.evaluate", {
    expression: `Services.prefs.setIntPref(${JSON.stringify(name)}, ${value})`,
    target: { context: first.context },
    awaitPromise: false,
  });
}

const Answer = v.object({
  id: v.optional(v.nullable(v.number())),
  type: v.string(),
  method: v.optional(v.string()),
  params: v.optional(v.unknown()),
  result: v.optional(v.unknown()),
  message: v.optional(v.string()),
});

const LogEntry = v.object({
  level: v.string(),
  text: v.nullable(v.string()),
  source: v.object({ context: v.optional(v.string()) }),
});

/** A connection that carries commands and their answers by number. */
class BiDi {
  private count = 0;
  private readonly waiting = new Map<
    number,
    { resolve(result: unknown): void; reject(error: Error): void; method: string }
  >();
  /** Who hears what a page's console says. */
  readonly listeners = new Map<string, (text: string) => void>();

  private constructor(private readonly socket: WebSocket) {
    socket.addEventListener("message", ({ data }) => this.take(String(data)));
    socket.addEventListener("close", () => {
      for (const { reject, method } of this.waiting.values())
        reject(new Error(`Firefox is gone, it did not answer ${method}`));
    });
  }

  static connect(url: string): Promise<BiDi> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.addEventListener("open", () => resolve(new BiDi(socket)));
      socket.addEventListener("error", () => reject(new Error(`no connection to ${url}`)));
    });
  }

  send(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, method });
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  private take(text: string): void {
    const answer = v.parse(Answer, JSON.parse(text));
    if (answer.method === "log.entryAdded") {
      const { level, text: words, source } = v.parse(LogEntry, answer.params);
      if (level === "error") this.listeners.get(source.context ?? "")?.(words ?? "");
    }
    const waiting = this.waiting.get(answer.id ?? 0);
    if (waiting === undefined) return;
    this.waiting.delete(answer.id ?? 0);
    if (answer.type === "success") waiting.resolve(answer.result);
    else waiting.reject(new Error(`Firefox, ${waiting.method}: ${answer.message}`));
  }

  close(): void {
    this.socket.close();
  }
}

class FirefoxPage implements PageDriver {
  readonly touches = true;
  private readonly found: string[] = [];

  private constructor(
    private readonly bidi: BiDi,
    private readonly context: string,
    private readonly user: string,
  ) {
    bidi.listeners.set(context, (text) => this.found.push(text));
  }

  static async open(bidi: BiDi, options: PageOptions): Promise<FirefoxPage> {
    const { userContext } = v.parse(
      v.object({ userContext: v.string() }),
      await bidi.send("browser.createUserContext"),
    );
    const { context } = v.parse(
      v.object({ context: v.string() }),
      await bidi.send("browsingContext.create", { type: "tab", userContext }),
    );
    if (options.before !== undefined)
      await bidi.send("script.addPreloadScript", {
        functionDeclaration: `() => { ${options.before} }`,
        contexts: [context],
      });
    const page = new FirefoxPage(bidi, context, userContext);
    if (options.size !== undefined) await page.resize(options.size);
    return page;
  }

  private send(method: string, params: object = {}): Promise<unknown> {
    return this.bidi.send(method, { context: this.context, ...params });
  }

  async goto(url: string) {
    await this.send("browsingContext.navigate", { url, wait: "complete" });
  }

  async reload() {
    await this.send("browsingContext.reload", { wait: "complete" });
  }

  async back() {
    await this.send("browsingContext.traverseHistory", { delta: -1 });
  }

  async run(script: string): Promise<string> {
    const { result } = v.parse(
      v.object({ result: v.object({ value: v.string() }) }),
      await this.bidi.send("script.evaluate", {
        expression: script,
        target: { context: this.context },
        awaitPromise: true,
        userActivation: true,
      }),
    );
    return result.value;
  }

  private async perform(source: object, actions: object[]) {
    await this.send("input.performActions", { actions: [{ id: "a", ...source, actions }] });
    await this.send("input.releaseActions");
  }

  async mouse(at: Point) {
    await this.perform({ type: "pointer", id: "mouse" }, [
      { type: "pointerMove", ...at },
      { type: "pointerDown", button: 0 },
      { type: "pointerUp", button: 0 },
    ]);
  }

  async touch([start = { x: 0, y: 0 }, ...rest]: readonly Point[]) {
    await this.perform({ type: "pointer", id: "finger", parameters: { pointerType: "touch" } }, [
      { type: "pointerMove", ...start },
      { type: "pointerDown", button: 0 },
      ...rest.map((point) => ({ type: "pointerMove", ...point, duration: 16 })),
      { type: "pointerUp", button: 0 },
    ]);
  }

  async wheel(at: Point, delta: Point) {
    await this.perform({ type: "wheel", id: "wheel" }, [
      { type: "scroll", ...at, deltaX: delta.x, deltaY: delta.y },
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

  async resize(size: Size) {
    await this.send("browsingContext.setViewport", { viewport: size, devicePixelRatio: 2 });
  }

  async screenshot(): Promise<Uint8Array> {
    const { data } = v.parse(
      v.object({ data: v.string() }),
      await this.send("browsingContext.captureScreenshot"),
    );
    return Buffer.from(data, "base64");
  }

  async errors() {
    return [...this.found];
  }

  async close() {
    this.bidi.listeners.delete(this.context);
    await this.bidi.send("browser.removeUserContext", { userContext: this.user });
  }
}
