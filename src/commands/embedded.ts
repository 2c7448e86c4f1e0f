import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { version } from "../../package.json";
import { claimFolder, openDatabase } from "../db.ts";
import { openDevices } from "../hub/devices.ts";
import { checkExposure, OptionError } from "../hub/origins.ts";
import { isFree, isListening, portTaken } from "../hub/port-holder.ts";
import { unusedSince } from "../hub/retention.ts";
import { hasCrashed, isTaken, readSeat, type Seat, takeLock } from "../hub/seat.ts";
import type { Pairing } from "../runner/link.ts";
import { loadPairing, PairingError, pairWith, savePairing } from "../runner/pairing.ts";
import { ownCommand } from "../runner/program.ts";
import { ownBuild } from "../system/build.ts";
import { PROTOCOL, parseJson } from "../types.ts";
import { type Config, OPTION_NAMES, withDefaults } from "./config.ts";
import { logPath, pairingPath } from "./places.ts";

/** How long a server may take to come up, also where it brings a database of 2 GB to a new schema, or to end, and how often we look, in ms. */
const START_MS = 180_000;
const STOP_MS = 10_000;
const LOOK_EVERY_MS = 20;
/** The port where nothing else was asked for, and how many after it are tried. */
const FIRST_PORT = 7200;
const PORTS = 10;
/** A log that is longer than this is put aside when the server starts, in bytes; the one before it goes. */
const LOG_BYTES = 1024 * 1024;

export interface Home {
  pairing: Pairing;
  /** The server that runs here; undefined where this machine is paired with one elsewhere. */
  seat: Seat | undefined;
  /** Whether this very call started the server, and paired this machine. */
  started: boolean;
  paired: boolean;
}

/** What a server in the background is told, besides its data folder; a change of any starts it anew. */
const SERVER_OPTIONS = OPTION_NAMES.filter(
  (name) => !/^(?:data|embedded|claude|roots|sandbox.*)$/.test(name),
);
const Told = v.record(v.string(), v.unknown());

/** The options that a server in the background was started with, for its seat. */
export function serverOptions({ given = {} }: Config): string {
  return JSON.stringify(Object.fromEntries(SERVER_OPTIONS.map((name) => [name, given[name]])));
}

/** Whether somebody asks now for something else than the server was told. What is merely not asked for again stays: a phone may be connected that way. */
function asksForMore({ given = {} }: Config, { embedded = "", port }: Seat): boolean {
  const told: Record<string, unknown> = { ...parseJson(Told, embedded), port };
  const before = {
    ...told,
    ...withDefaults({ insecure_lan: told.insecure_lan === true }),
    ...told,
  };
  return SERVER_OPTIONS.some((name) => {
    const asked = given[name];
    if (name === "port" && asked === 0) return false; // any will do
    return asked !== undefined && asked !== before[name];
  });
}

/**
 * This machine's pairing with its server. Where nothing is configured the server is the embedded one: started in the
 * background unless it runs, restarted where it is older than we are (with `afresh`, also where its options have
 * changed), and paired with. Undefined where that is switched off. Throws a `PairingError`.
 */
export async function findHome(
  config: Config,
  options: { afresh?: boolean } = {},
): Promise<Home | undefined> {
  const known = loadPairing(pairingPath());
  if (known !== undefined && known.embedded !== true)
    return { pairing: known, seat: undefined, started: false, paired: false };
  if (!config.embedded) return undefined;
  return alone(config.data, async () => {
    const before = loadPairing(pairingPath()); // another claude-remote may have been quicker
    const { seat, started } = await ensureServer(config, before, options.afresh === true);
    const unknown =
      before !== undefined &&
      (started || options.afresh === true) &&
      !isKnown(config, before.device, options.afresh === true);
    const kept = unknown || before === undefined ? undefined : follow(before, seat);
    const pairing = kept ?? (await pairOurselves(config.data, seat));
    return { pairing, seat, started, paired: kept === undefined };
  });
}

/** A pairing that leads to where its server listens by now; the file is changed where that is elsewhere. */
function follow(pairing: Pairing, { url, port }: Seat): Pairing {
  if (pairing.server === url && pairing.port === port) return pairing;
  const moved = { ...pairing, server: url, port };
  savePairing(pairingPath(), moved);
  return moved;
}

/** Why this machine's own server is not at its port, where somebody else's answers there; undefined where nobody does. */
export async function strangerAt(data: string, pairing: Pairing): Promise<string | undefined> {
  if (pairing.embedded !== true || isTaken(data)) return undefined;
  const port = Number(new URL(pairing.server).port);
  return (await isListening(port)) ? portTaken(port) : undefined;
}

/** Starts the server again where it has died; one that was stopped stays so. */
export async function reviveServer(config: Config): Promise<void> {
  if (config.embedded && hasCrashed(config.data)) await findHome(config);
}

/** Ends the server that runs on this data; undefined where none does. Throws a `PairingError` where it does not end. */
export async function stopServer(data: string): Promise<Seat | undefined> {
  const seat = readSeat(data);
  if (seat === undefined) return undefined;
  process.kill(seat.pid, "SIGTERM");
  if (await comes(() => readSeat(data) === undefined, STOP_MS)) return seat;
  throw new PairingError(`the server (process ${seat.pid}) does not end; its log is ${logPath()}`);
}

async function ensureServer(
  config: Config,
  pairing: Pairing | undefined,
  afresh: boolean,
): Promise<{ seat: Seat; started: boolean }> {
  const running = readSeat(config.data);
  const port = config.port ?? pairing?.port ?? (running === undefined ? freePort() : running.port);
  if (running !== undefined) {
    const others = afresh && asksForMore(config, running);
    if (running.embedded === undefined || !(isOlder(running) || others))
      return { seat: running, started: false };
    checkListening(config);
    if (port !== running.port && port !== 0 && !isFree(port, config.host))
      throw new PairingError(await portTaken(port)); // before anything is stopped for it
    await stopServer(config.data);
  }
  checkListening(config);
  const log = openLogFile();
  // it lives long, so it keeps nothing of this shell but what it needs: no keys, no tokens; push services may be behind a proxy
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(PATH|HOME|TMPDIR|TZ|LANG|LC_.*|XDG_.*|NODE_EXTRA_CA_CERTS|(?:HTTPS|NO)_PROXY|(?:https|no)_proxy|CLAUDE_REMOTE_(?!HOOK_TOKEN).*)$/.test(
      name,
    ),
  );
  const { tls_cert: cert, tls_key: key } = config;
  const files =
    cert === undefined || key === undefined ? [] : ["--tls-cert", cert, "--tls-key", key];
  const env = Object.fromEntries(kept);
  const argv = [
    ...ownCommand(),
    "server",
    "--in-background",
    "--data",
    config.data,
    "--port",
    String(port),
    ...files, // whole paths: it runs in another folder
  ];
  const child = Bun.spawn(argv, {
    detached: true,
    cwd: config.data,
    env,
    stdin: "ignore",
    stdout: log.descriptor,
    stderr: log.descriptor,
  });
  closeSync(log.descriptor);
  child.unref();
  const isOver = () => child.exitCode !== null || child.signalCode !== null; // one that is killed has no exit code
  await comes(() => readSeat(config.data) !== undefined || isOver(), START_MS);
  const seat = readSeat(config.data);
  if (seat === undefined) child.kill();
  if (seat === undefined)
    throw new PairingError(
      `the server could not be started: ${firstError(log.size) || `see ${logPath()}`}`,
    );
  return { seat, started: true };
}

/** Whether a server is of an older version than we are, or of another build of the program that we are. */
export function isOlder({ version: its, protocol, program, build }: Seat): boolean {
  if (Bun.semver.order(its, version) < 0 || protocol < PROTOCOL) return true;
  const own = ownBuild();
  return program === own.program && build !== own.build;
}

/** The log of the server in the background, to go on with; a long one is put aside first. */
function openLogFile(): { descriptor: number; size: number } {
  const file = logPath();
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_BYTES) renameSync(file, `${file}.1`);
  const descriptor = openSync(file, "a", 0o600);
  return { descriptor, size: fstatSync(descriptor).size };
}

/** What a server that did not start has said, after `size` bytes of its log. */
function firstError(size: number): string {
  const said = readFileSync(logPath()).subarray(size).toString().trim().split("\n")[0] ?? "";
  return parseJson(v.object({ reason: v.string() }), said)?.reason ?? said;
}

/** Finds what is wrong with the options while nothing has been stopped for them. Throws a `PairingError`. */
function checkListening({
  host,
  port = FIRST_PORT,
  public_url: publicUrl,
  tls_cert,
  insecure_lan: insecureLan,
}: Config): void {
  try {
    checkExposure({ host, port, publicUrl, tls: tls_cert !== undefined, insecureLan });
  } catch (error) {
    if (error instanceof OptionError) throw new PairingError(error.message);
    throw error;
  }
}

/** The first port that nobody listens on. */
function freePort(): number {
  for (let port = FIRST_PORT; port < FIRST_PORT + PORTS; port++) if (isFree(port)) return port;
  throw new PairingError(
    `ports ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} are all taken: choose another with CLAUDE_REMOTE_PORT`,
  );
}

/** Whether the server has ever heard of a device. One that was locked out stays so, unless its owner asks for a pairing here (`letIn`): then one that nobody used for long is let in again. */
function isKnown({ data, device_days: days }: Config, device: string, letIn: boolean): boolean {
  const db = openDatabase(data);
  const devices = openDevices(db);
  const found = devices
    .list("")
    .some(({ id, revoked_at }) => id === device && !(letIn && revoked_at !== null));
  if (found && letIn) {
    devices.lockUnused(unusedSince(Date.now(), days), undefined);
    devices.admit(device, undefined);
  }
  db.close();
  return found;
}

/** Whoever owns the server's files may pair with it. */
async function pairOurselves(data: string, seat: Seat): Promise<Pairing> {
  // before anything is paired that could not be kept
  mkdirSync(dirname(pairingPath()), { recursive: true, mode: 0o700 });
  accessSync(dirname(pairingPath()), constants.W_OK);
  const db = openDatabase(data);
  const { code } = openDevices(db).mint("machine", undefined);
  db.close();
  const pairing = {
    ...(await pairWith(`${seat.url}/#pair=${code}`, "machine", hostname() || "this machine", true)),
    embedded: true,
    port: seat.port,
  };
  savePairing(pairingPath(), pairing);
  return pairing;
}

/** Runs `act` while no other claude-remote does the same. */
async function alone<T>(data: string, act: () => Promise<T>): Promise<T> {
  claimFolder(data);
  let release: (() => void) | undefined;
  await comes(() => {
    release = takeLock(join(data, "start.lock"));
    return release !== undefined;
  }, START_MS + STOP_MS);
  if (release === undefined)
    throw new PairingError("another claude-remote is busy starting the server, and does not end");
  try {
    return await act();
  } finally {
    release();
  }
}

async function comes(probe: () => boolean, ms: number): Promise<boolean> {
  const until = performance.now() + ms;
  while (!probe()) {
    if (performance.now() > until) return false;
    await Bun.sleep(LOOK_EVERY_MS);
  }
  return true;
}
