import { LIMITS, type ScreenQuestion, type SessionInfo, type View } from "../types.ts";
import { askedLine, choose, type Keyboard, pressKey } from "./choosing.ts";
import {
  type Dialog,
  dialogKey,
  isSame,
  isSamePicker,
  type Look,
  parseDialog,
  unreadable,
} from "./dialogs.ts";
import { keyBytes } from "./input.ts";
import type { Decide, Entry, Ledger } from "./ledger.ts";
import { maskDecided } from "./masking/decision.ts";
import type { Screen } from "./screen.ts";

/** A question has to stand still for so long before anybody is asked, in ms; what can't be read may still be on its way, so longer. */
const STILL_MS = 400;
const UNREAD_MS = 1500;
/** Whoever types at the desk sees what can't be read here: only so long after that is anybody else told, in ms. */
const AT_DESK_MS = 5000;
/** A hook tells more than the screen, but its process may start late where the machine is busy: it has so long, in ms. */
const HOOK_MS = 3000;
/** While the screen changes it is looked at this often, in ms. */
const LOOK_MS = 100;
/** A program that paints anew may show nothing for a moment: after this long the question is gone, in ms. */
const GONE_MS = 120;
/** What can't be chosen from afar, and why. */
const BARS: Record<NonNullable<Dialog["bars"]>, string> = {
  several: "Several of these can be chosen: that is done at the desk.",
  cut: "This is larger than the screen, so it can't be shown whole: answer at the desk, or make the terminal taller.",
};

export interface ScreenQuestionsOptions {
  ledger: Ledger;
  /** For the view: on which machine, in which folder. */
  host: string;
  cwd: string;
  /** Claude Code has signs of its own, and a status. */
  isClaude: boolean;
  screen(): Screen | undefined;
  activity(): SessionInfo["activity"];
  /** Claude calls a hook for the dialog that is open. */
  hookDue?(): boolean;
  /** A code is to be pasted: what waits is a field, and that is what the keys are for. */
  pastes(): boolean;
  write(data: string): void;
}

/** Questions that no hook tells of, read off the screen. Whatever was read there is read again before any key is sent. */
export function followScreen(options: ScreenQuestionsOptions) {
  const { ledger, isClaude } = options;
  const look = (): Look | undefined => {
    const screen = options.screen();
    return screen && { rows: screen.plain(), cursor: screen.cursor(), tone: screen.tone };
  };
  /** With its options as they are shown. */
  let open: { entry: Entry; dialog: Dialog; shown: Dialog } | undefined;
  let carrying = false;
  /** What seems to be asked, and since when. */
  let seen: { key: string; since: number } | undefined;
  /** Somebody said that this is no question. */
  let dismissed: Dialog | undefined;
  let dismissedGoneAt: number | undefined;
  /** When somebody else pressed a key, at the desk or from afar. */
  let touched = Number.NEGATIVE_INFINITY;
  let typedAt = Number.NEGATIVE_INFINITY;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let due = 0;
  let goneAt: number | undefined;

  const now = (): Dialog | undefined => {
    const seen = look();
    return seen && parseDialog(seen, isClaude);
  };
  /** Whether there may be a question at all: while Claude is idle or at work, a list is something to read. */
  const mayAsk = () =>
    !isClaude || options.activity() === "waiting" || options.activity() === "unknown";

  /** Whether Claude waits where no question can be read; the field for a login's code is none. */
  const waitsUnread = () => isClaude && options.activity() === "waiting" && !options.pastes();

  const check = () => {
    timer = undefined;
    if (carrying) return;
    const dialog = mayAsk() ? (now() ?? (waitsUnread() ? unreadableNow() : undefined)) : undefined;
    const key = dialogKey(dialog);
    keepDismissed(dialog);
    if (open !== undefined) {
      goneAt = isSame(dialog, open.dialog) ? undefined : (goneAt ?? performance.now());
      if (goneAt !== undefined && performance.now() - goneAt >= GONE_MS) close();
      else if (goneAt !== undefined) again(GONE_MS);
    }
    if (
      dialog === undefined ||
      key === undefined ||
      dismissed !== undefined ||
      open !== undefined
    ) {
      seen = undefined;
      return;
    }
    if (seen?.key !== key) seen = { key, since: performance.now() };
    const dueAt =
      dialog.way === "none"
        ? Math.max(seen.since + UNREAD_MS, typedAt + AT_DESK_MS)
        : seen.since + (options.hookDue?.() === true ? HOOK_MS : STILL_MS);
    const left = dueAt - performance.now();
    if (left > 0) return again(left);
    if (ledger.busy()) return again(STILL_MS); // its own dialog, or one that was just answered
    ask(dialog);
  };
  /** What somebody said is no question stays none as long as it is there: with an arrow key it scrolls, and for a moment it may be half painted. */
  const keepDismissed = (dialog: Dialog | undefined) => {
    if (dismissed === undefined) return;
    const isThere = dialog !== undefined && isSamePicker(dismissed, dialog);
    if (isThere) dismissed = dialog.way === "none" ? dismissed : dialog;
    dismissedGoneAt = isThere ? undefined : (dismissedGoneAt ?? performance.now());
    const goneFor = performance.now() - (dismissedGoneAt ?? performance.now());
    if (isThere) return;
    if (dialog !== undefined || goneFor >= STILL_MS || !mayAsk())
      dismissed = dismissedGoneAt = undefined;
    else again(STILL_MS - goneFor);
  };
  const again = (ms: number) => {
    const at = performance.now() + ms;
    if (timer !== undefined && due <= at) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(check, ms);
  };
  const close = () => {
    const entry = open?.entry;
    open = undefined;
    goneAt = undefined;
    if (entry !== undefined) ledger.withdraw(entry);
  };
  const unreadableNow = () => {
    const seen = look();
    return seen && unreadable(seen);
  };

  const ask = (dialog: Dialog) => {
    const made = makeView(dialog);
    seen = undefined;
    if (made === undefined) return;
    const entry = ledger.open("screen", made.view, { take, release: () => undefined });
    if (entry !== undefined) open = { entry, dialog, shown: made.shown };
  };

  const makeView = (dialog: Dialog): { view: View; shown: Dialog } | undefined => {
    const plain = look();
    const masked = plain && { ...plain, rows: options.screen()?.text() ?? [] };
    const shown =
      masked && (dialog.way === "none" ? unreadable(masked) : parseDialog(masked, isClaude));
    if (
      plain === undefined ||
      masked === undefined ||
      shown?.way !== dialog.way ||
      shown.options.length !== dialog.options.length
    )
      return undefined;
    const input: ScreenQuestion = {
      above: shown.above.join("\n"),
      options: shown.options,
      selected: shown.selected,
      below: shown.below.join("\n"),
    };
    const opaque = hides(dialog, shown);
    const note =
      dialog.way === "none"
        ? "This asks for more than a choice, or does not fit the screen: answer at the desk, or make the terminal taller."
        : dialog.bars !== undefined
          ? BARS[dialog.bars]
          : opaque
            ? "Dots stand for what looks like a secret, and could hide part of what is asked: answer at the desk."
            : undefined;
    // in a line that is typed Escape means something else, and other programs may not know it
    const leaves = isClaude ? (["reject"] as const) : [];
    const view: View = {
      tool: "Screen",
      input,
      ...(dialogKey(shown) === dialogKey(dialog) ? {} : { masked: true }),
      cwd: options.cwd,
      host: options.host,
      actions: note === undefined ? ["approve", ...leaves] : [...leaves],
      ...(note === undefined ? {} : { note }),
    };
    return JSON.stringify(view).length <= LIMITS.viewChars ? { view, shown } : undefined;
  };

  const take = async ({ action, dismiss, answers }: Decide) => {
    if (open === undefined) return "gone";
    const { dialog: asked, shown } = open;
    if (dismiss === true) {
      dismissed = asked;
      open = undefined;
      return "dismissed";
    }
    const chosen = answers?.[0]?.options ?? [];
    const wanted = chosen[0];
    const option = wanted === undefined ? undefined : shown.options[wanted]; // what is told of it has no secrets either
    if (
      action === "approve" &&
      (option === undefined ||
        wanted === undefined ||
        answers?.length !== 1 ||
        chosen.length !== 1 ||
        answers[0]?.text !== undefined)
    )
      return "refused";
    carrying = true;
    const pressed =
      action === "reject"
        ? await pressKey(keyboard, asked, "Escape")
        : await choose(keyboard, asked, wanted ?? 0);
    carrying = false;
    if (pressed === "pressed") open = undefined;
    changed();
    if (pressed === "refused") return "refused";
    if (pressed === "lost") return current(asked) === undefined ? "gone" : "changed";
    const found = () =>
      asked.way === "word"
        ? !keyboard.line().startsWith(askedLine(asked))
        : !isSame(current(asked), asked);
    return {
      said: action === "approve" ? option?.label.slice(0, LIMITS.messageChars) : undefined,
      found,
    };
  };

  /** What is asked now, as far as it can be compared with `asked`. */
  const current = (asked: Dialog) => (asked.way === "none" ? unreadableNow() : now());
  const keyboard: Keyboard = {
    async still(asked) {
      await options.screen()?.drawn();
      const dialog = current(asked);
      return isSame(dialog, asked) && mayAsk() && !ledger.busy(open?.entry) ? dialog : undefined;
    },
    selected: (asked) => current(asked)?.selected,
    /** The row where the cursor is. */
    line() {
      const { rows, cursor } = look() ?? { rows: [], cursor: { y: 0 } };
      return (rows[cursor.y] ?? "").trim();
    },
    press: (key) =>
      options.write(keyBytes(key, options.screen()?.modes().applicationCursor === true)),
    write: options.write,
    touched: () => touched,
  };

  const changed = () => {
    if (open !== undefined && !carrying && ledger.busy(open.entry)) close(); // a hook tells of it
    if (open !== undefined || dismissed !== undefined || mayAsk()) again(LOOK_MS);
  };

  return {
    /** The screen, Claude's status or another prompt has changed. */
    changed,

    /** Somebody else presses a key, at the desk or from afar: what it does is not on the screen yet. */
    touch(atDesk: boolean): void {
      touched = performance.now();
      if (atDesk) typedAt = touched;
    },

    /** Whether keys could answer something now: looked up on the screen itself, which knows it before all else. */
    asked(): boolean {
      if (carrying || open !== undefined) return true;
      const dialog = isClaude ? now() : undefined;
      if (dialog !== undefined) return dismissed === undefined || !isSamePicker(dismissed, dialog);
      const unread = waitsUnread() ? unreadableNow() : undefined;
      return unread !== undefined && (dismissed === undefined || !isSamePicker(dismissed, unread));
    },

    close(): void {
      clearTimeout(timer);
    },
  };
}

/** A question about a credential may show one. */
const ASKS_FOR_ONE = /\b(?:key|token|secret|password|credential)s?\b/i;

/** Whether dots stand in what is asked where they could hide something that is decided on. */
function hides(asked: Dialog, shown: Dialog): boolean {
  const textOf = ({ above, options, below }: Dialog) =>
    [...above, ...options.map(({ label }) => label), ...below].join("\n");
  const plain = textOf(asked);
  const dotted = textOf(shown);
  if (plain === dotted) return false;
  const decided = maskDecided(plain, ASKS_FOR_ONE.test(plain) ? "credential" : "");
  return (
    decided.opaque ||
    dotted
      .split("")
      .some((sign, i) => sign === "•" && plain.charAt(i) !== "•" && decided.text.charAt(i) !== "•")
  );
}
