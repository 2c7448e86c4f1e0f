import * as v from "valibot";
import { RunnerInfo, type SessionSummary, type ViewerEvent } from "../src/types.ts";
import { call } from "./api.ts";
import { moment } from "./dom.ts";
import type { Identity } from "./keys.ts";
import { guarded, known } from "./known.ts";

const Runners = v.object({ runners: v.array(RunnerInfo) });

/** One that has gone a moment ago, or is not back yet since the server started, may be here at once: it is not called away before this, in ms. */
const GRACE_MS = 3000;

let asked = 0;

/** Learns of the daemons what the server knows. Throws a `RequestError`. */
export async function lookForRunners(identity: Identity): Promise<void> {
  const mine = ++asked;
  const { runners } = await call(identity, Runners, "GET", "/api/runners");
  if (mine === asked) known.runners = runners; // else a newer answer is on its way
}

/** Keeps the daemons up to date for a view: takes the events of its stream, and draws when there is news. */
export function followRunners(identity: Identity, draw: () => void): (event: ViewerEvent) => void {
  const look = guarded(async () => {
    await lookForRunners(identity);
    draw();
    if (known.runners?.some((daemon) => !daemon.online && !isAway(daemon)))
      setTimeout(draw, GRACE_MS + 1);
  });
  return ({ name }) => {
    if (name === "hello" || name === "reset" || name === "runner_status") look();
  };
}

/** Whether a daemon may work in a folder. */
export const reaches = ({ roots }: RunnerInfo, cwd: string) =>
  roots.some((root) => cwd === root || cwd.startsWith(root.endsWith("/") ? root : `${root}/`));

/** The daemon that may start a session in another's folder: the one that started it, or one on the same machine. */
export function daemonFor({ runner, host, cwd }: SessionSummary): RunnerInfo | undefined {
  const able = (known.runners ?? []).filter((daemon) => reaches(daemon, cwd));
  return able.find(({ id }) => id === runner) ?? able.find((daemon) => daemon.host === host);
}

/** Nothing is heard of a session, though the daemon that started it is there. */
export const isCut = ({ status, runner, args }: SessionSummary) =>
  status === "offline" &&
  args !== undefined &&
  (known.runners ?? []).some(({ id, online }) => id === runner && online);

/** Whether one is away, and not for a moment alone. */
export const isAway = ({ online, since }: RunnerInfo) =>
  !online && Math.abs(Date.now() - since) > GRACE_MS; // this clock may be another

/** Since when one is away, in words. */
export const awayWords = ({ since }: Pick<RunnerInfo, "since">) =>
  `not connected since ${moment(since)}`;

/** Where a session like another is set up. */
export const newHere = (daemon: RunnerInfo, cwd: string) =>
  `#/new?${new URLSearchParams({ runner: daemon.id, cwd })}`;
