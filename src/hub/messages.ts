import { sha256hex } from "../auth.ts";
import {
  type Prompt,
  type PushKind,
  type PushMessage,
  parseJson,
  type SessionSummary,
  SHOWN_WHOLE,
  View,
} from "../types.ts";
import { withdrawnWords } from "../viewer/withdrawn.ts";
import { visibleString } from "../visible-text.ts";
import type { Postage } from "./push-service.ts";

/** A message may have some 4 kB once it is encrypted (RFC 8030): its text takes at most this much as JSON, in bytes. */
const BODY_BYTES = 2000;
const TITLE_BYTES = 200;
/** As long as a permission waits; news that nobody has seen by then is old; who was let in is worth knowing for longer. In seconds. */
const PROMPT_TTL_S = 86_400;
const NEWS_TTL_S = 12 * 3600;
const PAIRED_TTL_S = 7 * 86_400;

/** What a notification says of one kind of tool: the title, and which part of the input tells most. */
const TOOLS: Record<string, [title: string, part: string]> = {
  Bash: ["Run a command?", "command"],
  Write: ["Write a file?", "file_path"],
  Edit: ["Edit a file?", "file_path"],
  Read: ["Read a file?", "file_path"],
  WebFetch: ["Fetch a page?", "url"],
  WebSearch: ["Search the web?", "query"],
  AskUserQuestion: ["Claude has a question", "questions"],
  ExitPlanMode: ["Approve a plan?", "plan"],
  Elicitation: ["An MCP server asks", "message"],
  Screen: ["A question on the screen", "above"],
};

/** Text for a notification: every hidden character as its code point, and no longer than so many bytes of JSON. */
function shown(text: string, bytes = BODY_BYTES): string {
  const visible = visibleString(text.slice(0, bytes), { prose: true });
  const size = (part: string) => Buffer.byteLength(JSON.stringify(part));
  if (text.length <= bytes && size(visible) <= bytes) return visible;
  let end = visible.length;
  while (size(visible.slice(0, end)) > bytes - 5) end = Math.floor(end * 0.9);
  return `${visible.slice(0, end).toWellFormed()}…`;
}

/** The name of a session's folder, as the lists show it. */
const nameOf = ({ cwd }: Pick<SessionSummary, "cwd">) =>
  cwd.replace(/\/+$/, "").split("/").pop() || cwd;

const titled = (title: string, place: string) => shown(`${title} · ${place}`, TITLE_BYTES);

/** The first question of an AskUserQuestion, or whatever else stands in an input, as text. */
function told(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value))
    return value
      .map((part: unknown) =>
        typeof part === "object" && part !== null && "question" in part
          ? told(part.question)
          : told(part),
      )
      .join("\n");
  return JSON.stringify(value) ?? "";
}

/** The command of a view, if a notification shows it whole and nothing else would be approved with it. */
function wholeCommand({ kind }: Prompt, view: View): string | undefined {
  const { command, description: _, ...rest } = view.input;
  const plain =
    kind === "permission" &&
    view.tool === "Bash" &&
    view.masked !== true &&
    view.actions.includes("approve") &&
    Object.keys(rest).length === 0;
  return plain && typeof command === "string" && SHOWN_WHOLE.test(command) ? command : undefined;
}

/** A prompt waits. `approve`: the device wants to approve from the notification, which it may where the whole command is in it. */
export function promptMessage(prompt: Prompt, waiting: number, approve: boolean): PushMessage {
  const view = parseJson(View, prompt.view);
  const [title, part] = TOOLS[view?.tool ?? ""] ?? [
    view === undefined ? "Claude asks" : `Use ${view.tool}?`,
    "",
  ];
  const input =
    view === undefined
      ? ""
      : part !== "" && part in view.input
        ? told(view.input[part])
        : told(view.input);
  const where =
    view === undefined
      ? ""
      : `${view.cwd} on ${view.host}${view.agent === undefined ? "" : `, from the ${view.agent} agent`}${view.asker === undefined ? "" : `, asked by another session: ${view.asker}`}`;
  const command = view === undefined ? undefined : wholeCommand(prompt, view);
  return {
    kind: "prompt",
    tag: prompt.id,
    title: titled(title, view === undefined ? prompt.session : nameOf(view)),
    body: `${command ?? shown(input, BODY_BYTES - 400)}\n${shown(where, 300)}`,
    hash: `#/s/${prompt.session}`,
    silent: false,
    waiting,
    prompt: prompt.id,
    // of a screen question a no is a key, and what that does stands on the screen alone
    actions: [
      ...(view?.actions.includes("reject") && prompt.kind !== "screen" ? ["reject" as const] : []),
      ...(approve && command !== undefined ? ["approve" as const] : []),
    ],
    ...(approve && command !== undefined ? { shown: sha256hex(prompt.view) } : {}),
  };
}

/** A prompt that phones were told is answered or gone: this takes the place of its notification, without a sound. */
export function answeredMessage(prompt: Prompt, waiting: number): PushMessage {
  const { answer, state } = prompt;
  const what =
    answer?.decision === "approve"
      ? "Approved"
      : answer?.decision === "reject"
        ? "Rejected"
        : "Answered";
  const by =
    answer?.by === "viewer"
      ? ` by ${answer.name ?? "another device"}`
      : answer === undefined
        ? ""
        : " at the desk";
  const body =
    state === "withdrawn"
      ? (withdrawnWords(prompt) ?? "Claude no longer asks this.")
      : state === "expired"
        ? "The session ended before anybody answered."
        : `${what}${by}.`;
  const title = promptMessage(prompt, waiting, false).title.replace("?", "");
  return {
    kind: "answered",
    tag: prompt.id,
    title,
    body: shown(body),
    hash: `#/s/${prompt.session}`,
    silent: true,
    waiting,
    actions: [],
  };
}

const NOTICES = {
  finished: "Claude finished",
  waiting: "Claude waits for you",
  error: "Claude ran into an error",
} as const;

/** Something about a session's turn, and what goes on in the background; `silent` where it was told before in other words, or more is to come. */
export function noticeMessage(
  kind: keyof typeof NOTICES,
  session: SessionSummary,
  text: string,
  waiting: number,
  silent: boolean,
  running: readonly string[] = [],
): PushMessage {
  const room = running.length === 0 ? BODY_BYTES : BODY_BYTES - 400;
  const said = shown(text.trim(), room) || `on ${shown(session.host, 300)}`;
  const body =
    running.length === 0 ? said : `${said}\n${shown(`Still running: ${running.join(" · ")}`, 390)}`;
  return {
    kind,
    tag: session.id,
    title: titled(NOTICES[kind], nameOf(session)),
    body,
    hash: `#/s/${session.id}`,
    silent,
    waiting,
    actions: [],
  };
}

/** A session is over; without a sound where somebody ended it in the ordinary way. */
export function endedMessage(session: SessionSummary, waiting: number): PushMessage {
  const { exit, host } = session;
  const plain = exit !== null && exit.code === 0 && exit.signal === undefined;
  const how =
    plain || exit === null
      ? ""
      : exit.lost === true
        ? ": its claude-remote was killed"
        : exit.signal === undefined
          ? `, with exit code ${exit.code}`
          : `, by ${exit.signal}`;
  const title = titled("Session ended", nameOf(session));
  return {
    kind: "ended",
    tag: session.id,
    title,
    body: shown(
      exit?.background === undefined
        ? `It ended on ${host}${how}.`
        : `Its conversation goes on in the background on ${host}: claude attach ${exit.background}`,
    ),
    hash: `#/s/${session.id}`,
    silent: plain,
    waiting,
    actions: [],
  };
}

/** The image of a machine's sandboxes is there, or can't be built. */
export function imageMessage(
  device: { id: string; name: string },
  built: boolean,
  waiting: number,
): PushMessage {
  const where = shown(device.name, 300);
  return {
    kind: built ? "finished" : "error",
    tag: device.id,
    title: built ? "The sandbox is ready" : "The sandbox can't be built",
    body: built
      ? `Sessions can be started in it on ${where}.`
      : `Its image could not be built on ${where}. Start a session again, and it says why.`,
    hash: `#/new?${new URLSearchParams({ runner: device.id })}`,
    silent: false,
    waiting,
    actions: [],
  };
}

/** Somebody was let in: whoever did not do that wants to know. */
export function pairedMessage(
  device: { id: string; name: string; kind: string },
  waiting: number,
): PushMessage {
  const may = device.kind === "runner" ? "show its sessions here" : "see and answer every session";
  const body = shown(`“${device.name}” may now ${may}. Not you? Revoke it.`);
  return {
    kind: "paired",
    tag: device.id,
    title: "A new device was paired",
    body,
    hash: "#/devices",
    silent: false,
    waiting,
    actions: [],
  };
}

/** How a message travels. */
export function postageOf(kind: PushKind, tag: string): Postage {
  // ids are opaque: one that is no topic gets another name
  const topic = /^[\w-]{1,32}$/.test(tag) ? tag : sha256hex(tag).slice(0, 32);
  const ttl = kind === "prompt" ? PROMPT_TTL_S : kind === "paired" ? PAIRED_TTL_S : NEWS_TTL_S;
  return {
    topic,
    ttl,
    urgency: kind === "prompt" || kind === "error" || kind === "paired" ? "high" : "normal",
  };
}
