import * as v from "valibot";
import type { DeviceInfo } from "../src/types.ts";
import { webAddress } from "../src/viewer/web-address.ts";
import { call, RequestError } from "./api.ts";
import { el } from "./dom.ts";
import type { Identity } from "./keys.ts";
import { qrCode } from "./qr.ts";

const Code = v.object({ link: v.string(), expires: v.number() });
/** A link works for so long, in ms: counted here, as `expires` is by the server's clock. */
const LIFETIME_MS = 5 * 60_000;
/** While a link is shown it is looked this often whether it was used, in ms. */
const LOOK_MS = 2000;
/** What a browser may let in: a machine is let in by a machine. */
const KINDS: Partial<Record<DeviceInfo["kind"], string>> = {
  viewer: "A phone or browser",
  runner: "A laptop or server that runs Claude",
};
const MACHINES =
  "A machine that also sees and answers is let in by another machine, not from here: run `claude-remote pair --kind machine` there, or `claude-remote pair --data DIR` on the server's own host.";

/** Makes a pairing link of a chosen kind, as QR code and text, for as long as it works. `count`: how many devices there are, as of the last `look`. */
export function inviteView(
  identity: Identity,
  count: () => number,
  look: () => Promise<void>,
): { element: HTMLElement; close(): void } {
  const kinds = el(
    "select",
    { attrs: { "aria-label": "What is to be let in" } },
    ...Object.entries(KINDS).map(([kind, text]) => el("option", { text, attrs: { value: kind } })),
  );
  const make = el("button", {
    class: "plain",
    text: "Make a pairing link",
    attrs: { type: "button" },
    on: { click: () => void mint() },
  });
  const shown = el("div", { attrs: { role: "status" } });
  let looking: ReturnType<typeof setInterval> | undefined;
  const close = () => clearInterval(looking);

  const mint = async () => {
    close();
    try {
      await look();
      const before = count();
      const { link, expires } = await call(identity, Code, "POST", "/api/devices/code", {
        kind: kinds.value,
      });
      show(link, expires);
      const mintedAt = performance.now();
      looking = setInterval(() => {
        if (performance.now() - mintedAt > LIFETIME_MS) return end("That link is too old now.");
        void look().then(
          () => count() > before && end("A new device was paired: it is in the list."),
        );
      }, LOOK_MS);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      shown.replaceChildren(error.message);
    }
  };
  const end = (word: string) => {
    close();
    shown.replaceChildren(word);
  };
  const show = (link: string, expires: number) => {
    const isPhone = kinds.value === "viewer";
    const pasted = isPhone ? link : `claude-remote pair --kind ${kinds.value} '${link}'`;
    const copy = el("button", {
      class: "plain",
      text: isPhone ? "Copy the link" : "Copy the command",
      attrs: { type: "button" },
      on: {
        click: () =>
          void navigator.clipboard.writeText(pasted).then(() => copy.replaceChildren("Copied")),
      },
    });
    const until = new Date(expires).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const local = /^(?:localhost|127\.[\d.]+|\[::1\])$/.test(webAddress(link)?.hostname ?? "");
    const how = isPhone
      ? "Point its camera at this, or open the link there."
      : "Paste this into a terminal on that machine. From then on `claude-remote` shows its sessions here.";
    const note = local ? " It leads to this very machine: no other finds it under that name." : "";
    shown.replaceChildren(
      ...(isPhone ? [qrCode(link, "Pairing link as a QR code")] : []),
      el("p", {
        class: "about",
        text: `${how} It works once, until ${until}. Whoever has it gets in: show it to nobody else.${note}`,
      }),
      el("code", { class: "whole", text: pasted }),
      // without HTTPS there is no clipboard
      ...("clipboard" in navigator ? [copy] : []),
    );
  };
  const machines = el("p", { class: "about", text: MACHINES });
  return { element: el("div", { class: "invite" }, kinds, make, shown, machines), close };
}
