import { constants } from "node:os";
import { SessionColours } from "../runner/colours.ts";
import { openDesk } from "../runner/desk.ts";
import type { SessionSummary } from "../types.ts";
import { sandboxWords } from "../viewer/sandbox-words.ts";
import { visibleName } from "../visible-text.ts";
import { openCanvas, type Picture } from "./canvas.ts";
import { HELP, openChords } from "./chords.ts";
import { type Client, RequestError } from "./client.ts";
import { openFit } from "./fit.ts";
import { followSession } from "./follow.ts";
import { openKeys } from "./keys.ts";
import { type Overlay, openQuestion, openText } from "./overlay.ts";
import { outcome } from "./question.ts";
import { exitWords, folderOf, openShown, stateWords, statusLine } from "./shown.ts";
import { openTyping } from "./typing.ts";

/** A word at the bottom stays for so long, in ms. */
const WORD_MS = 8000;
/** On the way out: so long for what was typed last, and for giving the size back, in ms. */
const FAREWELL_MS = 1000;
/** How long a stop of our own may take to come into force, in ms. */
const STOP_MS = 300;
const ENDING = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** How it came to an end: the words are for the person. */
export interface Left {
  code: number;
  words: string;
}

/** Shows a session on this terminal, full screen, until it ends or somebody leaves; undefined where this is no terminal. */
export function attach(client: Client, first: SessionSummary): Promise<Left> | undefined {
  const desk = openDesk();
  if (desk === undefined) return undefined;
  const { id } = first;
  const aside = new Set<string>(); // prompts that somebody looked at and put away
  const shown = openShown();
  const colours = new SessionColours(process.env.COLORFGBG);
  let session = first;
  let lostAt: number | undefined = Date.now();
  let trouble = "";
  let word = "";
  let wordTimer: ReturnType<typeof setTimeout> | undefined;
  let overlay: Overlay | undefined;
  let sized = false;
  let over = false;
  let resolve: (how: Left) => void = () => undefined;
  const left = new Promise<Left>((done) => {
    resolve = done;
  });

  const where = () => `${folderOf(session)} on ${visibleName(session.host)}`;
  const height = () => Math.max(1, desk.rows - 1);
  const fits = () => {
    const { cols, rows } = shown.frame ?? { cols: 0, rows: 0 };
    return cols <= desk.cols && rows <= height();
  };
  const runs = () => lostAt === undefined && session.status === "running";

  const hint = (): string => {
    if (chords.hint() !== "") return chords.hint();
    const waiting = overlay === undefined ? link.open().length : 0;
    const question =
      waiting === 0
        ? ""
        : `${waiting === 1 ? "a question waits" : `${waiting} questions wait`}: Ctrl-] a`;
    const part =
      overlay === undefined && !fits()
        ? `part of ${shown.frame?.cols}×${shown.frame?.rows}, Ctrl-] f fits it`
        : "";
    const parts = [
      word || (lostAt === undefined ? "" : trouble),
      question || (word === "" ? part : ""),
    ].filter((words) => words !== "");
    return [...parts, ...(word === "" && question === "" ? ["Ctrl-] ? helps"] : [])].join(" · ");
  };
  const picture = (): Picture => {
    const [cols, rows] = [desk.cols, height()];
    const { lines, cursor } = overlay?.draw(cols, rows) ?? shown.part(cols, rows, colours.now());
    const state = `${stateWords(session, lostAt)}${fit.on && session.desk ? " · fitted" : ""}`;
    const status = statusLine(
      [`${where()} · ${state}`, `${folderOf(session)} · ${state}`, state],
      hint(),
      cols,
    );
    const wheel = overlay !== undefined || shown.frame?.full === true;
    return {
      lines: [...lines.slice(0, rows), status],
      cursor,
      title: visibleName(shown.frame?.title ?? ""),
      wheel,
    };
  };
  const canvas = openCanvas(desk, picture);

  /** Says something at the bottom, for a while. */
  const say = (words: string) => {
    word = words;
    clearTimeout(wordTimer);
    wordTimer = setTimeout(say, WORD_MS, "");
    if (words === "") clearTimeout(wordTimer);
    canvas.draw();
  };
  const fit = openFit(client, id, () => ({ cols: desk.cols, rows: height() }), say);

  /** Lays the oldest question that nobody has put away over the screen; one that is over goes. */
  const offer = () => {
    const open = link.open();
    const drawn = overlay?.prompt;
    const now = open.find(({ id }) => id === drawn?.id);
    const changed = now !== undefined && now.view !== drawn?.view;
    if (changed) say("Claude asks something else now: read it anew.");
    if (drawn !== undefined && (now === undefined || changed)) overlay = undefined;
    const next = open.find((prompt) => !aside.has(prompt.id));
    if (overlay === undefined && next !== undefined && runs()) {
      const close = () => {
        aside.add(next.id);
        closeOverlay();
      };
      overlay = openQuestion(client, next, { live: runs, say, close });
    }
    canvas.draw();
  };
  const closeOverlay = () => {
    overlay = undefined;
    offer();
  };

  const typing = openTyping(client, id, {
    onState: say,
    onAsked() {
      aside.clear();
      offer();
      if (overlay === undefined)
        say("A question is open, and takes no keys from here: it comes up in a moment.");
    },
  });

  const chords = openChords({
    detach: () => leave({ code: 0, words: `detached from ${where()}; it goes on.` }),
    fit: () => void ((!fit.on || session.desk) && fit.set(!fit.on)),
    answer() {
      aside.clear();
      if (link.open().length === 0) say("Nothing waits for an answer.");
      else if (!runs()) say("Nothing can be answered while the session is away.");
      offer();
    },
    stop(signal) {
      const fail = (error: unknown) => {
        if (!(error instanceof RequestError)) throw error;
        say(error.message);
      };
      client
        .send("POST", `/api/sessions/${id}/stop`, { signal })
        .then(() => say(`${signal} was sent.`), fail);
    },
    suspend() {
      canvas.leave();
      const timer = setTimeout(resume, STOP_MS); // nobody there to continue us, so the kernel ignored the stop
      process.once("SIGCONT", () => clearTimeout(timer));
      process.kill(0, "SIGTSTP");
    },
    help() {
      overlay = openText("Keys of claude-remote attach", HELP, closeOverlay);
    },
    pan: (dx, dy) => shown.pan(dx * Math.ceil(desk.cols / 2), dy * Math.ceil(height() / 2)),
    unknown: () => say("Ctrl-] ? tells which keys there are."),
    pass: (typed) => (overlay === undefined ? typing : overlay).typed(typed),
  });
  const keys = openKeys((typed) => {
    if (over) return;
    chords.typed(typed);
    canvas.draw();
  });

  const link = followSession(client, id, {
    onConnected: fit.renew,
    onFrame(frame) {
      shown.take(frame);
      if (shown.isColoured) canvas.askColours();
      fit.drawn(frame);
      canvas.draw();
    },
    onSession(now) {
      session = now;
      if (now.status === "ended")
        return leave({
          code: 0,
          words:
            `${where()} is over: ${now.exit === null ? "nobody knows how it ended" : exitWords(now.exit)}. ${sandboxWords(now.exit ?? {})}`.trim(),
        });
      // without a terminal of its own it has the size of whoever looks on last
      if (!sized && now.status === "running" && !now.desk) {
        sized = true;
        void fit.set(true);
      }
      offer();
    },
    onPrompt(prompt, news) {
      if (news) say(outcome(prompt, client.device));
      offer();
    },
    onLink(at, reason) {
      if (at === undefined) overlay?.arm(); // what it shows may have been old
      lostAt = at;
      trouble = reason;
      offer();
    },
    onGone: (words) => leave({ code: 1, words }),
    onFault: say,
  });

  const resized = () => {
    canvas.redraw();
    fit.resized();
  };
  const resume = () => {
    desk.raw();
    canvas.enter();
    resized();
  };
  const gone = () =>
    leave({
      code: 128 + constants.signals.SIGHUP,
      words: "the terminal was closed; the session goes on.",
    });
  const onEnding = (signal: NodeJS.Signals) =>
    leave({
      code: 128 + constants.signals[signal],
      words: `ended by ${signal}; the session goes on.`,
    });

  const leave = (how: Left): void => {
    if (over) return;
    over = true;
    // an answer that comes after us would be typed at the shell's prompt
    const wait = colours.isAnswered ? 0 : canvas.answerWait;
    if (wait > 0) setTimeout(finish, wait, how);
    else finish(how);
  };
  const finish = (how: Left): void => {
    process.off("SIGWINCH", resized);
    process.off("SIGCONT", resume);
    keys.close();
    link.close();
    clearTimeout(wordTimer);
    canvas.leave();
    process.stdin.destroy();
    const farewell = Promise.all([typing.settle(FAREWELL_MS), fit.close()]);
    void Promise.race([farewell, Bun.sleep(FAREWELL_MS)])
      .then(() => desk.close())
      .then(() => resolve(how));
  };

  process.on("exit", canvas.leave);
  for (const signal of ENDING) process.on(signal, onEnding);
  process.on("SIGWINCH", resized);
  process.on("SIGCONT", resume);
  process.stdin.on("data", (bytes: Uint8Array) => {
    if (colours.typed(bytes)) canvas.draw();
    keys.feed(bytes); // passes over what the terminal says by itself
  });
  process.stdin.on("end", gone);
  process.stdin.on("error", gone);
  process.stdin.resume();
  canvas.enter();
  return left;
}
