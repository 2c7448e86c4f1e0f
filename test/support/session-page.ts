import { expect } from "bun:test";
import { type Dashboard, screen } from "./dashboard.ts";

/** A session whose runner the test plays, shown on a phone's page, or on a computer's with `desktop`. */
export async function openSessionPage(
  dashboard: Dashboard,
  id: string,
  {
    info = {},
    frame = {},
    desktop = false,
  }: { info?: object; frame?: object; desktop?: boolean } = {},
) {
  const socket = await dashboard.playRunner(id, [], info);
  socket.send(screen(id, 1, ["here"], frame));
  const paired = await dashboard.openPaired();
  let { page } = paired;
  if (desktop) {
    const state = await paired.context.storageState({ indexedDB: true });
    const context = await dashboard.browser.newContext({
      storageState: state,
      viewport: { width: 1280, height: 800 },
      colorScheme: "dark",
    });
    page = await context.newPage();
    page.on("pageerror", (error) => paired.suspicious.push(`error: ${error.message}`));
  }
  await page.goto(`${dashboard.server.origin}/#/s/${id}`);
  await page.getByText("here", { exact: true }).first().waitFor();
  const text = page.getByLabel("Type to the session");
  let rev = 1;
  return {
    ...paired,
    page,
    socket,
    text,
    bar: page.getByRole("toolbar", { name: "Keys" }),
    terminal: page.getByRole("region", { name: "Terminal" }),
    /** The next frame of the screen. */
    show: (lines: string[], more: object = {}) => socket.send(screen(id, ++rev, lines, more)),
    /** What the page sends next; the runner takes it. */
    async typed() {
      const input = await socket.next("input");
      socket.send({ type: "typed", input: input.input, result: "applied", seq: input.seq });
      return input;
    },
    /** What the page sends next; the runner refuses it. */
    async refuse(result: "asked" | "shell" | "order", seq: number) {
      const input = await socket.next("input");
      socket.send({ type: "typed", input: input.input, result, seq });
      return input;
    },
    /** All that browsers keep for the page, as text. */
    kept: () =>
      page.evaluate<string>(
        "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])",
      ),
    async close() {
      expect(paired.suspicious).toEqual([]);
      await page.context().close();
      await paired.context.close();
      socket.close();
    },
  };
}
export type SessionPage = Awaited<ReturnType<typeof openSessionPage>>;
