import * as v from "valibot";
import { PushMessage } from "../src/types.ts";
import { RequestError } from "./api.ts";
import { el, find } from "./dom.ts";
import type { Identity } from "./keys.ts";
import { renewSubscription } from "./subscription.ts";

/** A newer page is looked for at most this often, when somebody comes back to this one, in ms. */
const UPDATE_MS = 10 * 60_000;

/** What stands in the way of the service worker; undefined where nothing does, or as long as that is not known. */
export let workerTrouble: string | undefined;

/** As far as we use it; the library's types lack it. What it makes is no string, but goes where one would. */
interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): { createScriptURL(url: string): string };
}
declare global {
  interface Window {
    trustedTypes?: TrustedTypes;
  }
}

/** The one script that may be named by code: the policy that the server's headers allow lets no other through. */
function workerUrl(): string {
  const policy = window.trustedTypes?.createPolicy("worker", {
    createScriptURL(url) {
      if (url === "/worker.js") return url;
      throw new TypeError("not our worker");
    },
  });
  return policy?.createScriptURL("/worker.js") ?? "/worker.js";
}

/** Registers the service worker where there can be one, and says when a newer page has come. */
export async function startWorker(): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  const running = serviceWorker.controller !== null;
  serviceWorker.addEventListener("controllerchange", () => running && sayNewer());
  const registration = await serviceWorker
    .register(workerUrl(), { updateViaCache: "none" })
    .catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      workerTrouble = `This browser does not run the page's service worker, as with a certificate that it does not trust (${why}).`;
    });
  if (registration === undefined) return;
  let looked = Date.now();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || Date.now() - looked < UPDATE_MS) return;
    looked = Date.now();
    registration.update().catch(() => undefined); // the server is away: the next time
  });
}

function sayNewer(): void {
  const reload = el("button", {
    class: "plain",
    text: "Reload",
    attrs: { type: "button" },
    on: { click: () => location.reload() },
  });
  const notice = el(
    "p",
    { class: "notice newer", attrs: { role: "status" } },
    "A newer version of this page is here. ",
    reload,
  );
  if (document.querySelector(".newer") === null) find(".bar", HTMLElement).after(notice);
}

/** A browser that gets notifications, and whose subscription the server has lost or never heard of, tells it. */
export async function keepSubscribed(identity: Identity): Promise<void> {
  if (!("serviceWorker" in navigator && "PushManager" in window)) return;
  const registration = await navigator.serviceWorker.getRegistration();
  if (registration === undefined || (await registration.pushManager.getSubscription()) === null)
    return;
  await renewSubscription(identity, registration).catch((error: unknown) => {
    if (!(error instanceof RequestError || error instanceof DOMException)) throw error; // the settings tell about it
  });
}

/** Closes the notifications of prompts that nobody has to answer any more. */
export async function closeNotifications(isOver: (prompt: string) => boolean): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const registration = await navigator.serviceWorker.getRegistration();
  for (const notification of (await registration?.getNotifications()) ?? []) {
    const message = v.safeParse(PushMessage, notification.data);
    if (
      message.success &&
      /^(?:prompt|answered)$/.test(message.output.kind) &&
      isOver(message.output.tag)
    )
      notification.close();
  }
}
