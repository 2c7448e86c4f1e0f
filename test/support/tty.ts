import { type Exit, type Pty, startPty } from "../../src/runner/pty.ts";
import { openScreen, type Screen } from "../../src/runner/screen.ts";
import { until } from "./until.ts";

/** A terminal as a person has it: what is typed goes in, what is drawn can be read. */
export interface Tty {
  pty: Pty;
  screen: Screen;
  /** Every byte that the program wrote. */
  bytes(): Uint8Array;
  type(text: string): void;
  resize(cols: number, rows: number): void;
  text(): string;
  sees(what: string | RegExp, ms?: number): Promise<void>;
  exited: Promise<Exit>;
}

export function openTty(
  argv: readonly string[],
  options: {
    env?: Record<string, string | undefined>;
    cwd?: string;
    cols?: number;
    rows?: number;
    silent?: boolean;
  } = {},
): Tty {
  const [command = "", ...args] = argv;
  const cols = options.cols ?? 80;
  const rows = options.rows ?? 24;
  const chunks: Uint8Array[] = [];
  let exit: (exit: Exit) => void;
  const exited = new Promise<Exit>((resolve) => {
    exit = resolve;
  });
  const screen = openScreen({
    cols,
    rows,
    onChange: () => undefined,
    onHold: () => undefined,
    onHistory: () => undefined,
    ...(options.silent === true ? {} : { onReply: (data: string) => pty.write(data) }),
  });
  const pty = startPty({
    command,
    args,
    env: options.env ?? process.env,
    cwd: options.cwd ?? process.cwd(),
    cols,
    rows,
    onData(bytes) {
      chunks.push(bytes);
      screen.feed(bytes);
    },
    onStop: () => undefined,
    onExit: (how) => void screen.settled().then(() => exit(how)), // all it wrote can be read by then
  });
  const text = () => screen.text().join("\n");
  return {
    pty,
    screen,
    exited,
    text,
    bytes: () => new Uint8Array(Buffer.concat(chunks)),
    type: (typed) => pty.write(typed),
    resize(newCols, newRows) {
      pty.resize(newCols, newRows);
      screen.resize(newCols, newRows);
    },
    async sees(what, ms = 15_000) {
      const shows = () => (typeof what === "string" ? text().includes(what) : what.test(text()));
      await until(`the terminal shows ${what}`, shows, ms).catch((error: Error) => {
        throw new Error(`${error.message}; it shows:\n${text()}`);
      });
    },
  };
}
