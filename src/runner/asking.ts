import { hostname } from "node:os";
import * as v from "valibot";
import type { Prompt, SessionInfo } from "../types.ts";
import { parseDialog } from "./dialogs.ts";
import { openElicitations } from "./elicitations.ts";
import {
  decisionApplied,
  dialogOnScreen,
  hookRunsOnScreen,
  hookWordsOnScreen,
  outcomeOf,
  transcriptFor,
  trustedTranscript,
} from "./evidence.ts";
import {
  type HookEvent,
  type HookHandlers,
  listenForHooks,
  type PermissionRequest,
} from "./hooks.ts";
import { openLedger } from "./ledger.ts";
import { openPrompts, type Whose } from "./prompts.ts";
import { fileSize } from "./real-file.ts";
import type { Screen } from "./screen.ts";
import { followScreen } from "./screen-questions.ts";

export interface AskingOptions {
  session: string;
  cwd: string;
  /** Claude Code calls hooks; of other programs there is only the screen. */
  isClaude: boolean;
  /** Claude Code's own folder, as it is out here. */
  configDir: string;
  /** The socket that hooks call, where claude runs out here. */
  hookSocket?: string | undefined;
  /** The real folders that transcripts are in. */
  roots?: readonly string[];
  /** Where a path of Claude's is out here. */
  outside: ((path: string) => string) | undefined;
  screen(): Screen | undefined;
  activity(): SessionInfo["activity"];
  /** Claude calls a hook for the dialog that is open. */
  hookDue?: () => boolean;
  /** Whose a conversation is, and what a session does that is not shown here. */
  whose?: (conversation: string) => Whose;
  activityOf?: (conversation: string) => SessionInfo["activity"];
  /** The screen asks for a login's code: that is what the keys are for. */
  pastes(): boolean;
  /** Whether the server hears of prompts. */
  heard(): boolean;
  /** Keys for the program. */
  write(data: string): void;
  onChange(prompt: Prompt): void;
  onHurry(hurry: boolean): void;
  /** A hook has called; `own` of the claude that is shown. */
  onHook(event: HookEvent, own: boolean): void;
  /** A line that Claude is to show at the desk. */
  news?: (() => string | undefined) | undefined;
}

/** Whether a session that is not shown here still waits at its question is looked up this often, in ms. */
const ELSEWHERE_MS = 1000;
/** So long after the phone's answer a denial that somebody else gave first is written down, in ms. */
const REFUTED_MS = 300;

/** Events whose answer can hold a message that Claude shows. */
const SHOWS: ReadonlySet<string> = new Set(["PostToolUse", "PostToolUseFailure", "Stop"]);

const ProjectRule = v.looseObject({
  destination: v.picklist(["localSettings", "projectSettings"]),
});

/** What Claude suggests to allow for good, for the session alone: inside a sandbox nothing can be saved in the project's settings. */
function withoutProjectRules(event: PermissionRequest): PermissionRequest {
  const suggestions = event.permission_suggestions?.map((given) =>
    v.is(ProjectRule, given) ? { ...given, destination: "session" } : given,
  );
  return { ...event, permission_suggestions: suggestions };
}

/** All that can ask somebody in a session: Claude's hooks, and the screen. */
export function openAsking({
  session,
  cwd,
  isClaude,
  configDir,
  hookSocket,
  roots,
  outside,
  screen,
  activity,
  hookDue = () => false,
  whose = () => ({ own: true }),
  activityOf = () => "unknown",
  pastes,
  heard,
  write,
  onChange,
  onHurry,
  onHook,
  news,
}: AskingOptions) {
  const host = hostname();
  const ledger = openLedger({
    session,
    onHurry,
    onChange(prompt) {
      onChange(prompt);
      questions.changed();
    },
  });
  const questions = followScreen({
    ...{ ledger, host, cwd, isClaude, screen, activity, hookDue, pastes, write },
  });

  const text = () => screen()?.text() ?? [];
  /** Whether a dialog is on the screen, as far as that can be read. */
  const seesDialog = (): boolean | undefined => {
    const now = screen();
    if (now === undefined) return undefined;
    return (
      dialogOnScreen(now.text()) ||
      parseDialog({ rows: now.plain(), cursor: now.cursor() }, true) !== undefined
    );
  };
  const dialogOpen = () => {
    if (activity() !== "unknown") return activity() === "waiting";
    return seesDialog();
  };
  const openIn = (conversation: string): boolean | undefined => {
    if (whose(conversation).own) return dialogOpen();
    const now = activityOf(conversation);
    return now === "unknown" ? undefined : now === "waiting";
  };
  let keys = 0; // that could have answered a dialog: so many have come, from the desk or from afar
  const waits = () => activity() === "waiting";
  const trusted = (event: PermissionRequest) =>
    trustedTranscript(transcriptFor(event), configDir, roots) ??
    trustedTranscript(event.transcript_path, configDir, roots);
  const endOf = (transcript: string | undefined) =>
    transcript === undefined ? 0 : (fileSize(transcript, transcript) ?? 0);
  const prompts = openPrompts({
    ledger,
    host,
    dialogOpen: openIn,
    waits,
    whose,
    outcome(event) {
      let transcript = trusted(event); // the first turn's is about to be written
      const since = endOf(transcript);
      const call = { name: event.tool_name, input: event.tool_input };
      return () => {
        transcript ??= trusted(event);
        return transcript === undefined ? undefined : outcomeOf(transcript, since, call);
      };
    },
    isWritten: (event) => trusted(event) !== undefined,
    watch(event, action) {
      const own = whose(event.session_id).own;
      const transcript = trusted(event);
      const since = endOf(transcript);
      const begun = performance.now();
      const words = hookWordsOnScreen(text(), action);
      const pressed = keys;
      let waited = activity() === "waiting";
      const call = { name: event.tool_name, input: event.tool_input };
      return () => {
        waited ||= activity() === "waiting";
        if (action === "approve" && transcript !== undefined) {
          const decided = outcomeOf(transcript, since, call);
          if (decided !== undefined && decided.decision !== "approve") return "refuted"; // somebody was quicker
        }
        // Claude writes of an allowed call only once it has run: that it went to work, and no key was pressed, was our answer
        if (
          action === "approve" &&
          own &&
          waited &&
          activity() === "busy" &&
          keys === pressed &&
          performance.now() - begun >= REFUTED_MS
        )
          return true;
        // the dialog must be gone; one that is open may be the next prompt's, which has come by then
        if (
          openIn(event.session_id) === true &&
          !ledger.list().some((prompt) => prompt.state === "pending")
        )
          return false;
        return (
          (transcript !== undefined && decisionApplied(transcript, since, call, action)) ||
          hookWordsOnScreen(text(), action) > words
        );
      };
    },
  });
  const elicitations = openElicitations({
    ledger,
    host,
    heard,
    waits: () => hookRunsOnScreen(text(), "Elicitation"),
    whose,
  });
  const elsewhere = new Map<string, number>(); // sessions that are not shown here, with so many questions
  const sawElsewhere = () => {
    for (const conversation of elsewhere.keys()) {
      const now = activityOf(conversation);
      if (now !== "unknown") prompts.dialog(now === "waiting", conversation);
    }
  };
  let looking: ReturnType<typeof setInterval> | undefined;
  /** Another session's dialog is not on this screen: its own status tells how it goes on. */
  const watchElsewhere = async <T>(conversation: string, asked: Promise<T>): Promise<T> => {
    elsewhere.set(conversation, (elsewhere.get(conversation) ?? 0) + 1);
    looking ??= setInterval(sawElsewhere, ELSEWHERE_MS);
    try {
      return await asked;
    } finally {
      const left = (elsewhere.get(conversation) ?? 1) - 1;
      if (left > 0) elsewhere.set(conversation, left);
      else elsewhere.delete(conversation);
      if (elsewhere.size === 0) {
        clearInterval(looking);
        looking = undefined;
      }
    }
  };
  const handlers: HookHandlers = {
    waits,
    onPermission(event, signal) {
      const { own } = whose(event.session_id);
      onHook(event, own);
      const asked = prompts.ask(outside === undefined ? event : withoutProjectRules(event), signal);
      return own ? asked : watchElsewhere(event.session_id, asked);
    },
    onElicitation(event, signal) {
      onHook(event, whose(event.session_id).own);
      return elicitations.ask(event, signal);
    },
    onEvent(event) {
      onHook(event, whose(event.session_id).own);
      prompts.note(event);
    },
    message: (event) => (SHOWS.has(event.hook_event_name) ? news?.() : undefined),
  };
  const hooks = isClaude ? listenForHooks(handlers, outside, hookSocket) : undefined;

  return {
    ledger,
    /** Claude's settings and environment have to name these. */
    hooks,
    screenChanged(): void {
      questions.changed();
      // where Claude's status can't be read, the screen tells that its dialog came and went
      if (activity() === "unknown" && ledger.waits()) prompts.dialog(seesDialog() === true);
    },
    /** Claude is at work, idle, or waits. */
    activityChanged(now: SessionInfo["activity"]): void {
      if (now === "waiting") hooks?.waitBegins();
      if (now !== "unknown") prompts.dialog(now === "waiting");
      questions.changed();
    },
    /** A key goes to the program from afar. */
    touch(): void {
      keys++;
      questions.touch(false);
    },
    /** Somebody types at the desk. */
    typed(): void {
      keys++;
      questions.touch(true);
      prompts.typed();
      elicitations.typed();
    },
    /** Whether keys from afar could answer something. */
    asked: () => questions.asked() || ledger.waits(),
    /** The session is over; resolves once it is known what became of the last answers. */
    end(): Promise<void> {
      questions.close();
      clearInterval(looking);
      const ended = ledger.end();
      hooks?.close();
      return ended;
    },
  };
}
