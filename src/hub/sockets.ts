import type { ServerWebSocket } from "bun";
import {
  connectionKeys,
  helloMac,
  openFrame,
  randomNonce,
  sealFrame,
  toBase64url,
} from "../auth.ts";
import { FromRunner, type FromServer, type Greeting, PROTOCOL, parseJson } from "../types.ts";
import type { Device } from "./devices.ts";
import type { Log } from "./log.ts";

/** A runner is asked for a sign of life this often, and taken for gone after this long without any, in ms. */
const PING_MS = 2000;
const SILENCE_MS = 6000;

/** Why the socket was closed by us: RFC 6455, section 7.4.2 leaves 4000–4999 to applications, 1013 is registered as "try again later". */
const CLOSE = {
  badFrame: 4400,
  protocol: 4426,
  revoked: 4401,
  goingAway: 1001,
  later: 1013,
} as const;

/** What is kept with each socket. */
export interface Connection {
  device: Device;
  clientNonce: string;
  conn: string;
  /** Which of this server's connections it is. */
  number: number;
  keys: { c2s: Uint8Array; s2c: Uint8Array };
  received: number;
  sent: number;
  heardAt: number;
  greeted: boolean;
  /** As it calls its machine. */
  host: string;
  sessions: Set<string>;
}
export type Socket = ServerWebSocket<Connection>;
/** What runners say of their sessions, once the connection stands. */
export type Report = Exclude<FromRunner, { type: "hello" | "pong" }>;

export interface SocketEvents {
  onUp(device: Device): void;
  /** A sign of life. */
  onHeard(device: Device): void;
  onReport(socket: Socket, message: Report): void;
  /** `last`: no other socket of its device is left. */
  onGone(socket: Socket, last: boolean): void;
  log: Log;
}

/** The sockets of runners: sealed frame by frame, in sequence, and dropped when nothing is heard. */
export function openSockets({ onUp, onHeard, onReport, onGone, log }: SocketEvents) {
  const sockets = new Set<Socket>();
  let connections = 0;

  const send = (socket: Socket, message: FromServer) => {
    socket.sendBinary(sealFrame(socket.data.keys.s2c, socket.data.sent++, JSON.stringify(message)));
  };

  const gone = (socket: Socket) => {
    if (!sockets.delete(socket)) return;
    onGone(
      socket,
      [...sockets].every((other) => other.data.device.id !== socket.data.device.id),
    );
  };

  const beat = setInterval(() => {
    for (const socket of sockets) {
      if (performance.now() - socket.data.heardAt > SILENCE_MS) {
        socket.terminate(); // half open: a close handshake would wait for an answer
        gone(socket);
      } else send(socket, { type: "ping" });
    }
  }, PING_MS);

  const greeted = (socket: Socket, { protocol, host }: Extract<FromRunner, { type: "hello" }>) => {
    socket.data.host = host;
    socket.data.greeted = protocol === PROTOCOL;
    if (socket.data.greeted) return;
    const which = protocol < PROTOCOL ? "This claude-remote" : "The server's claude-remote";
    send(socket, {
      type: "refused",
      message: `${which} is too old (protocol ${Math.min(protocol, PROTOCOL)}): update it.`,
    });
    socket.close(CLOSE.protocol, "protocol");
  };

  return {
    send,

    /** What a socket carries from the upgrade on. */
    connection(device: Device, clientNonce: string): Connection {
      return {
        device,
        clientNonce,
        conn: `c_${randomNonce()}`,
        number: ++connections,
        keys: { c2s: new Uint8Array(), s2c: new Uint8Array() },
        received: 0,
        sent: 0,
        heardAt: performance.now(),
        greeted: false,
        host: "",
        sessions: new Set(),
      };
    },

    opened(socket: Socket): void {
      const { data } = socket;
      const nonce = randomNonce();
      data.keys = connectionKeys(data.device.secret, data.clientNonce, nonce, data.conn);
      const proof = helloMac(data.device.keys, data.device.id, data.clientNonce, nonce, data.conn);
      const greeting: Greeting = {
        type: "hello",
        protocol: PROTOCOL,
        conn: data.conn,
        nonce,
        mac: toBase64url(proof),
      };
      socket.sendText(JSON.stringify(greeting));
      sockets.add(socket);
      onUp(data.device);
    },

    received(socket: Socket, frame: string | Uint8Array): void {
      const { data } = socket;
      const payload =
        typeof frame === "string" ? undefined : openFrame(data.keys.c2s, data.received, frame);
      const message = payload === undefined ? undefined : parseJson(FromRunner, payload);
      if (message === undefined) {
        log("warn", "unreadable_message", {
          device: data.device.id,
          reason: payload === undefined ? "bad MAC or sequence" : "not of this protocol",
        });
        return socket.close(CLOSE.badFrame, "unreadable message");
      }
      data.received++;
      data.heardAt = performance.now();
      onHeard(data.device);
      if (message.type === "hello") return greeted(socket, message);
      if (!data.greeted) return socket.close(CLOSE.badFrame, "hello first");
      if (message.type !== "pong") onReport(socket, message);
    },

    closed: gone,

    /** Ends the sockets of a revoked device. */
    drop(device: string): void {
      for (const socket of sockets)
        if (socket.data.device.id === device) socket.close(CLOSE.revoked, "revoked");
    },

    /** Sends a runner away until later. */
    busy: (socket: Socket): void =>
      void socket.close(CLOSE.later, "the server can't write to its disk"),

    closeAll(): void {
      clearInterval(beat);
      for (const socket of sockets) socket.close(CLOSE.goingAway, "server stops");
    },
  };
}
