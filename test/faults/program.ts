import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { entriesOf } from "../../src/runner/entries.ts";
import type { Pty } from "../../src/runner/pty.ts";
import { openScreen, type Screen } from "../../src/runner/screen.ts";
import type { Watcher, Program as Wrapped } from "../../src/runner/wrap.ts";
import { type Entry, type HistoryOp, parseJson } from "../../src/types.ts";

const Settings = v.object({
  hooks: v.object({
    PermissionRequest: v.tuple([v.object({ hooks: v.tuple([v.object({ url: v.string() })]) })]),
  }),
});
const Reply = v.object({
  hookSpecificOutput: v.object({
    decision: v.object({
      behavior: v.picklist(["allow", "deny"]),
      message: v.optional(v.string()),
      updatedInput: v.optional(v.object({ answers: v.record(v.string(), v.string()) })),
    }),
  }),
});
const CONVERSATION = "0f0f0f0f-0000-4000-8000-000000000000";

/** What the program asked, and what it was told. */
export interface Question {
  n: number;
  kind: "permission" | "question";
  /** Nothing yet; answered at the desk, or with no decision; or what came of the hook. */
  told: undefined | "desk" | "nothing" | { action: "approve" | "reject"; words: string };
  withdraw(): void;
}

/** The lines that have scrolled off, as they are told. */
export interface Log {
  generation: number;
  next: number;
  lines: Map<number, string>;
}

export function applyOp(log: Log, op: HistoryOp): void {
  if (op.op === "generation") {
    log.generation = op.generation;
    log.next = 0;
    log.lines.clear();
    return;
  }
  const from = op.op === "append" ? op.from : op.to;
  for (const line of log.lines.keys()) if (line >= from) log.lines.delete(line);
  if (op.op === "append") for (const [i, row] of op.lines.entries()) log.lines.set(from + i, row);
  log.next = op.op === "append" ? from + op.lines.length : from;
}

/** A stand-in for Claude Code that does what the schedule says: it writes, asks its hooks and keeps a transcript. An emulator beside it tells what is true. */
export function openProgram(dir: string, holder: number) {
  const config = join(dir, "config");
  const project = join(config, "projects", "work");
  const transcript = join(project, `${CONVERSATION}.jsonl`);
  mkdirSync(project, { recursive: true });
  const wrapped: Wrapped = {
    name: "claude",
    command: "claude",
    hooks: true,
    args: [],
    env: { HOME: dir, CLAUDE_CONFIG_DIR: config },
    cwd: dir,
  };
  const log: Log = { generation: 0, next: 0, lines: new Map() };
  const size = { cols: 60, rows: 12 };
  const truth: Screen = openScreen({
    ...size,
    onChange: () => undefined,
    onHold: () => undefined,
    onHistory: (op) => applyOp(log, op),
  });
  const questions: Question[] = [];
  const entries: Entry[] = [];
  const typed: string[] = [];
  let watcher: Watcher | undefined;
  let hook: { url: string; token: string } | undefined;
  let running = Promise.resolve();

  const post = async (event: object, signal?: AbortSignal) => {
    if (hook === undefined) throw new Error("there is no hook");
    const common = { session_id: CONVERSATION, transcript_path: transcript, cwd: dir };
    const response = await fetch(hook.url, {
      method: "POST",
      headers: { authorization: `Bearer ${hook.token}` },
      body: JSON.stringify({ ...common, ...event }),
      ...(signal === undefined ? {} : { signal }),
    });
    return response.text();
  };
  const write = (line: object) => {
    const text = JSON.stringify(line);
    appendFileSync(transcript, `${text}\n`);
    entries.push(...entriesOf(text));
  };
  /** What is written comes to both emulators in the same turn, so that a new size finds both at the same place. */
  const output = (text: string) => {
    running = running.then(async () => {
      const bytes = new TextEncoder().encode(text);
      watcher?.onOutput(bytes);
      truth.feed(bytes);
      await truth.settled();
    });
  };
  const pty: Pty = {
    holder,
    write(data) {
      const text = typeof data === "string" ? data : new TextDecoder().decode(data);
      for (const [token] of text.matchAll(/<\w+>/g)) typed.push(token);
      output(text.replaceAll("\r", "\r\n"));
    },
    resize: (cols, rows) => truth.resize(cols, rows),
    unread: 0,
    hidesInput: () => false,
    kill: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    foreground: () => undefined,
  };

  return {
    wrapped,
    pty,
    size,
    truth,
    log,
    questions,
    entries,
    typed,
    output,
    /** Everything that was written has come out. */
    idle: () => running,
    begin(program: Wrapped, made: Watcher): void {
      watcher = made;
      const file = program.args[program.args.indexOf("--settings") + 1] ?? "";
      const settings = parseJson(Settings, readFileSync(file, "utf8"));
      if (settings === undefined) throw new Error("the settings have no hook");
      hook = {
        url: settings.hooks.PermissionRequest[0].hooks[0].url,
        token: program.env.CLAUDE_REMOTE_HOOK_TOKEN ?? "",
      };
      void post({ hook_event_name: "UserPromptSubmit" });
    },
    /** The desk's terminal has another size. */
    resize: (cols: number, rows: number) => watcher?.onResize({ cols, rows }),
    say(n: number): void {
      if (n % 2 === 0) write({ type: "user", message: { content: `said ${n}` } });
      else
        write({
          type: "assistant",
          message: { content: [{ type: "text", text: `answered ${n}` }] },
        });
    },
    ask(n: number, kind: Question["kind"]): void {
      const gone = new AbortController();
      const question: Question = {
        n,
        kind,
        told: undefined,
        withdraw() {
          if (question.told !== undefined) return;
          question.told = "desk";
          gone.abort();
        },
      };
      questions.push(question);
      const input =
        kind === "permission"
          ? { command: `run ${n}` }
          : {
              questions: [
                {
                  question: `which ${n}?`,
                  options: [{ label: "one" }, { label: "two" }],
                  multiSelect: false,
                },
              ],
            };
      const name = kind === "permission" ? "Bash" : "AskUserQuestion";
      write({
        type: "assistant",
        message: { content: [{ type: "tool_use", id: `call_${n}`, name, input }] },
      });
      post(
        { hook_event_name: "PermissionRequest", tool_name: name, tool_input: input },
        gone.signal,
      ).then(
        (text) => {
          if (question.told !== undefined) return;
          const decision =
            text === "" ? undefined : parseJson(Reply, text)?.hookSpecificOutput.decision;
          if (decision === undefined) question.told = "nothing";
          else if (decision.behavior === "allow") {
            question.told = {
              action: "approve",
              words: Object.values(decision.updatedInput?.answers ?? {}).join(),
            };
            write({
              type: "attachment",
              attachment: {
                type: "hook_permission_decision",
                decision: "allow",
                toolUseID: `call_${n}`,
              },
            });
          } else {
            question.told = { action: "reject", words: decision.message ?? "" };
            write({
              type: "user",
              toolDenialKind: "user-rejected",
              message: {
                content: [
                  { type: "tool_result", tool_use_id: `call_${n}`, content: "no", is_error: true },
                ],
              },
            });
          }
        },
        () => (question.told ??= "nothing"),
      );
    },
  };
}
export type Program = ReturnType<typeof openProgram>;
