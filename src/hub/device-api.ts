import { CodeRequest, parseJson, RenameRequest, SubscriptionRequest } from "../types.ts";
import type { Call, Hub, Route } from "./api.ts";
import { badRequest, fail, notFound, reply } from "./replies.ts";

/** Whoever may only look and answer makes nothing that may do more. */
const machinesOnly = () =>
  fail(
    403,
    "machines_only",
    "Only a machine lets another machine in: run `claude-remote pair --kind machine` on one, or `claude-remote pair --data DIR` on the server's own host.",
  );

function mintCode(hub: Hub, { body, device }: Call): Response {
  const parsed = parseJson(CodeRequest, body);
  if (parsed === undefined) return badRequest();
  if (parsed.kind === "machine" && device.kind !== "machine") return machinesOnly();
  const { code, expires } = hub.devices.mint(parsed.kind, device.id);
  return reply({ link: `${hub.publicOrigin()}/#pair=${code}`, expires });
}

function rename(hub: Hub, { id, body, device }: Call): Response {
  const parsed = parseJson(RenameRequest, body);
  if (parsed === undefined) return badRequest();
  return hub.devices.rename(id, parsed.name, device.id) ? reply({}) : notFound("device");
}

function revoke(hub: Hub, { id, device }: Call): Response {
  if (!hub.devices.revoke(id, device.id)) return notFound("device");
  hub.log("info", "revoked", { device: id, by: device.id });
  hub.viewers.drop(id);
  hub.runners.sockets.drop(id);
  return reply({ minted: hub.devices.letInBy(id) });
}

/** Lets a device in again that nobody used for long. */
function admit(hub: Hub, { id, device }: Call): Response {
  const locked = hub.devices.list(device.id).find((other) => other.id === id && other.locked);
  if (locked === undefined) return notFound("device that is locked out for being unused");
  if (locked.kind === "machine" && device.kind !== "machine") return machinesOnly();
  hub.devices.admit(id, device.id);
  return reply({});
}

function audit(hub: Hub, { url, request }: Call): Response {
  const before = Number(url.searchParams.get("before") ?? Number.MAX_SAFE_INTEGER);
  return Number.isSafeInteger(before) && before >= 0
    ? reply({ entries: hub.devices.audited(before) }, request)
    : badRequest();
}

function subscribe(hub: Hub, { body, device }: Call): Response {
  const parsed = parseJson(SubscriptionRequest, body);
  if (parsed === undefined) return badRequest();
  const trouble = hub.push.subscribe(device.id, parsed);
  return trouble === undefined ? reply({}) : fail(409, "refused", trouble);
}

async function testPush(hub: Hub, { device }: Call): Promise<Response> {
  const answer = await hub.push.test(device.id);
  return answer === undefined
    ? fail(409, "off", "Notifications are not switched on for this device.")
    : reply(answer);
}

/** What people do with devices, their notifications, and what was done. */
export const DEVICE_ROUTES: readonly Route[] = [
  ["GET", /^\/api\/devices$/, (hub, { device }) => reply({ devices: hub.devices.list(device.id) })],
  ["POST", /^\/api\/devices\/code$/, mintCode],
  ["PATCH", /^\/api\/devices\/([\w-]+)$/, rename],
  ["DELETE", /^\/api\/devices\/([\w-]+)$/, revoke],
  ["POST", /^\/api\/devices\/([\w-]+)\/admit$/, admit],
  ["GET", /^\/api\/audit$/, audit],
  ["GET", /^\/api\/push\/subscription$/, (hub, { device }) => reply(hub.push.state(device.id))],
  ["POST", /^\/api\/push\/subscription$/, subscribe],
  [
    "DELETE",
    /^\/api\/push\/subscription$/,
    (hub, { device }) => {
      hub.push.unsubscribe(device.id);
      return reply({});
    },
  ],
  ["POST", /^\/api\/push\/test$/, testPush],
];
