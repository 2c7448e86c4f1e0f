import { randomNonce } from "../src/auth.ts";
import { Started, type StartRequest } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import type { Identity } from "./keys.ts";
import { capacityOf } from "./terminal.ts";

/** What stands beside and above a session's screen, in CSS pixels. */
const BESIDE_PX = 26;
const ABOVE_PX = 240;
/** A session that was started appears within this time, or something went wrong, in ms. */
const APPEARS_MS = 20_000;

export type Wanted = Pick<StartRequest, "cwd" | "args" | "sandbox">;

/** What was asked for last and is not known to have been done: asked again it has the same id, so that it is done once. */
let open: { key: string; id: string } | undefined;
/** Sessions that were started here, and when, in unix ms. */
const launched = new Map<string, number>();

/** Has a daemon start a session; answers its id. Throws a `RequestError`. */
export async function launch(identity: Identity, runner: string, wanted: Wanted): Promise<string> {
  const key = JSON.stringify([runner, wanted]);
  if (open?.key !== key) open = { key, id: randomNonce() };
  const { id } = open;
  const size = capacityOf(
    Math.max(320, innerWidth - BESIDE_PX),
    Math.max(320, innerHeight - ABOVE_PX),
  );
  try {
    const { session } = await call(identity, Started, "POST", `/api/runners/${runner}/sessions`, {
      id,
      ...wanted,
      ...size,
    });
    open = undefined;
    launched.set(session, Date.now());
    return session;
  } catch (error) {
    // what was refused is over; what was lost on the way may have been done
    if (error instanceof RequestError && error.status >= 400 && error.status < 500)
      open = undefined;
    if (!(error instanceof RequestError) || error.status !== 0) throw error;
    throw new RequestError(
      0,
      error.code,
      `${error.message} It is not known whether it was started; asked again, it starts no second time.`,
    );
  }
}

/** Whether a session was started here just now: it may not have shown itself yet. */
export const isFresh = (session: string) => Date.now() - (launched.get(session) ?? 0) < APPEARS_MS;
