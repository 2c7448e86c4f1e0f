import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { violations } from "./support/axe.ts";
import { type Dashboard, openDashboard, screen } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
let daemon: Awaited<ReturnType<Dashboard["playDaemon"]>>;
const open: (() => void | Promise<void>)[] = [];
let device = 0;

const RECENT = [
  "/home/me/app",
  "/home/me/שלום/עולם",
  "/home/me/漢字の非常に長い名前のフォルダ",
  "/home/me/a\u202eb",
];
const ID = "0b8a2f6e-1111-4222-8333-444455556666";

beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A daemon of a name of its own, and a phone; earlier ones of other tests are revoked. */
async function begin(says: object = {}) {
  const { devices } = (await dashboard.machine.json("GET", "/api/devices")).body as {
    devices: { id: string; kind: string; revoked_at: number | null }[];
  };
  for (const { id, kind, revoked_at } of devices)
    if (kind === "runner" && revoked_at === null)
      await dashboard.machine.request("DELETE", `/api/devices/${id}`);
  daemon = await dashboard.playDaemon(`box${++device}`, { recent: RECENT, ...says });
  open.push(daemon.close);
  const phone = await dashboard.openPaired();
  open.push(async () => {
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
  });
  const go = (hash: string) => phone.page.goto(`${dashboard.server.origin}/${hash}`);
  return { ...phone, go, name: `box${device}` };
}
/** A session of the daemon's, as it reports it on a connection of its own. */
async function report(id: string, info: object = {}) {
  const socket = await dashboard.playRunner(
    id,
    [],
    { args: [], host: `box${device}`, cwd: "/home/me/app", desk: false, ...info },
    daemon.device,
  );
  const close = () => socket.close();
  open.push(close);
  return { socket, close };
}
const end = (socket: Awaited<ReturnType<typeof report>>["socket"], session: string, exit: object) =>
  socket.send({ type: "exit", session, exit, ended_at: Date.now() });
const folder = (page: Page) => page.getByRole("combobox", { name: "Folder" });
const start = (page: Page) => page.getByRole("button", { name: /^Start/ });
/** Answers the next question for folders. */
async function complete(folders: string[]) {
  const find = await daemon.socket.next("find");
  expect(find.what).toBe("folders");
  daemon.socket.send({ type: "found", request: find.request, folders });
  return find.path;
}
const overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";

describe("a session is started", () => {
  test("from the list: a recent folder with one tap, then Start, which leads to the session before it appears", async () => {
    const { page } = await begin();
    await page.getByRole("link", { name: "New session" }).click();
    await page.getByRole("button", { name: "/home/me/app" }).waitFor();
    expect(await folder(page).inputValue()).toBe("/home/me/app"); // the latest
    await page.getByRole("button", { name: /^\/home\/me\/漢字/ }).click();
    await start(page).click();
    const asked = await daemon.socket.next("start");
    expect(asked).toMatchObject({ cwd: RECENT[2], args: [], sandbox: false });
    expect(asked.cols).toBeGreaterThan(30);
    expect(asked.cols).toBeLessThan(60);
    expect(await start(page).isDisabled()).toBe(true);
    await page.getByRole("button", { name: "Starting…" }).waitFor();
    daemon.socket.send({ type: "started", request: asked.request, session: asked.id });
    const { socket } = await report(asked.id ?? "", { cwd: RECENT[2] });
    socket.send(screen(asked.id ?? "", 1, ["it is here"]));
    await page.getByText("it is here", { exact: true }).first().waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "Running" }).waitFor(); // not a form that would start it again
  }, 40_000);

  test("in a folder that is typed and completed, level by level, by keyboard or by thumb", async () => {
    const { page, go } = await begin();
    await go("#/new");
    await folder(page).fill("");
    await start(page).click();
    await page.getByText("In which folder?").waitFor();
    await folder(page).fill("/home/me/co");
    expect(await page.getByText("In which folder?").isVisible()).toBe(false);
    expect(await complete(["/home/me/code", "/home/me/cooking"])).toBe("/home/me/co");
    const options = page.getByRole("listbox").getByRole("option");
    await until(
      "two are offered",
      async () => (await options.allTextContents()).join() === "code,cooking",
    );
    expect(await folder(page).getAttribute("aria-expanded")).toBe("true");
    await page.keyboard.press("ArrowDown");
    expect(await options.and(page.locator("[aria-selected=true]")).textContent()).toBe("code");
    expect(await folder(page).getAttribute("aria-activedescendant")).toBe("folder-0");
    await page.keyboard.press("Enter");
    expect(await complete(["/home/me/code/\u202egpj.exe", "/home/me/code/שלום"])).toBe(
      "/home/me/code/",
    );
    await options.filter({ hasText: "שלום" }).tap();
    expect(await complete([])).toBe("/home/me/code/שלום/");
    await page.getByText("No folders in there.").waitFor();
    expect(await page.evaluate("document.activeElement.id")).toBe("folder"); // the keyboard stays
    await page.keyboard.press("Enter"); // starts nothing
    await start(page).click();
    expect((await daemon.socket.next("start")).cwd).toBe("/home/me/code/שלום");
  }, 40_000);

  test("with options, going on with an earlier conversation, or in a sandbox, with those of its own; what was chosen is there the next time", async () => {
    const { page, go } = await begin();
    await go("#/new");
    await page.getByText("Conversation:").click();
    const find = await daemon.socket.next("find");
    expect([find.what, find.path]).toEqual(["conversations", "/home/me/app"]);
    const conversations = [{ id: ID, at: Date.now() - 3_600_000, title: "Fix the \u202eparser" }];
    daemon.socket.send({ type: "found", request: find.request, conversations });
    await page.getByRole("radio", { name: "Fix the U+202Eparser 1 h ago" }).check();
    await page.getByText("Options").click();
    await page.getByLabel("Model").fill("not a model");
    await page.getByLabel("Permission mode").selectOption("plan");
    await page.getByLabel("Effort").selectOption("high");
    await page.getByLabel("Name").fill("שמש");
    await start(page).click();
    await page.getByText("That is no name of a model.").waitFor();
    await page.getByLabel("Model").fill("opus");
    await start(page).click();
    const first = await daemon.socket.next("start");
    const args = [
      "--model",
      "opus",
      "--permission-mode",
      "plan",
      "--effort",
      "high",
      "--name",
      "שמש",
    ];
    expect([first.args, first.sandbox]).toEqual([[...args, "--resume", ID], false]);
    daemon.socket.send({ type: "started", request: first.request, refused: "Too many already." });
    await page.getByText("Too many already.").waitFor();
    await page.getByRole("switch", { name: "Sandbox" }).check();
    const inside = await daemon.socket.next("find");
    expect([inside.what, inside.path]).toEqual(["sandboxed", "/home/me/app"]);
    daemon.socket.send({
      type: "found",
      request: inside.request,
      conversations: [{ ...conversations[0], title: "Inside" }],
    });
    await page.getByRole("radio", { name: "Inside" }).waitFor();
    expect(await page.getByRole("radio", { name: "a new one" }).isChecked()).toBe(true); // what was chosen is not there
    await start(page).click();
    const asked = await daemon.socket.next("start");
    expect([asked.args, asked.sandbox]).toEqual([args, true]);
    expect(asked.id).not.toBe(first.id); // that one was refused
    daemon.socket.send({
      type: "started",
      request: asked.request,
      refused: "This folder is gone: /home/me/app",
    });
    await page
      .getByRole("alert")
      .filter({ hasText: "This folder is gone: /home/me/app" })
      .waitFor();

    await page.reload();
    await folder(page).waitFor();
    await page.getByText("Options").click();
    expect([
      await page.getByLabel("Model").inputValue(),
      await page.getByLabel("Permission mode").inputValue(),
    ]).toEqual(["opus", "plan"]);
    expect(await page.getByRole("switch").isChecked()).toBe(true);
    expect(await page.getByLabel("Name").inputValue()).toBe(""); // that was this one's
    await page.getByRole("switch").uncheck();
    await page.getByText("Conversation: a new one").waitFor();
  }, 40_000);

  test("once, however often it is tapped, and where the answer was lost on the way", async () => {
    const { page, go } = await begin();
    let lost = 0;
    await page.route(/\/api\/runners\/.*\/sessions$/, async (route) => {
      if (lost++ > 0) return route.continue();
      await route.fetch();
      await route.abort();
    });
    await go("#/new");
    await start(page).dblclick();
    const first = await daemon.socket.next("start");
    daemon.socket.send({ type: "started", request: first.request, session: first.id });
    await page.getByText("it starts no second time").waitFor();
    await start(page).click();
    const second = await daemon.socket.next("start");
    expect(second.id).toBe(first.id ?? "");
    daemon.socket.send({ type: "started", request: second.request, session: second.id });
    await report(first.id ?? "");
    await page.getByRole("region", { name: "Terminal" }).waitFor();
  }, 40_000);

  test("after the phone was locked half way: what was set up is still there", async () => {
    const { page, go } = await begin();
    await go("#/new");
    await folder(page).fill("/home/me/half");
    await page.getByRole("switch").check();
    const hide = (hidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true }); document.dispatchEvent(new Event("visibilitychange"))`,
      );
    await hide(true);
    await hide(false);
    await until("it is back", async () => (await folder(page).inputValue()) === "/home/me/half");
    expect(await page.getByRole("switch").isChecked()).toBe(true);
  }, 40_000);
});

describe("where it can't be", () => {
  test("how far the image of its sandboxes has come is told, and a machine that starts nothing outside of one says so", async () => {
    const { page, go } = await begin({ sandbox_image: { state: "building", step: "step 2 of 7" } });
    await go("#/new");
    await page.getByText("Its image is being built there (step 2 of 7)").waitFor();
    expect(await page.getByRole("switch").isEnabled()).toBe(true);
    daemon.socket.send({
      type: "runner",
      roots: ["/home/me"],
      recent: RECENT,
      no_sandbox: null,
      sandbox_always: true,
      sandbox_image: { state: "ready" },
    });
    await page.getByText("That machine starts Claude in one always.").waitFor();
    expect(await page.getByRole("switch").isChecked()).toBe(true);
    expect(await page.getByRole("switch").isDisabled()).toBe(true);
    await start(page).click();
    expect((await daemon.socket.next("start")).sandbox).toBe(true);
  }, 40_000);

  test("it is told: a machine that is away, since when, and one without a sandbox, why", async () => {
    const { page, go, name } = await begin({ no_sandbox: "No Docker engine answers." });
    await go("#/new");
    await page.getByText("No Docker engine answers.").waitFor();
    expect(await page.getByRole("switch").isDisabled()).toBe(true);
    daemon.close();
    await page
      .getByText(
        new RegExp(`The runner on ${name} is not connected since .*: nothing can be started there`),
      )
      .waitFor();
    expect(await start(page).isDisabled()).toBe(true);
    daemon = await dashboard.playDaemon(name, { recent: ["/home/me/other"] }, daemon.device);
    open.push(daemon.close);
    await page.getByRole("button", { name: "/home/me/other" }).waitFor();
    expect(await start(page).isEnabled()).toBe(true);
    expect(await page.getByRole("switch").isEnabled()).toBe(true);

    // a sandbox that was asked for is never left out in silence
    await page.getByRole("switch").check();
    daemon.socket.send({
      type: "runner",
      roots: ["/home/me"],
      recent: ["/home/me/other"],
      no_sandbox: "The engine is down.",
    });
    await page.getByText("The engine is down.").waitFor();
    await start(page).click();
    const enclosed = await daemon.socket.next("start");
    expect(enclosed.sandbox).toBe(true);
    daemon.socket.send({
      type: "started",
      request: enclosed.request,
      refused: "The engine is down.",
    });
    await page.getByRole("alert").filter({ hasText: "The engine is down." }).waitFor();
    await page.getByRole("switch").uncheck();
    expect(await page.getByRole("switch").isDisabled()).toBe(true);

    const second = await dashboard.playDaemon("second", { recent: ["/home/me/second"] });
    open.push(second.close);
    await page.getByRole("radio", { name: "second" }).check();
    expect(await folder(page).inputValue()).toBe("/home/me/second");
    daemon.close();
    const away = page.getByRole("radio", { name: new RegExp(`${name} not connected since`) });
    await away.waitFor();
    expect(await away.isDisabled()).toBe(true);
    await start(page).click();
    await second.socket.next("start");
  }, 40_000);

  test("nothing offers it where no machine starts sessions, but how to get one", async () => {
    const { page, go } = await begin();
    daemon.close();
    await dashboard.machine.request("DELETE", `/api/devices/${daemon.device.device}`);
    await go("#/new");
    await page
      .getByText(
        "No machine here starts sessions. On one that is paired, run `claude-remote runner --root ~/src`",
      )
      .waitFor();
    await go("#/");
    await page.getByText("Devices and notifications").waitFor();
    await until(
      "the list is there",
      async () => (await page.locator(".session, .empty").count()) > 0,
    );
    expect(await page.getByRole("link", { name: "New session" }).isVisible()).toBe(false);
  }, 40_000);

  test("the list tells once of a machine that is away, with what ran there", async () => {
    const { page, name } = await begin();
    await report("gone", { cwd: "/home/me/gone" });
    await page.getByRole("link", { name: /^gone/ }).waitFor();
    for (const close of open.splice(2)) await close(); // the session's connection
    daemon.close();
    const said = await page.waitForFunction(`(() => {
      const link = [...document.querySelectorAll(".session a")].find(({ innerText }) => /^\\s*gone[^]*not connected since/.test(innerText));
      return link && { ofTheRunner: document.querySelector("main").innerText.includes("The runner on") };
    })()`);
    expect(await said.jsonValue()).toEqual({ ofTheRunner: false }); // it may be back at once
    const heading = page.getByRole("heading", {
      name: new RegExp(`^The runner on ${name} is not connected since`),
    });
    await heading.waitFor();
    const group = page.locator(".group", { has: heading });
    await group.getByRole("link", { name: /^gone/ }).waitFor();
    expect((await group.textContent())?.match(/not connected/g)).toHaveLength(1);
  }, 40_000);
});

describe("a session in a sandbox", () => {
  test("says what was asked for in vain and how to allow it, and in the end what it changed, as it is", async () => {
    const { page, go } = await begin();
    const box = await dashboard.playRunner("s_box", [], {
      sandbox: true,
      refused: ["registry.npmjs.org"],
    });
    open.push(() => box.close());
    await go("#/");
    await page.getByText("asked for registry.npmjs.org").waitFor();
    await go("#/s/s_box");
    await page
      .getByText(
        "The sandbox asked for registry.npmjs.org; allow with --sandbox-host registry.npmjs.org.",
      )
      .waitFor();
    const refused = ["registry.npmjs.org", "deb.debian.org:80"];
    box.send({ type: "status", session: "s_box", hooks: "on", activity: "idle", refused });
    await page
      .getByText("allow with --sandbox-host registry.npmjs.org --sandbox-host deb")
      .waitFor();
    const changed = ["a\u202eb/Makefile", "<img src=x onerror=alert(1)>/.envrc"];
    const exit = { code: 0, refused, changed };
    box.send({ type: "exit", session: "s_box", exit, ended_at: Date.now() });
    await page
      .getByText(
        "It changed files that tell programs outside what to run: aU+202Eb/Makefile, <img src=x onerror=alert(1)>/.envrc.",
      )
      .waitFor();
    await page.getByText("asked for registry.npmjs.org, deb.debian.org:80; allow with").waitFor();
  }, 40_000);
});

describe("a session that is over", () => {
  test("says how it ended and starts again with one tap, the same", async () => {
    const { page, go } = await begin();
    const { socket } = await report("over", {
      args: ["--model", "opus", "--continue"],
      sandbox: true,
    });
    end(socket, "over", { code: 137, signal: "SIGKILL" });
    await go("#/s/over");
    await page.getByText("This session is over: killed (SIGKILL).").waitFor();
    expect(await page.locator(".place .tag").textContent()).toBe("sandbox");
    const again = page.getByRole("button", {
      name: "Start again",
      description:
        /^Start again begins anew, in the same folder and with the same options\. To go on/,
    });
    await again.dblclick();
    const asked = await daemon.socket.next("start");
    expect(asked).toMatchObject({
      cwd: "/home/me/app",
      args: ["--model", "opus", "--continue"],
      sandbox: true,
    });
    await report(asked.id ?? "", { cwd: "/home/me/again" });
    daemon.socket.send({ type: "started", request: asked.request, session: asked.id });
    await page.getByRole("heading", { name: "again" }).waitFor();
  }, 40_000);

  test("says why it can't be where its machine is away, and what the machine refuses", async () => {
    const { page, go, name } = await begin();
    const { socket } = await report("refused");
    end(socket, "refused", { code: 1, lost: true });
    await go("#/s/refused");
    await page.getByText("This session is over: lost: its claude-remote was killed.").waitFor();
    await page.getByRole("button", { name: "Start again" }).click();
    const asked = await daemon.socket.next("start");
    daemon.socket.send({
      type: "started",
      request: asked.request,
      refused: "That is outside the folders it may work in.",
    });
    await page.getByText("That is outside the folders it may work in.").waitFor();
    daemon.close();
    await page
      .getByText(
        new RegExp(
          `The runner on ${name} is not connected since .*: it can't be started again now`,
        ),
      )
      .waitFor();
    expect(await page.getByRole("button", { name: "Start again" }).isDisabled()).toBe(true);
  }, 40_000);

  test("one from a desk has no such button, but a new session is set up in its folder, on that machine's daemon", async () => {
    const { page, go, name } = await begin();
    const socket = await dashboard.playRunner("desk", [], { cwd: "/home/me/desk", host: name });
    end(socket, "desk", { code: 3 });
    await go("#/s/desk");
    await page.getByText("This session is over: exit code 3.").waitFor();
    await page.getByRole("link", { name: "New session here" }).click();
    await until(
      "its folder is chosen",
      async () => (await folder(page).inputValue()) === "/home/me/desk",
    );
    await go("#/s/desk");
    await page.getByRole("link", { name: "New session here" }).waitFor();
    expect(await page.getByRole("button", { name: "Start again" }).isVisible()).toBe(false);
    socket.close();
  }, 40_000);
});

describe("a session is stopped", () => {
  const rest = () => Bun.sleep(450); // what comes up takes no tap at first

  test("by a menu that says what each does: Escape for Claude, and a second tap before what can't be undone", async () => {
    const { page, go } = await begin();
    const { socket } = await report("stop");
    socket.send(screen("stop", 1, ["here"]));
    await go("#/s/stop");
    await page.getByText("here", { exact: true }).first().waitFor();
    await page.clock.install();
    await page.clock.pauseAt(Date.now() + 5000); // what comes too soon comes too soon, however slow the machine is
    const menu = page.getByRole("button", { name: "Stop: interrupt, end or kill" });
    const dialog = page.getByRole("dialog", { name: "Stop" });
    await menu.click();
    await dialog.getByRole("link", { name: "New session here" }).waitFor();
    await dialog.getByRole("button", { name: /^Interrupt Presses Escape/ }).click(); // too soon
    expect(await dialog.isVisible()).toBe(true);
    await page.clock.resume();
    await rest();
    await page.clock.runFor(500);
    await dialog.getByRole("button", { name: /^Interrupt/ }).click();
    const input = await socket.next("input");
    expect(input.keys).toEqual(["Escape"]);
    socket.send({ type: "typed", input: input.input, result: "applied", seq: input.seq });
    await dialog.waitFor({ state: "detached" });
    expect(await page.evaluate("document.activeElement.textContent")).toBe("stop…"); // back where one was

    await menu.click();
    await page.clock.runFor(500);
    await dialog.getByRole("button", { name: /^End/ }).click();
    const sure = page.getByRole("dialog", { name: "End this session?" });
    await sure.waitFor();
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Cancel");
    await page.clock.runFor(500);
    await sure.getByRole("button", { name: "End it" }).click();
    expect((await socket.next("stop")).signal).toBe("SIGTERM");
    await page.getByText("Told to end…").waitFor();
    await page.clock.runFor(5100);
    await page.getByText("It was told to end and has not.").waitFor();
    await page.getByRole("button", { name: "Kill…" }).click();
    await page.clock.runFor(500);
    await page
      .getByRole("dialog", { name: "Kill this session?" })
      .getByRole("button", { name: "Kill it" })
      .click();
    expect((await socket.next("stop")).signal).toBe("SIGKILL");
    end(socket, "stop", { code: 137, signal: "SIGKILL" });
    await page.getByText("This session is over: killed (SIGKILL).").waitFor();
  }, 40_000);

  test("that does not react to what was typed says so, and goes on as soon as it does", async () => {
    const { page, go } = await begin();
    const { socket } = await report("hangs", { hooks: "none" });
    socket.send(screen("hangs", 1, ["here"]));
    await go("#/s/hangs");
    await page.getByText("here", { exact: true }).first().waitFor();
    await page.clock.install();
    await page.getByRole("button", { name: "Up", exact: true }).click();
    const up = await socket.next("input");
    socket.send({ type: "typed", input: up.input, result: "applied", seq: up.seq });
    await page.clock.pauseAt(Date.now() + 5000); // from here on it moves as it is told
    await page.getByLabel("Type to the session").fill("hello?");
    await page.getByRole("button", { name: "Send" }).click();
    await page.clock.runFor(9000);
    expect(await page.getByText("it may hang").isVisible()).toBe(false);
    const bar = await page.getByRole("toolbar", { name: "Keys" }).boundingBox();
    await page.clock.runFor(1100);
    await page
      .getByText("Nothing has changed on the screen since you typed: it may hang.")
      .waitFor();
    expect((await page.getByRole("toolbar", { name: "Keys" }).boundingBox())?.y).toBe(bar?.y ?? 0); // nothing moves under the thumb
    await page.clock.resume();
    await page.locator(".stuck").getByRole("button", { name: "Interrupt" }).click();
    for (let keys: string[] | undefined; keys?.[0] !== "C-c"; ) {
      const input = await socket.next("input");
      keys = input.keys;
      socket.send({ type: "typed", input: input.input, result: "applied", seq: input.seq });
    }
    socket.send(screen("hangs", 2, ["^C"]));
    await page.getByText("it may hang").waitFor({ state: "hidden" });
  }, 40_000);

  test("of which nothing is heard any more is killed by its daemon", async () => {
    const { page, go } = await begin();
    const { close } = await report("cut");
    await go("#/s/cut");
    await page.getByRole("region", { name: "Terminal" }).waitFor();
    close();
    await page
      .getByText("Its machine is connected, but nothing is heard of this session: it may hang.")
      .waitFor();
    await page.getByRole("button", { name: "Kill…" }).click();
    await rest();
    await page.getByRole("button", { name: "Kill it" }).click();
    expect(await daemon.socket.next("stop")).toMatchObject({ session: "cut", signal: "SIGKILL" });
  }, 40_000);
});

test("all of it suits a screen reader, a narrow phone, twice the text and forced colours", async () => {
  const { page, go } = await begin();
  const { socket } = await report("axe-stop");
  await go("#/new");
  await folder(page).fill("/home/me/");
  await complete(RECENT);
  await page.getByRole("listbox").getByRole("option").first().waitFor();
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await page.getByText("Options").click();
  await page.getByText("Conversation:").click();
  const find = await daemon.socket.next("find");
  daemon.socket.send({
    type: "found",
    request: find.request,
    conversations: [{ id: ID, at: 1, title: "x".repeat(200) }],
  });
  await page.getByRole("radio", { name: /^xxx/ }).waitFor();
  expect(await violations(page)).toEqual([]);
  await page.setViewportSize({ width: 320, height: 568 });
  expect(await page.evaluate(overflow)).toBe(0);
  await page.evaluate(`document.documentElement.style.fontSize = "200%"`);
  expect(await page.evaluate(overflow)).toBe(0);
  await page.getByLabel("Name").scrollIntoViewIfNeeded();
  const [field, bar] = [
    await page.getByLabel("Name").boundingBox(),
    await page.locator(".go").boundingBox(),
  ];
  expect((field?.y ?? 0) + (field?.height ?? 0)).toBeLessThanOrEqual((bar?.y ?? 0) + 1); // Start hides nothing for good

  await go("#/s/axe-stop");
  await page.getByRole("button", { name: /^Stop/ }).click();
  const dialog = page.getByRole("dialog", { name: "Stop" });
  expect(await page.evaluate(overflow)).toBe(0);
  await page.evaluate(`document.documentElement.style.fontSize = ""`);
  expect(await violations(page)).toEqual([]);
  for (const button of await dialog.getByRole("button").all())
    expect((await button.boundingBox())?.height).toBeGreaterThanOrEqual(48);
  await page.emulateMedia({ forcedColors: "active" });
  expect(
    await page.evaluate(
      `getComputedStyle(document.querySelector("dialog form > button")).borderTopWidth`,
    ),
  ).toBe("2px");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  end(socket, "axe-stop", { code: 0 });
  await page.getByText("This session is over.", { exact: true }).waitFor();
  expect(await violations(page)).toEqual([]);
}, 60_000);
