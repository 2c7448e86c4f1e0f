import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Dashboard, openDashboard, screen } from "../support/dashboard.ts";
import { Engine, pairEngine } from "../support/engines.ts";

let dashboard: Dashboard;
let engine: Engine;
beforeAll(async () => {
  dashboard = await openDashboard();
  engine = await Engine.start("chromium");
}, 120_000);
afterAll(async () => {
  await engine.close();
  await dashboard.close();
});

/** A browser in which the page's own code fails where it makes this element. */
const without = (tag: string) => `{
  const make = Document.prototype.createElement;
  Document.prototype.createElement = function (tag, ...rest) {
    if (tag === ${JSON.stringify(tag)}) throw new TypeError("there is no ${tag} here");
    return make.call(this, tag, ...rest);
  };
}`;

test("an entry of a conversation that can't be drawn is told, and the others show", async () => {
  const socket = await dashboard.playRunner("talk");
  const texts = ["first", "above\n\n---\n\nbelow", "last"];
  const entries = texts.map((text) => ({ kind: "assistant", at: 1, text }));
  socket.send({ type: "transcript", session: "talk", next: 3, file: 0, at: 1, entries });
  const page = await engine.open({ before: without("hr") });
  await pairEngine(page, await dashboard.machine.mint("viewer"));
  await page.goto(`${dashboard.server.origin}/#/s/talk/talk`);
  await page.see({ text: "first" });
  await page.see({ text: /can't be shown here/ });
  await page.see({ text: "last" });
  await page.see({ text: /there is no hr here/, within: ".fault[role=alert]" });
  await page.see({ text: "live" });
  await page.close();
  socket.close();
}, 60_000);

test("a session whose row can't be drawn is still in the list, as a way into it", async () => {
  const socket = await dashboard.playRunner("row");
  socket.send(screen("row", 1, ["inside"]));
  const page = await engine.open({ before: without("time") });
  await pairEngine(page, await dashboard.machine.mint("viewer"));
  await page.see({ text: /there is no time here/, within: ".fault" });
  await page.tap({ role: "link", name: "row" });
  await page.see({ text: "inside", within: ".screen" });
  await page.close();
  socket.close();
}, 60_000);

test("a page whose stream can't be read says so, and does not say that it reconnects", async () => {
  const page = await engine.open({
    before: `addEventListener("DOMContentLoaded", () => {
      const { fetch } = window;
      window.fetch = async (...args) => {
        const response = await fetch(...args);
        if (String(args[0]).startsWith("/events")) Object.defineProperty(response, "body", { value: {} });
        return response;
      };
    });`,
  });
  await page.goto(await dashboard.machine.mint("viewer"));
  await page.click({ role: "button", name: "Pair this browser" });
  await page.see({ text: "stopped", within: ".bar" });
  await page.see({ text: /getReader is not a function/, within: ".fault" });
  await page.see({ role: "button", name: "Reload" });
  await page.close();
}, 90_000);

test("a browser that has no more room for the page's drafts and choices still does what it is told", async () => {
  const socket = await dashboard.playRunner("full");
  socket.send(screen("full", 1, ["ready"]));
  const page = await engine.open({
    before:
      "Storage.prototype.setItem = () => { throw new DOMException('no room', 'QuotaExceededError'); };",
  });
  await pairEngine(page, await dashboard.machine.mint("viewer"));
  await page.goto(`${dashboard.server.origin}/#/s/full`);
  await page.see({ text: "ready", within: ".screen" });
  await page.tap({ role: "tab", name: "Conversation" });
  await page.see({ text: /No conversation yet/ });
  await page.tap({ role: "tab", name: "Terminal" });
  await page.fill({ label: "Type to the session" }, "on we go");
  await page.tap({ role: "button", name: "Send" });
  expect(await socket.next("input")).toMatchObject({ text: "on we go" });
  expect(await page.errors()).toEqual([]);
  await page.close();
  socket.close();
}, 60_000);
