import { lookup } from "node:dns/promises";
import { connect, createServer, isIP, type Server, type Socket } from "node:net";
import { findPlace, isPublic, type Place, placeName } from "./allow-list.ts";
import { serverAsked } from "./client-hello.ts";

/** What a sandbox may have open at once, and how much it may send before it has said where to, in bytes. */
const CONNECTIONS = 128;
const HEADER_BYTES = 16 * 1024;
/** How long that, and reaching the place, may take, and how long a connection may be silent, in ms. */
const HEADER_MS = 10_000;
const REACH_MS = 15_000;
const IDLE_MS = 10 * 60_000;
/** Where TLS is spoken, so that the name that is asked for can be checked. */
const HTTPS = 443;
/** A server's name, as TLS tells it. */
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
/** Headers that are meant for a proxy alone, or that we set. */
const OURS = /^(?:host|connection|keep-alive|proxy-[a-z-]*|upgrade|te)\s*:/i;

/** What goes wrong with a request, as it is told inside. */
class Refusal extends Error {
  constructor(
    readonly status: "400 Bad Request" | "403 Forbidden" | "502 Bad Gateway",
    message: string,
    /** What `--sandbox-host` would have to name for it. */
    readonly place?: string,
  ) {
    super(message);
  }
}

interface Wish {
  host: string;
  port: number;
  /** What is to be sent on first, of a plain request; of CONNECT nothing. */
  head: Buffer | undefined;
  /** What came after the header. */
  rest: Buffer;
}

/**
 * The one way out of a sandbox: an HTTP proxy on a unix socket, which reaches the listed places alone. Names are resolved out here. On `https`
 * TLS alone is spoken. `onRefused` hears of places that the list lacks, as it would name them.
 */
export function listenForEgress(
  path: string,
  list: readonly Place[],
  { https = HTTPS, onRefused }: { https?: number; onRefused?(place: string): void } = {},
): Promise<Server> {
  const fail = (client: Socket, error: unknown) => {
    if (error instanceof Refusal && error.place !== undefined) onRefused?.(error.place);
    refuse(client, error);
  };
  return listen(
    path,
    CONNECTIONS,
    (client) => void serve(client, list, https).catch((error: unknown) => fail(client, error)),
  );
}

/** Passes connections on a unix socket on to a port of this machine's loopback, however long they are silent: a hook waits for a person. */
export function passOn(path: string, connections: number, port: () => number): Promise<Server> {
  return listen(path, connections, (client) =>
    join(client, connect({ host: "127.0.0.1", port: port(), allowHalfOpen: true })),
  );
}

/** Listens on a unix socket in a folder that nobody else gets to. What can't be opened rejects. */
export function listen(
  path: string,
  connections: number,
  onClient: (client: Socket) => void,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      client.on("error", () => client.destroy()); // the other side is gone
      onClient(client);
    });
    server.maxConnections = connections;
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}

async function serve(client: Socket, list: readonly Place[], https: number): Promise<void> {
  const { found: end, bytes } = await read(client, Buffer.alloc(0), (bytes) => {
    const at = bytes.indexOf("\r\n\r\n");
    return at < 0 ? undefined : at;
  });
  const { host, port, head, rest } = wishOf(
    bytes.toString("latin1", 0, end),
    bytes.subarray(end + 4),
  );
  const place = findPlace(list, host, port);
  if (place === undefined)
    throw new Refusal(
      "403 Forbidden",
      `${host}:${port} is not on this sandbox's list. Outside, \`--sandbox-host ${host}${port === HTTPS ? "" : `:${port}`}\` puts it there.`,
      placeName(host, port),
    );
  if (head !== undefined && port === https)
    throw new Refusal("400 Bad Request", `On port ${https} TLS alone is spoken: it takes CONNECT.`);
  const upstream = await reach(place);
  try {
    let first = head ?? rest;
    if (head === undefined) {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (port === https) first = await sameServer(client, rest, place);
    }
    upstream.write(first);
    if (head !== undefined) upstream.write(rest);
    for (const socket of [client, upstream]) socket.setTimeout(IDLE_MS, () => socket.destroy());
    join(client, upstream);
  } catch (error) {
    upstream.destroy();
    throw error;
  }
}

/** Resolves with the first bytes of a TLS connection once they ask for this very server; anything else ends it. */
async function sameServer(client: Socket, rest: Buffer, { host, port }: Place): Promise<Buffer> {
  const { found: name, bytes } = await read(client, rest, serverAsked);
  if (name.toLowerCase() === host || (name === "" && isIP(host) !== 0)) return bytes;
  client.destroy(); // no words of ours inside TLS
  const asked = NAME.test(name) ? placeName(name, port) : undefined;
  throw new Refusal("403 Forbidden", "another server was asked for", asked);
}

/** What a request asks for: `CONNECT host:port`, or a plain one with the whole address in it. */
function wishOf(header: string, rest: Buffer): Wish {
  const [line = "", ...headers] = header.split("\r\n");
  const [, method = "", target = ""] =
    /^([A-Z]{1,16}) ([\x21-\x7e]+) HTTP\/1\.[01]$/.exec(line) ?? [];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  if (method === "" || headers.some((text) => !/^[\w!#$%&'*+.^`|~-]+:[^\x00\n\r]*$/.test(text)))
    throw new Refusal(
      "400 Bad Request",
      "This is a proxy for HTTP: it takes CONNECT, or a whole address.",
    );
  const place = /^([A-Za-z0-9.-]{1,253}):(\d{1,5})$/;
  if (method === "CONNECT") {
    const [, host = "", port = ""] = place.exec(target) ?? [];
    if (host === "") throw new Refusal("400 Bad Request", "CONNECT takes HOST:PORT, with a name.");
    return { host, port: Number(port), head: undefined, rest };
  }
  const [, authority = "", path = ""] = /^http:\/\/([^/?#]*)([/?].*)?$/i.exec(target) ?? [];
  const [, host = "", port = ""] =
    place.exec(authority.includes(":") ? authority : `${authority}:80`) ?? [];
  if (host === "")
    throw new Refusal(
      "400 Bad Request",
      "This is a proxy for HTTP: it takes CONNECT, or http:// with a name and nothing before it.",
    );
  const kept = headers.filter((text) => !OURS.test(text));
  const lines = [
    `${method} ${path.startsWith("/") ? path : `/${path}`} HTTP/1.1`,
    `Host: ${authority}`,
    ...kept,
    "Connection: close",
    "",
    "",
  ];
  return { host, port: Number(port), head: Buffer.from(lines.join("\r\n"), "latin1"), rest };
}

/** Connects to a listed place: by the addresses that it has now, each looked at first. */
async function reach({ host, port, near }: Place): Promise<Socket> {
  const found = await lookup(host, { all: true, verbatim: false }).catch(() => []);
  const addresses = found
    .map(({ address }) => address)
    .filter((address) => near || isPublic(address));
  if (found.length > 0 && addresses.length === 0) throw nearby(host, port);
  for (const address of addresses) {
    const socket = await open(address, port);
    if (socket === undefined) continue;
    // an address that is routed to this machine without being any interface's
    if (near || socket.localAddress !== socket.remoteAddress) return socket;
    socket.destroy();
    throw nearby(host, port);
  }
  throw new Refusal("502 Bad Gateway", `${host}:${port} can't be reached from out here.`);
}

const nearby = (host: string, port: number) =>
  new Refusal(
    "403 Forbidden",
    `${host} leads to this machine or its network, which is reached only where it is listed with its port: --sandbox-host ${host}:${port}`,
    `${host}:${port}`,
  );

function open(host: string, port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, allowHalfOpen: true });
    const give = (result: Socket | undefined) => {
      clearTimeout(timer);
      if (result === undefined) socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => give(undefined), REACH_MS);
    socket.once("connect", () => give(socket));
    socket.on("error", () => give(undefined));
  });
}

/** Reads until something is found in what came, within the bounds. */
function read<T>(
  client: Socket,
  before: Buffer,
  find: (bytes: Buffer) => T | undefined,
): Promise<{ found: T; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    let bytes = before;
    const look = () => {
      const found = find(bytes);
      if (found !== undefined) done(() => resolve({ found, bytes }));
      else if (bytes.length > HEADER_BYTES)
        done(() => reject(new Refusal("400 Bad Request", "The header is too long.")));
    };
    const done = (act: () => void) => {
      clearTimeout(timer);
      client.pause();
      client.off("data", onData).off("end", gone).off("close", gone);
      act();
    };
    const gone = () =>
      done(() => reject(new Refusal("400 Bad Request", "The header was not finished.")));
    const onData = (data: Buffer) => {
      bytes = Buffer.concat([bytes, data]);
      look();
    };
    const timer = setTimeout(gone, HEADER_MS);
    client.on("data", onData).on("end", gone).on("close", gone).resume();
    look();
  });
}

/** Lets two connections speak to each other until either is gone. */
function join(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    if (to.destroyed) return void from.destroy();
    from.on("error", () => from.destroy());
    from.on("close", () => to.destroy());
    from.pipe(to);
  }
}

function refuse(client: Socket, error: unknown): void {
  if (!(error instanceof Refusal)) {
    client.destroy();
    return;
  }
  const body = `claude-remote: ${error.message}\n`;
  client.end(
    `HTTP/1.1 ${error.status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  client.setTimeout(HEADER_MS, () => client.destroy());
}
