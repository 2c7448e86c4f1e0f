import * as v from "valibot";
import { sha256hex } from "../src/auth.ts";
import { isOpen, LIMITS, type Prompt, parseJson, View } from "../src/types.ts";
import { withdrawnWords } from "../src/viewer/withdrawn.ts";
import { call, RequestError } from "./api.ts";
import { approvalForm } from "./approval.ts";
import { el, mark, setMark } from "./dom.ts";
import { inputParts } from "./input.ts";
import type { Identity } from "./keys.ts";
import { Reading } from "./prompts/reading.ts";
import { fitKeyboard, grow, limit } from "./text-box.ts";
import { bdi, setWords, visibleName, visiblePath, visibleProse } from "./visible.ts";

/** Buttons take no tap for this long after a card appeared, so that nobody hits what was not there a moment ago, in ms. */
const ARM_MS = 400;
/** A settled card stays for this long after the last news of it, one that asks to look at the screen for longer, in ms. */
const LINGER_MS = 6000;
const UNSURE_MS = 20_000;

const UNREAD = "Read it to its end first.";
const CHANGED = "Claude asks something else now: read it anew.";
const Receipt = v.object({ state: v.string() });

const TITLES: Record<string, string> = {
  Bash: "Run a command",
  Write: "Write a file",
  Edit: "Edit a file",
  Read: "Read a file",
  WebFetch: "Fetch a page",
  WebSearch: "Search the web",
  AskUserQuestion: "A question",
  ExitPlanMode: "Approve a plan",
  Elicitation: "A server asks",
  Screen: "A question on the screen",
};

export interface Card {
  element: HTMLElement;
  /** The view that it was drawn from, and that an approval signs: one that changed needs another card. */
  view: string;
  /** What was written to go along with a rejection. */
  words(): string;
  /** The prompt's newest state; true where this settled it, so that the card has shrunk. */
  update(prompt: Prompt): boolean;
  /** Presses one of its buttons, where it can be pressed. */
  press(action: "approve" | "reject"): void;
  /** Takes no tap for a moment: what is under the thumb may have moved. */
  arm(): void;
  /** Whether it may be acted on: not while what is shown may be stale. `why` not is told to the person, unless empty. */
  enable(live: boolean, why?: string): void;
  /** It is no longer on the page. */
  close(): void;
}

/**
 * A card for one prompt: what Claude wants, whole, where, and the answers. `from` leads to the session where it isn't on the
 * page already; `onGone` is called when the card has had its time. `words` were written already, to go along with a
 * rejection; `changed`: it takes the place of a card whose view is no longer what is asked.
 */
export function promptCard(
  identity: Identity,
  first: Prompt,
  from: HTMLElement | undefined,
  onGone: () => void,
  { words, changed }: { words: string; changed: boolean },
): Card {
  let prompt = first;
  let live = true;
  let reason = "";
  let armed = false;
  /** Why it can't be approved yet, where that was told. */
  let hint = changed ? CHANGED : "";
  let busy = false;
  const view = parseJson(View, first.view);
  const sign = mark("you");
  const heading = el(
    "h2",
    { attrs: { id: `title-${first.id}` } },
    sign,
    el(
      "span",
      {},
      ...visibleName(
        (Object.hasOwn(TITLES, view?.tool ?? "") ? TITLES[view?.tool ?? ""] : view?.tool) ??
          "Claude asks",
      ),
    ),
  );
  const state = el("p", { class: "state", attrs: { role: "status" } });
  const message = el("textarea", {
    attrs: {
      rows: "2",
      dir: "auto",
      placeholder: "Goes along with Reject",
      "aria-label": "Message to Claude with the rejection",
    },
    on: {
      input() {
        fitKeyboard(message, false);
        refresh();
      },
    },
    init(box) {
      box.value = words;
      fitKeyboard(box, false);
    },
  });
  grow(message);
  const size = limit(message, LIMITS.messageChars);
  const form = approvalForm(
    first,
    view,
    () => refresh(),
    (part) => unread(part),
  );
  const approve = el("button", {
    class: "approve",
    text: form.label(),
    attrs: { type: "button" },
    on: { click: () => void decide("approve") },
  });
  const reject = el("button", {
    class: "reject",
    text: form.words?.reject ?? "Reject",
    attrs: { type: "button" },
    on: { click: () => void decide("reject") },
  });
  const dismiss = el("button", {
    class: "dismiss",
    text: form.dismiss ?? "",
    attrs: { type: "button" },
    on: { click: () => void decide("reject", true) },
  });
  const actions = el(
    "div",
    { class: "actions" },
    ...(view?.actions.includes("reject") === false ? [] : [reject]),
    ...(view?.actions.includes("approve") ? [approve] : []),
  );
  const details = el(
    "details",
    { class: "why" },
    el("summary", { text: "Tell Claude what to do instead" }),
    message,
    size.note,
  );
  details.open = words !== "";
  const where =
    view === undefined
      ? []
      : [
          "in ",
          ...visiblePath(view.cwd),
          " on ",
          bdi(view.host),
          ...(view.agent === undefined ? [] : [" · from the ", bdi(view.agent), " agent"]),
          ...(view.asker === undefined ? [] : [" · asked by another session: ", bdi(view.asker)]),
        ];
  const note =
    view === undefined
      ? "This question can't be read here, perhaps because this page is older than the server: reload it, or answer at the desk."
      : (view.note ??
        (view.masked === true ? "Dots stand for secrets, which stay on the machine." : undefined));
  const answers = el("div", {}, ...(form.words === undefined ? [details] : []), actions);
  const fold = el("div", { class: "fold" }, answers);
  const text = el(
    "div",
    {},
    el("p", { class: "where" }, ...where),
    ...(view === undefined ? [] : inputParts(view, form.questions, form.covers)),
    ...(note === undefined ? [] : [el("p", { class: "note" }, ...visibleProse(note))]),
    ...form.more,
  );
  const box = el(
    "div",
    {
      class: "asked",
      attrs: {
        role: "group",
        "aria-label": "What is asked",
        // a form has fields to scroll by
        ...(form.questions === undefined ? { tabindex: "0" } : {}),
      },
    },
    text,
    ...(form.dismiss === undefined ? [] : [dismiss]),
  );
  // the keyboard turns the box's pages by itself
  const further = el("p", {
    class: "further",
    on: { click: () => reading.turnPage() },
    init: (words) => (words.hidden = true),
  });
  const element = el(
    "section",
    { class: "card", attrs: { role: "alertdialog", "aria-labelledby": `title-${first.id}` } },
    el("div", { class: "top" }, heading, ...(from === undefined ? [] : [from])),
    box,
    further,
    fold,
    state,
  );
  const reading = new Reading(box, text, () => {
    further.hidden = reading.below === 0 || !isOpen(prompt);
    const lines = `${reading.below} more ${reading.below === 1 ? "line" : "lines"}`;
    if (further.textContent !== lines) further.textContent = lines;
    if (reading.ended && hint !== "") {
      if (state.textContent === hint) state.textContent = reason;
      hint = "";
    }
    refresh();
  });

  async function decide(action: "approve" | "reject", dismissed = false): Promise<void> {
    if (!armed || busy || !live || !isOpen(prompt) || (action === "approve" && !reading.ended))
      return;
    busy = true;
    state.textContent = dismissed
      ? ""
      : action === "reject"
        ? (form.words?.rejecting ?? "Rejecting…")
        : form.questions === undefined
          ? "Approving…"
          : "Answering…";
    refresh();
    const said = message.value.trim();
    const body =
      action === "approve"
        ? { shown: sha256hex(first.view), ...form.given() }
        : dismissed
          ? { dismiss: true }
          : said === ""
            ? {}
            : { message: said };
    try {
      await call(identity, Receipt, "POST", `/api/prompts/${prompt.id}/${action}`, body);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      const unknown =
        "No answer came: this may or may not have arrived. What became of it shows here once the connection is back.";
      if (isOpen(prompt)) setWords(state, error.code === "offline" ? unknown : error.message);
    } finally {
      busy = false;
      refresh();
    }
  }

  function refresh(): void {
    const off = !armed || busy || !live || !isOpen(prompt);
    const words = message.value.trim() !== ""; // they go along with a no alone
    reject.disabled = off || !size.fits();
    dismiss.disabled = off;
    reject.textContent = words ? "Reject and say this" : (form.words?.reject ?? "Reject");
    approve.disabled = off || words || !reading.ended || form.given() === undefined;
    approve.textContent = form.label();
    element.dataset.state = isOpen(prompt) ? (live ? "open" : "stale") : "settled";
    element.dataset.arming = String(!armed);
    if (isOpen(prompt)) setMark(sign, live ? "you" : "away");
  }

  let going: ReturnType<typeof setTimeout> | undefined;
  let arming: ReturnType<typeof setTimeout> | undefined;
  function arm(): void {
    armed = false;
    clearTimeout(arming);
    arming = setTimeout(() => {
      armed = true;
      refresh();
    }, ARM_MS);
    refresh();
  }
  arm();
  /** What would be approved is another text than what was read. */
  function unread(part: HTMLElement): void {
    reading.mustSee(part);
    refresh();
  }
  // Tab passes by a button that is disabled, and it may be quicker than the next frame
  element.addEventListener("keydown", () => reading.look(), true);
  // whoever goes on tapping has not read it
  element.addEventListener("pointerdown", () => void (!armed && arm()), true);

  state.textContent = hint;
  return {
    element,
    view: first.view,
    words: () => message.value,
    close: () => reading.close(),
    press(action) {
      const asks = armed && live && !busy && isOpen(prompt);
      const pressed =
        action === "reject" ? reject : actions.contains(approve) ? approve : undefined;
      if (pressed === approve && asks && !reading.ended) {
        element.scrollIntoView({ block: "nearest" });
        reading.goOn();
        state.textContent = hint = UNREAD;
      } else if (pressed === approve && asks && form.given() === undefined) {
        element.scrollIntoView({ block: "start" });
        state.textContent = "Choose an answer first.";
      } else if (actions.isConnected) pressed?.click();
    },
    arm,
    enable(on, why = "") {
      if (on && !live) arm(); // what is shown may have changed under the thumb
      live = on;
      if (why !== reason && isOpen(prompt)) state.textContent = why || hint;
      reason = why;
      refresh();
    },
    update(next) {
      const wasOpen = isOpen(prompt);
      const news = wasOpen || prompt.answer?.receipt !== next.answer?.receipt;
      prompt = next;
      if (!isOpen(next)) {
        const unsure = next.answer?.receipt === "unconfirmed";
        setWords(state, outcome(identity, next, form.words?.rejected));
        setMark(sign, unsure ? "you" : next.answer?.receipt === "sent" ? "busy" : "ended");
        fold.inert = true;
        further.hidden = true;
        form.questions?.remove();
        if (news) {
          clearTimeout(going);
          going = setTimeout(onGone, unsure ? UNSURE_MS : LINGER_MS);
        }
      } else if (next.state === "sending" && !busy)
        state.textContent = "Being answered on another device…";
      else if (next.state === "pending" && !busy) state.textContent = reason || hint;
      refresh();
      return wasOpen && !isOpen(next);
    },
  };
}

/** What became of a prompt, in words. */
function outcome(identity: Identity, prompt: Prompt, rejected = "Rejected"): string {
  const { answer } = prompt;
  if (prompt.state === "withdrawn" && prompt.kind === "screen")
    return "This is no longer asked on the screen, or was said to be no question.";
  if (prompt.state === "withdrawn")
    return withdrawnWords(prompt) ?? "Claude no longer asks this. Nothing is left to do.";
  if (prompt.state === "expired") return "The session ended before anybody answered.";
  if (answer === undefined) return "Answered.";
  const said =
    (prompt.kind === "question" || prompt.kind === "screen") && answer.message !== undefined
      ? `Answered “${answer.message}”`
      : undefined;
  const what =
    answer.decision === "approve"
      ? (said ?? (prompt.kind === "elicitation" ? "Accepted" : "Approved"))
      : answer.decision === "reject"
        ? rejected
        : "Answered";
  if (answer.by === "desk") return `${what} at the desk.`;
  const who = answer.device === identity.device ? "" : ` by ${answer.name ?? "another device"}`;
  const receipt = {
    applied: " — applied.",
    sent: " — sent…",
    unconfirmed:
      " — sent, but there is no sign that Claude took it. Look at the session's screen: if it still asks, answer at the desk.",
  };
  return `${what}${who}${answer.receipt === undefined ? "." : receipt[answer.receipt]}`;
}
