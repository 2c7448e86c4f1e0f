import { SQLiteError } from "bun:sqlite";
import type { Server } from "bun";
import { version } from "../package.json";
import type { DeviceKind } from "./auth.ts";
import { openDatabase } from "./db.ts";
import { openAlerts } from "./hub/alerts.ts";
import { bodyLimit, type Hub, ROUTES } from "./hub/api.ts";
import { loadAssets } from "./hub/assets.ts";
import { type CertificateFiles, fingerprint, readCertificate } from "./hub/certificate.ts";
import { openClients } from "./hub/clients.ts";
import { openDevices } from "./hub/devices.ts";
import { openGate } from "./hub/gate.ts";
import { describeError, type Log, type LogForm, openLog } from "./hub/log.ts";
import { checkExposure, type ListenOptions, nearOrigin, ownOrigins } from "./hub/origins.ts";
import { openPrompts } from "./hub/prompts.ts";
import { type Later, openPush } from "./hub/push.ts";
import { vapidSubject } from "./hub/push-service.ts";
import { fail, reply } from "./hub/replies.ts";
import { believedTime, forgetOld, lockUnused, type Retention } from "./hub/retention.ts";
import { isNoRoom, openRoom } from "./hub/room.ts";
import { openRunners } from "./hub/runners.ts";
import { openSearch } from "./hub/search.ts";
import { takeSeat } from "./hub/seat.ts";
import { openSessions } from "./hub/sessions.ts";
import type { Connection } from "./hub/sockets.ts";
import { openSteady } from "./hub/steady.ts";
import { openStores } from "./hub/stores.ts";
import { openTranscripts } from "./hub/transcripts.ts";
import { TypingLog } from "./hub/typing-log.ts";
import { openViewers } from "./hub/viewers.ts";
import { ownBuild } from "./system/build.ts";
import { LIMITS, PairRequest, PROTOCOL, parseJson } from "./types.ts";

export interface ServerOptions extends Omit<ListenOptions, "tls" | "names"> {
  /** Where the database lies. */
  data: string;
  tls?: CertificateFiles | undefined;
  /** How much of what is over is kept; everything unless told. */
  keep?: Retention | undefined;
  /** A device that nobody used for so many days is locked out; 0: never. */
  deviceDays?: number | undefined;
  /** Its options in short, where `claude-remote` itself started it in the background. */
  embedded?: string | undefined;
  /** Whom push services can turn to (mailto: or https:) where the public URL does not say, and which services there are but the browsers' own. */
  pushContact?: string | undefined;
  pushServices?: string | undefined;
  /** For tests: a clock for what phones are told, and the machine's own, in unix ms. */
  later?: Later | undefined;
  wall?: (() => number) | undefined;
  /** Proxies whose X-Forwarded-For is believed: see `openClients`. */
  trustedProxies?: string | undefined;
  logForm?: LogForm | undefined;
  log?(line: string): void;
}

export interface RunningServer {
  port: number;
  /** The address it listens on, as an origin. */
  listensOn: string;
  /** Where the dashboard is, for links. */
  origin: string;
  /** When its certificate ends, in unix ms. */
  certificateUntil: number | undefined;
  /** Makes a pairing link. */
  pairingLink(): string;
  log: Log;
  /** Whether anything has ever been paired. */
  hasDevices(): boolean;
  /** Ends every connection and closes the database. */
  stop(): Promise<void>;
}

/** A silent connection is closed after this long, in seconds; streams send a heartbeat more often. */
const IDLE_S = 60;

/** What is kept in memory alone of sessions that are over: until the look after the next, so for one to two hours. */
const KEEP_UNLOGGED: Retention = { days: 0.5 / 24, megabytes: 100 };
/** Old sessions and unused devices are looked for this often, in ms. */
const FORGET_EVERY_MS = 3600_000;
/** A certificate that was renewed is looked for this often, in ms. */
const RENEW_EVERY_MS = 5000;
/** A clock that is so far from what is believed is told of, in ms. */
const DOUBTED_MS = 86_400_000;

/** Starts the server. Throws an `OptionError`, a `SeatTaken`, a `DatabaseError`, or the system's error where the port is taken. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const listen: ListenOptions = { ...options, tls: options.tls !== undefined };
  checkExposure(listen);
  if (options.tls !== undefined) readCertificate(options.tls); // before anything is touched
  const seat = takeSeat(options.data);
  try {
    return await open(options, listen, seat);
  } catch (error) {
    seat.leave();
    throw error;
  }
}

async function open(
  options: ServerOptions,
  listen: ListenOptions,
  seat: ReturnType<typeof takeSeat>,
): Promise<RunningServer> {
  const log = openLog(
    options.logForm ?? "text",
    options.log ?? ((line: string) => process.stderr.write(`${line}\n`)),
  );
  const clientAddress = openClients(options.trustedProxies);
  const assets = await loadAssets();
  const room = openRoom(options.data, log);
  const db = room.small(() => openDatabase(options.data));
  const devices = openDevices(db, options.wall, room.small);
  const stores = openStores(db);
  const sessions = openSessions(stores, options.wall);
  const prompts = openPrompts(stores);
  const transcripts = openTranscripts(stores);
  const search = openSearch(stores, log, room);
  const viewers = openViewers({
    live: (id) => sessions.live(id),
    lines: (id, limit) => sessions.lines(id, Number.MAX_SAFE_INTEGER, limit),
    entries: (id) => transcripts.place(id).next,
    onBeat: (device) => devices.seen(device),
    onSizeFree: (id) => void runners.resize({ type: "resize", session: id, cols: null }),
  });
  room.watch((full) => viewers.broadcast("disk", { full }));
  const later = options.later ?? runLater;
  const push = openPush(db, {
    subject: vapidSubject(options.pushContact, options.publicUrl),
    services: options.pushServices,
    mayHear: (device) => devices.find(device)?.locked === false,
    later,
    log,
  });
  const alerts = openAlerts({ stores, prompts, sessions, push, later });
  const runners = openRunners({
    db,
    devices,
    sessions,
    prompts,
    transcripts,
    search,
    viewers,
    alerts,
    room,
    log,
  });
  let origins: string[] = [];
  let known: ReadonlySet<string> = new Set();
  const gate = openGate({ devices, origins: () => known, log, now: openSteady(db, options.wall) });
  const insecure = options.insecureLan && options.tls === undefined;
  const hub: Hub = {
    devices,
    sessions,
    prompts,
    transcripts,
    search,
    viewers,
    runners,
    push,
    alerts,
    typing: new TypingLog(),
    room,
    log,
    insecure,
    publicOrigin: () => origins[0] ?? "",
  };

  const startedAt = Date.now();
  const answer = async (
    request: Request,
    server: Server<Connection>,
  ): Promise<Response | undefined> => {
    const refused = gate.checkPlace(request);
    if (refused !== undefined) return refused;
    const url = URL.parse(request.url);
    if (url === null) return fail(400, "bad_request", "That is no address."); // such as `*`
    if (request.method === "GET") {
      const asset = assets.get(url.pathname);
      if (asset !== undefined) return asset(request);
      if (url.pathname === "/healthz")
        return reply({ ok: true, ...(room.full ? { disk: "full" } : {}) });
    }
    const bytes = await readBody(request, bodyLimit(url.pathname));
    if (bytes instanceof Response) return bytes;
    const address = await clientAddress(
      server.requestIP(request)?.address ?? "",
      request.headers.get("x-forwarded-for"),
    );
    if (url.pathname === "/api/pair") return pair(hub, gate, request, bytes, address);

    const signed = gate.authenticate(request, bytes, address);
    if (signed instanceof Response) return signed;
    const { device } = signed;
    if (url.pathname === "/ws") {
      if (device.kind === "viewer")
        return fail(403, "forbidden", "This device may watch and answer, but not run sessions.");
      if (server.upgrade(request, { data: runners.sockets.connection(device, signed.nonce) }))
        return undefined;
      return fail(426, "upgrade_required", "This address speaks WebSocket.");
    }
    if (device.kind === "runner")
      return fail(403, "forbidden", "This device may run sessions, but not watch or answer.");
    const body = decodeUtf8(bytes);
    if (body === undefined) return fail(400, "bad_request", "The body is not UTF-8.");

    const routes = ROUTES.filter(([, path]) => path.test(url.pathname));
    const route = routes.find(([method]) => method === request.method);
    if (route === undefined) {
      if (routes.length === 0) return fail(404, "not_found", "There is nothing at this address.");
      const response = fail(
        405,
        "wrong_method",
        `This address takes ${routes.map(([method]) => method).join(", ")}.`,
      );
      response.headers.set("allow", routes.map(([method]) => method).join(", "));
      return response;
    }
    if (url.pathname === "/events") server.timeout(request, IDLE_S);
    const id = route[1].exec(url.pathname)?.[1] ?? "";
    return room.small(() => route[2](hub, { request, url, id, body, device }));
  };

  let certificate = options.tls && readCertificate(options.tls);
  let certificateFiles = options.tls && fingerprint(options.tls);
  const serve = (port: number) =>
    Bun.serve<Connection>({
      hostname: options.host,
      port,
      idleTimeout: IDLE_S,
      maxRequestBodySize: 2 * LIMITS.textBodyBytes, // Bun refuses without a word, so what is a little too long is refused here
      ...(certificate === undefined
        ? {}
        : { tls: { cert: certificate.cert, key: certificate.key } }),
      fetch: answer,
      error(error) {
        log("error", "request_failed", { error: describeError(error) });
        room.failed(error);
        return isNoRoom(error) ||
          ("code" in error && String(error.code).startsWith("SQLITE_READONLY"))
          ? fail(507, "disk_full", "The server can't write to its disk; it may be full.")
          : fail(500, "internal", "The server could not do that; its log says why.");
      },
      websocket: {
        maxPayloadLength: LIMITS.messageBytes,
        idleTimeout: IDLE_S,
        open: runners.sockets.opened,
        message: runners.sockets.received,
        close: runners.sockets.closed,
      },
    });
  let server = serve(options.port);
  const port = server.port ?? options.port;
  const nameOrigins = () => {
    origins = ownOrigins({ ...listen, names: certificate?.names }, port);
    known = new Set(origins);
  };
  nameOrigins();
  const forget = () => {
    try {
      const wall = options.wall?.() ?? Date.now();
      room.small(() => lockUnused(db, devices, options.deviceDays, wall));
      const now = believedTime(db, wall);
      if (Math.abs(wall - now) > DOUBTED_MS)
        log("warn", "clock_doubted", {
          says: new Date(wall).toISOString(),
          believed: new Date(now).toISOString(),
        });
      forgetOld(stores.memory, KEEP_UNLOGGED, now);
      const gone = options.keep === undefined ? 0 : forgetOld(db, options.keep, now);
      if (gone > 0) log("info", "forgot", { sessions: gone });
    } catch (error) {
      if (!(error instanceof SQLiteError)) throw error; // a full disk
      log("error", "forgetting_failed", { error: describeError(error) });
    }
  };
  forget();
  const forgetting = setInterval(forget, FORGET_EVERY_MS);
  const announced = () => ({
    pid: process.pid,
    url: nearOrigin(listen, port),
    port,
    origin: hub.publicOrigin(),
    version,
    protocol: PROTOCOL,
    ...ownBuild(),
    embedded: options.embedded,
    started_at: startedAt,
  });
  const announce = () => room.small(() => seat.announce(announced()));
  announce();
  /** Takes up a certificate that was renewed. What is connected stays so, by the old one. */
  const renew = () => {
    if (options.tls === undefined || fingerprint(options.tls) === certificateFiles) return;
    certificateFiles = fingerprint(options.tls);
    try {
      certificate = readCertificate(options.tls);
    } catch (error) {
      if (!(error instanceof Error)) throw error; // half replaced: the other half is seen next time
      return log("warn", "certificate_refused", { reason: error.message });
    }
    replaced.push(server);
    void server.stop();
    server = serve(port);
    nameOrigins();
    announce();
    log("info", "certificate_renewed", { until: new Date(certificate.until).toISOString() });
  };
  const replaced: (typeof server)[] = [];
  const renewing = options.tls && setInterval(renew, RENEW_EVERY_MS);

  return {
    port,
    listensOn: server.url.origin,
    origin: hub.publicOrigin(),
    certificateUntil: certificate?.until,
    pairingLink: () => `${hub.publicOrigin()}/#pair=${devices.mint("machine", undefined).code}`,
    log,
    hasDevices: () => !devices.isEmpty(),
    async stop() {
      clearInterval(forgetting);
      clearInterval(renewing);
      alerts.close();
      push.close();
      search.close();
      room.close();
      viewers.closeAll();
      runners.sockets.closeAll();
      for (const one of [...replaced, server]) await one.stop(true);
      db.close();
      seat.leave();
    },
  };
}

function pair(
  hub: Hub,
  gate: ReturnType<typeof openGate>,
  request: Request,
  bytes: Uint8Array,
  address: string,
): Response {
  if (request.method !== "POST") return fail(405, "wrong_method", "This address takes POST.");
  if (gate.pairingBlocked(address))
    return fail(429, "too_many", "Too many failed attempts. Wait a minute.");
  const parsed = parseJson(PairRequest, decodeUtf8(bytes) ?? "");
  if (parsed === undefined)
    return fail(400, "bad_request", "The request is not of the form that this server understands.");
  const made = hub.devices.codeKind(parsed);
  const paired = hub.room.small(() => hub.devices.pair(parsed));
  if (paired === undefined && made !== undefined)
    return fail(403, "wrong_kind", wrongKind(made, parsed.kind));
  if (paired === undefined)
    return gate.pairingFailed(
      address,
      403,
      "bad_code",
      "This code was used, is too old, or was never made here. Make a new one.",
    );
  hub.log("info", "paired", {
    device: paired.device,
    kind: parsed.kind,
    name: parsed.name,
    address,
  });
  hub.alerts.paired({ ...parsed, id: paired.device });
  return reply(paired);
}

/** What to do with a code that is for another kind of device. */
function wrongKind(made: DeviceKind, asked: DeviceKind): string {
  if (made === "viewer")
    return "This code is for a phone or browser: open its link there. For a machine, `claude-remote pair --kind machine` on a paired machine makes one.";
  return asked === "machine"
    ? "This code is for a machine that only runs sessions: `claude-remote pair --kind runner LINK`."
    : "This code is for a machine that only runs sessions: give its link to `claude-remote pair --kind runner` there. For a phone or browser, `claude-remote pair` makes one.";
}

const runLater: Later = (ms, act) => {
  const timer = setTimeout(act, ms);
  return () => clearTimeout(timer);
};

/** Reads a body of at most `limit` bytes. What is longer is refused without being kept. */
async function readBody(request: Request, limit: number): Promise<Uint8Array | Response> {
  const tooLarge = () => fail(413, "too_large", `This request may have at most ${limit} bytes.`);
  if (Number(request.headers.get("content-length") ?? 0) > limit) return tooLarge();
  if (request.body === null) return new Uint8Array();
  try {
    const bytes = new Uint8Array(await request.arrayBuffer());
    return bytes.length > limit ? tooLarge() : bytes;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return tooLarge();
  }
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
