import { tellingName } from "./telling-names.ts";
import { dots } from "./text.ts";
import { fieldSecret } from "./values.ts";

/** Masks one string of an object; `field` is the name it stands under. */
export type MaskString = (text: string, field: string) => string;

/** Every string of a JSON object, masked; names too. What stands under a telling name is dotted out as a whole. */
export function maskStrings(
  input: Record<string, unknown>,
  mask: MaskString,
): Record<string, unknown> {
  const maskObject = (object: object): Record<string, unknown> => {
    const entries = new Map<string, unknown>();
    const alike = new Map<string, number>();
    const pair = pairIn(object);
    for (const [name, part] of Object.entries(object)) {
      const dotted = mask(name, "");
      let shown = dotted;
      // two names must not become one, or what stands under it goes unseen
      for (let n = alike.get(dotted) ?? 2; entries.has(shown); n++) {
        shown = `${dotted} (${n})`;
        alike.set(dotted, n + 1);
      }
      entries.set(shown, maskValue(part, name === "value" ? (pair ?? name) : name));
    }
    return Object.fromEntries(entries);
  };
  const maskValue = (value: unknown, field: string): unknown => {
    if (typeof value === "string") {
      const from =
        field.length > NAME_CHARS ? undefined : fieldSecret(field, tellingName(field), value);
      return from === undefined
        ? mask(value, field)
        : value.slice(0, from) + dots(value.slice(from));
    }
    if (Array.isArray(value)) return value.map((part) => maskValue(part, field));
    return typeof value === "object" && value !== null ? maskObject(value) : value;
  };
  return maskObject(input);
}

/** A name is at most so long, in UTF-16 units. */
const NAME_CHARS = 80;

/** `{"name": "API_KEY", "value": "…"}`: the name of what stands under `value`. */
function pairIn(object: object): string | undefined {
  if (!("value" in object)) return undefined;
  const name = "name" in object ? object.name : "key" in object ? object.key : undefined;
  return typeof name === "string" ? name : undefined;
}
