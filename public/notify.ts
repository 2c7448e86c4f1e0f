import * as v from "valibot";
import { PUSH_KINDS, type PushKind, type PushState, PushTest } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import { el } from "./dom.ts";
import { workerTrouble } from "./install.ts";
import { iosGuide, isIosTab } from "./ios.ts";
import type { Identity } from "./keys.ts";
import { pushState, subscribe, unsubscribe } from "./subscription.ts";

const WORDS: Record<PushKind, string> = {
  prompt: "Claude asks something",
  finished: "Claude finished",
  waiting: "Claude waits for input",
  error: "Claude ran into an error",
  ended: "A session ended",
  paired: "A new device was paired",
};

/** How long the service worker may take to be there, in ms. */
const READY_MS = 10_000;

/** What keeps this browser from getting notifications, and what to do about it; undefined where nothing does. */
function obstacle(state: PushState): string | HTMLElement | undefined {
  if (!isSecureContext)
    return "Notifications need HTTPS: this page came over plain HTTP. The server's documentation has the ways to it (Tailscale serve, Caddy, a certificate).";
  if (isIosTab()) return iosGuide(undefined);
  if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window))
    return "This browser has no Web Push. On an iPhone or iPad it takes iOS 16.4 or newer.";
  if (workerTrouble !== undefined) return workerTrouble;
  if (state.trouble !== undefined) return state.trouble;
  if (Notification.permission === "denied")
    return "This browser was told to show no notifications of this page: allow them in its settings for this site, then come back.";
  return undefined;
}

/** Notifications on this device: on or off, which, with which buttons, and a test. `onChange` comes when the server was told something. */
export function notifyView(identity: Identity, onChange: () => Promise<void>): HTMLElement {
  const place = el("div", { class: "notify" }, el("p", { class: "about", text: "…" }));
  const said = el("p", { class: "about", attrs: { role: "status" } });
  let state: PushState | undefined;

  const trying = async (act: () => Promise<void>) => {
    said.textContent = "";
    try {
      await act();
    } catch (error) {
      if (
        !(
          error instanceof RequestError ||
          error instanceof DOMException ||
          error instanceof v.ValiError
        )
      )
        throw error;
      said.textContent =
        error instanceof DOMException ? `This browser could not: ${error.message}` : error.message;
    }
  };
  const ready = async (): Promise<ServiceWorkerRegistration> => {
    const late = new Promise<undefined>((resolve) => setTimeout(resolve, READY_MS));
    const registration = await Promise.race([navigator.serviceWorker.ready, late]);
    if (registration === undefined)
      throw new RequestError(
        0,
        "worker",
        "The page's service worker does not start. Reload this page.",
      );
    return registration;
  };
  const load = async () => {
    state = await pushState(identity);
    draw(state);
  };
  const choose = async (off: PushKind[], approve: boolean) => {
    if (state !== undefined) await subscribe(identity, await ready(), state.key, { off, approve });
    await load();
    await onChange();
  };
  const draw = (now: PushState) => {
    const trouble = obstacle(now);
    if (trouble !== undefined)
      return place.replaceChildren(
        typeof trouble === "string" ? el("p", { class: "note", text: trouble }) : trouble,
      );
    if (now.endpoint === null) {
      const on = el("button", {
        class: "approve",
        text: "Switch on notifications",
        attrs: { type: "button" },
      });
      on.addEventListener("click", () => {
        // asked for in the tap itself, or browsers refuse
        const permission = Notification.requestPermission();
        void trying(async () => {
          on.disabled = true;
          if ((await permission) === "granted") await choose(now.off, now.approve);
          else draw(now);
        }).finally(() => {
          on.disabled = false;
        });
      });
      return place.replaceChildren(
        el("p", {
          class: "about",
          text: "Told when Claude asks, finishes or fails, also with this page closed. What is answered at the desk within ten seconds makes no sound.",
        }),
        on,
        said,
      );
    }
    const box = (text: string, on: boolean, change: (on: boolean) => void, note?: string) => {
      const input = el("input", {
        attrs: { type: "checkbox" },
        on: { change: () => change(input.checked) },
        init: (input) => (input.checked = on),
      });
      return el(
        "label",
        {},
        input,
        el("span", { text }),
        ...(note === undefined ? [] : [el("span", { class: "about", text: note })]),
      );
    };
    const kinds = PUSH_KINDS.map((kind) =>
      box(
        WORDS[kind],
        !now.off.includes(kind),
        (on) =>
          void trying(() =>
            choose(
              on ? now.off.filter((other) => other !== kind) : [...now.off, kind],
              now.approve,
            ),
          ),
      ),
    );
    const approve = box(
      "Approve from the notification",
      now.approve,
      (on) => void trying(() => choose(now.off, on)),
      "Careful: whoever holds this device can then approve from its lock screen. Only short commands that the notification shows whole have the button; all have Reject. iOS shows no buttons.",
    );
    const test = button("Send a test", () =>
      trying(async () => {
        said.textContent = "Sending…";
        const { status, body } = await call(identity, PushTest, "POST", "/api/push/test");
        const meaning =
          status >= 200 && status < 300
            ? "The push service took it; it should show up now."
            : status === 0
              ? "The server could not reach the push service."
              : "The push service refused it.";
        said.textContent =
          `${meaning} Its own answer: ${status === 0 ? "none" : status} ${body}`.trim();
        await load(); // it may have been forgotten
        await onChange();
      }),
    );
    const off = button("Switch off", () =>
      trying(async () => {
        await unsubscribe(identity, await ready());
        await load();
        await onChange();
      }),
    );
    return place.replaceChildren(
      el("fieldset", { class: "choices" }, el("legend", { text: "Tell me when" }), ...kinds),
      el("fieldset", { class: "choices" }, approve),
      el("div", { class: "row-buttons" }, test, off),
      said,
    );
  };
  const button = (text: string, act: () => Promise<void>) =>
    el("button", {
      class: "plain",
      text,
      attrs: { type: "button" },
      on: { click: () => void trying(act) },
    });
  void trying(load).then(() => state === undefined && place.replaceChildren(said));
  return place;
}
