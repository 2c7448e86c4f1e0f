import { join } from "node:path";
import { type DeviceKeys, deviceKeys } from "../../src/auth.ts";
import type { Prompt } from "../../src/types.ts";
import { FakeElement, fakeBrowser, standAt } from "./dom.ts";

interface Identity extends DeviceKeys {
  device: string;
  name: string;
}
type OnStream = (state: string, reason?: string) => void;
/** What is used of the page's modules, which are written for a browser's types. */
interface Modules {
  showSession(
    identity: Identity,
    id: string,
    view: FakeElement,
    onStream: OnStream,
    wanted: { part: string | undefined; place: undefined },
  ): { draw(): void; close(): void };
  send(identity: Identity, method: string, target: string, body: string): Promise<Response>;
  RequestError: new (...args: never[]) => Error;
  setLink(state: string, trouble?: string): void;
  drawRow(row: FakeElement, payload: string): void;
  known: {
    sessions: Map<string, { status: string }>;
    prompts: Map<string, Prompt>;
    deck: { enable(): void; press(action: "approve" | "reject"): void; open(): number } | undefined;
  };
}

/** The dashboard's own modules, in a browser that draws nothing. */
export async function loadPage(): Promise<Modules> {
  fakeBrowser();
  const load = (name: string) => import(join(import.meta.dir, "../../public", name));
  const { showSession }: Modules = await load("session.ts");
  const { send, RequestError }: Modules = await load("api.ts");
  const { setLink }: Modules = await load("bar.ts");
  const { drawRow }: Modules = await load("rows.ts");
  const { known }: Modules = await load("known.ts");
  return { showSession, send, RequestError, setLink, drawRow, known };
}

/** One session on a phone's page, as its owner sees it and uses it. */
export function openPage(
  modules: Modules,
  origin: string,
  device: string,
  secret: Uint8Array,
  session: string,
) {
  const identity: Identity = { device, name: "phone", ...deviceKeys(secret) };
  const { known } = modules;
  standAt(origin);
  let view = new FakeElement("main");
  let shown: ReturnType<Modules["showSession"]> | undefined;
  let closed = false;
  let states: string[] = [];

  const open = () => {
    known.sessions.clear();
    known.prompts.clear();
    view = new FakeElement("main");
    states = [];
    shown = modules.showSession(
      identity,
      session,
      view,
      (state, reason) => {
        if (closed) return;
        states.push(state);
        modules.setLink(state, reason);
        known.deck?.enable();
      },
      { part: undefined, place: undefined },
    );
  };
  const draft = () => {
    const [text] = view.one("composer").all(({ tag }) => tag === "textarea");
    if (text === undefined) throw new Error("the composer has no text");
    return text;
  };
  open();

  return {
    /** Everything is fetched anew, as in a tab that was just opened. */
    reload(): void {
      shown?.close();
      open();
    },
    close(): void {
      closed = true;
      shown?.close();
    },
    states: () => states,
    status: () => known.sessions.get(session)?.status,
    /** Types into the composer and sends it; the answer is what stood there, as it was given back. */
    type(text: string): string {
      const area = draft();
      const before = area.value;
      area.value = text;
      const [form] = view.one("composer").all(({ tag }) => tag === "form");
      form?.dispatch("submit");
      return before;
    },
    draft: () => draft().value,
    /** How what was typed fares, in words. */
    typing: () => view.one("composer").one("state").textContent,
    press: (action: "approve" | "reject") => known.deck?.press(action),
    /** What waits for an answer, as the page has it. */
    prompts: () =>
      [...known.prompts.values()].filter(({ state }) => state === "pending" || state === "sending"),
    cards: () =>
      view.one("cards").children.filter(({ dataset }) => dataset.state !== "settled").length,
    /** A request with the page's own key. */
    send: (target: string, body: string) => modules.send(identity, "POST", target, body),
    isRefusal: (error: unknown) => error instanceof modules.RequestError,
    lookBack(): void {
      const [older] = view.one("scroller").all(({ className }) => className === "older");
      if (older?.hidden === false) older.click();
    },
    show(tab: "terminal" | "talk"): void {
      view.all(({ attributes }) => attributes.get("id") === `tab-${tab}`)[0]?.click();
    },
    /** The rows of the screen as they are drawn, and the cursor. */
    rows: () => view.one("screen").children.map((row) => row.inside),
    cursor() {
      const { hidden, style } = view.one("cursor");
      return hidden ? "hidden" : `${style.left} ${style.top}`;
    },
    /** How a row of this payload is drawn. */
    drawn(payload: string): string {
      const row = new FakeElement("div");
      modules.drawRow(row, payload);
      return row.inside;
    },
    /** The lines above the screen with their numbers; where some are missing there is a line without one. */
    history: () =>
      view
        .one("history")
        .children.map((row) => ({ line: Number(row.dataset.line ?? -1), text: row.inside })),
    hasOlder: () =>
      view.one("scroller").all(({ className }) => className === "older")[0]?.hidden === false,
    /** The conversation's entries with their numbers. */
    said: () =>
      view
        .one("entries")
        .children.map((entry) => ({ n: Number(entry.dataset.n), text: entry.textContent })),
  };
}
export type Page = ReturnType<typeof openPage>;
