import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { databaseFile } from "../../src/db.ts";
import { LIMITS } from "../../src/types.ts";
import { type Dashboard, makePrompt, openDashboard } from "../support/dashboard.ts";
import { pairDevice } from "../support/phone.ts";
import { until } from "../support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 30_000);
afterAll(() => dashboard.close());

test("the list shows earlier sessions page by page, and every question at once", async () => {
  const socket = await dashboard.playRunner("s_first");
  for (let i = 0; i < LIMITS.listedSessions + 20; i++) {
    const session = {
      id: `s_${i}`,
      host: "box",
      cwd: `/home/me/s_${i}`,
      command: "claude",
      started_at: i + 1,
      hooks: "on",
      activity: "idle",
    };
    socket.send({ type: "session", session, first: 1, prompts: [] });
    socket.send({ type: "exit", session: session.id, exit: { code: 0 }, ended_at: i + 2 });
  }
  const long = "x".repeat(200_000);
  for (const [i, session] of ["q_1", "q_2", "q_3"].entries())
    for (let n = 0; n < 3; n++) {
      const prompt = makePrompt(session, `${session}_${n}`, {
        input: { command: `${i} ${n} ${long}` },
      });
      if (n === 0)
        socket.send({
          type: "session",
          session: {
            id: session,
            host: "box",
            cwd: `/home/me/${session}`,
            command: "claude",
            started_at: Date.now(),
            hooks: "on",
            activity: "idle",
          },
          first: 1,
          prompts: [prompt],
        });
      else socket.send({ type: "prompt", prompt });
    }
  const phone = await dashboard.openPaired();
  const rows = () => phone.page.locator("li.session").count();
  const earlier = phone.page.getByRole("button", { name: "Show earlier sessions" });
  await earlier.waitFor();
  await until(
    "every question has a card",
    async () => (await phone.page.locator(".card").count()) === 9,
  );
  const before = await rows();
  expect(before).toBeLessThanOrEqual(LIMITS.listedSessions);
  await earlier.click();
  await until("the others are there, too", async () => (await rows()) > before);
  await phone.page.getByText("s_0", { exact: true }).waitFor();
  expect(await earlier.isVisible()).toBe(false);
  await phone.context.close();
  socket.close();
}, 90_000);

test("the devices page offers no machine's code, says who makes one, and lets an unused device in again in two steps", async () => {
  const { machine, data, server } = dashboard;
  const tablet = await pairDevice(await machine.mint("viewer"), "viewer", "tablet");
  const desktop = await pairDevice(await machine.mint("machine"), "machine", "desktop");
  const db = new Database(databaseFile(data));
  db.run("UPDATE devices SET created_at = 1, last_seen = 1 WHERE id IN (?, ?)", [
    tablet.device,
    desktop.device,
  ]);
  db.close();
  const phone = await dashboard.openPaired();
  await phone.page.goto(`${server.origin}/#/devices`);
  const kinds = phone.page.getByLabel("What is to be let in");
  expect(await kinds.locator("option").allTextContents()).toEqual([
    "A phone or browser",
    "A laptop or server that runs Claude",
  ]);
  await phone.page.getByText("claude-remote pair --kind machine").waitFor();

  const row = (id: string) => phone.page.locator(`[data-device="${id}"]`);
  await row(desktop.device).getByText(`claude-remote devices admit ${desktop.device}`).waitFor();
  expect(await row(desktop.device).getByRole("button", { name: "Let in again" }).count()).toBe(0);
  await row(tablet.device).getByText("nobody used it for long").waitFor();
  const admit = row(tablet.device).getByRole("button", { name: "Let in again" });
  await admit.click();
  expect(await tablet.code("GET", "/api/sessions")).toEqual([403, "unused"]);
  await admit.click();
  await phone.page.getByText("let tablet in again").waitFor();
  expect((await tablet.request("GET", "/api/sessions")).status).toBe(200);
  expect(phone.suspicious).toEqual([]);
  await phone.context.close();
}, 90_000);
