import type { Socket } from "bun";

/** Who speaks to the server, and which way bytes travel: up to it, or down from it. */
export type Who = "runner" | "viewer";
export type Way = "up" | "down";

/** The network between the server and everybody else, with what can go wrong in one. */
export interface Wire {
  port: number;
  /** Where it leads. */
  target: number;
  /** Drops every connection of somebody. */
  cut(who: Who): void;
  /** Lets so many of somebody's bytes through and none of what follows; so many ms later the connection is dropped, and meanwhile answers still come. */
  cutAfter(who: Who, way: Way, bytes: number, lingerMs: number): void;
  /** The same on the way up, but what follows arrives when all is well again: somewhere between it was kept, while whoever sent it has long come back on another connection. */
  lateAfter(who: Who, bytes: number, lingerMs: number): void;
  /** Delays what travels, until it is released. */
  hold(who: Who, way: Way): void;
  release(): void;
  /** The connections that stand seem to, and carry nothing any more; new ones are whole. */
  swallow(who: Who, way: Way): void;
  /** How many of somebody's connections seem to stand and carry nothing. */
  dead(who: Who): number;
  /** Nobody gets through, or everybody again. */
  refuse(who: Who, on: boolean): void;
  /** Sends the newest bytes of somebody's once more: on the same connection, or whole on one of its own. */
  repeat(who: Who, way: Way): void;
  replay(): void;
  /** From now on it carries everything; what was lost stays so. */
  heal(): void;
  stop(): void;
}

interface Side {
  pair: Pair;
  way: Way; // of what is written to it
  queue: Uint8Array[];
  ended: boolean;
}
interface Pair {
  who: Who | undefined;
  client: Socket<Side>;
  server: Socket<Side> | undefined;
  early: Uint8Array[];
  swallowed: Record<Way, boolean>;
  held: Record<Way, Uint8Array[]>;
  last: Partial<Record<Way, Uint8Array>>;
  /** Bytes on their way up that are kept until all is well. */
  late: Uint8Array[] | undefined;
  /** One side is closed, and the other has not heard of it. */
  closed: boolean;
}

const key = (who: Who, way: Way) => `${who} ${way}` as const;

export function startWire(): Wire {
  const pairs = new Set<Pair>();
  const holding = new Set<string>();
  const refused = new Set<Who>();
  const cuts = new Map<string, { left: number; lingerMs: number; late: boolean }>();
  let lastRequest: Uint8Array | undefined;

  const drop = (pair: Pair) => {
    if (!pairs.delete(pair)) return;
    pair.client.terminate();
    pair.server?.terminate();
  };
  const flush = (socket: Socket<Side>) => {
    const { queue } = socket.data;
    for (let chunk = queue[0]; chunk !== undefined; chunk = queue[0]) {
      const written = Math.max(0, socket.write(chunk));
      if (written < chunk.length) {
        queue[0] = chunk.subarray(written);
        return;
      }
      queue.shift();
    }
    if (socket.data.ended) socket.end();
  };
  const write = (pair: Pair, way: Way, bytes: Uint8Array) => {
    const to = way === "up" ? pair.server : pair.client;
    if (to === undefined) return void pair.early.push(bytes);
    to.data.queue.push(bytes);
    flush(to);
  };
  /** A cut at exactly this byte, if one is due. */
  const pass = (pair: Pair, way: Way, bytes: Uint8Array) => {
    const name = key(pair.who ?? "viewer", way);
    const cut = cuts.get(name);
    if (cut === undefined || cut.left > bytes.length) {
      if (cut !== undefined) cut.left -= bytes.length;
      return write(pair, way, bytes);
    }
    cuts.delete(name);
    write(pair, way, bytes.subarray(0, cut.left));
    if (cut.late) {
      pair.late = [bytes.subarray(cut.left)];
      setTimeout(() => pair.client.terminate(), cut.lingerMs);
      return;
    }
    pair.swallowed[way] = true;
    if (cut.lingerMs === 0) drop(pair);
    else setTimeout(() => drop(pair), cut.lingerMs);
  };
  const carry = (pair: Pair, way: Way, data: Buffer) => {
    const bytes = new Uint8Array(data);
    if (pair.who === undefined) {
      // what asks without an upgrade leaves its connection to whoever asks next
      pair.who = /^GET \/ws .*upgrade: websocket/is.test(data.toString("latin1"))
        ? "runner"
        : "viewer";
      if (refused.has(pair.who)) return drop(pair);
    }
    if (way === "up" && data.toString("latin1", 0, 5) === "POST ") lastRequest = bytes;
    pair.last[way] = bytes;
    if (pair.swallowed[way]) return;
    if (way === "up" && pair.late !== undefined) return void pair.late.push(bytes);
    if (holding.has(key(pair.who, way)) || pair.held[way].length > 0) pair.held[way].push(bytes);
    else pass(pair, way, bytes);
  };
  const each = (who: Who, act: (pair: Pair) => void) => {
    for (const pair of [...pairs]) if (pair.who === who) act(pair);
  };
  const release = () => {
    holding.clear();
    for (const pair of [...pairs]) {
      for (const way of ["up", "down"] as const)
        for (const bytes of pair.held[way].splice(0)) if (pairs.has(pair)) pass(pair, way, bytes);
    }
  };
  const arriveLate = () => {
    each("runner", arrive);
    each("viewer", arrive);
  };
  const arrive = (pair: Pair) => {
    for (const bytes of pair.late?.splice(0) ?? []) write(pair, "up", bytes);
    pair.late = undefined;
    if (!pair.closed || pair.server === undefined) return;
    pairs.delete(pair);
    pair.server.data.ended = true;
    flush(pair.server);
  };
  const handlers = (way: Way) => ({
    data: (socket: Socket<Side>, data: Buffer) => carry(socket.data.pair, way, data),
    drain: flush,
    close(socket: Socket<Side>) {
      const { pair } = socket.data;
      if (!pairs.has(pair)) return;
      // whoever is on the other side of a connection that carries nothing does not hear of it
      if ((pair.swallowed[way] || (way === "up" && pair.late !== undefined)) && !pair.closed) {
        pair.closed = true;
        return;
      }
      const other = way === "up" ? pair.server : pair.client;
      pairs.delete(pair);
      if (other === undefined) return;
      for (const bytes of pair.held[way].splice(0)) other.data.queue.push(bytes);
      other.data.ended = true;
      flush(other);
    },
    error: () => undefined,
  });
  const connect = (
    to: number,
    socket: Parameters<typeof Bun.connect<Side>>[0]["socket"],
    data: Side,
  ) => Bun.connect<Side>({ hostname: "127.0.0.1", port: to, data, socket });

  const wire: Wire = {
    port: 0,
    target: 0,
    cut: (who) => each(who, drop),
    cutAfter: (who, way, bytes, lingerMs) =>
      void cuts.set(key(who, way), { left: bytes, lingerMs, late: false }),
    lateAfter: (who, bytes, lingerMs) =>
      void cuts.set(key(who, "up"), { left: bytes, lingerMs, late: true }),
    hold: (who, way) => void holding.add(key(who, way)),
    release,
    swallow(who, way) {
      each(who, (pair) => {
        pair.swallowed[way] = true;
      });
    },
    dead: (who) =>
      [...pairs].filter((pair) => pair.who === who && (pair.swallowed.up || pair.swallowed.down))
        .length,
    refuse: (who, on) => void (on ? refused.add(who) : refused.delete(who)),
    repeat(who, way) {
      each(who, (pair) => {
        const bytes = pair.last[way];
        if (bytes !== undefined) pass(pair, way, bytes);
      });
    },
    replay() {
      const bytes = lastRequest;
      if (bytes === undefined) return;
      const socket = {
        open: (own: Socket) => void own.write(bytes),
        data: (own: Socket) => void own.end(),
        error: () => undefined,
      };
      Bun.connect({ hostname: "127.0.0.1", port: wire.target, socket }).catch(() => undefined); // nobody there
    },
    heal() {
      cuts.clear();
      refused.clear();
      release();
      arriveLate();
    },
    stop() {
      for (const pair of [...pairs]) drop(pair);
      listener.stop(true);
    },
  };
  const emptyPair = (client: Socket<Side>): Pair => ({
    who: undefined,
    client,
    server: undefined,
    early: [],
    swallowed: { up: false, down: false },
    held: { up: [], down: [] },
    last: {},
    late: undefined,
    closed: false,
  });
  const listener = Bun.listen<Side>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...handlers("up"),
      open(client) {
        const pair = emptyPair(client);
        client.data = { pair, way: "down", queue: [], ended: false };
        pairs.add(pair);
        const opened = {
          ...handlers("down"),
          open(server: Socket<Side>) {
            if (!pairs.has(pair)) return void server.terminate();
            pair.server = server;
            for (const bytes of pair.early.splice(0)) write(pair, "up", bytes);
          },
        };
        connect(wire.target, opened, { pair, way: "up", queue: [], ended: false }).catch(() =>
          drop(pair),
        );
      },
    },
  });
  wire.port = listener.port;
  return wire;
}
