import {
  connectionKeys,
  deviceKeys,
  helloMac,
  mac,
  openFrame,
  randomNonce,
  sameMac,
  sealFrame,
  signRequest,
} from "../../src/auth.ts";
import { FromServer, Greeting, PROTOCOL, parseJson } from "../../src/types.ts";
import { expectParsed, type Phone } from "./phone.ts";
import { until } from "./until.ts";

/** A runner says that it is there this often, in ms: the server hangs up after six seconds of silence. */
const BEAT_MS = 2000;

/** A message has to come within this time, whatever else comes meanwhile: the server's pings never end. */
const NEXT_MS = 30_000;

/** A runner's socket, driven by hand. */
export async function openSocket(origin: string, device: Phone) {
  const nonce = randomNonce();
  const keys = deviceKeys(device.secret);
  const authorization = signRequest(keys, {
    method: "GET",
    host: new URL(origin).host,
    target: "/ws",
    device: device.device,
    ts: Math.floor(Date.now() / 1000),
    nonce,
  });
  const socket = new WebSocket(`${origin.replace("http", "ws")}/ws`, {
    headers: { authorization },
  });
  socket.binaryType = "arraybuffer";
  const messages: (string | ArrayBuffer)[] = [];
  let closed: number | undefined;
  socket.onmessage = ({ data }) => messages.push(data);
  let beat: ReturnType<typeof setInterval> | undefined;
  socket.onclose = ({ code }) => {
    closed = code;
    clearInterval(beat);
  };
  const greeting = parseJson(Greeting, String(await until("the greeting", () => messages.shift())));
  if (greeting === undefined) throw new Error("no greeting");
  const connection = connectionKeys(device.secret, nonce, greeting.nonce, greeting.conn);
  let sent = 0;
  let received = 0;
  return {
    greeting,
    proved: sameMac(
      greeting.mac,
      helloMac(keys, device.device, nonce, greeting.nonce, greeting.conn),
    ),
    raw: (data: string | Uint8Array) => socket.send(data),
    seal: (message: unknown, sequence = sent++) =>
      sealFrame(connection.c2s, sequence, JSON.stringify(message)),
    /** The same of bytes that need be no JSON, nor even text. */
    sealBytes(payload: Uint8Array, sequence = sent++) {
      const body = new Uint8Array([
        ...new Uint8Array(new BigUint64Array([BigInt(sequence)]).buffer).reverse(),
        ...payload,
      ]);
      return new Uint8Array([...mac(connection.c2s, body), ...body]);
    },
    send(message: unknown) {
      socket.send(this.seal(message));
    },
    async next<Type extends FromServer["type"]>(
      type: Type,
    ): Promise<Extract<FromServer, { type: Type }>> {
      const end = performance.now() + NEXT_MS;
      for (;;) {
        if (performance.now() > end) throw new Error(`waited ${NEXT_MS} ms in vain for a ${type}`);
        const frame = await until(`a ${type}`, () => messages.shift());
        const message = expectParsed(
          FromServer,
          openFrame(connection.s2c, received++, new Uint8Array(frame as ArrayBuffer)) ?? "",
        );
        if (message.type === type) return message as Extract<FromServer, { type: Type }>;
      }
    },
    /** It stays for as long as the test wants it, however slow the machine is. */
    beat() {
      beat ??= setInterval(() => this.send({ type: "pong" }), BEAT_MS);
    },
    closed: () => until("the socket closes", () => closed),
    close() {
      clearInterval(beat);
      socket.close();
    },
  };
}
export const hello = { type: "hello", protocol: PROTOCOL, version: "0", host: "test" };
export const sessionInfo = (id: string) => ({
  id,
  host: "box",
  cwd: "/x",
  command: "claude",
  started_at: Date.now(),
  hooks: "on",
  activity: "idle",
});
