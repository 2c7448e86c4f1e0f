import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { databaseFile } from "../src/db.ts";
import { AuditEntry, OutputPage } from "../src/types.ts";
import { openPhonePage, pairPage, startBrowser } from "./support/browser.ts";
import { SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { pairDevice } from "./support/phone.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

// a disk of its own that can be filled: a small tmpfs, which only root may mount, and not in every container
const disk = mkdtempSync(join(tmpdir(), "disk-test-"));
const mounted =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], { stderr: "ignore" })
    .success;
afterAll(() => {
  if (mounted) Bun.spawnSync(["umount", "-l", disk]);
  rmSync(disk, { recursive: true, force: true });
});

const filler = join(disk, "filler");
/** Takes every byte that is left. */
function fill(): void {
  const fd = openSync(filler, "a");
  for (const size of [1024 * 1024, 4096]) {
    try {
      for (;;) writeSync(fd, new Uint8Array(size));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    }
  }
  closeSync(fd);
}
const health = async (server: HomeServer): Promise<unknown> =>
  (await fetch(`${server.origin}/healthz`)).json();

/** A session whose runner the test plays, with a question that is answered. */
async function play(
  server: HomeServer,
  device: Awaited<ReturnType<typeof pairDevice>>,
  id: string,
) {
  const socket = await openSocket(server.origin, device);
  socket.beat();
  socket.send(hello);
  socket.send({ type: "session", session: sessionInfo(id), first: 1, prompts: [] });
  await socket.next("resume");
  return {
    socket,
    async asks(name: string) {
      const view = JSON.stringify({
        tool: "Bash",
        input: { command: name },
        cwd: "/x",
        host: "box",
        actions: ["approve", "reject"],
      });
      const prompt = {
        id: `${id}_${name}`,
        session: id,
        kind: "permission",
        state: "pending",
        created_at: Date.now(),
        view,
      };
      socket.send({ type: "prompt", prompt });
      const seen = await until(`${name} is asked`, async () =>
        (await server.phone.prompts()).find((other) => other.id === prompt.id),
      );
      const approved = server.phone.approve(seen);
      const decide = await socket.next("decide");
      socket.send({ type: "decided", decision: decide.decision, result: "sent" });
      const answer = {
        by: "viewer",
        device: server.phone.device,
        name: "test phone",
        decision: "approve",
        at: Date.now(),
        receipt: "applied",
      };
      socket.send({ type: "prompt", prompt: { ...prompt, state: "answered", answer } });
      return [decide.prompt, (await approved).status];
    },
    close: () => socket.close(),
  };
}

test.skipIf(!mounted)(
  "a disk that is full costs nothing but time: the desk goes on, questions are answered, and what is history comes once there is room",
  async () => {
    const server = await startHomeServer({ args: ["--data", disk] });
    const browser = await startBrowser();
    const machine = await pairDevice(await server.machine.mint("machine"), "machine", "box");
    const page = await openPhonePage(browser, server.origin);
    await pairPage(page, await server.phone.mint("viewer"));
    const script = "for n in 1 2 3; do read x; seq $n''00001 $n''05000; done; read x; exit 7";
    const tty = openTty([...SELF, "run", "--command", "sh", "--", "-c", script], {
      env: server.home.env,
      cwd: server.home.dir,
    });
    try {
      const id = await until(
        "the session is shown",
        async () => (await server.phone.sessions()).find(({ status }) => status === "running")?.id,
        20_000,
      );
      const next = async () =>
        (await server.phone.get(OutputPage, "GET", `/api/sessions/${id}/output?limit=1`)).next;
      tty.type("\r");
      await until("history is stored", async () => (await next()) > 4900);
      const stream = await server.phone.events();
      const played = await play(server, machine, "s_played");
      expect(await played.asks("before")).toEqual(["s_played_before", 200]);

      fill();
      tty.type("\r");
      await tty.sees("205000"); // at the desk nothing is felt of it
      await stream.next("disk", ({ full }) => full);
      await until("the log has it", () => server.log().includes("disk full"));
      expect(await health(server)).toEqual({ ok: true, disk: "full" });
      await page.page.getByText("The server’s disk is full").waitFor();
      const stored = await next();
      expect(stored).toBeLessThan(10_000);

      // with every byte taken, once more each time
      for (const name of ["one", "two", "three"]) {
        fill();
        expect(await played.asks(name)).toEqual([`s_played_${name}`, 200]);
      }
      const audit = await server.phone.get(
        v.object({ entries: v.array(AuditEntry) }),
        "GET",
        "/api/audit",
      );
      expect(audit.entries.filter(({ action }) => action === "approve").length).toBe(4);
      const late = await play(server, machine, "s_late"); // one that begins now
      expect(await late.asks("late")).toEqual(["s_late_late", 200]);
      late.socket.send({
        type: "exit",
        session: "s_late",
        exit: { code: 0 },
        ended_at: Date.now(),
      });
      await late.socket.next("ended");
      late.close();
      const thief = await pairDevice(await server.phone.mint("viewer"), "viewer", "lent");
      expect((await server.phone.request("DELETE", `/api/devices/${thief.device}`)).status).toBe(
        200,
      );
      expect((await thief.request("GET", "/api/sessions")).status).toBe(401);
      played.close();

      // killed, it starts again on a disk that is still full, and what was acknowledged is there
      await server.restart("SIGKILL", async () => fill());
      expect(await health(server)).toEqual({ ok: true, disk: "full" });
      await until(
        "the session is back",
        async () =>
          (await server.phone.sessions()).find((session) => session.id === id)?.status ===
          "running",
        20_000,
      );
      expect(await next()).toBe(stored);
      tty.type("\r");
      await tty.sees("305000");
      const again = await play(server, machine, "s_again");
      expect(await again.asks("again")).toEqual(["s_again_again", 200]);
      again.close();

      rmSync(filler);
      await until("all of it is stored", async () => (await next()) === 15_000 + 3 - 23, 40_000);
      await until("the log has it", () => server.log().includes("disk has room"));
      expect(await health(server)).toEqual({ ok: true });
      await until(
        "the page says so no more",
        async () =>
          (await page.page.getByText("The server’s disk is full").count()) === 0 ||
          (await page.page.locator(".notice").isHidden()),
      );
      expect(statSync(join(disk, "reserve")).size).toBe(4 * 1024 * 1024);
      tty.type("\r");
      expect(await tty.exited).toEqual({ code: 7 });
      await until(
        "its end is known",
        async () =>
          (await server.phone.sessions()).find((session) => session.id === id)?.exit?.code === 7,
      );

      server.process().kill("SIGKILL");
      await server.process().exited;
      const db = new Database(databaseFile(disk), { readwrite: true });
      expect(db.query("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
      const rows = db
        .query<{ line: number; row: string }, [string]>(
          "SELECT line, row FROM output_log WHERE session_id = ? ORDER BY line",
        )
        .all(id);
      const numbers = rows.map(({ row }) => row).filter((row) => row !== "");
      db.close();
      expect(rows.map(({ line }) => line)).toEqual(rows.map((_, i) => i));
      const whole = [1, 2, 3].flatMap((n) =>
        Array.from({ length: 5000 }, (_, i) => String(n * 100_000 + i + 1)),
      );
      expect(numbers).toEqual(whole.slice(0, numbers.length));
      expect(numbers.length).toBeGreaterThan(14_950);
      expect(page.suspicious).toEqual([]);
    } finally {
      tty.pty.kill("SIGKILL");
      await browser.close();
      await server.stop();
    }
  },
  120_000,
);
