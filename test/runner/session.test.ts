import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSession } from "../../src/runner/session.ts";
import { callHook, hookSocket } from "../support/hook-socket.ts";
import { playServer } from "../support/played-server.ts";
import { until } from "../support/until.ts";

const dir = mkdtempSync(join(tmpdir(), "session-test-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("a question that comes up, or is settled, before the server has answered the list of them is told with its answer", async () => {
  const server = playServer();
  const wrapped = {
    name: "claude",
    command: "claude",
    hooks: true,
    args: [],
    env: { HOME: dir },
    cwd: dir,
  };
  const session = openSession(wrapped, server.pairing, "0", { desk: true, unlogged: true });
  const socket = hookSocket(session.program.args);
  const ask = (command: string, signal: AbortSignal) =>
    callHook(
      socket,
      {
        hook_event_name: "PermissionRequest",
        session_id: "s",
        transcript_path: "",
        cwd: dir,
        tool_name: "Bash",
        tool_input: { command },
      },
      signal,
    ).catch(() => undefined);
  const desk = new AbortController();
  const place = { next: 0, file: 0, at: 0 };

  expect((await server.next("session")).prompts).toEqual([]);
  void ask("make", desk.signal);
  await Bun.sleep(1000); // it has come to the runner
  server.send({ type: "resume", session: session.id, seq: 0, transcript: place });
  const told = (await server.next("prompt")).prompt;
  expect([told.state, told.view.includes("make")]).toEqual(["pending", true]);
  expect((await server.next("status")).hooks).toBe("on"); // as the hook has shown meanwhile

  desk.abort();
  expect((await server.next("prompt")).prompt).toMatchObject({
    id: told.id,
    state: "answered",
    answer: { by: "desk" },
  });
  const ended = session.end({ code: 0 });
  await server.next("exit");
  server.send({ type: "ended", session: session.id });
  await until("the session is over", () => ended.then(() => true));
  server.close();
}, 20_000);
