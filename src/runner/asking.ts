import { hostname } from "node:os";
import { isOpen, type Prompt, type SessionInfo } from "../types.ts";
import { openElicitations } from "./elicitations.ts";
import {
  decisionApplied,
  dialogOnScreen,
  hookRunsOnScreen,
  hookWordsOnScreen,
  trustedTranscript,
} from "./evidence.ts";
import { type HookEvent, type HookHandlers, listenForHooks } from "./hooks.ts";
import { openLedger } from "./ledger.ts";
import { openPrompts } from "./prompts.ts";
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
  /** Where a path of Claude's is out here. */
  outside: ((path: string) => string) | undefined;
  screen(): Screen | undefined;
  activity(): SessionInfo["activity"];
  /** The screen asks for a login's code: that is what the keys are for. */
  pastes(): boolean;
  /** Whether the server hears of prompts. */
  heard(): boolean;
  /** Keys for the program. */
  write(data: string): void;
  onChange(prompt: Prompt): void;
  onHurry(hurry: boolean): void;
  /** A hook has called. */
  onHook(event: HookEvent): void;
}

/** All that can ask somebody in a session: Claude's hooks, and the screen. */
export function openAsking({
  session,
  cwd,
  isClaude,
  configDir,
  hookSocket,
  outside,
  screen,
  activity,
  pastes,
  heard,
  write,
  onChange,
  onHurry,
  onHook,
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
  const questions = followScreen({ ledger, host, cwd, isClaude, screen, activity, pastes, write });

  const text = () => screen()?.text() ?? [];
  const dialogOpen = () => {
    if (activity() !== "unknown") return activity() === "waiting";
    return screen() === undefined ? undefined : dialogOnScreen(text());
  };
  let keys = 0; // that could have answered a dialog: so many have come, from the desk or from afar
  const waits = () => activity() === "waiting";
  const prompts = openPrompts({
    ledger,
    host,
    dialogOpen,
    waits,
    watch(event, action) {
      const transcript = trustedTranscript(event.transcript_path, configDir);
      const since = transcript === undefined ? 0 : (fileSize(transcript, transcript) ?? 0);
      const words = hookWordsOnScreen(text(), action);
      const pressed = keys;
      let waited = activity() === "waiting";
      return () => {
        waited ||= activity() === "waiting";
        // Claude writes of an allowed call only once it has run: that it went to work, and no key was pressed, was our answer
        if (action === "approve" && waited && activity() === "busy" && keys === pressed)
          return true;
        // the dialog must be gone; one that is open may be the next prompt's, which has come by then
        if (dialogOpen() === true && !ledger.list().some((prompt) => prompt.state === "pending"))
          return false;
        const call = { name: event.tool_name, input: event.tool_input };
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
  });
  const handlers: HookHandlers = {
    waits,
    onPermission(event, signal) {
      onHook(event);
      return prompts.ask(event, signal);
    },
    onElicitation(event, signal) {
      onHook(event);
      return elicitations.ask(event, signal);
    },
    onEvent(event) {
      onHook(event);
      prompts.note(event);
    },
  };
  const hooks = isClaude ? listenForHooks(handlers, outside, hookSocket) : undefined;

  return {
    ledger,
    /** Claude's settings and environment have to name these. */
    hooks,
    screenChanged: questions.changed,
    /** Claude is at work, idle, or waits. */
    activityChanged(now: SessionInfo["activity"]): void {
      if (now === "waiting") hooks?.waitBegins();
      prompts.dialog(now === "waiting");
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
    asked: () => questions.asked() || ledger.list().some(isOpen),
    /** The session is over; resolves once it is known what became of the last answers. */
    end(): Promise<void> {
      questions.close();
      const ended = ledger.end();
      hooks?.close();
      return ended;
    },
  };
}
