import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Dashboard, openDashboard, screen } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

async function openSession(id: string, info: object = {}) {
  const socket = await dashboard.playRunner(id, [], info);
  socket.send(screen(id, 1, ["here"]));
  const phone = await dashboard.openPaired();
  await phone.page.goto(`${dashboard.server.origin}/#/s/${id}`);
  await phone.page.getByText("here", { exact: true }).first().waitFor();
  /** What the page sends next; the runner takes it. */
  const typed = async () => {
    const input = await socket.next("input");
    socket.send({ type: "typed", input: input.input, result: "applied", seq: input.seq });
    return input;
  };
  const close = async () => {
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  };
  return { socket, phone, page: phone.page, typed, close };
}

test("a login page is offered to open and to copy, takes its code, and can be sent away", async () => {
  const { socket, page, typed, close } = await openSession("login");
  const url = "https://login.example.com/oauth/authorize?client_id=1&state=2";
  socket.send({ type: "auth_url", session: "login", url });
  const banner = page.getByRole("region", { name: "Login" });
  await banner.waitFor();
  expect(await banner.locator("p").textContent()).toContain("Log in at login.example.com");
  const link = banner.getByRole("link", { name: "Open" });
  expect([await link.getAttribute("href"), await link.getAttribute("rel"), await link.getAttribute("target")]).toEqual([url, "noopener noreferrer", "_blank"]);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await banner.getByRole("button", { name: "Copy" }).click();
  await banner.getByText("Copied.").waitFor();
  expect(await page.evaluate("navigator.clipboard.readText()")).toBe(url);
  await banner.getByLabel("Code from the login page").fill(" ABC-123 ");
  await banner.getByRole("button", { name: "Send" }).click();
  expect(await typed()).toMatchObject({ text: "ABC-123", paste: true, enter: true });

  await page.getByRole("link", { name: /all sessions/ }).click();
  await page.getByText("wants you to log in").waitFor();
  await page.getByRole("link", { name: /^login/ }).click();
  await banner.waitFor();
  await banner.getByRole("button", { name: /Not a login/ }).click();
  await banner.waitFor({ state: "hidden" });
  socket.send({ type: "auth_url", session: "login", url: `${url}3` });
  await banner.waitFor();
  socket.send({ type: "auth_url", session: "login", url: null });
  await banner.waitFor({ state: "hidden" });
  await close();
}, 30_000);

test("an address that is none never becomes a link", async () => {
  const { socket } = await openSession("bad-login");
  socket.send({ type: "auth_url", session: "bad-login", url: "javascript:alert(1)" });
  expect(await socket.closed()).toBe(4400);
  await until("nothing is shown", async () => (await dashboard.machine.sessions()).find(({ id }) => id === "bad-login")?.auth_url === null);
}, 30_000);
