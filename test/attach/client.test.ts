import { expect, test } from "bun:test";
import { once } from "node:events";
import { createServer } from "node:net";
import * as v from "valibot";
import { openClient, RequestError } from "../../src/attach/client.ts";
import { toBase64url } from "../../src/auth.ts";

test.each(["200 OK", "503 Service Unavailable"])(
  "an answer (%s) that breaks off in the middle is a server that can't be reached",
  async (status) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () =>
        socket.write(`HTTP/1.1 ${status}\r\ncontent-length: 500\r\n\r\n{`, () =>
          socket.resetAndDestroy(),
        ),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const client = openClient({
      server: `http://127.0.0.1:${port}`,
      device: "d_1",
      secret: toBase64url(new Uint8Array(32)),
    });
    const error = await client
      .call(v.object({}), "POST", "/api/sessions/s_1/input", {})
      .catch((thrown: unknown) => thrown);
    server.close();
    expect(error).toBeInstanceOf(RequestError);
    expect(error).toMatchObject({ status: 0, code: "offline" });
  },
);

test("a request that was sent twice on the way counts as lost: what became of it is not known", async () => {
  const body = { error: { code: "replayed", message: "This request was sent before." } };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => Response.json(body, { status: 401 }),
  });
  const client = openClient({
    server: server.url.origin,
    device: "d_1",
    secret: toBase64url(new Uint8Array(32)),
  });
  const error = await client.send("GET", "/events").catch((thrown: unknown) => thrown);
  await server.stop(true);
  expect(error).toBeInstanceOf(RequestError);
  expect(error).toMatchObject({ status: 0, code: "offline" });
});
