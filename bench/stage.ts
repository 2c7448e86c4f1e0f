import { join, resolve } from "node:path";
import { toBase64url } from "../src/auth.ts";
import type { Frame } from "../src/types.ts";
import { parseJson } from "../src/types.ts";
import { startHomeServer } from "../test/support/home-server.ts";
import { type Phone, pairDevice } from "../test/support/phone.ts";
import { hello, openSocket, sessionInfo } from "../test/support/runner-socket.ts";
import { CrowdCounts, type CrowdOrder } from "./crowd.ts";
import type { Place } from "./place.ts";

const COLS = 80;
const ROWS = 24;
/** Rows that a change of the screen touches. */
const CHANGED_ROWS = 3;

/** A session whose runner is played by the bench, over a real signed connection. */
export interface Played {
  id: string;
  send(message: object): void;
  /** Changes some rows of the screen, or all of them. */
  draw(whole?: boolean): void;
  /** Puts lines above it. */
  print(lines: string[]): void;
  close(): void;
}

/** Many viewers in a process of their own. */
export interface Crowd {
  counts(): Promise<CrowdCounts>;
  close(): Promise<void>;
}

/** A server of its own, whose runners are played: nothing of earlier measurements is in its memory or its database. */
export interface Stage {
  pid: number;
  dir: string;
  phone: Phone;
  play(id: string): Promise<Played>;
  crowd(viewers: number, session: string, manner: CrowdOrder["manner"]): Promise<Crowd>;
  close(): Promise<void>;
}

export async function openStage(place: Place): Promise<Stage> {
  const server = await startHomeServer();
  place.alsoClose(server.stop);
  const { origin, phone } = server;
  const machine = await pairDevice(
    `${origin}/${new URL(await server.machine.mint("machine")).hash}`,
    "machine",
    "played runners",
  );
  return {
    pid: server.process().pid,
    dir: join(server.home.dir, "data"),
    phone,
    async play(id) {
      const socket = await openSocket(origin, machine);
      socket.send(hello);
      socket.send({
        type: "session",
        session: { ...sessionInfo(id), command: "claude", hooks: "on" },
        first: 1,
        prompts: [],
      });
      await socket.next("resume");
      let rev = 0;
      let seq = 0;
      let printed = 0;
      const beat = setInterval(() => socket.send({ type: "pong" }), 2000); // in ms: or it is taken for dead
      return {
        id,
        send: (message) => socket.send(message),
        draw: (whole) => socket.send({ type: "screen", session: id, frame: frame(++rev, whole) }),
        print(lines) {
          socket.send({
            type: "output",
            session: id,
            seq: ++seq,
            op: { op: "append", generation: 0, from: printed, lines },
          });
          printed += lines.length;
        },
        close() {
          clearInterval(beat);
          socket.close();
        },
      };
    },
    crowd: (viewers, session, manner) =>
      openCrowd({
        origin,
        device: phone.device,
        secret: toBase64url(phone.secret),
        session,
        viewers,
        manner,
      }),
    close: () => place.closeEarly(server.stop),
  };
}

/** The bare server that viewers and messages are compared with: see `bare-crowd.ts`. */
export async function openBareStage(place: Place) {
  const child = Bun.spawn([process.execPath, resolve(import.meta.dir, "bare-crowd.ts")], {
    env: place.env,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const stop = async () => {
    child.kill();
    await child.exited;
  };
  place.alsoClose(stop);
  const [port = ""] = new TextDecoder()
    .decode((await child.stdout.getReader().read()).value)
    .split("\n");
  const origin = `http://127.0.0.1:${port}`;
  return {
    pid: child.pid,
    origin,
    /** From now on every stream gets this once in so many ms; nothing more where it is empty. */
    write: async (event: string, everyMs: number) =>
      void (await fetch(`${origin}/event`, {
        method: "POST",
        body: event,
        headers: { "x-every-ms": String(everyMs) },
      })),
    crowd: (viewers: number, manner: "deaf" | "stalled") =>
      openCrowd({
        origin,
        device: "none",
        secret: toBase64url(new Uint8Array(32)),
        session: "none",
        viewers,
        manner,
      }),
    async socket(): Promise<WebSocket> {
      const socket = new WebSocket(`${origin.replace("http", "ws")}/ws`);
      await new Promise((resolve, reject) =>
        Object.assign(socket, { onopen: resolve, onerror: reject }),
      );
      return socket;
    },
    close: () => place.closeEarly(stop),
  };
}

async function openCrowd(order: CrowdOrder): Promise<Crowd> {
  const child = Bun.spawn([process.execPath, resolve(import.meta.dir, "crowd.ts")], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  const ask = async (line: string) => {
    child.stdin.write(`${line}\n`);
    child.stdin.flush();
    const text = new TextDecoder().decode((await reader.read()).value);
    const counts = parseJson(CrowdCounts, text);
    if (counts === undefined) throw new Error("the crowd of viewers has ended");
    return counts;
  };
  await ask(JSON.stringify(order));
  return {
    counts: () => ask(""),
    async close() {
      child.kill();
      await child.exited;
    },
  };
}

/** A frame as it is sent to viewers. */
export const frameEvent = (session: string, { rev, ...more }: Frame) =>
  `id: 12345678:1000\nevent: screen\ndata: ${JSON.stringify({ session, rev, ...more })}\n\n`;

/** A screen as a build leaves it, of which the newest rows differ each time; the first one is whole. */
export function frame(rev: number, whole = false): Frame {
  const row = (y: number) =>
    `${String(rev * ROWS + y).padStart(8, "0")} compiling src/module-${(rev * 7 + y) % 977}/part.ts`.padEnd(
      COLS - 1,
      ".",
    );
  const rows = Array.from({ length: ROWS }, (_, y) => y).filter(
    (y) => whole || rev === 1 || y >= ROWS - CHANGED_ROWS,
  );
  return {
    rev,
    cols: COLS,
    rows: ROWS,
    cursor: { x: 0, y: ROWS - 1, visible: true },
    title: "",
    lines: Object.fromEntries(rows.map((y) => [String(y), row(y)])),
  };
}

/** Calls `act` so many times a second on average, however late a call may come; the answer ends it. */
export function often(perSecond: number, act: () => void): () => void {
  const from = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    for (const due = ((performance.now() - from) / 1000) * perSecond; done < due; done++) act();
  }, 1000 / perSecond);
  return () => clearInterval(timer);
}
