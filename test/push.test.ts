import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { sha256hex } from "../src/auth.ts";
import { isAllowed, vapidSubject } from "../src/hub/push-service.ts";
import { type RunningServer, startServer } from "../src/server.ts";
import { AuditEntry, DeviceInfo, type Prompt, PushState, PushTest } from "../src/types.ts";
import { fakeClock } from "./support/clock.ts";
import { type Phone, pairDevice } from "./support/phone.ts";
import { bytesOf, decrypt, type FakeBrowser, startPushService } from "./support/push-service.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { until } from "./support/until.ts";

const CONTACT = "mailto:me@example.org";
const QUIET_MS = 10_000;
let data: string;
let server: RunningServer;
let machine: Phone;
let phone: Phone;
let browser: FakeBrowser;
let runner: Awaited<ReturnType<typeof openSocket>>;
const service = startPushService();
const clock = fakeClock();
const logged: string[] = [];
const start = (port = 0, more: object = {}) =>
  startServer({
    host: "127.0.0.1",
    port,
    data,
    insecureLan: false,
    log: (line) => logged.push(line),
    pushContact: CONTACT,
    pushServices: service.origin,
    later: clock.later,
    ...more,
  });

let names = 0;
async function newPhone(choice: object = {}): Promise<{ phone: Phone; browser: FakeBrowser }> {
  const phone = await pairDevice(await machine.mint("viewer"), "viewer", `phone ${++names}`);
  const browser = await service.browser(`b${names}`);
  expect((await subscribe(phone, browser, choice)).status).toBe(200);
  return { phone, browser };
}
const subscribe = (phone: Phone, { subscription }: FakeBrowser, choice: object = {}) =>
  phone.json("POST", "/api/push/subscription", { ...subscription, ...choice });

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "push-test-"));
  server = await start();
  machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  ({ phone, browser } = await newPhone());
  runner = await startSession("s_one");
});
beforeEach(() => {
  service.behave(() => undefined);
  clock.pass(60_000);
});
afterAll(async () => {
  expect(service.refused).toEqual([]);
  runner.close();
  await server.stop();
  service.stop();
  rmSync(data, { recursive: true, force: true });
});

async function startSession(id: string, prompts: Prompt[] = []) {
  const socket = await openSocket(server.origin, machine);
  socket.send(hello);
  socket.send({
    type: "session",
    session: { ...sessionInfo(id), cwd: "/home/me/proj" },
    first: 1,
    prompts,
  });
  await socket.next("resume");
  socket.beat();
  return socket;
}
function makePrompt(id: string, view: object = {}, session = "s_one"): Prompt {
  const whole = {
    tool: "Bash",
    input: { command: "npm test", description: "runs the tests" },
    cwd: "/home/me/proj",
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
/** The prompt comes up, and ten seconds pass. */
async function ask(prompt: Prompt, by = runner): Promise<void> {
  await comes(prompt, by);
  clock.pass(QUIET_MS);
}
async function comes(prompt: Prompt, by = runner): Promise<void> {
  by.send({ type: "prompt", prompt });
  await until("the prompt has come", async () =>
    (await phone.prompts()).some(({ id }) => id === prompt.id),
  );
}
async function settle(prompt: Prompt, change: Partial<Prompt>, by = runner): Promise<void> {
  by.send({ type: "prompt", prompt: { ...prompt, ...change } });
  await until("it is settled", async () =>
    (await phone.prompts()).every(({ id }) => id !== prompt.id),
  );
}
const atDesk = { state: "answered", answer: { by: "desk", decision: "approve", at: 1 } } as const;
/** Waits until the server has taken in all that was sent to it on this socket. */
let marks = 0;
async function takenIn(by = runner, session = "s_one"): Promise<void> {
  const title = `mark ${++marks}`;
  by.send({
    type: "screen",
    session,
    frame: {
      rev: marks,
      cols: 2,
      rows: 1,
      cursor: { x: 0, y: 0, visible: true },
      title,
      lines: {},
    },
  });
  await until("it is taken in", async () =>
    (await phone.sessions()).some((other) => other.title === title),
  );
}
const notice = async (kind: string, text: string, more: object = {}) => {
  runner.send({ type: "notice", session: "s_one", kind, text, ...more });
  await takenIn();
};

describe("the push service that these tests have", () => {
  test("decrypts the example of RFC 8291, section 5", async () => {
    const p256dh =
      "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const point = Buffer.from(p256dh, "base64url");
    const jwk = {
      kty: "EC",
      crv: "P-256",
      d: "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
      x: point.toString("base64url", 1, 33),
      y: point.toString("base64url", 33),
    };
    const own = await crypto.subtle.importKey(
      "jwk",
      jwk,
      { name: "ECDH", namedCurve: "P-256" },
      false,
      ["deriveBits"],
    );
    const body =
      "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
    const text = await decrypt(bytesOf(body), own, p256dh, bytesOf("BTBZMqHH6r4Tts7J_aSIgg"));
    expect(text).toBe("When I grow up, I want to be a watermelon");
  });

  test("refuses what is not signed, or signed for another", async () => {
    const other = startPushService();
    const { subscription } = await other.browser("x");
    const headers = {
      authorization: "vapid t=e30.e30.AAAA, k=BAAA",
      "content-encoding": "aes128gcm",
      ttl: "1",
      topic: "x",
    };
    expect(
      (await fetch(subscription.endpoint, { method: "POST", headers, body: "x" })).status,
    ).toBe(400);
    expect(other.refused.length).toBe(1);
    other.stop();
  });
});

describe("a prompt on the phone's lock screen", () => {
  test("comes after ten seconds at the desk without an answer, urgent, under its own topic, for as long as Claude waits", async () => {
    const prompt = makePrompt("p_first");
    await comes(prompt);
    clock.pass(QUIET_MS - 1);
    expect(browser.received).toEqual([]);
    clock.pass(1);
    const { message, headers, claims, bytes } = await browser.next();
    expect(message).toEqual({
      kind: "prompt",
      tag: "p_first",
      title: "Run a command? · proj",
      body: "npm test\n/home/me/proj on box",
      hash: "#/s/s_one",
      silent: false,
      waiting: 1,
      prompt: "p_first",
      actions: ["reject"],
    });
    expect([headers.get("urgency"), headers.get("topic"), headers.get("ttl")]).toEqual([
      "high",
      "p_first",
      "86400",
    ]);
    expect(claims).toMatchObject({ sub: CONTACT, aud: service.origin });
    expect(bytes).toBeLessThan(4096);
    await settle(prompt, atDesk);
    await browser.next();
  });

  test("is quiet where it was answered within ten seconds, at the desk or elsewhere", async () => {
    const before = browser.received.length;
    const prompt = makePrompt("p_quick");
    await comes(prompt);
    await settle(prompt, atDesk);
    clock.pass(QUIET_MS);
    const other = makePrompt("p_after"); // what follows is the next to arrive
    await ask(other);
    expect((await browser.next()).message.tag).toBe("p_after");
    expect(browser.received.length).toBe(before + 1);
    await settle(other, atDesk);
    await browser.next();
  });

  test.each([
    ["answered at the desk", atDesk, "Approved at the desk."],
    [
      "answered by another device",
      {
        state: "answered",
        answer: { by: "viewer", device: "dev_other", name: "Pixel", decision: "reject", at: 1 },
      },
      "Rejected by Pixel.",
    ],
    ["no longer asked", { state: "withdrawn" }, "Claude no longer asks this."],
  ] as [string, Partial<Prompt>, string][])(
    "is replaced, without a sound, once it is %s",
    async (_, change, body) => {
      const prompt = makePrompt(`p_replaced${names++}`);
      await ask(prompt);
      expect((await browser.next()).message.kind).toBe("prompt");
      await settle(prompt, change);
      const { message, headers } = await browser.next();
      expect(message).toEqual({
        kind: "answered",
        tag: prompt.id,
        title: "Run a command · proj",
        body,
        hash: "#/s/s_one",
        silent: true,
        waiting: 0,
        actions: [],
      });
      expect(headers.get("topic")).toBe(prompt.id);
    },
  );

  test("is not replaced on the device that answered it, which knows", async () => {
    const other = await newPhone();
    await browser.next(); // that one was paired
    const prompt = makePrompt("p_own");
    await ask(prompt);
    await Promise.all([browser.next(), other.browser.next()]);
    await settle(prompt, {
      state: "answered",
      answer: {
        by: "viewer",
        device: phone.device,
        name: "phone",
        decision: "approve",
        at: 1,
        receipt: "sent",
      },
    });
    expect((await other.browser.next()).message.kind).toBe("answered");
    runner.send({
      type: "prompt",
      prompt: {
        ...prompt,
        state: "answered",
        answer: {
          by: "viewer",
          device: phone.device,
          decision: "approve",
          at: 1,
          receipt: "applied",
        },
      },
    });
    await takenIn();
    expect(browser.received.at(-1)?.message.kind).toBe("prompt");
    expect(other.browser.received.at(-1)?.message.body).toBe("Approved by phone.");
    await other.phone.request("DELETE", "/api/push/subscription");
  });

  test("has an Approve button only where the device wants it, the whole command fits and nothing else would be approved", async () => {
    await subscribe(phone, browser, { approve: true });
    const cases: [view: object, kind: Prompt["kind"], approve: boolean][] = [
      [{ input: { command: "npm test" } }, "permission", true],
      [{ input: { command: "x".repeat(160) } }, "permission", true],
      [{ input: { command: "x".repeat(161) } }, "permission", false],
      [{ input: { command: "echo a\nrm -rf /" } }, "permission", false],
      [{ input: { command: "echo a  rm -rf /" } }, "permission", false],
      [{ input: { command: "echo \u202ea" } }, "permission", false],
      [{ input: { command: "echo а" } }, "permission", false], // a Cyrillic letter
      [{ input: { command: "npm test", run_in_background: true } }, "permission", false],
      [{ input: { command: "npm test" }, masked: true }, "permission", false],
      [{ input: { command: "npm test" }, actions: ["reject"] }, "permission", false],
      [{ tool: "Write", input: { file_path: "/a", content: "b" } }, "permission", false],
      [{ tool: "ExitPlanMode", input: { plan: "do it" } }, "plan", false],
      [{ tool: "Elicitation", input: { server: "x", message: "Where to?" } }, "elicitation", false],
      [{ tool: "Screen", input: { above: "npm test", options: [], below: "" } }, "screen", false],
    ];
    for (const [i, [view, kind, approve]] of cases.entries()) {
      const prompt = { ...makePrompt(`p_button${i}`, view), kind };
      await ask(prompt);
      const { message } = await browser.next();
      // a no to what is read off the screen is a key: that is pressed where one sees what it does
      expect(message.actions).toEqual(
        approve ? ["reject", "approve"] : kind === "screen" ? [] : ["reject"],
      );
      expect(message.shown).toBe(approve ? sha256hex(prompt.view) : undefined);
      if (approve) expect(message.body).toStartWith(`${JSON.parse(prompt.view).input.command}\n`);
      await settle(prompt, atDesk);
      await browser.next();
    }
    await subscribe(phone, browser);
  });

  test("shows what can't be seen, and stays within what push services take", async () => {
    const long = makePrompt("p_long", {
      input: { command: `echo \u202e\t${"漢".repeat(3000)}` },
      cwd: `/${"深".repeat(2000)}`,
      agent: "helper",
    });
    await ask(long);
    const { message, bytes } = await browser.next();
    expect(message.body).toStartWith("echo U+202E⇥漢漢");
    expect(message.body).toContain("…\n/深");
    expect(bytes).toBeLessThan(3500);
    await settle(long, atDesk);
    await browser.next();
    const strange = { ...makePrompt(`p_${"x".repeat(60)}`), view: "not JSON" };
    await ask(strange);
    const other = await browser.next();
    expect(other.message).toMatchObject({ title: "Claude asks · s_one", actions: [] });
    expect(other.headers.get("topic")).toHaveLength(32);
    await settle(strange, atDesk);
    await browser.next();
  });

  test("of a view that is nested without end says that Claude asks, and the server lives", async () => {
    const prompt = makePrompt("p_deep");
    for (const tool of ["AskUserQuestion", "Other"]) {
      const nested = `{"questions":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
      const deep = {
        ...prompt,
        id: `p_deep_${tool}`,
        view: `{"tool":"${tool}","input":${nested},"cwd":"/","host":"box","actions":["approve"]}`,
      };
      await ask(deep);
      expect(await browser.next()).toMatchObject({
        message: { tag: deep.id, title: "Claude asks · s_one", actions: [] },
      });
      await settle(deep, { state: "withdrawn" });
      await browser.next();
    }
  });

  test("of a machine that is away is told when it is back, also by a server that was started anew meanwhile; an answer still replaces it", async () => {
    const away = await startSession("s_away");
    const prompt = makePrompt("p_away", {}, "s_away");
    await comes(prompt, away);
    away.close();
    await until("it is away", async () =>
      (await phone.sessions()).some(({ id, status }) => id === "s_away" && status === "offline"),
    );
    clock.pass(QUIET_MS);
    const { port } = server;
    runner.close();
    await server.stop();
    server = await start(port);
    runner = await startSession("s_one");
    const back = await startSession("s_away", [prompt]);
    clock.pass(QUIET_MS);
    expect((await browser.next()).message.tag).toBe("p_away");
    back.close();
    runner.close();
    await server.stop();
    server = await start(port);
    runner = await startSession("s_one");
    const again = await startSession("s_away", [{ ...prompt, ...atDesk }]);
    clock.pass(QUIET_MS);
    expect((await browser.next()).message).toMatchObject({ kind: "answered", tag: "p_away" });
    again.close();
  });
});

describe("other news", () => {
  test("a sandbox's image is there, or can't be built; how far it has come is no news", async () => {
    const about = { type: "runner", roots: ["/src"], recent: [], no_sandbox: null };
    for (const [end, title] of [
      [{ state: "ready" }, "The sandbox is ready"],
      [{ state: "failed", why: "no network" }, "The sandbox can't be built"],
    ] as const) {
      const before = browser.received.length;
      for (const state of [
        undefined,
        { state: "building", step: "" },
        { state: "building", step: "step 2 of 5" },
        end,
        end,
      ])
        runner.send({ ...about, sandbox_image: state });
      const { message } = await browser.next();
      expect(message).toMatchObject({
        title,
        tag: machine.device,
        hash: `#/new?runner=${machine.device}`,
        silent: false,
      });
      await takenIn();
      expect(browser.received.length).toBe(before + 1);
    }
  });

  test("Claude finished, with its last words; not where somebody goes on at the desk within ten seconds", async () => {
    await notice("finished", "All done.\nThe tests pass.");
    await notice("working", "");
    clock.pass(QUIET_MS);
    await notice("finished", "All done, again.");
    clock.pass(QUIET_MS);
    const { message, headers } = await browser.next();
    expect(message).toMatchObject({
      kind: "finished",
      tag: "s_one",
      title: "Claude finished · proj",
      body: "All done, again.",
      hash: "#/s/s_one",
      silent: false,
      actions: [],
    });
    expect(headers.get("topic")).toBe("s_one");
  });

  test("several commands in the background make one sound, at the end; what still runs is said without one", async () => {
    const ends = async (running: string[], woken: boolean) => {
      await notice("working", "");
      await notice("finished", `${running.length} to go`, { running, woken });
    };
    await ends(["make a", "make b", "make c"], false);
    for (const running of [["make b", "make c"], ["make c"]]) {
      clock.pass(QUIET_MS + 5000);
      expect((await browser.next()).message).toMatchObject({
        kind: "finished",
        body: `${running.length + 1} to go\nStill running: ${["make a", "make b", "make c"].slice(-running.length - 1).join(" · ")}`,
        silent: true,
      });
      await ends(running, true);
    }
    await ends([], true);
    clock.pass(QUIET_MS);
    expect((await browser.next()).message).toMatchObject({ body: "0 to go", silent: false });
    await notice("working", "");
  });

  test("a server that runs for ever swallows nothing: one sound while it has begun, and one for each turn after that", async () => {
    const running = ["npm run dev"];
    await notice("finished", "It runs.", { running });
    clock.pass(QUIET_MS);
    expect((await browser.next()).message).toMatchObject({ silent: true });
    clock.pass(20_000);
    const told = { kind: "finished", body: "It runs.\nStill running: npm run dev", silent: false };
    expect((await browser.next()).message).toMatchObject(told);
    await notice("working", "");
    await notice("finished", "Changed.", { running });
    clock.pass(QUIET_MS);
    expect((await browser.next()).message).toMatchObject({
      body: "Changed.\nStill running: npm run dev",
      silent: false,
    });
    await notice("working", "");
    await notice("finished", "Tests, too.", { running: [...running, "npm test"] });
    clock.pass(QUIET_MS);
    expect((await browser.next()).message).toMatchObject({ silent: true });
    await notice("working", "");
    await notice("finished", "They pass.", { running, woken: true });
    clock.pass(QUIET_MS);
    expect((await browser.next()).message).toMatchObject({
      body: expect.stringContaining("They pass."),
      silent: false,
    });
  });

  test("Claude waits: a sound of its own only for those who did not hear that it finished", async () => {
    await notice("waiting", "Claude is waiting for your input");
    clock.pass(QUIET_MS);
    expect((await browser.next()).message).toMatchObject({
      kind: "waiting",
      tag: "s_one",
      silent: true,
    });
    await subscribe(phone, browser, { off: ["finished"] });
    await notice("waiting", "Claude is waiting for your input");
    clock.pass(QUIET_MS);
    expect((await browser.next()).message).toMatchObject({
      kind: "waiting",
      body: "Claude is waiting for your input",
      silent: false,
    });
    await subscribe(phone, browser);
  });

  test("an error, in Claude's own words", async () => {
    await notice("error", "API Error: 529 overloaded");
    clock.pass(QUIET_MS);
    const { message, headers } = await browser.next();
    expect(message).toMatchObject({
      kind: "error",
      title: "Claude ran into an error · proj",
      body: "API Error: 529 overloaded",
    });
    expect(headers.get("urgency")).toBe("high");
  });

  test("a session ended, and how; what was to be told about it before is not", async () => {
    const ending = await startSession("s_ending");
    ending.send({ type: "notice", session: "s_ending", kind: "finished", text: "bye" });
    ending.send({
      type: "exit",
      session: "s_ending",
      exit: { code: 137, signal: "SIGKILL" },
      ended_at: Date.now(),
    });
    await ending.next("ended");
    expect((await browser.next()).message).toMatchObject({
      kind: "ended",
      tag: "s_ending",
      body: "It ended on box, by SIGKILL.",
      silent: false,
    });
    const second = await startSession("s_second");
    second.send({ type: "exit", session: "s_second", exit: { code: 0 }, ended_at: Date.now() });
    await second.next("ended");
    clock.pass(QUIET_MS);
    expect((await browser.next()).message).toMatchObject({
      kind: "ended",
      tag: "s_second",
      body: "It ended on box.",
      silent: true,
    });
    ending.close();
    second.close();
  });

  test("a new device was paired: all others are told by name, at once", async () => {
    const other = await newPhone();
    const { message, headers } = await browser.next();
    expect(message).toMatchObject({
      kind: "paired",
      body: `“phone ${names}” may now see and answer every session. Not you? Revoke it.`,
      hash: "#/devices",
    });
    expect(headers.get("urgency")).toBe("high");
    expect(other.browser.received).toEqual([]);
    await other.phone.request("DELETE", "/api/push/subscription");
  });

  test("each can be switched off for a device", async () => {
    const all = ["prompt", "finished", "waiting", "error", "ended", "paired"];
    for (const kept of all) {
      const { browser: only, phone: its } = await newPhone({
        off: all.filter((kind) => kind !== kept),
      });
      await browser.next();
      const prompt = makePrompt(`p_off_${kept}`);
      await ask(prompt);
      for (const kind of ["finished", "waiting", "error"]) {
        await notice(kind, kind);
        clock.pass(QUIET_MS);
      }
      const ending = await startSession(`s_off_${kept}`);
      ending.send({
        type: "exit",
        session: `s_off_${kept}`,
        exit: { code: 0 },
        ended_at: Date.now(),
      });
      await ending.next("ended");
      ending.close();
      const third = await pairDevice(await machine.mint("viewer"), "viewer", "third");
      expect((await only.next()).message.kind).toBe(kept as "prompt");
      await settle(prompt, atDesk);
      if (kept === "prompt") expect((await only.next()).message.kind).toBe("answered");
      // the other phone has heard the last of it, so this one would have as well
      await until(
        "the other has it all",
        () => browser.received.at(-1)?.message.kind === "answered",
      );
      expect([...new Set(only.received.map(({ message }) => message.kind))]).toEqual(
        kept === "prompt" ? ["prompt", "answered"] : [kept as "finished"],
      );
      await its.request("DELETE", "/api/push/subscription");
      await machine.request("DELETE", `/api/devices/${third.device}`);
      while (browser.received.at(-1) !== (await browser.next())); // all of these are read
    }
  }, 20_000);
});

describe("push services", () => {
  const test_ = async (from = phone) =>
    v.parse(PushTest, (await from.json("POST", "/api/push/test")).body);

  test("a test shows the service's own answer", async () => {
    expect(await test_()).toEqual({ status: 201, body: "taken" });
    expect((await browser.next()).message).toMatchObject({
      kind: "test",
      title: "Notifications work",
    });
    service.behave(
      () => new Response(`{"reason":"BadJwtToken"}${"x".repeat(5000)}`, { status: 403 }),
    );
    const refused = await test_();
    expect(refused.status).toBe(403);
    expect(refused.body).toStartWith('{"reason":"BadJwtToken"}');
    expect(refused.body.length).toBe(1000);
    expect(await push(phone)).toBe("failing");
    service.behave(() => undefined);
    await test_();
    await browser.next();
    expect(await push(phone)).toBe("on");
    const bare = await pairDevice(await machine.mint("viewer"));
    await browser.next();
    expect(await bare.code("POST", "/api/push/test")).toEqual([409, "off"]);
  });
  const push = async ({ device }: Phone) =>
    (
      await machine.get(v.object({ devices: v.array(DeviceInfo) }), "GET", "/api/devices")
    ).devices.find(({ id }) => id === device)?.push;

  test.each([404, 410])(
    "a subscription that a service answers with %p is forgotten",
    async (status) => {
      const gone = await newPhone();
      await browser.next();
      service.behave((path) =>
        path === new URL(gone.browser.subscription.endpoint).pathname
          ? new Response("gone", { status })
          : undefined,
      );
      expect(await test_(gone.phone)).toEqual({ status, body: "gone" });
      expect(
        v.parse(PushState, (await gone.phone.json("GET", "/api/push/subscription")).body).endpoint,
      ).toBeNull();
      expect(await push(gone.phone)).toBe("off");
    },
  );

  test("a redirect is not followed", async () => {
    const trap = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("caught") });
    service.behave(() => new Response(null, { status: 307, headers: { location: trap.url.href } }));
    expect(await test_()).toEqual({ status: 307, body: "" });
    await trap.stop(true);
    service.behave(() => undefined);
    await test_();
    await browser.next();
  });

  test("a service that is busy is tried again, unless something newer has come", async () => {
    let busy = 1;
    service.behave(() => (busy-- > 0 ? new Response(null, { status: 503 }) : undefined));
    const prompt = makePrompt("p_busy");
    await ask(prompt);
    await until("it waits to try again", () => clock.waiting() === 1);
    clock.pass(2000);
    expect((await browser.next()).message.tag).toBe("p_busy");
    await settle(prompt, atDesk);
    await browser.next();
    busy = 1;
    const other = makePrompt("p_busier");
    await ask(other);
    await until("it waits to try again", () => clock.waiting() === 1);
    await settle(other, atDesk);
    clock.pass(2000);
    expect((await browser.next()).message).toMatchObject({ kind: "answered", tag: "p_busier" });
  });

  test("only known services are posted to, whatever a client says", async () => {
    const { endpoint } = browser.subscription;
    const hostile = [
      "https://evil.example/push",
      "http://fcm.googleapis.com/fcm/send/x",
      "https://fcm.googleapis.com.evil.example/x",
      "https://fcm.googleapis.com@evil.example/x",
      endpoint.replace("127.0.0.1", "localhost"),
      `${endpoint.replace(/:\d+/, ":1")}`,
      endpoint.replace("http://", "http://me:me@"),
      "file:///etc/passwd",
      "nonsense",
    ];
    for (const endpoint of hostile) {
      expect(
        await phone.code("POST", "/api/push/subscription", { ...browser.subscription, endpoint }),
      ).toEqual([409, "refused"]);
    }
    for (const keys of [{ p256dh: "A".repeat(87), auth: "A".repeat(22) }]) {
      expect(
        await phone.code("POST", "/api/push/subscription", { ...browser.subscription, keys }),
      ).toEqual([409, "refused"]);
    }
    for (const body of [
      {},
      { endpoint },
      { ...browser.subscription, off: ["everything"] },
      { ...browser.subscription, keys: { p256dh: "x", auth: "y" } },
    ]) {
      expect(await phone.code("POST", "/api/push/subscription", body)).toEqual([
        400,
        "bad_request",
      ]);
    }
    expect(
      v.parse(PushState, (await phone.json("GET", "/api/push/subscription")).body).endpoint,
    ).toBe(endpoint);
  });

  test.each([
    ["https://fcm.googleapis.com/fcm/send/abc", true],
    ["https://updates.push.services.mozilla.com/wpush/v2/abc", true],
    ["https://wns2-par02p.notify.windows.com/w/?token=abc", true],
    ["https://web.push.apple.com/abc", true],
    ["https://fcm.googleapis.com:8443/x", false],
    ["https://notify.windows.com.evil.example/", false],
    ["https://evilnotify.windows.com/", false],
    ["https://push.services.mozilla.com/", false],
    ["http://web.push.apple.com/abc", false],
    ["http://127.0.0.1:9999/push", false],
  ])("of the browsers' own services: %s %p", (endpoint, allowed) => {
    expect(isAllowed(endpoint)).toBe(allowed);
  });

  test("nothing can be switched on where nobody could be named to push services, and that is said", async () => {
    expect(vapidSubject(undefined, "https://home.example")).toBe("https://home.example");
    for (const nowhere of [
      "http://home.example",
      "https://localhost",
      "https://127.0.0.1",
      "https://box.local",
      "https://box",
      undefined,
    ]) {
      expect(vapidSubject(undefined, nowhere)).toBeUndefined();
      expect(vapidSubject(CONTACT, nowhere)).toBe(CONTACT);
    }
    const other = await startServer({
      host: "127.0.0.1",
      port: 0,
      data: join(data, "other"),
      insecureLan: false,
      log: () => undefined,
      pushServices: service.origin,
    });
    const its = await pairDevice(other.pairingLink(), "machine", "laptop");
    expect(
      v.parse(PushState, (await its.json("GET", "/api/push/subscription")).body).trouble,
    ).toContain("push_contact");
    expect(await its.code("POST", "/api/push/subscription", browser.subscription)).toEqual([
      409,
      "refused",
    ]);
    await other.stop();
  });

  test("a revoked device's subscription is gone at once, with what still waited for it", async () => {
    const lost = await newPhone();
    await browser.next();
    await ask(makePrompt("p_lost"));
    await Promise.all([browser.next(), lost.browser.next()]);
    const before = lost.browser.received.length;
    expect((await phone.request("DELETE", `/api/devices/${lost.phone.device}`)).status).toBe(200);
    expect(await push(lost.phone)).toBe("off");
    await settle(makePrompt("p_lost"), atDesk);
    await browser.next();
    expect(lost.browser.received.length).toBe(before);
  });

  test("the same browser paired anew is told everything once", async () => {
    const again = await pairDevice(await machine.mint("viewer"), "viewer", "phone again");
    await browser.next();
    await subscribe(again, browser);
    expect(await push(phone)).toBe("off");
    expect(await push(again)).toBe("on");
    await subscribe(phone, browser);
  });

  test("logs name neither endpoints nor keys nor what was said", async () => {
    service.behave(() => new Response("secret words of the service", { status: 403 }));
    const prompt = makePrompt("p_log", { input: { command: "echo very private" } });
    await ask(prompt);
    await until("that is logged", () =>
      logged.some((line) => line.includes("push failed") && line.includes("status=403")),
    );
    service.behave(() => undefined);
    await settle(prompt, atDesk);
    await browser.next();
    const text = logged.join("\n");
    for (const secret of [
      "/push/",
      service.origin,
      browser.subscription.keys.auth,
      browser.subscription.keys.p256dh,
      "secret words",
      "very private",
    ])
      expect(text).not.toContain(secret);
  });
});

describe("the audit", () => {
  test("tells in order who did what to which, a page at a time, and never a secret", async () => {
    const prompt = makePrompt("p_audit", { input: { command: "make deploy" } });
    await comes(prompt);
    const rejecting = phone.json("POST", "/api/prompts/p_audit/reject", { message: "not now" });
    const decide = await runner.next("decide");
    runner.send({
      type: "prompt",
      prompt: {
        ...prompt,
        state: "answered",
        answer: { by: "viewer", device: phone.device, decision: "reject", at: 1, receipt: "sent" },
      },
    });
    runner.send({ type: "decided", decision: decide.decision, result: "sent" });
    expect((await rejecting).status).toBe(200);
    await machine.request("PATCH", `/api/devices/${phone.device}`, { name: "Pixel" });
    const Page = v.object({ entries: v.array(AuditEntry) });
    const { entries } = await phone.get(Page, "GET", "/api/audit");
    expect(entries.slice(0, 2)).toMatchObject([
      {
        device: machine.device,
        name: "laptop",
        action: "rename",
        detail: "Pixel",
        on: "Pixel",
        about: null,
      },
      {
        device: phone.device,
        name: "Pixel",
        action: "reject",
        detail: "not now",
        about: "Bash: make deploy",
        on: "/home/me/proj",
      },
    ]);
    expect(entries.length).toBeLessThanOrEqual(50);
    const all = [...entries];
    for (let page = entries; page.length > 0; all.push(...page))
      page = (await phone.get(Page, "GET", `/api/audit?before=${page.at(-1)?.id}`)).entries;
    expect(all.map(({ id }) => id)).toEqual(all.map((_, i) => all.length - i));
    expect(all.at(-1)).toMatchObject({ action: "mint", device: null });
    expect(await phone.code("GET", "/api/audit?before=x")).toEqual([400, "bad_request"]);
  });

  test("survives views that are not JSON", async () => {
    await comes({ ...makePrompt("p_garbage"), view: "{" });
    await settle(
      { ...makePrompt("p_garbage"), view: "{" },
      { state: "answered", answer: { by: "desk", at: 1 } },
    );
    const { entries } = await phone.get(
      v.object({ entries: v.array(AuditEntry) }),
      "GET",
      "/api/audit",
    );
    expect(entries[0]).toMatchObject({ action: "answered at the desk", about: null, device: null });
  });
});
