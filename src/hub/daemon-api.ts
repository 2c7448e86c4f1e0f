import { LIMITS, parseJson, StartRequest } from "../types.ts";
import type { Call, Hub, Route } from "./api.ts";
import type { Lost } from "./questions.ts";
import { badRequest, fail, notFound, reply } from "./replies.ts";

/** How long a session that was started may take to show itself, and how often we look, in ms. */
const SHOW_MS = 8000;
const LOOK_MS = 25;

const away = (lost: Lost) =>
  lost === "away"
    ? fail(503, "runner_away", "This runner is not connected. Nothing was asked.")
    : fail(
        503,
        "runner_lost",
        "The runner did not answer in time. The list of sessions will show what became of it.",
      );

/** Has a daemon start a session, and answers once the session is known here. */
async function start(hub: Hub, { id, body, device }: Call): Promise<Response> {
  const { daemons } = hub.runners;
  const info = daemons.info(id);
  if (info === undefined) return notFound("runner");
  const parsed = parseJson(StartRequest, body);
  if (parsed === undefined) return badRequest();
  if (!info.online) return away("away");
  hub.devices.audit(
    device.id,
    "start",
    id,
    [parsed.cwd, ...parsed.args, ...(parsed.sandbox ? ["(sandbox)"] : [])].join(" "),
  );
  const started = await daemons.start(id, parsed);
  if (typeof started === "string") return away(started);
  if ("refused" in started) return fail(409, "refused", started.refused);
  const { session } = started;
  for (
    const until = performance.now() + SHOW_MS;
    performance.now() < until;
    await Bun.sleep(LOOK_MS)
  ) {
    const known = hub.sessions.get(session);
    if (known !== undefined) return known.runner === id ? reply({ session }) : away("unknown");
  }
  return away("unknown");
}

/** Asks a daemon to find something, and answers under this name. */
async function find(
  hub: Hub,
  { id, url, request }: Call,
  name: "folders" | "conversations",
  path: string,
): Promise<Response> {
  if (hub.runners.daemons.info(id) === undefined) return notFound("runner");
  if (path.length > LIMITS.pathChars) return badRequest();
  const found = await hub.runners.daemons[name](id, path, url.searchParams.get("sandbox") === "1");
  return typeof found === "string" ? away(found) : reply({ [name]: found }, request);
}

/** What people ask of the daemons that start sessions. */
export const DAEMON_ROUTES: readonly Route[] = [
  [
    "GET",
    /^\/api\/runners$/,
    (hub, { request }) => reply({ runners: hub.runners.daemons.list() }, request),
  ],
  ["POST", /^\/api\/runners\/([\w-]+)\/sessions$/, start],
  [
    "GET",
    /^\/api\/runners\/([\w-]+)\/folders$/,
    (hub, call) => find(hub, call, "folders", call.url.searchParams.get("path") ?? ""),
  ],
  [
    "GET",
    /^\/api\/runners\/([\w-]+)\/conversations$/,
    (hub, call) => find(hub, call, "conversations", call.url.searchParams.get("cwd") ?? ""),
  ],
];
