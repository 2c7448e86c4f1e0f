import { SELF } from "./home.ts";
import type { HomeServer } from "./home-server.ts";
import { openTty, type Tty } from "./tty.ts";
import { until } from "./until.ts";

/** A terminal on which `claude-remote attach` shows a session, and the one at whose desk it runs. */
export interface Attached extends Tty {
  /** What it shows of the session: all but the line at the bottom. */
  shown(): string[];
  /** The line at the bottom. */
  bottom(): string;
  /** Ctrl-] and a key. */
  chord(key: string): void;
  /** Waits until it shows just what `desk` does, as far as there is room. */
  shows(desk: Tty): Promise<void>;
}

/** Attaches to a session in a terminal of this size. */
export function openAttached(
  server: HomeServer,
  args: string[],
  size: { cols?: number; rows?: number } = {},
): Attached {
  const tty = openTty([...SELF, "attach", ...args], {
    env: server.home.env,
    cwd: server.home.dir,
    ...size,
  });
  const shown = () => tty.screen.text().slice(0, -1);
  return {
    ...tty,
    shown,
    bottom: () => tty.screen.text().at(-1) ?? "",
    chord: (key) => tty.type(`\x1d${key}`),
    async shows(desk) {
      const same = () => {
        const rows = shown();
        const theirs = desk.screen.text();
        const top = Math.max(0, theirs.length - rows.length);
        const used = (lines: string[]) => lines.join("\n").trimEnd();
        return (
          [0, top].some((from) => used(theirs.slice(from, from + rows.length)) === used(rows)) &&
          used(rows) !== ""
        );
      };
      await until("both show the same", same, 15_000).catch((error: Error) => {
        throw new Error(`${error.message}; the desk:\n${desk.text()}\nattached:\n${tty.text()}`);
      });
    },
  };
}
