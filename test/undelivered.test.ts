import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { OutputPage } from "../src/types.ts";
import { SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { processesIn } from "./support/runner.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

let server: HomeServer;
beforeAll(async () => {
  server = await startHomeServer();
}, 30_000);
afterAll(() => server.stop());

const folder = () => join(server.home.dir, ".local/state/claude-remote/undelivered");
const waiting = () => (existsSync(folder()) ? readdirSync(folder()) : []);
const wrap = (script: string, own: string[] = []) =>
  openTty([...SELF, "run", ...own, "--command", "sh", "--", "-c", script], {
    env: server.home.env,
    cwd: server.home.dir,
    cols: 200,
  });
const found = async (words: string) =>
  (await server.phone.sessions()).find(({ command }) => command.includes(words));
/** What a restart of the machine does to it. */
async function killDeliveries(): Promise<void> {
  await until("it waits", () => waiting().length > 0);
  await until("what is offered is killed", () => {
    const lines = processesIn(server).filter((line) => line.includes("__deliver"));
    for (const line of lines) process.kill(Number.parseInt(line, 10), "SIGKILL");
    return lines.length === 0;
  });
}

test("what ended while the server was away waits on disk, also where nobody offers it any more, and goes with the next session", async () => {
  await server.restart("SIGTERM", async () => {
    const tty = wrap("seq 2000; echo one; exit 9");
    expect(await tty.exited).toEqual({ code: 9 });
    expect(tty.text().replace(/\s+/g, " ")).toContain("not shown on the phone: ");
    await killDeliveries();
    expect(statSync(folder()).mode & 0o777).toBe(0o700);
  });
  expect(await found("echo one")).toBeUndefined();
  const next = wrap("echo two");
  expect(await next.exited).toEqual({ code: 0 });
  const session = await until(
    "it is there, though the next one was over at once",
    async () => {
      const one = await found("echo one");
      return one?.status === "ended" ? one : undefined;
    },
    30_000,
  );
  expect(session.exit).toEqual({ code: 9 });
  const { lines } = await server.phone.get(
    OutputPage,
    "GET",
    `/api/sessions/${session.id}/output?limit=100`,
  );
  expect(lines.at(-1)?.row).toBe("1978");
  await until("nothing waits any more", () => waiting().length === 0);
}, 90_000);

test("so does one whose process was killed", async () => {
  await server.restart("SIGTERM", async () => {
    const tty = wrap("echo killed; sleep 600");
    await tty.sees("killed");
    const line = processesIn(server).find((one) => / run --command sh -- -c echo killed/.test(one));
    process.kill(Number.parseInt(line ?? "", 10), "SIGKILL");
    await tty.exited;
    await killDeliveries();
  });
  const next = wrap("echo next; sleep 2");
  await until("it is there", async () => (await found("echo killed"))?.status === "ended", 30_000);
  await next.exited;
  await until("nothing waits any more", () => waiting().length === 0);
}, 60_000);

test("for thirty days; nothing of `--no-log` waits at all", async () => {
  await server.restart("SIGTERM", async () => {
    expect(await wrap("echo secret", ["--no-log"]).exited).toEqual({ code: 0 });
    expect(waiting()).toEqual([]);
    expect(await wrap("echo ancient").exited).toEqual({ code: 0 });
    await killDeliveries();
    const [name = ""] = waiting();
    const old = Date.now() / 1000 - 31 * 86_400;
    utimesSync(join(folder(), name, "session.json"), old, old);
  });
  const next = wrap("echo later; sleep 2");
  await until("the old one has gone", () => waiting().length === 0, 30_000);
  await next.exited;
  expect(await found("echo ancient")).toBeUndefined();
}, 60_000);
