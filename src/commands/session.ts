import { MARK } from "../runner/processes.ts";
import { StartError } from "../runner/program.ts";
import { SessionSpec, writeRecord } from "../runner/spec.ts";
import { parseJson } from "../types.ts";
import { loadConfig } from "./config.ts";
import { programOf, runWith, sandboxChoice } from "./run.ts";

/** What a daemon's own terminal, or a claude-remote around it, has left in the environment: sessions have another terminal. */
const LEFT = /^(?:CLAUDE_REMOTE_.*|TERM_PROGRAM.*|TMUX.*|STY|COLUMNS|LINES)$/;

/** `claude-remote __session`, for our own use: one session that a daemon starts, as told on stdin. */
export async function session(): Promise<number> {
  const spec = parseJson(SessionSpec, await Bun.stdin.text());
  if (spec === undefined)
    throw new StartError(
      "what the runner asked for can't be read; was claude-remote replaced while it ran? Start the runner again.",
      1,
    );
  const sandbox = spec.sandbox ? sandboxChoice(loadConfig()) : undefined;
  writeRecord(spec);
  process.chdir(spec.cwd);
  // the way there may have become a link since the daemon looked
  if (process.cwd() !== spec.cwd)
    throw new StartError(`${spec.cwd} leads elsewhere by now: ${process.cwd()}`, 126);
  const kept = Object.entries(process.env).filter(([name]) => !LEFT.test(name));
  const env = {
    ...Object.fromEntries(kept),
    TERM: "xterm-256color",
    COLORTERM: "truecolor",
    PWD: spec.cwd,
    CLAUDE_REMOTE_DEPTH: "1",
    [MARK]: spec.session,
  };
  const { cols, rows, args, pairing, dir } = spec;
  // in a sandbox it is the image's own claude
  const program = {
    ...programOf(sandbox === undefined ? spec.command : "claude", args, true),
    env,
  };
  return runWith(pairing, program, {
    unseen: { cols, rows },
    started: { id: spec.session, dir, args },
    sandbox,
  });
}
