import type { Database } from "bun:sqlite";
import * as v from "valibot";
import {
  type Conversation,
  type FromRunner,
  type FromServer,
  parseJson,
  RunnerInfo,
  type StartRequest,
} from "../types.ts";
import type { Devices } from "./devices.ts";
import type { Lost, Questions } from "./questions.ts";
import type { Socket } from "./sockets.ts";
import type { Viewers } from "./viewers.ts";

/** How long a daemon may take to find something, and to start a session, in ms. */
const FIND_MS = 8000;
const START_MS = 15_000;
/** One that has been away for so long is no longer shown, in ms. */
const FORGET_MS = 30 * 86_400_000;

const Said = v.pick(RunnerInfo, [
  "host",
  "roots",
  "recent",
  "no_sandbox",
  "sandbox_always",
  "sandbox_image",
]);
type Said = v.InferOutput<typeof Said>;

interface Daemon {
  said: Said;
  socket: Socket | undefined;
  /** When it came, or went. */
  since: number;
}

export type Daemons = ReturnType<typeof openDaemons>;

/** The daemons that start sessions on demand (`claude-remote runner`), one to a device; what they said of themselves is kept for when they are away. */
export function openDaemons(
  db: Database,
  hub: {
    devices: Devices;
    viewers: Viewers;
    questions: Questions;
    send(socket: Socket, message: FromServer): void;
    store(what: string, write: () => void): boolean;
    /** The image of a machine's sandboxes is built by now, or can't be. */
    onImage(device: { id: string; name: string }, built: boolean): void;
  },
  now: () => number = Date.now,
) {
  const daemons = new Map<string, Daemon>();
  // whoever was here when the server went down is away until it comes back
  db.query("UPDATE daemons SET online = 0, since = ? WHERE online = 1").run(now());
  for (const { device_id, said, since } of db
    .query<{ device_id: string; said: string; since: number }, []>("SELECT * FROM daemons")
    .all()) {
    const parsed = parseJson(Said, said);
    if (parsed !== undefined) daemons.set(device_id, { said: parsed, socket: undefined, since });
  }

  const set = (id: string, daemon: Daemon) => {
    daemons.set(id, daemon);
    const online = daemon.socket !== undefined;
    hub.store("what a runner said", () => {
      const row = [id, JSON.stringify(daemon.said), online ? 1 : 0, daemon.since] as const;
      db.query(
        "INSERT OR REPLACE INTO daemons (device_id, said, online, since) VALUES (?, ?, ?, ?)",
      ).run(...row);
    });
    hub.viewers.broadcast("runner_status", { runner: id, online, since: daemon.since });
  };

  const info = (id: string): RunnerInfo | undefined => {
    const daemon = daemons.get(id);
    const name = hub.devices.find(id)?.name; // none of one that was locked out
    if (daemon === undefined || name === undefined) return undefined;
    const online = daemon.socket !== undefined;
    return online || now() - daemon.since < FORGET_MS
      ? { id, name, online, since: daemon.since, ...daemon.said }
      : undefined;
  };

  const find = (id: string, what: "folders" | "conversations" | "sandboxed", path: string) =>
    hub.questions.ask(
      daemons.get(id)?.socket,
      (request) => ({ type: "find", request, what, path }),
      FIND_MS,
    );

  return {
    info,
    /** Those that are here first, then by name. */
    list: (): RunnerInfo[] =>
      [...daemons.keys()]
        .flatMap((id) => info(id) ?? [])
        .sort(
          (a, b) =>
            Number(b.online) - Number(a.online) ||
            a.name.localeCompare(b.name) ||
            a.id.localeCompare(b.id),
        ),

    /** Whether this device has ever had one. */
    has: (device: string) => daemons.has(device),

    /** A daemon tells of itself; the newest of a device is its only one. */
    said(socket: Socket, { type: _, ...told }: Extract<FromRunner, { type: "runner" }>): void {
      const { device, host } = socket.data;
      const said: Said = { host, ...told };
      const before = daemons.get(device.id);
      const other = before?.socket;
      if (other === socket && Bun.deepEquals(before?.said, said)) return;
      const { sandbox_image: image } = said;
      if (before?.said.sandbox_image?.state === "building" && image && image.state !== "building")
        hub.onImage(device, image.state === "ready");
      if (other !== undefined && other !== socket)
        hub.send(other, {
          type: "refused",
          message:
            "Another runner of this machine's has taken over: this one is asked for nothing more.",
        });
      set(device.id, {
        said,
        socket,
        since: other === undefined ? now() : (before?.since ?? now()),
      });
    },

    gone(socket: Socket): void {
      const { id } = socket.data.device;
      const daemon = daemons.get(id);
      if (daemon?.socket === socket) set(id, { ...daemon, socket: undefined, since: now() });
    },

    /** Has a session started: its id, or why not in the daemon's words. */
    async start(
      id: string,
      request: StartRequest,
    ): Promise<{ session: string } | { refused: string } | Lost> {
      const answer = await hub.questions.ask(
        daemons.get(id)?.socket,
        (question) => ({ type: "start", request: question, ...request }),
        START_MS,
      );
      if (typeof answer === "string") return answer;
      if (answer.type !== "started") return "unknown";
      if (answer.session !== undefined) return { session: answer.session };
      return { refused: answer.refused ?? "The runner does not say why." };
    },

    async folders(id: string, path: string): Promise<string[] | Lost> {
      const answer = await find(id, "folders", path);
      return typeof answer === "string"
        ? answer
        : answer.type === "found"
          ? (answer.folders ?? [])
          : "unknown";
    },

    async conversations(
      id: string,
      cwd: string,
      sandboxed: boolean,
    ): Promise<Conversation[] | Lost> {
      const answer = await find(id, sandboxed ? "sandboxed" : "conversations", cwd);
      return typeof answer === "string"
        ? answer
        : answer.type === "found"
          ? (answer.conversations ?? [])
          : "unknown";
    },

    /** Has a session that no longer hears stopped by the daemon that started it; false where that is away. */
    stop(device: string, message: Extract<FromServer, { type: "stop" }>): boolean {
      const socket = daemons.get(device)?.socket;
      if (socket !== undefined) hub.send(socket, message);
      return socket !== undefined;
    },
  };
}
