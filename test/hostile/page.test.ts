import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import * as v from "valibot";
import { sha256hex } from "../../src/auth.ts";
import { noticeMessage, promptMessage } from "../../src/hub/messages.ts";
import { PushMessage, SHOWN_WHOLE } from "../../src/types.ts";
import { openPhonePage, type PhonePage, pairPage, startBrowser } from "../support/browser.ts";
import { makePrompt } from "../support/dashboard.ts";
import { SELF } from "../support/home.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { pairDevice } from "../support/phone.ts";
import { hello, openSocket, sessionInfo } from "../support/runner-socket.ts";
import { openTty, type Tty } from "../support/tty.ts";
import { until } from "../support/until.ts";

/** Where every address in what follows leads: nobody may ever call. */
let called: string[];
let canary: ReturnType<typeof Bun.serve>;
let server: HomeServer;
let browser: Browser;
let phone: PhonePage;
let desk: Tty;
let runner: Awaited<ReturnType<typeof openSocket>>;
let beat: ReturnType<typeof setInterval>;

/** Whatever could run, load, navigate or deceive. */
function payloads(): string[] {
  const at = `http://127.0.0.1:${canary.port}`;
  return [
    `<script>pwned("script")</script><script src="${at}/s.js"></script>`,
    `<img src=x onerror='pwned("img")'><img src="${at}/i.png">`,
    `<svg/onload=pwned("svg")><svg><animate onbegin=pwned("animate") attributeName=x>`,
    `"><iframe srcdoc="<script>parent.pwned('frame')</script>" src="${at}/f"></iframe>`,
    `<link rel=stylesheet href="${at}/c.css"><style>@import "${at}/c2.css"; body{display:none}</style>`,
    `<meta http-equiv=refresh content="0;url=${at}/r"><base href="${at}/"><form action="${at}/"><input name=a></form>`,
    `<a href="javascript:pwned('a')">javascript:pwned('link')</a><details open ontoggle=pwned("toggle")>`,
    `[click](javascript:pwned('md')) ![pic](${at}/md.png) <${at}/auto> [x](data:text/html,<script>pwned('data')</script>) [ref]: ${at}/ref`,
    "{{constructor.constructor('pwned(1)')()}} $" +
      "{pwned('tpl')} #{pwned(1)} <%= pwned(1) %> __proto__[x]=1",
    "\u202eevitucexe\u202c \u2066isolated\u2069 \u200b\u200d\ufeff zero",
    "' OR 1=1; DROP TABLE sessions; --",
  ];
}

/** What a hostile program prints: each attack on terminals that is known to have worked somewhere. */
function printed(): string {
  const at = `http://127.0.0.1:${canary.port}`;
  const html = payloads();
  return [
    `\x1b]2;${html[1]}${html[0]}\x07`,
    ...html,
    "\x1b]52;c;cHduZWQ=\x07\x1b]52;p;cHduZWQ=\x1b\\\x1b]52;c;?\x07", // the clipboard, written and read
    "\x1b]0;title\r\necho pwned\r\n\x07\x1b[21t\x1b[20t", // the title, asked back as input
    "\x1bP$q\r\necho pwned\r\n\x1b\\\x1bP+q544e\x1b\\\x1b[c\x1b[>c\x1b[6n\x1b[?1049$p\x05", // answers that become input
    ...[
      "javascript:pwned('osc')",
      `${at}/osc8`,
      "file:///etc/passwd",
      "data:text/html,<script>pwned('osc8')</script>",
      "x-evil:run",
    ].map((url) => `\x1b]8;;${url}\x1b\\https://claude.ai/login\x1b]8;;\x1b\\`),
    `\x1b]7;file://evil/${at}\x07\x1b]9;${html[0]}\x07\x1b]777;notify;${html[1]};${html[2]}\x07\x1b]1337;File=inline=1;name=eA==:AAAA\x07\x1b]1337;RequestUpload=format=tgz\x07`,
    "\x1bPq#0;2;0;0;0#0~~@@vv@@~~$-\x1b\\\x1b_Gf=100,a=T,t=f;L2V0Yy9wYXNzd2Q=\x1b\\\x1b]4;1;?\x07\x1b]10;?\x07\x1b]104\x07",
    "\x1b[8mhidden\x1b[0m\x1b[30;40mblack on black\x1b[0m\rover\x1b[2K\x1b[1Awritten",
    "\x1b[2147483647b\x1b[2147483647S\x1b[2147483647I\x1b[999999999;999999999H\x1b[?1049h\x1b[?1049l\x1b[?5h\x1b[?3h\x1b#8\x1b[H\x1b[2J",
    `\x1b]2;${html[1]}\x07`,
    ...html,
    " Do you want to proceed? <img src=x onerror=pwned(2)>\r\n ❯ 1. Yes <script>pwned('option')</script>\r\n   2. No",
  ].join("\r\n");
}

beforeAll(async () => {
  called = [];
  canary = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      called.push(request.url);
      return new Response("pwned('loaded')", {
        headers: { "content-type": "text/javascript", "access-control-allow-origin": "*" },
      });
    },
  });
  server = await startHomeServer();
  browser = await startBrowser();
  const [script = "", image = "", svg = "", , , , , , , bidi = ""] = payloads();
  // a program at a desk, in a folder and with arguments that are payloads themselves
  const folder = join(server.home.dir, "work", image.slice(0, 30).replaceAll("/", "∕"));
  mkdirSync(folder);
  writeFileSync(join(folder, "payload"), printed());
  desk = openTty(
    [...SELF, "run", "--command", "sh", "--", "-c", "cat payload; exec sleep 600", script, bidi],
    { env: server.home.env, cwd: folder },
  );

  const device = await pairDevice(await server.phone.mint("runner"), "runner", image.slice(0, 33));
  await pairDevice(await server.phone.mint("viewer"), "viewer", "<script>pwned('name')</script>");
  runner = await openSocket(server.origin, device);
  beat = setInterval(() => runner.send({ type: "pong" }), 1000);
  const view = {
    tool: image,
    input: {
      command: `rm ${script}\u202e`,
      description: svg,
      [image]: script,
      nested: { [script]: [svg] },
    },
    cwd: image,
    host: script,
    agent: svg,
    always: [{ says: image, writes: script }],
    note: script,
  };
  const question = {
    questions: [
      {
        question: script,
        header: image,
        options: [{ label: image, description: script, preview: svg }, { label: bidi }],
      },
    ],
  };
  const elicited = {
    server: image,
    message: script,
    fields: [
      {
        name: image,
        title: script,
        about: svg,
        required: true,
        type: "one",
        options: [image, script],
      },
      { name: "v", title: svg, required: false, type: "text", value: script },
    ],
  };
  const page = { server: script, message: image, url: `http://127.0.0.1:${canary.port}/elicited` };
  const screenQuestion = {
    above: script,
    options: [{ label: image }, { label: script }],
    selected: 0,
    below: svg,
  };
  const prompts = [
    makePrompt("s_evil", "p_bash", view),
    {
      ...makePrompt("s_evil", "p_question", { ...view, tool: "AskUserQuestion", input: question }),
      kind: "question",
    },
    {
      ...makePrompt("s_evil", "p_plan", {
        ...view,
        tool: "ExitPlanMode",
        input: { plan: payloads().join("\n\n") },
      }),
      kind: "plan",
    },
    {
      ...makePrompt("s_evil", "p_form", { ...view, tool: "Elicitation", input: elicited }),
      kind: "elicitation",
    },
    {
      ...makePrompt("s_evil", "p_page", { ...view, tool: "Elicitation", input: page }),
      kind: "elicitation",
    },
    {
      ...makePrompt("s_evil", "p_screen", { ...view, tool: "Screen", input: screenQuestion }),
      kind: "screen",
    },
    makePrompt("s_evil", "p_edit", {
      ...view,
      tool: "Edit",
      input: { file_path: image, old_string: script, new_string: payloads().join("\n") },
    }),
  ];
  runner.send({ ...hello, host: image });
  runner.send({
    type: "session",
    session: {
      ...sessionInfo("s_evil"),
      cwd: `/home/${image}`,
      command: `claude ${script}`,
      host: svg.slice(0, 200),
    },
    first: 1,
    prompts,
  });
  await runner.next("resume");
  const frame = {
    rev: 1,
    cols: 80,
    rows: 12,
    cursor: { x: 1, y: 1, visible: true },
    title: image,
    lines: Object.fromEntries(payloads().map((text, y) => [y, `${text}\n5bf1 9999<script>`])),
  };
  runner.send({ type: "screen", session: "s_evil", frame });
  runner.send({
    type: "output",
    session: "s_evil",
    seq: 1,
    op: { op: "append", generation: 0, from: 0, lines: [...payloads(), "needle in the history"] },
  });
  runner.send({
    type: "output",
    session: "s_evil",
    seq: 2,
    op: { op: "append", generation: 0, from: 2 ** 40, lines: payloads() },
  });
  const entries = payloads().flatMap((text, i) => [
    {
      kind: "assistant",
      at: i,
      text: `needle ${text}\n\n\`\`\`html\n${text}\n\`\`\`\n\n| ${text} |\n|---|\n| ${text} |`,
    },
    {
      kind: "tool",
      at: i,
      id: `t${i}`,
      tool: text.slice(0, 200),
      input: JSON.stringify({ command: text, [text]: text }),
    },
    { kind: "result", at: i, id: `t${i}`, text, error: true },
    { kind: "note", at: i, text },
  ]);
  runner.send({
    type: "transcript",
    session: "s_evil",
    next: entries.length,
    file: 0,
    at: 1,
    entries,
  });
  runner.send({
    type: "auth_url",
    session: "s_evil",
    url: `https://127.0.0.1:${canary.port}/login?x=<script>pwned(3)</script>`,
  });
  runner.send({
    type: "runner",
    roots: [`/home/${image}`],
    recent: [script, svg],
    no_sandbox: script,
  });

  phone = await openPhonePage(browser, server.origin);
  await phone.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await phone.context.exposeBinding("told", (_, what: string) => void phone.suspicious.push(what));
  await phone.context.addInitScript(`
    window.pwned = (what) => told("ran: " + what);
    addEventListener("securitypolicyviolation", (event) => told("csp: " + event.violatedDirective + " " + event.blockedURI + " " + event.sample));
    for (const name of ["writeText", "write", "readText", "read"]) navigator.clipboard && (navigator.clipboard[name] = async () => told("clipboard: " + name));
    document.addEventListener("copy", () => told("copied"));
    for (const name of ["alert", "confirm", "prompt", "open"]) window[name] = () => told("window: " + name);
  `);
  phone.page.on("dialog", (dialog) => void phone.suspicious.push(`dialog: ${dialog.message()}`));
  phone.page.on("popup", (popup) => void phone.suspicious.push(`popup: ${popup.url()}`));
  phone.page.on(
    "download",
    (download) => void phone.suspicious.push(`download: ${download.url()}`),
  );
  phone.page.on("framenavigated", (to) => {
    if (!to.url().startsWith(server.origin) && to.url() !== "about:blank")
      phone.suspicious.push(`navigated: ${to.url()}`);
  });
  phone.page.on("frameattached", () => void phone.suspicious.push("a frame"));
}, 90_000);
afterAll(async () => {
  clearInterval(beat);
  runner.close();
  desk.pty.kill("SIGTERM");
  await desk.exited;
  await browser.close();
  await server.stop();
  await canary.stop(true);
});

/** Nothing of it became an element of the page, nothing ran, nothing left. */
async function expectHarmless(where: string) {
  await Bun.sleep(150); // what runs or loads does so at once
  const made = await phone.page.evaluate(
    `document.querySelectorAll("iframe, object, embed, form[action], base, meta[http-equiv], link[href*='127.0.0.1:${canary.port}'], [onerror], [onload], [ontoggle], svg animate, script:not([src='/app.js']):not([src='app.js'])").length`,
  );
  const links: string[] = await phone.page.evaluate(
    `[...document.querySelectorAll("a[href]")].map((a) => a.protocol)`,
  );
  expect([where, made, phone.suspicious, called]).toEqual([where, 0, [], []]);
  expect(links.filter((protocol) => !/^https?:$/.test(protocol))).toEqual([]);
}

test("the desk gets each byte of it, and its terminal's answers go to the program alone", async () => {
  const wanted = printed();
  await until(
    "all of it is there",
    () => new TextDecoder().decode(desk.bytes()).includes("2. No"),
    20_000,
  );
  // what the terminal's line discipline makes of line feeds is its own: the payload has carriage returns before them
  const came = Buffer.from(desk.bytes()).toString("utf8");
  const start = came.indexOf(wanted.slice(0, 20));
  const got = came.slice(start).replaceAll("\r\r\n", "\r\n");
  expect(sha256hex(got.slice(0, wanted.length))).toBe(sha256hex(wanted));
}, 30_000);

test("on the list, in each view of a session, in what is found, among devices and in the audit nothing runs, loads, or leaves", async () => {
  const { page } = phone;
  await pairPage(phone, `${server.origin}/${new URL(await server.phone.mint("viewer")).hash}`);
  const rows = page.locator(".sessions a");
  await until("both are listed", async () => (await rows.count()) >= 2);
  await expectHarmless("the list");
  expect(await page.locator("body").textContent()).toContain("<img src=x onerror=");
  const sessions = await server.phone.sessions();
  const atDesk = sessions.find(({ id }) => id !== "s_evil");
  expect(sessions.length).toBe(2);
  for (const id of [atDesk?.id, "s_evil"]) {
    await page.goto(`${server.origin}/#/s/${id}`);
    await page.locator(".row", { hasText: "<script>" }).first().waitFor();
    await expectHarmless(`the terminal of ${id}`);
  }
  await page.locator('[role="alertdialog"]').first().waitFor();
  await until(
    "each question is a card",
    async () => (await page.locator('[role="alertdialog"]').count()) >= 5,
  );
  await expectHarmless("the cards");
  for (const one of await page.locator(".row, pre").all())
    if (await one.isVisible())
      await one.click({ timeout: 500, trial: true }).catch(() => undefined);
  await page.goto(`${server.origin}/#/s/s_evil/talk`);
  await page.locator("article.entry").first().waitFor();
  for (const folded of await page.locator("article.entry summary").all())
    await folded.click({ timeout: 1000 }).catch(() => undefined); // one that is covered
  await expectHarmless("the conversation");
  await page.goto(`${server.origin}/#/search?q=needle`);
  await until("it is found", async () => (await page.locator(".results a").count()) >= 2, 15_000);
  await expectHarmless("what is found");
  await page.goto(`${server.origin}/#/search?q=${encodeURIComponent(payloads()[1] ?? "")}`);
  await expectHarmless("what was searched for");
  expect(
    await server.phone.code("POST", "/api/prompts/p_none/reject", { message: payloads()[0] }),
  ).toEqual([404, "not_found"]);
  const rejecting = server.phone.json("POST", "/api/prompts/p_bash/reject", {
    message: payloads().join(" ").slice(0, 4000),
  });
  const decide = await runner.next("decide");
  runner.send({ type: "decided", decision: decide.decision, result: "sent" });
  await rejecting;
  await page.goto(`${server.origin}/#/devices`);
  await page.getByText("<script>pwned('name')</script>").first().waitFor();
  await page.locator(".audit li").first().waitFor();
  await expectHarmless("devices and audit");
  await page.goto(`${server.origin}/#/new`);
  await expectHarmless("a new session");
  await page.goto(`${server.origin}/#/s/<img src=x onerror=pwned(9)>`);
  await expectHarmless("an address that is none");
  await page.reload();
  await expectHarmless("all of it once more");
}, 90_000);

test("nothing that stands in a notification is unseen, or more than its words", () => {
  const session = {
    ...sessionInfo("s_evil"),
    cwd: `/home/${payloads()[1]}`,
    title: payloads()[0] ?? "",
    status: "running",
    pending: 1,
    ended_at: null,
    exit: null,
    offline_since: null,
    runner: "dev",
    auth_url: null,
  } as const;
  for (const text of [
    ...payloads(),
    "\x1b]52;c;eA==\x07\x1b[31m\0\r\n",
    "\u202e".repeat(3000),
    "\ud800",
    "x".repeat(100_000),
  ]) {
    const view = { tool: "Bash", input: { command: text }, cwd: text, host: text.slice(0, 256) };
    const messages = [
      promptMessage(makePrompt("s_evil", "p_1", view), 1, true),
      noticeMessage(
        "finished",
        { ...session, hooks: "on", activity: "idle", desk: true, unlogged: false, sandbox: false },
        text.slice(0, 1000),
        1,
        false,
      ),
    ];
    for (const message of messages) {
      v.parse(PushMessage, message);
      expect(/(?![\n\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(message.title + message.body)).toBe(
        false,
      );
      expect(Buffer.byteLength(JSON.stringify(message))).toBeLessThan(3800);
      expect(message.actions.includes("approve")).toBe(
        message.kind === "prompt" && SHOWN_WHOLE.test(text),
      );
    }
  }
});
