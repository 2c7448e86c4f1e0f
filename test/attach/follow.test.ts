import { expect, test } from "bun:test";
import * as v from "valibot";
import type { Client } from "../../src/attach/client.ts";
import { followSession } from "../../src/attach/follow.ts";
import type { SessionSummary } from "../../src/types.ts";
import { sessionInfo } from "../support/runner-socket.ts";
import { until } from "../support/until.ts";

const summary = (status: SessionSummary["status"]) => ({
  ...sessionInfo("s"),
  status,
  pending: 0,
  title: "",
  ended_at: null,
  exit: null,
  offline_since: null,
  runner: "dev_1",
  auth_url: null,
});

test("what the stream tells of a session is newer than what was asked for before it", async () => {
  const encoder = new TextEncoder();
  const stream = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>();
  const answer = Promise.withResolvers<object>();
  const asked = Promise.withResolvers<void>();
  const client: Client = {
    device: "d",
    send: async () =>
      new Response(new ReadableStream({ start: (controller) => stream.resolve(controller) })),
    async call(schema) {
      asked.resolve();
      return v.parse(schema, await answer.promise);
    },
  };
  const shown: string[] = [];
  const nothing = () => undefined;
  const following = followSession(client, "s", {
    onConnected: nothing,
    onFrame: nothing,
    onPrompt: nothing,
    onLink: nothing,
    onGone: nothing,
    onFault: nothing,
    onSession: ({ status }) => void shown.push(status),
  });
  const say = async (name: string, data: object) =>
    (await stream.promise).enqueue(
      encoder.encode(`id: e:1\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`),
    );
  await say("hello", { stream: "st_1", insecure: false, disk_full: false });
  await asked.promise;
  await say("session_status", summary("running"));
  await until("that is shown", () => shown.length === 1);
  answer.resolve({
    session: summary("offline"),
    screen: null,
    prompts: [],
    history: { generation: 0, next: 0 },
  });
  await until("the answer is taken in", () => shown.length === 2);
  expect(shown).toEqual(["running", "running"]);
  following.close();
});
