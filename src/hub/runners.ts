import type { Database } from "bun:sqlite";
import {
  type FromRunner,
  type FromServer,
  LIMITS,
  type Prompt,
  type SessionSummary,
} from "../types.ts";
import type { Alerts } from "./alerts.ts";
import { openDaemons } from "./daemons.ts";
import type { Devices } from "./devices.ts";
import { describeError, type Log } from "./log.ts";
import type { Prompts } from "./prompts.ts";
import { type Lost, openQuestions } from "./questions.ts";
import type { Room } from "./room.ts";
import type { Search } from "./search.ts";
import type { Sessions } from "./sessions.ts";
import { openSockets, type Report, type Socket } from "./sockets.ts";
import type { Transcripts } from "./transcripts.ts";
import type { Viewers } from "./viewers.ts";

/** How long a runner may take to say what became of a decision or an input, in ms. */
const ANSWER_MS = 8000;
/** After a write failed (a full disk) the runner is asked to send again, in ms. */
const RETRY_MS = 5000;

type Decided = Extract<FromRunner, { type: "decided" }>;
type Typed = Extract<FromRunner, { type: "typed" }>;
export type DecisionResult = Decided["result"] | Lost;

export type Runners = ReturnType<typeof openRunners>;

/** What runners report goes to the database and the viewers, decisions go back. */
export function openRunners(hub: {
  db: Database;
  devices: Devices;
  sessions: Sessions;
  prompts: Prompts;
  transcripts: Transcripts;
  search: Search;
  viewers: Viewers;
  alerts: Alerts;
  room: Room;
  log: Log;
}) {
  const { sessions, prompts, transcripts, search, viewers, room } = hub;
  const bySession = new Map<string, Socket>();
  /** Sessions of which something could not be stored: their exit waits until it has come again. */
  const lacking = new Set<string>();

  /** Runs what writes to the database; a failure (a full disk) is told and survived. */
  const attempt = (what: string, write: () => void): boolean => {
    try {
      write();
      return true;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      room.failed(error);
      hub.log("error", "store_failed", { what, error: describeError(error) });
      return false;
    }
  };
  /** What is small is stored with a full disk too, as long as it can be; what is much is not tried there. */
  const store = (what: string, write: () => void) => attempt(what, () => room.small(write));
  const storeMuch = (what: string, write: () => void) => !room.full && attempt(what, write);

  const announce = (name: "session_start" | "session_status" | "session_end", id: string) => {
    const session = sessions.get(id);
    if (session === undefined) return;
    viewers.broadcast(name, session);
    hub.alerts.session(session);
  };

  const tell = (prompt: Prompt, isNew: boolean) => {
    viewers.broadcast(isNew ? "prompt" : "prompt_response", prompt);
    room.small(() => hub.alerts.prompt(prompt));
    if (prompt.answer?.by === "desk") hub.devices.audit(null, "answered at the desk", prompt.id);
  };

  const runningOn = (device: string) =>
    [...bySession.values()].filter(({ data }) => data.device.id === device).length;

  const leave = (socket: Socket, id: string) => {
    if (bySession.get(id) !== socket) return;
    bySession.delete(id);
    store("that a runner is gone", () => sessions.offline(id));
    announce("session_status", id);
  };

  const handle = (socket: Socket, message: Report): void => {
    const { data } = socket;
    if (message.type === "session") return begin(socket, message);
    if (message.type === "runner") return daemons.said(socket, message);
    if (message.type === "decided") return questions.answer(socket, message.decision, message);
    if (message.type === "typed") return questions.answer(socket, message.input, message);
    if (message.type === "started" || message.type === "found")
      return questions.answer(socket, message.request, message);
    const id = message.type === "prompt" ? message.prompt.session : message.session;
    if (bySession.get(id) !== socket) return; // of another runner, or ended
    switch (message.type) {
      case "screen":
        attempt("a screen", () => sessions.frame(id, message.frame, !room.full));
        viewers.screenChanged(id);
        return;
      case "output":
        return output(socket, id, message);
      case "transcript": {
        const ok = storeMuch("a conversation", () => {
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
          search.touch(id);
          announce("session_status", id);
        });
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
        return hub.alerts.notice(id, message.kind, message.text, message);
      case "exit": {
        if (lacking.has(id)) return;
        const stored = store("an exit", () => {
          for (const prompt of prompts.expire(id)) tell(prompt, false);
          sessions.end(id, message.exit, message.ended_at);
        });
        if (!stored) return askAgain(socket, id);
        bySession.delete(id);
        data.sessions.delete(id);
        search.touch(id);
        announce("session_end", id);
        hub.log("info", "session_end", {
          session: id,
          code: message.exit.code,
          signal: message.exit.signal,
        });
        send(socket, { type: "ended", session: id });
        return;
      }
      default:
        message satisfies never;
    }
  };

  const begin = (socket: Socket, message: Extract<FromRunner, { type: "session" }>) => {
    const { session } = message;
    const present = bySession.get(session.id)?.data;
    // what was kept on the way may come when its runner has long been back on another connection
    if (present?.device.id === socket.data.device.id && present.number > socket.data.number) return;
    if (present === undefined && runningOn(socket.data.device.id) >= LIMITS.runningSessions)
      return send(socket, {
        type: "refused",
        message: `${LIMITS.runningSessions} sessions of this machine run already: the server takes no more.`,
      });
    const begun = store("a session", () => {
      const known = sessions.begin(socket.data.device.id, session, message.first);
      if (known === undefined)
        return send(socket, {
          type: "refused",
          message: `Session ${session.id} is over, or another machine's.`,
        });
      bySession.get(session.id)?.data.sessions.delete(session.id);
      bySession.set(session.id, socket);
      socket.data.sessions.add(session.id);
      const mine = message.prompts.filter((prompt) => prompt.session === session.id);
      const changed = prompts.reconcile(session.id, mine);
      lacking.delete(session.id);
      send(socket, {
        type: "resume",
        session: session.id,
        seq: known.outputSeq,
        transcript: transcripts.place(session.id),
      });
      announce(known.isNew ? "session_start" : "session_status", session.id);
      if (known.isNew)
        hub.log("info", "session_start", { session: session.id, device: socket.data.device.id });
      for (const prompt of changed) tell(prompt, prompt.state === "pending");
    });
    if (!begun) sockets.busy(socket); // it comes again, with what is true by then
  };

  /** What could not be stored the runner keeps, and sends again when asked. */
  const askAgain = (socket: Socket, id: string) => {
    if (lacking.has(id)) return;
    lacking.add(id);
    const timer = setInterval(() => {
      if (room.full && bySession.get(id) === socket) return;
      clearInterval(timer);
      lacking.delete(id);
      if (bySession.get(id) !== socket) return;
      store("where a session is", () =>
        send(socket, {
          type: "resume",
          session: id,
          seq: sessions.outputSeq(id),
          transcript: transcripts.place(id),
        }),
      );
    }, RETRY_MS);
  };

  const output = (
    socket: Socket,
    id: string,
    { seq, op }: Extract<FromRunner, { type: "output" }>,
  ) => {
    let stored = 0;
    const ok = storeMuch("history", () => {
      stored = sessions.output(id, seq, op);
    });
    if (!ok) return askAgain(socket, id);
    search.touch(id);
    send(socket, { type: "ack", session: id, seq: stored });
    if (stored !== seq) return;
    if (op.op === "append")
      viewers.historyChanged(id, {
        generation: op.generation,
        from: op.from,
        next: op.from + op.lines.length,
        lines: op.lines,
      });
    else if (op.op === "truncate")
      viewers.historyChanged(id, {
        generation: op.generation,
        from: op.to,
        next: op.to,
        lines: [],
      });
    else viewers.historyChanged(id, { generation: op.generation, from: 0, next: 0, lines: [] });
  };

  const sockets = openSockets({
    log: hub.log,
    onReport: handle,
    onHeard: ({ id }) => hub.devices.seen(id), // seldom written
    onUp: ({ id }) => status(id, true),
    onGone(socket, last) {
      for (const id of socket.data.sessions) leave(socket, id);
      socket.data.sessions.clear();
      questions.gone(socket);
      daemons.gone(socket);
      if (last) status(socket.data.device.id, false);
    },
  });
  const { send } = sockets;
  const questions = openQuestions(send);
  const daemons = openDaemons(hub.db, {
    ...hub,
    questions,
    send,
    store,
    onImage: (device, built) => hub.alerts.image(device, built),
  });
  /** Of a machine without a daemon its sessions' connections tell whether it is there. */
  const status = (runner: string, online: boolean) => {
    if (!daemons.has(runner))
      viewers.broadcast("runner_status", { runner, online, since: Date.now() });
  };

  return {
    sockets,
    daemons,

    online: (session: string) => bySession.has(session),

    /** Passes a person's decision on to the runner that asked; nothing is kept to fire later. */
    async decide(
      session: string,
      message: Omit<Extract<FromServer, { type: "decide" }>, "type" | "decision">,
    ): Promise<DecisionResult> {
      const answer = await questions.ask(
        bySession.get(session),
        (decision) => ({ type: "decide", decision, ...message }),
        ANSWER_MS,
      );
      return typeof answer === "string"
        ? answer
        : answer.type === "decided"
          ? answer.result
          : "unknown";
    },

    /** Passes on what was typed; `seq` is the last of its stream that was applied. */
    async type(
      session: string,
      message: Omit<Extract<FromServer, { type: "input" }>, "type" | "input" | "session">,
    ): Promise<Typed | Lost> {
      const answer = await questions.ask(
        bySession.get(session),
        (input) => ({ type: "input", input, session, ...message }),
        ANSWER_MS,
      );
      return typeof answer === "string" || answer.type === "typed" ? answer : "unknown";
    },

    /** Tells a session's runner which size is wanted; false where it is away. */
    resize(message: Extract<FromServer, { type: "resize" }>): boolean {
      const socket = bySession.get(message.session);
      if (socket !== undefined) send(socket, message);
      return socket !== undefined;
    },

    /**
     * Has a session's program signalled; false where nobody is there to do so. The daemon that started it sees to it where the
     * session's own process is away, and always that one that is to be killed dies: that process may only seem to hear.
     */
    stop(
      { id, runner, args }: SessionSummary,
      signal: Extract<FromServer, { type: "stop" }>["signal"],
    ): boolean {
      const message: FromServer = { type: "stop", session: id, signal };
      const socket = bySession.get(id);
      const byDaemon =
        args !== undefined &&
        (socket === undefined || signal === "SIGKILL") &&
        daemons.stop(runner, message);
      if (socket !== undefined) send(socket, message);
      return byDaemon || socket !== undefined;
    },
  };
}
