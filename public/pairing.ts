import { beginPairing, deviceKeys, fromBase64url, NONCE_BYTES } from "../src/auth.ts";
import { ApiError, PairResponse, parseJson } from "../src/types.ts";
import { RequestError, strangeAnswer, UNREACHABLE } from "./api.ts";
import { el, mark } from "./dom.ts";
import { iosGuide, isIosTab } from "./ios.ts";
import { type Identity, StorageError, saveIdentity } from "./keys.ts";
import { EXACT } from "./text-box.ts";

/** Takes the pairing code out of the address, before anything else can see it there. */
export function takeCode(): string | undefined {
  const match = /^#pair=([A-Za-z0-9_-]+)$/.exec(location.hash);
  if (match !== null) history.replaceState(null, "", location.pathname);
  return match?.[1];
}

/** A name for this browser that its owner will recognise. */
function ownName(): string {
  const { userAgent } = navigator;
  const system =
    /iPhone|iPad|Android|Macintosh|Windows|CrOS|Linux/
      .exec(userAgent)?.[0]
      ?.replace("Macintosh", "Mac") ?? "Browser";
  const browser = /Firefox|Edg|Chrome|Safari/.exec(userAgent)?.[0]?.replace("Edg", "Edge") ?? "";
  return `${system} ${browser}`.trim();
}

/** The code can't be used, as the message says to the person. */
class CodeError extends Error {}

/** Pairs this browser; both sides derive the secret from the code. Throws a `CodeError`, a `RequestError` or a `StorageError`. */
async function pairBrowser(codeText: string, name: string): Promise<Identity> {
  const code = fromBase64url(codeText, NONCE_BYTES);
  if (code === undefined)
    throw new CodeError(
      "This is not a whole pairing link: it ends in #pair= and 22 characters. Copy all of it.",
    );
  const pairing = beginPairing(code, "viewer", name);
  const lost = () => {
    throw new RequestError(0, "offline", UNREACHABLE);
  };
  const body = JSON.stringify(pairing.request);
  const response = await fetch("/api/pair", { method: "POST", body }).catch(lost);
  const text = await response.text().catch(lost);
  if (!response.ok)
    throw new CodeError(parseJson(ApiError, text)?.error.message ?? strangeAnswer(response.status));
  const paired = parseJson(PairResponse, text);
  const secret = paired === undefined ? undefined : pairing.finish(paired);
  if (paired === undefined || secret === undefined)
    throw new CodeError(
      "Whoever answered does not know the code: this may not be your server. Compare the address above with the one your machine shows.",
    );
  return saveIdentity(paired.device, name, deviceKeys(secret));
}

/** The first page: pair by the link that was opened, or by one that is pasted. */
export function pairView(
  code: string | undefined,
  reason: string | undefined,
  onPaired: (identity: Identity) => void,
): HTMLElement {
  const name = el("input", {
    attrs: { type: "text", maxlength: "64", required: "", id: "name", autocomplete: "off" },
    init: (input) => (input.value = ownName()),
  });
  const link = el("input", {
    attrs: {
      type: "text",
      id: "link",
      ...EXACT,
      placeholder: `${location.origin}/#pair=…`,
      required: "",
    },
  });
  const problem = el("p", { class: "problem", attrs: { role: "alert" }, text: reason ?? "" });
  const button = el("button", {
    class: "approve",
    text: "Pair this browser",
    attrs: { type: "submit" },
  });
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
              button.disabled = false;
              if (
                !(
                  error instanceof RequestError ||
                  error instanceof CodeError ||
                  error instanceof StorageError
                )
              )
                throw error;
              problem.textContent = error.message;
              if (error instanceof RequestError) return; // nobody has taken the code
              code = undefined; // it works once: ask for another
              link.closest("label")?.removeAttribute("hidden");
              link.focus();
            });
        },
      },
    },
    el("h1", {}, "Pair this browser", mark("you")),
    el("p", {
      text: "Once paired, it shows your Claude Code sessions live and answers what Claude asks. Its key is worked out here and never leaves this browser.",
    }),
    problem,
    ...(isIosTab()
      ? [iosGuide(code === undefined ? undefined : `${location.origin}/#pair=${code}`)]
      : []),
    el("label", { text: "Name, as your other devices will see it" }, name),
    el(
      "label",
      { text: "Pairing link", init: (label) => (label.hidden = code !== undefined) },
      link,
    ),
    button,
    el(
      "p",
      { class: "help" },
      "A link works once, for five minutes. Used or too old? Run ",
      el("code", { text: "claude-remote pair" }),
      " on your machine for a new one.",
    ),
  );
  if (code !== undefined) link.removeAttribute("required");
  return form;
}
