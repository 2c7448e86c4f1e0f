import { describe, expect, test } from "bun:test";
import { formContent, readForm } from "../../src/runner/forms.ts";
import type { FieldValues } from "../../src/types.ts";

const form = (properties: object, required: string[] = []) => {
  const read = readForm({ type: "object", properties, required });
  if (read === undefined) throw new Error("not read");
  return read;
};
const sent = (property: object, value: FieldValues[number], required = true) =>
  formContent(form({ it: property }, required ? ["it"] : []), [value]);

describe("a form", () => {
  test("keeps titles, hints, bounds and what is filled in beforehand, in the order asked", () => {
    const { fields, values } = form(
      {
        name: {
          type: "string",
          title: "Name",
          description: "of it",
          minLength: 2,
          maxLength: 5,
          pattern: "^a",
          default: "abc",
        },
        mail: { type: "string", format: "email" },
        odd: { type: "string", format: "unknown" },
        env: { type: "string", enum: ["d", "p"], enumNames: ["Dev", "Prod"], default: "p" },
        one: { type: "string", oneOf: [{ const: "x", title: "The X" }, { const: "y" }] },
        tags: {
          type: "array",
          items: { anyOf: [{ const: "a", title: "A" }] },
          minItems: 1,
          default: ["a", "gone"],
        },
        count: { type: "integer", minimum: 1, maximum: 3, default: 2 },
        sure: { type: "boolean", default: false },
      },
      ["name"],
    );
    expect(fields).toEqual([
      {
        name: "name",
        title: "Name",
        about: "of it · pattern ^a",
        required: true,
        type: "text",
        options: [],
        min: 2,
        max: 5,
        value: "abc",
      },
      { name: "mail", title: "mail", required: false, type: "text", options: [], format: "email" },
      { name: "odd", title: "odd", required: false, type: "text", options: [] },
      {
        name: "env",
        title: "env",
        required: false,
        type: "one",
        options: ["Dev", "Prod"],
        value: [1],
      },
      { name: "one", title: "one", required: false, type: "one", options: ["The X", "y"] },
      {
        name: "tags",
        title: "tags",
        required: false,
        type: "several",
        options: ["A"],
        min: 1,
        value: [0],
      },
      {
        name: "count",
        title: "count",
        required: false,
        type: "integer",
        options: [],
        min: 1,
        max: 3,
        value: 2,
      },
      { name: "sure", title: "sure", required: false, type: "boolean", options: [], value: false },
    ]);
    expect(values).toEqual([[], [], [], ["d", "p"], ["x", "y"], ["a"], [], []]);
  });

  test.each([
    [undefined],
    [{ type: "array" }],
    [{ type: "object", properties: { a: { type: "object", properties: {} } } }],
    [{ type: "object", properties: { a: { type: "array", items: { type: "string" } } } }],
    [{ type: "object", properties: { a: {} } }],
    [
      {
        type: "object",
        properties: Object.fromEntries(
          Array.from({ length: 51 }, (_, i) => [i, { type: "boolean" }]),
        ),
      },
    ],
  ])("that asks for what can't be shown is not read: %#", (schema) => {
    expect(readForm(schema)).toBeUndefined();
  });

  const text = { type: "string", minLength: 2, maxLength: 3 };
  const cases: [string, object, FieldValues[number], unknown][] = [
    ["a text within its bounds, counted by characters", text, "👍👍", "👍👍"],
    ["a text too short", text, "a", undefined],
    ["a text too long", text, "abcd", undefined],
    ["a number as text", text, 12, undefined],
    ["a mail address", { type: "string", format: "email" }, "a@b", "a@b"],
    ["no mail address", { type: "string", format: "email" }, "a b@c", undefined],
    ["a day", { type: "string", format: "date" }, "2026-02-03", "2026-02-03"],
    ["no day", { type: "string", format: "date" }, "2026-13-03", undefined],
    [
      "a time",
      { type: "string", format: "date-time" },
      "2026-02-03T04:05:06Z",
      "2026-02-03T04:05:06Z",
    ],
    ["no address", { type: "string", format: "uri" }, "somewhere", undefined],
    ["a whole number", { type: "integer", minimum: 1 }, 1, 1],
    ["a broken one", { type: "integer" }, 1.5, undefined],
    ["one below its bound", { type: "number", minimum: 1 }, 0.5, undefined],
    ["a text for a number", { type: "number" }, "1", undefined],
    ["yes", { type: "boolean" }, true, true],
    ["a text for yes", { type: "boolean" }, "true", undefined],
    ["a choice by number", { type: "string", enum: ["a", "b"] }, [1], "b"],
    ["a choice by its name", { type: "string", enum: ["a", "b"] }, "b", undefined],
    ["two choices of one", { type: "string", enum: ["a", "b"] }, [0, 1], undefined],
    ["a choice that is not there", { type: "string", enum: ["a", "b"] }, [2], undefined],
    ["several choices", { type: "array", items: { enum: ["a", "b"] } }, [1, 0], ["b", "a"]],
    ["the same twice", { type: "array", items: { enum: ["a", "b"] } }, [1, 1], undefined],
    [
      "too many choices",
      { type: "array", items: { enum: ["a", "b"] }, maxItems: 1 },
      [1, 0],
      undefined,
    ],
    ["nothing", text, null, undefined],
  ];
  test.each(cases)("takes or refuses %s", (_, property, value, expected) => {
    expect(sent(property, value)).toEqual(expected === undefined ? undefined : { it: expected });
  });

  test("leaves out what may be left out, and is refused with too little or too much", () => {
    expect(sent(text, null, false)).toEqual({});
    expect(formContent(form({ a: text }), undefined)).toBeUndefined();
    expect(formContent(form({ a: text }), [])).toBeUndefined();
    expect(formContent(form({ a: text }), [null, null])).toBeUndefined();
  });
});
