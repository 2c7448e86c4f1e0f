import { randomNonce } from "../src/auth.ts";
import { SessionDetail, Started, type StartRequest } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import { setInsecure, showPlace } from "./bar.ts";
import { baseName, el, mark } from "./dom.ts";
import type { Identity } from "./keys.ts";
import { known, type OnStream, type Shown, take, waitsElsewhere } from "./known.ts";
import { openStream } from "./stream.ts";
import { capacityOf } from "./terminal.ts";
import { visiblePath } from "./visible.ts";

/** What stands beside and above a session's screen, in CSS pixels. */
const BESIDE_PX = 26;
const ABOVE_PX = 240;
/** A session that was started appears within this time, or something went wrong, in ms. */
const APPEARS_MS = 20_000;

export type Wanted = Pick<StartRequest, "cwd" | "args" | "sandbox">;

/** What was asked for last and is not known to have been done: asked again it has the same id, so that it is done once. */
let open: { key: string; id: string } | undefined;
/** Sessions that were started here and have not shown yet: their folders. */
const awaited = new Map<string, string>();

/** Has a daemon start a session; answers its id. Throws a `RequestError`. */
export async function launch(identity: Identity, runner: string, wanted: Wanted): Promise<string> {
  const key = JSON.stringify([runner, wanted]);
  if (open?.key !== key) open = { key, id: randomNonce() };
  const { id } = open;
  const size = capacityOf(Math.max(320, innerWidth - BESIDE_PX), Math.max(320, innerHeight - ABOVE_PX));
  try {
    const { session } = await call(identity, Started, "POST", `/api/runners/${runner}/sessions`, { id, ...wanted, ...size });
    open = undefined;
    if (!known.sessions.has(session)) awaited.set(session, wanted.cwd);
    return session;
  } catch (error) {
    // what was refused is over; what was lost on the way may have been done
    if (error instanceof RequestError && error.status >= 400 && error.status < 500) open = undefined;
    if (!(error instanceof RequestError) || error.status !== 0) throw error;
    throw new RequestError(0, error.code, `${error.message} It is not known whether it was started; asked again, it starts no second time.`);
  }
}

export const isAwaited = (session: string) => awaited.has(session);

/** A session that was started a moment ago and does not show yet; `then` once it does. */
export function showAwaited(identity: Identity, id: string, view: HTMLElement, onStream: OnStream, then: () => void): Shown {
  const cwd = awaited.get(id) ?? "";
  const words = el("p", { attrs: { role: "status" } }, mark("busy"), " Starting…");
  view.replaceChildren(el("section", { class: "pair" }, el("h1", {}, ...visiblePath(baseName(cwd))), words, el("p", { class: "path" }, ...visiblePath(cwd))));
  view.className = "";
  const draw = () => showPlace(baseName(cwd), false, waitsElsewhere());
  draw();
  const late = setTimeout(() => words.replaceChildren(mark("away"), " It was started, but nothing has been heard of it yet."), APPEARS_MS);
  const appeared = () => {
    if (awaited.delete(id)) then();
  };
  const look = () =>
    call(identity, SessionDetail, "GET", `/api/sessions/${id}`).then(appeared, (error: unknown) => {
      if (!(error instanceof RequestError)) throw error; // not yet: the stream will tell
    });
  const close = openStream(
    identity,
    undefined,
    (event) => {
      if (event.name === "hello") setInsecure(event.data.insecure);
      if (event.name === "hello" || event.name === "reset") void look();
      else if (take(event)) {
        if (known.sessions.has(id)) appeared();
        else draw();
      }
    },
    onStream,
  );
  return {
    draw,
    close() {
      clearTimeout(late);
      close();
    },
  };
}
