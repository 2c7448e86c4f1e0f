import type { View } from "../src/types.ts";
import { diffLines } from "./diff.ts";
import { el } from "./dom.ts";
import { formatted } from "./formatted.ts";
import { visiblePath, visibleProse, visibleText } from "./visible.ts";

/** What is longer as JSON is not indented, in UTF-16 units. */
const INDENT_CHARS = 10_000;

function text(value: unknown): string {
  const plain = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return typeof value === "string" || plain.length > INDENT_CHARS
    ? plain
    : JSON.stringify(value, null, 2);
}

/** What the tool would do, whole: a command as text, an edit as a diff, a file's content, a plan as such; `form` stands for what it `covers`. */
export function inputParts(
  { tool, input }: Pick<View, "tool" | "input">,
  form?: HTMLElement,
  covers: string[] = [],
): HTMLElement[] {
  if (form !== undefined) {
    const more = rest(input, covers);
    for (const part of more) part.tabIndex = 0; // it may be longer than what the fields scroll to
    return [form, ...more];
  }
  if (tool === "Bash" && typeof input.command === "string") {
    const described =
      typeof input.description === "string"
        ? [
            el(
              "p",
              { class: "described", attrs: { dir: "auto" } },
              ...visibleProse(input.description),
            ),
          ]
        : [];
    return [
      el("pre", { class: "command", attrs: { tabindex: "0" } }, ...visibleText(input.command)),
      ...described,
      ...rest(input, ["command", "description"]),
    ];
  }
  if (
    tool === "Edit" &&
    typeof input.old_string === "string" &&
    typeof input.new_string === "string"
  ) {
    const lines = diffLines(input.old_string, input.new_string).map(({ kind, text: line }) =>
      el(
        "span",
        {
          class: `diff ${kind}`,
          attrs: { "data-sign": kind === "gone" ? "−" : kind === "new" ? "+" : " " },
        },
        ...visibleText(line),
      ),
    );
    return [
      path(input.file_path),
      el("pre", { class: "changes", attrs: { tabindex: "0" } }, ...lines),
      ...rest(input, ["file_path", "old_string", "new_string"], { replace_all: false }),
    ];
  }
  if (tool === "Write" && typeof input.content === "string") {
    return [
      path(input.file_path),
      el("pre", { class: "content", attrs: { tabindex: "0" } }, ...visibleText(input.content)),
      ...rest(input, ["file_path", "content"]),
    ];
  }
  if (tool === "ExitPlanMode" && typeof input.plan === "string")
    return [el("div", { class: "plan", attrs: { tabindex: "0" } }, ...formatted(input.plan))];
  return rest(input, []);
}

function path(file: unknown): HTMLElement {
  return el("p", { class: "path" }, ...visiblePath(text(file)));
}

/** Whatever else the input holds: nothing that Claude would do goes unseen. */
function rest(
  input: Record<string, unknown>,
  shown: string[],
  dull: Record<string, unknown> = {},
): HTMLElement[] {
  const left = Object.entries(input).filter(
    ([name, value]) => !shown.includes(name) && dull[name] !== value,
  );
  if (left.length === 0) return [];
  return [
    el(
      "dl",
      {},
      ...left.flatMap(([name, value]) => [
        el("dt", {}, ...visibleText(name, { keep: "" })),
        el("dd", {}, ...visibleText(text(value))),
      ]),
    ),
  ];
}
