import type { Desk } from "../runner/desk.ts";

/** What a terminal shows: its rows as text with SGR sequences, and the cursor where it is to be seen. */
export interface Picture {
  lines: string[];
  cursor: { x: number; y: number } | undefined;
  title: string;
  /** Whether turns of the mouse wheel are wanted. */
  wheel: boolean;
}

/** With so much waiting for the terminal nothing is added: what is newest comes once it is through, in bytes. */
const BEHIND_BYTES = 64 * 1024;

// xterm's ctlseqs: the alternate screen, the title kept aside, pastes in brackets, nothing that wraps at the right edge
const ENTER = "\x1b[?1049h\x1b[22;0t\x1b[?2004h\x1b[?7l\x1b[0m\x1b[H\x1b[2J";
/** What colours the terminal has: the answers come among what is typed, where `colours.ts` hears them. */
const ASK_COLOURS = "\x1b]10;?\x1b\\\x1b]11;?\x1b\\";
/** The kernel's own terminal has no answer, and old ones print the question. */
const ASKS_COLOURS = process.env.TERM !== "linux";
/** A terminal answers within this time, in ms. */
const ANSWER_MS = 300;
const LEAVE = "\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b[?7h\x1b[0m\x1b[?25h\x1b[23;0t\x1b[?1049l";

/** Draws on the alternate screen of the terminal, only what has changed. `picture` gives what there is now. */
export function openCanvas(desk: Desk, picture: () => Picture) {
  const encoder = new TextEncoder();
  const write = (text: string) => desk.write(encoder.encode(text));
  let shown: string[] = [];
  let title = "";
  let wheel = false;
  let cursor: string | undefined;
  let open = false;
  let held = false;
  let asks = ASKS_COLOURS;
  let askedAt: number | undefined;

  const draw = () => {
    if (!open || held) return;
    if (desk.waiting > BEHIND_BYTES) {
      held = true;
      desk.whenDrained(() => {
        held = false;
        draw();
      });
      return;
    }
    const now = picture();
    let out = "";
    now.lines.forEach((line, y) => {
      if (line !== shown[y]) out += `\x1b[${y + 1}H\x1b[0m\x1b[K${line}`;
    });
    if (now.title !== title) out += `\x1b]2;${now.title}\x1b\\`;
    if (now.wheel !== wheel) out += now.wheel ? "\x1b[?1000h\x1b[?1006h" : "\x1b[?1000l\x1b[?1006l";
    shown = now.lines;
    title = now.title;
    wheel = now.wheel;
    const at =
      now.cursor === undefined ? "" : `\x1b[${now.cursor.y + 1};${now.cursor.x + 1}H\x1b[?25h`;
    if (out === "" && at === cursor) return;
    cursor = at;
    // as one, where the terminal can: the cursor is seen nowhere else meanwhile
    write(`\x1b[?2026h\x1b[?25l${out}\x1b[0m${at}\x1b[?2026l`);
  };

  return {
    draw,
    enter(): void {
      if (open) return;
      open = true;
      desk.raw();
      write(ENTER);
      shown = [];
      title = "";
      wheel = false;
      cursor = undefined;
      draw();
    },
    /** Asks the terminal once what colours it has. */
    askColours(): void {
      if (!asks || !open) return;
      asks = false;
      askedAt = performance.now();
      write(ASK_COLOURS);
    },
    /** How long the terminal's answer may still take, in ms. */
    get answerWait(): number {
      return askedAt === undefined ? 0 : Math.max(0, askedAt + ANSWER_MS - performance.now());
    },
    /** All of it anew: the terminal has another size, or was drawn on by somebody else. */
    redraw(): void {
      shown = [];
      if (open && !held) write("\x1b[0m\x1b[2J");
      draw();
    },
    leave(): void {
      if (!open) return;
      open = false;
      write(LEAVE);
      desk.restore();
    },
  };
}
