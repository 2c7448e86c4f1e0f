import * as v from "valibot";
import {
  beginPairing,
  type DeviceKind,
  deviceKeys,
  randomNonce,
  sha256hex,
  signRequest,
} from "../../src/auth.ts";
import { parseLink } from "../../src/runner/pairing.ts";
import {
  type Answers,
  ApiError,
  PairResponse,
  Prompt,
  parseEvent,
  parseJson,
  SessionSummary,
  type ViewerEvent,
  type ViewerEvents,
} from "../../src/types.ts";
import { until } from "./until.ts";

/** A paired device that speaks the contract over real sockets, as a phone does. */
export interface Phone {
  device: string;
  secret: Uint8Array;
  request(
    method: string,
    target: string,
    body?: unknown,
    headers?: Record<string, string>,
    more?: BunFetchRequestInit,
  ): Promise<Response>;
  json(method: string, target: string, body?: unknown): Promise<{ status: number; body: unknown }>;
  /** A request whose answer must have this form. */
  get<S extends v.GenericSchema>(
    schema: S,
    method: string,
    target: string,
    body?: unknown,
  ): Promise<v.InferOutput<S>>;
  /** The status and the error's code. */
  code(method: string, target: string, body?: unknown): Promise<[number, string]>;
  /** Mints a pairing link. */
  mint(kind: DeviceKind): Promise<string>;
  sessions(): Promise<SessionSummary[]>;
  prompts(): Promise<Prompt[]>;
  /** The prompt that comes up next, other than those already seen. */
  prompt(ms?: number): Promise<Prompt>;
  approve(
    prompt: Prompt,
    answers?: Answers,
    more?: object,
  ): Promise<{ status: number; body: unknown }>;
  events(session?: string, lastEventId?: string): Promise<EventReader>;
}

export interface EventReader {
  received: { id: string; event: ViewerEvent }[];
  /** The next event of this name for which `match` holds; those before it are passed over. */
  next<Name extends keyof ViewerEvents>(
    name: Name,
    match?: (data: ViewerEvents[Name]) => boolean,
    ms?: number,
  ): Promise<ViewerEvents[Name]>;
  close(): void;
}

export async function pairDevice(
  link: string,
  kind: DeviceKind = "viewer",
  name = "test phone",
  ca?: string,
): Promise<Phone> {
  const { server, code } = parseLink(link);
  const pairing = beginPairing(code, kind, name);
  const response = await fetch(`${server}/api/pair`, {
    method: "POST",
    body: JSON.stringify(pairing.request),
    ...trust(ca),
  });
  const paired = expectParsed(PairResponse, await response.text());
  const secret = pairing.finish(paired);
  if (secret === undefined) throw new Error("the server did not prove that it knows the code");
  return phoneOf(server, paired.device, secret, ca);
}

/** How a test's own certificate is trusted. */
const trust = (ca: string | undefined) => (ca === undefined ? {} : { tls: { ca } });

export function phoneOf(server: string, device: string, secret: Uint8Array, ca?: string): Phone {
  const keys = deviceKeys(secret);
  const host = new URL(server).host;
  const known = new Set<string>();
  const phone: Phone = {
    device,
    secret,
    request(method, target, body, headers = {}, more = {}) {
      const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body);
      const authorization = signRequest(keys, {
        method,
        host,
        target,
        body: text,
        device,
        ts: Math.floor(Date.now() / 1000),
        nonce: randomNonce(),
      });
      return fetch(server + target, {
        method,
        headers: { authorization, ...headers },
        ...(text === "" ? {} : { body: text }),
        ...trust(ca),
        ...more,
      });
    },
    async json(method, target, body) {
      const response = await phone.request(method, target, body);
      return { status: response.status, body: await response.json() };
    },
    get: async (schema, method, target, body) =>
      expectParsed(schema, await (await phone.request(method, target, body)).text()),
    code: (method, target, body) => phone.request(method, target, body).then(errorCode),
    mint: async (kind) =>
      (await phone.get(v.object({ link: v.string() }), "POST", "/api/devices/code", { kind })).link,
    sessions: async () =>
      (await phone.get(v.object({ sessions: v.array(SessionSummary) }), "GET", "/api/sessions"))
        .sessions,
    prompts: async () =>
      (await phone.get(v.object({ prompts: v.array(Prompt) }), "GET", "/api/prompts")).prompts,
    async prompt(ms = 15_000) {
      const prompt = await until(
        "a prompt comes up",
        async () => (await phone.prompts()).find(({ id }) => !known.has(id)),
        ms,
      );
      known.add(prompt.id);
      return prompt;
    },
    approve: (prompt, answers, more = {}) =>
      phone.json("POST", `/api/prompts/${prompt.id}/approve`, {
        shown: sha256hex(prompt.view),
        ...(answers && { answers }),
        ...more,
      }),
    async events(session, lastEventId) {
      const response = await phone.request(
        "GET",
        session === undefined ? "/events" : `/events?session=${session}`,
        undefined,
        lastEventId === undefined ? {} : { "last-event-id": lastEventId },
      );
      if (!response.ok || response.body === null)
        throw new Error(`no stream: ${response.status} ${await response.text()}`);
      return readEvents(response.body);
    },
  };
  return phone;
}

/** The status and the error's code of a refusal. */
export async function errorCode(response: Response): Promise<[number, string]> {
  return [response.status, expectParsed(ApiError, await response.text()).error.code];
}

function readEvents(body: ReadableStream<Uint8Array>): EventReader {
  const received: EventReader["received"] = [];
  const reader = body.getReader();
  let taken = 0;
  void (async () => {
    const decoder = new TextDecoder();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const parts = (rest + decoder.decode(part.value, { stream: true })).split("\n\n");
      rest = parts.pop() ?? "";
      for (const text of parts) {
        const { id, event } = parseEvent(text);
        if (event !== undefined) received.push({ id: id ?? "", event });
      }
    }
  })().catch(() => undefined); // the server went away: what came is kept
  return {
    received,
    next<Name extends keyof ViewerEvents>(
      name: Name,
      match: (data: ViewerEvents[Name]) => boolean = () => true,
      ms = 10_000,
    ) {
      return until(
        `the event ${name}`,
        () => {
          while (taken < received.length) {
            const event = received[taken++]?.event;
            if (event?.name !== name) continue;
            const { data } = event as Extract<ViewerEvent, { name: Name }>;
            if (match(data as ViewerEvents[Name]))
              return data as Exclude<ViewerEvents[Name], false | null | undefined>;
          }
          return undefined;
        },
        ms,
      );
    },
    close: () => void reader.cancel().catch(() => undefined),
  };
}

/** Parses schemas in tests, where a failure should say what came. */
export function expectParsed<S extends v.GenericSchema>(schema: S, text: string): v.InferOutput<S> {
  const parsed = parseJson(schema, text);
  if (parsed === undefined) throw new Error(`not of the form: ${text}`);
  return parsed;
}
