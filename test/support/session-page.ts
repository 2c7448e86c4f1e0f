import { expect } from "bun:test";
import { type PhonePage, pairPage } from "./browser.ts";
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
  const paired = desktop ? await openDesktop(dashboard) : await dashboard.openPaired();
  const { page } = paired;
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
      await paired.context.close();
      socket.close();
    },
  };
}

/** A computer's browser: a mouse, a keyboard and a wide window. */
async function openDesktop(dashboard: Dashboard): Promise<PhonePage> {
  const context = await dashboard.browser.newContext({
    viewport: { width: 1280, height: 800 },
    colorScheme: "dark",
  });
  const page = await context.newPage();
  const suspicious: string[] = [];
  page.on("pageerror", (error) => suspicious.push(`error: ${error.message}`));
  const desktop = { page, context, suspicious };
  await pairPage(desktop, await dashboard.machine.mint("viewer"));
  return desktop;
}
export type SessionPage = Awaited<ReturnType<typeof openSessionPage>>;
