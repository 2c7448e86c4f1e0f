import * as v from "valibot";
import { EFFORTS, type PERMISSION_MODES, type RunnerInfo, StartArgs } from "../src/types.ts";
import { el } from "./dom.ts";
import { EXACT } from "./text-box.ts";

const MODES: Record<(typeof PERMISSION_MODES)[number], string> = {
  manual: "manual: asks before it changes anything",
  plan: "plan: looks around and makes a plan",
  acceptEdits: "acceptEdits: edits files without asking",
  auto: "auto: decides by itself what to ask",
};
const MODELS = ["opus", "sonnet", "haiku"];

/** What a session is started with, as it is kept; empty is as claude has it set there. */
export const Options = v.object({
  model: v.string(),
  mode: v.string(),
  effort: v.string(),
  name: v.string(),
  sandbox: v.boolean(),
});
export type Options = v.InferOutput<typeof Options>;

/** How claude is started: model, permission mode, effort and name, folded away, and whether in a sandbox, of which `onSandbox` hears. */
export function openOptions(onSandbox: (on: boolean) => void) {
  const text = (id: string, placeholder: string, maxlength: number) =>
    el("input", {
      attrs: {
        id,
        type: "text",
        placeholder,
        maxlength: String(maxlength),
        ...EXACT,
      },
    });
  const choice = (id: string, words: Record<string, string>) =>
    el(
      "select",
      { attrs: { id } },
      ...Object.entries({ "": "as it is set there", ...words }).map(([value, text]) =>
        el("option", { text, attrs: { value } }),
      ),
    );
  const model = text("model", "as it is set there", 100);
  model.setAttribute("list", "models");
  const mode = choice("mode", MODES);
  const effort = choice("effort", Object.fromEntries(EFFORTS.map((name) => [name, name])));
  const name = text("name", "none", 64);
  name.dir = "auto";
  const row = (label: string, control: HTMLElement) =>
    el("div", {}, el("label", { text: label, attrs: { for: control.id } }), control);
  const models = el(
    "datalist",
    { attrs: { id: "models" } },
    ...MODELS.map((value) => el("option", { attrs: { value } })),
  );
  const fields = [
    row("Model", model),
    models,
    row("Permission mode", mode),
    row("Effort", effort),
    row("Name", name),
  ];
  const details = el("details", {}, el("summary", { text: "Options" }), ...fields);

  let none: string | null = null;
  let always = false;
  const tell = () => {
    if (always) sandbox.checked = true;
    sandbox.disabled = always || (none !== null && !sandbox.checked); // one that was asked for is never left out in silence: the start is refused, or it is taken back
    onSandbox(read().sandbox);
  };
  const sandbox = el("input", {
    attrs: { type: "checkbox", role: "switch", "aria-describedby": "sandbox-about" },
    on: { change: tell },
  });
  const about = el("p", { class: "about", attrs: { id: "sandbox-about" } });
  const box = el("div", { class: "choices" }, el("label", {}, sandbox, "Sandbox"), about);
  const flag = (name: string, value: string) => (value === "" ? [] : [name, value]);
  const read = (): Options => ({
    model: model.value.trim(),
    mode: mode.value,
    effort: effort.value,
    name: name.value.trim(),
    sandbox: sandbox.checked,
  });

  return {
    element: el("section", { attrs: { "aria-label": "Options" } }, box, details),
    read,
    set(options: Options): void {
      [model.value, mode.value, effort.value, name.value, sandbox.checked] = [
        options.model,
        options.mode,
        options.effort,
        options.name,
        options.sandbox,
      ];
      tell();
    },
    /** Says why there is no sandbox, if so, and how it is with its image. */
    offer({ no_sandbox, sandbox_always, sandbox_image: image }: RunnerInfo): void {
      none = no_sandbox;
      always = sandbox_always === true;
      tell();
      const building = image?.state === "building";
      about.textContent =
        no_sandbox !== null
          ? `There is none on that machine: ${no_sandbox}`
          : building
            ? `Its image is being built there${image.step === "" ? "" : ` (${image.step})`}, which takes some minutes. A notification says when it is there.`
            : `${always ? "That machine starts Claude in one always. " : ""}Claude runs in a throw-away container: this folder and listed addresses are all it reaches, with conversations of its own.`;
    },
    args(): string[] {
      const { model, mode, effort, name } = read();
      return [
        ...flag("--model", model),
        ...flag("--permission-mode", mode),
        ...flag("--effort", effort),
        ...flag("--name", name),
      ];
    },
    /** What can't be meant so, in words, shown where it stands. */
    trouble(): string | undefined {
      const { model: wanted, name: called } = read();
      const [bad, words] = !v.is(StartArgs, flag("--model", wanted))
        ? [model, "That is no name of a model."]
        : !v.is(StartArgs, flag("--name", called))
          ? [
              name,
              "A session can't be named like that: no dash in front, nothing that can't be seen.",
            ]
          : [];
      if (bad !== undefined) details.open = true;
      bad?.focus();
      return words;
    },
  };
}
