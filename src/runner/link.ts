import * as v from "valibot";
import {
  clockText,
  connectionKeys,
  type DeviceKeys,
  deviceKeys,
  fromBase64url,
  helloMac,
  mac,
  openFrame,
  randomNonce,
  sameMac,
  sealFrame,
  signRequest,
} from "../auth.ts";
import {
  ApiError,
  type FromRunner,
  FromServer,
  Greeting,
  LIMITS,
  PROTOCOL,
  parseJson,
} from "../types.ts";
import { isNear, networkCause } from "./uplink/network-error.ts";

/** Where this machine is paired, and as what. */
export interface Pairing {
  /** The server's origin. */
  server: string;
  device: string;
  /** 256 bits, base64url. */
  secret: string;
  /** The server runs on this machine, in the background, and is started when it is needed. */
  embedded?: boolean | undefined;
  /** And listens on this port, which it keeps: phones know it by its origin. */
  port?: number | undefined;
}

/** First and longest pause before another attempt, in ms; each is drawn at random from its range, so that runners don't come back all at once. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
/** The same where the server answered that it refuses this machine: asking again soon changes nothing, and many sessions ask. */
const FIRST_REFUSED_PAUSE_MS = 15_000;
const LONGEST_REFUSED_PAUSE_MS = 120_000;
/** Answers that somebody has to change something about: not paired, locked out, asked too often. */
const REFUSALS: readonly number[] = [401, 403, 429];
/** The server asks for a sign of life every 2 s; after this long without it the connection is given up, in ms. */
const SILENCE_MS = 10_000;
/** How long a connection may take to come up, in ms. */
const CONNECT_MS = 10_000;
/** Bytes that may wait in the socket before senders are asked to hold back. */
const FULL_BYTES = 256 * 1024;

export interface Link {
  /** Sends where the link is up; false where it is not, and nothing is kept. */
  send(message: FromRunner): boolean;
  readonly up: boolean;
  /** Whether so much waits to be sent that screens and history should hold back. */
  readonly full: boolean;
  close(): void;
}

export interface LinkOptions {
  pairing: Pairing;
  host: string;
  version: string;
  /** The connection stands and the server has proved itself. */
  onUp(): void;
  onMessage(message: FromServer): void;
  /** `lasting`: it won't come back until somebody does what the reason says. */
  onDown(reason: string, lasting: boolean): void;
  /** The server's origin by now, where it may have moved since the pairing was read. */
  address?: (() => string) | undefined;
  /** For tests: how long to wait before an attempt, given the longest it may be. */
  pause?(longestMs: number): number;
}

const UNKNOWN_HERE =
  "the server does not know this machine, or has locked it out: let it in again with `claude-remote pair`";

const ClockRefusal = v.object({
  error: v.object({ code: v.literal("clock") }),
  time: v.number(),
  mac: v.string(),
});

/** The server's time in unix seconds, where it refused a request for this machine's clock and proves that it is the server; undefined otherwise. */
export function provenTime(
  keys: DeviceKeys,
  device: string,
  nonce: string,
  refusal: string,
): number | undefined {
  const clock = parseJson(ClockRefusal, refusal);
  return clock !== undefined &&
    sameMac(clock.mac, mac(keys.clock, clockText(device, nonce, clock.time)))
    ? clock.time
    : undefined;
}

/** A request to a server; one on this machine is not sent through a proxy, as `fetch` would where one is set (WebSockets never are). */
export function fetchServer(url: string, init: BunFetchRequestInit): Promise<Response> {
  const { NO_PROXY } = process.env;
  if (isNear(new URL(url).hostname)) process.env.NO_PROXY = "*"; // read as the request begins
  const response = fetch(url, { ...init, redirect: "error" });
  if (NO_PROXY === undefined) delete process.env.NO_PROXY;
  else process.env.NO_PROXY = NO_PROXY;
  return response;
}

/**
 * TLS to this machine's own server is not checked: its certificate is for the name that phones use. Such a
 * connection is trusted no more than plain HTTP on loopback, where the server proves itself as well.
 */
export const ownTls = ({ embedded }: Pick<Pairing, "embedded">) =>
  embedded === true ? { tls: { rejectUnauthorized: false } } : {};

/** Keeps a signed WebSocket to the server open, from this side: nothing listens here. */
export function openLink(options: LinkOptions): Link {
  const { pairing } = options;
  const secret = fromBase64url(pairing.secret) ?? new Uint8Array();
  const keys: DeviceKeys = deviceKeys(secret);
  const pause = options.pause ?? ((longest) => longest * (0.5 + Math.random() / 2));
  let server = pairing.server;
  let clockOffset = 0; // seconds that the server is ahead
  let attempt = 0;
  let socket: WebSocket | undefined;
  let session:
    | { keys: { c2s: Uint8Array; s2c: Uint8Array }; sent: number; received: number }
    | undefined;
  let closed = false;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let silence: ReturnType<typeof setTimeout> | undefined;

  const sign = (nonce: string) =>
    signRequest(keys, {
      method: "GET",
      host: new URL(server).host,
      target: "/ws",
      device: pairing.device,
      ts: Math.floor(Date.now() / 1000) + clockOffset,
      nonce,
    });

  const again = (reason: string, { lasting = false, refused = false } = {}) => {
    clearTimeout(silence);
    const lasted = (session?.received ?? 0) > 1; // not merely to be refused
    socket = session = undefined;
    if (closed) return;
    if (lasted) attempt = 0;
    options.onDown(reason, lasting);
    const first = refused ? FIRST_REFUSED_PAUSE_MS : FIRST_PAUSE_MS;
    const longest = refused ? LONGEST_REFUSED_PAUSE_MS : LONGEST_PAUSE_MS;
    retry = setTimeout(connect, pause(Math.min(first * 2 ** attempt++, longest)));
  };

  const listen = (ws: WebSocket, ms: number) => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      if (ws !== socket) return;
      ws.terminate();
      again("the server is silent");
    }, ms);
  };

  const connect = () => {
    const nonce = randomNonce();
    server = options.address?.() ?? pairing.server;
    const ws = new WebSocket(`${server.replace(/^http/, "ws")}/ws`, {
      headers: { authorization: sign(nonce) },
      ...ownTls(pairing),
    });
    ws.binaryType = "arraybuffer";
    socket = ws;
    listen(ws, CONNECT_MS);
    let opened = false;
    ws.onopen = () => {
      opened = true;
    };
    ws.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (ws !== socket) return;
      listen(ws, SILENCE_MS);
      if (session === undefined) {
        const greeting = typeof data === "string" ? parseJson(Greeting, data) : undefined;
        if (
          greeting === undefined ||
          !sameMac(
            greeting.mac,
            helloMac(keys, pairing.device, nonce, greeting.nonce, greeting.conn),
          )
        ) {
          ws.terminate();
          return again("whoever answers there can't prove to be our server");
        }
        session = {
          keys: connectionKeys(secret, nonce, greeting.nonce, greeting.conn),
          sent: 0,
          received: 0,
        };
        link.send({
          type: "hello",
          protocol: PROTOCOL,
          version: options.version,
          host: options.host,
        });
        options.onUp();
        return;
      }
      const payload =
        data instanceof ArrayBuffer
          ? openFrame(session.keys.s2c, session.received, new Uint8Array(data))
          : undefined;
      const message = payload === undefined ? undefined : parseJson(FromServer, payload);
      if (message === undefined) {
        ws.terminate();
        return again("the server sent a message that can't be read");
      }
      session.received++;
      if (message.type === "ping") link.send({ type: "pong" });
      options.onMessage(message);
    };
    ws.onclose = ({ reason }) => {
      if (ws !== socket) return;
      if (opened) again(reason || "the connection was lost");
      else void askWhy().then(({ why, ...how }) => ws === socket && again(why, how));
    };
  };

  /** A refused upgrade shows no reason; the same request without it does. Corrects our clock where that is it. */
  const askWhy = async (): Promise<{ why: string; lasting?: boolean; refused?: boolean }> => {
    const nonce = randomNonce();
    const request = {
      headers: { authorization: sign(nonce) },
      signal: AbortSignal.timeout(CONNECT_MS),
      ...ownTls(pairing),
    };
    const answer = await fetchServer(`${server}/ws`, request)
      .then(async (response) => ({ status: response.status, text: await response.text() }))
      .catch((error: unknown) => `${server} can't be reached: ${networkCause(error, server)}`);
    if (typeof answer === "string") return { why: answer };
    const text = answer.text.slice(0, 4096);
    const time = provenTime(keys, pairing.device, nonce, text);
    if (time !== undefined) {
      clockOffset = time - Math.floor(Date.now() / 1000);
      return { why: "this machine's clock is not the server's; corrected" };
    }
    const refused = REFUSALS.includes(answer.status);
    if (answer.status === 401) return { why: UNKNOWN_HERE, lasting: true, refused };
    const said = parseJson(ApiError, text)?.error;
    return {
      why: `the server refused the connection (${answer.status}): ${said?.message ?? "it does not say why"}`,
      lasting: said?.code === "unused",
      refused,
    };
  };

  const link: Link = {
    send(message) {
      if (session === undefined || socket?.readyState !== WebSocket.OPEN) return false;
      const frame = sealFrame(session.keys.c2s, session.sent, JSON.stringify(message));
      if (frame.length > LIMITS.messageBytes) return true; // a screen of monstrous rows: the server would hang up on it
      session.sent++;
      socket.send(frame);
      return true;
    },
    get up() {
      return session !== undefined;
    },
    get full() {
      return (socket?.bufferedAmount ?? 0) > FULL_BYTES;
    },
    close() {
      closed = true;
      clearTimeout(retry);
      clearTimeout(silence);
      socket?.close();
      socket = session = undefined;
    },
  };
  connect();
  return link;
}
