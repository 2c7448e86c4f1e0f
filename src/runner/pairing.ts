import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import {
  beginPairing,
  type DeviceKind,
  deviceKeys,
  fromBase64url,
  NONCE_BYTES,
  randomNonce,
  signRequest,
  toBase64url,
} from "../auth.ts";
import { ApiError, PairResponse, parseJson } from "../types.ts";
import { fetchServer, ownTls, type Pairing, provenTime } from "./link.ts";
import { networkCause } from "./uplink/network-error.ts";

/** A pairing as it is kept. */
export const PairingFile = v.object({
  server: v.pipe(v.string(), v.url()),
  device: v.string(),
  secret: v.pipe(v.string(), v.length(43)),
  embedded: v.optional(v.boolean()),
  port: v.optional(v.number()),
});

/** How long a request to the server may take, in ms. */
const REQUEST_MS = 10_000;

/** Pairing or a request failed; the message is for the person. */
export class PairingError extends Error {}

/** Reads a pairing's JSON; undefined where it is none. */
export function parsePairing(text: string): Pairing | undefined {
  return parseJson(PairingFile, text);
}

/** This machine's pairing, or undefined where there is none. Throws a `PairingError` where the file can't be read. */
export function loadPairing(path: string): Pairing | undefined {
  if (!existsSync(path)) return undefined;
  const pairing = parsePairing(readFileSync(path, "utf8"));
  if (pairing === undefined)
    throw new PairingError(
      `${path} is damaged. Where the server runs on this machine, remove that file: the next \`claude-remote\` pairs itself again. Otherwise: \`claude-remote pair LINK\``,
    );
  return pairing;
}

/** Where a device's server is by now: the file is told of a server that has moved, sessions that run are not. */
export function addressOf(path: string, { device, server }: Pairing): string {
  try {
    const known = loadPairing(path);
    return known?.device === device ? known.server : server;
  } catch (error) {
    if (!(error instanceof Error)) throw error; // damaged, or not readable: others say so
    return server;
  }
}

/** Whether the server of a pairing answers at an origin: only that one can tell the time under the device's key. */
export async function isServerOf({ device, secret, embedded }: Pairing, origin: string) {
  const keys = deviceKeys(fromBase64url(secret) ?? new Uint8Array());
  const nonce = randomNonce();
  const target = "/api/devices";
  const authorization = signRequest(keys, {
    method: "GET",
    host: new URL(origin).host,
    target,
    device,
    ts: 0, // it refuses that, and proves the time
    nonce,
  });
  try {
    const response = await fetchServer(origin + target, {
      headers: { authorization },
      signal: AbortSignal.timeout(REQUEST_MS),
      ...ownTls({ embedded }),
    });
    return provenTime(keys, device, nonce, await response.text()) !== undefined;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return false;
  }
}

/** Keeps the pairing where only this user can read it. */
export function savePairing(path: string, pairing: Pairing): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, `${JSON.stringify(pairing, null, 2)}\n`, { mode: 0o600 });
  chmodSync(`${path}.new`, 0o600);
  renameSync(`${path}.new`, path);
}

/** Splits a pairing link into the server's origin and the code. Throws a `PairingError`. */
export function parseLink(link: string): { server: string; code: Uint8Array } {
  const url = URL.canParse(link.trim()) ? new URL(link.trim()) : undefined;
  const code = fromBase64url(url?.hash.replace(/^#pair=/, "") ?? "", NONCE_BYTES);
  if (url === undefined || !/^https?:$/.test(url.protocol) || code === undefined) {
    throw new PairingError(
      "This is not a pairing link. It looks like http://127.0.0.1:7200/#pair=… and comes from `claude-remote pair` or the server's log.",
    );
  }
  return { server: url.origin, code };
}

/** Pairs with a server by a link: both sides derive the secret, which never travels. Throws a `PairingError`. `embedded`: the server is this machine's own. */
export async function pairWith(
  link: string,
  kind: DeviceKind,
  name: string,
  embedded = false,
): Promise<Pairing> {
  const { server, code } = parseLink(link);
  const pairing = beginPairing(code, kind, name);
  const text = await request(server, "/api/pair", {
    method: "POST",
    body: JSON.stringify(pairing.request),
    ...ownTls({ embedded }),
  });
  const paired = parseJson(PairResponse, text);
  const secret = paired === undefined ? undefined : pairing.finish(paired);
  if (paired === undefined || secret === undefined)
    throw new PairingError(
      `Whoever answers at ${server} does not know the code: this may not be your server.`,
    );
  return { server, device: paired.device, secret: toBase64url(secret) };
}

/** One signed request to the server; resolves with the body. Throws a `PairingError` with the server's own words. */
export function signedRequest(
  { server, device, secret, embedded }: Pairing,
  method: string,
  target: string,
  body?: unknown,
): Promise<string> {
  const keys = deviceKeys(fromBase64url(secret) ?? new Uint8Array());
  const text = body === undefined ? "" : JSON.stringify(body);
  const { host } = new URL(server);
  const send = (ts: number, again: boolean): Promise<string> => {
    const nonce = randomNonce();
    const authorization = signRequest(keys, {
      method,
      host,
      target,
      body: text,
      device,
      ts,
      nonce,
    });
    const refused = async (answer: string) => {
      const time = again ? undefined : provenTime(keys, device, nonce, answer);
      return time === undefined ? undefined : send(time, true);
    };
    return request(
      server,
      target,
      {
        method,
        headers: { authorization },
        ...(text === "" ? {} : { body: text }),
        ...ownTls({ embedded }),
      },
      refused,
    );
  };
  return send(Math.floor(Date.now() / 1000), false);
}

/** `refused` may know what to do instead. */
async function request(
  server: string,
  target: string,
  init: BunFetchRequestInit,
  refused: (answer: string) => Promise<string | undefined> = async () => undefined,
): Promise<string> {
  let response: Response;
  try {
    response = await fetchServer(server + target, {
      ...init,
      signal: AbortSignal.timeout(REQUEST_MS),
    });
  } catch (error) {
    throw new PairingError(`${server} can't be reached: ${networkCause(error, server)}`);
  }
  const text = await response.text();
  const instead = response.ok ? undefined : await refused(text);
  if (instead !== undefined) return instead;
  if (!response.ok)
    throw new PairingError(
      parseJson(ApiError, text)?.error.message ??
        `${server} answered ${response.status}: is that a claude-remote server, or a proxy before one that is down?`,
    );
  return text;
}
