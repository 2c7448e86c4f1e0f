import { parseArgs } from "node:util";
import { DatabaseError } from "../db.ts";
import { OptionError } from "../hub/origins.ts";
import { type RunningServer, startServer } from "../server.ts";
import { printLink } from "./pair.ts";
import { dataDir } from "./places.ts";
import { UsageError } from "./usage.ts";

const text = { type: "string" } as const;
const env = (name: string) => {
  const value = process.env[`CLAUDE_REMOTE_${name}`];
  return value === "" ? undefined : value;
};

/** `claude-remote server`: runs until SIGTERM or SIGINT. Exit code 1 where it can't start, 2 where it was told something impossible. */
export async function serve(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { port: text, host: text, data: text, "public-url": text, "tls-cert": text, "tls-key": text, "insecure-lan": { type: "boolean" } },
  });
  if (positionals.length > 0) throw new UsageError(`server: what is ${positionals[0]}?`);
  const port = Number(values.port ?? env("PORT") ?? 7200);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError("--port: give a number from 0 to 65535");
  const cert = values["tls-cert"] ?? env("TLS_CERT");
  const key = values["tls-key"] ?? env("TLS_KEY");
  if ((cert === undefined) !== (key === undefined)) throw new UsageError("--tls-cert and --tls-key go together");
  const insecureLan = values["insecure-lan"] ?? /^(1|true|yes)$/.test(env("INSECURE_LAN") ?? "");

  let server: RunningServer;
  try {
    server = await startServer({
      port,
      host: values.host ?? env("HOST") ?? "127.0.0.1",
      data: values.data ?? dataDir(),
      publicUrl: values["public-url"] ?? env("PUBLIC_URL"),
      tls: cert === undefined || key === undefined ? undefined : { cert, key },
      insecureLan,
    });
  } catch (error) {
    if (error instanceof OptionError) throw new UsageError(error.message);
    process.stderr.write(`claude-remote server: ${explain(error, port)}\n`);
    return 1;
  }
  process.stderr.write(`claude-remote server listens on ${server.listensOn}\n`);
  if (server.origin !== server.listensOn) process.stderr.write(`The dashboard is at ${server.origin}\n`);
  if (insecureLan) process.stderr.write("Plain HTTP: anybody on this network can replace the page that phones load. Prefer HTTPS.\n");
  if (!server.hasDevices()) {
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

function explain(error: unknown, port: number): string {
  if (error instanceof DatabaseError) return error.message;
  if (!(error instanceof Error)) throw error;
  const code = "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") return `port ${port} is taken; is another claude-remote server running? Choose another with --port.`;
  if (code === "EACCES") return `port ${port} can't be used by this user; choose one above 1023 with --port.`;
  return error.message;
}
