import { type Dashboard, screen } from "./dashboard.ts";
import type { EnginePage } from "./engines.ts";

/** A session whose runner a test plays, and its terminal on a page. */
export async function openTerminalPage(dashboard: Dashboard, page: EnginePage, session: string) {
  const socket = await dashboard.playRunner(session);
  let rev = 0;
  let seq = 0;
  const texts = () =>
    page.evaluate<string[]>(
      `[...document.querySelectorAll(".terminal .row:not([hidden])")].map((row) => row.textContent)`,
    );
  const terminal = {
    /** Sends the rows of a screen. */
    send(lines: string[], more: object = {}) {
      socket.send(screen(session, ++rev, lines, more));
    },
    /** Appends lines to the history. */
    append(from: number, lines: string[]) {
      const op = { op: "append", generation: 0, from, lines };
      socket.send({ type: "output", session, seq: ++seq, op });
    },
    /** Sends history and rows, opens the session and waits until all of it is drawn. */
    async show(lines: string[], more: object = {}, history: string[] = []) {
      if (history.length > 0) terminal.append(0, history);
      terminal.send(lines, more);
      await page.goto(`${dashboard.server.origin}/#/s/${session}`);
      await terminal.shows([...history, ...lines].map((payload) => payload.split("\n")[0] ?? ""));
    },
    /** Waits until these are the texts of the rows. */
    async shows(wanted: string[]) {
      await page.waitFor(
        `the rows are ${JSON.stringify(wanted).slice(0, 200)}`,
        `(wanted) => [...document.querySelectorAll(".terminal .row:not([hidden])")].map((row) => row.textContent).join("|") === wanted.join("|")`,
        wanted,
      );
      await page.evaluate(
        "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))",
      );
    },
    texts,
    close: () => socket.close(),
  };
  return terminal;
}
