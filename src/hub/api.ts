import { sha256hex } from "../auth.ts";
import {
  type Approval,
  ApproveRequest,
  type Decision,
  InputRequest,
  isOpen,
  LIMITS,
  parseJson,
  RejectRequest,
  ResizeRequest,
  SeenRequest,
  StopRequest,
} from "../types.ts";
import type { Alerts } from "./alerts.ts";
import { DAEMON_ROUTES } from "./daemon-api.ts";
import { decidedWords } from "./decided.ts";
import { DEVICE_ROUTES } from "./device-api.ts";
import type { Device, Devices } from "./devices.ts";
import type { Log } from "./log.ts";
import type { Prompts } from "./prompts.ts";
import type { Push } from "./push.ts";
import { badRequest, fail, notFound, reply, takesGzip } from "./replies.ts";
import type { Room } from "./room.ts";
import type { DecisionResult, Runners } from "./runners.ts";
import type { Search } from "./search.ts";
import type { Sessions } from "./sessions.ts";
import type { Transcripts } from "./transcripts.ts";
import type { TypingLog } from "./typing-log.ts";
import type { Viewers } from "./viewers.ts";

export interface Hub {
  devices: Devices;
  sessions: Sessions;
  prompts: Prompts;
  transcripts: Transcripts;
  search: Search;
  runners: Runners;
  viewers: Viewers;
  push: Push;
  alerts: Alerts;
  typing: TypingLog;
  room: Room;
  log: Log;
  /** The origin that pairing links lead to. */
  publicOrigin(): string;
  /** Whether phones reach this server over plain HTTP. */
  insecure: boolean;
}

/** A signed request that is to be answered. */
export interface Call {
  request: Request;
  url: URL;
  /** What stands for `:id` in the route. */
  id: string;
  /** The body as text. */
  body: string;
  device: Device;
}

type Handler = (hub: Hub, call: Call) => Response | Promise<Response>;
export type Route = readonly [method: string, path: RegExp, handler: Handler];

function sessionList(hub: Hub, { url, request }: Call): Response {
  const skip = Number(url.searchParams.get("skip") ?? 0);
  if (!Number.isSafeInteger(skip) || skip < 0) return badRequest();
  return reply(hub.sessions.list(skip), request);
}

function promptList(hub: Hub, { url, request }: Call): Response {
  const page = hub.prompts.page(url.searchParams.get("after") ?? undefined);
  return page === undefined ? notFound("prompt") : reply(page, request);
}

function sessionDetail(hub: Hub, { id, url, request }: Call): Response {
  const session = hub.sessions.get(id);
  if (session === undefined) return notFound("session");
  const live = url.searchParams.get("screen") === "0" ? undefined : hub.sessions.screen(id); // whoever has the stream has that
  return reply(
    {
      session,
      screen: live ?? null,
      prompts: hub.prompts.openOf(id),
      history: hub.sessions.history(id),
    },
    request,
  );
}

/** Which of something numbered: those before a number, or those from one on; at most `limit`. */
interface Pages {
  before(id: string, before: number, limit: number): object;
  from(id: string, from: number, limit: number): object;
}

/** A page of something numbered, oldest first. */
function page(hub: Hub, { id, url, request }: Call, most: number, pages: Pages): Response {
  if (hub.sessions.get(id) === undefined) return notFound("session");
  const { searchParams } = url;
  const from = searchParams.get("from");
  const at = Number(from ?? searchParams.get("before") ?? Number.MAX_SAFE_INTEGER);
  const limit = Number(searchParams.get("limit") ?? 100);
  if (!Number.isSafeInteger(at) || !Number.isSafeInteger(limit) || at < 0 || limit < 1)
    return badRequest();
  const read = from === null ? pages.before : pages.from;
  return reply(read(id, at, Math.min(limit, most)), request);
}

const output = (hub: Hub, call: Call) =>
  page(hub, call, LIMITS.outputLines, {
    before: (id, before, limit) => hub.sessions.lines(id, before, limit),
    from: (id, from, limit) => hub.sessions.linesFrom(id, from, limit),
  });
const transcript = (hub: Hub, call: Call) =>
  page(hub, call, LIMITS.entries, {
    before: (id, before, limit) => hub.transcripts.page(id, before, limit),
    from: (id, from, limit) => hub.transcripts.pageFrom(id, from, limit),
  });

function search(hub: Hub, { url, request }: Call): Response {
  const text = url.searchParams.get("q") ?? "";
  return text.length > LIMITS.queryChars ? badRequest() : reply(hub.search.find(text), request);
}

function seen(hub: Hub, { id, body, device }: Call): Response {
  const parsed = parseJson(SeenRequest, body);
  if (parsed === undefined) return badRequest();
  hub.viewers.seen(device.id, id, parsed.rev, parsed.stream);
  return reply({});
}

function approve(hub: Hub, call: Call): Promise<Response> | Response {
  const parsed = parseJson(ApproveRequest, call.body);
  return parsed === undefined ? badRequest() : decide(hub, call, "approve", parsed);
}

function reject(hub: Hub, call: Call): Promise<Response> | Response {
  const parsed = parseJson(RejectRequest, call.body === "" ? "{}" : call.body);
  return parsed === undefined ? badRequest() : decide(hub, call, "reject", parsed);
}

/** What a decision can come to but for being sent or too late: status, code, words for the person. */
const REFUSALS: Record<
  Exclude<DecisionResult, "sent" | "answered">,
  [status: number, code: string, message: string]
> = {
  gone: [410, "gone", "Claude no longer asks this."],
  changed: [409, "changed", "What was shown is not what Claude asks. Look again."],
  refused: [409, "refused", "This can't be answered like that. The desk can."],
  away: [503, "runner_away", "The machine that asks is not connected. Nothing was sent."],
  unknown: [
    503,
    "runner_lost",
    "The connection broke while the answer travelled. This page will show what became of it.",
  ],
};

/** Passes a decision to the runner and answers with what became of it. */
async function decide(
  hub: Hub,
  { id, device }: Call,
  action: Decision,
  detail: { shown?: string; message?: string | undefined; dismiss?: true | undefined } & Approval,
): Promise<Response> {
  const prompt = hub.prompts.get(id);
  if (prompt === undefined) return notFound("prompt");
  if (!isOpen(prompt)) return settled(hub, id, action, device);
  if (detail.shown !== undefined && detail.shown !== sha256hex(prompt.view))
    return fail(...REFUSALS.changed);
  if (!hub.runners.online(prompt.session)) return fail(...REFUSALS.away);

  const sending = hub.room.small(() => hub.prompts.sending(id));
  if (sending !== undefined) hub.viewers.broadcast("prompt_response", sending);
  const said =
    hub.sessions.get(prompt.session)?.unlogged === true ? "" : decidedWords(prompt, detail);
  hub.devices.audit(device.id, action, id, said);
  const given = Object.fromEntries(
    Object.entries(detail).filter(([, value]) => value !== undefined),
  );
  const result = await hub.runners.decide(prompt.session, {
    prompt: id,
    action,
    device: device.id,
    name: device.name,
    ...given,
  });
  if (result === "sent") return reply({ state: "sent" });
  return result === "answered" ? settled(hub, id, action, device) : fail(...REFUSALS[result]);
}

/** Already answered: the same device repeating its own decision is told how that went, anybody else what the answer was. */
function settled(hub: Hub, id: string, action: Decision, device: Device): Response {
  const prompt = hub.prompts.get(id);
  const answer = prompt?.answer;
  if (prompt?.state === "answered" && answer !== undefined) {
    if (answer.device === device.id && answer.decision === action)
      return reply({ state: answer.receipt ?? "sent" });
    return fail(
      409,
      "answered",
      answer.by === "desk"
        ? "Already answered at the desk."
        : `Already answered by ${answer.name ?? "another device"}.`,
      { answer },
    );
  }
  return fail(...REFUSALS.gone);
}

const INPUT_REFUSALS = {
  asked: "A question is open: answer that first.",
  shell: "This runs as a shell command, without a question.",
  draft: "Something is half typed at the desk, and can't be put aside: look at the terminal first.",
  order: "Something typed before this has not arrived.",
};

/** Passes on what was typed; a refusal tells the last input of the stream that was applied. */
async function input(hub: Hub, { id, body, device }: Call): Promise<Response> {
  const session = hub.sessions.get(id);
  if (session === undefined) return notFound("session");
  const parsed = parseJson(InputRequest, body);
  if (parsed === undefined || (parsed.paste !== true && /[\r\n]/.test(parsed.text ?? "")))
    return badRequest();
  if (session.status === "ended") return fail(410, "gone", "This session is over.");
  if (!hub.runners.online(id)) return fail(...REFUSALS.away);
  const noted = hub.typing.note(id, device.id, parsed);
  if (noted !== undefined) hub.devices.audit(device.id, noted, id);
  const typed = await hub.runners.type(id, parsed);
  if (typed === "away" || typed === "unknown") return fail(...REFUSALS[typed]);
  if (typed.result === "unconfirmed") return reply({ applied: typed.seq, unconfirmed: true });
  return typed.result === "applied"
    ? reply({ applied: typed.seq })
    : fail(409, typed.result, INPUT_REFUSALS[typed.result], { applied: typed.seq });
}

/** A phone takes the terminal's size over, or gives it back; the server gives it back for one that has gone. */
function resize(hub: Hub, { id, body, device }: Call): Response {
  if (hub.sessions.get(id) === undefined) return notFound("session");
  const parsed = parseJson(ResizeRequest, body);
  if (parsed === undefined || (parsed.cols !== null && parsed.rows === undefined))
    return badRequest();
  if (!hub.runners.resize({ type: "resize", session: id, ...parsed }))
    return fail(...REFUSALS.away);
  const taken = hub.viewers.holdsSize(id, parsed.cols === null ? undefined : device.id);
  if (taken) hub.devices.audit(device.id, "resize", id, `${parsed.cols}×${parsed.rows}`);
  return reply({});
}

/** Signals the program of a session. */
function stop(hub: Hub, { id, body, device }: Call): Response {
  const session = hub.sessions.get(id);
  if (session === undefined) return notFound("session");
  const parsed = parseJson(StopRequest, body === "" ? "{}" : body);
  if (parsed === undefined) return badRequest();
  if (session.status === "ended") return fail(410, "gone", "This session is over.");
  if (!hub.runners.stop(session, parsed.signal)) return fail(...REFUSALS.away);
  hub.devices.audit(device.id, "stop", id, parsed.signal);
  return reply({});
}

function events(hub: Hub, { request, url, device }: Call): Response {
  const session = url.searchParams.get("session") ?? undefined;
  if (session !== undefined && hub.sessions.get(session) === undefined) return notFound("session");
  const lines = Number(url.searchParams.get("lines") ?? 0);
  if (!Number.isInteger(lines) || lines < 0 || lines > LIMITS.outputLines) return badRequest();
  return hub.viewers.open({
    device: device.id,
    session,
    lines,
    lastEventId: request.headers.get("last-event-id"),
    insecure: hub.insecure,
    disk_full: hub.room.full,
    packed: takesGzip(request),
    signal: request.signal,
  });
}

/** Requests with text that a person wrote. */
const WITH_TEXT = /^\/api\/(?:sessions\/[\w-]+\/input|prompts\/[\w-]+\/(?:approve|reject))$/;
/** How long the body of a request to this address may be, in bytes. */
export const bodyLimit = (path: string): number =>
  WITH_TEXT.test(path) ? LIMITS.textBodyBytes : LIMITS.bodyBytes;

/** Every signed endpoint but `/ws`. */
export const ROUTES: readonly Route[] = [
  ["GET", /^\/events$/, events],
  ["GET", /^\/api\/sessions$/, sessionList],
  ["GET", /^\/api\/sessions\/([\w-]+)$/, sessionDetail],
  ["GET", /^\/api\/sessions\/([\w-]+)\/output$/, output],
  ["GET", /^\/api\/sessions\/([\w-]+)\/transcript$/, transcript],
  ["GET", /^\/api\/search$/, search],
  ["POST", /^\/api\/sessions\/([\w-]+)\/seen$/, seen],
  ["POST", /^\/api\/sessions\/([\w-]+)\/input$/, input],
  ["POST", /^\/api\/sessions\/([\w-]+)\/resize$/, resize],
  ["POST", /^\/api\/sessions\/([\w-]+)\/stop$/, stop],
  ["GET", /^\/api\/prompts$/, promptList],
  ["POST", /^\/api\/prompts\/([\w-]+)\/approve$/, approve],
  ["POST", /^\/api\/prompts\/([\w-]+)\/reject$/, reject],
  ...DAEMON_ROUTES,
  ...DEVICE_ROUTES,
];
