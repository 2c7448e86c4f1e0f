import * as v from "valibot";
import { sha256hex } from "../src/auth.ts";
import {
  type Decision,
  type Prompt,
  PushMessage,
  parseJson,
  SHOWN_WHOLE,
  View,
} from "../src/types.ts";
import { allPrompts } from "../src/viewer/pages.ts";
import { call, RequestError } from "./api.ts";
import { loadIdentity } from "./keys.ts";
import { renewSubscription } from "./subscription.ts";

/** The service worker: notifications with their buttons, and the page's own files for when the server is away. It keeps nothing else. */
declare const self: ServiceWorkerGlobalScope;
/** The page's files and a hash of them all, put in when this is bundled. */
declare const SHELL_FILES: string[];
declare const SHELL_VERSION: string;

/** The server's own files are preferred; where they take longer than this the kept ones do, in ms. */
const FRESH_MS = 3000;
/** After a decision was sent it is looked this often, and so many times, whether Claude took it, in ms. */
const LOOK_MS = 700;
const LOOKS = 9;
const CACHE = `shell ${SHELL_VERSION}`;

const Receipt = v.object({ state: v.string() });

self.addEventListener("install", (event) => {
  const keep = async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(SHELL_FILES.map((path) => new Request(path, { cache: "reload" })));
    await self.skipWaiting(); // the page asks to be reloaded
  };
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const old = (await caches.keys()).filter((name) => name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (
    event.request.method === "GET" &&
    origin === location.origin &&
    SHELL_FILES.includes(pathname)
  )
    event.respondWith(fresh(event.request, pathname));
});

/** A file of the page from the server, or the kept one where that is away, slow or behind a proxy that can't reach it. */
async function fresh(request: Request, path: string): Promise<Response> {
  const kept = await caches.match(path, { cacheName: CACHE });
  if (kept === undefined) return fetch(request);
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, FRESH_MS));
  const response = await Promise.race([fetch(request).catch(() => undefined), late]);
  return response === undefined || response.status >= 500 ? kept : response;
}

self.addEventListener("push", (event) => event.waitUntil(pushed(event.data?.text() ?? "")));

/** Every push shows a notification: a worker that leaves one out loses its subscription. */
async function pushed(text: string): Promise<void> {
  const message = parseJson(PushMessage, text);
  if (message === undefined)
    return show({
      kind: "test",
      tag: "unread",
      title: "claude-remote",
      body: "Something is new. Open it to see what.",
      hash: "#/",
      silent: false,
      waiting: 0,
      actions: [],
    });
  const pages = await self.clients.matchAll({ type: "window" });
  const seen = pages.some(({ visibilityState }) => visibilityState === "visible");
  await show({ ...message, silent: message.silent || seen });
  if (message.kind !== "test" && "setAppBadge" in navigator)
    await navigator.setAppBadge(message.waiting);
}

const BUTTONS: Record<Decision, string> = { approve: "Approve", reject: "Reject" };

function show(message: PushMessage): Promise<void> {
  const { title, body, tag, silent } = message;
  const actions = message.actions.map((action) => ({ action, title: BUTTONS[action] }));
  // the library's types know neither buttons nor `renotify`
  const options: NotificationOptions & { renotify: boolean; actions: object[] } = {
    body,
    tag,
    silent,
    renotify: !silent,
    data: message,
    icon: "/icon-192.png",
    actions,
  };
  return self.registration.showNotification(title, options);
}

self.addEventListener("notificationclick", (event) =>
  event.waitUntil(clicked(event.notification, event.action)),
);

async function clicked(notification: Notification, action: string): Promise<void> {
  const parsed = v.safeParse(PushMessage, notification.data);
  const message = parsed.success ? parsed.output : undefined;
  if (message === undefined || (action !== "approve" && action !== "reject")) {
    notification.close();
    return openPage(message?.hash ?? "#/");
  }
  const quiet = { ...message, silent: true, actions: [] };
  await show({ ...quiet, title: action === "approve" ? "Approving…" : "Rejecting…" });
  try {
    const outcome = await decide(message, action, notification.body);
    if (outcome !== undefined) return await show({ ...quiet, title: outcome });
    await show({ ...quiet, title: "Look again: this is not the whole of what Claude asks now" });
    await openPage(message.hash);
  } catch (error) {
    const why =
      error instanceof RequestError || error instanceof DOMException
        ? error.message
        : String(error);
    const again = error instanceof RequestError && (error.status === 0 || error.status === 503);
    await show({
      ...message,
      silent: true,
      title: `Could not ${action}: ${why}`,
      actions: again ? message.actions : [],
    });
  }
}

/**
 * Sends a person's decision, signed as the page would. An approval is sent only where the notification showed the whole command of what
 * Claude asks now; undefined where it did not.
 */
async function decide(
  { prompt: id, shown }: PushMessage,
  action: Decision,
  body: string,
): Promise<string | undefined> {
  const identity = await loadIdentity();
  if (identity === undefined || id === undefined) return "This browser is not paired";
  if (action === "approve") {
    const prompts = await allPrompts((schema, target) => call(identity, schema, "GET", target));
    const prompt = prompts.find((other) => other.id === id);
    // one that is gone is refused in the server's words
    if (prompt !== undefined && (sha256hex(prompt.view) !== shown || !isWhole(prompt, body)))
      return undefined;
  }
  const send = () =>
    call(
      identity,
      Receipt,
      "POST",
      `/api/prompts/${id}/${action}`,
      action === "approve" ? { shown } : {},
    );
  let { state } = await send();
  for (let look = 0; state === "sent" && look < LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    // a device that repeats its own decision hears what became of it
    state = await send().then(
      (receipt) => receipt.state,
      () => "sent",
    );
  }
  if (state === "unconfirmed")
    return "Sent, but there is no sign that Claude took it: look at the screen";
  return `${action === "approve" ? "Approved" : "Rejected"}${state === "sent" ? " – sent" : ""}`;
}

/** Whether a notification with this text shows all that would be approved: the command on a line of its own, and nothing beside it. */
function isWhole({ kind, view: text }: Prompt, body: string): boolean {
  const view = parseJson(View, text);
  if (kind !== "permission" || view?.tool !== "Bash" || view.masked === true) return false;
  const { command, description: _, ...rest } = view.input;
  return (
    Object.keys(rest).length === 0 &&
    typeof command === "string" &&
    SHOWN_WHOLE.test(command) &&
    body.startsWith(`${command}\n`)
  );
}

/** Leads a page that is there to a place, or opens one. */
async function openPage(hash: string): Promise<void> {
  const [page] = await self.clients.matchAll({ type: "window" });
  try {
    if (page === undefined) return void (await self.clients.openWindow(`/${hash}`));
    await page.navigate(`/${hash}`);
    await page.focus();
  } catch (error) {
    if (!(error instanceof DOMException || error instanceof TypeError)) throw error; // the tap was too long ago: the notification can be tapped again
  }
}

self.addEventListener("pushsubscriptionchange", (event) => {
  const renew = async () => {
    const identity = await loadIdentity();
    if (identity !== undefined) await renewSubscription(identity, self.registration);
  };
  // the events of the library's types are older than this one
  if (event instanceof ExtendableEvent) event.waitUntil(renew());
});
