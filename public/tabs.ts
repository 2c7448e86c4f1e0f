import { el } from "./dom.ts";
import { store, stored } from "./stored.ts";

/** The two ways to look at a session. */
export type Tab = "terminal" | "talk";

/** Two views of a session with tabs above; which one was chosen last is remembered with the session. */
export function openTabs(
  session: string,
  views: Record<Tab, HTMLElement>,
  onShow: (tab: Tab) => void,
  asked: Tab | undefined,
) {
  const kept = `tab ${session}`;
  const button = (tab: Tab, text: string) =>
    el("button", {
      text,
      attrs: { type: "button", role: "tab", id: `tab-${tab}`, "aria-controls": `panel-${tab}` },
      on: { click: () => show(tab), keydown: onKey },
    });
  const buttons = {
    terminal: button("terminal", "Terminal"),
    talk: button("talk", "Conversation"),
  };
  const bar = el(
    "div",
    { class: "tabs", attrs: { role: "tablist", "aria-label": "Views" } },
    buttons.terminal,
    buttons.talk,
  );
  const panel = (tab: Tab) =>
    el(
      "div",
      {
        class: "panel",
        attrs: { role: "tabpanel", id: `panel-${tab}`, "aria-labelledby": `tab-${tab}` },
      },
      views[tab],
    );
  const panels = { terminal: panel("terminal"), talk: panel("talk") };
  const element = el("div", { class: "views" }, bar, panels.terminal, panels.talk);
  let chosen: Tab = asked ?? (stored(kept) === "talk" ? "talk" : "terminal");

  function onKey(event: KeyboardEvent): void {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    show(chosen === "talk" ? "terminal" : "talk");
    buttons[chosen].focus();
  }

  function show(tab: Tab): void {
    chosen = tab;
    store(kept, tab === "talk" ? tab : undefined);
    for (const name of ["terminal", "talk"] as const) {
      panels[name].toggleAttribute("data-off", name !== tab); // keeps its place: the terminal's size is asked for in both
      buttons[name].setAttribute("aria-selected", String(name === tab));
      buttons[name].tabIndex = name === tab ? 0 : -1;
    }
    onShow(tab);
  }

  return {
    element,
    show,
    /** Brings up what was asked for, or chosen last. */
    begin: () => show(chosen),
    /** Programs other than claude have no conversation. */
    offer(on: boolean): void {
      bar.hidden = !on;
      if (!on && chosen === "talk") show("terminal");
    },
  };
}
