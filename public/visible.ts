import { UNSEEN } from "../src/types.ts";
import { el } from "./dom.ts";

/** Text for a person to judge: every unseen character stands as its code point, marked, but for line feeds and what `besides` holds. */
export function visibleText(text: string, besides = ""): (Node | string)[] {
  const parts: (Node | string)[] = [];
  let plain = "";
  for (const char of text) {
    if (char === "\n" || besides.includes(char) || !UNSEEN.test(char)) {
      plain += char;
      continue;
    }
    if (plain !== "") parts.push(plain);
    plain = "";
    const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    parts.push(
      el("span", {
        class: "unseen",
        text: char === "\t" ? "⇥" : `U+${code}`,
        attrs: { title: `U+${code}` },
      }),
    );
  }
  if (plain !== "") parts.push(plain);
  return parts;
}

/** A path for a person: each part has its own direction of reading, and turns no other around. */
export function visiblePath(path: string): (Node | string)[] {
  return path
    .split("/")
    .flatMap((part, i) => [
      ...(i > 0 ? ["/"] : []),
      ...(part === "" ? [] : [el("bdi", {}, ...visibleText(part, " "))]),
    ]);
}
