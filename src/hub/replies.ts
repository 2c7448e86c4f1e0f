/** Sent with everything: scripts and connections from our own origin alone, no framing, no sniffing, nothing cached. */
export const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types worker",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
} as const;

/** Bodies above this are compressed where the client takes it, in bytes. */
const COMPRESS_BYTES = 1024;

/** Whether whoever asks takes gzip. */
export const takesGzip = (request: Request | undefined) =>
  /\bgzip\b/.test(request?.headers.get("accept-encoding") ?? "");

/** A JSON answer. */
export function reply(data: unknown, request?: Request, status = 200): Response {
  const text = JSON.stringify(data);
  const headers: Record<string, string> = {
    ...SECURITY_HEADERS,
    "content-type": "application/json; charset=utf-8",
  };
  if (text.length > COMPRESS_BYTES && takesGzip(request)) {
    return new Response(Bun.gzipSync(new TextEncoder().encode(text)), {
      status,
      headers: { ...headers, "content-encoding": "gzip" },
    });
  }
  return new Response(text, { status, headers });
}

/** An error in the form that every client expects; the message is for the person. */
export function fail(
  status: number,
  code: string,
  message: string,
  extra: Record<string, unknown> = {},
): Response {
  return reply({ error: { code, message }, ...extra }, undefined, status);
}

export const notFound = (what: string) => fail(404, "not_found", `There is no such ${what}.`);
export const badRequest = () =>
  fail(400, "bad_request", "The request is not of the form that this server understands.");
