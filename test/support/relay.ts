import type { Socket } from "bun";

/** A TCP relay that can be cut or made to hold back what travels one way. */
export interface Relay {
  port: number;
  /** Where it leads; to be set before anybody connects. */
  target: number;
  /** Drops every connection. */
  cut(): void;
  /** Refuses or admits new connections. */
  open: boolean;
  /** Holds back what goes towards the runner or the server. */
  hold: { toRunner: boolean; toServer: boolean };
  stop(): void;
}

interface Side {
  peer: Socket<Side> | undefined;
  waiting: Uint8Array[];
}

export function startRelay(): Relay {
  const sockets = new Set<Socket<Side>>();
  const pass = (to: Socket<Side>, data: Uint8Array) => {
    to.data.waiting.push(data);
    flush(to);
  };
  const flush = (socket: Socket<Side>) => {
    for (let chunk = socket.data.waiting[0]; chunk !== undefined; chunk = socket.data.waiting[0]) {
      const written = socket.write(chunk);
      if (written < chunk.length) {
        socket.data.waiting[0] = chunk.subarray(Math.max(written, 0));
        return;
      }
      socket.data.waiting.shift();
    }
  };
  const handlers = (held: () => boolean) => ({
    data(socket: Socket<Side>, data: Buffer) {
      if (!held() && socket.data.peer !== undefined) pass(socket.data.peer, new Uint8Array(data));
      else if (!held()) socket.data.waiting.push(new Uint8Array(data));
    },
    drain: flush,
    close(socket: Socket<Side>) {
      sockets.delete(socket);
      socket.data.peer?.end();
    },
    error: () => undefined,
  });
  const proxy: Relay = {
    port: 0,
    target: 0,
    open: true,
    hold: { toRunner: false, toServer: false },
    cut() {
      for (const socket of sockets) socket.terminate();
      sockets.clear();
      proxy.hold = { toRunner: false, toServer: false };
    },
    stop() {
      proxy.cut();
      listener.stop(true);
    },
  };
  const listener = Bun.listen<Side>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...handlers(() => proxy.hold.toServer),
      open(socket) {
        const early: Uint8Array[] = [];
        socket.data = { peer: undefined, waiting: early };
        if (!proxy.open) return void socket.terminate();
        sockets.add(socket);
        Bun.connect<Side>({
          hostname: "127.0.0.1",
          port: proxy.target,
          data: { peer: socket, waiting: [] },
          socket: {
            ...handlers(() => proxy.hold.toRunner),
            open(upstream) {
              sockets.add(upstream);
              socket.data = { peer: upstream, waiting: [] };
              for (const chunk of early) pass(upstream, chunk);
            },
          },
        }).catch(() => socket.terminate());
      },
    },
  });
  proxy.port = listener.port;
  return proxy;
}
