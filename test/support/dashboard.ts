import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { type RunningServer, startServer } from "../../src/server.ts";
import type { Prompt, RunnerInfo } from "../../src/types.ts";
import { openPhonePage, type PhonePage, pairPage, startBrowser } from "./browser.ts";
import { type Phone, pairDevice } from "./phone.ts";
import { hello, openSocket, sessionInfo } from "./runner-socket.ts";

type Socket = Awaited<ReturnType<typeof openSocket>>;

/** A server with a browser before it, and sessions whose runners the test plays. */
export interface Dashboard {
  server: RunningServer;
  machine: Phone;
  browser: Browser;
  /** The folder with the server's database. */
  data: string;
  /** A session whose runner the test plays. */
  playRunner(id: string, prompts?: Prompt[], info?: object, device?: Phone): Promise<Socket>;
  /** A daemon that the test plays, on a machine of its own. */
  playDaemon(
    name: string,
    says?: Partial<RunnerInfo>,
    device?: Phone,
  ): Promise<{ socket: Socket; device: Phone; close(): void }>;
  openPaired(): Promise<PhonePage>;
  /** Starts another server on the same data. */
  start(port?: number): Promise<RunningServer>;
  close(): Promise<void>;
}

export async function openDashboard(): Promise<Dashboard> {
  const data = mkdtempSync(join(tmpdir(), "page-test-"));
  const start = (port = 0) =>
    startServer({ host: "127.0.0.1", port, data, insecureLan: false, log: () => undefined });
  const server = await start();
  const machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  const browser = await startBrowser();
  const dashboard: Dashboard = {
    server,
    machine,
    browser,
    data,
    start,
    async playRunner(id, prompts = [], info = {}, device = machine) {
      const socket = await openSocket(dashboard.server.origin, device);
      socket.send(hello);
      socket.send({
        type: "session",
        session: { ...sessionInfo(id), cwd: `/home/me/${id}`, ...info },
        first: 1,
        prompts,
      });
      await socket.next("resume");
      socket.beat();
      return socket;
    },
    async playDaemon(name, says = {}, known) {
      const device = known ?? (await pairDevice(await machine.mint("runner"), "runner", name));
      const socket = await openSocket(dashboard.server.origin, device);
      socket.send({ ...hello, host: name });
      socket.send({ type: "runner", roots: ["/home/me"], recent: [], no_sandbox: null, ...says });
      socket.beat();
      return { socket, device, close: () => socket.close() };
    },
    async openPaired() {
      const phone = await openPhonePage(browser, dashboard.server.origin);
      await pairPage(phone, await machine.mint("viewer"));
      return phone;
    },
    async close() {
      await browser.close();
      await dashboard.server.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
  return dashboard;
}

export function makePrompt(session: string, id: string, view: object): Prompt {
  const whole = {
    tool: "Bash",
    input: {},
    cwd: `/home/me/${session}`,
    host: "box",
    actions: ["approve", "reject"],
    ...view,
  };
  return {
    id,
    session,
    kind: "permission",
    state: "pending",
    created_at: Date.now(),
    view: JSON.stringify(whole),
  };
}

/** A frame of plain rows. */
export const screen = (session: string, rev: number, lines: string[], more: object = {}) => ({
  type: "screen",
  session,
  frame: {
    rev,
    cols: 80,
    rows: lines.length,
    cursor: { x: 0, y: 0, visible: true },
    title: "",
    lines: Object.fromEntries(lines.map((line, y) => [y, line])),
    ...more,
  },
});
