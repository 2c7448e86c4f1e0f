import { afterEach, expect, test } from "bun:test";
import { type HookListener, listenForHooks } from "../../src/runner/hooks.ts";

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
