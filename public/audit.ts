import * as v from "valibot";
import { AuditEntry } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import { ago, baseName, el } from "./dom.ts";
import { isolated } from "./fault.ts";
import type { Identity } from "./keys.ts";
import { visibleName, visibleText } from "./visible.ts";

const Page = v.object({ entries: v.array(AuditEntry) });

/** What was decided, by whom, newest first; older ones are fetched when they are asked for. */
export function auditList(identity: Identity): { element: HTMLElement; load(): Promise<void> } {
  const list = el("ul", { class: "audit" });
  const more = el("button", {
    class: "plain",
    text: "Earlier",
    attrs: { type: "button" },
    on: { click: () => void older() },
  });
  let last = 0;
  const take = async (query: string) => {
    const { entries } = await call(identity, Page, "GET", `/api/audit${query}`);
    last = entries.at(-1)?.id ?? 0;
    more.hidden = last <= 1;
    return entries.flatMap((entry) => isolated(() => [row(entry)], []));
  };
  const older = () =>
    take(`?before=${last}`).then(
      (rows) => list.append(...rows),
      (error: unknown) => {
        if (!(error instanceof RequestError)) throw error;
        list.append(el("li", {}, ...visibleName(error.message)));
      },
    );
  return {
    element: el("div", {}, list, more),
    load: async () => list.replaceChildren(...(await take(""))),
  };
}

function row(entry: AuditEntry): HTMLElement {
  const { at, about } = entry;
  const time = el("time", {
    text: ago(at),
    attrs: { datetime: new Date(at).toISOString(), title: new Date(at).toLocaleString() },
  });
  return el(
    "li",
    {},
    time,
    el("span", {}, ...visibleName(inWords(entry))),
    ...(about === null ? [] : [el("code", {}, ...visibleText(about, { keep: "" }))]),
  );
}

/** One line of the audit, for people. */
export function inWords({ device, name, action, detail, on }: AuditEntry): string {
  const who = name ?? device ?? "The server's own machine";
  const place = on === null ? "" : ` in ${baseName(on)}`;
  const said = detail === "" || detail === "approve" || detail === "reject" ? "" : `: “${detail}”`;
  switch (action) {
    case "approve":
      return `${who} approved${place}${said}`;
    case "reject":
      return `${who} rejected${place}${said}`;
    case "answered at the desk":
      return `${detail === "approve" ? "Approved" : detail === "reject" ? "Rejected" : "Answered"} at the desk${place}`;
    case "stop":
      return `${who} ended the session${place} (${detail})`;
    case "type":
      return `${who} typed${place}`;
    case "shell":
      return `${who} typed a shell command${place}`;
    case "resize":
      return `${who} took over the terminal's size${place}${said}`;
    case "start":
      return `${who} started a session${on === null ? "" : ` on ${on}`}${said}`;
    case "mint":
      return `${who} made a pairing link for a ${detail}`;
    case "pair":
      return `${who} was paired as a ${detail.split(" ")[0]}`;
    case "rename":
      return `${who} named a device “${detail}”`;
    case "admit":
      return `${who} let ${on ?? "a device"} in again`;
    case "revoke":
      return `${who} revoked ${on ?? "a device"}`;
    default:
      return `${who}: ${action}${place}${said}`;
  }
}
