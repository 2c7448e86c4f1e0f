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
import { FromRunner, type FromServer, PROTOCOL } from "../../src/types.ts";
import { expectParsed } from "./phone.ts";
import { until } from "./until.ts";

/** A server that the test plays, for one runner: its socket's other side. */
export function playServer() {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const said: FromRunner[] = [];
  let taken = 0;
  let send: (message: FromServer) => void = () => undefined;
  let received = 0;
  let keys: ReturnType<typeof connectionKeys> = { c2s: new Uint8Array(), s2c: new Uint8Array() };
  const server = Bun.serve<{ nonce: string }>({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request, server) {
      const nonce = parseAuthorization(request.headers.get("authorization"))?.nonce ?? "";
      return server.upgrade(request, { data: { nonce } })
        ? undefined
        : new Response(null, { status: 426 });
    },
    websocket: {
      open(socket) {
        const nonce = randomNonce();
        const mac = toBase64url(
          helloMac(deviceKeys(secret), pairing.device, socket.data.nonce, nonce, "c_1"),
        );
        keys = connectionKeys(secret, socket.data.nonce, nonce, "c_1");
        received = 0;
        let sent = 0;
        send = (message) =>
          void socket.sendBinary(sealFrame(keys.s2c, sent++, JSON.stringify(message)));
        socket.sendText(
          JSON.stringify({ type: "hello", protocol: PROTOCOL, conn: "c_1", nonce, mac }),
        );
      },
      message: (_, frame) =>
        void (
          typeof frame === "string" ||
          said.push(expectParsed(FromRunner, openFrame(keys.c2s, received++, frame) ?? ""))
        ),
    },
  });
  const pairing: Pairing = {
    server: `http://127.0.0.1:${server.port}`,
    device: "dev_1",
    secret: toBase64url(secret),
  };
  return {
    pairing,
    send: (message: FromServer) => send(message),
    /** The next message of this kind; those before it are passed over. */
    next<Type extends FromRunner["type"]>(
      type: Type,
    ): Promise<Extract<FromRunner, { type: Type }>> {
      return until(`a ${type}`, () => {
        for (let message = said[taken]; message !== undefined; message = said[taken]) {
          taken++;
          if (message.type === type) return message as Extract<FromRunner, { type: Type }>;
        }
        return undefined;
      });
    },
    close: () => server.stop(true),
  };
}
