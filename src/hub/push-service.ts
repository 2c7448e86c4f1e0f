import { generateRequestDetails } from "web-push";
import type { SubscriptionRequest } from "../types.ts";
import { isLoopback } from "./origins.ts";

/** Where browsers' own push services are; subscriptions are client input, and the server posts to no other host. */
const SERVICES = [
  "fcm.googleapis.com",
  "*.push.services.mozilla.com",
  "*.notify.windows.com",
  "*.push.apple.com",
];

/** How long a push service may take, in ms, and how much of its answer is read, in bytes. */
const POST_MS = 10_000;
const ANSWER_BYTES = 1000;

/** How a message travels (RFC 8030): a later one of the same topic replaces one that still waits at the service. */
export interface Postage {
  /** 32 characters of base64url at most. */
  topic: string;
  /** How long the service keeps it, in seconds. */
  ttl: number;
  urgency: "normal" | "high";
}

export interface Vapid {
  subject: string;
  publicKey: string;
  privateKey: string;
}

/**
 * Whether messages may be posted to an endpoint: https on the default port of a known host, `*.` standing for any name before it. `named` are
 * the ones of the configuration, instead of the browsers' own; an entry with `http://` or a port is an origin of somebody's own.
 */
export function isAllowed(endpoint: string, named?: string): boolean {
  if (!URL.canParse(endpoint)) return false;
  const { origin, protocol, port, hostname, username, password } = new URL(endpoint);
  if (username !== "" || password !== "") return false;
  return (named?.split(/[\s,]+/).filter((entry) => entry !== "") ?? SERVICES).some((entry) => {
    if (entry.includes("://")) return entry === origin;
    if (protocol !== "https:" || port !== "") return false;
    return entry.startsWith("*.") ? hostname.endsWith(entry.slice(1)) : hostname === entry;
  });
}

/** Whom a push service can turn to, as it wants to know (Apple refuses what leads nowhere); undefined where nobody told. */
export function vapidSubject(
  contact: string | undefined,
  publicUrl: string | undefined,
): string | undefined {
  if (contact !== undefined) return contact;
  const url = publicUrl === undefined ? undefined : new URL(publicUrl);
  const real =
    url?.protocol === "https:" &&
    !isLoopback(url.hostname) &&
    url.hostname.includes(".") &&
    !/\.(?:local|localhost)$/.test(url.hostname);
  return real ? url.origin : undefined;
}

/** Whether a text can be encrypted for these keys: the first is a point on the curve. */
export function areKeys(keys: SubscriptionRequest["keys"]): boolean {
  try {
    generateRequestDetails({ endpoint: "https://push.invalid/", keys }, "x", {
      contentEncoding: "aes128gcm",
    });
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

/** Encrypts a text for one browser and posts it; the answer is the service's own, status 0 with the reason where there was none. Throws where the browser's keys are no keys. */
export async function postPush(
  { endpoint, keys }: Pick<SubscriptionRequest, "endpoint" | "keys">,
  text: string,
  { topic, ttl, urgency }: Postage,
  vapidDetails: Vapid,
): Promise<{ status: number; body: string }> {
  const request = generateRequestDetails({ endpoint, keys }, text, {
    vapidDetails,
    TTL: ttl,
    urgency,
    topic,
    contentEncoding: "aes128gcm",
  });
  const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  try {
    // a redirect could lead to anywhere: it is an answer like any other
    const response = await fetch(endpoint, {
      method: "POST",
      headers,
      body: new Uint8Array(request.body),
      redirect: "manual",
      signal: AbortSignal.timeout(POST_MS),
    });
    return { status: response.status, body: await beginning(response) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return {
      status: 0,
      body:
        error.name === "TimeoutError"
          ? "no answer came"
          : `it could not be reached (${"code" in error ? error.code : error.name})`,
    };
  }
}

async function beginning({ body }: Response): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  let bytes = new Uint8Array();
  while (bytes.length < ANSWER_BYTES) {
    const part = await reader.read();
    if (part.done) break;
    bytes = new Uint8Array([...bytes, ...part.value.subarray(0, ANSWER_BYTES - bytes.length)]);
  }
  await reader.cancel();
  return new TextDecoder().decode(bytes);
}
