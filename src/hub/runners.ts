import type { ServerWebSocket } from "bun";
import { connectionKeys, helloMac, openFrame, randomNonce, sealFrame, toBase64url } from "../auth.ts";
import { FromRunner, type FromServer, type Greeting, PROTOCOL, type Prompt, parseJson } from "../types.ts";
import type { Alerts } from "./alerts.ts";
import type { Device, Devices } from "./devices.ts";
import type { Prompts } from "./prompts.ts";
import type { Search } from "./search.ts";
import type { Sessions } from "./sessions.ts";
import type { Transcripts } from "./transcripts.ts";
import type { Viewers } from "./viewers.ts";

/** A runner is asked for a sign of life this often, and taken for gone after this long without any, in ms. */
const PING_MS = 2000;
const SILENCE_MS = 6000;
/** How long a runner may take to say what became of a decision or an input, in ms. */
const ANSWER_MS = 8000;
/** After a write failed (a full disk) the runner is asked to send again, in ms. */
const RETRY_MS = 5000;

/** Why the socket was closed by us: RFC 6455, section 7.4.2 leaves 4000–4999 to applications. */
const CLOSE = { badFrame: 4400, protocol: 4426, revoked: 4401, replaced: 4409, silent: 4408, goingAway: 1001 } as const;

/** What is kept with each socket. */
export interface Connection {
  device: Device;
  clientNonce: string;
  conn: string;
  keys: { c2s: Uint8Array; s2c: Uint8Array };
  received: number;
  sent: number;
  heardAt: number;
  greeted: boolean;
  sessions: Set<string>;
}
type Socket = ServerWebSocket<Connection>;

type Decided = Extract<FromRunner, { type: "decided" }>;
type Typed = Extract<FromRunner, { type: "typed" }>;
/** Nobody is there to be asked, or the answer never came. */
export type Lost = "away" | "unknown";
export type DecisionResult = Decided["result"] | Lost;

export type Runners = ReturnType<typeof openRunners>;

/** The sockets of runners: what they report goes to the database and the viewers, decisions go back. */
export function openRunners(hub: {
  devices: Devices;
  sessions: Sessions;
  prompts: Prompts;
  transcripts: Transcripts;
  search: Search;
  viewers: Viewers;
  alerts: Alerts;
  log(line: string): void;
}) {
  const { sessions, prompts, transcripts, search, viewers } = hub;
  const sockets = new Set<Socket>();
  const bySession = new Map<string, Socket>();
  /** Sessions of which something could not be stored: their exit waits until it has come again. */
  const lacking = new Set<string>();
  /** What runners were asked and have not answered yet, by the question's id. */
  const asked = new Map<string, { socket: Socket; settle: (answer: Decided | Typed | "unknown") => void }>();

  const send = (socket: Socket, message: FromServer) => {
    socket.sendBinary(sealFrame(socket.data.keys.s2c, socket.data.sent++, JSON.stringify(message)));
  };

  /** Runs what writes to the database; a failure (a full disk) is told and survived. */
  const store = (what: string, write: () => void): boolean => {
    try {
      write();
      return true;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      hub.log(`could not store ${what}: ${error.message}`);
      return false;
    }
  };

  const announce = (name: "session_start" | "session_status" | "session_end", id: string) => {
    const session = sessions.get(id);
    if (session === undefined) return;
    viewers.broadcast(name, session);
    hub.alerts.session(session);
  };

  const tell = (prompt: Prompt, isNew: boolean) => {
    viewers.broadcast(isNew ? "prompt" : "prompt_response", prompt);
    hub.alerts.prompt(prompt);
    if (prompt.answer?.by === "desk") hub.devices.audit(null, "answered at the desk", prompt.id);
  };

  const leave = (socket: Socket, id: string) => {
    if (bySession.get(id) !== socket) return;
    bySession.delete(id);
    store("that a runner is gone", () => sessions.offline(id));
    announce("session_status", id);
  };

  const handle = (socket: Socket, message: FromRunner): void => {
    const { data } = socket;
    if (message.type === "hello") {
      data.greeted = message.protocol === PROTOCOL;
      if (data.greeted) return;
      const which = message.protocol < PROTOCOL ? "This claude-remote" : "The server's claude-remote";
      send(socket, { type: "refused", message: `${which} is too old (protocol ${Math.min(message.protocol, PROTOCOL)}): update it.` });
      socket.close(CLOSE.protocol, "protocol");
      return;
    }
    if (!data.greeted) return socket.close(CLOSE.badFrame, "hello first");
    if (message.type === "pong") return;
    if (message.type === "session") return begin(socket, message);
    if (message.type === "decided" || message.type === "typed") {
      const waiting = asked.get(message.type === "decided" ? message.decision : message.input);
      if (waiting?.socket === socket) waiting.settle(message);
      return;
    }
    const id = message.type === "prompt" ? message.prompt.session : message.session;
    if (bySession.get(id) !== socket) return; // of another runner, or ended
    switch (message.type) {
      case "screen":
        store("a screen", () => sessions.frame(id, message.frame));
        viewers.screenChanged(id);
        return;
      case "output":
        return output(socket, id, message);
      case "transcript": {
        const ok = store("a conversation", () => {
          const added = transcripts.add(message);
          if (added !== undefined) viewers.transcriptChanged(id, added);
        });
        if (ok) search.touch(id);
        else askAgain(socket, id);
        return;
      }
      case "prompt":
        store("a prompt", () => {
          const known = prompts.get(message.prompt.id);
          const changed = prompts.report(message.prompt);
          if (changed === undefined || changed.session !== id) return;
          tell(changed, known === undefined);
        });
        search.touch(id);
        announce("session_status", id);
        return;
      case "status":
        store("a status", () => sessions.status(id, message));
        announce("session_status", id);
        return;
      case "auth_url":
        sessions.login(id, message.url);
        viewers.broadcast("auth_url", { session: id, url: message.url });
        return;
      case "notice":
        return hub.alerts.notice(id, message.kind, message.text);
      case "exit": {
        if (lacking.has(id)) return;
        const stored = store("an exit", () => {
          for (const prompt of prompts.expire(id)) tell(prompt, false);
          sessions.end(id, message.exit, message.ended_at);
        });
        if (!stored) return;
        bySession.delete(id);
        data.sessions.delete(id);
        search.touch(id);
        announce("session_end", id);
        send(socket, { type: "ended", session: id });
        return;
      }
      default:
        message satisfies never;
    }
  };

  const begin = (socket: Socket, message: Extract<FromRunner, { type: "session" }>) => {
    const { session } = message;
    store("a session", () => {
      const begun = sessions.begin(socket.data.device.id, session, message.first);
      if (begun === undefined) return send(socket, { type: "refused", message: `Session ${session.id} is over, or another machine's.` });
      bySession.get(session.id)?.data.sessions.delete(session.id);
      bySession.set(session.id, socket);
      socket.data.sessions.add(session.id);
      const mine = message.prompts.filter((prompt) => prompt.session === session.id);
      const changed = prompts.reconcile(session.id, mine);
      lacking.delete(session.id);
      send(socket, { type: "resume", session: session.id, seq: begun.outputSeq, transcript: transcripts.place(session.id) });
      announce(begun.isNew ? "session_start" : "session_status", session.id);
      for (const prompt of changed) tell(prompt, prompt.state === "pending");
    });
  };

  /** What could not be stored the runner keeps, and sends again when asked. */
  const askAgain = (socket: Socket, id: string) => {
    if (lacking.has(id)) return;
    lacking.add(id);
    setTimeout(() => {
      lacking.delete(id);
      if (bySession.get(id) !== socket) return;
      store("where a session is", () => send(socket, { type: "resume", session: id, seq: sessions.outputSeq(id), transcript: transcripts.place(id) }));
    }, RETRY_MS);
  };

  const output = (socket: Socket, id: string, { seq, op }: Extract<FromRunner, { type: "output" }>) => {
    let stored = 0;
    const ok = store("history", () => {
      stored = sessions.output(id, seq, op);
    });
    if (!ok) return askAgain(socket, id);
    search.touch(id);
    send(socket, { type: "ack", session: id, seq: stored });
    if (stored !== seq) return;
    if (op.op === "append") viewers.historyChanged(id, { generation: op.generation, from: op.from, next: op.from + op.lines.length, lines: op.lines });
    else if (op.op === "truncate") viewers.historyChanged(id, { generation: op.generation, from: op.to, next: op.to, lines: [] });
    else viewers.historyChanged(id, { generation: op.generation, from: 0, next: 0, lines: [] });
  };

  const beat = setInterval(() => {
    for (const socket of sockets) {
      if (performance.now() - socket.data.heardAt > SILENCE_MS) {
        socket.terminate(); // half open: a close handshake would wait for an answer
        gone(socket);
      } else send(socket, { type: "ping" });
    }
  }, PING_MS);

  const gone = (socket: Socket) => {
    if (!sockets.delete(socket)) return;
    for (const id of socket.data.sessions) leave(socket, id);
    socket.data.sessions.clear();
    for (const waiting of [...asked.values()]) if (waiting.socket === socket) waiting.settle("unknown");
    const stillThere = [...sockets].some((other) => other.data.device.id === socket.data.device.id);
    if (!stillThere) viewers.broadcast("runner_status", { runner: socket.data.device.id, online: false, since: Date.now() });
  };

  /** Asks the runner of a session; nothing is kept for one that is away. */
  const ask = (session: string, question: (id: string) => FromServer): Promise<Decided | Typed | Lost> => {
    const socket = bySession.get(session);
    if (socket === undefined) return Promise.resolve("away");
    const id = `q_${randomNonce()}`;
    return new Promise((resolve) => {
      const settle = (answer: Decided | Typed | "unknown") => {
        clearTimeout(timer);
        asked.delete(id);
        resolve(answer);
      };
      const timer = setTimeout(() => settle("unknown"), ANSWER_MS);
      asked.set(id, { socket, settle });
      send(socket, question(id));
    });
  };

  return {
    /** What a socket carries from the upgrade on. */
    connection(device: Device, clientNonce: string): Connection {
      return {
        device,
        clientNonce,
        conn: `c_${randomNonce()}`,
        keys: { c2s: new Uint8Array(), s2c: new Uint8Array() },
        received: 0,
        sent: 0,
        heardAt: performance.now(),
        greeted: false,
        sessions: new Set(),
      };
    },

    opened(socket: Socket): void {
      const { data } = socket;
      const nonce = randomNonce();
      data.keys = connectionKeys(data.device.secret, data.clientNonce, nonce, data.conn);
      const proof = helloMac(data.device.keys, data.device.id, data.clientNonce, nonce, data.conn);
      const greeting: Greeting = { type: "hello", protocol: PROTOCOL, conn: data.conn, nonce, mac: toBase64url(proof) };
      socket.sendText(JSON.stringify(greeting));
      sockets.add(socket);
      viewers.broadcast("runner_status", { runner: data.device.id, online: true, since: Date.now() });
    },

    received(socket: Socket, frame: string | Uint8Array): void {
      const { data } = socket;
      const payload = typeof frame === "string" ? undefined : openFrame(data.keys.c2s, data.received, frame);
      const message = payload === undefined ? undefined : parseJson(FromRunner, payload);
      if (message === undefined) {
        hub.log(`runner ${data.device.id} sent a message that can't be read: ${payload === undefined ? "bad MAC or sequence" : "not of this protocol"}`);
        return socket.close(CLOSE.badFrame, "unreadable message");
      }
      data.received++;
      data.heardAt = performance.now();
      handle(socket, message);
    },

    closed: gone,

    online: (session: string) => bySession.has(session),

    /** Passes a person's decision on to the runner that asked; nothing is kept to fire later. */
    async decide(session: string, message: Omit<Extract<FromServer, { type: "decide" }>, "type" | "decision">): Promise<DecisionResult> {
      const answer = await ask(session, (decision) => ({ type: "decide", decision, ...message }));
      return typeof answer === "string" ? answer : answer.type === "decided" ? answer.result : "unknown";
    },

    /** Passes on what was typed; `seq` is the last of its stream that was applied. */
    async type(session: string, message: Omit<Extract<FromServer, { type: "input" }>, "type" | "input" | "session">): Promise<Typed | Lost> {
      const answer = await ask(session, (input) => ({ type: "input", input, session, ...message }));
      return typeof answer === "string" || answer.type === "typed" ? answer : "unknown";
    },

    /** Tells a session's runner which size is wanted, or to signal the program; false where it is away. */
    tell(message: Extract<FromServer, { type: "resize" | "stop" }>): boolean {
      const socket = bySession.get(message.session);
      if (socket !== undefined) send(socket, message);
      return socket !== undefined;
    },

    /** Ends the sockets of a revoked device. */
    drop(device: string): void {
      for (const socket of sockets) if (socket.data.device.id === device) socket.close(CLOSE.revoked, "revoked");
    },

    closeAll(): void {
      clearInterval(beat);
      for (const socket of sockets) socket.close(CLOSE.goingAway, "server stops");
    },
  };
}
