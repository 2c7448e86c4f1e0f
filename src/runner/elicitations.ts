import { isDeepStrictEqual } from "node:util";
import { type Elicited, isOpen, LIMITS, type View } from "../types.ts";
import { type Form, formContent, readForm } from "./forms.ts";
import type { Elicitation, ElicitationReply } from "./hooks.ts";
import type { Decide, Entry, Ledger } from "./ledger.ts";
import type { Whose } from "./prompts.ts";
import { maskInput, maskSecrets } from "./secrets.ts";

/** The desk sees no dialog while our hook waits: after this long without an answer it has one, in ms. */
const HELD_MS = 10 * 60_000;
/** An interrupted hook's connection closes together with much else; so long one waits to tell which it was, in ms. */
const SETTLE_MS = 150;

export interface ElicitationsOptions {
  ledger: Ledger;
  host: string;
  /** Whether anybody could hear of it: otherwise the desk is not kept waiting. */
  heard(): boolean;
  /** Whether Claude shows that it waits for our hook. */
  waits(): boolean;
  whose?: (session: string) => Whose;
}

/** What MCP servers ask through Claude's Elicitation hook. */
export function openElicitations({
  ledger,
  host,
  heard,
  waits,
  whose = () => ({ own: true }),
}: ElicitationsOptions) {
  let open: Entry[] = [];

  return {
    /** A server asks: shows it and resolves with what Claude is to be told. */
    ask(event: Elicitation, signal: AbortSignal): Promise<ElicitationReply | undefined> {
      const { view: shown, form } = elicitationView(event, host);
      const asker = whose(event.session_id);
      const view = asker.own ? shown : { ...shown, asker: asker.name.slice(0, 256) };
      if (!heard()) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        let held: ReturnType<typeof setTimeout> | undefined;
        const respond = (reply?: ElicitationReply) => {
          clearTimeout(held); // it would keep what was asked
          resolve(reply);
        };
        const entry = ledger.open("elicitation", view, {
          take(decision) {
            if (signal.aborted) return "gone";
            const reply = replyTo(decision, form);
            if (reply === undefined) return "refused";
            const waited = waits();
            respond(reply);
            return { found: () => waited && !waits() };
          },
          release: () => respond(),
        });
        if (entry === undefined) return respond();
        open = [...open.filter(({ prompt }) => isOpen(prompt)), entry];
        signal.addEventListener("abort", () =>
          setTimeout(() => ledger.answeredAtDesk(entry, "reject"), SETTLE_MS),
        );
        held = setTimeout(() => ledger.withdraw(entry), HELD_MS);
        held.unref();
      });
    },

    /** Somebody types at the desk, so they are there to answer: the dialog comes up as soon as the hook lets go. */
    typed(): void {
      for (const entry of open) if (entry.view.asker === undefined) ledger.withdraw(entry);
      open = open.filter(({ view }) => view.asker !== undefined);
    },
  };
}

function replyTo(
  { action, dismiss, fields }: Decide,
  form: Form | undefined,
): ElicitationReply | undefined {
  if (dismiss === true) return undefined;
  if (action === "reject") return { action: "decline" };
  if (form === undefined) return { action: "accept" };
  const content = formContent(form, fields);
  return content && { action: "accept", content };
}

const isPage = (url: string) =>
  url.length <= LIMITS.urlChars && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);

/** What a person is shown, and the form behind it; without a form it is a page to be opened. */
function elicitationView(
  { mcp_server_name: server, message, mode, requested_schema, url = "", cwd }: Elicitation,
  host: string,
): { view: View; form: Form | undefined } {
  const form = mode === "form" ? readForm(requested_schema) : undefined;
  const unclear =
    mode === "form"
      ? form === undefined
      : mode !== "url" || !isPage(url) || maskSecrets(url) !== url;
  const fields = form?.fields.map(({ value, ...field }) =>
    typeof value === "string" && maskSecrets(value) !== value
      ? field
      : { ...field, ...(value === undefined ? {} : { value }) },
  );
  const elicited: Elicited = {
    server,
    message,
    ...(mode === "form" ? {} : { url: maskSecrets(url.slice(0, LIMITS.urlChars)) }),
    ...(fields === undefined ? {} : { fields }),
  };
  // the message is only looked at; what is decided on are the page and the fields
  const { input: decided, opaque } = maskInput({ ...elicited, message: "" });
  const input = { ...decided, message: maskSecrets(message) };
  const view: View = {
    tool: "Elicitation",
    input,
    ...(isDeepStrictEqual(input, elicited) ? {} : { masked: true }),
    cwd,
    host,
    actions: unclear || opaque ? ["reject"] : ["approve", "reject"],
    ...(unclear || opaque
      ? { note: "This can't be shown here as it is: from here it can only be declined." }
      : {}),
  };
  if (JSON.stringify(view).length <= LIMITS.viewChars) return { view, form };
  const part = { server, message: maskSecrets(message.slice(0, LIMITS.messageChars)) };
  return {
    view: {
      ...view,
      input: part,
      actions: ["reject"],
      note: "Too much to be shown here: from here it can only be declined.",
    },
    form,
  };
}
