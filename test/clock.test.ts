import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { deviceKeys, randomNonce, signRequest, toBase64url } from "../src/auth.ts";
import { savePairing } from "../src/runner/pairing.ts";
import { type RunningServer, startServer } from "../src/server.ts";
import { openPhonePage, pairPage, startBrowser } from "./support/browser.ts";
import { emptyHome } from "./support/home.ts";
import { errorCode, expectParsed, type Phone, pairDevice } from "./support/phone.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

const HOUR = 3600_000;
const CLI = resolve(import.meta.dir, "../src/cli.ts");

let data: string;
let server: RunningServer;
let machine: Phone;
let viewer: Phone;
/** How far the server's machine is off, in ms. */
let off: number;
const start = (port = 0) =>
  startServer({
    host: "127.0.0.1",
    port,
    data,
    insecureLan: false,
    log: () => undefined,
    wall: () => Date.now() + off,
  });
beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), "clock-test-"));
  off = 0;
  server = await start();
  machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  viewer = await pairDevice(await machine.mint("viewer"), "viewer", "phone");
});
afterEach(async () => {
  await server.stop();
  rmSync(data, { recursive: true, force: true });
});
async function restart(whileDown: () => void = () => undefined) {
  await server.stop();
  whileDown();
  server = await start(server.port);
}

const seconds = (ms: number) => Math.floor(ms / 1000);
const now = () => seconds(Date.now());
/** A signed request as it travels, which somebody could keep and send again. */
const request = (ts: number, nonce = randomNonce()) =>
  signRequest(deviceKeys(viewer.secret), {
    method: "GET",
    host: new URL(server.origin).host,
    target: "/api/sessions",
    device: viewer.device,
    ts,
    nonce,
  });
const send = (authorization: string) =>
  fetch(`${server.origin}/api/sessions`, { headers: { authorization } });
/** What becomes of it. */
const outcome = async (authorization: string) => {
  const response = await send(authorization);
  return response.ok ? "ok" : (await errorCode(response))[1];
};
/** The time that the server answers a wrong clock with, which every client signs by from then on. */
const told = async () =>
  expectParsed(v.object({ time: v.number() }), await (await send(request(1))).text()).time;

describe("a server whose clock is set back", () => {
  test("while it runs lets everybody in as before, and nothing that was sent before a second time", async () => {
    const kept = request(now());
    expect(await outcome(kept)).toBe("ok");
    const stream = await viewer.events();
    await stream.next("hello");
    for (const hours of [-5, -24 * 365 * 50, 0]) {
      off = hours * HOUR;
      expect(await outcome(request(now()))).toBe("ok");
      expect(await outcome(kept)).toBe("replayed");
      expect(await outcome(request(seconds(Date.now() + off) - 61))).toBe("clock"); // its own time is not asked for
    }
    off = -5 * HOUR;
    const socket = await openSocket(server.origin, machine);
    socket.send(hello);
    socket.send({ type: "session", session: sessionInfo("s_back"), first: 1, prompts: [] });
    await stream.next("session_start", ({ id }) => id === "s_back"); // what stood before goes on
    stream.close();
    socket.close();
  });

  test("after it had been ahead for hours: what was sent then counts neither now, nor after a restart, nor when that time comes", async () => {
    const before = request(now());
    expect(await outcome(before)).toBe("ok");
    off = 5 * HOUR;
    expect(await outcome(request(now()))).toBe("clock");
    const ahead = request(await told());
    expect(await outcome(ahead)).toBe("ok");
    const nonces = Array.from({ length: 5 }, () => randomNonce());
    for (const nonce of nonces) expect(await outcome(request(await told(), nonce))).toBe("ok"); // makes it forget old ones
    off = 0;
    for (const sent of [before, ahead])
      expect(["replayed", "clock"]).toContain(await outcome(sent));
    expect(await outcome(request(await told()))).toBe("ok");
    await restart();
    for (const sent of [before, ahead]) expect(await outcome(sent)).toBe("clock");
    expect(await outcome(request(await told()))).toBe("ok"); // whoever is told the time is let in
    off = 5 * HOUR;
    for (const sent of [before, ahead]) expect(await outcome(sent)).toBe("clock");
    expect(await outcome(request(await told()))).toBe("ok");
  });

  test("between two starts counts on from where it was", async () => {
    const kept = request(now());
    expect(await outcome(kept)).toBe("ok");
    await restart(() => {
      off = -3 * HOUR;
    });
    expect(await outcome(kept)).toBe("clock");
    expect(await outcome(request(await told()))).toBe("ok");
    off = -1000; // and comes to the moment when it was sent
    expect(await outcome(kept)).toBe("clock");
  });

  test("takes no pairing code for longer than five minutes by that; those made since work, and a trimmed clock harms none", async () => {
    off = 2 * HOUR;
    const before = server.pairingLink();
    off = 0;
    expect(await pairDevice(before).catch(() => "refused")).toBe("refused");
    const trimmed = server.pairingLink();
    off = -1000;
    expect((await pairDevice(trimmed, "machine", "tablet")).device).toStartWith("dev_");
    const late = server.pairingLink();
    off = 6 * 60_000;
    expect(await pairDevice(late).catch(() => "refused")).toBe("refused");
  });
});

describe("a session on a machine whose clock jumps", () => {
  const home = emptyHome();
  const clock = join(home.dir, "clock");
  const set = (ms: number) => writeFileSync(clock, String(ms));
  const own = [
    process.execPath,
    "--preload",
    resolve(import.meta.dir, "support/wrong-clock.ts"),
    CLI,
  ];
  const env = { ...home.env, CLAUDE_REMOTE_TEST_CLOCK: clock };
  afterAll(() => home.remove());
  const state = async (command: string) =>
    (await viewer.sessions()).find((session) => session.command.includes(command));

  test("is shown from the start, is there again after a cut, ends in order, and the command line is let in as well", async () => {
    savePairing(join(home.dir, ".config/claude-remote/pairing.json"), {
      server: server.origin,
      device: machine.device,
      secret: toBase64url(machine.secret),
    });
    set(-30 * 24 * HOUR);
    const tty = openTty(
      [...own, "run", "--command", "sh", "--", "-c", "echo there; read x; seq 100; read x; exit 3"],
      { env, cwd: home.dir },
    );
    await tty.sees("there");
    await until("it is shown", async () => (await state("seq"))?.status === "running");
    for (const hours of [9, -9]) {
      set(hours * HOUR);
      await restart();
      await until(
        "it is shown again",
        async () => (await state("seq"))?.status === "running",
        20_000,
      );
    }
    const devices = Bun.spawn([...own, "devices"], {
      env,
      cwd: home.dir,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await new Response(devices.stdout).text()).toContain("phone");
    expect(await devices.exited).toBe(0);
    tty.type("\r");
    await tty.sees("100");
    set(80 * 365 * 24 * HOUR);
    tty.type("\r");
    expect(await tty.exited).toEqual({ code: 3 });
    await until("its end is known", async () => (await state("seq"))?.exit?.code === 3);
  }, 60_000);
});

test("a phone whose clock jumps goes on showing and answering, and shows a pairing link for as long as it works", async () => {
  const browser = await startBrowser();
  const socket = await openSocket(server.origin, machine);
  socket.send(hello);
  socket.send({ type: "session", session: sessionInfo("s_phone"), first: 1, prompts: [] });
  await socket.next("resume");
  socket.beat();
  const phone = await openPhonePage(browser, server.origin);
  await pairPage(phone, await machine.mint("viewer"));
  const { page } = phone;
  try {
    for (const [i, hours] of [7, -7, 24 * 365 * 70].entries()) {
      await page.clock.setSystemTime(Date.now() + hours * HOUR);
      const prompt = {
        id: `p_${i}`,
        session: "s_phone",
        kind: "permission",
        state: "pending",
        created_at: Date.now(),
      };
      const view = JSON.stringify({
        tool: "Bash",
        input: { command: `echo ${i}` },
        cwd: "/x",
        host: "box",
        actions: ["approve", "reject"],
      });
      socket.send({ type: "prompt", prompt: { ...prompt, view } });
      const card = page.getByRole("alertdialog").filter({ hasText: `echo ${i}` });
      await card.getByRole("button", { name: "Approve" }).click(); // once it can be: Playwright waits for that
      const decide = await socket.next("decide");
      expect(decide).toMatchObject({ prompt: `p_${i}`, action: "approve" });
      socket.send({ type: "decided", decision: decide.decision, result: "sent" });
      socket.send({
        type: "prompt",
        prompt: {
          ...prompt,
          view,
          state: "answered",
          answer: {
            by: "viewer",
            device: "x",
            name: "x",
            decision: "approve",
            at: Date.now(),
            receipt: "applied",
          },
        },
      });
      await card.getByText(/^Approved by x/).waitFor();
    }
    await page.goto(`${server.origin}/#/devices`);
    await page.getByRole("button", { name: "Make a pairing link" }).click();
    await page.locator("code.whole").waitFor();
    await Bun.sleep(2500); // by now it has looked whether the link is too old
    expect(await page.locator("code.whole").count()).toBe(1);
    expect(phone.suspicious).toEqual([]);
  } finally {
    socket.close();
    await browser.close();
  }
}, 60_000);
