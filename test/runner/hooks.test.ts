import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type HookListener, listenForHooks } from "../../src/runner/hooks.ts";
import { callHook } from "../support/hook-socket.ts";
import { until } from "../support/until.ts";

let listener: HookListener | undefined;
afterEach(() => listener?.close());

test("a flood of questions is stored no faster than people could be asked; what is only told goes on", async () => {
  let asked = 0;
  let told = 0;
  listener = listenForHooks({
    onPermission: async () => {
      asked++;
      return undefined;
    },
    onElicitation: async () => {
      asked++;
      return undefined;
    },
    onEvent: () => told++,
  });
  const { url } = JSON.parse(JSON.stringify(listener.settings)).hooks.PermissionRequest[0]
    .hooks[0] as { url: string };
  const token = Object.values(listener.env)[0];
  const common = { session_id: "x", transcript_path: "/x", cwd: "/x" };
  const send = (event: object) =>
    fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ ...common, ...event }),
    });
  for (let second = 0; second < 3; second++) {
    // within the bound of events a second
    for (let i = 0; i < 45; i++)
      await send({
        hook_event_name: "PermissionRequest",
        tool_name: "Bash",
        tool_input: { command: `${second}-${i}` },
      });
    expect((await send({ hook_event_name: "Stop" })).status).toBe(200);
    await Bun.sleep(1050);
  }
  expect(asked).toBe(120);
  expect(told).toBe(3);
}, 20_000);

test("where the folder of the socket was swept away, hooks are heard again, and what was asked before is still answered", async () => {
  const socket = join(mkdtempSync(join(tmpdir(), "hooks-test-")), "hooks");
  const answers: (() => void)[] = [];
  const asked = {
    ...{ session_id: "x", transcript_path: "/x", cwd: "/x" },
    ...{ hook_event_name: "PermissionRequest", tool_name: "Bash", tool_input: {} },
  };
  listener = listenForHooks(
    {
      onPermission: () =>
        new Promise((resolve) => answers.push(() => resolve({ behavior: "allow" }))),
      onElicitation: async () => undefined,
      onEvent: () => undefined,
    },
    undefined,
    socket,
  );
  const before = callHook(socket, asked);
  await until("it is asked", () => answers.length === 1);
  listener.renew(); // nothing to do yet
  rmSync(dirname(socket), { recursive: true });
  listener.renew();
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
  const after = callHook(socket, asked);
  await until("it is asked again", () => answers.length === 2);
  for (const answer of answers) answer();
  for (const response of [await before, await after])
    expect(await response.text()).toContain('"allow"');
  listener.close();
  await until("nobody listens", async () =>
    callHook(socket, asked).then(
      () => false,
      () => true,
    ),
  );
  rmSync(dirname(socket), { recursive: true });
  expect(existsSync(socket)).toBe(false);
});
