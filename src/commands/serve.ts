import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../../package.json";
import { DatabaseError } from "../db.ts";
import { readCertificate } from "../hub/certificate.ts";
import { openLog } from "../hub/log.ts";
import { checkExposure, isLoopback, OptionError } from "../hub/origins.ts";
import { portTaken } from "../hub/port-holder.ts";
import { SeatTaken, takeLock } from "../hub/seat.ts";
import { loadPairing } from "../runner/pairing.ts";
import { type RunningServer, startServer } from "../server.ts";
import { explainSystemError } from "../system/system-error.ts";
import { backup, restore } from "./backup.ts";
import { type Config, loadConfig } from "./config.ts";
import { serverOptions } from "./embedded.ts";
import { printLink } from "./pair.ts";
import { expandHome, pairingPath } from "./places.ts";
import { print } from "./say.ts";
import { status, stop } from "./server-state.ts";
import { UsageError } from "./usage.ts";
import { closest, wordNamed } from "./words.ts";

const DEFAULT_PORT = 7200;
/** How long a reload waits for whoever is just starting a server here, in ms. */
const START_LOCK_MS = 10_000;
/** What is kept unless told otherwise: days, and MB of the database. */
const KEEP_DAYS = 30;
const KEEP_MB = 2000;

const text = { type: "string" } as const;
const yes = { type: "boolean" } as const;

/** `claude-remote server`: runs until SIGTERM or SIGINT; `server status` and `server stop` are about the one that runs. Exit code 1 where it can't start, 2 where it was told something impossible. */
export async function serve(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      port: text,
      host: text,
      data: text,
      "public-url": text,
      published: text,
      "tls-cert": text,
      "tls-key": text,
      "insecure-lan": yes,
      "keep-days": text,
      "keep-mb": text,
      "device-days": text,
      "push-contact": text,
      "push-services": text,
      "trusted-proxies": text,
      log: text,
      "in-background": yes,
      json: yes,
      "only-this-host": yes,
    },
  });
  const { "in-background": inBackground, "only-this-host": onlyHost, json, ...flags } = values;
  const named = Object.fromEntries(
    Object.entries(flags).map(([name, value]) => [name.replaceAll("-", "_"), value]),
  );
  const config = loadConfig(named);
  const [action, file, ...more] = positionals;
  if (action === "backup" || action === "restore") {
    if (file === undefined || more.length > 0)
      throw new UsageError(
        `server ${action}: give one file, or - for standard ${action === "backup" ? "output" : "input"}`,
      );
    const path = expandHome(file);
    if (action === "backup") return backup(config.data, path);
    return restore(config.data, path, {
      named: config.given?.data !== undefined,
      only: onlyHost === true ? { device: loadPairing(pairingPath())?.device } : undefined,
    });
  }
  const odd = ["status", "stop", undefined].includes(action) ? file : action;
  if (odd !== undefined) {
    const meant = closest(odd, wordNamed("server")?.actions?.map(({ name }) => name) ?? []);
    throw new UsageError(
      `server: what is ${odd}?${meant === undefined ? "" : ` Did you mean ${meant}?`}`,
    );
  }
  if (action === "status") return status(config.data, json === true);
  if (action === "stop") return stop(config.data);
  return keepServing(config, inBackground === true, () => loadConfig(named));
}

/** Runs the server until it is told to end; told to reload, it begins again with the options as they are by then. */
async function keepServing(
  first: Config,
  inBackground: boolean,
  read: () => Config,
): Promise<number> {
  let config = first;
  const asked = openSignals(); // once it is announced it may be told to stop at once
  let running = await begin(config, inBackground);
  if (typeof running === "number") return running;
  greet(running, config, !inBackground && !running.hasDevices());
  for (;;) {
    if ((await asked.next()) === "end") break;
    let next: Config;
    try {
      next = read();
      checkConfig(next);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      running.log("error", "reload_refused", { reason: error.message });
      continue;
    }
    const free = takeLock(join(config.data, "start.lock"), START_LOCK_MS); // nobody starts another meanwhile
    await running.stop();
    let again = await begin(next, inBackground);
    if (typeof again === "number") again = await begin(config, inBackground);
    else config = next;
    free?.();
    if (typeof again === "number") return again;
    running = again;
    running.log("info", "reloaded", { origin: running.origin });
  }
  await running.stop();
  running.log("info", "stopped");
  return 0;
}

type Asked = "end" | "reload";

/** What signals ask for, in turn. A terminal that was closed ends the server; SIGHUP from anybody else means the configuration. */
function openSignals() {
  const queue: Asked[] = [];
  let wake: () => void = () => undefined;
  const ask = (what: Asked) => {
    queue.push(what);
    wake();
  };
  const atTerminal = process.stderr.isTTY === true;
  process.on("SIGTERM", () => ask("end"));
  process.on("SIGINT", () => ask("end"));
  process.on("SIGHUP", () => ask(atTerminal && !hasTerminal() ? "end" : "reload"));
  return {
    async next(): Promise<Asked> {
      for (;;) {
        const first = queue.shift();
        if (first !== undefined) return first;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

/** Finds what is wrong with options before anything is stopped for them. Throws a `UsageError`. */
function checkConfig(config: Config): void {
  try {
    const { host, port = DEFAULT_PORT, insecure_lan: insecureLan, published } = config;
    const tls = filesOf(config);
    checkExposure({
      ...{ host, port, insecureLan, published, publicUrl: config.public_url },
      tls: tls !== undefined,
    });
    if (tls !== undefined) readCertificate(tls);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(explainSystemError(error));
  }
}

function filesOf({ tls_cert: cert, tls_key: key }: Config) {
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

/** Starts the server; where that fails, says why: the exit code. */
async function begin(config: Config, inBackground: boolean): Promise<RunningServer | number> {
  const { port = DEFAULT_PORT } = config;
  const form = config.log ?? "text";
  try {
    return await startServer({
      port,
      host: config.host,
      data: config.data,
      publicUrl: config.public_url,
      published: config.published,
      trustedProxies: config.trusted_proxies,
      tls: filesOf(config),
      insecureLan: config.insecure_lan,
      embedded: inBackground ? serverOptions(config) : undefined,
      keep: { days: config.keep_days ?? KEEP_DAYS, megabytes: config.keep_mb ?? KEEP_MB },
      deviceDays: config.device_days,
      logForm: form,
      pushContact: config.push_contact,
      pushServices: config.push_services,
    });
  } catch (error) {
    if (error instanceof OptionError) throw new UsageError(error.message);
    const reason = await explain(error, port);
    const write = (line: string) => print(line, process.stderr);
    if (form === "json") openLog(form, write)("error", "start_failed", { reason });
    else write(`claude-remote server: ${reason}`);
    return 1;
  }
}

/** Says where the server is, in words or as events of the log; the first pairing link is the one secret that a log may have: it lives five minutes and works once. */
function greet(server: RunningServer, config: Config, invites: boolean): void {
  const { insecure_lan: insecureLan, log: form } = config;
  const { log, listensOn, origin } = server;
  if (form === "json") {
    log("info", "started", { version, listens: listensOn, origin });
    if (insecureLan) log("warn", "insecure_lan");
    if (invites && !insecureLan) log("info", "pairing_link", { link: server.pairingLink() });
    return;
  }
  const tell = (text: string) => print(text, process.stderr);
  tell(`claude-remote server listens on ${listensOn}`);
  if (origin !== listensOn) tell(`The dashboard is at ${origin}`);
  if (insecureLan)
    tell(
      "Plain HTTP: anybody on this network can replace the page that phones load. Whoever records a pairing and gets its link, even a used one, has that device's key: keep links out of logs and chats. Prefer HTTPS.",
    );
  if (server.certificateUntil !== undefined && server.certificateUntil < Date.now())
    tell("Its certificate has expired: renew it, it is taken up by itself.");
  const near = isLoopback(new URL(origin).hostname);
  if (near) tell(noPhone(config));
  else if (config.tls_cert !== undefined) tell(toOpen(server, config));
  if (!invites) return;
  if (insecureLan && !process.stderr.isTTY) {
    tell(
      "Nothing is paired yet. The link is not written here, as this may be a log: `claude-remote pair --data DIR` makes one.",
    );
    return;
  }
  tell(
    near
      ? "Nothing is paired yet. Open this in a browser on this very machine, or give it to `claude-remote pair` here (5 minutes, once):"
      : "Nothing is paired yet. Open this on your phone, or give it to `claude-remote pair` (5 minutes, once):",
  );
  printLink(server.pairingLink(), process.stderr);
}

/** Why no phone gets to a server that has loopback's names alone, and what to do. */
function noPhone({ published, tls_cert: cert }: Config): string {
  if (published !== undefined)
    return "No phone can reach it yet: that takes PUBLIC_URL and a proxy, in .env beside compose.yml (docs/deploy.md).";
  return cert === undefined
    ? "No phone can reach it yet: that takes HTTPS (--public-url behind a proxy, or --tls-cert and --tls-key), or --insecure-lan on a network that you trust."
    : "No phone can reach it yet: its certificate names this machine alone. One for a name that phones know, or --public-url, changes that.";
}

/** What has to hold for phones to reach a server with a certificate of its own. */
function toOpen({ origin, port }: RunningServer, { host }: Config): string {
  const name = new URL(origin).hostname;
  return isLoopback(host)
    ? `Open ${origin} on the phone. For that it has to listen beyond this machine (--host 0.0.0.0); now it does not.`
    : `Open ${origin} on the phone: ${name} has to lead to this machine, and a firewall has to let port ${port} through.`;
}

async function explain(error: unknown, port: number): Promise<string> {
  if (error instanceof DatabaseError || error instanceof SeatTaken) return error.message;
  if (!(error instanceof Error)) throw error;
  const code = "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") return portTaken(port);
  if (code === "EACCES" && !("path" in error))
    return `port ${port} can't be used by this user; choose one above 1023 with --port.`;
  return explainSystemError(error);
}
