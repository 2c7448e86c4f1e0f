import { type FromRunner, type FromServer, PROTOCOL } from "../../src/types.ts";
import { makePrompt } from "../support/dashboard.ts";
import { sessionInfo } from "../support/runner-socket.ts";

/** One valid message of each type: a type without a sample fails the typecheck. */
type Samples<Message extends { type: string }> = {
  [Type in Message["type"]]: Extract<Message, { type: Type }>;
};

const UUID = "0d2f0c0e-1111-4222-8333-444455556666";
const answer = {
  by: "viewer",
  device: "dev_1",
  name: "phone",
  decision: "approve",
  at: 5,
  receipt: "sent",
} as const;

/** What a runner says of a session, with a prompt in it. */
export const fromRunner = (session: string, prompt: string): Samples<FromRunner> => ({
  hello: { type: "hello", protocol: PROTOCOL, version: "1", host: "box" },
  session: {
    type: "session",
    session: {
      ...sessionInfo(session),
      hooks: "on",
      activity: "idle",
      desk: true,
      unlogged: false,
      sandbox: false,
      args: ["--model", "opus"],
    },
    first: 1,
    prompts: [makePrompt(session, prompt, { input: { command: "true" } })],
  },
  screen: {
    type: "screen",
    session,
    frame: {
      rev: 3,
      cols: 80,
      rows: 3,
      cursor: { x: 1, y: 2, visible: true },
      title: "a title",
      full: true,
      lines: { 0: "one", 1: "two\n1b 2", 2: "" },
    },
  },
  output: {
    type: "output",
    session,
    seq: 1,
    op: { op: "append", generation: 0, from: 0, lines: ["a line", "another"] },
  },
  transcript: {
    type: "transcript",
    session,
    next: 3,
    file: 0,
    at: 100,
    entries: [
      { kind: "user", at: 1, text: "hello" },
      { kind: "tool", at: 2, id: "t1", tool: "Bash", input: '{"command":"ls"}' },
      { kind: "result", at: 3, id: "t1", text: "files", error: false },
    ],
  },
  prompt: {
    type: "prompt",
    prompt: {
      ...makePrompt(session, prompt, { input: { command: "true" } }),
      state: "answered",
      answer,
    },
  },
  decided: { type: "decided", decision: "q_1", result: "sent" },
  typed: { type: "typed", input: "q_2", result: "applied", seq: 1 },
  status: {
    type: "status",
    session,
    hooks: "on",
    activity: "busy",
    refused: ["registry.npmjs.org", "localhost:5432"],
  },
  auth_url: { type: "auth_url", session, url: "https://claude.ai/oauth/authorize?code=true" },
  notice: { type: "notice", session, kind: "finished", text: "done" },
  exit: {
    type: "exit",
    session,
    exit: { code: 130, signal: "SIGINT", lost: true, refused: ["pypi.org"], changed: [".envrc"] },
    ended_at: 9,
  },
  runner: {
    type: "runner",
    roots: ["/home/me"],
    recent: ["/home/me/x"],
    no_sandbox: null,
    sandbox_always: true,
    sandbox_image: { state: "building", step: "step 1 of 2" },
  },
  started: { type: "started", request: "q_3", session, refused: "no" },
  found: {
    type: "found",
    request: "q_4",
    folders: ["/home/me"],
    conversations: [{ id: UUID, at: 1, title: "t" }],
  },
  pong: { type: "pong" },
});

/** What a server says to a session's runner or a daemon. */
export const fromServer = (
  session: string,
  prompt: string,
  folder: string,
): Samples<FromServer> => ({
  resume: { type: "resume", session, seq: 0, transcript: { next: 0, file: 0, at: 0 } },
  ack: { type: "ack", session, seq: 1 },
  ended: { type: "ended", session },
  decide: {
    type: "decide",
    decision: "q_1",
    prompt,
    action: "approve",
    shown: "0".repeat(64),
    message: "why",
    answers: [{ options: [0], text: "x" }],
    always: 0,
    plan: "a plan",
    fields: ["x", 1, true, [0], null],
    device: "dev_1",
    name: "phone",
  },
  input: {
    type: "input",
    input: "q_2",
    session,
    stream: "st_1",
    seq: 1,
    text: "echo",
    paste: true,
    enter: true,
    keys: ["Up", "C-c", "WheelUp"],
    shell: true,
  },
  resize: { type: "resize", session, cols: 100, rows: 30 },
  stop: { type: "stop", session, signal: "SIGTERM" },
  start: {
    type: "start",
    request: "q_3",
    id: "st_2",
    cwd: folder,
    args: ["--resume", UUID, "--name", "n"],
    sandbox: false,
    cols: 80,
    rows: 24,
  },
  find: { type: "find", request: "q_4", what: "folders", path: folder },
  ping: { type: "ping" },
  refused: { type: "refused", message: "no" },
});
