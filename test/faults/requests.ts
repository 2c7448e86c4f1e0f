/** A request as it left the page or `attach`, and what it was answered, where an answer came. */
export interface Sent {
  by: "page" | "attach";
  target: string;
  body: string;
  status: number;
  /** Nothing more will come of it. */
  over: boolean;
  answer: string;
}

/** Every POST of both viewers. The page's relative addresses lead to `origin`. */
export interface Requests {
  origin: string;
  readonly all: Sent[];
  forget(): void;
}

/** Stands between the viewers and `fetch`. */
export function watchRequests(): Requests {
  const real = globalThis.fetch;
  const requests: Requests = { origin: "", all: [], forget: () => void requests.all.splice(0) };
  const watched = async (input: string, init: BunFetchRequestInit = {}): Promise<Response> => {
    const page = input.startsWith("/");
    const target = page
      ? input
      : input.startsWith(requests.origin)
        ? input.slice(requests.origin.length)
        : "";
    if (init.method !== "POST" || !target.startsWith("/api/"))
      return real(page ? requests.origin + input : input, init);
    const sent: Sent = {
      by: page ? "page" : "attach",
      target,
      body: String(init.body ?? ""),
      status: 0,
      over: false,
      answer: "",
    };
    requests.all.push(sent);
    try {
      const response = await real(requests.origin + target, init);
      const text = await response.text();
      Object.assign(sent, { status: response.status, answer: text });
      return new Response(text, { status: response.status, headers: response.headers });
    } finally {
      sent.over = true;
    }
  };
  Object.assign(globalThis, { fetch: watched });
  return requests;
}
