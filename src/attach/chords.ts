import type { Typed } from "./keys.ts";
import type { Block } from "./pager.ts";

/** What comes before a key that is for us, and not for the program. */
const PREFIX = "C-]";
export const HELP: readonly Block[] = [
  {
    text: `Ctrl-] d       detach: the session goes on
Ctrl-] f       fit the session's size to this terminal, or give it back
Ctrl-] a       the question that waits, and its answers
Ctrl-] x       stop the program: interrupt, end or kill
Ctrl-] arrow   look at another part of a larger screen
Ctrl-] z       suspend this, as Ctrl-Z would; fg comes back
Ctrl-] Ctrl-]  Ctrl-] itself, for the program
Ctrl-] ?       this

Everything else goes to the program. While it asks something it takes no keys
from here: the question comes up by itself.`,
  },
];
const SIGNALS = { i: "SIGINT", e: "SIGTERM", k: "SIGKILL" } as const;
const ARROWS: Record<string, [dx: number, dy: number]> = {
  Left: [-1, 0],
  Right: [1, 0],
  Up: [0, -1],
  Down: [0, 1],
};

export interface ChordEvents {
  detach(): void;
  fit(): void;
  answer(): void;
  stop(signal: (typeof SIGNALS)[keyof typeof SIGNALS]): void;
  suspend(): void;
  help(): void;
  /** By half of what is in sight. */
  pan(dx: number, dy: number): void;
  unknown(): void;
  /** Not for us. */
  pass(typed: Typed): void;
}

/** Takes what is meant for us out of what somebody types. */
export function openChords(events: ChordEvents) {
  let mode: "pass" | "chord" | "stop" = "pass";

  const press = (key: string): void => {
    const arrow = Object.hasOwn(ARROWS, key) ? ARROWS[key] : undefined;
    if (arrow !== undefined) return events.pan(...arrow);
    switch (key) {
      case "d":
        return events.detach();
      case "f":
        return events.fit();
      case "a":
        return events.answer();
      case "x":
        mode = "stop";
        return;
      case "z":
        return events.suspend();
      case "?":
        return events.help();
      case PREFIX:
        return events.pass({ kind: "key", key });
      case "Escape":
        return;
      default:
        return events.unknown();
    }
  };

  return {
    typed(typed: Typed): void {
      const key =
        typed.kind === "key"
          ? typed.key
          : typed.kind === "text"
            ? String.fromCodePoint(typed.text.codePointAt(0) ?? 0)
            : "";
      if (mode === "pass" && key === PREFIX) mode = "chord";
      else if (mode === "pass" || key === "" || key.startsWith("Wheel")) events.pass(typed);
      else {
        const was = mode;
        mode = "pass";
        if (was === "chord") press(key);
        else if (key === "i" || key === "e" || key === "k") events.stop(SIGNALS[key]);
        const rest = typed.kind === "text" ? typed.text.slice(key.length) : "";
        if (rest !== "") this.typed({ kind: "text", text: rest });
      }
    },
    /** What can be pressed now; empty where all goes to the program. */
    hint: (): string =>
      mode === "chord"
        ? "d detach · f fit · a answer · x stop · ? help"
        : mode === "stop"
          ? "i interrupts · e ends · k kills · anything else nothing"
          : "",
  };
}
