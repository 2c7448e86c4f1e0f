import { beginPairing, deviceKeys, fromBase64url, NONCE_BYTES } from "../src/auth.ts";
import { ApiError, PairResponse, parseJson } from "../src/types.ts";
import { el } from "./dom.ts";
import { type Identity, saveIdentity } from "./keys.ts";

/** Takes the pairing code out of the address, before anything else can see it there. */
export function takeCode(): string | undefined {
  const match = /^#pair=([A-Za-z0-9_-]+)$/.exec(location.hash);
  if (match !== null) history.replaceState(null, "", location.pathname);
  return match?.[1];
}

/** A name for this browser that its owner will recognise. */
function ownName(): string {
  const { userAgent } = navigator;
  const system = /iPhone|iPad|Android|Macintosh|Windows|CrOS|Linux/.exec(userAgent)?.[0]?.replace("Macintosh", "Mac") ?? "Browser";
  const browser = /Firefox|Edg|Chrome|Safari/.exec(userAgent)?.[0]?.replace("Edg", "Edge") ?? "";
  return `${system} ${browser}`.trim();
}

/** Pairs this browser; both sides derive the secret from the code. Throws an error whose message is for the person. */
async function pairBrowser(codeText: string, name: string): Promise<Identity> {
  const code = fromBase64url(codeText, NONCE_BYTES);
  if (code === undefined) throw new Error("This is not a pairing code.");
  const pairing = beginPairing(code, "viewer", name);
  const response = await fetch("/api/pair", { method: "POST", body: JSON.stringify(pairing.request) });
  const text = await response.text();
  if (!response.ok) throw new Error(parseJson(ApiError, text)?.error.message ?? `The server answered ${response.status}.`);
  const paired = parseJson(PairResponse, text);
  const secret = paired === undefined ? undefined : pairing.finish(paired);
  if (paired === undefined || secret === undefined) throw new Error("Whoever answered does not know the code: this may not be your server.");
  return saveIdentity(paired.device, name, deviceKeys(secret));
}

/** The first page: pair by the link that was opened, or by one that is pasted. */
export function pairView(code: string | undefined, reason: string | undefined, onPaired: (identity: Identity) => void): HTMLElement {
  const name = el("input", { attrs: { type: "text", maxlength: "64", required: "", id: "name", autocomplete: "off" }, init: (input) => (input.value = ownName()) });
  const link = el("input", {
    attrs: { type: "text", id: "link", autocomplete: "off", autocapitalize: "off", spellcheck: "false", placeholder: `${location.origin}/#pair=…`, required: "" },
  });
  const problem = el("p", { class: "problem", attrs: { role: "alert" }, text: reason ?? "" });
  const button = el("button", { class: "approve", text: "Pair this browser", attrs: { type: "submit" } });
  const form = el(
    "form",
    {
      class: "pair",
      on: {
        submit: (event) => {
          event.preventDefault();
          button.disabled = true;
          problem.textContent = "";
          const given = code ?? link.value.trim().replace(/^.*#pair=/, "");
          pairBrowser(given, name.value.trim() || "Browser")
            .then(onPaired)
            .catch((error: unknown) => {
              problem.textContent = error instanceof Error ? error.message : String(error);
              button.disabled = false;
              code = undefined; // it works once: ask for another
              link.closest("label")?.removeAttribute("hidden");
            });
        },
      },
    },
    el("h1", { text: "Pair this browser" }),
    el("p", {
      text: "Once paired, it shows your sessions and answers what Claude asks. Run claude-remote pair on your machine for a link; each works once, for five minutes.",
    }),
    el("label", { text: "Name, as your other devices will see it" }, name),
    el("label", { text: "Pairing link", init: (label) => (label.hidden = code !== undefined) }, link),
    button,
    problem,
  );
  if (code !== undefined) link.removeAttribute("required");
  return form;
}
