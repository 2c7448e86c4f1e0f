import { type InputBox, lettersOf } from "./input-box.ts";

/** What became of a message. `unconfirmed`: it was sent, and nothing tells yet that Claude has it. */
export type MessageResult = "received" | "unconfirmed" | "asked" | "shell" | "draft";

/** A paste as large as this reaches the model as one (measured: 4 lines or 800 characters), with a warning that the user may not have written it. */
const PASTE_LINES = 4;
const PASTE_CHARS = 700;
/** So much is typed at once, well below what Claude takes for a paste, in UTF-16 units. */
const PART_CHARS = 400;
/** Nobody types so much: it is pasted, and may be told as that, in UTF-16 units. */
const TYPED_CHARS = 10_000;
/** Claude shows what was typed after this long at most, in ms. */
const SHOWN_MS = 5000;
/** Parts whose effect can't be seen, such as line breaks alone, get so long, in ms. */
const UNSEEN_MS = 150;
/** After Enter the box is empty so soon, or another Enter is due; then it takes so long at most, and the transcript to tell of the message, in ms. */
const ENTER_MS = 1000;
const SENT_MS = 3000;
const TOLD_MS = 3000;
/** Messages without a pause between them become one (measured: 300 ms are enough). In ms. */
const PAUSE_MS = 300;
/** Somebody who pressed a key at the desk may be in the middle of something; after so long nobody waits for them, in ms. */
const CALM_MS = 1000;
const BUSY_DESK_MS = 4000;
/** How often the screen is looked at, in ms. */
const LOOK_MS = 20;
/** So many letters at the end of what was typed are looked for in the box, which may show the end alone. */
const COMPARED = 30;
/** A large paste stands in the box as this alone. */
const FOLDED = /^\[Pasted text #\d+[^\]]*\]$/;
/** Claude's key that puts a draft aside, and brings it back by itself once something else was sent (measured). */
const STASH = "\x13";

export interface MessageWriterOptions {
  /** Keys for Claude. */
  write(data: string): void;
  /** Whether the program asked for pastes in brackets: one that did not would take them for typed. */
  takesPastes(): boolean;
  /** Whether this may be an older version (2.1.78), which loses an Enter that comes soon after a paste. */
  losesEnter(): boolean;
  /** What is on the screen: Claude's input box, or something else. */
  box(): InputBox | undefined;
  /** Whether a question waits that keys could answer. */
  asked(): boolean;
  /** When a key was last pressed at the desk, as `performance.now()` tells. */
  typedAt(): number;
  /** Begins to watch the conversation; the answer tells whether this text has come into it since. */
  watch(text: string): () => boolean;
}

/**
 * Types messages to Claude Code, one after the other, so that each arrives as what a person typed, alone and whole: what is half typed at the desk is
 * put aside first, long text goes in parts, and it is told as received only once the conversation has it.
 */
export class MessageWriter {
  readonly #options: MessageWriterOptions;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(options: MessageWriterOptions) {
    this.#options = options;
  }

  /** Whether a message is being typed: other keys have to wait. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /** Resolves once all messages so far are typed. */
  async idle(): Promise<void> {
    await this.#last;
  }

  /** Types a message and sends it. `shell`: it may run as a shell command. */
  send(text: string, shell: boolean): Promise<MessageResult> {
    this.#waiting++;
    const sent = this.#last
      .then(() => this.#send(text, shell))
      .finally(() => {
        this.#waiting--;
      });
    this.#last = sent.catch(() => undefined);
    return sent;
  }

  async #send(text: string, shell: boolean): Promise<MessageResult> {
    const { write, asked, watch } = this.#options;
    await Bun.sleep(Math.max(0, this.#sentAt + PAUSE_MS - performance.now()));
    const box = await this.#clear();
    if (box === "draft") return "draft";
    if (box === undefined) return this.#sendBlindly(text);
    if (asked()) return "asked";
    if (box.shell && !shell) return "shell";
    const message = ending(box.shell ? text.replace(/^\s*!/, "") : text);
    const isCommand = box.shell || /^\s*[!/]/.test(text);
    if (!(await this.#type(message, isCommand))) return asked() ? "asked" : "draft";
    if (asked()) return "asked";
    const arrived = watch(text);
    const shown = lettersOf(this.#box()?.draft ?? "");
    write("\r");
    this.#sentAt = performance.now();
    const isSent = () => shown === "" || lettersOf(this.#box()?.draft ?? "") !== shown;
    if (!(await until(isSent, this.#options.losesEnter() ? ENTER_MS : SENT_MS))) {
      // in an empty box another Enter does nothing; a dialog that has come up since it could answer
      if (!this.#options.losesEnter() || asked()) return "unconfirmed";
      write("\r");
      if (!(await until(isSent, SENT_MS))) return "unconfirmed";
    }
    // commands of Claude's own leave no message in the conversation
    return isCommand || (await until(arrived, TOLD_MS)) ? "received" : "unconfirmed";
  }

  /** Types into something else than the input box, such as the field for a login's code: what becomes of it can't be seen. */
  async #sendBlindly(text: string): Promise<MessageResult> {
    const { write, asked } = this.#options;
    write(this.#pasted(text));
    await Bun.sleep(PAUSE_MS); // older versions lose an Enter that comes with a paste
    if (asked()) return "asked";
    write("\r");
    this.#sentAt = performance.now();
    return "received";
  }

  /** Waits for a box that nobody types in, and puts aside what stands there. */
  async #clear(): Promise<InputBox | "draft" | undefined> {
    const { write, typedAt } = this.#options;
    const isCalm = () => performance.now() - typedAt() > CALM_MS || this.#box()?.draft === "";
    if (!(await until(isCalm, BUSY_DESK_MS))) return "draft";
    await until(() => this.#box() !== undefined, PAUSE_MS);
    const box = this.#box();
    if (box === undefined || box.draft === "") return box;
    if (box.stashed) return "draft";
    write(STASH);
    return (await until(() => this.#box()?.draft === "", SENT_MS)) ? this.#box() : "draft";
  }

  /** Types text into the empty box; whether it stands there alone. */
  async #type(text: string, isCommand: boolean): Promise<boolean> {
    const { write } = this.#options;
    const isShort = text.split("\n").length < PASTE_LINES && text.length < PASTE_CHARS;
    if (isShort || isCommand || text.length > TYPED_CHARS) {
      write(this.#pasted(text));
      return this.#sees(text);
    }
    // a tab by itself would be a key
    const plain = text.replaceAll("\t", "    ");
    for (let at = 0; at < plain.length; ) {
      const end = partEnd(plain, at);
      write(plain.slice(at, end));
      at = end;
      if (lettersOf(plain.slice(0, at)) === "") await Bun.sleep(UNSEEN_MS);
      else if (!(await this.#sees(plain.slice(0, at)))) return false;
    }
    return true;
  }

  /** Waits until the box shows this text's end, and all of it where the box has room for that. */
  async #sees(text: string): Promise<boolean> {
    const letters = lettersOf(text);
    if (letters === "") {
      await Bun.sleep(UNSEEN_MS);
      return true;
    }
    const isThere = () => {
      const draft = this.#box()?.draft ?? "";
      const shown = lettersOf(draft);
      if (FOLDED.test(draft)) return true;
      return (
        shown !== "" &&
        letters.endsWith(shown) &&
        shown.length >= Math.min(COMPARED, letters.length)
      );
    };
    return until(isThere, SHOWN_MS);
  }

  /** As a terminal hands a paste over. */
  #pasted(text: string): string {
    const plain = text.replaceAll("\n", "\r");
    return this.#options.takesPastes() ? `\x1b[200~${plain}\x1b[201~` : plain;
  }

  #box(): InputBox | undefined {
    return this.#options.box();
  }
}

/** Text that Enter sends: after a backslash it would break the line, and at a name that Claude completes it would choose one. */
function ending(text: string): string {
  return /(?:\\|(?:^|\s)[@#]\S*)$/.test(text) ? `${text} ` : text;
}

/** Where a part that begins at `from` ends. A pair of surrogates stays together. */
function partEnd(text: string, from: number): number {
  const end = from + PART_CHARS;
  return /[\ud800-\udbff]/.test(text.charAt(end - 1)) ? end + 1 : end;
}

async function until(is: () => boolean, ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  while (!is()) {
    if (performance.now() > end) return false;
    await Bun.sleep(LOOK_MS);
  }
  return true;
}
