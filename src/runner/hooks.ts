import { timingSafeEqual } from "node:crypto";
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { randomNonce } from "../auth.ts";
import { LIMITS, parseJson, ToolInput } from "../types.ts";
import { QuestionRate } from "./claude/question-rate.ts";
import { ownCommand } from "./program.ts";

/** One hook event may have this many bytes: Claude may ask to write a large file. */
const EVENT_BYTES = 8 * 1024 * 1024;
/** Events a second that are taken, but for questions; Claude's own commands can read the token and flood us. */
const EVENTS_PER_SECOND = 100;
/** Text a second that is read out of them: each MB takes some 15 ms of the time in which the terminal is drawn. In bytes. */
const BYTES_PER_SECOND = 16 * 1024 * 1024;
/** How long a person may take to answer from afar, in seconds: Claude Code asks for a number (measured: 86400 is kept). */
const PERSON_TIMEOUT_S = 86_400;
/** All other events are answered at once. */
const EVENT_TIMEOUT_S = 5;
/** An event comes at once: one that is silent for so long is given up, in seconds. Bun would write so on the user's screen were it not told. */
const IDLE_S = 10;
/** On a socket `server.timeout` is without effect (Bun 1.4.4), so requests there have no limit at all; the types don't know that it can be set. */
const NEVER_IDLE: object = { idleTimeout: 0 };
/** The variable that carries the token: hooks name it, so that the token itself stands in no file and no argv. */
export const TOKEN_VARIABLE = "CLAUDE_REMOTE_HOOK_TOKEN";

/** Looks like an event that somebody is to answer; whether it is one is for the schema to say. */
const QUESTION = /"hook_event_name"\s*:\s*"(?:PermissionRequest|Elicitation)"/;

const shortText = v.pipe(v.string(), v.maxLength(256));
const path = v.pipe(v.string(), v.maxLength(LIMITS.pathChars));

/** What Claude Code sends to hooks, as far as we use it; measured, see docs/protocol.md. */
const common = { session_id: shortText, transcript_path: path, cwd: path };
const tool = {
  tool_name: shortText,
  tool_input: ToolInput,
  agent_id: v.optional(shortText),
  agent_type: v.optional(shortText),
};
/** Work that goes on when a turn is over: `type` is `shell`, `subagent`, `monitor`, `workflow` or another word. */
export const BackgroundTask = v.looseObject({
  id: v.string(),
  type: v.fallback(v.string(), ""),
  status: v.fallback(v.string(), ""),
  description: v.fallback(v.optional(v.string()), undefined),
  command: v.fallback(v.optional(v.string()), undefined),
});
export type BackgroundTask = v.InferOutput<typeof BackgroundTask>;
export const HookEvent = v.variant("hook_event_name", [
  v.object({
    hook_event_name: v.literal("PermissionRequest"),
    ...common,
    ...tool,
    permission_suggestions: v.optional(v.fallback(v.array(v.unknown()), [])),
  }),
  v.object({
    hook_event_name: v.literal("Elicitation"),
    ...common,
    mcp_server_name: shortText,
    message: v.pipe(v.string(), v.maxLength(LIMITS.planChars)),
    mode: v.optional(shortText, "form"),
    requested_schema: v.optional(v.unknown()),
    url: v.optional(v.string()),
  }),
  v.object({
    hook_event_name: v.picklist(["PostToolUse", "PostToolUseFailure"]),
    ...common,
    ...tool,
    tool_response: v.optional(v.unknown()),
  }),
  v.object({
    hook_event_name: v.literal("UserPromptSubmit"),
    ...common,
    prompt: v.fallback(v.optional(v.string()), undefined),
  }),
  v.object({ hook_event_name: v.literal("SessionEnd"), ...common }),
  v.object({
    hook_event_name: v.picklist(["Stop", "StopFailure"]),
    ...common,
    last_assistant_message: v.optional(v.string()),
    error: v.optional(v.string()),
    /** A Stop hook of the user's has made Claude go on before. */
    stop_hook_active: v.optional(v.boolean()),
    background_tasks: v.optional(v.fallback(v.array(BackgroundTask), [])),
    session_crons: v.optional(v.fallback(v.array(v.unknown()), [])),
  }),
  v.object({
    hook_event_name: v.literal("Notification"),
    ...common,
    notification_type: v.optional(shortText),
    message: v.optional(v.string()),
  }),
]);
export type HookEvent = v.InferOutput<typeof HookEvent>;
export type PermissionRequest = Extract<HookEvent, { hook_event_name: "PermissionRequest" }>;
export type Elicitation = Extract<HookEvent, { hook_event_name: "Elicitation" }>;
/** Events that only tell something. */
export type Told = Exclude<HookEvent, PermissionRequest | Elicitation>;

/** A change of Claude's permissions, in its own form (measured with 2.1.328). */
export type PermissionUpdate =
  | {
      type: "addRules";
      behavior: "allow";
      destination: string;
      rules: { toolName: string; ruleContent?: string | undefined }[];
    }
  | { type: "setMode"; mode: "acceptEdits" | "default"; destination: "session" };

/** The answer to a `PermissionRequest`; undefined is no decision, which leaves it to the dialog at the desk. */
export type HookDecision =
  | {
      behavior: "allow";
      updatedInput?: Record<string, unknown>;
      updatedPermissions?: PermissionUpdate[];
    }
  | { behavior: "deny"; message: string; interrupt?: true };

/** The answer to an `Elicitation`; undefined leaves it to the dialog at the desk. Claude passes the content on as it is (measured). */
export type ElicitationReply =
  | { action: "accept"; content?: Record<string, unknown> }
  | { action: "decline" };

export interface HookListener {
  /** Hooks for Claude Code's settings. */
  readonly settings: { hooks: Record<string, unknown> };
  /** To be added to Claude's environment. */
  readonly env: Record<string, string>;
  /** The port they call; 0 where it is a socket. */
  readonly port: number;
  /** Claude's own status says now that it waits for an answer. */
  waitBegins(): void;
  /** Listens anew where the socket was swept away. */
  renew(): void;
  close(): void;
}

export interface HookHandlers {
  /** A permission waits; `signal` aborts when Claude no longer wants to know. */
  onPermission(event: PermissionRequest, signal: AbortSignal): Promise<HookDecision | undefined>;
  /** An MCP server asks for something; no dialog comes up at the desk before this is answered. */
  onElicitation(event: Elicitation, signal: AbortSignal): Promise<ElicitationReply | undefined>;
  onEvent(event: Told): void;
  /** Whether Claude's own status says that it waits for an answer. */
  waits?(): boolean;
  /** A line that Claude is to show at the desk with this event; it does so where hooks are requests. */
  message?(event: Told): string | undefined;
}

/**
 * Listens for Claude Code's hooks. With `socket`, the path of a socket that only this user can reach, they are commands that do nothing once
 * nobody listens there: Claude keeps its settings for sessions that outlive this one. Without it they are HTTP requests on loopback, with a
 * random token for this session. Whatever comes is parsed like any hostile input. `outside` says where a path of Claude's is out here.
 */
export function listenForHooks(
  handlers: HookHandlers,
  outside: (path: string) => string = (path) => path,
  socket?: string,
): HookListener {
  const token = randomNonce();
  const expected = `Bearer ${token}`;
  let second = 0;
  let told = 0;
  let bytes = 0;
  const questions = new QuestionRate(handlers.waits?.bind(handlers));

  const isOurs = (request: Request, port: number | undefined): boolean => {
    if (socket !== undefined) return true; // the file system has kept others out
    const given = request.headers.get("authorization") ?? "";
    return (
      given.length === expected.length &&
      timingSafeEqual(Buffer.from(given), Buffer.from(expected)) &&
      request.headers.get("host") === `127.0.0.1:${port}` &&
      !request.headers.has("origin")
    );
  };
  const handling = {
    maxRequestBodySize: EVENT_BYTES,
    async fetch(request: Request, server: Bun.Server<undefined>) {
      if (!isOurs(request, server.port)) return new Response(null, { status: 403 });
      const text = await request.text();
      if (QUESTION.test(text)) {
        server.timeout(request, 0); // a person may take their time; Claude closes the connection when it no longer waits
        const admitted = questions.admits(text.length, request.signal);
        if (!(admitted instanceof Promise ? await admitted : admitted)) return new Response(null); // the dialog at the desk stays
      } else {
        const now = Math.floor(performance.now() / 1000);
        if (now !== second) [second, told, bytes] = [now, 0, 0];
        bytes += text.length;
        if (++told > EVENTS_PER_SECOND || bytes > BYTES_PER_SECOND)
          return new Response(null, { status: 429 });
      }
      const read = parseJson(HookEvent, text);
      if (read === undefined) return new Response(null, { status: 400 });
      const event = {
        ...read,
        transcript_path: outside(read.transcript_path),
        cwd: outside(read.cwd),
      };
      if (
        event.hook_event_name !== "PermissionRequest" &&
        event.hook_event_name !== "Elicitation"
      ) {
        handlers.onEvent(event);
        const systemMessage = handlers.message?.(event);
        return systemMessage === undefined ? new Response(null) : Response.json({ systemMessage });
      }
      if (event.hook_event_name === "Elicitation") {
        const reply = await handlers.onElicitation(event, request.signal);
        return reply === undefined
          ? new Response(null)
          : Response.json({ hookSpecificOutput: { hookEventName: "Elicitation", ...reply } });
      }
      const decision = await handlers.onPermission(event, request.signal);
      if (decision === undefined) return new Response(null);
      return Response.json({
        hookSpecificOutput: { hookEventName: "PermissionRequest", decision },
      });
    },
    error: () => new Response(null, { status: 500 }), // no decision: the dialog at the desk stays
  };
  const onSocket = (path: string) => {
    const listening = Bun.serve({ ...handling, unix: path, ...NEVER_IDLE });
    chmodSync(path, 0o600);
    return listening;
  };
  const server =
    socket === undefined
      ? Bun.serve({ ...handling, hostname: "127.0.0.1", port: 0, idleTimeout: IDLE_S })
      : onSocket(socket);
  const servers = [server]; // one whose socket is gone still answers what it was asked
  const way = (asks: boolean) =>
    socket === undefined
      ? {
          type: "http",
          url: `http://127.0.0.1:${server.port}/hook`,
          headers: { Authorization: `Bearer $${TOKEN_VARIABLE}` },
          allowedEnvVars: [TOKEN_VARIABLE],
        }
      : { type: "command", command: hookCommand(socket, asks) };
  const hook = (timeout: number) => [
    { hooks: [{ ...way(timeout === PERSON_TIMEOUT_S), timeout }] },
  ];
  const events = [
    "PostToolUse",
    "PostToolUseFailure",
    "UserPromptSubmit",
    "Stop",
    "StopFailure",
    "Notification",
    "SessionEnd",
  ];
  return {
    settings: {
      hooks: {
        PermissionRequest: hook(PERSON_TIMEOUT_S),
        Elicitation: hook(PERSON_TIMEOUT_S),
        ...Object.fromEntries(events.map((event) => [event, hook(EVENT_TIMEOUT_S)])),
      },
    },
    env: socket === undefined ? { [TOKEN_VARIABLE]: token } : {},
    port: server.port ?? 0,
    waitBegins: () => questions.waitBegins(),
    renew() {
      if (socket === undefined || existsSync(socket)) return;
      mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
      servers.push(onSocket(socket));
    },
    close() {
      questions.close();
      for (const listening of servers) void listening.stop(true);
    },
  };
}

/**
 * The command that passes an event on to whoever listens on a socket. Claude gives it to bash, zsh or sh, also in sessions that outlive this
 * one: then neither the socket nor this program need be there, and nothing is done. Claude waits for it at every tool call, so what only
 * tells something goes through curl where there is one: it starts in a few milliseconds, we in forty. A question is ended by a signal, which
 * only reaches what has taken the shell's place.
 */
function hookCommand(socket: string, asks: boolean): string {
  const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
  const [program, ...args] = ownCommand();
  const own = `exec ${[program, ...args, "__hook", socket].map(quoted).join(" ")}`;
  const curl = `curl -q -s -m ${EVENT_TIMEOUT_S - 1} --noproxy '*' -H Expect: --unix-socket ${quoted(socket)} --data-binary @- http://127.0.0.1/hook`;
  return [
    `[ -S ${quoted(socket)} ] || exit 0`,
    ...(asks ? [] : [`command -v curl >/dev/null 2>&1 && { ${curl} >/dev/null 2>&1; exit 0; }`]),
    `[ -x ${quoted(program)} ] || exit 0`,
    own,
  ].join("; ");
}
