import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sha256hex } from "../src/auth.ts";
import { type Dashboard, makePrompt, openDashboard } from "./support/dashboard.ts";
import { ENGINE_NAMES, Engine, pairEngine } from "./support/engines.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

describe.each([...ENGINE_NAMES])("in %s", (name) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.start(name);
  }, 120_000);
  afterAll(() => engine.close());

  test("a long command is approved once its end was in view, with its answers on the screen all the time", async () => {
    const command = [...Array<string>(40).fill("echo harmless\u2800\u034f"), "rm -rf /"].join("\n");
    const prompt = makePrompt(`long-${name}`, `p_${name}`, { input: { command } });
    const socket = await dashboard.playRunner(prompt.session, [prompt]);
    const page = await engine.open({ size: { width: 390, height: 844 } });
    await pairEngine(page, await dashboard.machine.mint("viewer"));
    await page.goto(`${dashboard.server.origin}/#/s/${prompt.session}`);
    await page.waitFor(
      "it is armed",
      `document.querySelector(".card .reject")?.disabled === false && !document.querySelector(".further").hidden`,
    );
    const places = await page.evaluate<boolean[]>(
      `[...document.querySelectorAll(".reject, .approve, .further")].map((one) => {
        const { top, bottom, height } = one.getBoundingClientRect();
        return height > 30 && top >= 0 && bottom <= innerHeight;
      })`,
    );
    expect(places).toEqual([true, true, true]);
    expect(await page.evaluate<boolean>(`document.querySelector(".approve").disabled`)).toBe(true);
    expect(
      await page.evaluate<string>(`document.querySelector(".command").textContent.split("\\n")[0]`),
    ).toBe("echo harmlessU+2800U+034F");
    await page.evaluate(`document.querySelector(".asked").scrollTo(0, 100)`);
    expect(await page.evaluate<boolean>(`document.querySelector(".approve").disabled`)).toBe(true);
    await page.evaluate(`document.querySelector(".asked").scrollTo(0, 100_000)`);
    await page.click({ role: "button", name: "Approve" });
    expect((await socket.next("decide")).shown).toBe(sha256hex(prompt.view));
    expect(await page.errors()).toEqual([]);
    await page.close();
    socket.close();
  }, 180_000);
});
