import * as v from "valibot";
import { DeviceInfo } from "../src/types.ts";
import { visibleName as nameInWords } from "../src/visible-text.ts";
import { call, RequestError } from "./api.ts";
import { auditList } from "./audit.ts";
import { showPlace } from "./bar.ts";
import { ago, el } from "./dom.ts";
import { isolated } from "./fault.ts";
import { inviteView } from "./invite.ts";
import type { Identity } from "./keys.ts";
import { type OnStream, type Shown, take, waitsElsewhere } from "./known.ts";
import { notifyView } from "./notify.ts";
import { openStream } from "./stream.ts";
import { setWords, visibleName } from "./visible.ts";

const Devices = v.object({ devices: v.array(DeviceInfo) });
const Revoked = v.object({ minted: v.array(v.object({ id: v.string(), name: v.string() })) });

const KINDS: Record<DeviceInfo["kind"], string> = {
  viewer: "phone or browser: sees and answers",
  runner: "runs sessions, and sees nothing",
  machine: "machine: runs sessions, sees and answers",
};
const DAEMON =
  "To start sessions from here, run `claude-remote runner --root ~/src` on a machine that is paired: what lies in that folder can be worked on.";
const PUSH = { on: "gets notifications", off: "no notifications", failing: "notifications fail" };

/** Everything that is paired, how to let in and lock out, notifications here, and what was decided. */
export function showDevices(identity: Identity, view: HTMLElement, onStream: OnStream): Shown {
  const heading = el("h1", { text: "Devices" });
  const state = el("p", { class: "problem", attrs: { role: "status" } });
  const list = el("ul", { class: "devices" });
  const others = el("div");
  const audit = auditList(identity);
  let devices: DeviceInfo[] = [];
  let closed = false;

  const trying = async (act: () => Promise<void>) => {
    state.textContent = "";
    try {
      await act();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setWords(state, error.message);
    }
  };
  const look = async () => {
    devices = (await call(identity, Devices, "GET", "/api/devices")).devices;
    if (!closed) draw();
  };
  const load = () => trying(() => look().then(audit.load));
  /** After something was done here, the list is drawn anew even under the fingers. */
  const reload = () => {
    list.replaceChildren();
    return load();
  };
  /** Locks devices out, one after the other; the answer is whom they had let in and is still there. */
  const revoke = async (doomed: readonly Pick<DeviceInfo, "id" | "name">[]) => {
    const minted = new Map<string, string>();
    await trying(async () => {
      for (const { id } of doomed) {
        const answer = await call(identity, Revoked, "DELETE", `/api/devices/${id}`).catch(
          (error: unknown) => {
            if (error instanceof RequestError && error.status === 404) return undefined; // somebody else was quicker
            throw error;
          },
        );
        for (const other of answer?.minted ?? []) minted.set(other.id, other.name);
      }
    });
    const trouble = state.textContent;
    for (const { id } of doomed) minted.delete(id);
    minted.delete(identity.device);
    await reload();
    state.textContent ||= trouble;
    const left = [...minted].map(([id, name]) => ({ id, name }));
    others.replaceChildren(...(left.length === 0 ? [] : [stillIn(left)]));
  };
  const stillIn = (left: { id: string; name: string }[]) => {
    const names = left.map(({ name }) => name).join(", ");
    return el(
      "div",
      { class: "said" },
      "What you revoked had let in: ",
      ...visibleName(names),
      ". ",
      button("Revoke these too", () => void revoke(left)),
      button("Keep them", () => others.replaceChildren()),
    );
  };

  /** What can't be undone takes a second step, which says what it means. */
  const twoSteps = (label: string, of: string, warning: string, act: () => void) => {
    const place = el("span", { class: "steps-two" });
    const reset = () => place.replaceChildren(named(button(label, ask)));
    const named = (one: HTMLButtonElement) => {
      if (of !== "") one.setAttribute("aria-label", `${label} ${nameInWords(of)}`);
      return one;
    };
    const ask = () => {
      const cancel = button("Cancel", reset);
      place.replaceChildren(
        el("span", {}, ...visibleName(warning)),
        named(button(label, act, "stop")),
        cancel,
      );
      cancel.focus();
    };
    reset();
    return place;
  };

  const row = (device: DeviceInfo) => {
    const { id, name, kind, self, last_seen_at, push, locked } = device;
    const field = el("input", {
      attrs: { type: "text", maxlength: "64", "aria-label": "Name", autocomplete: "off" },
      init: (input) => (input.value = name),
    });
    const save = async () => {
      const given = field.value.trim();
      if (given === name) return;
      await trying(() =>
        call(identity, v.object({}), "PATCH", `/api/devices/${id}`, { name: given }).then(reload),
      );
    };
    field.addEventListener("change", () => void save());
    const seen = self
      ? "this one"
      : last_seen_at === null
        ? "never seen"
        : `seen ${ago(last_seen_at)}`;
    const about = el("p", {
      class: "about",
      text: [seen, KINDS[kind], ...(kind === "runner" || locked ? [] : [PUSH[push]])].join(" · "),
    });
    const sessions = kind === "viewer" ? "" : " Its sessions go on there, but no longer show here.";
    const warning = self
      ? "This very browser will have to be paired again."
      : `This locks “${name}” out at once.${sessions}`;
    const shown = nameInWords(name);
    return el(
      "li",
      { attrs: { "data-device": id } },
      field,
      // a field can't mark what is hidden in it
      ...(shown === name ? [] : [el("p", { class: "about" }, ...visibleName(name))]),
      about,
      ...(locked ? [lockedOut(device)] : []),
      twoSteps(self ? "Unpair" : "Revoke", name, warning, () => void revoke([device])),
    );
  };
  const lockedOut = ({ id, name, kind }: DeviceInfo) => {
    const admit = () =>
      trying(() => call(identity, v.object({}), "POST", `/api/devices/${id}/admit`).then(reload));
    const warning = `“${name}” was not used for long. Let it in only if you know who has it.`;
    return el(
      "div",
      { class: "about" },
      "Locked out, as nobody used it for long. ",
      kind === "machine"
        ? `A machine lets it in again: \`claude-remote devices admit ${id}\` there.`
        : twoSteps("Let in again", name, warning, () => void admit()),
    );
  };
  const draw = () => {
    showPlace("Devices", false, waitsElsewhere(), heading);
    if (list.contains(document.activeElement) || list.querySelector(".stop") !== null) return; // somebody is at it
    const paired = devices
      .filter(({ revoked_at }) => revoked_at === null)
      .sort(
        (a, b) => Number(b.self) - Number(a.self) || (b.last_seen_at ?? 0) - (a.last_seen_at ?? 0),
      );
    list.replaceChildren(...paired.flatMap((device) => isolated(() => [row(device)], [])));
    const rest = paired.filter(({ self }) => !self);
    const names = rest
      .map(({ name, kind }) => (kind === "viewer" ? name : `${name} (runs sessions)`))
      .join(", ");
    if (rest.length > 1)
      list.append(
        el(
          "li",
          {},
          twoSteps(
            "Revoke all others",
            "",
            `This locks out at once: ${names}. Only this browser stays.`,
            () => void revoke(rest),
          ),
        ),
      );
  };

  const invite = inviteView(
    identity,
    () => devices.length,
    () => trying(look),
  );
  const notify = notifyView(identity, load);
  view.replaceChildren(
    el(
      "div",
      { class: "sections" },
      section("Notifications on this device", notify),
      section("Paired devices", state, others, list),
      section("Let one in", invite.element, el("p", { class: "about", text: DAEMON })),
      section("What was done", audit.element),
    ),
  );
  view.className = "list";
  draw();
  const close = openStream(
    identity,
    undefined,
    (event) => {
      if (event.name === "hello") {
        void load();
      } else if (event.name === "reset") void load();
      else take(event);
    },
    onStream,
  );
  return {
    draw,
    close() {
      closed = true;
      invite.close();
      close();
    },
  };
}

function button(text: string, act: () => void, kind = "plain"): HTMLButtonElement {
  return el("button", { class: kind, text, attrs: { type: "button" }, on: { click: act } });
}

function section(name: string, ...parts: Node[]): HTMLElement {
  return el(
    "section",
    { class: "group", attrs: { "aria-label": name } },
    el("h2", { text: name }),
    ...parts,
  );
}
