import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readHooks } from "../src/demo/hooks.ts";
import type { Prompt } from "../src/types.ts";
import { until } from "../test/support/until.ts";
import { openBareViewer } from "./bare-viewer.ts";
import { pause } from "./echo.ts";
import type { Place, Wrapped } from "./place.ts";
import { overRounds } from "./statistics.ts";
import type { Row } from "./table.ts";
import { openViewer } from "./viewer.ts";

/** A person needs some time between a question and the answer, in ms; here just so long that what the question brings about is over. */
const LOOK_MS = [30, 60] as const;

/** Approve tapped on the phone, until the hook that asked has its response. What plays Claude's part is the demo's hook client, in this process: one clock for both ends. */
export async function approve(place: Place, { quick }: { quick: boolean }): Promise<Row[]> {
  const [rounds, taps] = quick ? [2, 15] : [5, 20]; // fewer than a minute's bound on questions
  const { wrapped, hooks } = await startClaude(place);
  const viewer = await openViewer(place.phone, wrapped.session);
  const bare = await openBareViewer(place.web.origin);

  const ask = async (i: number) => {
    const call = {
      tool_name: "Bash",
      tool_input: { command: `make part-${i}`, description: "Build a part" },
    };
    let prompt: Prompt | undefined;
    const shown = viewer.sees("the phone shows the question", ({ name, data }) => {
      if (name === "prompt" && data.session === wrapped.session && data.state === "pending")
        prompt = data;
      return prompt !== undefined;
    });
    const answered = hooks("PermissionRequest", call).then((decision) => ({
      decision,
      at: performance.now(),
    }));
    await shown;
    await pause(LOOK_MS);
    if (prompt === undefined) throw new Error("no question came");
    const at = performance.now();
    const [{ status }, answer] = await Promise.all([place.phone.approve(prompt), answered]);
    if (status !== 200 || answer.decision?.behavior !== "allow")
      throw new Error(`not approved: ${status} ${JSON.stringify(answer.decision)}`);
    await hooks("PostToolUse", call); // as Claude tells it
    return answer.at - at;
  };
  const askBare = async (i: number) => {
    const shown = bare.sees("ask", `part-${i}`);
    const answered = bare
      .post("/ask", `part-${i}`)
      .then((response) => response.text().then(() => performance.now()));
    await shown;
    await pause(LOOK_MS);
    const at = performance.now();
    await bare.post("/approve", "");
    return (await answered) - at;
  };

  const [theirs, ours]: [number[][], number[][]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const [bareRound, ourRound]: [number[], number[]] = [[], []];
    for (let i = 0; i < taps; i++) {
      bareRound.push(await askBare(i));
      ourRound.push(await ask(round * taps + i));
    }
    theirs.push(bareRound);
    ours.push(ourRound);
  }
  viewer.close();
  bare.close();
  await wrapped.close();
  const against = "a bare held request, answered by another";
  return [
    {
      name: "approve to hook response p50",
      unit: "ms",
      ours: overRounds(ours, 0.5),
      reference: overRounds(theirs, 0.5),
      against,
      judged: "itself",
      gate: 15,
      aim: 5,
    },
  ];
}

/** A session of what is called claude, does nothing, and lets us have the hooks that it was given. */
async function startClaude(
  place: Place,
): Promise<{ wrapped: Wrapped; hooks: ReturnType<typeof readHooks> }> {
  const bin = join(place.dir, "bin");
  const told = join(place.dir, "hooks");
  mkdirSync(bin);
  const claude = join(bin, "claude");
  writeFileSync(
    claude,
    `#!/bin/sh\numask 077; printf '%s' "$2" >'${told}.part'; mv '${told}.part' '${told}'; stty raw -echo; exec cat\n`,
  );
  chmodSync(claude, 0o755);
  const wrapped = await place.claudeRemote([], { CLAUDE_REMOTE_CLAUDE: claude });
  const settings = await until(
    "the program has the hooks",
    () => existsSync(told) && readFileSync(told, "utf8"),
  );
  return { wrapped, hooks: readHooks(["--settings", settings]) };
}
