import * as v from "valibot";
import { fromBase64url, toBase64url } from "../../src/auth.ts";
import { PushMessage } from "../../src/types.ts";
import { expectParsed } from "./phone.ts";
import { until } from "./until.ts";

/** What a browser told us to send to, and how to read what arrives there. */
export interface FakeBrowser {
  subscription: { endpoint: string; keys: { p256dh: string; auth: string } };
  /** What has arrived, checked and decrypted. */
  received: Arrived[];
  /** The next message that arrives. */
  next(): Promise<Arrived>;
}

export interface Arrived {
  message: PushMessage;
  text: string;
  headers: Headers;
  /** What the VAPID token claims. */
  claims: v.InferOutput<typeof Claims>;
  bytes: number;
}

const Claims = v.object({ aud: v.string(), exp: v.number(), sub: v.string() });
const TokenHead = v.object({ alg: v.literal("ES256"), typ: v.literal("JWT") });

/** A push service on loopback, written after the standards alone: it refuses what RFC 8292 and RFC 8188 would have it refuse, and decrypts by RFC 8291. */
export function startPushService() {
  const browsers = new Map<
    string,
    FakeBrowser & { private: CryptoKey; secret: Uint8Array<ArrayBuffer> }
  >();
  const refused: string[] = [];
  const requests: string[] = [];
  let answer: (path: string) => Response | Promise<Response> | undefined = () => undefined;

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      requests.push(pathname);
      const other = await answer(pathname);
      if (other !== undefined) return other;
      const browser = browsers.get(pathname);
      if (browser === undefined) return new Response("no such subscription", { status: 410 });
      try {
        const claims = await checkVapid(request.headers.get("authorization") ?? "", origin);
        const body = new Uint8Array(await request.arrayBuffer());
        if (request.method !== "POST" || request.headers.get("content-encoding") !== "aes128gcm")
          throw new Error("not an aes128gcm POST");
        if (!/^\d+$/.test(request.headers.get("ttl") ?? "")) throw new Error("no TTL");
        if (!/^[\w-]{1,32}$/.test(request.headers.get("topic") ?? ""))
          throw new Error("not a topic");
        const text = await decrypt(
          body,
          browser.private,
          browser.subscription.keys.p256dh,
          browser.secret,
        );
        browser.received.push({
          message: expectParsed(PushMessage, text),
          text,
          headers: request.headers,
          claims,
          bytes: body.length,
        });
        return new Response("taken", { status: 201 });
      } catch (error) {
        refused.push(String(error));
        return new Response(String(error), { status: 400 });
      }
    },
  });
  const origin = `http://127.0.0.1:${server.port}`;

  return {
    origin,
    /** What it refused, and every path that was asked for. */
    refused,
    requests,
    /** Lets it answer otherwise; undefined is the ordinary way. */
    behave(otherwise: typeof answer): void {
      answer = otherwise;
    },
    async browser(name: string): Promise<FakeBrowser> {
      const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, [
        "deriveBits",
      ]);
      const secret = crypto.getRandomValues(new Uint8Array(16));
      const p256dh = toBase64url(
        new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)),
      );
      const received: Arrived[] = [];
      let taken = 0;
      const browser = {
        subscription: {
          endpoint: `${origin}/push/${name}`,
          keys: { p256dh, auth: toBase64url(secret) },
        },
        received,
        next: () => until(`${name} gets a message`, () => received[taken] && received[taken++]),
        private: pair.privateKey,
        secret,
      };
      browsers.set(`/push/${name}`, browser);
      return browser;
    },
    stop: () => server.stop(true),
  };
}

export const bytesOf = (text: string | undefined): Uint8Array<ArrayBuffer> =>
  new Uint8Array(fromBase64url(text ?? "") ?? []);

/** RFC 8292: a token for this very service, signed with the key that stands beside it, and not for longer than a day. */
async function checkVapid(header: string, audience: string): Promise<v.InferOutput<typeof Claims>> {
  const [, head, body, signature, key] =
    /^vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), *k=([\w-]+)$/.exec(header) ?? [];
  const publicKey = await crypto.subtle.importKey(
    "raw",
    bytesOf(key),
    { name: "ECDSA", namedCurve: "P-256" },
    false,
    ["verify"],
  );
  const signed = new TextEncoder().encode(`${head}.${body}`);
  if (
    !(await crypto.subtle.verify(
      { name: "ECDSA", hash: "SHA-256" },
      publicKey,
      bytesOf(signature),
      signed,
    ))
  )
    throw new Error("the token's signature is wrong");
  expectParsed(TokenHead, new TextDecoder().decode(bytesOf(head)));
  const claims = expectParsed(Claims, new TextDecoder().decode(bytesOf(body)));
  const now = Date.now() / 1000;
  if (claims.aud !== audience) throw new Error(`the token is for ${claims.aud}`);
  if (claims.exp < now || claims.exp > now + 86_400) throw new Error("the token is not of today");
  if (!/^(?:mailto:\S+@\S+|https:\/\/\S+)$/.test(claims.sub))
    throw new Error(`nobody can be reached under ${claims.sub}`);
  return claims;
}

async function hkdf(
  salt: Uint8Array<ArrayBuffer>,
  key: Uint8Array<ArrayBuffer>,
  info: Uint8Array<ArrayBuffer>,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const material = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits"]);
  return new Uint8Array(
    await crypto.subtle.deriveBits(
      { name: "HKDF", hash: "SHA-256", salt, info },
      material,
      bytes * 8,
    ),
  );
}

/** RFC 8291 with RFC 8188: one record of aes128gcm, under a key that the browser's pair and secret give with the sender's public key. */
export async function decrypt(
  body: Uint8Array<ArrayBuffer>,
  own: CryptoKey,
  p256dh: string,
  secret: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const text = (words: string) => new Uint8Array(new TextEncoder().encode(words));
  const salt = body.slice(0, 16);
  const recordBytes = new DataView(body.buffer, 16, 4).getUint32(0);
  const idBytes = body[20] ?? 0;
  const senderKey = body.slice(21, 21 + idBytes);
  const record = body.slice(21 + idBytes);
  if (record.length > recordBytes || body.length > 4096)
    throw new Error("more than one record, or more than a service takes");
  const sender = await crypto.subtle.importKey(
    "raw",
    senderKey,
    { name: "ECDH", namedCurve: "P-256" },
    false,
    [],
  );
  const shared = new Uint8Array(
    await crypto.subtle.deriveBits({ name: "ECDH", public: sender }, own, 256),
  );
  const material = await hkdf(
    secret,
    shared,
    new Uint8Array([...text("WebPush: info\0"), ...bytesOf(p256dh), ...senderKey]),
    32,
  );
  const key = await crypto.subtle.importKey(
    "raw",
    await hkdf(salt, material, text("Content-Encoding: aes128gcm\0"), 16),
    "AES-GCM",
    false,
    ["decrypt"],
  );
  const iv = await hkdf(salt, material, text("Content-Encoding: nonce\0"), 12);
  const padded = new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, record));
  const end = padded.findLastIndex((byte) => byte !== 0);
  if (padded[end] !== 2) throw new Error("not the last record");
  return new TextDecoder("utf-8", { fatal: true }).decode(padded.subarray(0, end));
}
