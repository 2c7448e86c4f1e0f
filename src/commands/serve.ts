import { parseArgs } from "node:util";
import { DatabaseError } from "../db.ts";
import { OptionError } from "../hub/origins.ts";
import { readSeat, SeatTaken } from "../hub/seat.ts";
import { type RunningServer, startServer } from "../server.ts";
import { type Config, loadConfig } from "./config.ts";
import { listening, stopServer } from "./embedded.ts";
import { printLink } from "./pair.ts";
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
      "in-background": yes,
      json: yes,
    },
  });
  const { "in-background": inBackground, json, ...flags } = values;
  const config = loadConfig(Object.fromEntries(Object.entries(flags).map(([name, value]) => [name.replaceAll("-", "_"), value])));
  const [action, ...more] = positionals;
  if (more.length > 0 || !["status", "stop", undefined].includes(action)) throw new UsageError(`server: what is ${more[0] ?? action}?`);
  if (action === "status") return status(config, json === true);
  if (action === "stop") {
    const stopped = await stopServer(config.data);
    process.stderr.write(stopped === undefined ? "No server is running here.\n" : `The server at ${stopped.url} has ended.\n`);
    return 0;
  }
  const { data, host, insecure_lan: insecureLan, tls_cert: cert, tls_key: key, port = 7200 } = config;
  const tls = cert === undefined || key === undefined ? undefined : { cert, key };
  const embedded = inBackground === true ? listening({ ...config, port: loadConfig().port }) : undefined;

  let server: RunningServer;
  try {
    const keep = { days: config.keep_days ?? KEEP_DAYS, megabytes: config.keep_mb ?? KEEP_MB };
    const push = { pushContact: config.push_contact, pushServices: config.push_services };
    server = await startServer({ port, host, data, publicUrl: config.public_url, published: config.published, tls, insecureLan, embedded, keep, ...push });
  } catch (error) {
    if (error instanceof OptionError) throw new UsageError(error.message);
    process.stderr.write(`claude-remote server: ${explain(error, port)}\n`);
    return 1;
  }
  process.stderr.write(`claude-remote server listens on ${server.listensOn}\n`);
  if (server.origin !== server.listensOn) process.stderr.write(`The dashboard is at ${server.origin}\n`);
  if (insecureLan) process.stderr.write("Plain HTTP: anybody on this network can replace the page that phones load. Prefer HTTPS.\n");
  if (!server.hasDevices() && embedded === undefined) {
    process.stderr.write("Nothing is paired yet. Open this on your phone, or give it to `claude-remote pair` (5 minutes, once):\n");
    printLink(server.pairingLink(), process.stderr);
  }
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  await server.stop();
  return 0;
}

/** Tells what runs on this data; exit code 1 where nothing does. */
function status({ data }: Config, json: boolean): number {
  const seat = readSeat(data);
  if (json) process.stdout.write(`${JSON.stringify({ running: seat !== undefined, data, ...seat })}\n`);
  else if (seat === undefined) process.stdout.write("No server is running here. `claude-remote` starts one when it is needed.\n");
  else {
    const since = new Date(seat.started_at).toLocaleString();
    const kind = seat.embedded === undefined ? "started by hand" : "in the background";
    process.stdout.write(`running ${kind} since ${since} (process ${seat.pid}, version ${seat.version})\n  dashboard  ${seat.origin}\n  data       ${data}\n`);
  }
  return seat === undefined ? 1 : 0;
}

function explain(error: unknown, port: number): string {
  if (error instanceof DatabaseError || error instanceof SeatTaken) return error.message;
  if (!(error instanceof Error)) throw error;
  const code = "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") return `port ${port} is taken; is another claude-remote server running? Choose another with --port.`;
  if (code === "EACCES") return `port ${port} can't be used by this user; choose one above 1023 with --port.`;
  return error.message;
}
