import type { ServerWebSocket } from "bun";
import {
  connectionKeys,
  deviceKeys,
  helloMac,
  openFrame,
  parseAuthorization,
  randomNonce,
  sealFrame,
  toBase64url,
} from "../../src/auth.ts";
import type { Pairing } from "../../src/runner/link.ts";
import { FromRunner, PROTOCOL, parseJson } from "../../src/types.ts";

interface Connection {
  nonce: string;
  keys: { c2s: Uint8Array; s2c: Uint8Array };
  sent: number;
  received: number;
}

/** A server that knows the device's secret and says whatever a test wants it to. */
export function startFakeServer() {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const received: FromRunner[] = [];
  let socket: ServerWebSocket<Connection> | undefined;
  let connections = 0;
  const server = Bun.serve<Connection>({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request, server) {
      const nonce = parseAuthorization(request.headers.get("authorization"))?.nonce ?? "";
      const data: Connection = { nonce, keys: { c2s: secret, s2c: secret }, sent: 0, received: 0 };
      return server.upgrade(request, { data }) ? undefined : new Response(null, { status: 426 });
    },
    websocket: {
      open(opened) {
        const nonce = randomNonce();
        const { data } = opened;
        data.keys = connectionKeys(secret, data.nonce, nonce, "c_1");
        const proof = toBase64url(helloMac(deviceKeys(secret), "dev_1", data.nonce, nonce, "c_1"));
        opened.sendText(
          JSON.stringify({ type: "hello", protocol: PROTOCOL, conn: "c_1", nonce, mac: proof }),
        );
        socket = opened;
        connections++;
      },
      message(from, frame) {
        const text =
          typeof frame === "string"
            ? undefined
            : openFrame(from.data.keys.c2s, from.data.received++, frame);
        const message = text === undefined ? undefined : parseJson(FromRunner, text);
        if (message === undefined)
          throw new Error("a message of our own runner that a server could not read");
        received.push(message);
      },
      close(closed) {
        if (socket === closed) socket = undefined;
      },
    },
  });
  return {
    pairing: {
      server: `http://127.0.0.1:${server.port}`,
      device: "dev_1",
      secret: toBase64url(secret),
    } satisfies Pairing,
    /** What the runner has said. */
    received,
    get connections() {
      return connections;
    },
    get isUp() {
      return socket !== undefined;
    },
    /** Sends something, sealed as it should be. */
    say: (text: string) =>
      socket?.sendBinary(sealFrame(socket.data.keys.s2c, socket.data.sent++, text)),
    /** Sends bytes as they are. */
    raw: (data: Uint8Array | string) => socket?.send(data),
    stop: () => server.stop(true),
  };
}
