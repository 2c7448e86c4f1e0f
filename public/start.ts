import * as v from "valibot";
import { parseJson, type RunnerInfo } from "../src/types.ts";
import { RequestError } from "./api.ts";
import { isLive, showPlace } from "./bar.ts";
import { el } from "./dom.ts";
import { openFolder } from "./folder.ts";
import type { Identity } from "./keys.ts";
import { known, type OnStream, type Shown, take, waitsElsewhere } from "./known.ts";
import { launch } from "./launch.ts";
import { Options, openOptions } from "./options.ts";
import { openPast } from "./past.ts";
import { awayWords, followRunners, isAway, reaches } from "./runners.ts";
import { store, stored } from "./stored.ts";
import { openStream } from "./stream.ts";
import { setWords, visibleName } from "./visible.ts";

const NONE =
  "No machine here starts sessions. On one that is paired, run `claude-remote runner --root ~/src`: what lies in that folder can be worked on from here.";

/** What was chosen last on a machine, kept in this browser. */
const Kept = v.object({ cwd: v.string(), options: Options });
const keptOf = (runner: string) => parseJson(Kept, stored(`start ${runner}`) ?? "");

/** What is being set up, so that it is still there after the phone was locked. */
let draft:
  | { hash: string; runner: string; cwd: string; options: Options; resume: string }
  | undefined;

/** A new session is set up: on which machine, in which folder, how claude is started, and whether with an earlier conversation. */
export function showStart(identity: Identity, view: HTMLElement, onStream: OnStream): Shown {
  const { hash } = location;
  const query = new URLSearchParams(hash.split("?")[1]);
  let runner: string | undefined;
  let busy = false;
  let closed = false;

  const state = el("p", { class: "state", text: "Looking…", attrs: { role: "status" } });
  const machines = el("fieldset", { class: "machines" });
  const past = openPast(identity);
  const options = openOptions(past.enclose);
  const folder = openFolder(identity, () => {
    problem.textContent = "";
    if (runner !== undefined) past.offer(runner, folder.value());
  });
  const problem = el("p", { class: "problem", attrs: { role: "alert" } });
  const start = el("button", { class: "approve", text: "Start", attrs: { type: "submit" } });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void go();
  };
  const form = el(
    "form",
    { class: "start", on: { submit } },
    machines,
    folder.element,
    options.element,
    past.element,
    el("div", { class: "go" }, problem, start),
  );
  view.replaceChildren(state, form);
  view.className = "list";

  const daemon = () => known.runners?.find(({ id }) => id === runner);
  const choose = (next: RunnerInfo) => {
    const again = draft?.hash === hash && draft.runner === next.id ? draft : undefined;
    const kept = again ?? keptOf(next.id);
    runner = next.id;
    folder.offer(next);
    options.offer(next);
    if (kept !== undefined) options.set(kept.options);
    const last = kept !== undefined && reaches(next, kept.cwd) ? kept.cwd : undefined;
    const cwd =
      again?.cwd ??
      (query.get("runner") === next.id ? query.get("cwd") : null) ??
      last ??
      next.recent[0] ??
      next.roots[0] ??
      "";
    past.offer(next.id, cwd, again?.resume);
    folder.set(cwd);
  };
  const drawMachines = (all: readonly RunnerInfo[]) => {
    const row = (info: RunnerInfo) => {
      const radio = el("input", {
        attrs: { type: "radio", name: "machine", value: info.id },
        on: { change: () => choose(info) },
      });
      radio.checked = info.id === runner;
      radio.disabled = !info.online && !radio.checked;
      return el(
        "label",
        {},
        radio,
        el("strong", {}, ...visibleName(info.name)),
        el("span", { text: isAway(info) ? awayWords(info) : "" }),
      );
    };
    const focused = machines.contains(document.activeElement);
    machines.hidden = all.length < 2;
    machines.replaceChildren(el("legend", { text: "Machine" }), ...all.map(row));
    if (focused) machines.querySelector<HTMLElement>("input:checked")?.focus();
  };
  const draw = () => {
    showPlace("New session", false, waitsElsewhere(), el("h1", { text: "New session" }));
    const all = known.runners;
    form.hidden = all === undefined || all.length === 0;
    if (all === undefined) return;
    if (daemon() === undefined) {
      const wanted = [
        draft?.hash === hash ? draft.runner : null,
        query.get("runner"),
        stored("start on"),
      ];
      const next =
        wanted.map((id) => all.find((info) => info.id === id)).find((info) => info !== undefined) ??
        all.find(({ online }) => online) ??
        all[0];
      if (next !== undefined) choose(next);
    }
    const now = daemon();
    if (now !== undefined) {
      folder.offer(now);
      options.offer(now);
    }
    const one = now === undefined || all.length > 1 ? "" : `on ${now.name}`;
    const words =
      now === undefined
        ? NONE
        : isAway(now)
          ? `The runner on ${now.name} is ${awayWords(now)}: nothing can be started there.`
          : one;
    setWords(state, words);
    state.hidden = words === "";
    start.disabled = busy || now?.online !== true || !isLive();
    start.textContent = busy ? "Starting…" : "Start";
  };
  const redraw = () => {
    if (closed) return;
    draw();
    drawMachines(known.runners ?? []);
  };

  const go = async () => {
    const now = daemon();
    if (busy || now === undefined) return;
    const trouble = options.trouble();
    const cwd = folder.value();
    problem.textContent = trouble ?? (cwd === "" ? "In which folder?" : "");
    if (trouble === undefined && cwd === "") folder.focus();
    if (problem.textContent !== "") return;
    const read = options.read();
    store("start on", now.id);
    store(`start ${now.id}`, JSON.stringify({ cwd, options: { ...read, name: "" } }));
    busy = true;
    draw();
    try {
      const session = await launch(identity, now.id, {
        cwd,
        args: [...options.args(), ...past.args()],
        sandbox: read.sandbox,
      });
      if (location.hash === hash) location.replace(`#/s/${session}`);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setWords(problem, error.message);
    } finally {
      busy = false;
      if (!closed) draw();
    }
  };

  redraw();
  const follow = followRunners(identity, redraw);
  const close = openStream(
    identity,
    undefined,
    (event) => {
      follow(event);
      if (take(event)) draw();
    },
    (next, reason) => {
      onStream(next, reason);
      if (!closed) draw();
    },
  );
  return {
    draw,
    close() {
      closed = true;
      close();
      draft =
        location.hash === hash && runner !== undefined
          ? { hash, runner, cwd: folder.value(), options: options.read(), resume: past.chosen() }
          : undefined;
    },
  };
}
