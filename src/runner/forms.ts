import * as v from "valibot";
import { type Field, type FieldValues, LIMITS } from "../types.ts";

const short = v.pipe(v.string(), v.maxLength(1024));
const bound = v.optional(v.number());
const names = v.pipe(v.array(short), v.maxLength(LIMITS.fieldOptions));
const titled = v.pipe(
  v.array(v.object({ const: short, title: v.optional(short) })),
  v.maxLength(LIMITS.fieldOptions),
);
const texts = {
  title: v.optional(short),
  description: v.optional(v.pipe(v.string(), v.maxLength(LIMITS.messageChars))),
};

/** What MCP lets a server ask for (its specification of 2025-11-25): flat fields of a few kinds. */
const Property = v.variant("type", [
  v.object({
    type: v.literal("string"),
    ...texts,
    enum: v.optional(names),
    enumNames: v.optional(names),
    oneOf: v.optional(titled),
    minLength: bound,
    maxLength: bound,
    format: v.optional(v.string()),
    pattern: v.optional(short),
    default: v.optional(v.string()),
  }),
  v.object({
    type: v.picklist(["number", "integer"]),
    ...texts,
    minimum: bound,
    maximum: bound,
    default: v.optional(v.number()),
  }),
  v.object({ type: v.literal("boolean"), ...texts, default: v.optional(v.boolean()) }),
  v.object({
    type: v.literal("array"),
    ...texts,
    items: v.object({ enum: v.optional(names), anyOf: v.optional(titled) }),
    minItems: bound,
    maxItems: bound,
    default: v.optional(names),
  }),
]);
const Requested = v.object({
  type: v.literal("object"),
  properties: v.custom<Record<string, unknown>>(
    (value) => typeof value === "object" && value !== null,
  ),
  required: v.optional(names, []),
});

const FORMATS = ["email", "uri", "date", "date-time"] as const;

/** A form as a server asks for it: what is shown, and what each option stands for. */
export interface Form {
  fields: Field[];
  /** For each field what its options are sent as. */
  values: string[][];
}

/** Reads the schema of a form; undefined where it asks for something that can't be shown here. */
export function readForm(schema: unknown): Form | undefined {
  const parsed = v.safeParse(Requested, schema);
  if (!parsed.success) return undefined;
  const { properties, required } = parsed.output;
  const form: Form = { fields: [], values: [] };
  for (const [name, given] of Object.entries(properties)) {
    const property = v.safeParse(Property, given);
    if (!property.success || form.fields.length >= LIMITS.fields || name.length > 256)
      return undefined;
    const read = readField(name, required.includes(name), property.output);
    if (read === undefined) return undefined;
    form.fields.push(read.field);
    form.values.push(read.values);
  }
  return form;
}

function readField(
  name: string,
  required: boolean,
  property: v.InferOutput<typeof Property>,
): { field: Field; values: string[] } | undefined {
  const about = [
    property.description,
    property.type === "string" && property.pattern !== undefined
      ? `pattern ${property.pattern}`
      : undefined,
  ]
    .filter((part) => part !== undefined)
    .join(" · ");
  const base = {
    name,
    title: property.title ?? name,
    required,
    options: [],
    ...(about === "" ? {} : { about }),
  };
  const given = (parts: Partial<Record<"min" | "max" | "format" | "value", unknown>>) =>
    Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));
  switch (property.type) {
    case "boolean":
      return {
        field: { ...base, type: "boolean", ...given({ value: property.default }) },
        values: [],
      };
    case "number":
    case "integer":
      return {
        field: {
          ...base,
          type: property.type,
          ...given({ min: property.minimum, max: property.maximum, value: property.default }),
        },
        values: [],
      };
    case "string": {
      const values = property.oneOf?.map((option) => option.const) ?? property.enum;
      const { minLength: min, maxLength: max } = property;
      if (values === undefined) {
        const format = FORMATS.find((known) => known === property.format);
        return {
          field: { ...base, type: "text", ...given({ min, max, format, value: property.default }) },
          values: [],
        };
      }
      const options =
        property.oneOf?.map((option) => option.title ?? option.const) ??
        values.map((value, i) => property.enumNames?.[i] ?? value);
      const chosen = property.default === undefined ? -1 : values.indexOf(property.default);
      return {
        field: {
          ...base,
          type: "one",
          options,
          ...given({ value: chosen < 0 ? undefined : [chosen] }),
        },
        values,
      };
    }
    case "array": {
      const { items, minItems: min, maxItems: max } = property;
      const values = items.anyOf?.map((option) => option.const) ?? items.enum;
      if (values === undefined) return undefined;
      const options = items.anyOf?.map((option) => option.title ?? option.const) ?? values;
      const chosen = property.default?.map((value) => values.indexOf(value)).filter((i) => i >= 0);
      return {
        field: { ...base, type: "several", options, ...given({ min, max, value: chosen }) },
        values,
      };
    }
    default:
      return property satisfies never;
  }
}

const SHAPES: Record<(typeof FORMATS)[number], (text: string) => boolean> = {
  email: (text) => /^[^\s@]+@[^\s@]+$/.test(text),
  uri: (text) => URL.canParse(text),
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)),
  "date-time": (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) && !Number.isNaN(Date.parse(text)),
};

/** What a filled in form is sent as; undefined where it does not fit what was asked. Claude itself does not check that (measured with 2.1.328). */
export function formContent(
  { fields, values }: Form,
  given: FieldValues | undefined,
): Record<string, unknown> | undefined {
  if (given?.length !== fields.length) return undefined;
  const content: [string, unknown][] = [];
  for (const [i, field] of fields.entries()) {
    const value = given[i] ?? null;
    if (value === null) {
      if (field.required) return undefined;
      continue;
    }
    const sent = fieldContent(field, values[i] ?? [], value);
    if (sent === undefined) return undefined;
    content.push([field.name, sent]);
  }
  return Object.fromEntries(content);
}

function fieldContent(
  { type, min = -Infinity, max = Infinity, format }: Field,
  values: readonly string[],
  value: NonNullable<FieldValues[number]>,
): unknown {
  const within = (number: number) => number >= min && number <= max;
  switch (type) {
    case "text":
      return typeof value === "string" &&
        within([...value].length) &&
        (format === undefined || SHAPES[format](value))
        ? value
        : undefined;
    case "number":
    case "integer":
      return typeof value === "number" &&
        within(value) &&
        (type === "number" || Number.isSafeInteger(value))
        ? value
        : undefined;
    case "boolean":
      return typeof value === "boolean" ? value : undefined;
    case "one":
    case "several": {
      if (
        !Array.isArray(value) ||
        new Set(value).size < value.length ||
        (type === "one" ? value.length !== 1 : !within(value.length))
      )
        return undefined;
      const chosen = value.map((number) => values[number]);
      return chosen.includes(undefined) ? undefined : type === "one" ? chosen[0] : chosen;
    }
    default:
      return type satisfies never;
  }
}
