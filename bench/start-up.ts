import type { Place } from "./place.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";
import { openTerminal } from "./terminal.ts";

/** From starting a command to the first byte of the program, in a terminal. */
export async function startUp(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  const script = "printf X";
  const take = async (argv: readonly string[]) => {
    const terminal = openTerminal(argv, { env: place.env, cwd: place.dir });
    const at = await terminal.shows("X");
    await terminal.exited;
    await terminal.close();
    return at - terminal.startedAt;
  };
  const [theirs, ours]: [number[], number[]] = [[], []];
  await take(place.command(script)); // the files are in the page cache from here on
  for (let i = 0; i < (quick ? 7 : 25); i++) {
    theirs.push(await take(["sh", "-c", script]));
    ours.push(await take(place.command(script)));
  }
  const how = process.env.CLAUDE_REMOTE_BINARY === undefined ? "from source" : "single binary";
  return [
    {
      name: `start-up, ${how}`,
      unit: "ms",
      ours: median(ours),
      reference: median(theirs),
      against: "the same program in a bare PTY",
      judged: "added",
      gate: 80,
      aim: 40,
    },
  ];
}
