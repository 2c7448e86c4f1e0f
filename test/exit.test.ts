import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programPid } from "../src/runner/program.ts";
import { SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

let server: HomeServer;
beforeAll(async () => {
  server = await startHomeServer();
}, 30_000);
afterAll(() => server.stop());

/** Wraps a script that says its pid as ready, and resolves once the server shows it. */
async function wrap(script: string) {
  const tty = openTty(
    [...SELF, "run", "--command", "sh", "--", "-c", `echo "pid=$$."; ${script}`],
    { env: server.home.env, cwd: server.home.dir },
  );
  await tty.sees(/pid=\d+\./);
  const session = await until("the session is shown", async () =>
    (await server.phone.sessions()).find(({ status }) => status === "running"),
  );
  return { tty, id: session.id, program: Number(/pid=(\d+)\./.exec(tty.text())?.[1]) };
}
const ended = (id: string) =>
  until(
    "it is over",
    async () =>
      (await server.phone.sessions()).find(
        (session) => session.id === id && session.status === "ended",
      ),
    15_000,
  );

test("an exit says its code, or the signal that it was", async () => {
  const plain = await wrap("read x; exit 3");
  plain.tty.type("\r");
  expect((await ended(plain.id)).exit).toEqual({ code: 3 });
  const killed = await wrap("read x");
  process.kill(killed.program, "SIGKILL");
  expect((await ended(killed.id)).exit).toEqual({ code: 137, signal: "SIGKILL" });
}, 30_000);

test("a session whose own process is killed is soon known to be lost, and nothing of it stays behind", async () => {
  const { tty, id } = await wrap("sleep 60");
  const wrapper = programPid(tty.pty.holder) ?? 0;
  const before = Date.now();
  process.kill(wrapper, "SIGKILL");
  const session = await ended(id);
  expect(session.exit).toEqual({ code: -1, lost: true });
  expect(session.ended_at).toBeGreaterThanOrEqual(before);
  expect(session.command).toStartWith("sh -c");
  await until("its folder is gone", () =>
    readdirSync(join(server.home.dir, "tmp")).every((name) => !name.startsWith("claude-remote-")),
  );
}, 30_000);

test("killed while the server is away, it is told once that is back", async () => {
  const { tty, id } = await wrap("sleep 60");
  await server.restart("SIGKILL", async () => {
    process.kill(programPid(tty.pty.holder) ?? 0, "SIGKILL");
    await tty.exited;
  });
  expect((await ended(id)).exit).toEqual({ code: -1, lost: true });
}, 40_000);

test("a session whose folder was cleaned away goes on, and follows the conversation", async () => {
  const config = join(server.home.dir, "cleaned");
  for (const name of ["sessions", "projects/x"]) mkdirSync(join(config, name), { recursive: true });
  const claude = join(server.home.dir, "claude");
  const steps = [
    `read x; echo '{"type":"user","message":{"content":"still here"}}' > ${config}/projects/x/c1.jsonl`,
    `echo '{"status":"idle","sessionId":"c1"}' > ${config}/sessions/$$.json; read y; exit 3`,
  ];
  writeFileSync(claude, `#!/bin/sh\necho "pid=$$."\n${steps.join("\n")}\n`, { mode: 0o755 });
  const tty = openTty([...SELF, "run", "--command", claude], {
    env: { ...server.home.env, CLAUDE_CONFIG_DIR: config },
    cwd: server.home.dir,
  });
  await tty.sees(/pid=\d+\./);
  const { id } = await until("the session is shown", async () =>
    (await server.phone.sessions()).find(({ status }) => status === "running"),
  );
  const temporary = join(server.home.dir, "tmp");
  for (const name of readdirSync(temporary))
    if (name.startsWith("claude-remote-")) rmSync(join(temporary, name), { recursive: true });
  tty.type("\r");
  await until("the conversation is there", async () =>
    JSON.stringify(await server.phone.json("GET", `/api/sessions/${id}/transcript`)).includes(
      "still here",
    ),
  );
  tty.type("\r");
  expect((await ended(id)).exit).toEqual({ code: 3 });
}, 30_000);
