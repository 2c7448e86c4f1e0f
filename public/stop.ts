import * as v from "valibot";
import type { SessionSummary } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import { isLive } from "./bar.ts";
import { el } from "./dom.ts";
import type { Identity } from "./keys.ts";
import { daemonFor, isCut, newHere } from "./runners.ts";
import type { Input } from "./typing.ts";

/** Nothing on the screen has changed for so long since something was typed: it may hang, in ms. */
const HUNG_MS = 10_000;
/** What was told to end and has not after this long may not want to, in ms. */
const ENDS_MS = 5000;
/** What comes up under the thumb takes no tap for this long: it was meant for what stood there, in ms. */
const REST_MS = 400;

type Signal = "SIGINT" | "SIGTERM" | "SIGKILL";
const SENT: Record<Signal, string> = {
  SIGINT: "Interrupted.",
  SIGTERM: "Told to end…",
  SIGKILL: "Killed…",
};
const NOT_ENDED = {
  SIGTERM: "It was told to end and has not.",
  SIGKILL: "It was killed, but nobody has said that it is gone.",
};
const SURE = {
  SIGTERM: [
    "End this session?",
    "The program is asked to end. What it is at is broken off; a conversation is kept, and can be gone on with.",
    "End it",
  ],
  SIGKILL: [
    "Kill this session?",
    "The program gets no chance to save anything, or to clean up.",
    "Kill it",
  ],
} as const;
/** Keys that one looks around with: that nothing changes may be right. */
const shows = ({ text, enter, keys = [] }: Input) =>
  text !== undefined || enter === true || keys.some((key) => key === "Enter" || key === "C-c");

/** Interrupts, ends and kills a session, each said beforehand; and tells where one does not react. */
export function openStopping(identity: Identity, id: string, type: (input: Input) => void) {
  let session: SessionSummary | undefined;
  let hung: ReturnType<typeof setTimeout> | undefined;
  let ends: ReturnType<typeof setTimeout> | undefined;
  let dialog: HTMLDialogElement | undefined;
  let cut = false; // nothing is heard of it, though its daemon is there
  let passing = false; // what is said holds only until the screen changes

  const words = el("p", { attrs: { role: "status" } });
  const ways = el("div", { class: "row-buttons" });
  const element = el("div", { class: "stuck" }, words, ways);
  const say = (text: string, until: "changed" | "ended", ...buttons: HTMLElement[]) => {
    passing = until === "changed";
    words.textContent = text;
    ways.replaceChildren(...buttons);
  };
  const button = (text: string, act: () => void, kind = "plain") =>
    el("button", { class: kind, text, attrs: { type: "button" }, on: { click: act } });
  const endButton = () => button("End…", () => sure("SIGTERM"));
  const killButton = () => button("Kill…", () => sure("SIGKILL"), "stop");

  const signal = async (signal: Signal) => {
    try {
      await call(identity, v.object({}), "POST", `/api/sessions/${id}/stop`, { signal });
      if (session?.status === "ended") return;
      say(SENT[signal], signal === "SIGINT" ? "changed" : "ended");
      clearTimeout(ends);
      if (signal !== "SIGINT")
        ends = setTimeout(() => say(NOT_ENDED[signal], "ended", killButton()), ENDS_MS);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      say(error.message, "ended");
    }
  };

  const claude = () => session?.hooks !== "none";
  const running = () => session?.status === "running";
  const interrupt = () => {
    if (running()) type({ keys: [claude() ? "Escape" : "C-c"] });
    else void signal("SIGINT");
  };
  const interruptWords = () => {
    if (!claude())
      return running() ? "Presses Ctrl-C." : "Tells the program what Ctrl-C would (SIGINT).";
    const keys =
      "Presses Escape: Claude stops what it does and waits for you. An open question is answered with No.";
    return running() ? keys : `${keys} Only while the session is connected.`;
  };

  const show = (title: string, parts: HTMLElement[], ...yes: HTMLElement[]) => {
    dialog?.close();
    const cancel = el("button", { class: "reject", text: "Cancel", attrs: { value: "" } });
    const form = el(
      "form",
      { attrs: { method: "dialog" } },
      el("h2", { text: title }),
      ...parts,
      el("div", { class: "actions" }, cancel, ...yes),
    );
    const shown = el(
      "dialog",
      {
        class: "paste stopping",
        attrs: { "aria-label": title },
        on: { close: () => shown.remove() },
      },
      form,
    );
    dialog = shown;
    document.body.append(shown);
    shown.showModal();
    return cancel;
  };
  /** What a button of the dialog does: not with the tap that brought the dialog up. */
  const rested = (act: () => void) => {
    const at = performance.now();
    return () => {
      if (performance.now() - at < REST_MS) return;
      dialog?.close();
      act();
    };
  };
  const menu = () => {
    const way = (name: string, about: string, act: () => void) =>
      el(
        "button",
        { attrs: { type: "button" }, on: { click: rested(act) } },
        el("strong", { text: name }),
        el("span", { text: about }),
      );
    const first = way("Interrupt", interruptWords(), interrupt);
    first.disabled = claude() && !running();
    const end = way(
      "End…",
      "Asks the program to end (SIGTERM): it can put things in order first.",
      () => sure("SIGTERM"),
    );
    const kill = way(
      "Kill…",
      "Ends the program at once (SIGKILL): for one that does not react.",
      () => sure("SIGKILL"),
    );
    const here = session === undefined ? undefined : daemonFor(session);
    const fresh =
      here === undefined
        ? []
        : [
            el("a", {
              text: "New session here",
              attrs: { href: newHere(here, session?.cwd ?? "") },
              on: { click: () => dialog?.close() },
            }),
          ];
    show("Stop", [first, end, kill, ...fresh]);
  };
  /** What can't be undone takes a second tap, which lands on Cancel where it came by itself. */
  const sure = (which: "SIGTERM" | "SIGKILL") => {
    const [title, words, yes] = SURE[which];
    show(
      title,
      [el("p", { text: words })],
      button(
        yes,
        rested(() => void signal(which)),
        "stop",
      ),
    ).focus();
  };

  const close = () => {
    clearTimeout(hung);
    clearTimeout(ends);
    hung = ends = undefined;
    dialog?.close();
  };

  return {
    element,
    open: menu,
    close,
    /** Something was typed: unless the screen changes, it is told. */
    typed(input: Input): void {
      if (hung !== undefined || !shows(input)) return;
      hung = setTimeout(() => {
        hung = undefined;
        if (!isLive() || !running() || ends !== undefined) return;
        say(
          "Nothing has changed on the screen since you typed: it may hang.",
          "changed",
          button("Interrupt", interrupt),
          killButton(),
        );
      }, HUNG_MS);
    },
    /** The screen has changed. */
    reacted(): void {
      clearTimeout(hung);
      hung = undefined;
      if (passing && !cut) say("", "changed"); // a late screen is no sign that it is heard of again
    },
    draw(next: SessionSummary): void {
      if (next.status === "ended" && session?.status !== "ended") {
        close();
        say("", "ended");
      }
      session = next;
      const wasCut = cut;
      cut = isCut(next);
      if (cut && !wasCut)
        say(
          "Its machine is connected, but nothing is heard of this session: it may hang.",
          "changed",
          endButton(),
          killButton(),
        );
      else if (wasCut && !cut && passing) say("", "changed");
    },
  };
}
