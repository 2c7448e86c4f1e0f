import { networkInterfaces } from "node:os";

/** How the server is told to listen and under which names it is known. */
export interface ListenOptions {
  host: string;
  port: number;
  /** Where phones find it, such as https://home.example. */
  publicUrl?: string | undefined;
  tls: boolean;
  /** The names that the certificate is for. */
  names?: readonly string[] | undefined;
  /** In a container: the loopback address at which its host publishes the port, such as 127.0.0.1:7200. */
  published?: string | undefined;
  /** Serve plain HTTP beyond loopback. */
  insecureLan: boolean;
}

/** The options contradict each other or safety; the message says what to do. */
export class OptionError extends Error {}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Parses `--public-url`: an origin and nothing more. Throws an `OptionError`. */
export function parsePublicUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.pathname !== "/" ||
    url.search !== "" ||
    url.hash !== "" ||
    url.username !== ""
  ) {
    throw new OptionError(`--public-url ${text}: give an origin such as https://home.example`);
  }
  return url;
}

/** Parses `--published`; the port on the container's host. Throws an `OptionError`. */
function parsePublished(text: string): number {
  const [, port = ""] = /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\]):(\d{1,5})$/.exec(text) ?? [];
  if (port !== "" && Number(port) <= 65_535) return Number(port);
  throw new OptionError(
    `--published ${text}: give the loopback address at which the container's port is published, such as 127.0.0.1:7200. Beyond this machine it takes an https --public-url`,
  );
}

/** Refuses to serve readable traffic on a network unless somebody said so. Throws an `OptionError`. */
export function checkExposure(options: ListenOptions): void {
  const publicUrl = options.publicUrl === undefined ? undefined : parsePublicUrl(options.publicUrl);
  const encrypted = options.tls || publicUrl?.protocol === "https:";
  if (options.published !== undefined) parsePublished(options.published);
  const near = isLoopback(options.host) || options.published !== undefined; // what is published on loopback has no name but loopback's
  if (
    encrypted ||
    options.insecureLan ||
    (near && (publicUrl === undefined || isLoopback(publicUrl.hostname)))
  )
    return;
  throw new OptionError(
    `${publicUrl === undefined ? `--host ${options.host}` : `--public-url ${publicUrl.origin}`} would serve plain HTTP beyond this machine, where anybody on the network can replace the page. ` +
      "Use --tls-cert and --tls-key, an https --public-url behind a proxy, or, knowing that, --insecure-lan.",
  );
}

const originOf = (options: ListenOptions, host: string, port: number) =>
  new URL(`${options.tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`)
    .origin;
const everywhere = (host: string) => host === "0.0.0.0" || host === "::";

/** Where this machine itself reaches the server, whatever phones call it. */
export function nearOrigin(options: ListenOptions, port: number): string {
  return originOf(options, everywhere(options.host) ? "127.0.0.1" : options.host, port);
}

/** Every origin that this server answers to, the one for links first. `port` is the one it really listens on. */
export function ownOrigins(options: ListenOptions, port: number): string[] {
  const origin = (host: string) => originOf(options, host, port);
  const origins: string[] = [];
  if (options.publicUrl !== undefined) origins.push(parsePublicUrl(options.publicUrl).origin);
  for (const name of options.names ?? []) origins.push(origin(name));
  const loopback = ["127.0.0.1", "localhost", "::1"];
  if (options.published !== undefined) {
    const published = parsePublished(options.published);
    for (const host of loopback) origins.push(originOf(options, host, published));
  } else if (everywhere(options.host)) {
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    for (const { address, internal, family } of addresses)
      if (!internal && family === "IPv4") origins.push(origin(address));
  } else origins.push(origin(options.host));
  for (const host of loopback) origins.push(origin(host));
  return [...new Set(origins)];
}
