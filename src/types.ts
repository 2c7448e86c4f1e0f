import * as v from "valibot";
import { webAddress } from "./viewer/web-address.ts";

/**
 * The wire: every message between runner, server and page, with its limits. Whatever comes from outside is parsed here
 * once and trusted afterwards. Times are unix milliseconds, except in signatures (unix seconds).
 */

/** Goes up whenever an older runner and a newer server, or the other way round, could misunderstand each other. */
export const PROTOCOL = 3;

/** Bounds of everything that crosses the network. */
export const LIMITS = {
  /** A request's body, in bytes. */
  bodyBytes: 64 * 1024,
  /** The body of a request with text that a person wrote, in bytes. One UTF-16 unit takes at most 6 bytes as JSON, so it holds all that the limits below allow. */
  textBodyBytes: 320 * 1024,
  /** One WebSocket message, in bytes. */
  messageBytes: 4 * 1024 * 1024,
  /** A prompt's view, in UTF-16 units; what is longer is shown in part and can't be approved from afar. */
  viewChars: 256 * 1024,
  /** Of what a sandbox was refused, and of the files that it changed, so many are told, of a file's path its end, in UTF-16 units. */
  refusedPlaces: 20,
  changedFiles: 20,
  changedChars: 512,
  /** How deep the input in a view may be nested: indented, 60 kB of brackets can become 200 MB. */
  viewDepth: 50,
  /** One row, in UTF-16 units: 1,000 columns of coloured emoji. */
  rowChars: 64 * 1024,
  /** Rows and columns of a terminal. */
  screenSide: 2000,
  /** A phone makes a terminal no smaller than this, so that a slip does not wreck a program's screen. */
  leastCols: 20,
  leastRows: 5,
  /** All rows of a screen, in UTF-16 units: as JSON they fit into one message, whatever stands in them. */
  screenChars: 512 * 1024,
  /** The number of a line of history. */
  line: 2 ** 40,
  /** No line was printed before, in unix ms: 1 January 2020. */
  earliest: 1_577_836_800_000,
  titleChars: 256,
  nameChars: 64,
  pathChars: 4096,
  urlChars: 4096,
  /** What somebody writes to Claude with a rejection, in UTF-16 units. */
  messageChars: 4096,
  /** A plan that was edited, in UTF-16 units. */
  planChars: 48 * 1024,
  /** Fields of a form, and options of each. */
  fields: 50,
  fieldOptions: 200,
  /** All texts that a form is filled in with, in UTF-16 units. */
  formChars: 48 * 1024,
  /** Text of one input, in UTF-16 units, and keys pressed at once. */
  typedChars: 48 * 1024,
  keys: 100,
  /** Text that is sent in several inputs and typed as one, in UTF-16 units. */
  pasteChars: 1024 * 1024,
  /** Lines in one history operation. */
  opLines: 1000,
  /** Open prompts of one session, and what the views of all its prompts may come to in one message, in UTF-16 units. */
  openPrompts: 50,
  viewsChars: 768 * 1024,
  /** The same of all sessions of one device, and how many of its sessions may run at once. */
  deviceOpenPrompts: 500,
  deviceViewsChars: 4 * 1024 * 1024,
  runningSessions: 500,
  /** Sessions in one list, of which each device has its share. */
  listedSessions: 200,
  /** Lines in one answer of `…/output`. */
  outputLines: 1000,
  /** What Claude said last, or what went wrong, in UTF-16 units. */
  noticeChars: 1000,
  /** Commands and agents that go on in the background, and what is told of each, in UTF-16 units. */
  running: 20,
  runningChars: 100,
  /** Where a browser's push service takes messages for it, in UTF-16 units. */
  endpointChars: 2048,
  /** What a notification says, in UTF-16 units. */
  pushChars: 2500,
  /** One text in an entry of a conversation, in UTF-16 units: what is longer is cut, and says so. */
  entryChars: 64 * 1024,
  /** Entries of a conversation in one message or answer, and what an answer may come to, in UTF-16 units. */
  entries: 200,
  entriesChars: 512 * 1024,
  /** What is searched for, in UTF-16 units, and what is found at most: in all, and in one session. */
  queryChars: 200,
  results: 50,
  sessionResults: 20,
  /** Folders that a daemon may work in, and those it names: used of late, or found for what was typed. */
  roots: 20,
  folders: 50,
  /** Arguments that a session is started with from afar, and their length in UTF-16 units. */
  args: 20,
  argChars: 200,
  /** Earlier conversations of one folder, and what each is called, in UTF-16 units. */
  conversations: 50,
} as const;

const id = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
const side = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.screenSide));
const row = text(LIMITS.rowChars);
const line = v.pipe(count, v.maxValue(LIMITS.line));

/** When lines were printed. What can't be a time is as good as none: the lines count, and the server has a clock of its own. */
const printedAt = v.fallback(v.optional(v.pipe(count, v.minValue(LIMITS.earliest))), undefined);

const rgb = v.pipe(v.string(), v.regex(/^#[0-9a-f]{6}$/));

export const Frame = v.object({
  /** Version of the screen; a frame builds on any earlier one. */
  rev: count,
  cols: side,
  rows: side,
  cursor: v.object({ x: count, y: count, visible: v.boolean() }),
  title: text(LIMITS.titleChars),
  /** A program has the whole screen (the alternate one) and scrolls by itself. */
  full: v.optional(v.boolean()),
  /** The colours of the terminal that the program draws for, where they are known. */
  ground: v.optional(rgb),
  ink: v.optional(rgb),
  /** The whole screen is shown reversed (DECSCNM). */
  reverse: v.optional(v.boolean()),
  /** What is typed is not echoed: a password is asked for. */
  secret: v.optional(v.boolean()),
  /** Payloads (see row.ts) of the rows that changed, by row number from 0. */
  lines: v.record(v.pipe(v.string(), v.regex(/^\d{1,4}$/)), row),
});
export type Frame = v.InferOutput<typeof Frame>;

/** A change of the numbered log of lines that scrolled off the top. A number left out is a line that was lost. */
export const HistoryOp = v.variant("op", [
  v.object({
    op: v.literal("append"),
    generation: count,
    from: line,
    lines: v.pipe(v.array(row), v.maxLength(LIMITS.opLines)),
    at: printedAt,
  }),
  /** Lines from number `to` on are no longer history: a taller or wider terminal took them back. */
  v.object({ op: v.literal("truncate"), generation: count, to: line }),
  /** The scrollback was cleared: numbering begins anew. */
  v.object({ op: v.literal("generation"), generation: count }),
]);
export type HistoryOp = v.InferOutput<typeof HistoryOp>;

/** One entry of a conversation, out of Claude Code's transcript. A tool's call and its result are told together by `id`. */
export const Entry = v.variant("kind", [
  v.object({
    kind: v.picklist(["user", "assistant", "thinking", "note"]),
    at: count,
    text: text(LIMITS.entryChars),
    /** Of a note: the entries from this number on, up to it, were taken back. */
    back: v.optional(count),
  }),
  /** `input` is JSON text of an object. */
  v.object({
    kind: v.literal("tool"),
    at: count,
    id: text(256),
    tool: text(256),
    input: text(LIMITS.entryChars),
  }),
  v.object({
    kind: v.literal("result"),
    at: count,
    id: text(256),
    text: text(LIMITS.entryChars),
    error: v.boolean(),
  }),
]);
export type Entry = v.InferOutput<typeof Entry>;

/** How far a conversation has come: entries so far, and where the next is to be read: which of the runner's files, from which byte on. */
const place = { next: count, file: count, at: count };
export const TranscriptPlace = v.object(place);
export type TranscriptPlace = v.InferOutput<typeof TranscriptPlace>;

const decision = v.picklist(["approve", "reject"]);
export type Decision = v.InferOutput<typeof decision>;

export const Answer = v.object({
  by: v.picklist(["viewer", "desk"]),
  /** The viewer's device and its name at the time. */
  device: v.optional(id),
  name: v.optional(text(LIMITS.nameChars)),
  /** Unknown where somebody answered at the desk and no trace tells what. */
  decision: v.optional(decision),
  message: v.optional(text(LIMITS.messageChars)),
  at: count,
  /** How sure we are that Claude took it: response written, seen to be applied, or 5 s without evidence. */
  receipt: v.optional(v.picklist(["sent", "applied", "unconfirmed"])),
});
export type Answer = v.InferOutput<typeof Answer>;

/**
 * What became of a prompt that no person is known to have answered: its dialog is gone and nothing tells more yet (`unknown`, which a later report may
 * replace), a hook of the user's own decided, or Claude went on without an answer.
 */
const withdrawal = v.fallback(
  v.picklist(["unknown", "allowed_by_hook", "denied_by_hook", "no_answer"]),
  "unknown",
);
export type Withdrawal = v.InferOutput<typeof withdrawal>;
export const Withdrawn = v.object({ why: withdrawal });

/** One question that waits for a person. It never changes but for `state` and `answer`. */
export const Prompt = v.object({
  id,
  session: id,
  /** `elicitation`: an MCP server asks; `screen`: read off the screen, where any program may have painted it. */
  kind: v.picklist(["permission", "question", "plan", "elicitation", "screen"]),
  state: v.picklist(["pending", "sending", "answered", "withdrawn", "expired"]),
  created_at: count,
  /** JSON text of a `View`; an approval names its sha256, so that what was shown is what is approved. */
  view: text(LIMITS.viewChars),
  answer: v.optional(Answer),
  /** Of a withdrawn prompt: why nobody has to answer it any more, where that is known. */
  why: v.optional(withdrawal),
});
export type Prompt = v.InferOutput<typeof Prompt>;

export function isOpen(prompt: Pick<Prompt, "state">): boolean {
  return prompt.state === "pending" || prompt.state === "sending";
}

/** A tool's input, every key of it: `v.record` would leave out such as `constructor`, and they would go unseen. */
export const ToolInput = v.custom<Record<string, unknown>>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
);

/** Whether nothing in a value lies deeper than so many levels: deeper it is not for eyes, and whoever walks through it may run out of stack. */
export const isShallow = (value: unknown, depth: number): boolean =>
  typeof value !== "object" ||
  value === null ||
  (depth > 0 && Object.values(value).every((part) => isShallow(part, depth - 1)));

/** What a person is shown of a prompt. */
export const View = v.object({
  tool: text(256),
  /** The tool's input as Claude gave it, but for secrets, which are dotted out (`masked` says so). */
  input: v.pipe(
    ToolInput,
    v.check((input) => isShallow(input, LIMITS.viewDepth)),
  ),
  masked: v.optional(v.boolean()),
  cwd: text(LIMITS.pathChars),
  host: text(256),
  /** The subagent that asks. */
  agent: v.optional(text(256)),
  /** Whose question it is, where another of Claude's sessions asks than the one that is shown. */
  asker: v.optional(text(256)),
  /** What can be answered from afar. */
  actions: v.array(decision),
  /** What an approval may change for good, each with exactly what would be written and where. */
  always: v.optional(v.array(v.object({ says: text(256), writes: text(LIMITS.messageChars) }))),
  /** Says why something can't be, in words for the person. */
  note: v.optional(text(1024)),
});
export type View = v.InferOutput<typeof View>;

/** The input of Claude Code's AskUserQuestion: what is asked, and what can be chosen. */
export const Questions = v.object({
  questions: v.pipe(
    v.array(
      v.object({
        question: text(LIMITS.messageChars),
        multiSelect: v.optional(v.boolean(), false),
        options: v.pipe(
          v.array(
            v.object({
              label: text(1024),
              description: v.optional(text(LIMITS.messageChars)),
              preview: v.optional(v.string()),
            }),
          ),
          v.maxLength(20),
        ),
      }),
    ),
    v.minLength(1),
    v.maxLength(10),
  ),
});
export type Questions = v.InferOutput<typeof Questions>["questions"];

/** The answers to a prompt's questions, in their order: numbers of chosen options from 0, words of one's own, or both where several may be chosen. */
const answers = v.pipe(
  v.array(
    v.object({
      options: v.pipe(v.array(count), v.maxLength(20)),
      text: v.optional(text(LIMITS.messageChars)),
    }),
  ),
  v.maxLength(10),
);
export type Answers = v.InferOutput<typeof answers>;

/** What the view's input holds of a screen question: the rows around the options, and these. */
export const ScreenQuestion = v.object({
  above: v.string(),
  options: v.pipe(
    v.array(v.object({ label: v.string(), number: v.optional(count) })),
    v.maxLength(LIMITS.screenSide),
  ),
  selected: v.number(),
  below: v.string(),
});
export type ScreenQuestion = v.InferOutput<typeof ScreenQuestion>;

/** One field that an MCP server wants filled in. */
const field = v.object({
  name: v.string(),
  title: v.string(),
  about: v.optional(v.string()),
  required: v.boolean(),
  type: v.picklist(["text", "number", "integer", "boolean", "one", "several"]),
  options: v.optional(v.array(v.string()), []),
  /** Bounds of a number, a text's length, or how many are chosen. */
  min: v.optional(v.number()),
  max: v.optional(v.number()),
  format: v.optional(v.picklist(["email", "uri", "date", "date-time"])),
  /** Filled in beforehand, as it would be sent. */
  value: v.optional(v.union([v.string(), v.number(), v.boolean(), v.array(count)])),
});
export type Field = v.InferOutput<typeof field>;
/** What the view's input holds of an elicitation: fields of a form, or a page to be opened. */
export const Elicited = v.object({
  server: v.string(),
  message: v.string(),
  fields: v.optional(v.array(field)),
  url: v.optional(v.string()),
});
export type Elicited = v.InferOutput<typeof Elicited>;
/** How long the texts among some values are in all, in UTF-16 units. */
export const textChars = (values: readonly unknown[]): number =>
  values.reduce<number>((sum, value) => sum + (typeof value === "string" ? value.length : 0), 0);
/** What was filled in, in the order of the fields: null where nothing was; choices by number. */
const fields = v.pipe(
  v.array(
    v.nullable(
      v.union([
        text(LIMITS.messageChars),
        v.number(),
        v.boolean(),
        v.pipe(v.array(count), v.maxLength(LIMITS.fieldOptions)),
      ]),
    ),
  ),
  v.maxLength(LIMITS.fields),
  v.check((values) => textChars(values) <= LIMITS.formChars),
);
export type FieldValues = v.InferOutput<typeof fields>;

/** What an approval may bring along: answers, one of the view's `always` by number, a plan that was edited, a form that was filled in. */
const approval = {
  answers: v.optional(answers),
  always: v.optional(count),
  plan: v.optional(text(LIMITS.planChars)),
  fields: v.optional(fields),
};
export type Approval = v.InferOutput<ReturnType<typeof v.object<typeof approval, undefined>>>;

/** With a rejection: what was read off the screen is no question at all, and nothing is to be pressed. */
const dismiss = v.optional(v.literal(true));

/** Claude Code's short name of a session in the background, as `claude attach` takes it. */
const backgroundJob = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/));

/** Places that a sandbox asked for and was refused, as `--sandbox-host` takes them. */
const refusedPlaces = v.pipe(
  v.array(v.pipe(text(300), v.regex(/^[a-z0-9.-]+(?::\d{1,5})?$/))),
  v.maxLength(LIMITS.refusedPlaces),
);

export const Exit = v.object({
  code: v.pipe(v.number(), v.integer()),
  signal: v.optional(text(16)),
  /** The process that wrapped it was killed: nobody saw how it ended. */
  lost: v.optional(v.boolean()),
  /** The conversation goes on without it: the id of Claude's own background session. */
  background: v.optional(backgroundJob),
  /** Of a sandbox: what it was refused, and which files it changed that tell programs outside what to run. */
  refused: v.optional(refusedPlaces),
  changed: v.optional(v.pipe(v.array(text(LIMITS.changedChars)), v.maxLength(LIMITS.changedFiles))),
});
export type Exit = v.InferOutput<typeof Exit>;

/** Whether permission requests reach us: not for other programs, and not where hooks are switched off. */
const hooks = v.picklist(["waiting", "on", "off", "none"]);
const activity = v.picklist(["unknown", "idle", "busy", "waiting"]);
/** A login page that the screen names, to be opened in a browser; null when it no longer does. */
const authUrl = v.nullable(
  v.pipe(
    text(LIMITS.urlChars),
    v.regex(/^https:\/\/[\x21-\x7e]+$/),
    v.transform((url) => (webAddress(url) === undefined ? null : url)), // `https://[` is none
  ),
);

const path = text(LIMITS.pathChars);
/** Claude's session ids: UUIDs. */
const conversationId = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/));

export const PERMISSION_MODES = ["manual", "plan", "acceptEdits", "auto"] as const;
export const EFFORTS = ["low", "medium", "high", "xhigh", "max"] as const;
/** The flags of Claude's that a session may be started with from afar, each with what its value may be; null takes none. Nothing else is passed on. */
const FLAGS: Record<string, v.GenericSchema<string> | null> = {
  "--model": v.pipe(v.string(), v.regex(/^[a-z0-9][\w.:@[\]-]{0,99}$/i)),
  "--permission-mode": v.picklist(PERMISSION_MODES),
  "--effort": v.picklist(EFFORTS),
  "--name": v.pipe(v.string(), v.regex(/^[^\p{C}\p{Zl}\p{Zp}-][^\p{C}\p{Zl}\p{Zp}]{0,63}$/u)),
  "--resume": conversationId,
  "--continue": null,
  "--fork-session": null,
};
const allowed = (args: string[]): boolean => {
  for (let i = 0; i < args.length; i++) {
    const flag = args[i] ?? "";
    const value = Object.hasOwn(FLAGS, flag) ? FLAGS[flag] : undefined;
    if (value === undefined || (value !== null && !v.is(value, args[++i]))) return false;
  }
  return true;
};
/** Arguments from the allow-list, as argv. */
export const StartArgs = v.pipe(
  v.array(text(LIMITS.argChars)),
  v.maxLength(LIMITS.args),
  v.check(allowed),
);

export const SessionInfo = v.object({
  id,
  host: text(256),
  cwd: text(LIMITS.pathChars),
  command: text(LIMITS.pathChars),
  started_at: count,
  hooks,
  activity,
  /** Whether a terminal shows it where it runs; without one its size follows the phone. */
  desk: v.optional(v.boolean(), true),
  /** Nothing of it is to be written down by the server. */
  unlogged: v.optional(v.boolean(), false),
  /** It runs in a container. */
  sandbox: v.optional(v.boolean(), false),
  /** Where a daemon started it on demand: what to start it with again. */
  args: v.optional(StartArgs),
  /** The conversation has moved to a session of Claude's own in the background; the terminal may show another. */
  background: v.optional(backgroundJob),
  /** What its sandbox asked for and was refused so far. */
  refused: v.optional(refusedPlaces),
});
export type SessionInfo = v.InferOutput<typeof SessionInfo>;
export type SessionStatus = Pick<SessionInfo, "hooks" | "activity" | "background" | "refused">;

/**
 * A key by its name, as tmux has them (`Enter`, `F1`, `C-c`, `M-x`, `C-M-x`, `S-Up`, `C-Left`), or a turn of the mouse wheel. C, M and S are
 * Control, Alt and Shift, in this order.
 */
const KEY =
  /^(?:BTab|Wheel(?:Up|Down)|(?:M-)?(?:Enter|Escape|Tab|BSpace)|M-(?:Space|[^\p{C}\p{Z}])|C-(?:M-)?(?:[a-z\\\]^_]|Space)|(?:C-)?(?:M-)?(?:S-)?(?:Up|Down|Left|Right|Home|End|Insert|Delete|PageUp|PageDown|F(?:[1-9]|1[0-2])))$/u;
const key = v.pipe(v.string(), v.maxLength(16), v.regex(KEY));
/** With a question open these keys still go: they only look around, or say no. */
export const HARMLESS_KEYS: ReadonlySet<string> = new Set([
  ...["Up", "Down", "Right", "Left", "Home", "End", "PageUp", "PageDown", "WheelUp", "WheelDown"],
  ...["Escape", "C-c", "C-o", "C-l"],
]);
/** What is typed from afar: text, Enter, then keys. */
const typed = {
  /** A page's own line of inputs, numbered from 0 or 1: applied in order, each once. */
  stream: id,
  seq: count,
  text: v.optional(text(LIMITS.typedChars)),
  /** Brackets the text, so that the program takes it for a paste. */
  paste: v.optional(v.boolean()),
  enter: v.optional(v.boolean()),
  keys: v.optional(v.pipe(v.array(key), v.maxLength(LIMITS.keys))),
  /** The text goes on in the next input of this stream. It is typed once all of it is there, as one paste. */
  more: v.optional(v.boolean()),
  /** Somebody was asked and means it: text that begins with `!` runs in a shell without a question. */
  shell: v.optional(v.boolean()),
};
export const InputRequest = v.object(typed);
/** The size that a phone wants the terminal to have while it looks on; null gives it back to the desk. */
const wanted = { cols: v.nullable(side), rows: v.optional(side) };
export const ResizeRequest = v.object(wanted);
const signal = v.picklist(["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"]);
export const StopRequest = v.object({ signal: v.optional(signal, "SIGTERM") });

/** A session that a daemon is to start. The same `id` twice is the same session: an answer may have been lost. */
const start = {
  id: v.optional(id),
  cwd: path,
  args: v.optional(StartArgs, []),
  sandbox: v.optional(v.boolean(), false),
  cols: v.optional(side),
  rows: v.optional(side),
};
export const StartRequest = v.object(start);
export type StartRequest = v.InferOutput<typeof StartRequest>;
export const Started = v.object({ session: id });

/** What a daemon says of itself. */
const daemon = {
  /** Folders that sessions may be started in, and in folders below them. */
  roots: v.pipe(v.array(path), v.minLength(1), v.maxLength(LIMITS.roots)),
  /** Folders used of late, the newest first. */
  recent: v.pipe(v.array(path), v.maxLength(LIMITS.folders)),
  /** Why there is no sandbox, in words; null where there is one. */
  no_sandbox: v.nullable(text(1024)),
  /** Whatever is started runs in one. */
  sandbox_always: v.optional(v.boolean()),
  /** How it is with the image that sandboxes run in, once it had to be built. */
  sandbox_image: v.optional(
    v.variant("state", [
      v.object({ state: v.literal("building"), step: text(64) }),
      v.object({ state: v.literal("ready") }),
      v.object({ state: v.literal("failed"), why: text(1024) }),
    ]),
  ),
};
/** One daemon as people see it; `id` is its device's. */
export const RunnerInfo = v.object({
  id,
  name: v.string(),
  host: v.string(),
  online: v.boolean(),
  since: count,
  ...daemon,
});
export type RunnerInfo = v.InferOutput<typeof RunnerInfo>;

/** Folders that what was typed may mean, and earlier conversations of a folder, the newest first. */
const folders = v.pipe(v.array(path), v.maxLength(LIMITS.folders));
const conversations = v.pipe(
  v.array(v.object({ id: conversationId, at: count, title: text(LIMITS.titleChars) })),
  v.maxLength(LIMITS.conversations),
);
export const FoldersAnswer = v.object({ folders });
export const ConversationsAnswer = v.object({ conversations });
export type Conversation = v.InferOutput<typeof conversations>[number];
/** What became of an input; `unconfirmed` is a message of which nothing tells that Claude has it. Refused are those into an open question, shell commands that nobody confirmed, messages that would mix with a draft at the desk, and a number out of turn. */
const inputResult = v.picklist(["applied", "unconfirmed", "asked", "shell", "draft", "order"]);
export type InputResult = v.InferOutput<typeof inputResult>;

export const FromRunner = v.variant("type", [
  v.object({ type: v.literal("hello"), protocol: count, version: text(32), host: text(256) }),
  /** Begins or resumes a session; the list of prompts is the whole truth about them, `first` the oldest history operation still at hand. */
  v.object({
    type: v.literal("session"),
    session: SessionInfo,
    first: count,
    prompts: v.pipe(v.array(Prompt), v.maxLength(2 * LIMITS.openPrompts)),
  }),
  v.object({ type: v.literal("screen"), session: id, frame: Frame }),
  /** `seq` counts a session's history operations from 1. */
  v.object({ type: v.literal("output"), session: id, seq: count, op: HistoryOp }),
  /** Entries of the conversation that end at this place. The file is kept, so nothing is acknowledged: `resume` asks for what is lacking. */
  v.object({
    type: v.literal("transcript"),
    session: id,
    ...place,
    entries: v.pipe(v.array(Entry), v.maxLength(LIMITS.entries)),
  }),
  v.object({ type: v.literal("prompt"), prompt: Prompt }),
  /** What became of a decision. */
  v.object({
    type: v.literal("decided"),
    decision: id,
    result: v.picklist(["sent", "answered", "gone", "changed", "refused"]),
  }),
  /** What became of an input, and the last of its stream that was applied. */
  v.object({
    type: v.literal("typed"),
    input: id,
    result: inputResult,
    seq: v.pipe(v.number(), v.safeInteger(), v.minValue(-1)),
  }),
  v.object({
    type: v.literal("status"),
    session: id,
    hooks,
    activity,
    background: v.optional(backgroundJob),
    refused: v.optional(refusedPlaces),
  }),
  v.object({ type: v.literal("auth_url"), session: id, url: authUrl }),
  /** Something about a turn that somebody away from the desk may want to hear; `working` takes back what was not yet told. */
  v.object({
    type: v.literal("notice"),
    session: id,
    kind: v.picklist(["finished", "waiting", "error", "working"]),
    text: text(LIMITS.noticeChars),
    /** What goes on in the background while the turn is over, in words. */
    running: v.optional(v.pipe(v.array(text(LIMITS.runningChars)), v.maxLength(LIMITS.running))),
    /** The turn began by itself, as something in the background was done. */
    woken: v.optional(v.boolean()),
  }),
  v.object({ type: v.literal("exit"), session: id, exit: Exit, ended_at: count }),
  /** This connection is a daemon's; told again whenever something of it changes. */
  v.object({ type: v.literal("runner"), ...daemon }),
  /** What became of a `start`: the session, or why not, in words for the person. */
  v.object({
    type: v.literal("started"),
    request: id,
    session: v.optional(id),
    refused: v.optional(text(1024)),
  }),
  v.object({
    type: v.literal("found"),
    request: id,
    folders: v.optional(folders),
    conversations: v.optional(conversations),
  }),
  v.object({ type: v.literal("pong") }),
]);
export type FromRunner = v.InferOutput<typeof FromRunner>;

/** The server's first message, the only one in plain text: it proves itself, and both sides derive the keys of the connection. */
export const Greeting = v.object({
  type: v.literal("hello"),
  protocol: count,
  conn: id,
  nonce: text(22),
  mac: text(43),
});
export type Greeting = v.InferOutput<typeof Greeting>;

export const FromServer = v.variant("type", [
  /** The session is known; its history is stored up to operation `seq`, its conversation up to that place. */
  v.object({ type: v.literal("resume"), session: id, seq: count, transcript: TranscriptPlace }),
  v.object({ type: v.literal("ack"), session: id, seq: count }),
  /** The exit is stored; the runner may go. */
  v.object({ type: v.literal("ended"), session: id }),
  v.object({
    type: v.literal("decide"),
    decision: id,
    prompt: id,
    action: decision,
    /** Hex sha256 of the view that was shown; approvals need it. */
    shown: v.optional(text(64)),
    message: v.optional(text(LIMITS.messageChars)),
    dismiss,
    ...approval,
    device: id,
    name: text(LIMITS.nameChars),
  }),
  v.object({ type: v.literal("input"), input: id, session: id, ...typed }),
  v.object({ type: v.literal("resize"), session: id, ...wanted }),
  /** To a session's own connection, or to the daemon that started it, where the session no longer hears. */
  v.object({ type: v.literal("stop"), session: id, signal }),
  v.object({ type: v.literal("start"), request: id, ...start }),
  /** Asks a daemon for folders that begin with a path, or for a folder's conversations, outside or in its sandboxes. */
  v.object({
    type: v.literal("find"),
    request: id,
    what: v.picklist(["folders", "conversations", "sandboxed"]),
    path,
  }),
  v.object({ type: v.literal("ping") }),
  v.object({ type: v.literal("refused"), message: text(1024) }),
]);
export type FromServer = v.InferOutput<typeof FromServer>;

const base64url = (chars: number) =>
  v.pipe(v.string(), v.regex(new RegExp(`^[A-Za-z0-9_-]{${chars}}$`)));
const kind = v.picklist(["viewer", "runner", "machine"]);
/** A device's name: what people see in lists, so no control or direction characters. */
const deviceName = v.pipe(
  text(LIMITS.nameChars),
  v.minLength(1),
  v.regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u),
);

export const PairRequest = v.object({
  code_id: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  kind,
  name: deviceName,
  nonce: base64url(22),
  mac: base64url(43),
});
export type PairRequest = v.InferOutput<typeof PairRequest>;
export const PairResponse = v.object({ device: id, nonce: base64url(22), mac: base64url(43) });
export const ApproveRequest = v.object({
  shown: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  ...approval,
});
export const RejectRequest = v.object({ message: v.optional(text(LIMITS.messageChars)), dismiss });
export const SeenRequest = v.object({ rev: count, stream: v.optional(id) });
export const RenameRequest = v.object({ name: deviceName });
export const CodeRequest = v.object({ kind });

/** What a phone is told while nobody looks at the page; each can be switched off for a device. */
export const PUSH_KINDS = ["prompt", "finished", "waiting", "error", "ended", "paired"] as const;
const pushKind = v.picklist(PUSH_KINDS);
export type PushKind = v.InferOutput<typeof pushKind>;
/** What is switched off, and whether the notification of a prompt may have an Approve button. */
const pushChoice = {
  off: v.optional(v.pipe(v.array(pushKind), v.maxLength(PUSH_KINDS.length)), []),
  approve: v.optional(v.boolean(), false),
};

/** A browser's push subscription, as its `toJSON` tells it, and what its owner chose. */
export const SubscriptionRequest = v.object({
  endpoint: text(LIMITS.endpointChars),
  keys: v.object({ p256dh: base64url(87), auth: base64url(22) }),
  ...pushChoice,
});
export type SubscriptionRequest = v.InferOutput<typeof SubscriptionRequest>;

/** How it stands with notifications on the device that asks; `trouble`: why the server can't send any. */
export const PushState = v.object({
  key: base64url(87),
  endpoint: v.nullable(v.string()),
  trouble: v.optional(v.string()),
  ...pushChoice,
});
export type PushState = v.InferOutput<typeof PushState>;

/** The push service's own answer to a test; 0 where there was none. */
export const PushTest = v.object({ status: count, body: v.string() });

/** What a notification says. It replaces an earlier one of the same tag. */
export const PushMessage = v.object({
  kind: v.picklist([...PUSH_KINDS, "answered", "test"]),
  tag: text(64),
  title: text(256),
  body: text(LIMITS.pushChars),
  /** Where a tap leads, as the page's hash. */
  hash: text(128),
  silent: v.boolean(),
  /** How many prompts wait. */
  waiting: count,
  /** The prompt that its buttons answer; an approval names the view that the body shows whole. */
  prompt: v.optional(id),
  actions: v.array(decision),
  shown: v.optional(text(64)),
});
export type PushMessage = v.InferOutput<typeof PushMessage>;

/** The longest command that a notification is trusted to show whole: one line of plain characters, no run of spaces that could push its end out of sight. */
export const SHOWN_WHOLE = /^(?!.* {2})[!-~](?:[ -~]{0,158}[!-~])?$/;

/** One line of what was done with prompts, sessions and devices. `about`: what was asked, `on`: the device that it was done to. */
export const AuditEntry = v.object({
  id: count,
  at: count,
  device: v.nullable(v.string()),
  name: v.nullable(v.string()),
  action: v.string(),
  detail: v.string(),
  about: v.nullable(v.string()),
  on: v.nullable(v.string()),
});
export type AuditEntry = v.InferOutput<typeof AuditEntry>;

export const SessionSummary = v.object({
  ...SessionInfo.entries,
  status: v.picklist(["running", "ended", "offline"]),
  /** Prompts that wait for an answer. */
  pending: count,
  title: v.string(),
  ended_at: v.nullable(count),
  exit: v.nullable(Exit),
  /** Since when the runner has been away. */
  offline_since: v.nullable(count),
  /** The device where it runs; of a daemon's sessions the daemon's. */
  runner: id,
  auth_url: authUrl,
});
export type SessionSummary = v.InferOutput<typeof SessionSummary>;

export const SessionDetail = v.object({
  session: SessionSummary,
  screen: v.nullable(Frame),
  prompts: v.array(Prompt),
  history: v.object({ generation: count, next: count }),
});

/** A stretch of history, oldest first; a number left out is a line that was lost. `at`: when it was printed, unless nobody knows. */
export const OutputPage = v.object({
  generation: count,
  next: count,
  lines: v.array(v.object({ line: count, row: v.string(), at: v.optional(v.nullable(count)) })),
});
export type OutputPage = v.InferOutput<typeof OutputPage>;

/** A stretch of a conversation, oldest first; it ends before number `next`. */
export const TranscriptPage = v.object({
  next: count,
  entries: v.array(v.object({ n: count, entry: Entry })),
});
export type TranscriptPage = v.InferOutput<typeof TranscriptPage>;

/** What was found, newest first: in a line of history, an entry of a conversation (`place` is its number) or a prompt. `hit` marks what was looked for. */
export const SearchAnswer = v.object({
  results: v.array(
    v.object({
      session: id,
      cwd: v.string(),
      title: v.string(),
      kind: v.picklist(["history", "conversation", "prompt"]),
      place: count,
      snippet: v.array(v.object({ text: v.string(), hit: v.boolean() })),
    }),
  ),
  /** Some of what came last has not been looked through yet. */
  partial: v.boolean(),
});
export type SearchAnswer = v.InferOutput<typeof SearchAnswer>;

export const DeviceInfo = v.object({
  id,
  name: v.string(),
  kind,
  created_at: count,
  last_seen_at: v.nullable(count),
  revoked_at: v.nullable(count),
  minted_by: v.nullable(v.string()),
  self: v.boolean(),
  /** Nobody used it for long: it is locked out until it is let in again. */
  locked: v.optional(v.boolean(), false),
  /** Whether it gets notifications, or its push service refused the last one. */
  push: v.optional(v.picklist(["off", "on", "failing"]), "off"),
});
export type DeviceInfo = v.InferOutput<typeof DeviceInfo>;

/** Events of `GET /events`, by name. */
export const ViewerEvents = {
  /** Without `disk_full` from a server that is older than this `attach`. */
  hello: v.object({ stream: id, insecure: v.boolean(), disk_full: v.optional(v.boolean(), false) }),
  /** The server's disk is full, or has room again. */
  disk: v.object({ full: v.boolean() }),
  /** Something was missed: fetch everything afresh. */
  reset: v.object({}),
  session_start: SessionSummary,
  session_status: SessionSummary,
  session_end: SessionSummary,
  runner_status: v.object({ runner: id, online: v.boolean(), since: count }),
  prompt: Prompt,
  prompt_response: Prompt,
  auth_url: v.object({ session: id, url: authUrl }),
  screen: v.object({ session: id, ...Frame.entries }),
  /** History now ends before `next`; lines from `from` on are replaced by `lines`. Without lines: fetch what is wanted. */
  output: v.object({
    session: id,
    generation: count,
    from: count,
    next: count,
    lines: v.optional(v.array(v.string())),
  }),
  /** The conversation now ends before `next`; entries from `from` on are new. Without them: fetch what is wanted. */
  transcript: v.object({
    session: id,
    from: count,
    next: count,
    entries: v.optional(v.array(Entry)),
  }),
} as const;
export type ViewerEvents = {
  [Name in keyof typeof ViewerEvents]: v.InferOutput<(typeof ViewerEvents)[Name]>;
};

export const ApiError = v.object({
  error: v.object({ code: text(64), message: text(LIMITS.messageChars) }),
});

/** Parses JSON text with a schema; undefined where either fails. */
export function parseJson<S extends v.GenericSchema>(
  schema: S,
  json: string,
): v.InferOutput<S> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const result = v.safeParse(schema, value);
  return result.success ? result.output : undefined;
}

const named = <Name extends keyof ViewerEvents>(name: Name) =>
  v.object({ name: v.literal(name), data: ViewerEvents[name] });
const ViewerEvent = v.variant("name", [
  named("hello"),
  named("disk"),
  named("reset"),
  named("session_start"),
  named("session_status"),
  named("session_end"),
  named("runner_status"),
  named("prompt"),
  named("prompt_response"),
  named("auth_url"),
  named("screen"),
  named("output"),
  named("transcript"),
]);
/** An event of the stream with its name. */
export type ViewerEvent = v.InferOutput<typeof ViewerEvent>;

/** Reads one event of the stream (the text between two empty lines); comments and unknown events have none. */
export function parseEvent(text: string): { id?: string; event?: ViewerEvent } {
  // by line feeds alone: `$` and `.` would also stop at U+2028, which JSON leaves as it is
  const field = (name: string) => new RegExp(`(?:^|\\n)${name}: ([^\\n]*)`).exec(text)?.[1];
  const id = field("id");
  const event = v.safeParse(ViewerEvent, {
    name: field("event"),
    data: parseJson(v.unknown(), field("data") ?? ""),
  });
  return { ...(id === undefined ? {} : { id }), ...(event.success ? { event: event.output } : {}) };
}
