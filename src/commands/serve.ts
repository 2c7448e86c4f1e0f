import { parseArgs } from "node:util";
import { version } from "../../package.json";
import { DatabaseError } from "../db.ts";
import { type LogForm, openLog } from "../hub/log.ts";
import { OptionError } from "../hub/origins.ts";
import { portTaken } from "../hub/port-holder.ts";
import { SeatTaken } from "../hub/seat.ts";
import { type RunningServer, startServer } from "../server.ts";
import { explainSystemError } from "../system/system-error.ts";
import { backup, restore } from "./backup.ts";
import { loadConfig } from "./config.ts";
import { serverOptions } from "./embedded.ts";
import { printLink } from "./pair.ts";
import { status, stop } from "./server-state.ts";
import { UsageError } from "./usage.ts";

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
      "push-contact": text,
      "push-services": text,
      "trusted-proxies": text,
      log: text,
      "in-background": yes,
      json: yes,
    },
  });
  const { "in-background": inBackground, json, ...flags } = values;
  const config = loadConfig(
    Object.fromEntries(
      Object.entries(flags).map(([name, value]) => [name.replaceAll("-", "_"), value]),
    ),
  );
  const [action, file, ...more] = positionals;
  if (action === "backup" || action === "restore") {
    if (file === undefined || more.length > 0)
      throw new UsageError(
        `server ${action}: give one file, or - for standard ${action === "backup" ? "output" : "input"}`,
      );
    return action === "backup"
      ? backup(config.data, file)
      : restore(config.data, file, config.given?.data !== undefined);
  }
  const odd = ["status", "stop", undefined].includes(action) ? file : action;
  if (odd !== undefined) throw new UsageError(`server: what is ${odd}?`);
  if (action === "status") return status(config.data, json === true);
  if (action === "stop") return stop(config.data);
  const {
    data,
    host,
    insecure_lan: insecureLan,
    tls_cert: cert,
    tls_key: key,
    port = 7200,
  } = config;
  const tls = cert === undefined || key === undefined ? undefined : { cert, key };
  const embedded = inBackground === true ? serverOptions(config) : undefined;
  const form = config.log ?? "text";

  let server: RunningServer;
  try {
    const keep = { days: config.keep_days ?? KEEP_DAYS, megabytes: config.keep_mb ?? KEEP_MB };
    const push = { pushContact: config.push_contact, pushServices: config.push_services };
    const names = {
      publicUrl: config.public_url,
      published: config.published,
      trustedProxies: config.trusted_proxies,
    };
    server = await startServer({
      port,
      host,
      data,
      ...names,
      tls,
      insecureLan,
      embedded,
      keep,
      logForm: form,
      ...push,
    });
  } catch (error) {
    if (error instanceof OptionError) throw new UsageError(error.message);
    const reason = await explain(error, port);
    const write = (line: string) => process.stderr.write(`${line}\n`);
    if (form === "json") openLog(form, write)("error", "start_failed", { reason });
    else write(`claude-remote server: ${reason}`);
    return 1;
  }
  const told = new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  greet(server, { insecureLan, form, invites: embedded === undefined && !server.hasDevices() }); // after which it may be told to stop at once
  await told;
  await server.stop();
  server.log("info", "stopped");
  return 0;
}

/** Says where the server is, in words or as events of the log; the first pairing link is the one secret that a log may have: it lives five minutes and works once. */
function greet(
  server: RunningServer,
  { insecureLan, form, invites }: { insecureLan: boolean; form: LogForm; invites: boolean },
): void {
  const { log, listensOn, origin } = server;
  if (form === "json") {
    log("info", "started", { version, listens: listensOn, origin });
    if (insecureLan) log("warn", "insecure_lan");
    if (invites) log("info", "pairing_link", { link: server.pairingLink() });
    return;
  }
  process.stderr.write(`claude-remote server listens on ${listensOn}\n`);
  if (origin !== listensOn) process.stderr.write(`The dashboard is at ${origin}\n`);
  if (insecureLan)
    process.stderr.write(
      "Plain HTTP: anybody on this network can replace the page that phones load. Prefer HTTPS.\n",
    );
  if (!invites) return;
  process.stderr.write(
    "Nothing is paired yet. Open this on your phone, or give it to `claude-remote pair` (5 minutes, once):\n",
  );
  printLink(server.pairingLink(), process.stderr);
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
