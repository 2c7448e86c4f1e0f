import {
  clockText,
  MAX_SKEW_S,
  mac,
  parseAuthorization,
  sameMac,
  sha256hex,
  stringToSign,
  toBase64url,
} from "../auth.ts";
import type { Device, Devices } from "./devices.ts";
import type { Fields, Log } from "./log.ts";
import { fail } from "./replies.ts";

/** Failures within a minute from one address, and from all together, after which they are answered with 429. */
const FAILURES_PER_ADDRESS = 60;
const FAILURES_IN_ALL = 600;
const MINUTE_MS = 60_000;
/** So many refusals a minute are logged: a flood of them must not fill the disk. */
const LOGGED_PER_MINUTE = 30;
/** Compared against when the device is unknown, so that this takes as long. */
const DUMMY_KEY = new Uint8Array(32);

export interface Gate {
  /** Refuses a request that came under a name we don't have, or from another site's page. The same for HTTP, SSE and WebSocket. */
  checkPlace(request: Request): Response | undefined;
  /** The device that signed this request, or the refusal. */
  authenticate(
    request: Request,
    body: Uint8Array,
    address: string,
  ): { device: Device; nonce: string } | Response;
  /** Counts a failed pairing; the answer is the refusal to send. */
  pairingFailed(address: string, ...refusal: Refusal): Response;
  /** Whether too many pairings from this address failed of late. Requests that were refused don't count: a device that was locked out goes on asking. */
  pairingBlocked(address: string): boolean;
}

type Refusal = [status: number, code: string, message: string];

/** The one place where requests are let in; everything is denied by default. `origins` are the names this server has, such as https://home.example; `now` (see `openSteady`) never goes back. */
export function openGate({
  now,
  ...options
}: {
  devices: Devices;
  origins: () => ReadonlySet<string>;
  log: Log;
  now: () => number;
}): Gate {
  const startedAt = Math.floor(now() / 1000);
  const nonces = new Map<string, number>(); // nonce of a device → second after which it may be forgotten
  /** Failures within this minute by address; those of all are under "". */
  const refused = new Map<string, number>();
  const unpaired = new Map<string, number>();
  let minuteEnds = 0;
  let logged = 0;
  let lastSweep = 0;

  const turnMinute = () => {
    if (now() < minuteEnds) return;
    refused.clear();
    unpaired.clear();
    logged = 0;
    minuteEnds = now() + MINUTE_MS;
  };
  const blocked = (failures: ReadonlyMap<string, number>, address: string) => {
    turnMinute();
    return (
      (failures.get(address) ?? 0) > FAILURES_PER_ADDRESS ||
      (failures.get("") ?? 0) > FAILURES_IN_ALL
    );
  };
  const note = (event: string, fields: Fields) => {
    turnMinute();
    if (logged++ < LOGGED_PER_MINUTE) options.log("warn", event, fields);
  };
  const failed = (failures: Map<string, number>, address: string, ...refusal: Refusal) => {
    const before = blocked(failures, address);
    for (const key of [address, ""]) failures.set(key, (failures.get(key) ?? 0) + 1);
    if (failures.get(address) === 1) note("refused", { address, reason: refusal[1] });
    if (!blocked(failures, address)) return fail(...refusal);
    if (!before) note("rate_limited", { address, failures: failures.get(address) });
    return fail(429, "too_many", "Too many failed attempts. Wait a minute.");
  };

  const sweep = (second: number) => {
    if (second - lastSweep < MAX_SKEW_S) return;
    lastSweep = second;
    for (const [nonce, until] of nonces) if (until < second) nonces.delete(nonce);
  };

  return {
    pairingFailed: (address, ...refusal) => failed(unpaired, address, ...refusal),
    pairingBlocked: (address) => blocked(unpaired, address),
    checkPlace(request) {
      const host = request.headers.get("host")?.toLowerCase() ?? "";
      const origins = options.origins();
      const hostKnown = [...origins].some(
        (origin) => origin.slice(origin.indexOf("//") + 2) === host,
      );
      if (!hostKnown) note("wrong_host", { host });
      if (!hostKnown)
        return fail(
          421,
          "wrong_host",
          `This server does not answer to the name ${JSON.stringify(host)}. Start it with --public-url to give it that name.`,
        );
      const origin = request.headers.get("origin");
      if (origin !== null && !origins.has(origin))
        return fail(403, "wrong_origin", "Requests from other sites' pages are refused.");
      return undefined;
    },

    authenticate(request, body, address) {
      const unauthorized = () =>
        failed(
          refused,
          address,
          401,
          "unauthorized",
          "This device is not paired, or was revoked. Pair it again.",
        );
      const header = parseAuthorization(request.headers.get("authorization"));
      if (header === undefined) return unauthorized();
      const device = options.devices.find(header.device);
      const url = new URL(request.url);
      const signed = {
        ...header,
        method: request.method,
        host: request.headers.get("host")?.toLowerCase() ?? "",
        target: url.pathname + url.search,
        bodyHash: sha256hex(body),
      };
      const expected = mac(device?.keys.request ?? DUMMY_KEY, stringToSign(signed));
      if (!sameMac(header.mac, expected) || device === undefined) return unauthorized();
      if (device.locked)
        return fail(
          403,
          "unused",
          `This device was not used for so long that it is locked out. Let it in again on the devices page of another, or with \`claude-remote devices admit ${device.id}\`.`,
        );

      const second = Math.floor(now() / 1000);
      if (Math.abs(second - header.ts) > MAX_SKEW_S || header.ts < startedAt) {
        const time = toBase64url(
          mac(device.keys.clock, clockText(device.id, header.nonce, second)),
        );
        return fail(401, "clock", "This device's clock is off.", { time: second, mac: time });
      }
      sweep(second);
      const key = `${device.id} ${header.nonce}`;
      if (nonces.has(key))
        return failed(refused, address, 401, "replayed", "This request was sent before.");
      nonces.set(key, header.ts + 2 * MAX_SKEW_S);
      options.devices.seen(device.id);
      return { device, nonce: header.nonce };
    },
  };
}
