import { afterAll, beforeAll, expect, test } from "bun:test";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import * as v from "valibot";
import { loadPairing } from "../src/runner/pairing.ts";
import { DeviceInfo, SessionSummary } from "../src/types.ts";
import { openPhonePage, pairPage, startBrowser } from "./support/browser.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { expectParsed } from "./support/phone.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

let server: HomeServer;
let browser: Browser;
const second = emptyHome();
beforeAll(async () => {
  server = await startHomeServer();
  browser = await startBrowser();
}, 40_000);
afterAll(async () => {
  await browser.close();
  await server.stop();
  second.remove();
});

async function cli(argv: readonly string[], home = server.home) {
  const child = Bun.spawn([...SELF, ...argv], {
    env: home.env,
    cwd: home.dir,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}
const local = (link: string) => `${server.origin}/${new URL(link).hash}`;
const List = v.object({ devices: v.array(DeviceInfo) });
const devices = async () =>
  expectParsed(List, (await cli(["devices", "--json"])).out).devices.filter(
    ({ revoked_at }) => revoked_at === null,
  );

test("`pair` says for what its link is, and how a machine gets one", async () => {
  const { err, out } = await cli(["pair"]);
  expect(err).toContain("for a phone or browser");
  expect(err).toContain("`claude-remote pair --kind machine`");
  expect((await cli(["pair", out.trim()], second)).err).toContain("for a phone or browser");
});

test.each([
  ["machine", "claude-remote pair 'http"],
  ["runner", "claude-remote pair --kind runner 'http"],
])(
  "`pair --kind %s` shows the whole command in a terminal, and the link alone to a program",
  async (kind, words) => {
    const tty = openTty([...SELF, "pair", "--kind", kind], { env: server.home.env, cols: 200 });
    expect(await tty.exited).toEqual({ code: 0 });
    expect(tty.text()).toContain(words);
    expect((await cli(["pair", "--kind", kind])).out.trim()).toMatch(/^http\S+#pair=\S+$/);
  },
);

test.each([
  ["viewer", [], /for a phone or browser.*`claude-remote pair --kind machine`/],
  ["viewer", ["--kind", "runner"], /for a phone or browser/],
  ["runner", [], /only runs sessions: `claude-remote pair --kind runner LINK`/],
])(
  "a %s's code given to `pair` %p is told apart from one that is used or too old",
  async (kind, more, words) => {
    const link = (await cli(["pair", "--kind", kind])).out.trim();
    const { code, err } = await cli(["pair", ...more, link], second);
    expect([code, err]).toEqual([1, expect.stringMatching(words)]);
    expect(err).not.toContain("too old");
  },
);

test("a code whose secret somebody only guesses tells nothing of its kind", async () => {
  const link = (await cli(["pair", "--kind", "runner"])).out.trim();
  const guessed = link.replace(/.$/, (last) => (last === "A" ? "Q" : "A"));
  expect((await cli(["pair", guessed], second)).err).toContain("was never made here");
});

test("a phone offers a laptop or server that runs Claude: the command that it shows, pasted there, is enough", async () => {
  const phone = await openPhonePage(browser, server.origin);
  await pairPage(phone, local(await server.phone.mint("viewer")));
  await phone.page.goto(`${server.origin}/#/devices`);
  await phone.page
    .getByLabel("What is to be let in")
    .selectOption({ label: "A laptop or server that runs Claude" });
  await phone.page.getByRole("button", { name: "Make a pairing link" }).click();
  const command = (await phone.page.locator(".invite code").textContent()) ?? "";
  expect(command).toMatch(/^claude-remote pair --kind runner 'http\S+#pair=\S+'$/);
  await phone.context.close();

  const tools = join(second.dir, "own-tools");
  Bun.spawnSync(["mkdir", tools]);
  if (SELF.length === 1) symlinkSync(SELF[0], join(tools, "claude-remote"));
  else {
    const script = `#!/bin/sh\nexec ${SELF.map((part) => `'${part}'`).join(" ")} "$@"\n`;
    writeFileSync(join(tools, "claude-remote"), script, { mode: 0o755 });
  }
  const env = { ...second.env, PATH: `${tools}:${second.env.PATH}` };
  const pasted = Bun.spawnSync(["sh", "-c", command], { env, cwd: second.dir });
  expect([pasted.exitCode, pasted.stderr.toString()]).toEqual([
    0,
    expect.stringContaining("Paired"),
  ]);
  const own = loadPairing(join(second.dir, ".config/claude-remote/pairing.json"));
  expect((await devices()).find(({ id }) => id === own?.device)?.kind).toBe("runner");
}, 40_000);

test("devices are renamed by command, and lists are JSON where that is asked for", async () => {
  const [phone] = (await devices()).filter(({ name }) => name === "test phone");
  const id = phone?.id ?? "";
  expect(await cli(["devices", "rename", id, "Ida's", "phone"])).toMatchObject({
    code: 0,
    out: `${id} is called Ida's phone now.\n`,
  });
  expect((await devices()).find((device) => device.id === id)?.name).toBe("Ida's phone");
  expect((await cli(["devices"])).out).toContain("Ida's phone");
  expect(await cli(["devices", "rename", id])).toMatchObject({ code: 2 });
  expect(await cli(["devices", "rename", "dev_none", "x"])).toMatchObject({ code: 1 });
  expect(await cli(["devices", "rename", id, "a\u202eb"])).toMatchObject({ code: 1 });

  const tty = openTty([...SELF, "run", "--command", "sleep", "--", "600"], {
    env: server.home.env,
    cwd: server.home.dir,
  });
  const Sessions = v.object({ sessions: v.array(SessionSummary) });
  const sessions = async () =>
    expectParsed(Sessions, (await cli(["attach", "--list", "--json"])).out).sessions;
  await until("it is listed", async () =>
    (await sessions()).some(
      ({ command, status }) => command === "sleep 600" && status === "running",
    ),
  );
  tty.pty.kill("SIGKILL");
  await tty.exited;
}, 40_000);
