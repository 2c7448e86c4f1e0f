import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Dashboard, openDashboard } from "../support/dashboard.ts";
import { ENGINE_NAMES, Engine, pairEngine } from "../support/engines.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

describe.each([...ENGINE_NAMES])("the page in %s", (name) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.start(name);
  }, 120_000);
  afterAll(() => engine.close());

  test("pairs by a link and shows the list, live", async () => {
    const page = await engine.open();
    await pairEngine(page, await dashboard.machine.mint("viewer"));
    await page.see({ text: "No sessions yet" });
    await page.see({ text: "live" });
    expect(await page.errors()).toEqual([]);
    await page.close();
  }, 120_000);
});
