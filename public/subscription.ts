import * as v from "valibot";
import { fromBase64url } from "../src/auth.ts";
import { type PushKind, PushState, SubscriptionRequest } from "../src/types.ts";
import { call } from "./api.ts";
import type { Identity } from "./keys.ts";

const Nothing = v.object({});

/** How the server sees notifications on this device. Throws a `RequestError`. */
export const pushState = (identity: Identity) =>
  call(identity, PushState, "GET", "/api/push/subscription");

/** Subscribes this browser with its push service, under the server's key, and tells the server. Throws a `RequestError`, or what the browser says. */
export async function subscribe(
  identity: Identity,
  registration: ServiceWorkerRegistration,
  key: string,
  choice: { off: PushKind[]; approve: boolean },
): Promise<void> {
  const options = {
    userVisibleOnly: true,
    applicationServerKey: new Uint8Array(fromBase64url(key) ?? []),
  };
  const subscription = await registration.pushManager
    .subscribe(options)
    .catch(async (error: unknown) => {
      if (!(error instanceof DOMException && error.name === "InvalidStateError")) throw error;
      await (await registration.pushManager.getSubscription())?.unsubscribe(); // of a server with another key, such as before a new database
      return registration.pushManager.subscribe(options);
    });
  const { endpoint, keys } = v.parse(
    v.pick(SubscriptionRequest, ["endpoint", "keys"]),
    subscription.toJSON(),
  );
  await call(identity, Nothing, "POST", "/api/push/subscription", { endpoint, keys, ...choice });
}

/** Tells the server where this browser is now, if it wants notifications and the server knows it no longer, or at another place. */
export async function renewSubscription(
  identity: Identity,
  registration: ServiceWorkerRegistration,
): Promise<void> {
  const state = await pushState(identity);
  const { endpoint } = (await registration.pushManager.getSubscription()) ?? {};
  const off = endpoint === undefined && state.endpoint === null;
  if (state.trouble === undefined && !off && endpoint !== state.endpoint)
    await subscribe(identity, registration, state.key, state);
}

export async function unsubscribe(
  identity: Identity,
  registration: ServiceWorkerRegistration,
): Promise<void> {
  await call(identity, Nothing, "DELETE", "/api/push/subscription");
  await (await registration.pushManager.getSubscription())?.unsubscribe();
}
