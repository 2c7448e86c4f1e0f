import { FoldersAnswer, LIMITS, type RunnerInfo } from "../src/types.ts";
import { call, RequestError } from "./api.ts";
import { el } from "./dom.ts";
import type { Identity } from "./keys.ts";
import { EXACT } from "./text-box.ts";
import { setWords, visiblePath } from "./visible.ts";

/** What is typed is completed once nothing was typed for this long, in ms. */
const PAUSE_MS = 200;
/** So many recent folders are shown at first. */
const FEW = 5;

/** Where a folder of a daemon's machine is chosen: recent ones with one tap, others typed and completed, one level a tap. */
export function openFolder(identity: Identity, onChange: () => void) {
  let daemon: RunnerInfo | undefined;
  let found: string[] = [];
  let active = -1;
  let asked = 0;
  let pause: ReturnType<typeof setTimeout> | undefined;
  let all = false;

  const recent = el("ul", { class: "recent", attrs: { "aria-label": "Recent folders" } });
  const field = el("input", {
    attrs: {
      type: "text",
      id: "folder",
      dir: "ltr",
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": "folders",
      maxlength: String(LIMITS.pathChars),
      ...EXACT,
      enterkeyhint: "done",
    },
  });
  const list = el("ul", { attrs: { id: "folders", role: "listbox", "aria-label": "Folders" } });
  const hidden = el("p", { class: "about", attrs: { dir: "ltr" } });
  const state = el("p", { class: "about", attrs: { role: "status" } });
  const value = () => field.value.replace(/(?<=.)\/+$/, "");

  const show = (folders: string[]) => {
    found = folders;
    active = -1;
    const above = field.value.slice(0, field.value.lastIndexOf("/") + 1);
    const short = (path: string) =>
      path.startsWith(above) && path.length > above.length ? path.slice(above.length) : path;
    const option = (path: string, i: number) =>
      el(
        "li",
        {
          attrs: { role: "option", id: `folder-${i}`, "aria-selected": "false" },
          on: { click: () => descend(path) },
        },
        ...visiblePath(short(path)),
      );
    list.replaceChildren(...folders.map(option));
    list.hidden = folders.length === 0;
    field.setAttribute("aria-expanded", String(!list.hidden));
    field.removeAttribute("aria-activedescendant");
  };
  const close = () => {
    clearTimeout(pause);
    asked++; // what is on its way is not shown any more
    show([]);
    state.textContent = "";
  };
  const complete = async (path: string) => {
    if (daemon === undefined) return;
    const mine = ++asked;
    const answer = await (path === ""
      ? { folders: daemon.roots }
      : call(
          identity,
          FoldersAnswer,
          "GET",
          `/api/runners/${daemon.id}/folders?${new URLSearchParams({ path })}`,
        ).catch((error: unknown) => {
          if (error instanceof RequestError) return error;
          throw error;
        }));
    if (mine !== asked) return;
    show(answer instanceof RequestError ? [] : answer.folders);
    const none = path.endsWith("/") ? "No folders in there." : "No folder begins like that.";
    setWords(
      state,
      answer instanceof RequestError
        ? answer.message
        : found.length > 0
          ? `${found.length} ${found.length === 1 ? "folder" : "folders"}`
          : none,
    );
  };
  const changed = () => {
    const seen = visiblePath(field.value);
    hidden.hidden = !seen.some(
      (part) => part instanceof Element && part.querySelector(".unseen") !== null,
    ); // only where something hides
    hidden.replaceChildren(...seen);
    for (const row of recent.querySelectorAll("button[aria-pressed]"))
      row.setAttribute("aria-pressed", String(row.getAttribute("data-path") === value()));
    onChange();
  };
  const set = (path: string) => {
    field.value = path;
    changed();
  };
  function descend(path: string): void {
    set(path.endsWith("/") ? path : `${path}/`);
    field.scrollLeft = field.scrollWidth; // what was chosen last is at the end
    void complete(field.value);
  }
  const move = (by: number) => {
    if (found.length === 0) return void complete(field.value);
    list.children[active]?.setAttribute("aria-selected", "false");
    active = (active + by + found.length + (active < 0 && by < 0 ? 1 : 0)) % found.length;
    const option = list.children[active];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", `folder-${active}`);
  };

  field.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => void complete(field.value), PAUSE_MS);
    changed();
  });
  field.addEventListener("click", () => {
    if (found.length === 0) void complete(value() === "" ? "" : `${value().replace(/\/$/, "")}/`);
  });
  field.addEventListener("blur", close);
  for (const press of ["pointerdown", "mousedown"])
    list.addEventListener(press, (event) => event.preventDefault()); // the field keeps the keyboard
  field.addEventListener("keydown", (event) => {
    if (event.isComposing || !/^(?:ArrowDown|ArrowUp|Enter|Escape)$/.test(event.key)) return;
    const path = found[active];
    if (event.key === "Escape" && found.length === 0) return;
    event.preventDefault(); // Enter here starts nothing
    if (event.key === "ArrowDown" || event.key === "ArrowUp")
      move(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter" && path !== undefined) descend(path);
    else close();
  });

  const drawRecent = () => {
    const folders = [...new Set([...(daemon?.recent ?? []), ...(daemon?.roots ?? [])])];
    const row = (path: string) => {
      const button = el("button", {
        attrs: { type: "button", "data-path": path, "aria-pressed": String(path === value()) },
        on: { click: () => set(path) },
      });
      button.append(...visiblePath(path));
      return el("li", {}, button);
    };
    const rest = el(
      "li",
      {},
      el("button", {
        text: `${folders.length - FEW} more`,
        attrs: { type: "button" },
        on: { click: () => more() },
      }),
    );
    recent.replaceChildren(
      ...(all ? folders : folders.slice(0, FEW)).map(row),
      ...(all || folders.length <= FEW ? [] : [rest]),
    );
  };
  const more = () => {
    all = true;
    drawRecent();
    recent.querySelectorAll("button")[FEW]?.focus();
  };

  close();
  hidden.hidden = true;
  const label = el("label", { text: "Folder", attrs: { for: "folder" } });
  return {
    element: el(
      "section",
      { class: "folder", attrs: { "aria-label": "Folder" } },
      label,
      recent,
      el("div", {}, field, list),
      hidden,
      state,
    ),
    value,
    set,
    focus: () => field.focus(),
    /** Offers the folders of a daemon; what is chosen stays. */
    offer(next: RunnerInfo): void {
      const same =
        JSON.stringify([next.id, next.recent, next.roots]) ===
        JSON.stringify([daemon?.id, daemon?.recent, daemon?.roots]);
      if (daemon?.id !== next.id) all = false;
      daemon = next;
      if (!same) drawRecent();
    },
  };
}
