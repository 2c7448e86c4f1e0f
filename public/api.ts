import * as v from "valibot";
import {
  authorization,
  clockText,
  randomNonce,
  sameMac,
  sha256hex,
  stringToSign,
} from "../src/auth.ts";
import { ApiError, parseJson } from "../src/types.ts";
import { RequestError } from "../src/viewer/request-error.ts";
import { type Identity, macWith } from "./keys.ts";

/** How long a request may take, in ms. */
const REQUEST_MS = 15_000;

/** What to do where nobody answers. */
export const UNREACHABLE =
  "The server can't be reached. Is the machine with claude-remote on, and are you on the same network?";

export { RequestError };

const Clock = v.object({
  error: v.object({ code: v.literal("clock") }),
  time: v.number(),
  mac: v.string(),
});

let clockOffset = 0; // seconds that the server is ahead of this device

/** An answer that isn't our server's. */
export const strangeAnswer = (status: number) =>
  `Something other than claude-remote answered (${status}): a proxy or a tunnel between here and the server? Look there.`;

/** An answer's whole text; one that breaks off in the middle is none. Throws a `RequestError`. */
function textOf(response: Response): Promise<string> {
  return response.text().catch(() => {
    throw new RequestError(0, "offline", UNREACHABLE);
  });
}

/** Sends a signed request; a wrong clock is corrected once by what the server proves. Throws a `RequestError`. */
export async function send(
  identity: Identity,
  method: string,
  target: string,
  body = "",
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    const signed = {
      method,
      host: location.host.toLowerCase(),
      target,
      bodyHash: sha256hex(body),
      device: identity.device,
      ts: Math.floor(Date.now() / 1000) + clockOffset,
      nonce: randomNonce(),
    };
    const header = authorization(signed, await macWith(identity.request, stringToSign(signed)));
    const init = {
      method,
      headers: { ...headers, authorization: header },
      signal: signal ?? AbortSignal.timeout(REQUEST_MS),
      ...(body === "" ? {} : { body }),
    };
    // nothing but the sending itself: an exception of our own is no failure of the network
    const response = await fetch(target, init).catch(() => {
      throw new RequestError(0, "offline", UNREACHABLE);
    });
    if (response.ok) return response;
    const text = await textOf(response);
    const clock = parseJson(Clock, text);
    if (attempt === 0 && clock !== undefined) {
      const proof = await macWith(
        identity.clock,
        clockText(identity.device, signed.nonce, clock.time),
      );
      if (sameMac(clock.mac, proof)) {
        clockOffset = clock.time - Math.floor(Date.now() / 1000);
        continue;
      }
    }
    const error = parseJson(ApiError, text)?.error;
    // the browser itself sent it once more, as a connection broke: the answer to the first is lost
    if (error?.code === "replayed") throw new RequestError(0, "offline", UNREACHABLE);
    throw new RequestError(
      response.status,
      error?.code ?? "unknown",
      error?.message ?? strangeAnswer(response.status),
    );
  }
}

/** A signed request whose answer has a known form. Throws a `RequestError`. */
export async function call<S extends v.GenericSchema>(
  identity: Identity,
  schema: S,
  method: string,
  target: string,
  body?: unknown,
): Promise<v.InferOutput<S>> {
  const response = await send(
    identity,
    method,
    target,
    body === undefined ? "" : JSON.stringify(body),
  );
  const parsed = parseJson(schema, await textOf(response));
  if (parsed === undefined)
    throw new RequestError(
      response.status,
      "unreadable",
      "The server's answer can't be read: it may be newer than this page. Reload this page.",
    );
  return parsed;
}
