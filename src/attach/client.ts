import type * as v from "valibot";
import { deviceKeys, fromBase64url, randomNonce, signRequest } from "../auth.ts";
import { fetchServer, ownTls, type Pairing, provenTime } from "../runner/link.ts";
import { networkCause } from "../runner/uplink/network-error.ts";
import { ApiError, parseJson } from "../types.ts";
import { RequestError } from "../viewer/request-error.ts";

/** How long a request may take, in ms. */
const REQUEST_MS = 15_000;

export { RequestError };

/** What signs a viewer's requests. */
export interface Client {
  /** Whose requests these are. */
  device: string;
  /** A signed request; a wrong clock is corrected once by what the server proves. Throws a `RequestError`. */
  send(
    method: string,
    target: string,
    body?: unknown,
    headers?: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<Response>;
  /** One whose answer has a known form. */
  call<S extends v.GenericSchema>(
    schema: S,
    method: string,
    target: string,
    body?: unknown,
  ): Promise<v.InferOutput<S>>;
}

/** Speaks to the server as a phone does, with this machine's own key. */
export function openClient({ server, device, secret, embedded }: Pairing): Client {
  const keys = deviceKeys(fromBase64url(secret) ?? new Uint8Array());
  const { host } = new URL(server);
  let clockOffset = 0; // seconds that the server is ahead
  const lost = (error: unknown): never => {
    const why = networkCause(error, server);
    throw new RequestError(0, "offline", `${server} can't be reached: ${why}`);
  };

  const client: Client = {
    device,
    async send(method, target, body, headers = {}, signal) {
      const text = body === undefined ? "" : JSON.stringify(body);
      for (let attempt = 0; ; attempt++) {
        const nonce = randomNonce();
        const authorization = signRequest(keys, {
          method,
          host,
          target,
          body: text,
          device,
          ts: Math.floor(Date.now() / 1000) + clockOffset,
          nonce,
        });
        const limit = signal ?? AbortSignal.timeout(REQUEST_MS);
        const request = {
          method,
          headers: { ...headers, authorization },
          signal: limit,
          ...(text === "" ? {} : { body: text }),
          ...ownTls({ embedded }),
        };
        const response = await fetchServer(server + target, request).catch(lost);
        if (response.ok) return response;
        const answer = await response.text().catch(lost);
        const time = attempt === 0 ? provenTime(keys, device, nonce, answer) : undefined;
        if (time !== undefined) {
          clockOffset = time - Math.floor(Date.now() / 1000);
          continue;
        }
        const error = parseJson(ApiError, answer)?.error;
        // `fetch` itself sent it once more, as a connection broke: the answer to the first is lost
        if (error?.code === "replayed") return lost(new Error("the answer was lost"));
        throw new RequestError(
          response.status,
          error?.code ?? "unknown",
          error?.message ?? `${server} answered ${response.status}: is a proxy in between?`,
        );
      }
    },
    async call(schema, method, target, body) {
      const response = await client.send(method, target, body);
      const parsed = parseJson(schema, await response.text().catch(lost));
      if (parsed === undefined)
        throw new RequestError(
          response.status,
          "unreadable",
          "The server's answer can't be read; is it of the same version?",
        );
      return parsed;
    },
  };
  return client;
}
