import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";

/**
 * Signatures and pairing, the same code on server, runner and page. Every string and derivation is pinned by
 * `test/fixtures/auth-vectors.json`. HMAC and HKDF are with SHA-256; an empty HKDF salt is 32 zero bytes (RFC 5869).
 */

/** Largest difference between a signature's time and the server's clock, in seconds. */
export const MAX_SKEW_S = 60;
/** A device's secret, in bytes. */
export const SECRET_BYTES = 32;
/** A nonce or a pairing code, in bytes: 128 bits. */
export const NONCE_BYTES = 16;
/** What stands before a frame's payload: MAC and sequence number (8 bytes, big endian). In bytes. */
const MAC_BYTES = 32;
const FRAME_HEADER_BYTES = MAC_BYTES + 8;

/** Base64url without padding (RFC 4648, section 5). */
export function toBase64url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Decodes base64url; undefined unless the text is canonical and, where asked, of exactly `length` bytes. */
export function fromBase64url(text: string, length?: number): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const bytes = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) =>
    c.charCodeAt(0),
  );
  if (length !== undefined && bytes.length !== length) return undefined;
  return toBase64url(bytes) === text ? bytes : undefined;
}

/** 128 random bits, base64url. */
export function randomNonce(): string {
  return toBase64url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
}

/** Hex sha256, as in signatures (of the body) and approvals (of the view). */
export function sha256hex(data: string | Uint8Array): string {
  return bytesToHex(sha256(typeof data === "string" ? utf8ToBytes(data) : data));
}

/** HMAC-SHA256 of a text or bytes. */
export function mac(key: Uint8Array, data: string | Uint8Array): Uint8Array {
  return hmac(sha256, key, typeof data === "string" ? utf8ToBytes(data) : data);
}

/** Compares in a time that depends on the lengths alone. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Whether `text` is the base64url of exactly these bytes, in constant time. */
export function sameMac(text: string, expected: Uint8Array): boolean {
  const given = fromBase64url(text);
  return given !== undefined && sameBytes(given, expected);
}

function derive(
  secret: Uint8Array,
  info: string,
  salt: Uint8Array = new Uint8Array(32),
): Uint8Array {
  return hkdf(sha256, secret, salt, utf8ToBytes(info), SECRET_BYTES);
}

/** The keys derived once from a device's secret. */
export interface DeviceKeys {
  request: Uint8Array;
  clock: Uint8Array;
  hello: Uint8Array;
}

export function deviceKeys(secret: Uint8Array): DeviceKeys {
  return {
    request: derive(secret, "claude-remote/v1 request"),
    clock: derive(secret, "claude-remote/v1 clock"),
    hello: derive(secret, "claude-remote/v1 hello"),
  };
}

/** What a signature covers. */
export interface SignedRequest {
  method: string;
  /** As the client was told: lower case, with the port where it is not the default. */
  host: string;
  /** Path and query. */
  target: string;
  /** Hex sha256 of the body. */
  bodyHash: string;
  device: string;
  /** Unix seconds. */
  ts: number;
  /** 128 random bits, base64url. */
  nonce: string;
}

export function stringToSign(r: SignedRequest): string {
  return [
    "CLAUDE-REMOTE-HMAC-SHA256-V1",
    r.method,
    r.host,
    r.target,
    r.bodyHash,
    r.device,
    r.ts,
    r.nonce,
  ].join("\n");
}

export function authorization(
  r: Pick<SignedRequest, "device" | "ts" | "nonce">,
  signature: Uint8Array,
): string {
  return `CR1 device=${r.device},ts=${r.ts},nonce=${r.nonce},mac=${toBase64url(signature)}`;
}

/** Reads an `Authorization` header; undefined unless it has exactly our form. */
export function parseAuthorization(
  header: string | null,
): { device: string; ts: number; nonce: string; mac: string } | undefined {
  const match =
    /^CR1 device=([A-Za-z0-9_-]{1,64}),ts=(\d{1,12}),nonce=([A-Za-z0-9_-]{22}),mac=([A-Za-z0-9_-]{43})$/.exec(
      header ?? "",
    );
  if (match === null) return undefined;
  const [, device = "", ts = "", nonce = "", code = ""] = match;
  return { device, ts: Number(ts), nonce, mac: code };
}

/** The header of one request, signed with keys that this process holds itself. */
export function signRequest(
  keys: DeviceKeys,
  request: Omit<SignedRequest, "bodyHash"> & { body?: string },
): string {
  const signed = { ...request, bodyHash: sha256hex(request.body ?? "") };
  return authorization(signed, mac(keys.request, stringToSign(signed)));
}

/** What the server's own time is signed as when a client's clock is off. */
export function clockText(device: string, nonce: string, time: number): string {
  return `CLAUDE-REMOTE-CLOCK-V1\n${device}\n${nonce}\n${time}`;
}

export type DeviceKind = "viewer" | "runner" | "machine";

/** The public name of a pairing code. */
export function codeId(code: Uint8Array): string {
  return sha256hex(concatBytes(utf8ToBytes("claude-remote/v1 code\n"), code)).slice(0, 32);
}

export function pairRequestMac(
  code: Uint8Array,
  kind: DeviceKind,
  name: string,
  clientNonce: string,
): Uint8Array {
  return mac(code, `CLAUDE-REMOTE-PAIR-V1\n${codeId(code)}\n${kind}\n${name}\n${clientNonce}`);
}

export function pairResponseMac(
  code: Uint8Array,
  device: string,
  clientNonce: string,
  serverNonce: string,
): Uint8Array {
  return mac(code, `CLAUDE-REMOTE-PAIRED-V1\n${device}\n${clientNonce}\n${serverNonce}`);
}

function bothNonces(clientNonce: string, serverNonce: string): Uint8Array {
  return concatBytes(
    fromBase64url(clientNonce) ?? new Uint8Array(),
    fromBase64url(serverNonce) ?? new Uint8Array(),
  );
}

/** The secret that both sides derive from the code; it never crosses the network. */
export function deviceSecret(
  code: Uint8Array,
  device: string,
  clientNonce: string,
  serverNonce: string,
): Uint8Array {
  return derive(code, `claude-remote/v1 device ${device}`, bothNonces(clientNonce, serverNonce));
}

/** The client's side of a pairing: what to send, and the secret that follows from an answer, if its sender knows the code. */
export function beginPairing(code: Uint8Array, kind: DeviceKind, name: string) {
  const nonce = randomNonce();
  return {
    request: {
      code_id: codeId(code),
      kind,
      name,
      nonce,
      mac: toBase64url(pairRequestMac(code, kind, name, nonce)),
    },
    finish(answer: { device: string; nonce: string; mac: string }): Uint8Array | undefined {
      const proven = sameMac(answer.mac, pairResponseMac(code, answer.device, nonce, answer.nonce));
      return proven ? deviceSecret(code, answer.device, nonce, answer.nonce) : undefined;
    },
  };
}

/** How the server proves itself; `clientNonce` is the nonce of the signed upgrade request. */
export function helloMac(
  keys: DeviceKeys,
  device: string,
  clientNonce: string,
  serverNonce: string,
  conn: string,
): Uint8Array {
  return mac(
    keys.hello,
    `CLAUDE-REMOTE-HELLO-V1\n${device}\n${clientNonce}\n${serverNonce}\n${conn}`,
  );
}

/** One key for each direction of one connection. */
export function connectionKeys(
  secret: Uint8Array,
  clientNonce: string,
  serverNonce: string,
  conn: string,
): { c2s: Uint8Array; s2c: Uint8Array } {
  const salt = bothNonces(clientNonce, serverNonce);
  return {
    c2s: derive(secret, `claude-remote/v1 c2s ${conn}`, salt),
    s2c: derive(secret, `claude-remote/v1 s2c ${conn}`, salt),
  };
}

/** As much of the runtime as is used here: pages are checked without its types. */
declare const process: {
  getBuiltinModule(name: "node:crypto"): {
    createHmac(
      algorithm: "sha256",
      key: Uint8Array,
    ): { update(data: Uint8Array): { digest(): Uint8Array } };
  };
};

/**
 * What seals a frame. Frames never reach a page, so it is the runtime's own, which takes a seventh of the time: history can be many MB.
 * (Not Bun.CryptoHasher with a key: that throws where some other use of OpenSSL has failed before, such as a phone's key that is none. Measured with 1.4.4.)
 */
function frameMac(key: Uint8Array, body: Uint8Array): Uint8Array {
  return new Uint8Array(
    process.getBuiltinModule("node:crypto").createHmac("sha256", key).update(body).digest(),
  );
}

/** MAC || sequence number (from 0, +1 each, per direction) || payload (UTF-8 JSON). */
export function sealFrame(key: Uint8Array, sequence: number, payload: string): Uint8Array {
  const text = utf8ToBytes(payload);
  const frame = new Uint8Array(FRAME_HEADER_BYTES + text.length);
  new DataView(frame.buffer).setBigUint64(MAC_BYTES, BigInt(sequence));
  frame.set(text, FRAME_HEADER_BYTES);
  frame.set(frameMac(key, frame.subarray(MAC_BYTES)));
  return frame;
}

/** The payload of a frame; undefined where its MAC or its place in the sequence is wrong, or it is not UTF-8. */
export function openFrame(
  key: Uint8Array,
  sequence: number,
  frame: Uint8Array,
): string | undefined {
  if (frame.length < FRAME_HEADER_BYTES) return undefined;
  const body = frame.subarray(MAC_BYTES);
  if (!sameBytes(frame.subarray(0, MAC_BYTES), frameMac(key, body))) return undefined;
  if (new DataView(body.buffer, body.byteOffset).getBigUint64(0) !== BigInt(sequence))
    return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body.subarray(8));
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
